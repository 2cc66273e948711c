//! A typed password has no text form.
fn main() {
    if let Ok(password) = authcore::AccessPassword::parse("typed".to_owned()) {
        println!("{password:?}");
    }
}
