//! One place in the lane is one guess.
async fn guesses(passwords: &authcore::Passwords, one: authcore::AccessPassword, two: authcore::AccessPassword) {
    let Ok(permit) = passwords.reserve() else { return };
    let _ = (permit, one);
    let _ = (permit, two);
}

fn main() {}
