//! What was a secret and has done its work is not in the server's memory any more: whoever gets hold of that later (a core, a
//! hibernated machine, a flaw that reads too far) finds the secrets of now at most.

use std::collections::BTreeSet;
use std::fs::File;
use std::os::unix::fs::FileExt as _;

use e2e_support::Postern;
use serde_json::{Value, json};

use crate::a_backup_proves_itself::key_pair;
use crate::owner::{Held, PASSWORD, login, set_password, start};

/// Bytes that are read at once.
const PIECE: usize = 1 << 20;

/// Everything that a process may write to, as it stands now; read as its parent and as root.
fn memory(pid: u32) -> Vec<Vec<u8>> {
    let maps = std::fs::read_to_string(format!("/proc/{pid}/maps")).expect("the tests run as root");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("the tests run as root");
    let mut regions = Vec::new();
    for line in maps.lines() {
        let mut fields = line.split_whitespace();
        let (range, mode) = (
            fields.next().unwrap_or_default(),
            fields.next().unwrap_or_default(),
        );
        let Some((from, to)) = range.split_once('-').filter(|_| mode.starts_with("rw")) else {
            continue;
        };
        let at = |text| u64::from_str_radix(text, 16).expect("a place");
        let (from, to) = (at(from), at(to));
        let mut bytes = Vec::new();
        while from + (bytes.len() as u64) < to {
            let mut piece = vec![0; PIECE.min(usize::try_from(to - from).expect("64 bits") - bytes.len())];
            // What was never touched, and what the kernel keeps to itself, cannot be read.
            let Ok(count @ 1..) = memory.read_at(&mut piece, from + bytes.len() as u64) else {
                break;
            };
            piece.truncate(count);
            bytes.append(&mut piece);
        }
        regions.push(bytes);
    }
    regions
}

/// Which of these stand there.
fn found<'s>(regions: &[Vec<u8>], secrets: &[(&'static str, &'s str)]) -> BTreeSet<(&'static str, &'s str)> {
    let begins: Vec<bool> = (0..=u8::MAX)
        .map(|byte| {
            secrets
                .iter()
                .any(|(_, secret)| secret.as_bytes().first() == Some(&byte))
        })
        .collect();
    let may_begin = |byte: &u8| begins.get(usize::from(*byte)).is_some_and(|begins| *begins);
    let mut found = BTreeSet::new();
    for bytes in regions {
        let mut rest = bytes.as_slice();
        while let Some(at) = rest.iter().position(may_begin) {
            rest = rest.split_at(at).1;
            found.extend(
                secrets
                    .iter()
                    .filter(|(_, secret)| rest.starts_with(secret.as_bytes())),
            );
            rest = rest.split_at(1).1;
        }
    }
    found
}

/// Signs in and out in every way; gives what was a secret on the way, by its name.
fn a_day(postern: &Postern) -> Vec<(&'static str, String)> {
    set_password(postern, PASSWORD);
    let link = postern.first_token();
    let by_link = postern.send(
        "POST",
        "/api/v1/auth/signin",
        &[],
        &json!({ "SigninToken": link }),
    );
    let mut secrets = vec![
        ("the access password", PASSWORD.to_owned()),
        ("the spent link", link),
    ];
    let first = Held::of(&by_link);
    let wrong = "a-wrong-password-as-long-as-it-takes";
    let _ = postern.send("POST", "/api/v1/auth/login", &[], &json!({ "Password": wrong }));
    secrets.push(("a wrong password", wrong.to_owned()));
    let mut held = Held::of(&login(&postern.base, PASSWORD).expect("an answer"));
    for _ in 0..3 {
        let (_, turn) = held.cookie.rsplit_once('.').expect("three parts");
        secrets.push(("a refresh token that was used", turn.to_owned()));
        secrets.push(("a nonce that was used", held.nonce.clone()));
        held = Held::of(&held.refresh(postern));
    }
    assert_eq!(first.try_sign_out(&postern.base).expect("an answer").status, 200);
    let (_, signature) = first.access_token.rsplit_once('.').expect("three parts");
    secrets.push(("the access token of a session that ended", signature.to_owned()));
    let bearer = held.bearer();
    let ask = |path: &str, body: &Value| postern.send("POST", path, &[("authorization", &bearer)], body);
    let key = ask(
        "/api/v1/access-keys",
        &json!({ "Name": "script", "Scopes": ["api"] }),
    );
    secrets.push(("an access key that was shown", key.text("Secret")));
    let setting = "Bearer a-secret-of-a-hook-7f21";
    let body = json!({ "Value": setting });
    let set = postern.send(
        "PUT",
        "/api/v1/settings/secret.gone",
        &[("authorization", &bearer)],
        &body,
    );
    let unset = postern.send(
        "DELETE",
        "/api/v1/settings/secret.gone",
        &[("authorization", &bearer)],
        &Value::Null,
    );
    assert!(
        set.status < 300 && unset.status < 300,
        "{} {}",
        set.status,
        unset.status
    );
    secrets.push(("a secret setting that was taken away", setting.to_owned()));
    secrets
}

fn field_password(postern: &Postern) -> String {
    let text = std::fs::read_to_string(postern.field_password()).expect("made");
    text.trim_end().to_owned()
}

#[test]
fn a_secret_that_has_done_its_work_is_not_in_memory() {
    let folder = tempfile::tempdir().expect("a folder");
    let (_identity, recipient) = key_pair(folder.path());
    // Backups are sealed to somebody's public key, so that nobody needs the field password after the start.
    let environment = [("POSTERN_BACKUP_RECIPIENTS", recipient.as_str())];
    let postern = Postern::start_with(env!("CARGO_BIN_EXE_postern"), &environment);
    let mut secrets = a_day(&postern);
    secrets.push(("the field password", field_password(&postern)));
    let path = postern.data_dir().display().to_string();
    let mut wanted: Vec<_> = secrets
        .iter()
        .map(|(name, secret)| (*name, secret.as_str()))
        .collect();
    wanted.push(("control", &path));
    // The server hears of the end of the last connection when it comes to it.
    let looks = std::iter::repeat_with(|| found(&memory(postern.pid()), &wanted)).take(5);
    let mut left = BTreeSet::new();
    for look in looks {
        left = look;
        if left.len() == 1 {
            break;
        }
    }
    let left: Vec<&str> = left.into_iter().map(|(name, _)| name).collect();
    assert_eq!(
        left,
        ["control"],
        "of these the server needs the path of its data only"
    );
}

/// Control: a secret that is still needed is found, in the same way.
#[test]
fn a_field_password_that_backups_are_sealed_to_is_found_in_memory() {
    let postern = start();
    let secret = field_password(&postern);
    assert_eq!(found(&memory(postern.pid()), &[("it", &secret)]).len(), 1);
}
