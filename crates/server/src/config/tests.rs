//! The layers in order, and what is refused.

use super::*;

const HOME: (&str, &str) = ("HOME", "/home/me");

fn load(flags: &Flags, variables: &[(&str, &str)], file: &str) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().expect("folder");
    let path = folder.path().join("postern.toml");
    std::fs::write(&path, file).expect("written");
    let flags = Flags {
        config: Some(path),
        ..flags.clone()
    };
    Config::load(&flags, &Environment::of(variables))
}

fn refused(variables: &[(&str, &str)], file: &str) -> String {
    let all: Vec<_> = variables.iter().copied().chain([HOME]).collect();
    load(&Flags::default(), &all, file)
        .expect_err("refused")
        .to_string()
}

fn source(config: &Config, key: &str) -> (String, String) {
    let effective = config.effective.iter().find(|effective| effective.key == key);
    let effective = effective.expect("every key is shown");
    (effective.value.clone(), effective.source.to_string())
}

#[test]
fn flags_win_over_the_environment_and_that_over_the_file_and_that_over_defaults() {
    let file = "listen = \"127.0.0.1:1\"";
    let config = load(&Flags::default(), &[HOME], "").expect("defaults");
    assert_eq!(
        source(&config, "listen"),
        ("127.0.0.1:8420".to_owned(), "default".to_owned())
    );
    let config = load(&Flags::default(), &[HOME], file).expect("file");
    assert_eq!(config.listen.port(), 1);
    assert!(source(&config, "listen").1.ends_with("postern.toml"));
    let variable = [HOME, ("POSTERN_LISTEN", "127.0.0.1:2")];
    let config = load(&Flags::default(), &variable, file).expect("variable");
    assert_eq!(
        source(&config, "listen"),
        ("127.0.0.1:2".to_owned(), "POSTERN_LISTEN".to_owned())
    );
    let flags = Flags {
        listen: Some("127.0.0.1:3".to_owned()),
        ..Flags::default()
    };
    let config = load(&flags, &variable, file).expect("flag");
    assert_eq!(
        source(&config, "listen"),
        ("127.0.0.1:3".to_owned(), "--listen".to_owned())
    );
}

#[test]
fn the_data_directory_is_looked_for_in_this_order() {
    let xdg = ("XDG_DATA_HOME", "/d");
    let unit = ("STATE_DIRECTORY", "/var/lib/postern:/var/lib/other");
    let named = ("POSTERN_DATA_DIR", "/p");
    let flags = Flags {
        data_dir: Some("/f".to_owned()),
        ..Flags::default()
    };
    let none = Flags::default();
    for (flags, variables, expected) in [
        (&none, vec![HOME], "/home/me/.local/share/postern"),
        (
            &none,
            vec![HOME, ("XDG_DATA_HOME", "relative")],
            "/home/me/.local/share/postern",
        ),
        (&none, vec![HOME, xdg], "/d/postern"),
        (&none, vec![HOME, xdg, unit], "/var/lib/postern"),
        (&none, vec![HOME, xdg, unit, named], "/p"),
        (&flags, vec![HOME, xdg, unit, named], "/f"),
    ] {
        let config = load(flags, &variables, "").expect("found");
        assert_eq!(config.data_dir, PathBuf::from(expected), "{variables:?}");
        assert_eq!(source(&config, "data_dir").0, expected);
    }
    assert!(refused(&[], "data_dir = \"here\"").contains("absolute"));
    let nowhere = load(&Flags::default(), &[], "").expect_err("no home").to_string();
    assert!(nowhere.contains("data directory"), "{nowhere}");
}

#[test]
fn a_value_that_is_not_understood_is_refused_with_its_key_and_its_source() {
    for (variables, file, words) in [
        (
            &[("POSTERN_LISTEN", "8420")][..],
            "",
            ["listen = 8420", "POSTERN_LISTEN"],
        ),
        (&[], "listen = 8420", ["listen = 8420", "a text in quotes"]),
        (
            &[],
            "listen = \"localhost:8420\"",
            ["localhost:8420", "postern.toml"],
        ),
        (
            &[],
            "password_iterations = 599999",
            ["password_iterations", "600000"],
        ),
        (
            &[],
            "password_iterations = \"600000\"",
            ["password_iterations", "whole number"],
        ),
        (
            &[],
            "access_token_life = \"1s\"",
            ["access_token_life", "from 2s to 15m"],
        ),
        (
            &[],
            "access_token_life = \"16m\"",
            ["access_token_life", "from 2s to 15m"],
        ),
        (
            &[("POSTERN_ACCESS_TOKEN_LIFE", "2500ms")],
            "",
            ["access_token_life", "whole seconds"],
        ),
        (
            &[],
            "minimum_password_length = 7",
            ["minimum_password_length", "from 8"],
        ),
        (
            &[("POSTERN_MINIMUM_PASSWORD_LENGTH", "-1")],
            "",
            ["minimum_password_length", "from 8"],
        ),
        (&[], "hosts = \"a\"", ["hosts", "list"]),
        (&[], "hosts = [\"a:80\"]", ["hosts", "a:80"]),
        (&[], "refresh_cookie = \"lax\"", ["refresh_cookie", "by-scheme"]),
        (&[], "url = \"http://door.example.org\"", ["url", "in the clear"]),
        (&[], "tls.cert = \"cert.pem\"", ["tls.cert", "absolute path"]),
        (
            &[],
            "tls.self_signed = \"yes\"",
            ["tls.self_signed", "true or false"],
        ),
        (
            &[("POSTERN_TLS_SELF_SIGNED", "1")],
            "",
            ["tls.self_signed = 1", "true or false"],
        ),
        (&[("POSTERN_TLS_KEY", "/k")], "", ["tls.key", "tls.cert must"]),
        (&[], "tls.cert = \"/c\"", ["tls.cert", "tls.key must"]),
        (
            &[],
            "[tls]\ncert = \"/c\"\nkey = \"/k\"\nself_signed = true",
            ["tls.self_signed", "a guess"],
        ),
        (
            &[("POSTERN_URL", "http://localhost:8420")],
            "tls.self_signed = true",
            ["url", "with TLS it begins with https://"],
        ),
        (&[], "log = \"postern=loud\"", ["log", "postern=loud"]),
        (&[], "log_format = \"xml\"", ["log_format", "auto, text or json"]),
    ] {
        let said = refused(variables, file);
        assert!(words.iter().all(|word| said.contains(word)), "{file}: {said}");
    }
}

#[test]
fn a_field_password_given_twice_is_refused_and_both_sources_are_named() {
    let file = ("POSTERN_FIELD_PASSWORD_FILE", "/k");
    let pipe = ("POSTERN_FIELD_PASSWORD_PIPE", "/dev/fd/9");
    let command = "field_password_command = \"pass show postern\"";
    for (variables, text, words) in [
        (
            &[file, pipe][..],
            "",
            ["POSTERN_FIELD_PASSWORD_FILE", "POSTERN_FIELD_PASSWORD"],
        ),
        (
            &[file],
            command,
            ["POSTERN_FIELD_PASSWORD_FILE", "field_password_command"],
        ),
        (
            &[file, ("POSTERN_KEY_FILE", "/x")],
            "",
            ["POSTERN_FIELD_PASSWORD_FILE", "POSTERN_KEY_FILE"],
        ),
    ] {
        let said = refused(variables, text);
        assert!(words.iter().all(|word| said.contains(word)), "{said}");
    }
    let config = load(&Flags::default(), &[HOME, file], "").expect("control: one is fine");
    assert!(matches!(
        config.field_password,
        FieldPassword::Given(Given::File(_))
    ));
}

/// A unit or a container always configures one: who lost it opens another slot all the same.
#[test]
fn another_slots_secret_stands_before_what_is_configured() {
    let configured = [
        HOME,
        ("POSTERN_FIELD_PASSWORD_FILE", "/k"),
        ("POSTERN_KEY_FILE", "/x"),
    ];
    let other = Flags {
        recovery_key_file: Some("-".into()),
        ..Flags::default()
    };
    let config = load(&other, &configured, "field_password_command = \"pass\"").expect("read");
    assert!(matches!(
        config.field_password,
        FieldPassword::Given(Given::RecoveryKey(_))
    ));
    let both = Flags {
        key_file: Some("/y".into()),
        ..other
    };
    let said = load(&both, &[HOME], "").expect_err("two").to_string();
    assert!(
        said.contains("--key-file") && said.contains("--recovery-key-file"),
        "{said}"
    );
    let doubled = Flags {
        field_password_file: Some("/p".into()),
        ..Flags::default()
    };
    assert!(
        load(&doubled, &configured[..2], "").is_err(),
        "control: of two field passwords neither"
    );
}

#[test]
fn the_url_names_a_host_and_the_scheme() {
    let text = "url = \"https://door.example.org/\"\nhosts = [\"nas.lan\"]";
    let config = load(&Flags::default(), &[HOME], text).expect("read");
    assert_eq!(config.scheme(), Scheme::Https);
    for host in ["door.example.org", "nas.lan:8420", "localhost:8420", "127.0.0.1"] {
        let host = crate::http::host::Host::parse(host).expect("a host");
        assert!(config.hosts.contains(&host), "{host}");
    }
    assert_eq!(config.base_url(config.listen), "https://door.example.org");
}

#[test]
fn a_variable_like_ours_that_is_none_is_no_error_but_noticed() {
    let variables = [
        HOME,
        ("POSTERN_LISTN", "x"),
        ("POSTERN_PORT", "tcp://10.0.0.7:80"),
    ];
    let config = load(&Flags::default(), &variables, "").expect("loads");
    assert_eq!(
        config.unknown_variables,
        [
            ("POSTERN_LISTN".to_owned(), Some("POSTERN_LISTEN")),
            ("POSTERN_PORT".to_owned(), None)
        ]
    );
}

#[test]
fn with_tls_the_server_is_called_by_https_and_by_a_name_a_browser_can_open() {
    let at = |listen: &str, more: &str| {
        let text = format!("listen = \"{listen}\"\ntls.self_signed = true\n{more}");
        let config = load(&Flags::default(), &[HOME], &text).expect("read");
        assert_eq!(config.scheme(), Scheme::Https);
        (
            config.base_url(config.listen),
            config.local_url(),
            config.hosts.bare(),
        )
    };
    let (base, local, names) = at("192.168.1.7:8420", "");
    assert_eq!(
        (base.as_str(), local.as_str()),
        ("https://192.168.1.7:8420", "https://192.168.1.7:8420")
    );
    assert_eq!(names, ["127.0.0.1", "192.168.1.7", "::1", "localhost"]);
    let (base, local, names) = at("0.0.0.0:8420", "hosts = [\"nas.lan\"]");
    assert_eq!(
        (base.as_str(), local.as_str()),
        ("https://nas.lan:8420", "https://127.0.0.1:8420")
    );
    assert_eq!(names, ["127.0.0.1", "::1", "localhost", "nas.lan"]);
    let (base, local, _) = at("[::]:8420", "hosts = [\"fd00::7\"]");
    assert_eq!(
        (base.as_str(), local.as_str()),
        ("https://[fd00::7]:8420", "https://[::1]:8420")
    );
    assert_eq!(at("0.0.0.0:8420", "").0, "https://localhost:8420");
    let (base, local, _) = at("0.0.0.0:8420", "url = \"https://door.example.org\"");
    assert_eq!(
        (base.as_str(), local.as_str()),
        ("https://door.example.org", "https://door.example.org")
    );
}

#[test]
fn a_certificate_of_its_own_making_is_for_the_hosts_of_applications_too() {
    let text = "tls.self_signed = true\nhosts = [\"nas.lan\"]\n[application.photos]\nhosts = [\"photos.lan:8420\", \"b.lan\"]\n";
    let config = load(&Flags::default(), &[HOME], text).expect("read");
    let names = config.certificate_names();
    for name in ["nas.lan", "localhost", "photos.lan", "b.lan"] {
        assert!(names.iter().any(|known| known == name), "{name}: {names:?}");
    }
    assert_eq!(names.iter().filter(|name| *name == "b.lan").count(), 1);
}
