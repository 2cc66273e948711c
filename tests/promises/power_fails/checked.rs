//! A disk after the power failed, opened as the server opens it, and held against what is known (I1 to I5).
#![expect(clippy::disallowed_methods, reason = "a thief reads with SQL")]

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Mutex;
use std::time::Duration;

use authcore::audit::event::PasswordUse;
use authcore::{
    AccessPassword, Authority, AuthorityOptions, Client, Clock, OpenError, RefreshCredential, RefreshToken,
    Remember, WallTime,
};
use e2e_support::power_loss::{Crash, Image};
use e2e_support::{DatabaseFile, Held, Pieces};
use fieldcrypt::{SlotSecret, UnlockError};

/// Something that holds in a stretch of a scene.
#[derive(Clone)]
pub(super) enum Fact {
    /// The browser is signed in: what it holds refreshes.
    SignedIn(Held),
    /// Its session has ended: nothing of it is accepted.
    Over(Held),
    /// This sign-in token was used.
    Spent(String),
    /// The access key opens, or not.
    AccessKey(String, bool),
    /// One of the passwords works, no other of the scene's, and it is one of these.
    Password(Vec<&'static str>),
    /// One of the key files opens the database, no other of the scene's, and it is one of these.
    KeyFile(Vec<usize>),
    /// Nothing of these stands in any file.
    Gone(Pieces),
    /// There need not be a database.
    NotYet,
}

/// What the disks of a scene are checked with.
pub(super) struct Checker {
    /// Every password that is one at any time in the scene.
    pub(super) passwords: Vec<&'static str>,
    /// The key files.
    pub(super) key_files: Vec<[u8; 32]>,
    /// Which passwords work, by the sealed record: 600,000 rounds once for each that there is.
    known: Mutex<HashMap<Vec<u8>, Vec<&'static str>>>,
}

type Complaint = String;

impl Checker {
    pub(super) fn new(passwords: &[&'static str], key_files: &[[u8; 32]]) -> Self {
        Self {
            passwords: passwords.to_vec(),
            key_files: key_files.to_vec(),
            known: Mutex::default(),
        }
    }

    fn secret(&self, at: usize) -> SlotSecret {
        let bytes = self.key_files.get(at).expect("one of the scene's");
        SlotSecret::key_file(bytes.to_vec()).expect("long enough")
    }

    /// Says what does not hold.
    pub(super) fn check(&self, crash: &Crash, facts: &[&Fact]) -> Result<(), Complaint> {
        let folder = tempfile::tempdir().expect("a folder");
        put(&crash.image, folder.path());
        let database = folder.path().join("postern.sqlite");
        if !database.exists() {
            let expected = facts.iter().any(|fact| matches!(fact, Fact::NotYet));
            return if expected {
                Ok(())
            } else {
                Err("there is no database".to_owned())
            };
        }
        for fact in facts {
            if let Fact::Gone(pieces) = fact {
                let standing = DatabaseFile::in_directory(folder.path()).standing(pieces);
                ensure(standing == 0, || {
                    format!("{standing} old pieces stand in the files")
                })?;
            }
        }
        let key = self.opening(&database, facts)?;
        // Later than anything that was done, and soon.
        let wall = i64::try_from((crash.at + Duration::from_secs(1)).as_millis()).expect("in range");
        let options = AuthorityOptions {
            clock: Clock::manual(WallTime::from_unix_ms(wall)),
            ..AuthorityOptions::new(database)
        };
        let authority = Authority::open(&options, &self.secret(key));
        let authority = authority.map_err(|error| format!("it does not open: {error}"))?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let held = runtime.block_on(self.holds(&authority, &options.database, facts));
        authority.shutdown();
        held
    }

    /// The one key file that opens it; every field of it opens and its structure is sound.
    fn opening(&self, database: &Path, facts: &[&Fact]) -> Result<usize, Complaint> {
        let mut opening = Vec::new();
        for at in 0..self.key_files.len() {
            let examined = match Authority::examine_copy(database, Some(&self.secret(at))) {
                Ok(examined) => examined,
                Err(OpenError::Unlock(UnlockError::WrongSecret)) => continue,
                Err(error) => return Err(format!("it cannot be examined: {error}")),
            };
            ensure(examined.structure.is_empty(), || {
                format!("{:?}", examined.structure)
            })?;
            let verification = examined.opened.expect("its structure is sound").verification;
            ensure(verification.complaints.is_empty(), || {
                format!("{:?}", verification.complaints)
            })?;
            let unopenable = verification.fields.unopenable;
            ensure(unopenable.is_empty(), || {
                format!("{} fields do not open", unopenable.len())
            })?;
            opening.push(at);
        }
        let allowed = facts.iter().find_map(|fact| match fact {
            Fact::KeyFile(allowed) => Some(allowed.as_slice()),
            _ => None,
        });
        match opening.as_slice() {
            [one] if allowed.unwrap_or(&[0]).contains(one) => Ok(*one),
            other => Err(format!("it opens with the key files {other:?}")),
        }
    }

    async fn holds(&self, authority: &Authority, database: &Path, facts: &[&Fact]) -> Result<(), Complaint> {
        let browser = Client::new("192.0.2.7".parse().ok(), "a browser");
        for fact in facts {
            match fact {
                Fact::SignedIn(held) => {
                    let tokens = authority.sessions().refresh(credential(held), &browser).await;
                    let tokens = tokens.map_err(|error| format!("stranded: {error}"))?;
                    let good = authority.authenticate(tokens.access_token.expose_str()).is_ok();
                    ensure(good, || "the new access token is refused".to_owned())?;
                }
                Fact::Over(held) => {
                    let token = authority.authenticate(&held.access_token).is_ok();
                    let refreshed = authority.sessions().refresh(credential(held), &browser).await;
                    ensure(!token && refreshed.is_err(), || {
                        "an ended session is alive".to_owned()
                    })?;
                }
                Fact::AccessKey(secret, opens) => {
                    let good = authority.authenticate(secret).is_ok();
                    ensure(good == *opens, || format!("an access key opens: {good}"))?;
                }
                Fact::Password(allowed) => {
                    let working = self.working(authority, database).await?;
                    let one = matches!(working.as_slice(), [one] if allowed.contains(one));
                    ensure(one, || format!("of the passwords, {working:?} work"))?;
                }
                Fact::Spent(_) | Fact::KeyFile(_) | Fact::Gone(_) | Fact::NotYet => {}
            }
        }
        // Last: a second use ends what the first one made.
        for fact in facts {
            if let Fact::Spent(token) = fact {
                let sessions = authority.sessions();
                let again = sessions.start_with_signin_token(token, Remember::Remembered, &browser);
                ensure(again.await.is_err(), || {
                    "a sign-in token is good twice".to_owned()
                })?;
            }
        }
        Ok(())
    }

    async fn working(&self, authority: &Authority, database: &Path) -> Result<Vec<&'static str>, Complaint> {
        let reading = rusqlite::Connection::open(database).expect("opens");
        let record = reading.query_row("SELECT record FROM passwords", [], |row| row.get(0));
        let record: Vec<u8> = record.map_err(|error| format!("no password: {error}"))?;
        drop(reading);
        if let Some(working) = self.known.lock().expect("no panic").get(&record) {
            return Ok(working.clone());
        }
        let mut working = Vec::new();
        let local = Client::local();
        for &password in &self.passwords {
            let passwords = authority.passwords();
            let permit = passwords
                .reserve(&local, None)
                .map_err(|_| "throttled".to_owned())?;
            let tried = AccessPassword::parse(password.to_owned()).expect("short");
            let checked = passwords.verify(permit, tried, None, PasswordUse::SignIn, &local);
            if checked.await.is_ok() {
                working.push(password);
            }
        }
        self.known
            .lock()
            .expect("no panic")
            .insert(record, working.clone());
        Ok(working)
    }
}

fn credential(held: &Held) -> RefreshCredential {
    let (_, value) = held.cookie.split_once('=').expect("name and value");
    RefreshCredential::new(RefreshToken::parse(value).expect("ours"), Some(&held.nonce))
}

fn put(image: &Image, folder: &Path) {
    for (path, bytes) in image {
        let name: PathBuf = path.file_name().expect("a name").into();
        std::fs::write(folder.join(name), bytes).expect("written");
    }
}

fn ensure(holds: bool, complaint: impl FnOnce() -> Complaint) -> Result<(), Complaint> {
    if holds { Ok(()) } else { Err(complaint()) }
}
