//! libFuzzer over what reads foreign bytes. Which of the readers, says the variable `FUZZ_TARGET`; `fuzz/run` sets it.
#![no_main]

use std::sync::LazyLock;

type Reader = fn(&[u8]) -> bool;

static READER: LazyLock<Reader> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").expect("FUZZ_TARGET names a reader");
    let all = [
        authcore::foreign_bytes::READERS,
        fieldcrypt::foreign_bytes::READERS,
        postern::foreign_bytes::READERS,
    ];
    let found = all.into_iter().flatten().find(|(known, _)| *known == name);
    found.unwrap_or_else(|| panic!("there is no reader {name}")).1
});

libfuzzer_sys::fuzz_target!(|bytes: &[u8]| {
    let _ = READER(bytes);
});
