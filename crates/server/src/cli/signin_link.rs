//! `postern signin-link`: works beside a running server and without one.

use std::time::Duration;

use authcore::{Authority, Client, SIGNIN_TOKEN_LIFE_MAX, SigninTokenAuthority};
use secrecy::zeroize::Zeroizing;
use serde_json::json;

use super::arguments::SigninLink;
use super::context::Context;
use super::exit::{Exit, Failure};

pub(super) async fn run(context: &Context, arguments: &SigninLink) -> Result<(), Failure> {
    if arguments.ttl.is_zero() || arguments.ttl > SIGNIN_TOKEN_LIFE_MAX {
        return Err(Failure::new(
            Exit::Usage,
            "a sign-in link is good for at least a second and at most five minutes",
        ));
    }
    let base = context.config.base_url(context.config.listen);
    let link = context
        .with_authority(async |authority| make_link(authority, &base, arguments.ttl).await)
        .await?;
    let json = json!({ "Link": *link, "ExpiresIn": arguments.ttl.as_secs() });
    context.output.answer(&json, &link)
}

/// A sign-in link on the operator's word. The token is in the fragment, which no browser sends and no proxy logs.
pub(super) async fn make_link(
    authority: &Authority,
    base: &str,
    life: Duration,
) -> Result<Zeroizing<String>, Failure> {
    let tokens = authority.signin_tokens();
    let token = tokens
        .issue(SigninTokenAuthority::LocalOperator, life, &Client::local())
        .await?;
    Ok(Zeroizing::new(format!(
        "{base}/signin#token={}",
        &*token.expose_text()
    )))
}
