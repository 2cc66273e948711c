//! No vault without a slot secret.
fn main() {
    let _ = fieldcrypt::Vault { install_id: [0; 16] };
}
