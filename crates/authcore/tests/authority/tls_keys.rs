//! The keys that the server makes itself for TLS: sealed, kept over a restart, and good in their own row only.

use authcore::{Authority, Client, KeyRotation, StoreError, TlsKey, TlsKeyName};
use fieldcrypt::{Secret, SlotSecret};

use crate::house::{FIELD, House, browser, options};

const AUTHORITYS: &[u8] = b"the private key of the authority";
const SERVERS: &[u8] = b"the private key of the server";

fn key(certificate: &str, private: &[u8]) -> TlsKey {
    TlsKey::new(certificate.as_bytes().to_vec(), Secret::from(private.to_vec()))
}

async fn with_keys() -> House {
    let house = House::new();
    let stored = house.authority.tls_keys().load().expect("reads");
    assert!(stored.authority.is_none() && stored.server.is_none());
    let keys = vec![
        (TlsKeyName::Authority, key("the authority", AUTHORITYS)),
        (TlsKeyName::Server, key("the first server", SERVERS)),
    ];
    house
        .authority
        .tls_keys()
        .put(keys, &browser())
        .await
        .expect("stored");
    house
}

#[tokio::test]
async fn tls_keys_outlive_a_restart_one_is_replaced_alone_and_no_file_shows_them() {
    let house = with_keys().await;
    let next = vec![(TlsKeyName::Server, key("the second server", SERVERS))];
    house
        .authority
        .tls_keys()
        .put(next, &browser())
        .await
        .expect("stored");
    let house = house.restarted();
    let stored = house.authority.tls_keys().load().expect("reads");
    let (authority, server) = (stored.authority.expect("kept"), stored.server.expect("kept"));
    assert_eq!(authority.expose_private_key(), AUTHORITYS);
    assert_eq!(authority.certificate, b"the authority");
    assert_eq!(server.certificate, b"the second server");
    house.authority.shutdown();
    for file in std::fs::read_dir(house.folder.path()).expect("lists") {
        let bytes = std::fs::read(file.expect("entry").path()).expect("reads");
        for secret in [AUTHORITYS, SERVERS] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret));
        }
    }
    let inspected = Authority::inspect(
        &options(house.folder.path(), &house.clock),
        &SlotSecret::password(FIELD),
    );
    let certificates = inspected.expect("inspects").tls;
    assert_eq!(certificates.server.as_deref(), Some(&b"the second server"[..]));
}

#[expect(clippy::disallowed_methods, reason = "somebody with write access to the file")]
#[tokio::test]
async fn a_servers_key_in_the_authoritys_row_does_not_open() {
    let house = with_keys().await;
    let thief = rusqlite::Connection::open(house.folder.path().join("postern.sqlite")).expect("opens");
    let swap = "UPDATE tls_keys SET private_key = (SELECT private_key FROM tls_keys WHERE name = 'server')";
    thief.execute(swap, []).expect("written");
    let loaded = house.authority.tls_keys().load().err();
    assert!(
        matches!(
            loaded,
            Some(StoreError::Damaged {
                table: "tls_keys",
                column: "private_key",
                ..
            })
        ),
        "{loaded:?}"
    );
}

/// Whoever read them may pass for the server: after a theft they are made anew with everything else.
#[tokio::test]
async fn an_emergency_leaves_no_tls_key() {
    let house = with_keys().await;
    let options = options(house.folder.path(), &house.clock);
    let mut rotation = KeyRotation::open(&options, &SlotSecret::password(FIELD)).expect("opens");
    rotation.end_everything(&Client::local()).expect("committed");
    let stored = house.authority.tls_keys().load().expect("reads");
    assert!(stored.authority.is_none() && stored.server.is_none());
}
