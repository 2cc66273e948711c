//! `postern tls`: what the server shows who connects, and the certificate to trust.

use std::path::{Path, PathBuf};

use authcore::{Authority, TlsCertificates};
use clap::Subcommand;
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::config::TlsSource;
use crate::tls::facts::CertificateFacts;
use crate::tls::probe;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Show the certificate that the server shows, for which names, and until when
    Status,
    /// Print the certificate of the local authority (`tls.self_signed`), for devices to trust
    ExportCa {
        /// A file to write it to, in the place of standard output
        #[arg(long, value_name = "PATH")]
        out: Option<PathBuf>,
    },
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Status => status(context),
        Command::ExportCa { out } => export_ca(context, out.as_deref()),
    }
}

fn status(context: &Context) -> Result<(), Failure> {
    let config = &context.config;
    let mut authority = None;
    let (source, configured) = match &config.tls {
        TlsSource::Off => {
            let text = format!("no TLS: {} speaks plain HTTP", config.listen);
            return context.output.answer(&json!({ "Source": null }), &text);
        }
        TlsSource::Files(files) => {
            let loaded = files.load(authcore::Clock::system().now().wall);
            let configured = loaded.map(|identity| identity.facts).map_err(Failure::from);
            (files.certificate.display().to_string(), configured)
        }
        TlsSource::SelfSigned => {
            let stored = stored(context)?;
            let (issuer, server) = stored.authority.zip(stored.server).ok_or_else(none_yet)?;
            authority = Some(read(&issuer)?);
            ("the local authority".to_owned(), read(&server))
        }
    };
    // What a running server shows is what counts: it may be the one before.
    let shown = probe::shown_at(config.local_address()).ok();
    let running = shown.is_some();
    let (facts, problem) = match (shown, configured) {
        (None, configured) => (configured?, None),
        (Some(shown), Err(failure)) => (shown, Some(failure.message)),
        (Some(shown), Ok(configured)) if configured == shown => (shown, None),
        (Some(shown), Ok(_)) => {
            let text = "the server shows another certificate than this one; it has not taken it yet";
            (shown, Some(text.to_owned()))
        }
    };
    let json = json!({
        "Source": source,
        "Running": running,
        "Problem": problem,
        "Names": facts.names,
        "Issuer": facts.issuer,
        "NotBefore": facts.not_before.to_rfc3339(),
        "NotAfter": facts.not_after.to_rfc3339(),
        "Sha256": facts.fingerprint,
        "Authority": authority.as_ref().map(|authority| json!({
            "Subject": authority.subject,
            "NotAfter": authority.not_after.to_rfc3339(),
            "Sha256": authority.fingerprint,
        })),
    });
    let mut lines = vec![
        format!("from:      {source}"),
        format!("server:    {}", if running { "shows it" } else { "none answers" }),
        format!("names:     {}", facts.names.join(", ")),
        format!("issuer:    {}", facts.issuer),
        format!(
            "good:      {} to {}",
            facts.not_before.to_rfc3339(),
            facts.not_after.to_rfc3339()
        ),
        format!("SHA-256:   {}", facts.fingerprint),
    ];
    lines.extend(authority.map(|authority| {
        let end = authority.not_after.to_rfc3339();
        format!(
            "authority: {}, to {end}, SHA-256 {}",
            authority.subject, authority.fingerprint
        )
    }));
    lines.extend(problem.map(|problem| format!("problem:   {problem}")));
    context.output.answer(&json, &lines.join("\n"))
}

fn export_ca(context: &Context, out: Option<&Path>) -> Result<(), Failure> {
    let authority = authority_certificate(context)?.ok_or_else(none_yet)?;
    let facts = read(&authority)?;
    let pem = pem::encode(&pem::Pem::new("CERTIFICATE", authority.as_slice()));
    let Some(path) = out else {
        return context.output.answer(
            &json!({ "Certificate": pem, "Sha256": facts.fingerprint }),
            pem.trim_end(),
        );
    };
    write(path, &pem).map_err(|error| {
        let text = format!("{} cannot be written: {error}", path.display());
        Failure::new(Exit::CannotCreate, text).hint("give another place with --out")
    })?;
    context.output.done(
        &json!({ "File": path.display().to_string(), "Sha256": facts.fingerprint }),
        &format!(
            "{} is written; SHA-256 {}\nhow devices are told to trust it: docs/tls.md",
            path.display(),
            facts.fingerprint
        ),
    )
}

/// No secret, and other users are to read it.
fn write(path: &Path, pem: &str) -> std::io::Result<()> {
    use std::os::unix::fs::PermissionsExt as _;
    std::fs::write(path, pem)?;
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o644))
}

/// The certificate of the local authority, if the server makes its own and has made it.
pub(super) fn authority_certificate(context: &Context) -> Result<Option<Vec<u8>>, Failure> {
    match context.config.tls {
        TlsSource::SelfSigned => Ok(stored(context)?.authority),
        TlsSource::Off | TlsSource::Files(_) => Ok(None),
    }
}

/// Read without changing a byte of the database.
fn stored(context: &Context) -> Result<TlsCertificates, Failure> {
    let (options, secret) = context.existing_database()?;
    Ok(Authority::inspect(&options, &secret)?.tls)
}

fn read(certificate: &[u8]) -> Result<CertificateFacts, Failure> {
    CertificateFacts::of(certificate).map_err(|reason| {
        Failure::new(
            Exit::Data,
            format!("a stored certificate does not read: {reason}"),
        )
        .hint("restore a backup")
    })
}

fn none_yet() -> Failure {
    Failure::new(Exit::Configuration, "there is no local authority")
        .hint("set tls.self_signed = true; the next postern serve makes it")
}
