//! Ciphertext is not taken for the value by accident.
fn takes_bytes(_: &[u8]) {}

fn main() {
    let sealed = fieldcrypt::Sealed::parse(vec![0; 64]).unwrap();
    takes_bytes(&sealed);
}
