//! Secrets that are known by their form, wherever they stand among other bytes.

use authcore::{AccessKeySecret, RefreshToken, SigninToken};
use data_encoding::BASE64URL_NOPAD;
use fieldcrypt::RecoveryKey;
use regex_automata::Input;
use regex_automata::meta::{BuildError, Config, Regex};
use regex_automata::util::syntax;

use super::password_hashes;

/// What bytes of a known form are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Form {
    /// A secret, or a hash that guesses are quickly tried against.
    Exposed(&'static str),
    /// A password hash that makes guesses slow.
    SlowHash(&'static str),
    /// It only looked like it.
    Harmless,
}

/// A form, and what tells it from what only looks like it.
struct Rule {
    pattern: &'static str,
    form: fn(&[u8]) -> Form,
}

macro_rules! token {
    ($kind:literal, $pattern:literal) => {
        Rule {
            pattern: $pattern,
            form: |_| Form::Exposed($kind),
        }
    };
}

/// Our own first, then keys in their files' forms, password hashes, and well-known tokens in the forms their issuers document
/// and gitleaks collects (`config/gitleaks.toml`). Of two that begin at the same byte the first counts.
const RULES: &[Rule] = &[
    Rule {
        pattern: r"pst_si_[A-Za-z0-9_-]{43}",
        form: |text| {
            text_form(text, "sign-in token of Postern", |text| {
                SigninToken::parse(text).is_some()
            })
        },
    },
    Rule {
        pattern: r"pst_ak_[0-9a-f]{12}_[A-Za-z0-9_-]{43}[a-z2-7]{6}",
        form: |text| {
            text_form(text, "access key of Postern", |text| {
                AccessKeySecret::parse(text).is_some()
            })
        },
    },
    Rule {
        pattern: r"[0-9a-f]{32}\.[A-Za-z0-9_-]{43}\.[A-Za-z0-9_-]{43}",
        form: |text| {
            text_form(text, "refresh cookie of Postern", |text| {
                RefreshToken::parse(text).is_some()
            })
        },
    },
    Rule {
        // bech32m's alphabet (BIP-350), in groups of five.
        pattern: r"(?i)r1[02-9ac-hj-np-z]{3}(?:[- ]?[02-9ac-hj-np-z]{5}){11}",
        form: |text| {
            text_form(text, "recovery key of Postern", |text| {
                RecoveryKey::parse(text).is_ok()
            })
        },
    },
    Rule {
        // RFC 7519: a header, which is a JSON object and so begins with eyJ, claims, a signature.
        pattern: r"eyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{2,}\.[A-Za-z0-9_-]*",
        form: |text| {
            if is_jwt(text) {
                Form::Exposed("JWT")
            } else {
                Form::Harmless
            }
        },
    },
    Rule {
        // RFC 7468; the line ends may stand escaped in JSON. The first bytes of the body tell one key from another.
        pattern: r"-----BEGIN [A-Z0-9 ]{3,40}-----(?:\\?[rn\r\n ])*[A-Za-z0-9+/=:, -]{0,48}",
        form: pem,
    },
    token!("OpenSSH private key", r"openssh-key-v1\x00"),
    token!("PuTTY private key", r"PuTTY-User-Key-File-[0-9]"),
    // PKCS #8 (RFC 5208): SEQUENCE, INTEGER 0 or 1, SEQUENCE of an object identifier.
    token!(
        "private key (PKCS #8)",
        r"(?s)\x30(?:[\x20-\x7f]|\x81.|\x82..)\x02\x01[\x00\x01]\x30[\x05-\x20]\x06[\x03-\x0a][\x2a\x2b\x60]"
    ),
    token!(
        "age secret key",
        r"(?i)age-secret-key-(?:pq-)?1[02-9ac-hj-np-z]{50,}"
    ),
    token!(
        "private part of a JWK",
        r#""d"[ \t\r\n]*:[ \t\r\n]*"[A-Za-z0-9_-]{42,}""#
    ),
    Rule {
        pattern: password_hashes::PATTERN,
        form: password_hashes::form,
    },
    token!(
        "password in an address",
        r#"[a-z][a-z0-9+.-]{1,15}://[^\x00-\x20\x7f-\xff/:@"'<>]{1,64}:[^\x00-\x20\x7f-\xff/:@"'<>]{3,128}@[A-Za-z0-9\[]"#
    ),
    token!(
        "GitHub token",
        r"gh[pousr]_[A-Za-z0-9]{36}|github_pat_[A-Za-z0-9_]{82}"
    ),
    token!(
        "GitLab token",
        r"gl(?:pat|ptt|dt|rt|cbt|ft|imt|agent|soat)-[A-Za-z0-9_-]{20}"
    ),
    token!("AWS access key", r"(?:AKIA|ASIA|ABIA|ACCA)[A-Z2-7]{16}"),
    token!(
        "Slack token",
        r"xox[abeoprs]-[0-9A-Za-z-]{10,}|xapp-[0-9]-[0-9A-Za-z-]{10,}"
    ),
    token!(
        "Slack webhook",
        r"hooks\.slack\.com/(?:services|workflows|triggers)/[A-Za-z0-9+/]{40,}"
    ),
    token!("Stripe key", r"(?:sk|rk)_(?:live|test|prod)_[0-9A-Za-z]{10,}"),
    token!("Stripe webhook secret", r"whsec_[0-9A-Za-z+/=]{24,}"),
    token!("Google API key", r"AIza[0-9A-Za-z_-]{35}"),
    token!("Google OAuth secret", r"GOCSPX-[0-9A-Za-z_-]{28}"),
    token!("npm token", r"npm_[A-Za-z0-9]{36}"),
    token!("PyPI token", r"pypi-AgE[A-Za-z0-9_-]{50,}"),
    token!("SendGrid key", r"SG\.[A-Za-z0-9_-]{22}\.[A-Za-z0-9_-]{43}"),
    token!("Twilio key", r"SK[0-9a-f]{32}"),
    token!("Telegram bot token", r"[0-9]{8,10}:AA[A-Za-z0-9_-]{33}"),
    token!("DigitalOcean token", r"do[opr]_v1_[a-f0-9]{64}"),
    token!("Hugging Face token", r"hf_[A-Za-z]{34}"),
    token!("Docker token", r"dckr_(?:pat|oat)_[A-Za-z0-9_-]{27,}"),
    token!("Tailscale key", r"tskey-[a-z]+-[A-Za-z0-9]+-[A-Za-z0-9]+"),
    token!("Vault token", r"hv[sbr]\.[A-Za-z0-9_-]{24,}"),
    token!("Anthropic key", r"sk-ant-[a-z0-9]+-[A-Za-z0-9_-]{32,}"),
    token!(
        "OpenAI key",
        r"sk-(?:proj-|svcacct-|admin-)?[A-Za-z0-9_-]{20,}T3BlbkFJ[A-Za-z0-9_-]{20,}"
    ),
];

/// PEM labels of what may be seen by everybody, or is encrypted to somebody (RFC 7468, RFC 9580).
const HARMLESS_PEM: [&str; 15] = [
    "CERTIFICATE",
    "X509 CERTIFICATE",
    "TRUSTED CERTIFICATE",
    "CERTIFICATE REQUEST",
    "NEW CERTIFICATE REQUEST",
    "ATTRIBUTE CERTIFICATE",
    "X509 CRL",
    "PKCS7",
    "CMS",
    "PUBLIC KEY",
    "RSA PUBLIC KEY",
    "DH PARAMETERS",
    "PGP PUBLIC KEY BLOCK",
    "PGP SIGNATURE",
    "AGE ENCRYPTED FILE",
];

/// All forms, compiled for one pass.
pub(super) struct Patterns(Regex);

/// Bytes of a known form.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Match {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) form: Form,
}

impl Patterns {
    pub(super) fn new() -> Result<Self, Box<BuildError>> {
        let patterns: Vec<&str> = RULES.iter().map(|rule| rule.pattern).collect();
        Regex::builder()
            .configure(Config::new().utf8_empty(false))
            .syntax(syntax::Config::new().unicode(false).utf8(false))
            .build_many(&patterns)
            .map(Self)
            .map_err(Box::new)
    }

    /// Everything of a known form in these bytes, in order. What only looks like it hides nothing that begins within it.
    pub(super) fn find<'b>(&'b self, bytes: &'b [u8]) -> impl Iterator<Item = Match> + 'b {
        let mut at = 0;
        std::iter::from_fn(move || {
            loop {
                let found = self.0.find(Input::new(bytes).range(at..))?;
                let rule = RULES.get(found.pattern().as_usize())?;
                let form = (rule.form)(bytes.get(found.range())?);
                if form == Form::Harmless {
                    at = found.start() + 1;
                    continue;
                }
                at = found.end();
                return Some(Match {
                    start: found.start(),
                    end: found.end(),
                    form,
                });
            }
        })
    }
}

fn text_form(bytes: &[u8], kind: &'static str, is: fn(&str) -> bool) -> Form {
    match std::str::from_utf8(bytes) {
        Ok(text) if is(text) => Form::Exposed(kind),
        _ => Form::Harmless,
    }
}

fn is_jwt(text: &[u8]) -> bool {
    let header = text.split(|byte| *byte == b'.').next().unwrap_or_default();
    BASE64URL_NOPAD
        .decode(header)
        .ok()
        .and_then(|json| serde_json::from_slice::<serde_json::Value>(&json).ok())
        .is_some_and(|header| header.get("alg").is_some())
}

fn pem(text: &[u8]) -> Form {
    let label = text
        .strip_prefix(b"-----BEGIN ")
        .and_then(|rest| std::str::from_utf8(rest).ok())
        .and_then(|rest| rest.split_once("-----"))
        .map_or("", |(label, _)| label);
    match label {
        "PGP MESSAGE" => Form::Exposed("PGP message"),
        _ if HARMLESS_PEM.contains(&label) => Form::Harmless,
        _ if label.contains("PRIVATE KEY") => Form::Exposed("private key (PEM)"),
        _ => Form::Exposed("PEM block"),
    }
}

#[cfg(test)]
#[path = "patterns/tests.rs"]
mod tests;
