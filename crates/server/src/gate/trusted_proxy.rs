//! Which peers may speak for others. Nobody may unless the configuration lists them: a header that says who somebody is can
//! be written by anybody (authentik CVE-2023-36456).

use std::net::IpAddr;

use axum::http::{HeaderMap, HeaderName};
use ipnet::IpNet;

/// Where each proxy adds the address of its own peer, the last one last.
pub(crate) const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");

/// Addresses looked at, from the right; no chain of proxies is longer.
const HOPS_MAX: usize = 16;

/// The proxies that are believed; by default nobody is.
#[derive(Clone, Debug, Default)]
pub(crate) struct TrustedProxies(Vec<IpNet>);

/// How the address of a client came about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Derivation {
    /// The peer is not listed; it is the client, whatever it says.
    Peer,
    /// A listed proxy named the client.
    Forwarded,
    /// A listed proxy named nobody, or nothing that is an address: the last good one counts.
    Unnamed,
}

impl TrustedProxies {
    /// Reads addresses and networks, such as `127.0.0.1`, `10.0.0.0/8`, `::1`.
    ///
    /// # Errors
    /// In words, naming the one that is neither.
    pub(crate) fn new<S: AsRef<str>>(texts: &[S]) -> Result<Self, String> {
        let read = |text: &S| {
            let text = text.as_ref();
            let network = text
                .parse::<IpNet>()
                .or_else(|_| text.parse::<IpAddr>().map(IpNet::from));
            network.map_err(|_| format!("{text} is neither an IP address nor a network such as 10.0.0.0/8"))
        };
        texts.iter().map(read).collect::<Result<_, _>>().map(Self)
    }

    /// Whether a peer is listed. An IPv4 address that came over IPv6 is that IPv4 address.
    pub(crate) fn contains(&self, peer: IpAddr) -> bool {
        let peer = peer.to_canonical();
        self.0.iter().any(|network| network.contains(&peer))
    }

    /// Whose request it is: the peer's, or that of the last one in `X-Forwarded-For` who is no listed proxy.
    pub(crate) fn client(&self, peer: IpAddr, headers: &HeaderMap) -> (IpAddr, Derivation) {
        if !self.contains(peer) {
            return (peer, Derivation::Peer);
        }
        let mut hops = Vec::new();
        for field in headers.get_all(X_FORWARDED_FOR) {
            let Ok(text) = field.to_str() else {
                return (peer, Derivation::Unnamed);
            };
            hops.extend(text.split(',').map(str::trim));
        }
        let mut last = peer;
        for hop in hops.into_iter().rev().take(HOPS_MAX) {
            let Ok(address) = hop.parse::<IpAddr>() else {
                return (last, Derivation::Unnamed);
            };
            last = address.to_canonical();
            if !self.contains(last) {
                return (last, Derivation::Forwarded);
            }
        }
        (last, Derivation::Unnamed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use axum::http::HeaderValue;

    fn ip(text: &str) -> IpAddr {
        text.parse().expect("an address")
    }

    fn client(peer: &str, fields: &[&str]) -> (IpAddr, Derivation) {
        let trusted = TrustedProxies::new(&["10.0.0.0/8", "::1"]).expect("networks");
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append(
                X_FORWARDED_FOR,
                HeaderValue::from_bytes(field.as_bytes()).expect("field"),
            );
        }
        trusted.client(ip(peer), &headers)
    }

    #[test]
    fn only_who_is_listed_speaks_for_others_and_only_of_its_own_peer() {
        for (peer, fields, expected, how) in [
            ("192.0.2.1", &["198.51.100.7"][..], "192.0.2.1", Derivation::Peer),
            (
                "10.0.0.1",
                &["198.51.100.7"],
                "198.51.100.7",
                Derivation::Forwarded,
            ),
            // What a client wrote stands left of what the proxy added.
            (
                "10.0.0.1",
                &["127.0.0.1, 198.51.100.7"],
                "198.51.100.7",
                Derivation::Forwarded,
            ),
            (
                "10.0.0.1",
                &["127.0.0.1", "198.51.100.7, 10.9.9.9"],
                "198.51.100.7",
                Derivation::Forwarded,
            ),
            (
                "::ffff:10.0.0.1",
                &["2001:db8::7"],
                "2001:db8::7",
                Derivation::Forwarded,
            ),
            ("::1", &["10.1.1.1"], "10.1.1.1", Derivation::Unnamed),
            ("10.0.0.1", &[], "10.0.0.1", Derivation::Unnamed),
            (
                "10.0.0.1",
                &["198.51.100.7, unknown"],
                "10.0.0.1",
                Derivation::Unnamed,
            ),
            (
                "10.0.0.1",
                &["198.51.100.7:8080"],
                "10.0.0.1",
                Derivation::Unnamed,
            ),
            ("10.0.0.1", &["\u{e4}"], "10.0.0.1", Derivation::Unnamed),
        ] {
            assert_eq!(client(peer, fields), (ip(expected), how), "{peer} {fields:?}");
        }
    }

    #[test]
    fn nobody_is_listed_by_default_and_a_name_is_no_address() {
        let nobody = TrustedProxies::default();
        assert!(!nobody.contains(ip("127.0.0.1")) && !nobody.contains(ip("::1")));
        for text in ["localhost", "10.0.0.0/33", "10.0.0", "*", ""] {
            assert!(TrustedProxies::new(&[text]).is_err(), "{text}");
        }
    }
}
