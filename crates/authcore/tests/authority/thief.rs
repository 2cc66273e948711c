//! A thief with the file and without the field password (A1 of the threat model), each attack with its control.

use std::collections::HashSet;
use std::path::Path;
use std::time::Duration;

use authcore::{ActConfirmed, Authority, ChangeAuthority, Client, OpenError, Scope, Scopes};
use fieldcrypt::SlotSecret;

use crate::house::{FIELD, Held, House, PASSWORD, browser, good, options, password};

#[tokio::test]
async fn a_wrong_field_password_opens_nothing_and_changes_no_byte() {
    let house = House::new();
    house.authority.shutdown();
    let database = house.folder.path().join("postern.sqlite");
    let before = std::fs::read(&database).expect("reads");
    let opened = Authority::open(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password("not this one at all"),
    );
    assert!(matches!(
        opened,
        Err(OpenError::Unlock(fieldcrypt::UnlockError::WrongSecret))
    ));
    assert_eq!(std::fs::read(&database).expect("reads"), before);
}

/// Every secret that a day of use brings up, in every form it could be stored in.
#[tokio::test]
async fn a_thief_finds_no_secret_in_any_file() {
    let house = House::new();
    let mut secrets = vec![
        FIELD.to_owned(),
        PASSWORD.to_owned(),
        "hidden header value".to_owned(),
    ];
    let authority = &house.authority;
    let by = ChangeAuthority::LocalOperator { keep_sessions: true };
    authority
        .passwords()
        .change(by, password(PASSWORD), &Client::local())
        .await
        .expect("set");
    let changes = vec![(
        "secret.header".to_owned(),
        serde_json::json!("hidden header value"),
    )];
    authority.settings().set(changes, &browser()).await.expect("set");
    let scopes = Scopes::new(vec![Scope::Api]).expect("one");
    let key = authority
        .access_keys()
        .create(
            &ActConfirmed::by_operator(),
            "script",
            scopes,
            Duration::from_secs(86_400),
            &browser(),
        )
        .await;
    let key = key.expect("made").secret.expose_text().to_string();
    secrets.extend(key.split('_').map(str::to_owned).filter(|part| part.len() > 20));
    let mut held = Held::of(&house.sign_in().await);
    for _ in 0..96 {
        house.clock.advance(Duration::from_secs(900));
        let tokens = good(house.refresh(&held).await);
        held = Held::of(&tokens);
        secrets.extend(held.cookie.split('.').skip(1).map(str::to_owned));
        secrets.push(held.nonce.clone());
        secrets.extend(tokens.access_token.expose_str().split('.').map(str::to_owned));
    }
    secrets.push("192.0.2.7".to_owned());
    let control = house.folder.path().join("control");
    std::fs::write(&control, format!("x{}x", held.nonce)).expect("planted");
    assert!(
        Scan::of(house.folder.path()).finds(held.nonce.as_bytes()),
        "the scan would find nothing"
    );
    std::fs::remove_file(control).expect("removed");
    let files = Scan::of(house.folder.path());
    let scan = |needle: &[u8]| files.finds(needle);
    for secret in &secrets {
        use sha2::{Digest, Sha256};
        assert!(
            !scan(secret.as_bytes()),
            "in the clear: a secret of {} characters",
            secret.len()
        );
        assert!(!scan(&Sha256::digest(secret)), "under a fast hash");
        if let Ok(bytes) = data_encoding::BASE64URL_NOPAD.decode(secret.as_bytes()) {
            assert!(!scan(&bytes) && !scan(&Sha256::digest(&bytes)), "as bytes");
        }
    }
}

/// Every byte of every file of a folder, with an index of all runs of eight, so that a thousand searches are quick.
struct Scan {
    files: Vec<Vec<u8>>,
    runs: HashSet<[u8; 8]>,
}

impl Scan {
    fn of(folder: &Path) -> Self {
        let entries = std::fs::read_dir(folder)
            .expect("lists")
            .map(|file| file.expect("entry").path());
        let files: Vec<Vec<u8>> = entries.map(|path| std::fs::read(path).expect("reads")).collect();
        let runs = files
            .iter()
            .flat_map(|bytes| bytes.windows(8))
            .filter_map(|run| run.try_into().ok())
            .collect();
        Self { files, runs }
    }

    fn finds(&self, needle: &[u8]) -> bool {
        let start = needle
            .first_chunk::<8>()
            .expect("a needle of eight bytes or more");
        self.runs.contains(start)
            && self
                .files
                .iter()
                .any(|bytes| bytes.windows(needle.len()).any(|window| window == needle))
    }
}
