//! The fuzzer of `rais_fuzz::v3`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rais_fuzz::v3::take(octets));
