//! Every key of the configuration, once: its name in the file, its variable, its default and what it is for.

/// What a value looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    /// `true` or `false`.
    Switch,
    /// An array in the file; words with commas between them in the environment.
    List,
}

/// One key.
#[derive(Debug)]
pub(super) struct Key {
    /// As in the file; a dot stands for a table.
    pub(super) name: &'static str,
    /// As in the environment.
    pub(super) variable: &'static str,
    pub(super) kind: Kind,
    /// As `config check` shows it when nothing sets the key.
    pub(super) default: &'static str,
}

const fn key(name: &'static str, variable: &'static str, kind: Kind, default: &'static str) -> Key {
    Key {
        name,
        variable,
        kind,
        default,
    }
}

/// In the order in which `config check` shows them.
pub(super) static KEYS: &[Key] = &[
    // Where the database is; the default is looked for among several places.
    key("data_dir", "POSTERN_DATA_DIR", Kind::Text, ""),
    // The address the server listens on.
    key("listen", "POSTERN_LISTEN", Kind::Text, "127.0.0.1:8420"),
    // How browsers reach it, when that is not the address it listens on: behind a proxy, say.
    key("url", "POSTERN_URL", Kind::Text, ""),
    // More names it answers to, beside loopback's and the URL's.
    key("hosts", "POSTERN_HOSTS", Kind::List, ""),
    // The server's certificate, the chain after it, and its private key: absolute paths.
    key("tls.cert", "POSTERN_TLS_CERT", Kind::Text, ""),
    key("tls.key", "POSTERN_TLS_KEY", Kind::Text, ""),
    // In their place: a local authority and a certificate that the server makes and renews itself.
    key(
        "tls.self_signed",
        "POSTERN_TLS_SELF_SIGNED",
        Kind::Switch,
        "false",
    ),
    // Form of the refresh cookie under TLS.
    key(
        "refresh_cookie",
        "POSTERN_REFRESH_COOKIE",
        Kind::Text,
        "by-scheme",
    ),
    // Characters of a new access password: 15 when it is the only factor, 8 at the least (NIST SP 800-63B-4, 3.1.1.2).
    key(
        "minimum_password_length",
        "POSTERN_MINIMUM_PASSWORD_LENGTH",
        Kind::Number,
        "15",
    ),
    // PBKDF2 iterations of the access password's hash.
    key(
        "password_iterations",
        "POSTERN_PASSWORD_ITERATIONS",
        Kind::Number,
        "600000",
    ),
    // How long an access token is good.
    key(
        "access_token_life",
        "POSTERN_ACCESS_TOKEN_LIFE",
        Kind::Text,
        "15m",
    ),
    // The age at which the server makes a new signing key by itself; empty: never.
    key(
        "signing_key_max_age",
        "POSTERN_SIGNING_KEY_MAX_AGE",
        Kind::Text,
        "",
    ),
    // Addresses and networks of proxies whose forwarded headers are believed.
    key("trusted_proxies", "POSTERN_TRUSTED_PROXIES", Kind::List, ""),
    // A shell command that prints the field password.
    key(
        "field_password_command",
        "POSTERN_FIELD_PASSWORD_COMMAND",
        Kind::Text,
        "",
    ),
    // A file outside the data directory that notices when the whole database is put back from an older copy.
    key("witness", "POSTERN_WITNESS", Kind::Text, ""),
    // The folder into which the server puts backups by itself; empty: it makes none.
    key("backup.dir", "POSTERN_BACKUP_DIR", Kind::Text, ""),
    // How old the newest of them may become.
    key("backup.every", "POSTERN_BACKUP_EVERY", Kind::Text, "24h"),
    // Of how many days, weeks and months the newest stays.
    key(
        "backup.keep_daily",
        "POSTERN_BACKUP_KEEP_DAILY",
        Kind::Number,
        "7",
    ),
    key(
        "backup.keep_weekly",
        "POSTERN_BACKUP_KEEP_WEEKLY",
        Kind::Number,
        "4",
    ),
    key(
        "backup.keep_monthly",
        "POSTERN_BACKUP_KEEP_MONTHLY",
        Kind::Number,
        "6",
    ),
    // Public keys that backups are sealed to (age1…, ssh-…); empty: they are sealed to the field password.
    key("backup.recipients", "POSTERN_BACKUP_RECIPIENTS", Kind::List, ""),
    // How much the server insists on its sandbox.
    key("sandbox", "POSTERN_SANDBOX", Kind::Text, "best-effort"),
    // Which events are logged: error, warn, info, debug, trace, or a filter such as `warn,postern=debug`.
    key("log", "POSTERN_LOG", Kind::Text, "info"),
    // text, json, or auto: text at a terminal, else JSON.
    key("log_format", "POSTERN_LOG_FORMAT", Kind::Text, "auto"),
];

/// Variables of ours that set no key.
pub(super) static OTHER_VARIABLES: [&str; 5] = [
    "POSTERN_CONFIG",
    super::environment::FIELD_PASSWORD_FILE,
    super::environment::FIELD_PASSWORD,
    super::environment::FIELD_PASSWORD_PIPE,
    super::environment::KEY_FILE,
];

/// The known name nearest to one that is not known, if any is near (Damerau-Levenshtein distance of at most a fifth).
pub(super) fn nearest(unknown: &str, known: impl Iterator<Item = &'static str>) -> Option<&'static str> {
    known
        .map(|name| (strsim::damerau_levenshtein(unknown, name), name))
        .min()
        .filter(|(distance, name)| *distance <= (name.len() / 5).max(1))
        .map(|(_, name)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slip_finds_the_key_that_was_meant_and_a_stranger_finds_none() {
        let near = |text| nearest(text, KEYS.iter().map(|key| key.name));
        assert_eq!(near("lisen"), Some("listen"));
        assert_eq!(near("host"), Some("hosts"));
        assert_eq!(near("minimum_pasword_length"), Some("minimum_password_length"));
        assert_eq!(near("database_engine"), None);
    }

    #[test]
    fn every_key_has_its_own_name_and_the_variable_that_follows_from_it() {
        for (place, key) in KEYS.iter().enumerate() {
            assert_eq!(
                key.variable,
                format!("POSTERN_{}", key.name.replace('.', "_").to_uppercase())
            );
            assert!(KEYS.iter().skip(place + 1).all(|other| other.name != key.name));
        }
    }
}
