//! Files that somebody gives: backups and what opens them, configuration, exports, certificates; and words of the command line.

use std::io::{BufReader, Read as _};

use crate::backup::{BackupError, identities_of, read_archive};
use crate::cli::{duration, is_settings_export};
use crate::config::{BaseUrl, Config};
use crate::gate::application::{AddedHeader, PathRule};
use crate::http::host::Host;
use crate::tls::facts::CertificateFacts;

/// What opens the seeds; no other file is sealed to it.
const IDENTITY: &[u8] = b"AGE-SECRET-KEY-1GKJ38L3SVTM697Y8V9L49JSACEN5DDNLJNCP5XMFPPHMYQCGLXUQVQ8KRH";

/// No file is so much larger than what it was read from; age and the archive neither pack nor repeat.
const LARGEST: usize = 1024 * 1024;

/// A backup: age, and the archive in it.
pub(super) fn backup(bytes: &[u8]) -> bool {
    let Ok(identity) = identities_of(IDENTITY) else {
        return false;
    };
    let Ok(opened) = identity.open(bytes) else {
        return false;
    };
    let mut archive = Vec::new();
    if opened.take(LARGEST as u64).read_to_end(&mut archive).is_err() {
        return false;
    }
    assert!(archive.len() <= bytes.len(), "more came out than went in");
    self::archive(&archive)
}

/// The archive in a backup: what is taken is the database whose hash the manifest names, and one way to write it.
pub(super) fn archive(bytes: &[u8]) -> bool {
    let mut database = 0_u64;
    let take = |piece: &[u8]| -> Result<(), BackupError> {
        database += piece.len() as u64;
        Ok(())
    };
    let read = read_archive(BufReader::with_capacity(700, bytes), take, &mut |done, all| {
        assert!(done <= all, "progress beyond the end");
    });
    match read {
        Ok(manifest) => {
            assert_eq!(manifest.length, database);
            true
        }
        Err(error) => {
            let _ = error.to_string();
            false
        }
    }
}

/// A file of private keys, or a public key to seal to.
pub(super) fn backup_key(bytes: &[u8]) -> bool {
    let recipient = std::str::from_utf8(bytes).is_ok_and(|text| crate::backup::check_recipient(text).is_ok());
    identities_of(bytes).is_ok() || recipient
}

/// `postern.toml`. What it says is shown by `postern config`, and refusals are read by people.
pub(super) fn configuration(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    match Config::of_text(text) {
        Ok(config) => {
            let _ = config.base_url(config.listen);
            let _ = config.certificate_names();
            let _ = config.gate(config.local_url());
            true
        }
        Err(error) => {
            assert!(!error.to_string().is_empty());
            false
        }
    }
}

/// What `postern settings import` reads.
pub(super) fn settings_export(bytes: &[u8]) -> bool {
    is_settings_export(bytes)
}

/// A certificate (DER), whose names are compared with what is asked for.
pub(super) fn certificate(bytes: &[u8]) -> bool {
    let Ok(facts) = CertificateFacts::of(bytes) else {
        return false;
    };
    let _ = facts.covers("postern.example.org");
    let _ = facts.not_covered(&["[::1]".to_owned(), String::new()]);
    true
}

/// Words of the command line and of single keys: a duration, an address, a rule, a header.
pub(super) fn argument(bytes: &[u8]) -> bool {
    let Ok(text) = std::str::from_utf8(bytes) else {
        return false;
    };
    let mut taken = duration(text).is_ok();
    if let Ok(url) = BaseUrl::parse(text) {
        assert!(BaseUrl::parse(&url.to_string()).is_ok(), "a second spelling");
        taken = true;
    }
    if let Ok(rule) = PathRule::parse(text) {
        assert_eq!(PathRule::parse(&rule.to_string()), Ok(rule), "a second spelling");
        taken = true;
    }
    if let Some((name, value)) = text.split_once(':')
        && let Ok(header) = AddedHeader::parse(name, value)
    {
        let _ = header.value(|_| Some("secret".to_owned()));
        taken = true;
    }
    taken || Host::parse(text).is_some()
}
