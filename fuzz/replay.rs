//! What the fuzzers begin with, read by the tests of every crate that has readers of foreign bytes: a module of its
//! `foreign_bytes`.

use std::fs;
use std::path::Path;

use super::READERS;

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
