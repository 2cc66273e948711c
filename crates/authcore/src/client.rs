//! Who called: what a session list and an audit event say about the other end.

use std::net::IpAddr;

use serde::{Deserialize, Serialize};

/// Longest user agent kept, in characters; what a session list can show, and a bound on what a stranger can store.
const USER_AGENT_MAX: usize = 256;

/// The other end of a request, as far as it is known. Not trusted for any decision.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub struct Client {
    /// The peer's address; `None` for the local command line.
    pub address: Option<IpAddr>,
    /// The `User-Agent` header, cut to 256 characters, without control characters.
    pub user_agent: String,
}

impl Client {
    /// A client at `address` that calls itself `user_agent`.
    #[must_use]
    pub fn new(address: Option<IpAddr>, user_agent: &str) -> Self {
        // IPv4-mapped IPv6 addresses are the IPv4 client they are, so that one client has one spelling.
        let address = address.map(|address| address.to_canonical());
        let user_agent = user_agent
            .chars()
            .take(USER_AGENT_MAX)
            .map(|c| if c.is_control() { ' ' } else { c })
            .collect();
        Self { address, user_agent }
    }

    /// The address, for a log; `-` where there is none.
    #[must_use]
    pub fn address_text(&self) -> String {
        self.address
            .map_or_else(|| "-".to_owned(), |address| address.to_string())
    }

    /// The server itself, by its own clock.
    #[must_use]
    pub fn server() -> Self {
        Self {
            address: None,
            user_agent: "postern server".to_owned(),
        }
    }

    /// The operator at the command line of this machine.
    #[must_use]
    pub fn local() -> Self {
        Self {
            address: None,
            user_agent: "postern command line".to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_is_bounded_and_cannot_forge_a_log_line() {
        let client = Client::new(None, &format!("a\r\n\u{1b}[31m{}", "x".repeat(10_000)));
        assert_eq!(client.user_agent.chars().count(), USER_AGENT_MAX);
        assert!(!client.user_agent.contains(['\r', '\n', '\u{1b}']));
    }

    #[test]
    fn a_mapped_address_is_its_ipv4_address() {
        let client = Client::new("::ffff:10.0.0.1".parse().ok(), "");
        assert_eq!(client.address, "10.0.0.1".parse().ok());
    }
}
