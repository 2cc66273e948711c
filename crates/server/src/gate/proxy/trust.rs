//! Whom connections to applications trust: what this machine trusts, or an application's own file alone. Each trust has a client of its
//! own, so that a connection made under one is never used under another.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::path::{Path, PathBuf};
use std::time::Duration;

use axum::body::Body;
use hyper_rustls::HttpsConnector;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioTimer};
use rustls::RootCertStore;

use crate::gate::application::{Application, Applications};
use crate::tls::files::{TlsFileError, certificates};

/// How long an application may take to accept a connection.
const CONNECT_TIME: Duration = Duration::from_secs(5);

/// How long an unused connection to an application is kept; shorter than the 5 s after which many servers close theirs.
const KEPT_TIME: Duration = Duration::from_secs(4);

/// Unused connections kept for each application.
const KEPT_MAX: usize = 32;

pub(super) type Client = legacy::Client<HttpsConnector<HttpConnector>, Body>;

/// An application's authorities cannot be read: nothing could be verified by them, and by others it must not be.
#[derive(Debug, thiserror::Error)]
#[error("upstream_ca of the application {application} is refused")]
pub(crate) struct TrustError {
    application: String,
    source: TlsFileError,
}

/// The clients, one a trust.
#[derive(Clone, Debug)]
pub(crate) struct Clients(HashMap<Option<PathBuf>, Client>);

impl Clients {
    /// Reads every file that these applications name; what the machine trusts is read only where one of them goes by it.
    ///
    /// # Errors
    /// When a file of theirs cannot be read, or holds no certificate.
    pub(crate) fn of(applications: &Applications) -> Result<Self, TrustError> {
        let by_machine = applications.0.iter().any(goes_by_the_machine);
        let machine = if by_machine {
            of_the_machine()
        } else {
            RootCertStore::empty()
        };
        let mut clients = HashMap::from([(None, client(machine))]);
        for application in &applications.0 {
            let Some(path) = &application.upstream_ca else {
                continue;
            };
            if let Entry::Vacant(place) = clients.entry(Some(path.clone())) {
                let trusted = of_file(path).map_err(|source| TrustError {
                    application: application.name.clone(),
                    source,
                })?;
                place.insert(client(trusted));
            }
        }
        Ok(Self(clients))
    }

    pub(super) fn to(&self, application: &Application) -> Option<&Client> {
        self.0.get(&application.upstream_ca)
    }
}

fn goes_by_the_machine(application: &Application) -> bool {
    let upstream = application.upstream.as_deref();
    application.upstream_ca.is_none() && upstream.is_some_and(|upstream| upstream.starts_with("https:"))
}

fn of_the_machine() -> RootCertStore {
    let found = rustls_native_certs::load_native_certs();
    let mut trusted = RootCertStore::empty();
    // What does not read among many is not trusted; the others are.
    trusted.add_parsable_certificates(found.certs);
    if trusted.is_empty() {
        tracing::warn!(
            "this machine names no authority to trust: applications under https need an upstream_ca, or ca-certificates installed"
        );
    }
    trusted
}

fn of_file(path: &Path) -> Result<RootCertStore, TlsFileError> {
    let mut trusted = RootCertStore::empty();
    for certificate in certificates(path)? {
        trusted.add(certificate).map_err(|error| TlsFileError::Damaged {
            path: path.to_owned(),
            reason: error.to_string(),
        })?;
    }
    Ok(trusted)
}

/// A certificate that is not trusted ends the connection before anything is said on it.
fn client(trusted: RootCertStore) -> Client {
    let tls = rustls::ClientConfig::builder()
        .with_root_certificates(trusted)
        .with_no_client_auth();
    let mut tcp = HttpConnector::new();
    tcp.enforce_http(false);
    tcp.set_nodelay(true);
    tcp.set_connect_timeout(Some(CONNECT_TIME));
    let connector = hyper_rustls::HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_or_http()
        .enable_http1()
        .wrap_connector(tcp);
    legacy::Client::builder(TokioExecutor::new())
        .pool_timer(TokioTimer::new())
        .pool_idle_timeout(KEPT_TIME)
        .pool_max_idle_per_host(KEPT_MAX)
        .build(connector)
}
