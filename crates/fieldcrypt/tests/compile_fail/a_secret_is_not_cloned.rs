//! A copy would be one more to wipe.
fn main() {
    let secret = fieldcrypt::Secret::from(vec![1, 2, 3]);
    let _ = secret.clone();
}
