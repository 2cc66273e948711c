//! Password hashes in the forms of crypt(3), the PHC string format and common frameworks: slow enough, or not.

use super::patterns::Form;

/// `$id$…` (crypt(5), PHC string format), Django's and Werkzeug's, LDAP's (RFC 2307).
pub(super) const PATTERN: &str = r"\$(?:argon2(?:id|i|d)|scrypt|pbkdf2(?:-sha[0-9]+)?|2[abxy]?|1|5|6|7|y|gy|apr1|sha1|md5|P|H)\$[A-Za-z0-9./+=,$-]{20,}|pbkdf2_sha(?:1|256|512)\$[0-9]+\$[A-Za-z0-9./+=$]{20,}|pbkdf2:sha(?:1|256|512):[0-9]+\$[A-Za-z0-9./+=$]{20,}|scrypt:[0-9]+:[0-9]+:[0-9]+\$[A-Za-z0-9./+=$]{20,}|\{(?:SSHA|SHA|SMD5|MD5|SSHA256|SHA256|SSHA384|SHA384|SSHA512|SHA512)\}[A-Za-z0-9+/]{20,}=*";

/// Fewest iterations of PBKDF2 by its hash (OWASP Password Storage Cheat Sheet).
const PBKDF2_SHA1: u64 = 1_300_000;
const PBKDF2_SHA256: u64 = 600_000;
const PBKDF2_SHA512: u64 = 210_000;

/// Smallest cost of bcrypt, the logarithm of its rounds (the same).
const BCRYPT_COST: u64 = 10;

/// Smallest settings of Argon2, memory in KiB and passes (the same): each is as good as the others.
const ARGON2: [(u64, u64); 5] = [(47_104, 1), (19_456, 2), (12_288, 3), (9_216, 4), (7_168, 5)];

/// Smallest settings of scrypt with r = 8, log₂ N and p (the same).
const SCRYPT: [(u64, u64); 5] = [(17, 1), (16, 2), (15, 3), (14, 5), (13, 10)];

/// What a hash that fits [`PATTERN`] is worth.
pub(super) fn form(hash: &[u8]) -> Form {
    let Ok(text) = std::str::from_utf8(hash) else {
        return Form::Harmless;
    };
    if text.starts_with('{') {
        return Form::Exposed("fast password hash (LDAP)");
    }
    if let Some(rest) = text
        .strip_prefix("pbkdf2_")
        .or_else(|| text.strip_prefix("pbkdf2:"))
    {
        let mut parts = rest.split(['$', ':']);
        let (hash, count) = (
            parts.next().unwrap_or(""),
            parts.next().and_then(|n| n.parse().ok()),
        );
        return pbkdf2(hash, count);
    }
    if let Some(rest) = text.strip_prefix("scrypt:") {
        let mut numbers = rest.split([':', '$']).map(|n| n.parse::<u64>().unwrap_or(0));
        let (n, r, p) = (numbers.next(), numbers.next(), numbers.next());
        return scrypt(n.unwrap_or(0).checked_ilog2().map_or(0, u64::from), r, p);
    }
    let mut parts = text.split('$').skip(1);
    let (id, rest): (&str, Vec<&str>) = (parts.next().unwrap_or(""), parts.collect());
    match id {
        "argon2id" | "argon2i" | "argon2d" => {
            let (memory, passes) = (parameter(&rest, "m"), parameter(&rest, "t"));
            let slow = ARGON2
                .iter()
                .any(|(m, t)| memory >= Some(*m) && passes >= Some(*t));
            verdict(slow, "Argon2", "fast password hash (Argon2 with small settings)")
        }
        "scrypt" => scrypt(
            parameter(&rest, "ln").unwrap_or(0),
            parameter(&rest, "r"),
            parameter(&rest, "p"),
        ),
        "pbkdf2" => pbkdf2("sha1", iterations(&rest)),
        "pbkdf2-sha256" => pbkdf2("sha256", iterations(&rest)),
        "pbkdf2-sha512" => pbkdf2("sha512", iterations(&rest)),
        "2" | "2a" | "2b" | "2x" | "2y" => {
            let cost: Option<u64> = rest.first().and_then(|cost| cost.parse().ok());
            verdict(
                cost >= Some(BCRYPT_COST),
                "bcrypt",
                "fast password hash (bcrypt with a small cost)",
            )
        }
        "y" | "gy" => Form::SlowHash("yescrypt"),
        "7" => Form::SlowHash("scrypt"),
        "5" | "6" => Form::Exposed("fast password hash (SHA-crypt)"),
        _ => Form::Exposed("fast password hash (MD5 or SHA-1)"),
    }
}

fn pbkdf2(hash: &str, count: Option<u64>) -> Form {
    let least = match hash {
        "sha1" => PBKDF2_SHA1,
        "sha512" => PBKDF2_SHA512,
        _ => PBKDF2_SHA256,
    };
    verdict(
        count >= Some(least),
        "PBKDF2",
        "fast password hash (PBKDF2 with few iterations)",
    )
}

fn scrypt(log_n: u64, r: Option<u64>, p: Option<u64>) -> Form {
    let slow = r >= Some(8) && SCRYPT.iter().any(|(n, least)| log_n >= *n && p >= Some(*least));
    verdict(slow, "scrypt", "fast password hash (scrypt with small settings)")
}

const fn verdict(slow: bool, name: &'static str, fast: &'static str) -> Form {
    if slow {
        Form::SlowHash(name)
    } else {
        Form::Exposed(fast)
    }
}

/// `i=600000` of the PHC form, or a bare number, as passlib writes it.
fn iterations(parts: &[&str]) -> Option<u64> {
    parameter(parts, "i").or_else(|| parts.first().and_then(|part| part.parse().ok()))
}

/// `m=19456` among parts such as `m=19456,t=2,p=1`.
fn parameter(parts: &[&str], name: &str) -> Option<u64> {
    let pairs = parts.iter().flat_map(|part| part.split(','));
    pairs
        .filter_map(|pair| pair.split_once('='))
        .find(|(key, _)| *key == name)
        .and_then(|(_, value)| value.parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_hash_is_slow_or_fast_as_its_settings_say() {
        const TAIL: &str = "c2FsdHNhbHRzYWx0$aGFzaGhhc2hoYXNoaGFzaGhhc2hoYXNo";
        for (settings, name) in [
            ("$argon2id$v=19$m=19456,t=2,p=1$", Some("Argon2")),
            ("$argon2id$v=19$m=65536,t=1,p=4$", Some("Argon2")),
            ("$argon2id$v=19$m=4096,t=3,p=1$", None),
            ("$scrypt$ln=17,r=8,p=1$", Some("scrypt")),
            ("$scrypt$ln=14,r=8,p=1$", None),
            ("$pbkdf2-sha256$i=600000,l=32$", Some("PBKDF2")),
            ("$pbkdf2-sha256$i=599999,l=32$", None),
            ("$pbkdf2-sha512$210000$", Some("PBKDF2")),
            ("$2b$10$", Some("bcrypt")),
            ("$2b$09$", None),
            ("$y$j9T$", Some("yescrypt")),
            ("$6$", None),
            ("$1$", None),
            ("$P$", None),
            ("pbkdf2_sha256$600000$", Some("PBKDF2")),
            ("pbkdf2_sha256$260000$", None),
            ("pbkdf2:sha256:1000000$", Some("PBKDF2")),
            ("scrypt:131072:8:1$", Some("scrypt")),
            ("scrypt:32768:8:1$", None),
            ("{SSHA}", None),
        ] {
            let hash = format!("{settings}{TAIL}");
            match (form(hash.as_bytes()), name) {
                (Form::SlowHash(found), Some(name)) => assert_eq!(found, name, "{hash}"),
                (Form::Exposed(_), None) => {}
                (other, _) => panic!("{hash}: {other:?}"),
            }
        }
    }
}
