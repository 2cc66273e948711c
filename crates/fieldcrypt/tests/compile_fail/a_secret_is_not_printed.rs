//! An opened value has no text form.
fn main() {
    let secret = fieldcrypt::Secret::from(vec![1, 2, 3]);
    println!("{secret:?}");
}
