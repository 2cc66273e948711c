//! `tls.self_signed`: a local authority, made once and trusted by hand, and the server's certificate, which it issues and
//! renews by itself.
//!
//! Whoever trusts an authority trusts whatever it signs. So this one may sign only for names that no site on the internet
//! has (private addresses, `.local`, `.lan` and the like) and for those that were configured when it was made
//! (RFC 5280, section 4.2.1.10); a further public name needs a new authority.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::time::Duration;

use authcore::{TlsKey, WallTime};
use data_encoding::HEXLOWER;
use fieldcrypt::Secret;
use rcgen::{
    BasicConstraints, CertificateParams, CidrSubnet, DistinguishedName, DnType, ExtendedKeyUsagePurpose,
    GeneralSubtree, IsCa, Issuer, KeyPair, KeyUsagePurpose, NameConstraints, PKCS_ECDSA_P256_SHA256,
    PublicKeyData as _,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use x509_parser::extensions::GeneralName;
use x509_parser::prelude::{FromDer as _, X509Certificate};

use super::facts::CertificateFacts;
use super::{Identity, IdentityError};

const DAY: Duration = Duration::from_secs(86_400);

/// The authority is trusted by hand on every device, so it lasts.
const AUTHORITY_LIFE: Duration = Duration::from_secs(3650 * 86_400);

/// The server's certificate is renewed by itself, so it does not: as public authorities have it. Apple takes no more than
/// 825 days (support.apple.com/103769).
const LIFE: Duration = Duration::from_secs(90 * 86_400);

/// After two thirds, as ACME clients do: a month is left in which whatever keeps it from being renewed can be mended.
const RENEW_AFTER: Duration = Duration::from_secs(60 * 86_400);

/// Certificates begin in the past, for clients whose clocks are behind.
const BEGIN_BEFORE: Duration = Duration::from_secs(3600);

/// Suffixes that no public site has: RFC 6761, RFC 6762, RFC 8375, ICANN's `.internal`, and what routers make up.
const LOCAL_SUFFIXES: [&str; 7] = [
    "localhost",
    "local",
    "lan",
    "home",
    "internal",
    "home.arpa",
    "test",
];

/// Addresses that no public site has: RFC 1918, RFC 6598, loopback, link-local, RFC 4193.
const LOCAL_NETWORKS: [(IpAddr, u8); 9] = [
    (IpAddr::V4(Ipv4Addr::new(10, 0, 0, 0)), 8),
    (IpAddr::V4(Ipv4Addr::new(172, 16, 0, 0)), 12),
    (IpAddr::V4(Ipv4Addr::new(192, 168, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(100, 64, 0, 0)), 10),
    (IpAddr::V4(Ipv4Addr::new(169, 254, 0, 0)), 16),
    (IpAddr::V4(Ipv4Addr::new(127, 0, 0, 0)), 8),
    (IpAddr::V6(Ipv6Addr::LOCALHOST), 128),
    (IpAddr::V6(Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0)), 7),
    (IpAddr::V6(Ipv6Addr::new(0xfe80, 0, 0, 0, 0, 0, 0, 0)), 10),
];

/// No certificate could be made.
#[derive(Debug, thiserror::Error)]
pub(crate) enum MakeError {
    #[error("a certificate could not be made")]
    Made(#[from] rcgen::Error),
    #[error("the stored certificate of the {whose} does not go with its key")]
    Stored {
        whose: &'static str,
        #[source]
        source: IdentityError,
    },
    #[error("the stored certificate of the authority does not read: {0}")]
    Authority(String),
}

/// What has to be made anew.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Due {
    Nothing,
    /// The server's certificate: there is none, it is old, or it is not for these names.
    Certificate,
    /// The authority too, and devices must be told to trust the new one.
    Authority,
}

/// An authority as far as the rule needs it.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct AuthorityFacts {
    pub(crate) facts: CertificateFacts,
    permitted: Vec<Permitted>,
}

/// What an authority may sign for.
#[derive(Debug, PartialEq, Eq)]
enum Permitted {
    /// This name and all below it.
    Name(String),
    Network {
        address: Vec<u8>,
        mask: Vec<u8>,
    },
}

/// Decides what has to be made anew, before the first certificate and from then on. `names` are those the server answers to.
pub(crate) fn due(
    authority: Option<&AuthorityFacts>,
    certificate: Option<&CertificateFacts>,
    names: &[String],
    now: WallTime,
) -> Due {
    let Some(authority) = authority else {
        return Due::Authority;
    };
    // No certificate may outlive who issued it.
    if now.plus(LIFE + DAY) > authority.facts.not_after || !names.iter().all(|name| authority.may_sign(name))
    {
        return Due::Authority;
    }
    let current = certificate.is_some_and(|certificate| {
        certificate.issuer == authority.facts.subject
            && certificate.not_before <= now
            && now < certificate.not_before.plus(BEGIN_BEFORE + RENEW_AFTER)
            && same_names(&certificate.names, names)
    });
    if current { Due::Nothing } else { Due::Certificate }
}

fn same_names(one: &[String], other: &[String]) -> bool {
    let sorted = |names: &[String]| {
        let mut names = names.to_vec();
        names.sort_unstable();
        names.dedup();
        names
    };
    sorted(one) == sorted(other)
}

impl AuthorityFacts {
    /// Reads an authority's certificate (DER).
    ///
    /// # Errors
    /// In words, when it is none.
    pub(crate) fn of(der: &[u8]) -> Result<Self, String> {
        let facts = CertificateFacts::of(der)?;
        let (_, certificate) = X509Certificate::from_der(der).map_err(|error| error.to_string())?;
        let constraints = certificate
            .name_constraints()
            .map_err(|error| error.to_string())?;
        let subtrees = constraints.and_then(|extension| extension.value.permitted_subtrees.as_ref());
        let permitted = subtrees.into_iter().flatten();
        Ok(Self {
            permitted: permitted
                .filter_map(|subtree| Permitted::of(&subtree.base))
                .collect(),
            facts,
        })
    }

    /// Whether a client takes a certificate of this authority for that name or address.
    fn may_sign(&self, name: &str) -> bool {
        self.permitted.iter().any(|permitted| permitted.holds(name))
    }
}

impl Permitted {
    fn of(base: &GeneralName<'_>) -> Option<Self> {
        match base {
            GeneralName::DNSName(name) => Some(Self::Name((*name).to_owned())),
            GeneralName::IPAddress(bytes) => {
                let (address, mask) = bytes.split_at_checked(bytes.len() / 2)?;
                Some(Self::Network {
                    address: address.to_vec(),
                    mask: mask.to_vec(),
                })
            }
            _ => None,
        }
    }

    fn holds(&self, name: &str) -> bool {
        match (self, name.parse::<IpAddr>()) {
            (Self::Name(suffix), Err(_)) => name
                .strip_suffix(suffix.as_str())
                .is_some_and(|rest| rest.is_empty() || rest.ends_with('.')),
            (Self::Network { address, mask }, Ok(ip)) => {
                let bytes = match ip {
                    IpAddr::V4(v4) => v4.octets().to_vec(),
                    IpAddr::V6(v6) => v6.octets().to_vec(),
                };
                let mut triples = bytes.iter().zip(address).zip(mask);
                bytes.len() == address.len()
                    && triples.all(|((byte, network), mask)| byte & mask == network & mask)
            }
            (Self::Name(_), Ok(_)) | (Self::Network { .. }, Err(_)) => false,
        }
    }
}

/// A new authority, which may sign for these names and for what is local.
///
/// # Errors
/// See [`MakeError`].
pub(crate) fn make_authority(names: &[String], now: WallTime) -> Result<TlsKey, MakeError> {
    // Its key comes from the same source of the operating system as all others, through the library's own door.
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::default();
    // Two authorities of one install must not bear one name: who trusts the old one would look no further.
    let digest = Sha256::digest(key.der_bytes());
    let tag = HEXLOWER.encode(digest.get(..4).unwrap_or_default());
    params.distinguished_name = named(&format!("Postern local authority {tag}"));
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.name_constraints = Some(NameConstraints {
        permitted_subtrees: permitted(names),
        excluded_subtrees: Vec::new(),
    });
    (params.not_before, params.not_after) = life(now, AUTHORITY_LIFE);
    let certificate = params.self_signed(&key)?;
    Ok(TlsKey::new(
        certificate.der().to_vec(),
        Secret::from(key.serialize_der()),
    ))
}

/// What is local, and of these names what is not.
fn permitted(names: &[String]) -> Vec<GeneralSubtree> {
    let (addresses, names): (Vec<_>, Vec<_>) = names
        .iter()
        .map(|name| name.parse::<IpAddr>().map_err(|_| name.clone()))
        .partition(Result::is_ok);
    let names = names.into_iter().filter_map(Result::err);
    let suffixes = LOCAL_SUFFIXES
        .iter()
        .map(|suffix| (*suffix).to_owned())
        .chain(names);
    let addresses = addresses.into_iter().filter_map(Result::ok);
    let networks = addresses.map(|ip| (ip, if ip.is_ipv4() { 32 } else { 128 }));
    let mut subtrees: Vec<GeneralSubtree> = Vec::new();
    let all = suffixes.map(GeneralSubtree::DnsName).chain(
        LOCAL_NETWORKS
            .into_iter()
            .chain(networks)
            .map(|(ip, prefix)| GeneralSubtree::IpAddress(CidrSubnet::from_addr_prefix(ip, prefix))),
    );
    for subtree in all {
        if !subtrees.contains(&subtree) {
            subtrees.push(subtree);
        }
    }
    subtrees
}

/// A new certificate of the server for these names, issued by that authority.
///
/// # Errors
/// See [`MakeError`].
pub(crate) fn issue(authority: &TlsKey, names: &[String], now: WallTime) -> Result<TlsKey, MakeError> {
    let signing = KeyPair::try_from(&private_key(authority))?;
    let issuer = Issuer::from_ca_cert_der(&certificate(authority), signing)?;
    let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256)?;
    let mut params = CertificateParams::new(names.to_vec())?;
    params.distinguished_name = named("Postern");
    params.is_ca = IsCa::ExplicitNoCa;
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
    params.use_authority_key_identifier_extension = true;
    (params.not_before, params.not_after) = life(now, LIFE);
    let certificate = params.signed_by(&key, &issuer)?;
    Ok(TlsKey::new(
        certificate.der().to_vec(),
        Secret::from(key.serialize_der()),
    ))
}

/// What connections are shown.
///
/// # Errors
/// When certificate and key do not go together.
pub(crate) fn identity(server: &TlsKey) -> Result<Identity, MakeError> {
    let source = Identity::new(vec![certificate(server)], private_key(server));
    source.map_err(|source| MakeError::Stored {
        whose: "server",
        source,
    })
}

/// Looks the stored authority over: certificate and key must go together, or somebody put their own there.
///
/// # Errors
/// See [`MakeError`].
pub(crate) fn check_authority(authority: &TlsKey) -> Result<AuthorityFacts, MakeError> {
    Identity::new(vec![certificate(authority)], private_key(authority)).map_err(|source| {
        MakeError::Stored {
            whose: "authority",
            source,
        }
    })?;
    AuthorityFacts::of(&authority.certificate).map_err(MakeError::Authority)
}

fn named(name: &str) -> DistinguishedName {
    let mut names = DistinguishedName::new();
    names.push(DnType::CommonName, name);
    names
}

fn certificate(key: &TlsKey) -> CertificateDer<'static> {
    CertificateDer::from(key.certificate.clone())
}

fn private_key(key: &TlsKey) -> PrivateKeyDer<'static> {
    PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.expose_private_key().to_vec()))
}

/// From a little before now, for that long after it.
fn life(now: WallTime, life: Duration) -> (OffsetDateTime, OffsetDateTime) {
    let at =
        |seconds: i64| OffsetDateTime::from_unix_timestamp(seconds).unwrap_or(OffsetDateTime::UNIX_EPOCH);
    let seconds = |life: Duration| i64::try_from(life.as_secs()).unwrap_or(i64::MAX);
    let now = now.unix_seconds();
    (
        at(now.saturating_sub(seconds(BEGIN_BEFORE))),
        at(now.saturating_add(seconds(life))),
    )
}
