//! And a value is not taken for ciphertext.
fn opens(vault: &fieldcrypt::Vault, column: fieldcrypt::SealedColumn) {
    let _ = vault.open(column, &fieldcrypt::RowKey::Integer(1), &b"plain".to_vec());
}

fn main() {}
