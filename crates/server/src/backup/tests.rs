//! Backups that were damaged, made to mislead, or sealed to somebody else: refused, with the reason, at once.

use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use age::secrecy::{ExposeSecret as _, SecretString};
use authcore::{Authority, AuthorityOptions, DatabaseSnapshot, SealCheck};
use e2e_support::killed::is_thorough;
use fieldcrypt::SlotSecret;
use sha2::{Digest as _, Sha256};

use super::verify::read_through;
use super::*;

const PASSWORD: &str = "a field password for tests";

/// The size of a piece of an age file as it is stored (the format's section 2, "Payload").
const PIECE: usize = 64 * 1024 + 16;

struct House {
    folder: tempfile::TempDir,
    authority: Authority,
    identity: age::x25519::Identity,
}

impl House {
    fn new() -> Self {
        let folder = tempfile::tempdir().expect("folder");
        let options = AuthorityOptions::new(folder.path().join("postern.sqlite"));
        let authority = Authority::create(&options, &SlotSecret::password(PASSWORD)).expect("made");
        Self {
            folder,
            authority,
            identity: age::x25519::Identity::generate(),
        }
    }

    fn snapshot(&self) -> DatabaseSnapshot {
        self.authority.backups().snapshot(SealCheck::Full).expect("taken")
    }

    fn recipient(&self) -> SealedTo {
        SealedTo::Recipients(vec![self.identity.to_public().to_string()])
    }

    fn opener(&self) -> Opener {
        identities_of(self.identity.to_string().expose_secret().as_bytes()).expect("an identity")
    }

    fn at(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    fn make(&self, name: &str) -> (PathBuf, Manifest) {
        let path = self.at(name);
        let taken = self.authority.clock().now().wall;
        let made = to_file(&path, &self.snapshot(), taken, &self.recipient(), &mut |_, _| {});
        (path, made.expect("made").manifest)
    }

    fn others(&self) -> usize {
        let database = ["postern.sqlite", "postern.sqlite-wal", "postern.sqlite-shm"];
        std::fs::read_dir(self.folder.path())
            .expect("lists")
            .filter(|entry| {
                let name = entry.as_ref().expect("an entry").file_name();
                !database.iter().any(|known| name == *known)
            })
            .count()
    }
}

fn read(bytes: &[u8], opener: &Opener) -> Result<Manifest, BackupError> {
    read_through(bytes, opener, |_| Ok(()), &mut |_, _| {})
}

/// Whole sweeps take minutes: a sample of them every time, the whole of them when asked for.
fn sampled(whole: usize, sample: usize) -> usize {
    if is_thorough() { whole } else { sample }
}

#[test]
fn what_is_written_reads_back_and_nothing_else_is_left() {
    let house = House::new();
    let (path, manifest) = house.make("b.age");
    let checked = check(
        &path,
        &house.opener(),
        &[SlotSecret::password(PASSWORD)],
        &mut |_, _| {},
    );
    let checked = checked.expect("checked");
    assert_eq!(checked.manifest, manifest);
    assert_eq!(checked.complaints(), Vec::<String>::new());
    assert_eq!(checked.secret, Some(0));
    assert!(
        checked
            .examination
            .opened
            .expect("opened")
            .verification
            .fields
            .opened
            >= 3
    );
    assert_eq!(house.others(), 1, "the backup, and nothing beside it");
    let without = check(
        &path,
        &house.opener(),
        &[SlotSecret::password("another")],
        &mut |_, _| {},
    );
    assert_eq!(without.expect("checked").secret, None);
}

#[test]
fn a_stream_and_a_spool_are_the_same_backup() {
    let house = House::new();
    let taken = house.authority.clock().now().wall;
    let mut stream = Vec::new();
    let made = to_stream(
        &mut stream,
        &house.snapshot(),
        taken,
        &house.recipient(),
        &mut |_, _| {},
    );
    assert_eq!(
        read(&stream, &house.opener()).expect("reads"),
        made.expect("made").manifest
    );
    let (mut file, made) =
        to_spool(house.folder.path(), &house.snapshot(), taken, &house.recipient()).expect("made");
    let mut spooled = Vec::new();
    file.read_to_end(&mut spooled).expect("reads");
    assert_eq!(made.length, Some(spooled.len() as u64));
    assert_eq!(read(&spooled, &house.opener()).expect("reads"), made.manifest);
    assert_eq!(house.others(), 0, "the spool has no name");
}

#[test]
fn every_flipped_bit_is_noticed() {
    let house = House::new();
    let (path, _) = house.make("b.age");
    let good = std::fs::read(path).expect("reads");
    let opener = house.opener();
    assert!(read(&good, &opener).is_ok(), "control");
    let bits = good.len() * 8;
    let tries = sampled(100_000, 3_000).min(bits);
    // The header in full, where each byte means something else; the rest in even steps that meet every place of a byte.
    let header = good
        .windows(5)
        .position(|window| window == b"\n--- ")
        .expect("a header")
        + 60;
    let step = (bits / tries).max(1) | 1;
    let places = (0..header * 8).chain((header * 8..bits).step_by(step));
    for bit in places {
        let mut flipped = good.clone();
        flipped[bit / 8] ^= 1 << (bit % 8);
        assert!(read(&flipped, &opener).is_err(), "bit {bit} of {bits}");
    }
}

#[test]
fn whatever_is_cut_off_added_or_put_together_is_refused() {
    let house = House::new();
    let (path, _) = house.make("b.age");
    let good = std::fs::read(path).expect("reads");
    let opener = house.opener();
    assert!(good.len() > PIECE, "control: there is more than one piece");
    let body = good
        .windows(5)
        .position(|window| window == b"\n--- ")
        .expect("a header")
        + 5
        + 43
        + 1
        + 16;
    let mut cuts: Vec<usize> = (0..=good.len() / PIECE)
        .flat_map(|piece| {
            let border = body + piece * PIECE;
            [border.saturating_sub(1), border, border + 1]
        })
        .collect();
    cuts.extend((0..sampled(good.len(), 300)).map(|n| n * 7919 % good.len()));
    cuts.extend(0..body);
    for cut in cuts.into_iter().filter(|cut| *cut < good.len()) {
        assert!(read(&good[..cut], &opener).is_err(), "cut at {cut}");
    }
    for more in [&[0_u8][..], &vec![0; PIECE], &good, b"age-encryption.org/v1\n"] {
        assert!(
            read(&[&good, more].concat(), &opener).is_err(),
            "with {} bytes more",
            more.len()
        );
    }
}

#[test]
fn a_backup_of_somebody_else_says_why_it_does_not_open() {
    let house = House::new();
    let (path, _) = house.make("b.age");
    let sealed_to_key = std::fs::read(path).expect("reads");
    let passphrase = |text: &str| Opener::Passphrase(SecretString::from(text));
    let stranger = age::x25519::Identity::generate().to_string();
    let stranger = identities_of(stranger.expose_secret().as_bytes()).expect("an identity");
    assert!(matches!(
        read(&sealed_to_key, &stranger),
        Err(BackupError::WrongKey)
    ));
    assert!(matches!(
        read(&sealed_to_key, &passphrase("x")),
        Err(BackupError::WantsIdentity)
    ));

    let taken = house.authority.clock().now().wall;
    let mut sealed_to_word = Vec::new();
    let word = SealedTo::Passphrase(SecretString::from(PASSWORD));
    to_stream(
        &mut sealed_to_word,
        &house.snapshot(),
        taken,
        &word,
        &mut |_, _| {},
    )
    .expect("made");
    assert!(read(&sealed_to_word, &passphrase(PASSWORD)).is_ok(), "control");
    assert!(matches!(
        read(&sealed_to_word, &passphrase("another")),
        Err(BackupError::WrongKey)
    ));
    assert!(matches!(
        read(&sealed_to_word, &house.opener()),
        Err(BackupError::WantsPassphrase)
    ));
    for (bytes, what) in [
        (&b""[..], "nothing"),
        (b"SQLite format 3\0", "a database"),
        (b"age-encryption.org/v2\n", "v2"),
    ] {
        assert!(
            matches!(read(bytes, &stranger), Err(BackupError::NotAge)),
            "{what}"
        );
    }
}

#[test]
fn a_file_that_asks_for_too_much_is_refused_before_anything_is_computed() {
    // 2^22 would take 4 GiB and most of a minute; 2^63 for ever.
    for work in ["19", "22", "63"] {
        let bomb = format!(
            "age-encryption.org/v1\n-> scrypt AAAAAAAAAAAAAAAAAAAAAA {work}\n{}\n--- {}\n",
            "A".repeat(43),
            "A".repeat(43)
        );
        let bytes = [bomb.as_bytes(), &[0; 100]].concat();
        let refused = read(&bytes, &Opener::Passphrase(SecretString::from("x")));
        assert!(
            matches!(refused, Err(BackupError::TooCostly { most: 18, .. })),
            "{work}: {refused:?}"
        );
    }
    // A header without an end would be read for ever.
    let endless = std::io::Read::chain(&b"age-encryption.org/v1\n-> X25519 "[..], std::io::repeat(b'A'));
    let house = House::new();
    let refused = read_through(endless, &house.opener(), |_| Ok(()), &mut |_, _| {});
    assert!(matches!(refused, Err(BackupError::Damaged(_))));
}

#[test]
fn an_archive_of_another_install_is_not_taken_for_what_its_manifest_says() {
    let (house, other) = (House::new(), House::new());
    let (path, _) = house.make("b.age");
    let (other_path, other_manifest) = other.make("b.age");
    let take = |path: &Path, opener: &Opener| {
        let (copy, _) = verify::extract(path, opener, house.folder.path(), &mut |_, _| {}).expect("reads");
        copy
    };
    let copy = take(&path, &house.opener());
    assert!(matches!(
        verify::look_into(copy.path(), other_manifest, &[]),
        Err(BackupError::Mismatch("it belongs to another install"))
    ));
    drop(copy);
    // A restore over a database of another install is refused, and changes nothing.
    let database = other.at("postern.sqlite");
    let before = std::fs::read(&database).expect("reads");
    let secrets = [SlotSecret::password(PASSWORD)];
    let refused = Restore::prepare(
        &path,
        &house.opener(),
        &secrets,
        Some(other.folder.path()),
        &database,
        &mut |_, _| {},
    );
    assert!(matches!(
        refused.map(drop),
        Err(RestoreError::AnotherInstall { .. })
    ));
    assert_eq!(std::fs::read(&database).expect("reads"), before);
    assert!(other_path.exists() && other.others() == 1);
}

#[test]
fn what_cannot_be_sealed_to_is_said() {
    for word in ["", "age1nonsense", "ssh-dss AAAA", "AGE-SECRET-KEY-1"] {
        let refused = check_recipient(word).expect_err(word).to_string();
        assert!(refused.contains("no public key"), "{refused}");
    }
    let ssh = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHsKLqeplhpW+uObz5dvMgjz1OxfM/XXUB+VHtZ6isGN alice";
    assert!(check_recipient(ssh).is_ok());
    assert!(identities_of(b"no identity").is_err() && identities_of(b"").is_err());
}

/// Headers of files from before the format was settled, which the crate goes on taking; its own tests except them too.
const LEGACY: [&str; 2] = ["stanza_missing_body", "stanza_missing_final_line"];

/// The vectors of the age format, which come with the crate: what must open opens to what it must, all else is refused. Not
/// those of the text form ("armored"), which a backup never is.
#[test]
fn the_vectors_of_the_age_format_hold() {
    let (mut taken, mut refused) = (0, 0);
    for file in std::fs::read_dir(vectors()).expect("the vectors are there") {
        let path = file.expect("an entry").path();
        let bytes = std::fs::read(&path).expect("reads");
        let end = bytes
            .windows(2)
            .position(|window| window == b"\n\n")
            .expect("a head");
        let head = std::str::from_utf8(&bytes[..end]).expect("text");
        let value = |name: &str| {
            head.lines()
                .find_map(|line| line.strip_prefix(name)?.strip_prefix(": ").map(str::to_owned))
        };
        let legacy = LEGACY.iter().any(|name| path.ends_with(name));
        if legacy || value("armored").is_some() || value("compressed").is_some() {
            continue;
        }
        let opener = match (value("passphrase"), value("identity")) {
            (Some(passphrase), _) => Opener::Passphrase(SecretString::from(passphrase)),
            (None, Some(identity)) => match identities_of(identity.as_bytes()) {
                Ok(opener) => opener,
                // Of a kind that is not taken.
                Err(_) => continue,
            },
            (None, None) => continue,
        };
        let mut payload = Vec::new();
        let result = opener.open(&bytes[end + 2..]);
        let result =
            result.and_then(|mut stream| stream.read_to_end(&mut payload).map_err(BackupError::Read));
        let expected = value("expect").expect("an expectation");
        assert_eq!(
            result.is_ok(),
            expected == "success",
            "{}: {result:?}",
            path.display()
        );
        if result.is_ok() {
            let hash = data_encoding::HEXLOWER.encode(&Sha256::digest(&payload));
            assert_eq!(Some(hash), value("payload"), "{}", path.display());
            taken += 1;
        } else {
            refused += 1;
        }
    }
    assert!(
        taken > 5 && refused > 50,
        "control: {taken} taken, {refused} refused"
    );
}

/// Where cargo keeps the source of the crate.
fn vectors() -> PathBuf {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--manifest-path"])
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/Cargo.toml"))
        .output()
        .expect("cargo runs");
    let metadata: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let packages = metadata["packages"].as_array().expect("packages");
    let age = packages
        .iter()
        .find(|package| package["name"] == "age")
        .expect("age");
    Path::new(age["manifest_path"].as_str().expect("a path"))
        .parent()
        .expect("a folder")
        .join("tests/testdata/testkit")
}
