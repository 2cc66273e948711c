//! From bytes on a socket to something that speaks HTTP: as they are, or through TLS.

use std::io;
use std::sync::Arc;

use axum::Router;
use rustls::ServerConfig;
use tokio::net::TcpStream;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;

/// How connections are protected.
#[derive(Clone)]
pub(crate) enum Transport {
    /// Not at all: on loopback only.
    Plain,
    Tls {
        /// What handshakes go by; each takes the newest.
        shown: watch::Receiver<Arc<ServerConfig>>,
        /// What answers requests that come in the clear.
        refusal: Router,
    },
}

/// A connection that is ready for requests.
pub(super) enum Accepted {
    Plain(TcpStream),
    Tls(Box<TlsStream<TcpStream>>),
    /// Plain HTTP where TLS is spoken, and what answers it.
    PlainOnTls(TcpStream, Router),
}

impl Transport {
    pub(super) async fn accept(self, stream: TcpStream) -> io::Result<Accepted> {
        match self {
            Self::Plain => Ok(Accepted::Plain(stream)),
            Self::Tls { shown, refusal } => {
                if begins_like_http(&stream).await? {
                    return Ok(Accepted::PlainOnTls(stream, refusal));
                }
                let newest = Arc::clone(&shown.borrow());
                let stream = TlsAcceptor::from(newest).accept(stream).await?;
                Ok(Accepted::Tls(Box::new(stream)))
            }
        }
    }
}

/// Every request, and the preface of HTTP/2, begins with a letter; a TLS record that opens a handshake with the byte 22
/// (RFC 8446, section 5.1).
async fn begins_like_http(stream: &TcpStream) -> io::Result<bool> {
    let mut first = [0];
    match stream.peek(&mut first).await? {
        0 => Err(io::ErrorKind::UnexpectedEof.into()),
        _ => Ok(first[0].is_ascii_alphabetic()),
    }
}
