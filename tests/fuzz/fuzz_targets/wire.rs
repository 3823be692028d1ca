//! The fuzzer of `rais_fuzz::wire`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rais_fuzz::wire::take(octets));
