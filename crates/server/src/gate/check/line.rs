//! The way to the proxy: one connection for each request, over TCP or TLS, and bytes as they are.

use std::io::{self, Read, Write};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::sync::Arc;
use std::time::Duration;

use authcore::Clock;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

use super::answer::{self, Answer};
use crate::http::config::Scheme;
use crate::http::host::Host;

/// How long one request may take, from the connection to the last byte of the answer.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long more is waited for behind a whole answer where the connection stays open: a second answer would be a second request.
const AFTERWARDS: Duration = Duration::from_millis(200);

/// Most of an answer that is read, in bytes.
const ANSWER_MAX: usize = 256 * 1024;

/// Why nothing can be sent.
#[derive(Debug, thiserror::Error)]
pub(crate) enum LineError {
    #[error("{host} has no address")]
    Unknown {
        host: String,
        #[source]
        source: Option<io::Error>,
    },
    #[error("nothing answers at {peer}")]
    Silent {
        peer: SocketAddr,
        #[source]
        source: io::Error,
    },
    #[error("{peer} speaks no TLS that is to be trusted for {host}")]
    Tls {
        peer: SocketAddr,
        host: String,
        #[source]
        source: io::Error,
    },
}

/// Where requests go.
pub(crate) struct Line {
    host: String,
    peer: SocketAddr,
    tls: Option<(Arc<ClientConfig>, ServerName<'static>)>,
    clock: Clock,
}

impl Line {
    /// To that host, or to the address that stands in for it. Under `https` certificates are those that `trusted` has issued.
    ///
    /// # Errors
    /// When the host has no address.
    pub(crate) fn new(
        (scheme, host): (Scheme, &Host),
        instead: Option<SocketAddr>,
        trusted: Vec<CertificateDer<'static>>,
    ) -> Result<Self, LineError> {
        let name = host.name().trim_matches(['[', ']']);
        let unknown = |source| LineError::Unknown {
            host: host.to_string(),
            source,
        };
        let own = match scheme {
            Scheme::Http => 80,
            Scheme::Https => 443,
        };
        let peer = match instead {
            Some(address) => address,
            None => (name, host.port().unwrap_or(own))
                .to_socket_addrs()
                .map_err(|source| unknown(Some(source)))?
                .next()
                .ok_or_else(|| unknown(None))?,
        };
        let tls = match scheme {
            Scheme::Http => None,
            Scheme::Https => {
                let name = ServerName::try_from(name.to_owned()).map_err(|_| unknown(None))?;
                let config = client_config(trusted).map_err(|error| LineError::Tls {
                    peer,
                    host: host.to_string(),
                    source: io::Error::other(error),
                })?;
                Some((config, name))
            }
        };
        Ok(Self {
            host: host.to_string(),
            peer,
            tls,
            clock: Clock::system(),
        })
    }

    /// Sends these bytes and gives every answer that comes back; none when the connection is closed without a word. `None`: no
    /// answer came in time.
    ///
    /// # Errors
    /// When there is no connection to send them over.
    pub(crate) fn send(&self, bytes: &[u8]) -> Result<Option<Vec<Answer>>, LineError> {
        let silent = |source| LineError::Silent {
            peer: self.peer,
            source,
        };
        let mut stream = TcpStream::connect_timeout(&self.peer, PATIENCE).map_err(silent)?;
        stream.set_nodelay(true).map_err(silent)?;
        stream.set_read_timeout(Some(PATIENCE)).map_err(silent)?;
        stream.set_write_timeout(Some(PATIENCE)).map_err(silent)?;
        let Some((config, name)) = &self.tls else {
            return Ok(self.exchange(&mut stream, |stream| stream, bytes));
        };
        let distrusted = |source| LineError::Tls {
            peer: self.peer,
            host: self.host.clone(),
            source,
        };
        let mut connection = ClientConnection::new(Arc::clone(config), name.clone())
            .map_err(|error| distrusted(io::Error::other(error)))?;
        while connection.is_handshaking() {
            connection.complete_io(&mut stream).map_err(distrusted)?;
        }
        let mut stream = StreamOwned::new(connection, stream);
        Ok(self.exchange(&mut stream, StreamOwned::get_mut, bytes))
    }

    fn exchange<S: Read + Write>(
        &self,
        stream: &mut S,
        socket: impl Fn(&mut S) -> &mut TcpStream,
        bytes: &[u8],
    ) -> Option<Vec<Answer>> {
        // Whoever refuses early may close before it has read all; what it said counts.
        let _ = stream.write_all(bytes).and_then(|()| stream.flush());
        let now = || self.clock.now().monotonic;
        let mut until = now().plus(PATIENCE);
        let mut came = Vec::new();
        let mut buffer = [0; 8192];
        let mut is_whole = false;
        let in_time = loop {
            let left = until.since(now());
            if left.is_zero() || came.len() > ANSWER_MAX {
                break is_whole;
            }
            let _ = socket(stream).set_read_timeout(Some(left));
            match stream.read(&mut buffer) {
                Ok(0) => break true,
                Ok(count) => came.extend_from_slice(buffer.get(..count).unwrap_or_default()),
                Err(error) => match error.kind() {
                    io::ErrorKind::Interrupted => {}
                    io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => break is_whole,
                    // A connection that breaks off is one that is closed.
                    _ => break true,
                },
            }
            if !is_whole && answer::is_whole(&came) {
                is_whole = true;
                until = now().plus(AFTERWARDS);
            }
        };
        let answers = answer::all(&came);
        Some(answers).filter(|answers| in_time || !answers.is_empty())
    }
}

fn client_config(trusted: Vec<CertificateDer<'static>>) -> Result<Arc<ClientConfig>, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add_parsable_certificates(trusted);
    let mut config = ClientConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"http/1.1".to_vec()];
    Ok(Arc::new(config))
}
