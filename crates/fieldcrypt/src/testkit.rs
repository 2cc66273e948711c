//! Runs the cases of `tests/testkit/`, one file an edge case of the format, which any implementation can run.

use std::fs;
use std::path::Path;
use std::sync::RwLock;

use data_encoding::HEXLOWER;
use serde_json::Value;

use crate::access::{Access, OpenSlot};
use crate::cipher::Algorithm;
use crate::column::{ColumnRegistry, SealedColumn};
use crate::error::OpenError;
use crate::keyring::{DataKeyNumber, Entry, KeyInfo, KeyPurpose, KeyState, Keyring};
use crate::row_key::RowKey;
use crate::sealed::Sealed;
use crate::secret::SecretKey;
use crate::slot::SlotId;
use crate::vault::Vault;

fn text<'a>(case: &'a Value, member: &str) -> &'a str {
    case.get(member).and_then(Value::as_str).expect(member)
}

fn hex(text: &str) -> Vec<u8> {
    HEXLOWER.decode(text.as_bytes()).expect("hex")
}

fn leaked<T: ?Sized>(value: Box<T>) -> &'static T {
    Box::leak(value)
}

fn row_key(value: &Value) -> RowKey<'static> {
    match value {
        Value::Number(number) => RowKey::Integer(number.as_i64().expect("64 bits")),
        Value::String(text) => RowKey::Text(leaked(text.clone().into_boxed_str())),
        Value::Object(_) => RowKey::Blob(leaked(hex(text(value, "blob")).into_boxed_slice())),
        Value::Array(parts) => RowKey::Composite(leaked(parts.iter().map(row_key).collect())),
        Value::Null | Value::Bool(_) => panic!("no row key: {value}"),
    }
}

fn entry(number: &str, key: &Value, registry: &ColumnRegistry) -> Entry {
    let secret = key.get("key").and_then(Value::as_str).map(|key| {
        let bytes = hex(key);
        SecretKey::from_bytes(bytes.as_slice().try_into().expect("32 bytes"))
    });
    let algorithm = key
        .get("algorithm")
        .and_then(Value::as_u64)
        .expect("an algorithm");
    let info = KeyInfo {
        number: DataKeyNumber(number.parse().expect("a number")),
        purpose: KeyPurpose::Data,
        algorithm: Algorithm::from_id(u8::try_from(algorithm).expect("a byte")).expect("known"),
        state: KeyState::from_name(text(key, "state")).expect("known"),
        created_unix: 0,
        fields_sealed: 0,
    };
    Entry::new(info, secret, registry)
}

fn word(error: &OpenError) -> &'static str {
    match error {
        OpenError::NotSealed => "not sealed",
        OpenError::UnknownVersion { .. } => "unknown version",
        OpenError::UnknownAlgorithm { .. } => "unknown algorithm",
        OpenError::UnknownKey { .. } => "unknown key",
        OpenError::KeyDestroyed { .. } => "key destroyed",
        OpenError::AuthenticationFailed => "authentication failed",
        OpenError::ColumnNotRegistered { .. } => "column not registered",
    }
}

fn run(case: &Value) -> Result<Vec<u8>, OpenError> {
    let name = |member| leaked(text(case, member).to_owned().into_boxed_str());
    let column = SealedColumn::new(name("table"), name("column"));
    let registry = ColumnRegistry::new(&[column]).expect("one");
    let keys = case.get("keys").and_then(Value::as_object).expect("keys");
    let entries = keys
        .iter()
        .map(|(number, key)| entry(number, key, &registry))
        .collect();
    let install_id = hex(text(case, "install_id")).try_into().expect("16 bytes");
    let vault = Vault {
        install_id,
        keyring: RwLock::new(Keyring::new(install_id, entries, 1).expect("an active key")),
        access: RwLock::new(Access {
            slot: OpenSlot {
                id: SlotId(1),
                key: SecretKey::from_bytes(&[0; 32]),
            },
            keyring_wrap: SecretKey::from_bytes(&[0; 32]),
        }),
        registry,
    };
    let sealed = Sealed::parse(hex(text(case, "field")))?;
    let row = row_key(case.get("row").expect("a row"));
    vault
        .open(column, &row, &sealed)
        .map(|secret| secret.expose_bytes().to_vec())
}

#[test]
fn every_case_of_the_testkit_opens_or_is_refused_as_it_says() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/testkit");
    let mut run_so_far = 0;
    for file in fs::read_dir(folder).expect("the testkit") {
        let path = file.expect("an entry").path();
        let case: Value = serde_json::from_str(&fs::read_to_string(&path).expect("a text")).expect("JSON");
        let expect = text(&case, "expect");
        match run(&case) {
            Ok(plain) => {
                assert_eq!(expect, "success", "{}", path.display());
                assert_eq!(plain, hex(text(&case, "plaintext")), "{}", path.display());
            }
            Err(error) => assert_eq!(word(&error), expect, "{}", path.display()),
        }
        run_so_far += 1;
    }
    assert!(run_so_far >= 38, "only {run_so_far} cases");
}
