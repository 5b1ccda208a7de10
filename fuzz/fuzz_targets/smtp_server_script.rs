#![no_main]
libfuzzer_sys::fuzz_target!(|data: &[u8]| fuzz_bodies::smtp_server_script(data));
