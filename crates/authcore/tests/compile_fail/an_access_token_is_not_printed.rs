//! Nor a token.
fn shows(tokens: &authcore::TokenSet) {
    println!("{:?}", tokens.access_token);
}

fn main() {}
