//! Nor a field password.
fn main() {
    let secret = fieldcrypt::SlotSecret::password("a field password");
    println!("{secret:?}");
}
