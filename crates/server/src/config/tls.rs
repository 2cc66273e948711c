//! Where the server's certificate comes from, if it has one.

use std::path::PathBuf;

use super::ConfigError;
use super::layers::Layers;
use crate::tls::files::TlsFiles;

/// `tls.cert` and `tls.key`, `tls.self_signed`, or neither.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum TlsSource {
    /// Plain HTTP: on loopback only.
    Off,
    /// Files that somebody else keeps current.
    Files(TlsFiles),
    /// A local authority in the database.
    SelfSigned,
}

impl TlsSource {
    pub(super) fn of(layers: &Layers) -> Result<Self, ConfigError> {
        let path = |key| {
            layers.optional(key, |text| {
                let path = PathBuf::from(text);
                if path.is_absolute() {
                    Ok(path)
                } else {
                    Err("it is an absolute path".to_owned())
                }
            })
        };
        let refused = |key, reason: &str| layers.check::<Self, _>(key, Err(reason));
        match (
            path("tls.cert")?,
            path("tls.key")?,
            layers.switch("tls.self_signed")?,
        ) {
            (None, None, false) => Ok(Self::Off),
            (None, None, true) => Ok(Self::SelfSigned),
            (Some(certificate), Some(key), false) => Ok(Self::Files(TlsFiles { certificate, key })),
            (Some(_), None, false) => refused("tls.cert", "tls.key must name the key that goes with it"),
            (None, Some(_), false) => {
                refused("tls.key", "tls.cert must name the certificate that goes with it")
            }
            (Some(_), _, true) | (None, Some(_), true) => refused(
                "tls.self_signed",
                "there are tls.cert and tls.key too; which counts would be a guess",
            ),
        }
    }

    pub(crate) const fn is_on(&self) -> bool {
        match self {
            Self::Off => false,
            Self::Files(_) | Self::SelfSigned => true,
        }
    }
}
