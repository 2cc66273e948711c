//! A field belongs to a row: without its key there is no sealing.
fn seals(vault: &fieldcrypt::Vault, column: fieldcrypt::SealedColumn) {
    let _ = vault.seal(column, b"secret");
}

fn main() {}
