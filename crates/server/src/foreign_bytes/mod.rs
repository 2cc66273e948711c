//! What reads bytes from elsewhere, each as a function of bytes: for `fuzz/`, and for the test that replays its seeds. Built
//! for those two only. Each tells whether the bytes were taken, and panics where a promise is broken.

mod files;
mod requests;

/// Reads bytes, and tells whether they were taken.
pub type Reader = fn(&[u8]) -> bool;

/// All of them, by the folder of their seeds.
pub const READERS: &[(&str, Reader)] = &[
    ("argument", files::argument),
    ("backup", files::backup),
    ("backup-archive", files::archive),
    ("backup-key", files::backup_key),
    ("certificate", files::certificate),
    ("configuration", files::configuration),
    ("settings-export", files::settings_export),
    ("gate-request", requests::gate),
    ("host", requests::host),
    ("json-body", requests::json),
    ("proxy-answer", requests::proxy_answer),
    ("query", requests::query),
    ("request-headers", requests::headers),
    ("target", requests::target),
];

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::path::Path;

    #[test]
    fn every_seed_of_the_fuzzers_is_read_and_the_good_ones_are_taken() {
        for (name, read) in READERS {
            let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
                .join("../../fuzz/seeds")
                .join(name);
            let mut good = 0;
            for file in fs::read_dir(folder).expect(name) {
                let path = file.expect("an entry").path();
                let must = path
                    .file_name()
                    .is_some_and(|name| name.to_string_lossy().starts_with("good"));
                println!("{}", path.display());
                let taken = read(&fs::read(&path).expect("a seed"));
                assert!(taken || !must, "{} is refused", path.display());
                good += u32::from(must);
            }
            assert!(good > 0, "{name} has no seed that is taken");
        }
    }
}
