#![no_main]
#[path = "../oracles.rs"]
#[allow(dead_code, reason = "each target needs one of them")]
mod oracles;

libfuzzer_sys::fuzz_target!(|data: &[u8]| oracles::strict_json(data));
