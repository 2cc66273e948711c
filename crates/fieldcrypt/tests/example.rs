//! The example runs, used alone: no other crate of this project.

#[path = "../examples/address_book.rs"]
#[expect(dead_code, unreachable_pub, reason = "an example has a main of its own")]
mod address_book;

#[test]
fn the_address_book_takes_fieldcrypt_in_and_notices_both_attacks() {
    let folder = tempfile::tempdir().expect("folder");
    let said = address_book::run(folder.path()).expect("runs");
    let expected = [
        "2 numbers sealed, 0 of 2 still found in plain",
        "Carl's number has 14 digits and signs",
        "refused: table contacts: row 'Ada' is missing",
        "refused: the database was put back from an older copy: its counter is 1, the witness has seen 3",
    ];
    assert_eq!(said, expected);
}
