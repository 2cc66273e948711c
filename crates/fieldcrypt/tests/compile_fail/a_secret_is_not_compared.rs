//! `==` takes as long as the match is.
fn main() {
    let one = fieldcrypt::Secret::from(vec![1, 2, 3]);
    let other = fieldcrypt::Secret::from(vec![1, 2, 3]);
    let _ = one == other;
}
