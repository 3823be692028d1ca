//! The fuzzer of `rais_fuzz::scanner`.
#![no_main]

libfuzzer_sys::fuzz_target!(|octets: &[u8]| rais_fuzz::scanner::take(octets));
