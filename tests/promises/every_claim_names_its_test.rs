//! Tables of claims and of the tests that prove them are worth what their names are: each row names a test, and each name is one.

use std::collections::BTreeSet;
use std::path::Path;

/// A table of claims.
struct Table {
    file: &'static str,
    /// Where it begins; empty: the whole file.
    from: &'static str,
    /// Rows that must be there, by their first cell.
    rows: &'static [&'static str],
    /// Fewer claims than this, and something was lost.
    claims: usize,
}

const TABLES: [Table; 3] = [
    Table {
        file: "README.md",
        from: "## What it promises",
        rows: &[],
        claims: 50,
    },
    Table {
        file: "docs/evidence/past-vulnerabilities.md",
        from: "",
        rows: &[],
        claims: 40,
    },
    Table {
        file: "docs/evidence/threat-model.md",
        from: "",
        rows: &[
            "A1", "A2", "A3", "A4", "A5", "A6", "A7", "A8", "A9", "A10", "A11", "A12", "A13", "A14", "A15",
            "I1", "I2", "I3", "I4", "I5", "I6", "I7", "I8",
        ],
        claims: 90,
    },
];

/// What is between backquotes and stands for a test.
#[derive(Debug, PartialEq)]
enum Named<'t> {
    /// A Rust test, or a file or folder of them.
    Rust(&'t str),
    /// The title of a test in a browser: it has spaces.
    Browser(&'t str),
    File(&'t str),
}

#[test]
fn every_row_of_a_table_names_tests_and_each_of_them_exists() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let tests = Tests::of(&root);
    for table in TABLES {
        let text = std::fs::read_to_string(root.join(table.file)).expect("it is there");
        let (_, text) = text.split_once(table.from).expect("such a heading");
        let faults = tests.faults(&root, text, &table);
        assert!(faults.is_empty(), "{}:\n{}", table.file, faults.join("\n"));
    }
}

/// Control: what is wrong with a table is said.
#[test]
fn a_row_without_a_test_a_row_that_is_missing_and_a_name_of_nothing_are_found() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    let table = Table {
        file: "",
        from: "",
        rows: &["A1", "A2", "A3"],
        claims: 5,
    };
    let text = "| who | test |\n|---|---|\n| A1 | `every_row_of_a_table_names_tests_and_each_of_them_exists` |\n\
                | A2 | by hand |\n| A20 | `a_test_there_is_not`, `tests/nothing.rs`, `a page that is no test` |\n";
    let faults = Tests::of(&root).faults(&root, text, &table);
    assert_eq!(
        faults,
        [
            "5 claims or more are expected, 3 are there",
            "there is no row A3",
            "no test: | A2 | by hand |",
            "there is no test a_test_there_is_not",
            "there is no test tests/nothing.rs",
            "there is no test a page that is no test",
        ]
    );
}

struct Tests {
    /// Functions under `#[test]`, and the stems of files that hold them.
    rust: BTreeSet<String>,
    browser: String,
}

impl Tests {
    fn of(root: &Path) -> Self {
        let mut tests = Self {
            rust: BTreeSet::new(),
            browser: String::new(),
        };
        for folder in ["crates", "tests"] {
            tests.read(&root.join(folder));
        }
        tests
    }

    fn read(&mut self, folder: &Path) {
        for entry in std::fs::read_dir(folder).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() && !path.ends_with("node_modules") {
                self.read(&path);
                continue;
            }
            let stem = path
                .file_stem()
                .unwrap_or_default()
                .to_string_lossy()
                .into_owned();
            let text = || std::fs::read_to_string(&path).expect("text");
            match path.extension().and_then(|extension| extension.to_str()) {
                Some("rs") => {
                    let functions = functions_under_test(&text());
                    if !functions.is_empty() || path.with_extension("").is_dir() {
                        self.rust.insert(stem);
                    }
                    self.rust.extend(functions);
                }
                Some("js") => self.browser.push_str(&text()),
                Some(_) | None => {}
            }
        }
    }

    fn has(&self, root: &Path, named: &Named<'_>) -> bool {
        match named {
            Named::Rust(name) => self.rust.contains(*name),
            Named::Browser(title) => ["test('", "test(`"]
                .iter()
                .any(|before| self.browser.contains(&format!("{before}{title}"))),
            Named::File(path) => root.join(path).exists(),
        }
    }

    fn faults(&self, root: &Path, text: &str, table: &Table) -> Vec<String> {
        let lines: Vec<&str> = text.lines().collect();
        // The line before the dashes is the heading.
        let is_claim = |at: &usize| {
            let is_row = |line: &&str| line.starts_with("| ");
            lines.get(*at).is_some_and(is_row)
                && lines.get(at + 1).is_none_or(|next| !next.starts_with("|---"))
        };
        let claims: Vec<&str> = (0..lines.len())
            .filter(is_claim)
            .filter_map(|at| lines.get(at).copied())
            .collect();
        let mut faults = Vec::new();
        if claims.len() < table.claims {
            let (wanted, there) = (table.claims, claims.len());
            faults.push(format!("{wanted} claims or more are expected, {there} are there"));
        }
        for row in table.rows {
            if !claims
                .iter()
                .any(|claim| claim.starts_with(&format!("| {row} |")))
            {
                faults.push(format!("there is no row {row}"));
            }
        }
        let named_in = |text| named(text).filter(|named| !matches!(named, Named::Rust("crates")));
        for claim in claims.iter().filter(|claim| named_in(claim).next().is_none()) {
            faults.push(format!("no test: {claim}"));
        }
        for name in named_in(text).filter(|name| !self.has(root, name)) {
            let (Named::Rust(name) | Named::Browser(name) | Named::File(name)) = name;
            faults.push(format!("there is no test {name}"));
        }
        faults
    }
}

/// Names of functions whose attribute says they are tests, `proptest!`'s included.
fn functions_under_test(text: &str) -> Vec<String> {
    let mut under_test = false;
    let mut found = Vec::new();
    for line in text.lines().map(str::trim_start) {
        if line.starts_with("#[test]") || line.starts_with("#[tokio::test") {
            under_test = true;
        }
        let function = line.strip_prefix("async ").unwrap_or(line).strip_prefix("fn ");
        if let Some((name, _)) = function.and_then(|rest| rest.split_once('('))
            && std::mem::take(&mut under_test)
        {
            found.push(name.to_owned());
        }
    }
    found
}

fn named(text: &str) -> impl Iterator<Item = Named<'_>> {
    let quoted = text.split('`').skip(1).step_by(2);
    quoted.filter_map(|name| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'_';
        if name.starts_with("tests/") || name.starts_with("benches/") {
            Some(Named::File(name))
        } else if name.contains(' ') && !name.contains(['=', '#', '$', '{']) && !name.starts_with("postern ")
        {
            Some(Named::Browser(name))
        } else {
            (name.bytes().all(is_plain) && name.contains('_') && name.len() > 8).then_some(Named::Rust(name))
        }
    })
}
