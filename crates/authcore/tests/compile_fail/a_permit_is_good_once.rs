//! One permit is one guess.
async fn guesses(passwords: &authcore::Passwords, client: &authcore::Client, one: authcore::AccessPassword, two: authcore::AccessPassword) {
    let Ok(permit) = passwords.reserve(client, None) else { return };
    let _ = (permit, one);
    let _ = (permit, two);
}

fn main() {}
