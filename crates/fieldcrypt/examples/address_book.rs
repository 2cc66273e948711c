//! An address book that was kept in plain takes fieldcrypt in: its phone numbers are adopted, its rows protected, a
//! witness kept. Then it is attacked. `cargo run -p fieldcrypt --example address_book`
#![expect(clippy::disallowed_methods, reason = "a program of its own, with its own SQL")]

use std::error::Error;
use std::path::Path;

use fieldcrypt::sqlite::{OpenMode, open_connection};
use fieldcrypt::{
    ColumnRegistry, IntegrityError, NewVault, ProtectedTable, RowKey, Sealed, SealedColumn, SlotSecret,
    Vault, Witness, WitnessError,
};

const PHONE: SealedColumn = SealedColumn::new("contacts", "phone");
const PROTECTED: [ProtectedTable; 1] = [ProtectedTable::new("contacts")];

fn main() -> Result<(), Box<dyn Error>> {
    let folder = tempfile::tempdir()?;
    for line in run(folder.path())? {
        println!("{line}");
    }
    Ok(())
}

/// The whole story; says what happened, line by line.
///
/// # Errors
/// When it goes otherwise.
pub fn run(folder: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    let mut said = Vec::new();
    let path = folder.join("book.sqlite");

    // The address book as it was: plain, indexed, analysed.
    let mut connection = open_connection(&path, OpenMode::CreateNew)?;
    connection.execute_batch(
        "CREATE TABLE contacts (name TEXT NOT NULL PRIMARY KEY, phone TEXT);
         INSERT INTO contacts VALUES ('Ada', '+44 20 7946 0001'), ('Blaise', '+33 1 99 00 00 02');
         ANALYZE",
    )?;

    // A vault is made in the same file, and the column adopted.
    let secret = SlotSecret::key_file(fieldcrypt::random::array::<32>()?.to_vec())?;
    let registry = ColumnRegistry::new(&[PHONE])?;
    let vault = Vault::create(
        &mut connection,
        registry,
        &secret,
        &NewVault::first(1_700_000_000),
    )?;
    let adopted = vault.adopt(&connection, PHONE)?;
    said.push(format!(
        "{} numbers sealed, {} of {} still found in plain",
        adopted.sealed,
        adopted.scan.found.len(),
        adopted.scan.looked_for
    ));

    let old = folder.join("old.sqlite");
    // Its rows are protected from here on, and a witness is kept elsewhere.
    let seal = vault.integrity_seal(&PROTECTED)?;
    let counter = seal.rebuild(&connection, 0)?;
    seal.attach(&connection)?;
    let witness = Witness::new(&folder.join("witness"), &seal);
    witness.replace(counter)?;
    connection.execute("VACUUM INTO ?1", [old.to_string_lossy()])?;

    // Ordinary work: the seal follows by itself.
    let row = RowKey::Text("Carl");
    let phone = vault.seal(PHONE, &row, b"+49 551 000003")?;
    connection.execute("INSERT INTO contacts VALUES ('Carl', ?1)", [phone])?;
    connection.execute("DELETE FROM contacts WHERE name = 'Blaise'", [])?;
    witness.record(seal.counter(&connection)?)?;
    let sealed: Sealed =
        connection.query_row("SELECT phone FROM contacts WHERE name = 'Carl'", [], |row| {
            row.get(0)
        })?;
    let opened = vault.open(PHONE, &row, &sealed)?;
    said.push(format!(
        "Carl's number has {} digits and signs",
        opened.expose_bytes().len()
    ));

    // Attacks: a row deleted on a connection without the keys; a whole older file put in place.
    let verified = seal.verify(&connection)?;
    witness.check(verified.counter)?;
    let attacker = rusqlite::Connection::open(&path)?;
    attacker.execute_batch("BEGIN; DELETE FROM contacts WHERE name = 'Ada'")?;
    if let Err(IntegrityError::Tampered(report)) = seal.verify(&attacker) {
        said.push(format!("refused: {report}"));
    }
    attacker.execute_batch("ROLLBACK")?;
    let old = open_connection(&old, OpenMode::Existing)?;
    let consistent = seal.verify(&old)?;
    if let Err(refused @ WitnessError::RolledBack { .. }) = witness.check(consistent.counter) {
        said.push(format!("refused: {refused}"));
    }
    Ok(said)
}
