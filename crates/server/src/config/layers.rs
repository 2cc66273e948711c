//! The layers put together: for each key the value that counts, and the place it came from.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::PathBuf;

use toml::Value;

use super::environment::Environment;
use super::file::File;
use super::keys::{KEYS, Kind};
use super::{ConfigError, Effective, Flags};

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Default,
    File(PathBuf),
    Variable(&'static str),
    Flag(&'static str),
}

impl fmt::Display for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => path.display().fmt(f),
            Self::Variable(name) | Self::Flag(name) => f.write_str(name),
        }
    }
}

/// A value before it is understood: words, of which all keys but lists have one.
struct Raw {
    words: Vec<String>,
    source: Source,
}

/// What was given, by key; a key that is not here has its default.
pub(super) struct Layers(BTreeMap<&'static str, Raw>);

impl Layers {
    pub(super) fn new(flags: &Flags, environment: &Environment, file: &File) -> Result<Self, ConfigError> {
        let mut given = BTreeMap::new();
        for key in KEYS {
            if let (Some(value), Some(path)) = (file.values.get(key.name), &file.path) {
                let source = Source::File(path.clone());
                let words = words(value, key.kind).ok_or_else(|| ConfigError::Value {
                    key: key.name,
                    value: value.to_string(),
                    from: source.clone(),
                    reason: match key.kind {
                        Kind::Text => "it is a text in quotes".to_owned(),
                        Kind::Number => "it is a whole number".to_owned(),
                        Kind::Switch => "it is true or false".to_owned(),
                        Kind::List => "it is a list of texts, such as [\"a\", \"b\"]".to_owned(),
                    },
                })?;
                given.insert(key.name, Raw { words, source });
            }
            if let Some(text) = environment.text(key.variable)? {
                let words = match key.kind {
                    Kind::Text | Kind::Number | Kind::Switch => vec![text.to_owned()],
                    Kind::List => text.split(',').map(|word| word.trim().to_owned()).collect(),
                };
                let source = Source::Variable(key.variable);
                given.insert(key.name, Raw { words, source });
            }
        }
        let flags: [(_, _, Vec<String>); 5] = [
            ("data_dir", "--data-dir", flags.data_dir.iter().cloned().collect()),
            ("listen", "--listen", flags.listen.iter().cloned().collect()),
            ("url", "--url", flags.url.iter().cloned().collect()),
            ("hosts", "--host", flags.hosts.clone()),
            ("sandbox", "--sandbox", flags.sandbox.iter().cloned().collect()),
        ];
        for (name, flag, words) in flags {
            if !words.is_empty() {
                let source = Source::Flag(flag);
                given.insert(name, Raw { words, source });
            }
        }
        Ok(Self(given))
    }

    /// The value of a key, or its default.
    pub(super) fn parsed<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<T, ConfigError> {
        let (text, source) = self.text(key);
        parse(&text).map_err(|reason| ConfigError::Value {
            key,
            value: text,
            from: source,
            reason,
        })
    }

    /// The value of a key that has no default.
    pub(super) fn optional<T>(
        &self,
        key: &'static str,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Option<T>, ConfigError> {
        if self.0.contains_key(key) {
            self.parsed(key, parse).map(Some)
        } else {
            Ok(None)
        }
    }

    pub(super) fn number(&self, key: &'static str, bounds: RangeInclusive<u32>) -> Result<u32, ConfigError> {
        self.parsed(key, |text| {
            let number = text.parse().ok().filter(|number| bounds.contains(number));
            number.ok_or_else(|| format!("it is a whole number from {} to {}", bounds.start(), bounds.end()))
        })
    }

    pub(super) fn switch(&self, key: &'static str) -> Result<bool, ConfigError> {
        self.parsed(key, |text| {
            text.parse().map_err(|_| "it is true or false".to_owned())
        })
    }

    pub(super) fn list(&self, key: &'static str) -> Vec<String> {
        self.0.get(key).map(|raw| raw.words.clone()).unwrap_or_default()
    }

    /// Names the key in an error about its value as a whole.
    pub(super) fn check<T, E: fmt::Display>(
        &self,
        key: &'static str,
        result: Result<T, E>,
    ) -> Result<T, ConfigError> {
        result.map_err(|error| {
            let (value, from) = self.text(key);
            ConfigError::Value {
                key,
                value,
                from,
                reason: error.to_string(),
            }
        })
    }

    /// The data directory: as given, else where systemd says, else the XDG place.
    pub(super) fn data_dir(&self, environment: &Environment) -> Result<(PathBuf, Source), ConfigError> {
        if let Some(raw) = self.0.get("data_dir") {
            let path = PathBuf::from(raw.words.concat());
            // What a path in a file is relative to would be a guess; at a prompt it is the folder one is in.
            if matches!(raw.source, Source::File(_)) && !path.is_absolute() {
                return self.check("data_dir", Err("in the configuration it is an absolute path"));
            }
            return Ok((path, raw.source.clone()));
        }
        // Several state directories of a unit are joined by colons (systemd.exec(5)); ours is the first.
        let state = environment.text("STATE_DIRECTORY")?;
        if let Some(first) = state.and_then(|list| list.split(':').next()) {
            return Ok((PathBuf::from(first), Source::Variable("STATE_DIRECTORY")));
        }
        let xdg = environment.xdg("XDG_DATA_HOME", ".local/share");
        Ok((
            xdg.ok_or(ConfigError::NoPlace("the data directory"))?,
            Source::Default,
        ))
    }

    /// Every key with its value and source.
    pub(super) fn effective(&self, data_dir: &(PathBuf, Source)) -> Vec<Effective> {
        let shown = |key: &'static str| {
            if key == "data_dir" {
                (data_dir.0.display().to_string(), data_dir.1.clone())
            } else {
                self.text(key)
            }
        };
        KEYS.iter()
            .map(|key| {
                let (value, source) = shown(key.name);
                Effective {
                    key: key.name,
                    value,
                    source,
                }
            })
            .collect()
    }

    fn text(&self, key: &'static str) -> (String, Source) {
        if let Some(raw) = self.0.get(key) {
            return (raw.words.join(", "), raw.source.clone());
        }
        let known = KEYS.iter().find(|known| known.name == key);
        (known.map_or("", |key| key.default).to_owned(), Source::Default)
    }
}

/// The words of a value of a file, if it has the shape of its kind.
fn words(value: &Value, kind: Kind) -> Option<Vec<String>> {
    match (kind, value) {
        (Kind::Text, Value::String(text)) => Some(vec![text.clone()]),
        (Kind::Switch, Value::Boolean(value)) => Some(vec![value.to_string()]),
        (Kind::Number, Value::Integer(number)) => Some(vec![number.to_string()]),
        (Kind::List, Value::Array(items)) => items
            .iter()
            .map(|item| item.as_str().map(str::to_owned))
            .collect(),
        (Kind::Text | Kind::Number | Kind::Switch | Kind::List, _) => None,
    }
}
