//! The table of past vulnerabilities is worth what its names are.

use std::path::Path;

/// Every name between backquotes that could be a test's is one.
#[test]
fn the_table_of_past_vulnerabilities_names_tests_that_exist() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table =
        std::fs::read_to_string(root.join("docs/evidence/past-vulnerabilities.md")).expect("it is there");
    let mut sources = String::new();
    for folder in ["crates", "tests"] {
        read_sources(&root.join(folder), &mut sources);
    }
    let is_test = |name: &&str| {
        name.len() > 10
            && name
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
    };
    let names: Vec<&str> = table.split('`').skip(1).step_by(2).filter(is_test).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(
            sources.contains(&format!("fn {name}(")),
            "there is no test {name}"
        );
    }
    for file in table
        .split('`')
        .skip(1)
        .step_by(2)
        .filter(|name| name.starts_with("tests/"))
    {
        assert!(root.join(file).exists(), "there is no {file}");
    }
}

fn read_sources(folder: &Path, into: &mut String) {
    for entry in std::fs::read_dir(folder).expect("a folder") {
        let path = entry.expect("an entry").path();
        if path.is_dir() && !path.ends_with("node_modules") {
            read_sources(&path, into);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            into.push_str(&std::fs::read_to_string(&path).expect("text"));
        }
    }
}
