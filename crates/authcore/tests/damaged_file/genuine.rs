//! A database as it should be, and what is read of a copy of it.

use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use authcore::{
    Authority, AuthorityOptions, Client, Clock, PROTECTED_TABLES, RefreshCredential, RefreshError,
    RefreshToken, Remember, SigninTokenAuthority, TokenSet, WallTime,
};
use fieldcrypt::SlotSecret;
use rusqlite::{Connection, OpenFlags};

const NOON: WallTime = WallTime::from_unix_ms(1_800_000_000_000);

/// Opens without 600,000 rounds.
fn secret() -> SlotSecret {
    SlotSecret::key_file(vec![7; 32]).expect("long enough")
}

fn options(path: &Path) -> AuthorityOptions {
    AuthorityOptions {
        clock: Clock::manual(NOON),
        ..AuthorityOptions::new(path.to_owned())
    }
}

/// A closed database with two sessions, one of them over, and everything that comes with them.
pub(crate) struct Genuine {
    folder: tempfile::TempDir,
    pub(crate) bytes: Vec<u8>,
    /// As it was before the second session.
    pub(crate) older: Vec<u8>,
    pub(crate) read: Vec<String>,
    held: (String, String),
    over: (String, String),
}

impl Genuine {
    /// In pages of 4,096 bytes, as an install has it.
    pub(crate) fn new() -> Self {
        Self::with_sessions_over(1)
    }

    /// The same, with so many sessions that are over, all of them since [`Self::older`].
    pub(crate) fn with_sessions_over(many: usize) -> Self {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("postern.sqlite");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let authority = Authority::create(&options(&path), &secret()).expect("made");
        let held = runtime.block_on(sign_in(&authority));
        authority.shutdown();
        drop(authority);
        let older = std::fs::read(&path).expect("reads");
        let authority = Authority::open(&options(&path), &secret()).expect("opens");
        let (mut over, local) = (None, Client::local());
        for _ in 0..many {
            let tokens = runtime.block_on(sign_in(&authority));
            let out = authority.sessions().sign_out(&tokens.refresh_token, &local);
            runtime.block_on(out).expect("signed out");
            over = Some(kept(&tokens));
        }
        authority.shutdown();
        drop(authority);
        Self {
            older,
            bytes: std::fs::read(&path).expect("reads"),
            read: read(&path).expect("control: the genuine file is read"),
            held: kept(&held),
            over: over.expect("one at least"),
            folder,
        }
    }

    /// The same rows in pages of 512 bytes, as small as such a file can be.
    pub(crate) fn small() -> Self {
        let mut genuine = Self::new();
        let path = genuine.folder.path().join("small.sqlite");
        std::fs::write(&path, &genuine.bytes).expect("written");
        let raw = Connection::open(&path).expect("opens");
        raw.execute_batch(
            "PRAGMA journal_mode = DELETE; PRAGMA page_size = 512; VACUUM; PRAGMA journal_mode = WAL",
        )
        .expect("packed");
        drop(raw);
        genuine.bytes = std::fs::read(&path).expect("reads");
        assert_eq!(
            read(&path).as_ref(),
            Ok(&genuine.read),
            "control: nothing else has changed"
        );
        genuine
    }

    /// A copy, to be damaged again and again.
    pub(crate) fn copy(&self, name: &str) -> Copy<'_> {
        let path = self.folder.path().join(name);
        std::fs::write(&path, &self.bytes).expect("written");
        let file = std::fs::OpenOptions::new()
            .write(true)
            .open(&path)
            .expect("opens");
        Copy {
            genuine: self,
            path,
            file,
        }
    }
}

async fn sign_in(authority: &Authority) -> TokenSet {
    let (links, local) = (authority.signin_tokens(), Client::local());
    let life = std::time::Duration::from_secs(120);
    let token = links
        .issue(SigninTokenAuthority::LocalOperator, life, &local)
        .await;
    let token = token.map_err(|error| error.to_string()).expect("issued");
    let token = token.expose_text().to_string();
    let sessions = authority.sessions();
    let started = sessions.start_with_signin_token(&token, Remember::Remembered, &local);
    started.await.unwrap_or_else(|error| panic!("{error}"))
}

fn kept(tokens: &TokenSet) -> (String, String) {
    (
        tokens.refresh_token.expose_text().to_string(),
        tokens.refresh_nonce.expose_text().to_string(),
    )
}

/// Everything that the program has of a database, once it has let itself be started with it: what is refused is an error.
fn read(path: &Path) -> Result<Vec<String>, String> {
    let verified = Authority::verify(&options(path), &secret()).map_err(|error| error.to_string())?;
    if let [complaint, ..] = verified.complaints.as_slice() {
        return Err(complaint.clone());
    }
    let unopenable = verified.fields.unopenable.len();
    let mut lines = rows(path).map_err(|error| error.to_string())?;
    lines.push(format!(
        "{} fields open, {unopenable} do not",
        verified.fields.opened
    ));
    Ok(lines)
}

/// Every row of every table, without any check.
pub(crate) fn rows(path: &Path) -> rusqlite::Result<Vec<String>> {
    let uri = format!("file:{}?immutable=1", path.display());
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
    let connection = Connection::open_with_flags(uri, flags)?;
    let mut lines = Vec::new();
    let own = ["fieldcrypt_install", "fieldcrypt_keys", "fieldcrypt_slots"];
    let tables = own
        .into_iter()
        .chain(PROTECTED_TABLES.iter().map(fieldcrypt::ProtectedTable::table));
    for table in tables {
        let mut statement = connection.prepare(&format!("SELECT * FROM {table} ORDER BY 1, 2"))?;
        let columns = statement.column_count();
        let mut rows = statement.query([])?;
        while let Some(row) = rows.next()? {
            let values = (0..columns).map(|at| row.get::<_, rusqlite::types::Value>(at));
            lines.push(format!(
                "{table} {:?}",
                values.collect::<rusqlite::Result<Vec<_>>>()?
            ));
        }
    }
    Ok(lines)
}

/// What became of a damaged file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Refused(String),
    /// It reads as it did.
    Harmless,
    /// It reads otherwise, and nobody noticed.
    Altered,
}

pub(crate) struct Copy<'g> {
    genuine: &'g Genuine,
    path: PathBuf,
    file: std::fs::File,
}

impl Copy<'_> {
    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    /// Puts other bytes there.
    pub(crate) fn put(&self, bytes: &[u8], at: usize) {
        let at = u64::try_from(at).expect("64 bits");
        self.file.write_all_at(bytes, at).expect("written");
    }

    /// Puts the genuine ones back.
    pub(crate) fn mend(&self, length: usize, at: usize) {
        self.put(&self.genuine.bytes[at..at + length], at);
    }

    /// Becomes another file altogether.
    pub(crate) fn become_all(&self, bytes: &[u8]) {
        self.file.set_len(0).expect("emptied");
        self.put(bytes, 0);
    }

    pub(crate) fn outcome(&self) -> Outcome {
        match read(&self.path) {
            Err(reason) => Outcome::Refused(reason),
            Ok(lines) if lines == self.genuine.read => Outcome::Harmless,
            Ok(_) => Outcome::Altered,
        }
    }

    /// Whether somebody who checks nothing reads other rows than there were, and no error.
    pub(crate) fn deceives_the_careless(&self) -> bool {
        let lines = &self.genuine.read;
        rows(&self.path).is_ok_and(|read| read[..] != lines[..lines.len() - 1])
    }

    /// Opens it for good, on a copy, where the server writes, too: the session goes on and the one that is over stays so, or
    /// SQLite meets the damage when it writes, and nothing is acknowledged.
    #[track_caller]
    pub(crate) fn is_served_right(&self, what: &str) {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("postern.sqlite");
        std::fs::copy(&self.path, &path).expect("copied");
        let Ok(authority) = Authority::open(&options(&path), &secret()) else {
            return;
        };
        let runtime = tokio::runtime::Builder::new_current_thread()
            .build()
            .expect("a runtime");
        let local = Client::local();
        let refresh = |(token, nonce): &(String, String)| {
            let token = RefreshToken::parse(token).expect("ours");
            let credential = RefreshCredential::new(token, Some(nonce));
            runtime.block_on(authority.sessions().refresh(credential, &local))
        };
        match refresh(&self.genuine.held) {
            Ok(_) | Err(RefreshError::Store(_)) => {}
            Err(error) => panic!("{what}: stranded: {error}"),
        }
        assert!(
            refresh(&self.genuine.over).is_err(),
            "{what}: an ended session is alive"
        );
        authority.shutdown();
    }
}
