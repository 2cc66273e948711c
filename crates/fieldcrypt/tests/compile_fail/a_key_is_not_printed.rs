//! Nor has a key.
fn main() {
    let key = fieldcrypt::SecretKey::from_bytes(&[7; 32]);
    println!("{key:?}");
}
