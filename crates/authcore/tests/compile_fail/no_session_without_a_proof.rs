//! The proof that a password was right is made where it is checked, and nowhere else.
async fn starts(sessions: &authcore::Sessions) {
    let proof = authcore::PasswordVerified::new(1);
    let _ = sessions
        .start(proof, authcore::Remember::ThisBrowserSession, &authcore::Client::local())
        .await;
}

fn main() {}
