//! `postern token`: an access token from a running server, as any client would get it.

use std::path::Path;
use std::sync::Arc;

use authcore::AccessPassword;
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use ureq::tls::{Certificate, RootCerts, TlsConfig};

use super::arguments::Token;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::prompt::{self, Asked};
use super::tls::authority_certificate;
use crate::config::secret_file;

pub(super) fn run(context: &Context, arguments: &Token) -> Result<(), Failure> {
    let base = context.config.local_url();
    let file = arguments.password_file.as_deref();
    let typed = prompt::secret(file, "access password", "--password-file", Asked::Once)?;
    let password = AccessPassword::parse(typed.as_str().to_owned())?;
    let unreachable = |error: ureq::Error| {
        let text = format!("the server at {base} does not answer: {error}");
        Failure::new(Exit::Unavailable, text).hint(if is_about_trust(&error) {
            "say which authority to trust with --ca, or by which of its names to call the server with --url"
        } else {
            "start it with postern serve, or say where it is with --url"
        })
    };
    let mut agent = ureq::Agent::config_builder().http_status_as_error(false);
    if base.starts_with("https://") {
        agent = agent.tls_config(tls(&trusted(context, arguments.ca.as_deref())?));
    }
    let agent = ureq::Agent::new_with_config(agent.build());
    let sign_in = |code: Option<&str>| -> Result<(u16, Value), Failure> {
        let mut body = json!({ "Password": password.expose_str() });
        if let (Some(code), Some(members)) = (code, body.as_object_mut()) {
            members.insert("OneTimeCode".to_owned(), json!(code));
        }
        let mut answer = agent
            .post(format!("{base}/api/v1/auth/login"))
            .header("user-agent", "postern token")
            .send_json(body)
            .map_err(unreachable)?;
        let body = answer.body_mut().read_json().unwrap_or_default();
        Ok((answer.status().as_u16(), body))
    };
    let code_file = arguments.one_time_code_file.as_deref();
    let code = code_file
        .map(|path| secret_file::text(path, "one-time code"))
        .transpose()?;
    let (mut status, mut body) = sign_in(code.as_ref().map(|code| code.as_str()))?;
    if status == 401 && needs_code(&body) && code.is_none() && prompt::somebody_is_there() {
        let code = prompt::or_nothing("one-time code")?;
        (status, body) = sign_in(code.as_ref().map(|code| code.as_str()))?;
    }
    match (status, body.get("AccessToken").and_then(Value::as_str)) {
        (200, Some(token)) => context.output.answer(
            &json!({ "AccessToken": token, "ExpiresIn": context.config.access_token_life.as_secs() }),
            token,
        ),
        (401, _) if needs_code(&body) => {
            let text = body.get("Error").and_then(Value::as_str);
            Err(Failure::new(
                Exit::Permission,
                text.unwrap_or("a one-time code is needed").to_lowercase(),
            )
            .hint("give a code of the authenticator app, or a recovery code, with --one-time-code-file PATH, or - for standard input"))
        }
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

/// Whether the password is right and the second factor is on.
fn needs_code(body: &Value) -> bool {
    body.get("Needs").and_then(Value::as_str) == Some("OneTimeCode")
}

/// Whom to trust: the authority in the file, else the one in the database, else what this machine trusts.
pub(super) fn trusted(
    context: &Context,
    file: Option<&Path>,
) -> Result<Vec<CertificateDer<'static>>, Failure> {
    if let Some(path) = file {
        let read = CertificateDer::pem_file_iter(path).and_then(Iterator::collect::<Result<Vec<_>, _>>);
        let found = read.map_err(|error| {
            let text = format!("{} is no certificate in PEM form: {error}", path.display());
            Failure::new(Exit::Data, text).hint("postern tls export-ca --out FILE writes one")
        })?;
        if found.is_empty() {
            let text = format!("{} holds no certificate in PEM form", path.display());
            return Err(Failure::new(Exit::Data, text).hint("postern tls export-ca --out FILE writes one"));
        }
        return Ok(found);
    }
    if let Some(own) = authority_certificate(context)? {
        return Ok(vec![CertificateDer::from(own)]);
    }
    // What does not read among many is not trusted; the others are.
    Ok(rustls_native_certs::load_native_certs().certs)
}

fn tls(trusted: &[CertificateDer<'static>]) -> TlsConfig {
    let roots = trusted
        .iter()
        .map(|der| Certificate::from_der(der).to_owned())
        .collect();
    TlsConfig::builder()
        .root_certs(RootCerts::Specific(Arc::new(roots)))
        .unversioned_rustls_crypto_provider(crate::tls::provider())
        .build()
}

/// Whether the server answered, but not as somebody to talk to.
fn is_about_trust(error: &ureq::Error) -> bool {
    matches!(error, ureq::Error::Rustls(_) | ureq::Error::Tls(_))
        || matches!(error, ureq::Error::Io(inner) if inner.kind() == std::io::ErrorKind::InvalidData)
}
