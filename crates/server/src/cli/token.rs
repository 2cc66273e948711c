//! `postern token`: an access token from a running server, as any client would get it.

use authcore::AccessPassword;
use serde_json::{Value, json};

use super::arguments::Token;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::prompt::{self, Asked};

pub(super) fn run(context: &Context, arguments: &Token) -> Result<(), Failure> {
    let base = context.config.base_url(context.config.listen);
    if base.starts_with("https://") {
        return Err(Failure::new(Exit::Unavailable, "there is no TLS yet")
            .hint("give the server's own address, such as --url http://127.0.0.1:8420"));
    }
    let file = arguments.password_file.as_deref();
    let typed = prompt::secret(file, "access password", "--password-file", Asked::Once)?;
    let password = AccessPassword::parse(typed.as_str().to_owned())?;
    let unreachable = |error: ureq::Error| {
        Failure::new(
            Exit::Unavailable,
            format!("the server at {base} does not answer: {error}"),
        )
        .hint("start it with postern serve, or say where it is with --url")
    };
    let agent =
        ureq::Agent::new_with_config(ureq::Agent::config_builder().http_status_as_error(false).build());
    let mut answer = agent
        .post(format!("{base}/api/v1/auth/login"))
        .header("user-agent", "postern token")
        .send_json(json!({ "Password": password.expose_str() }))
        .map_err(unreachable)?;
    let status = answer.status().as_u16();
    let body: Value = answer.body_mut().read_json().unwrap_or_default();
    match (status, body.get("AccessToken").and_then(Value::as_str)) {
        (200, Some(token)) => context.output.answer(
            &json!({ "AccessToken": token, "ExpiresIn": authcore::ACCESS_TOKEN_LIFE.as_secs() }),
            token,
        ),
        (401, _) => Err(Failure::new(Exit::Permission, "the access password is wrong")),
        (429, _) => Err(Failure::new(
            Exit::TryLater,
            "the server has too many sign-ins to check just now",
        )),
        _ => Err(Failure::new(
            Exit::Unavailable,
            format!("what answers at {base} gave status {status} and no access token"),
        )),
    }
}
