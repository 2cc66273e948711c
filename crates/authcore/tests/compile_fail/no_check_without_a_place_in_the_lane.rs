//! No password is checked without a permit, and a permit comes from the lane.
async fn guesses(passwords: &authcore::Passwords, attempt: authcore::AccessPassword) {
    let purpose = authcore::audit::event::PasswordUse::SignIn;
    let _ = passwords.verify(attempt, None, purpose, &authcore::Client::local()).await;
}

fn main() {}
