//! The fuzzer of `rais_fuzz::answers`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rais_fuzz::answers::take(octets));
