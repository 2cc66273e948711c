//! What a certificate says of itself.

use std::net::IpAddr;

use authcore::WallTime;
use data_encoding::HEXLOWER;
use rustls::client::verify_server_name;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::server::ParsedCertificate;
use sha2::{Digest as _, Sha256};
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// What people ask about a certificate.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct CertificateFacts {
    /// The names and addresses it is for.
    pub(crate) names: Vec<String>,
    pub(crate) subject: String,
    pub(crate) issuer: String,
    pub(crate) not_before: WallTime,
    pub(crate) not_after: WallTime,
    /// SHA-256 of the whole, in hexadecimal, as browsers show it.
    pub(crate) fingerprint: String,
    der: Vec<u8>,
}

impl CertificateFacts {
    /// Reads a certificate (DER).
    ///
    /// # Errors
    /// In words, when it is none.
    pub(crate) fn of(der: &[u8]) -> Result<Self, String> {
        let (rest, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        if !rest.is_empty() {
            return Err("something follows the certificate".to_owned());
        }
        let at = |seconds: i64| WallTime::from_unix_ms(seconds.saturating_mul(1000));
        let validity = certificate.validity();
        let alternatives = certificate
            .subject_alternative_name()
            .map_err(|error| error.to_string())?;
        let names = alternatives.map(|extension| {
            let names = extension.value.general_names.iter();
            names.filter_map(name_of).collect()
        });
        Ok(Self {
            names: names.unwrap_or_default(),
            subject: certificate.subject().to_string(),
            issuer: certificate.issuer().to_string(),
            not_before: at(validity.not_before.timestamp()),
            not_after: at(validity.not_after.timestamp()),
            fingerprint: HEXLOWER.encode(&Sha256::digest(der)),
            der: der.to_vec(),
        })
    }

    /// Whether a client that asked for this name or address takes the certificate for it, by the rules clients go by
    /// (RFC 9525): wildcards and all.
    pub(crate) fn covers(&self, name: &str) -> bool {
        let der = CertificateDer::from(self.der.as_slice());
        let name = name.trim_start_matches('[').trim_end_matches(']');
        match (ParsedCertificate::try_from(&der), ServerName::try_from(name)) {
            (Ok(certificate), Ok(name)) => verify_server_name(&certificate, &name).is_ok(),
            (Err(_), _) | (_, Err(_)) => false,
        }
    }

    /// Those of the names that it is not for.
    pub(crate) fn not_covered<'a>(&self, names: &'a [String]) -> Vec<&'a str> {
        let names = names.iter().map(String::as_str);
        names.filter(|name| !self.covers(name)).collect()
    }
}

/// A name or address as people write it; other kinds say nothing to a browser.
fn name_of(name: &GeneralName<'_>) -> Option<String> {
    match name {
        GeneralName::DNSName(name) => Some((*name).to_owned()),
        GeneralName::IPAddress(bytes) => address(bytes).map(|address| address.to_string()),
        _ => None,
    }
}

fn address(bytes: &[u8]) -> Option<IpAddr> {
    if let Ok(v4) = <[u8; 4]>::try_from(bytes) {
        return Some(IpAddr::from(v4));
    }
    <[u8; 16]>::try_from(bytes).ok().map(IpAddr::from)
}
