//! `postern.toml`: where it is looked for, and its keys with their values.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};

use toml::{Table, Value};

use super::applications;
use super::environment::Environment;
use super::keys::{KEYS, nearest};

/// For the whole machine.
const SYSTEM: &str = "/etc/postern/postern.toml";

/// The table of applications, which like the next is no scalar and no list.
const APPLICATION: &str = "application";

/// The table of hooks.
const HOOK: &str = "hook";

/// Longest file read, in bytes.
const MAXIMUM: u64 = 1024 * 1024;

/// A configuration file, as read.
#[derive(Debug, Default)]
pub(super) struct File {
    /// `None`: there is none, and nobody named one.
    pub(super) path: Option<PathBuf>,
    /// By the key's name; every one is known.
    pub(super) values: BTreeMap<&'static str, Value>,
    /// `[application.NAME]`, by name, as it stands there.
    pub(super) applications: Table,
    /// `[hook.NAME]`, likewise.
    pub(super) hooks: Table,
}

/// Why a configuration file is not used.
#[derive(Debug, thiserror::Error)]
pub(crate) enum FileError {
    #[error("the configuration {} cannot be read", path.display())]
    Unreadable {
        path: PathBuf,
        #[source]
        source: io::Error,
    },
    #[error("the configuration {} is not TOML: {reason}", path.display())]
    NotToml { path: PathBuf, reason: String },
    #[error("the configuration {} has a key {key}, which is not known{}", path.display(), did_you_mean(*nearest))]
    UnknownKey {
        path: PathBuf,
        key: String,
        nearest: Option<&'static str>,
    },
}

/// `; did you mean …?`, or nothing.
pub(super) fn did_you_mean(nearest: Option<&str>) -> String {
    nearest
        .map(|name| format!("; did you mean {name}?"))
        .unwrap_or_default()
}

impl File {
    /// The file that `--config` or `$POSTERN_CONFIG` names, which must be there; else the first there is of the machine's
    /// and the user's.
    pub(super) fn find(flag: Option<&Path>, environment: &Environment) -> Result<Self, FileError> {
        Self::find_among(flag, environment, Path::new(SYSTEM))
    }

    fn find_among(flag: Option<&Path>, environment: &Environment, system: &Path) -> Result<Self, FileError> {
        let named = flag
            .map(Path::to_owned)
            .or_else(|| environment.path("POSTERN_CONFIG"));
        if let Some(path) = named {
            return Self::read(path);
        }
        let user = environment
            .xdg("XDG_CONFIG_HOME", ".config")
            .map(|folder| folder.join("postern.toml"));
        for path in [Some(system.to_owned()), user].into_iter().flatten() {
            match Self::read(path) {
                Err(FileError::Unreadable { source, .. }) if source.kind() == io::ErrorKind::NotFound => {}
                read => return read,
            }
        }
        Ok(Self::default())
    }

    fn read(path: PathBuf) -> Result<Self, FileError> {
        let text = read_text(&path).map_err(|source| FileError::Unreadable {
            path: path.clone(),
            source,
        })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a file.
    ///
    /// # Errors
    /// When it is not TOML, or has a key that is not known.
    pub(super) fn parse(path: PathBuf, text: &str) -> Result<Self, FileError> {
        let table: Table = text.parse().map_err(|error: toml::de::Error| {
            let line = error.span().map(|span| {
                let before = text.get(..span.start).unwrap_or_default();
                format!("line {}: ", before.matches('\n').count() + 1)
            });
            FileError::NotToml {
                path: path.clone(),
                reason: format!("{}{}", line.unwrap_or_default(), error.message()),
            }
        })?;
        let mut values = BTreeMap::new();
        let (mut applications, mut hooks) = (Table::new(), Table::new());
        for (key, value) in flat(table) {
            if key == APPLICATION {
                applications = applications::table(&path, APPLICATION, value)?;
                continue;
            }
            if key == HOOK {
                hooks = applications::table(&path, HOOK, value)?;
                continue;
            }
            let known = KEYS
                .iter()
                .find(|known| known.name == key)
                .ok_or_else(|| FileError::UnknownKey {
                    path: path.clone(),
                    nearest: nearest(
                        &key,
                        KEYS.iter().map(|known| known.name).chain([APPLICATION, HOOK]),
                    ),
                    key,
                })?;
            values.insert(known.name, value);
        }
        Ok(Self {
            path: Some(path),
            values,
            applications,
            hooks,
        })
    }
}

/// The values of the tables that keys are in, under their dotted names; any other table is a value, of a key unknown.
fn flat(table: Table) -> Vec<(String, Value)> {
    let mut values = Vec::new();
    for (name, value) in table {
        let below = format!("{name}.");
        match value {
            Value::Table(inner) if KEYS.iter().any(|key| key.name.starts_with(&below)) => {
                values.extend(
                    inner
                        .into_iter()
                        .map(|(key, value)| (format!("{below}{key}"), value)),
                );
            }
            value => values.push((name, value)),
        }
    }
    values
}

fn read_text(path: &Path) -> io::Result<String> {
    let mut text = String::new();
    let file = std::fs::File::open(path)?;
    io::Read::read_to_string(&mut io::Read::take(file, MAXIMUM), &mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<File, FileError> {
        let folder = tempfile::tempdir().expect("folder");
        let path = folder.path().join("postern.toml");
        std::fs::write(&path, text).expect("written");
        File::read(path)
    }

    #[test]
    fn an_unknown_key_is_an_error_that_names_the_nearest() {
        let refused = read("lisen = \"127.0.0.1:1\"").expect_err("unknown").to_string();
        assert!(
            refused.contains("a key lisen") && refused.ends_with("did you mean listen?"),
            "{refused}"
        );
        let refused = read("[database]\nengine = 1").expect_err("unknown").to_string();
        assert!(
            refused.ends_with("a key database, which is not known"),
            "{refused}"
        );
        let refused = read("[backup]\nevry = \"1h\"").expect_err("unknown").to_string();
        assert!(refused.ends_with("did you mean backup.every?"), "{refused}");
    }

    #[test]
    fn the_keys_of_a_table_have_its_name_before_them() {
        let file = read("[backup]\nevery = \"1h\"\nkeep_daily = 3").expect("read");
        let keys: Vec<_> = file.values.keys().copied().collect();
        assert_eq!(keys, ["backup.every", "backup.keep_daily"]);
    }

    #[test]
    fn a_key_of_a_table_may_be_written_in_either_way() {
        for text in [
            "tls.cert = \"/c\"",
            "[tls]\ncert = \"/c\"",
            "tls = { cert = \"/c\" }",
        ] {
            let file = read(text).expect(text);
            assert_eq!(file.values["tls.cert"].as_str(), Some("/c"), "{text}");
        }
        for (text, end) in [
            ("[tls]\ncrt = \"/c\"", "did you mean tls.cert?"),
            ("tls = true", "a key tls, which is not known"),
            (
                "\"tls.cert\" = { x = 1 }\nnone = 1",
                "a key none, which is not known",
            ),
        ] {
            let refused = read(text).expect_err(text).to_string();
            assert!(refused.ends_with(end), "{refused}");
        }
    }

    #[test]
    fn what_is_no_toml_is_refused_with_its_line() {
        let refused = read("listen = \"127.0.0.1:1\"\nurl = ")
            .expect_err("cut")
            .to_string();
        assert!(refused.contains("line 2"), "{refused}");
    }

    #[test]
    fn the_file_named_must_be_there_and_comes_before_the_machines_and_that_before_the_users() {
        let folder = tempfile::tempdir().expect("folder");
        let at = |name: &str| folder.path().join(name);
        std::fs::create_dir(at("postern")).expect("made");
        let xdg = folder.path().display().to_string();
        let environment = Environment::of(&[("XDG_CONFIG_HOME", &xdg)]);
        let found = |flag: Option<&Path>, environment: &Environment| {
            File::find_among(flag, environment, &at("system.toml")).map(|file| file.path)
        };
        assert_eq!(found(None, &environment).expect("none is no error"), None);
        assert!(found(Some(&at("absent.toml")), &environment).is_err());
        for name in [
            "postern/postern.toml",
            "system.toml",
            "variable.toml",
            "flag.toml",
        ] {
            std::fs::write(at(name), "").expect("written");
        }
        let variable = at("variable.toml").display().to_string();
        let both = Environment::of(&[("XDG_CONFIG_HOME", &xdg), ("POSTERN_CONFIG", &variable)]);
        assert_eq!(
            found(Some(&at("flag.toml")), &both).expect("read"),
            Some(at("flag.toml"))
        );
        assert_eq!(found(None, &both).expect("read"), Some(at("variable.toml")));
        assert_eq!(found(None, &environment).expect("read"), Some(at("system.toml")));
        std::fs::remove_file(at("system.toml")).expect("removed");
        assert_eq!(
            found(None, &environment).expect("read"),
            Some(at("postern/postern.toml"))
        );
    }
}
