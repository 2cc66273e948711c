//! What the gate answers to a proxy's question is small and says its length: a proxy that reads it whole is no victim.

use e2e_support::wire::Reply;

use super::house::{House, ONE};

/// Traefik CVE-2026-26998: the answer of whoever was asked was read without bound.
#[test]
fn a_refusal_of_the_gate_is_short_and_says_how_long_it_is() {
    let house = House::start();
    let long = format!("/{}", "a".repeat(3000));
    let page = [("Accept", "text/html"), ("Sec-Fetch-Mode", "navigate")];
    let refusals: [(u16, Reply); 5] = [
        (401, house.asks(ONE, "/", &[])),
        (401, house.asks("unknown.test", "/", &[])),
        (400, house.asks(ONE, "/a/../b", &[])),
        (401, house.asks(ONE, &long, &[])),
        (302, house.asks(ONE, &long, &page)),
    ];
    for (status, reply) in refusals {
        assert_eq!(reply.status, status, "{reply:?}");
        let length = reply
            .header("content-length")
            .and_then(|text| text.parse::<usize>().ok());
        assert_eq!(length, Some(reply.body.len()), "{reply:?}");
        assert!(reply.body.len() <= 4096 && reply.header("location").unwrap_or_default().len() <= 4096);
    }
}
