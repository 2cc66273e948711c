//! A second implementation, written in another language from the format page alone, reads what this one writes and the
//! other way round.
#![expect(clippy::expect_used, reason = "a failure ends the test")]

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{Algorithm, ColumnRegistry, NewVault, RowKey, Sealed, SealedColumn, SlotSecret, Vault};

const NAME: SealedColumn = SealedColumn::new("people", "name");
const PASSWORD: &str = "a field password for tests";
const KEY_FILE: [u8; 40] = [9; 40];

/// Row keys of every kind, here and there.
const ROWS: [(&str, RowKey<'_>); 5] = [
    ("7", RowKey::Integer(7)),
    ("-1", RowKey::Integer(-1)),
    ("\"a\\u00e9\"", RowKey::Text("a\u{e9}")),
    ("{\"blob\": \"00ff\"}", RowKey::Blob(&[0x00, 0xff])),
    (
        "[1, \"a\"]",
        RowKey::Composite(&[RowKey::Integer(1), RowKey::Text("a")]),
    ),
];

fn script() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/formats/read_sealed_field.py")
}

fn python(arguments: &[&str], input: &[u8]) -> Result<Vec<u8>, String> {
    let mut command = Command::new("python3");
    command.arg("-B").arg(script()).args(arguments);
    let command = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped());
    let mut child = command.spawn().expect("python3 is there: ./test installs it");
    child
        .stdin
        .take()
        .expect("piped")
        .write_all(input)
        .expect("it reads");
    let output = child.wait_with_output().expect("it ends");
    if output.status.success() {
        Ok(output.stdout)
    } else {
        Err(String::from_utf8_lossy(&output.stderr).into_owned())
    }
}

fn both_ways(algorithm: Algorithm, secret: &SlotSecret, flag: &str, secret_bytes: &[u8]) {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, given) = (folder.path().join("vault.sqlite"), folder.path().join("secret"));
    std::fs::write(&given, secret_bytes).expect("written");
    let mut connection = open_connection(&path, OpenMode::CreateNew).expect("made");
    let registry = ColumnRegistry::new(&[NAME]).expect("one");
    let new = NewVault {
        algorithm,
        ..NewVault::first(0)
    };
    let vault = Vault::create(&mut connection, registry, secret, &new).expect("made");
    let (path, given) = (path.display().to_string(), given.display().to_string());
    for (json, row) in &ROWS {
        let there = |act, input: &[u8]| python(&[act, &path, "people", "name", json, flag, &given], input);
        let ours = vault.seal(NAME, row, b"sealed here").expect("seals");
        let opened = there("open", &ours.to_stored_bytes());
        assert_eq!(opened.as_deref(), Ok(&b"sealed here"[..]), "{json}");
        let theirs = there("seal", b"sealed there").expect("seals");
        let theirs = Sealed::parse(theirs).expect("an envelope");
        let opened = vault.open(NAME, row, &theirs).expect("opens");
        assert_eq!(opened.expose_bytes(), b"sealed there", "{json}");
        let moved = python(
            &["open", &path, "people", "city", json, flag, &given],
            &ours.to_stored_bytes(),
        );
        assert!(
            moved.is_err_and(|said| said.contains("authentication failed")),
            "control: {json}"
        );
    }
}

#[test]
fn the_other_implementation_reads_ours_and_we_read_its_under_a_password() {
    let secret = SlotSecret::password(PASSWORD);
    both_ways(
        Algorithm::Aes256Gcm,
        &secret,
        "--password-file",
        PASSWORD.as_bytes(),
    );
}

#[test]
fn the_other_implementation_reads_ours_and_we_read_its_under_a_key_file() {
    let secret = SlotSecret::key_file(KEY_FILE.to_vec()).expect("long enough");
    both_ways(Algorithm::XChaCha20Poly1305, &secret, "--key-file", &KEY_FILE);
}

#[test]
fn the_other_implementation_runs_the_testkit_too() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testkit");
    let cases = std::fs::read_dir(&folder).expect("the testkit").count();
    let ran = python(&["testkit", &folder.display().to_string()], b"");
    assert_eq!(ran, Ok(format!("{cases}\n").into_bytes()));
}
