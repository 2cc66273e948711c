//! Keys of all kinds turn over a large database, under load, killed at random moments: no request fails, and in the end
//! nothing of the old keys is left. With a million sealed rows, and ten kills, in `./test --hard`.

use std::io::Read as _;
use std::process::{Child, Stdio};
use std::time::Instant;

use authcore::PROTECTED_TABLES;
use e2e_support::invariants::{nothing_is_left_of, said};
use e2e_support::killed::is_thorough;
use e2e_support::{Install, Known, Postern};
use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{ColumnRegistry, RowKey, SealedColumn, SlotSecret, Vault};

use crate::owner::{PASSWORD, signed_in};
use crate::traffic::Traffic;

/// What is put into the database, and how often the command is killed.
struct Size {
    rows: u32,
    kills: u32,
}

const LARGE: Size = Size {
    rows: 1_000_000,
    kills: 10,
};
const SMALL: Size = Size {
    rows: 15_000,
    kills: 4,
};

/// Signin tokens are the rows of which there may be any number: the audit log and the sessions are bounded.
const TOKEN: SealedColumn = SealedColumn::new("signin_tokens", "record");

/// The year 2100, in milliseconds: nothing sweeps these rows out.
const FORGET_AT: i64 = 4_102_444_800_000;

/// Rows of one transaction.
const AT_ONCE: u32 = 50_000;

/// Fills the database with sealed rows, under the integrity seal.
#[expect(
    clippy::disallowed_methods,
    reason = "fills a table as the store would, faster"
)]
fn fill(install: &Install, rows: u32) {
    let secret = std::fs::read_to_string(install.field_password()).expect("there");
    let path = install.folder().join("data/postern/postern.sqlite");
    let mut connection = open_connection(&path, OpenMode::Existing).expect("opens");
    let registry = ColumnRegistry::new(&[TOKEN]).expect("one column");
    let secret = SlotSecret::password(secret.trim_end());
    let vault = Vault::unlock(&connection, registry, &secret).expect("unlocks");
    let seal = vault.integrity_seal(&PROTECTED_TABLES).expect("has a key");
    seal.attach(&connection).expect("attached");
    for first in (0..rows).step_by(AT_ONCE as usize) {
        let transaction = connection.transaction().expect("begins");
        for row in first..rows.min(first + AT_ONCE) {
            // A hash in the place of a token's, spread as hashes are.
            let mut hash = [0_u8; 32];
            hash[..8].copy_from_slice(&u64::from(row).wrapping_mul(0x9E37_79B9_7F4A_7C15).to_be_bytes());
            let record = br#"{"expires":4102444800000,"spent_by":null}"#;
            let sealed = vault.seal(TOKEN, &RowKey::Blob(&hash), record).expect("seals");
            transaction
                .prepare_cached("INSERT INTO signin_tokens (hash, forget_at, record) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute((hash, FORGET_AT, sealed)))
                .expect("stored");
        }
        vault.record_uses(&transaction).expect("counted");
        transaction.commit().expect("commits");
    }
}

/// The command at work; killed when dropped.
struct Rotating(Child);

impl Rotating {
    fn begun(postern: &Postern) -> Self {
        let mut command = postern.command(&["keys", "rotate", "all", "--quiet"]);
        command.stdout(Stdio::null()).stderr(Stdio::piped());
        Self(command.spawn().expect("it starts"))
    }

    /// Write calls it has made so far; `None` when it has ended.
    fn writes(&mut self) -> Option<u64> {
        if self.0.try_wait().expect("its state").is_some() {
            return None;
        }
        let counts = std::fs::read_to_string(format!("/proc/{}/io", self.0.id())).ok()?;
        let (_, rest) = counts.split_once("syscw: ")?;
        rest.lines().next()?.parse().ok()
    }

    /// Kills it once it has made so many write calls. Says whether it was still at work.
    fn killed_after(mut self, writes: u64) -> bool {
        while let Some(made) = self.writes() {
            if made >= writes {
                self.0.kill().expect("killed");
                return !self.0.wait().expect("ended").success();
            }
            std::thread::yield_now();
        }
        self.ends_well();
        false
    }

    #[track_caller]
    fn ends_well(mut self) {
        let mut complaint = String::new();
        if let Some(mut stderr) = self.0.stderr.take() {
            stderr.read_to_string(&mut complaint).expect("text");
        }
        assert!(self.0.wait().expect("ended").success(), "{complaint}");
    }
}

impl Drop for Rotating {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The most memory that a process had resident, in KiB.
pub(crate) fn most_memory(pid: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).expect("its status");
    let (_, rest) = status.split_once("VmHWM:").expect("a line");
    rest.split_whitespace()
        .next()
        .and_then(|word| word.parse().ok())
        .expect("KiB")
}

#[test]
#[expect(
    clippy::disallowed_methods,
    reason = "says how long it took; nothing is judged by it"
)]
fn all_keys_turn_under_load_killed_at_random_and_no_request_fails() {
    let size = if is_thorough() { LARGE } else { SMALL };
    let (postern, held) = signed_in();
    let install = postern.stopped();
    let clock = Instant::now;
    let begun = clock();
    fill(&install, size.rows);
    eprintln!("{} sealed rows put in within {:.1?}", size.rows, begun.elapsed());

    let begun = clock();
    let postern = install.serve();
    eprintln!(
        "server started within {:.1?}, its whole seal checked",
        begun.elapsed()
    );
    let at_start = most_memory(postern.pid());
    let before = postern.database().pieces();
    let traffic = Traffic::of(&postern, 4);
    traffic.has_gone_on(20);
    let begun = clock();
    let mut kills = 0;
    while kills < size.kills {
        // Anywhere from its first write on. By turns early and late, or most would fall into the purge, which writes most.
        let random = u32::from_be_bytes(fieldcrypt::random::array().expect("random bytes"));
        let within = size.rows / if kills % 2 == 0 { 3 } else { 30 };
        let writes = u64::from(random % within) + 1;
        if Rotating::begun(&postern).killed_after(writes) {
            kills += 1;
            let at = postern.database().rotation();
            eprintln!(
                "kill {kills} after {writes} writes, {:.1?}: {at:?}",
                begun.elapsed()
            );
        } else {
            eprintln!("came to its end before write {writes}, {:.1?}", begun.elapsed());
        }
    }
    Rotating::begun(&postern).ends_well();
    eprintln!("complete after {:.1?}", begun.elapsed());

    let begun = clock();
    let verified = postern.run(&["keys", "verify"]);
    assert!(verified.status.success(), "{}", said(&verified));
    let verdict = String::from_utf8_lossy(&verified.stdout).trim().to_owned();
    eprintln!(
        "keys verify, beside the load, within {:.1?}: {verdict}",
        begun.elapsed()
    );
    eprintln!("keys status:\n{}", postern.says(&["keys", "status"]));
    let tally = traffic.end();
    eprintln!(
        "load: {} verifications, {} refreshes, {} sign-ins, {} told to come again (429), 0 failed",
        tally.verified, tally.refreshed, tally.signed_in, tally.told_to_wait
    );
    eprintln!(
        "server, most memory resident: {} KiB, {at_start} KiB of it at the start",
        most_memory(postern.pid())
    );
    let mut known = Known {
        password: PASSWORD.to_owned(),
        signed_in: tally.held,
        ended: tally.ended,
        secrets: vec![PASSWORD.to_owned()],
    };
    known.signed_in.push(held);
    known.holds_when_served(&postern, "beside the server");
    let install = postern.stopped();
    nothing_is_left_of(&before, &install.database(), "in the end");
    eprintln!("byte scan of every file: nothing of {} old pieces", before.len());
    known.holds_when_served(&install.serve(), "after a restart");
}
