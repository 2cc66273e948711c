//! `[application.NAME]` of the configuration: what stands behind the gate.

use std::path::PathBuf;

use toml::{Table, Value};

use super::file::{FileError, did_you_mean};
use super::keys::nearest;
use crate::gate::application::{AddedHeader, Application, Applications, IdentityHeader, PathRule};
use crate::http::host::{Host, HostNames};

/// The keys of an application.
pub(super) const KEYS: [&str; 7] = [
    "hosts",
    "upstream",
    "upstream_ca",
    "open",
    "closed",
    "identity",
    "headers",
];

/// A mistake in one application: its key, if it is about one, and what is wrong with it.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ApplicationError {
    #[error("the application {application} has a key {key}, which is not known{}", did_you_mean(*nearest))]
    UnknownKey {
        application: String,
        key: String,
        nearest: Option<&'static str>,
    },
    #[error("{key} of the application {application} is refused: {reason}")]
    Value {
        application: String,
        key: &'static str,
        reason: String,
    },
    #[error("the application {application} is refused: {reason}")]
    Whole { application: String, reason: String },
}

/// Reads every application. `own` are the names of this server itself.
pub(super) fn read(table: &Table, own: &HostNames) -> Result<Applications, ApplicationError> {
    let mut applications: Vec<Application> = Vec::new();
    for (name, value) in table {
        let application = one(name, value, own)?;
        let all = || {
            applications
                .iter()
                .flat_map(|other| other.hosts.iter().map(move |host| (other, host)))
        };
        for host in &application.hosts {
            if let Some((other, _)) = all().find(|(_, known)| *known == host) {
                return Err(
                    Reader { name }.refused("hosts", format!("{host} belongs to {} already", other.name))
                );
            }
        }
        applications.push(application);
    }
    Ok(Applications(applications))
}

fn one(name: &str, value: &Value, own: &HostNames) -> Result<Application, ApplicationError> {
    let reader = Reader { name };
    let sound = (1..=64).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'-' | b'_'));
    if !sound {
        return Err(reader.whole("its name has 1 to 64 small letters, digits, - and _"));
    }
    let table = value
        .as_table()
        .ok_or_else(|| reader.whole("it is a table, [application.NAME]"))?;
    for key in table.keys() {
        if !KEYS.contains(&key.as_str()) {
            return Err(ApplicationError::UnknownKey {
                application: name.to_owned(),
                key: key.clone(),
                nearest: nearest(key, KEYS.into_iter()),
            });
        }
    }
    let hosts = reader.each(table, "hosts", |text| host(text, own))?;
    if hosts.is_empty() {
        return Err(reader.refused("hosts", "it names at least one host".to_owned()));
    }
    let identity = if table.contains_key("identity") {
        reader.each(table, "identity", |text| {
            IdentityHeader::from_name(text).ok_or_else(|| {
                let names = IdentityHeader::ALL.map(IdentityHeader::name).join(", ");
                format!("{text} is none of {names}")
            })
        })?
    } else {
        IdentityHeader::ALL.to_vec()
    };
    let upstream = reader.upstream(table)?;
    let rule = |text: &str| PathRule::parse(text).map_err(|reason| format!("{text}: {reason}"));
    Ok(Application {
        name: name.to_owned(),
        hosts,
        upstream_ca: reader.upstream_ca(table, upstream.as_deref())?,
        upstream,
        open: reader.each(table, "open", rule)?,
        closed: reader.each(table, "closed", rule)?,
        identity,
        headers: reader.headers(table)?,
    })
}

fn host(text: &str, own: &HostNames) -> Result<Host, String> {
    let host = Host::parse(text).ok_or_else(|| format!("{text} is not a host name, perhaps with a port"))?;
    if own.contains(&host) {
        // Its pages could do there what this server's own page can.
        return Err(format!(
            "{text} is a name of this server itself; an application needs another"
        ));
    }
    Ok(host.without_port(443).without_port(80))
}

/// Reads the values of one application and names it in errors.
struct Reader<'a> {
    name: &'a str,
}

impl Reader<'_> {
    fn refused(&self, key: &'static str, reason: String) -> ApplicationError {
        ApplicationError::Value {
            application: self.name.to_owned(),
            key,
            reason,
        }
    }

    fn whole(&self, reason: &str) -> ApplicationError {
        ApplicationError::Whole {
            application: self.name.to_owned(),
            reason: reason.to_owned(),
        }
    }

    /// A list of texts, each read on its own; absent, it is empty.
    fn each<T>(
        &self,
        table: &Table,
        key: &'static str,
        read: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Vec<T>, ApplicationError> {
        let no_list = || self.refused(key, "it is a list of texts, such as [\"a\", \"b\"]".to_owned());
        let Some(value) = table.get(key) else {
            return Ok(Vec::new());
        };
        value
            .as_array()
            .ok_or_else(no_list)?
            .iter()
            .map(|item| {
                let text = item.as_str().ok_or_else(no_list)?;
                read(text).map_err(|reason| self.refused(key, reason))
            })
            .collect()
    }

    /// `http://host:port` or `https://host`, without a path: recipes write it down as it is.
    fn upstream(&self, table: &Table) -> Result<Option<String>, ApplicationError> {
        let Some(value) = table.get("upstream") else {
            return Ok(None);
        };
        let text = value.as_str().unwrap_or_default();
        let rest = text
            .strip_prefix("http://")
            .or_else(|| text.strip_prefix("https://"));
        match rest.and_then(|host| Host::parse(host.strip_suffix('/').unwrap_or(host))) {
            Some(_) => Ok(Some(text.strip_suffix('/').unwrap_or(text).to_owned())),
            None => Err(self.refused(
                "upstream",
                format!("{value} is not an address such as \"http://127.0.0.1:3000\", without a path"),
            )),
        }
    }

    /// The path of a PEM file; what it holds is read at the start of the server.
    fn upstream_ca(
        &self,
        table: &Table,
        upstream: Option<&str>,
    ) -> Result<Option<PathBuf>, ApplicationError> {
        let Some(value) = table.get("upstream_ca") else {
            return Ok(None);
        };
        let refused = |reason: &str| self.refused("upstream_ca", format!("{value}: {reason}"));
        let path = value
            .as_str()
            .map(PathBuf::from)
            .filter(|path| path.is_absolute());
        let path = path.ok_or_else(|| refused("it is an absolute path of certificates in PEM form"))?;
        // Whoever names one expects that something is verified.
        if !upstream.is_some_and(|upstream| upstream.starts_with("https://")) {
            return Err(refused("it is for an upstream that begins with https://"));
        }
        Ok(Some(path))
    }

    fn headers(&self, table: &Table) -> Result<Vec<AddedHeader>, ApplicationError> {
        let refused = |reason: String| self.refused("headers", reason);
        let Some(value) = table.get("headers") else {
            return Ok(Vec::new());
        };
        let table = value.as_table().ok_or_else(|| {
            refused("it is a table, such as { Authorization = \"Bearer {secret.photos}\" }".to_owned())
        })?;
        table
            .iter()
            .map(|(name, value)| {
                let text = value
                    .as_str()
                    .ok_or_else(|| refused(format!("{name}: its value is a text")))?;
                AddedHeader::parse(name, text).map_err(|reason| refused(format!("{name}: {reason}")))
            })
            .collect()
    }
}

/// A table of tables of a file.
pub(super) fn table(path: &std::path::Path, key: &str, value: Value) -> Result<Table, FileError> {
    match value {
        Value::Table(table) => Ok(table),
        _ => Err(FileError::NotToml {
            path: path.to_owned(),
            reason: format!("{key} is a table, [{key}.NAME]"),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read_text(text: &str) -> Result<Applications, String> {
        let own = HostNames::new(HostNames::LOOPBACK).expect("names");
        let table: Table = text.parse().expect("TOML");
        let applications = table
            .get("application")
            .and_then(Value::as_table)
            .expect("a table");
        read(applications, &own).map_err(|error| error.to_string())
    }

    #[test]
    fn an_application_is_read_whole() {
        let read = read_text(
            r#"
            [application.photos]
            hosts = ["Photos.example.org", "photos.example.net:8443", "photos.example.com:443"]
            upstream = "https://127.0.0.1:2342/"
            upstream_ca = "/etc/photos/ca.pem"
            open = ["GET /share", "/healthz"]
            closed = ["/admin"]
            identity = ["remote-user"]
            headers = { Authorization = "Bearer {secret.photos}" }
            [application.files]
            hosts = ["files.localhost:8080"]
            "#,
        )
        .expect("sound");
        let photos = read.named("photos").expect("there");
        let hosts: Vec<_> = photos.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(
            hosts,
            [
                "photos.example.org",
                "photos.example.net:8443",
                "photos.example.com"
            ]
        );
        assert_eq!(photos.upstream.as_deref(), Some("https://127.0.0.1:2342"));
        assert_eq!(
            photos.upstream_ca.as_deref(),
            Some(std::path::Path::new("/etc/photos/ca.pem"))
        );
        assert_eq!(
            (photos.open.len(), photos.closed.len(), photos.headers.len()),
            (2, 1, 1)
        );
        assert_eq!(photos.identity, [IdentityHeader::RemoteUser]);
        let files = read.named("files").expect("there");
        assert_eq!(files.identity, IdentityHeader::ALL);
        assert!(
            read.of(&Host::parse("files.localhost:8080").expect("a host"))
                .is_some()
        );
        assert!(
            read.of(&Host::parse("files.localhost").expect("a host"))
                .is_none()
        );
    }

    #[test]
    fn a_mistake_is_named_with_its_application_and_key() {
        for (text, words) in [
            (
                "host = [\"a\"]",
                ["application a has a key host", "did you mean hosts?"],
            ),
            ("", ["hosts of the application a", "at least one"]),
            ("hosts = \"a\"", ["hosts of the application a", "list"]),
            ("hosts = [1]", ["hosts of the application a", "list"]),
            ("hosts = [\"a/b\"]", ["hosts", "a/b is not a host name"]),
            ("hosts = [\"*.a\"]", ["hosts", "*.a is not a host name"]),
            ("hosts = [\"127.0.0.1:9\"]", ["hosts", "this server itself"]),
            (
                "hosts = [\"b.example\"]",
                ["hosts", "b.example belongs to b already"],
            ),
            (
                "hosts = [\"a\"]\nopen = [\"/a/../b\"]",
                ["open", "/a/../b: it is a path"],
            ),
            ("hosts = [\"a\"]\nopen = [\"get /a\"]", ["open", "capitals"]),
            (
                "hosts = [\"a\"]\nidentity = [\"X-User\"]",
                ["identity", "Remote-User"],
            ),
            (
                "hosts = [\"a\"]\nupstream = \"127.0.0.1:1\"",
                ["upstream", "not an address"],
            ),
            (
                "hosts = [\"a\"]\nupstream = \"http://a/b\"",
                ["upstream", "without a path"],
            ),
            (
                "hosts = [\"a\"]\nupstream = \"https://a\"\nupstream_ca = \"ca.pem\"",
                ["upstream_ca", "absolute path"],
            ),
            (
                "hosts = [\"a\"]\nupstream = \"http://a\"\nupstream_ca = \"/ca.pem\"",
                ["upstream_ca", "begins with https://"],
            ),
            (
                "hosts = [\"a\"]\nheaders = { Cookie = \"x\" }",
                ["headers", "Cookie: this header"],
            ),
            (
                "hosts = [\"a\"]\nheaders = { X-A = \"{a}\" }",
                ["headers", "sealed setting"],
            ),
        ] {
            // `b` comes after `a` in a table: the other way round the second one is refused.
            let (first, second) = if words[1].contains("already") {
                ("c", "b")
            } else {
                ("a", "z")
            };
            let text =
                format!("[application.{first}]\n{text}\n[application.{second}]\nhosts = [\"b.example\"]");
            let said = read_text(&text).expect_err(&text);
            let said = said
                .replace("the application c", "the application a")
                .replace("b.example belongs to c", "b.example belongs to b");
            assert!(said.contains(words[1]), "{text}: {said}");
        }
        assert!(read_text("[application.A]\nhosts = [\"a\"]").is_err());
        assert!(read_text("[application]\na = 1").is_err());
    }
}
