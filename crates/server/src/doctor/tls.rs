//! The certificate: whether it is good, until when, and for which names.

use authcore::{Clock, TlsCertificates, WallTime};

use super::Finding;
use crate::causes::with_causes;
use crate::config::{Config, TlsSource};
use crate::tls::WARN_BEFORE;
use crate::tls::facts::CertificateFacts;
use crate::tls::self_signed::{AuthorityFacts, Due, due};

const ABOUT: &str = "tls";

/// What needs no database: TLS off, or files.
pub(super) fn examine(config: &Config) -> Vec<Finding> {
    match &config.tls {
        TlsSource::Off if config.listen.ip().is_loopback() => {
            vec![Finding::good(
                ABOUT,
                format!("none; {} is this machine's alone", config.listen),
            )]
        }
        TlsSource::Off => vec![Finding::wrong(
            ABOUT,
            format!("{} is reached from elsewhere, and there is no TLS", config.listen),
            "set tls.cert and tls.key, or tls.self_signed = true; or listen on 127.0.0.1",
        )],
        TlsSource::Files(files) => {
            let now = Clock::system().now().wall;
            match files.load(now) {
                Ok(identity) => of_certificate(
                    config,
                    &identity.facts,
                    now,
                    "renew it; the server takes the new files by itself",
                ),
                Err(error) => vec![Finding::wrong(
                    ABOUT,
                    with_causes(&error),
                    "docs/tls.md says what the files must be; a running server shows the certificate before on",
                )],
            }
        }
        TlsSource::SelfSigned => Vec::new(),
    }
}

/// What the database holds, where the server makes its own.
pub(super) fn of_database(config: &Config, stored: &TlsCertificates) -> Vec<Finding> {
    if config.tls != TlsSource::SelfSigned {
        return Vec::new();
    }
    judge_stored(config, stored, Clock::system().now().wall)
}

fn judge_stored(config: &Config, stored: &TlsCertificates, now: WallTime) -> Vec<Finding> {
    let (Some(authority), Some(server)) = (&stored.authority, &stored.server) else {
        return vec![Finding::warning(
            ABOUT,
            "there is no local authority yet",
            "the next postern serve makes it",
        )];
    };
    let (authority, server) = match (AuthorityFacts::of(authority), CertificateFacts::of(server)) {
        (Ok(authority), Ok(server)) => (authority, server),
        (Err(reason), _) | (_, Err(reason)) => {
            let found = format!("a stored certificate does not read: {reason}");
            return vec![Finding::wrong(ABOUT, found, "restore a backup")];
        }
    };
    let names = config.certificate_names();
    let mut findings = of_certificate(config, &server, now, "start the server: it renews it by itself");
    match due(Some(&authority), Some(&server), &names, now) {
        Due::Authority => findings.push(Finding::warning(
            ABOUT,
            "the local authority ends soon, or may not sign for every configured name",
            "start the server, which makes a new one; then postern tls export-ca, and trust it in the place of the old one",
        )),
        Due::Nothing | Due::Certificate => {}
    }
    findings
}

fn of_certificate(
    config: &Config,
    facts: &CertificateFacts,
    now: WallTime,
    mend: &'static str,
) -> Vec<Finding> {
    let end = facts.not_after.to_rfc3339();
    let mut findings = vec![if now > facts.not_after {
        Finding::wrong(ABOUT, format!("the certificate is over since {end}"), mend)
    } else if now.plus(WARN_BEFORE) > facts.not_after {
        Finding::warning(ABOUT, format!("the certificate ends soon, at {end}"), mend)
    } else {
        Finding::good(ABOUT, format!("the certificate is good until {end}"))
    }];
    let names = facts.not_covered(&config.own_names);
    if !names.is_empty() {
        findings.push(Finding::warning(
            ABOUT,
            format!(
                "the certificate is not for {}, which the server answers to",
                names.join(", ")
            ),
            "take one that names them too, or take the names out of hosts and url",
        ));
    }
    findings
}
