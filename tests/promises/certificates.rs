//! An authority of the tests' own, certificates of it in files, and a client that trusts one authority and no other.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::{OpenOptionsExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use e2e_support::recorder::{self, Seen};
use e2e_support::wire;
use rcgen::{BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair};
use rustls::client::Resumption;
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};
use time::OffsetDateTime;

/// An authority.
pub(crate) struct Ca {
    issuer: Issuer<'static, KeyPair>,
    pub(crate) pem: String,
}

/// A certificate and its key, as PEM.
#[derive(Clone)]
pub(crate) struct Pair {
    pub(crate) certificate: String,
    pub(crate) key: String,
}

impl Ca {
    pub(crate) fn new() -> Self {
        let key = KeyPair::generate().expect("a key");
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params
            .distinguished_name
            .push(DnType::CommonName, "an authority of the tests");
        let pem = params.self_signed(&key).expect("signed").pem();
        Self {
            issuer: Issuer::new(params, key),
            pem,
        }
    }

    /// For these names, from and until so many days from now.
    pub(crate) fn issue(&self, names: &[&str], from: i64, until: i64) -> Pair {
        self.sign(&params(names, from, until))
    }

    /// For these names, but for what a client shows of itself and nothing else.
    pub(crate) fn issue_for_clients(&self, names: &[&str]) -> Pair {
        let mut params = params(names, -1, 90);
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Pair {
        let key = KeyPair::generate().expect("a key");
        Pair {
            certificate: params.signed_by(&key, &self.issuer).expect("signed").pem(),
            key: key.serialize_pem(),
        }
    }

    /// For what the server of a test is called, and good.
    pub(crate) fn good(&self) -> Pair {
        self.issue(&["127.0.0.1", "localhost"], -1, 90)
    }
}

impl Pair {
    /// For these names, by itself.
    pub(crate) fn self_signed(names: &[&str]) -> Self {
        let key = KeyPair::generate().expect("a key");
        let certificate = params(names, -1, 90).self_signed(&key).expect("signed").pem();
        Self {
            certificate,
            key: key.serialize_pem(),
        }
    }
}

fn params(names: &[&str], from: i64, until: i64) -> CertificateParams {
    let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
    let mut params = CertificateParams::new(names).expect("names");
    params
        .distinguished_name
        .push(DnType::CommonName, "a server of the tests");
    params.not_before = days_from_now(from);
    params.not_after = days_from_now(until);
    params
}

#[expect(
    clippy::disallowed_methods,
    reason = "certificates for the machine's clock, which the server goes by"
)]
fn days_from_now(days: i64) -> OffsetDateTime {
    OffsetDateTime::now_utc() + time::Duration::days(days)
}

/// A folder with the files that `tls.cert` and `tls.key` name.
pub(crate) struct Files(tempfile::TempDir);

impl Files {
    pub(crate) fn of(pair: &Pair) -> Self {
        let files = Self(tempfile::tempdir().expect("a folder"));
        files.put(pair);
        files
    }

    pub(crate) fn certificate(&self) -> PathBuf {
        self.0.path().join("fullchain.pem")
    }

    pub(crate) fn key(&self) -> PathBuf {
        self.0.path().join("privkey.pem")
    }

    pub(crate) fn folder(&self) -> &Path {
        self.0.path()
    }

    /// Replaces both, each in one step.
    pub(crate) fn put(&self, pair: &Pair) {
        replace(&self.certificate(), &pair.certificate);
        replace(&self.key(), &pair.key);
    }

    /// The configuration of a server that uses them.
    pub(crate) fn variables(&self) -> [(&'static str, String); 2] {
        [
            ("POSTERN_TLS_CERT", self.certificate().display().to_string()),
            ("POSTERN_TLS_KEY", self.key().display().to_string()),
        ]
    }
}

/// Variables as the harness takes them.
pub(crate) fn borrowed<'a>(variables: &'a [(&'static str, String)]) -> Vec<(&'static str, &'a str)> {
    variables
        .iter()
        .map(|(name, value)| (*name, value.as_str()))
        .collect()
}

/// Puts a file there in one step, its owner's alone.
pub(crate) fn replace(path: &Path, text: &str) {
    let new = path.with_extension("new");
    let _ = std::fs::remove_file(&new);
    let mut options = std::fs::OpenOptions::new();
    let file = options.write(true).create_new(true).mode(0o600).open(&new);
    file.and_then(|mut file| file.write_all(text.as_bytes()))
        .expect("written");
    std::fs::rename(&new, path).expect("renamed");
}

pub(crate) fn set_mode(path: &Path, mode: u32) {
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).expect("set");
}

/// A client that trusts one authority.
#[derive(Clone)]
pub(crate) struct Client(Arc<ClientConfig>);

/// What came of a request.
pub(crate) struct Reply {
    /// The server's certificate.
    pub(crate) shown: CertificateDer<'static>,
    /// The protocol that was agreed on.
    pub(crate) protocol: Option<Vec<u8>>,
    /// The whole answer.
    pub(crate) text: String,
}

impl Client {
    /// Every connection shakes hands in full.
    pub(crate) fn trusting(pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(pem.as_bytes()) {
            roots.add(certificate.expect("PEM")).expect("an authority");
        }
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.resumption = Resumption::disabled();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Self(Arc::new(config))
    }

    /// The first that it says to a server of that name.
    pub(crate) fn hello(&self, name: &str) -> Vec<u8> {
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let mut connection = ClientConnection::new(Arc::clone(&self.0), name).expect("a configuration");
        let mut hello = Vec::new();
        connection.write_tls(&mut hello).expect("written");
        hello
    }

    /// Connects, asks for `path` and reads the answer to its end.
    pub(crate) fn get(&self, address: &str, name: &str, path: &str) -> std::io::Result<Reply> {
        let port = address.rsplit(':').next().unwrap_or_default();
        let head = format!("GET {path} HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n");
        self.send(address, name, &head)
    }

    /// The same with any request, which must ask for the connection to be closed.
    pub(crate) fn send(&self, address: &str, name: &str, request: &str) -> std::io::Result<Reply> {
        let stream = TcpStream::connect(address)?;
        stream.set_read_timeout(Some(Duration::from_secs(20)))?;
        let name = ServerName::try_from(name.to_owned()).expect("a name");
        let connection = ClientConnection::new(Arc::clone(&self.0), name).map_err(std::io::Error::other)?;
        let mut stream = StreamOwned::new(connection, stream);
        stream.write_all(request.as_bytes())?;
        let mut text = String::new();
        stream.read_to_string(&mut text)?;
        let (target, reply) = (request.split(' ').nth(1), wire::parse(text.as_bytes()));
        let host = request.lines().find_map(|line| line.strip_prefix("Host: "));
        let seen = Seen {
            tls: true,
            target: target.unwrap_or_default(),
            host: host.unwrap_or_default(),
            status: reply.status,
            headers: &reply.headers,
        };
        recorder::look_over(address, &seen);
        let shown = stream.conn.peer_certificates().expect("shown");
        Ok(Reply {
            shown: shown.first().expect("one").clone(),
            protocol: stream.conn.alpn_protocol().map(<[u8]>::to_vec),
            text,
        })
    }
}
