//! What this run goes by: flags over the environment over the configuration file over defaults, each value with the place
//! it came from. The only room that reads the environment and the configuration.
//!
//! ```text
//! file.rs ─┐
//! environment.rs ─┼─▶ layers.rs: one text or list a key, with its source ─▶ Config: typed values
//! flags ──────────┘          keys.rs: the one list of keys
//! ```

mod applications;
mod backup;
mod base_url;
pub(crate) mod data_dir;
mod environment;
pub(crate) mod field_password;
mod file;
mod hooks;
mod keys;
mod layers;
pub(crate) mod log;
pub(crate) mod reexec;
pub(crate) mod secret_file;
mod tls;

pub(crate) use backup::BackupConfig;
pub(crate) use base_url::BaseUrl;
pub(crate) use environment::Environment;
pub(crate) use layers::Source;
pub(crate) use tls::TlsSource;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use authcore::{
    ACCESS_TOKEN_LIFE, ACCESS_TOKEN_LIFE_MIN, AuthorityOptions, IntegrityOptions, PASSWORD_ITERATIONS_MAX,
    PASSWORD_ITERATIONS_MIN,
};

use crate::gate::Gate;
use crate::gate::application::Applications;
use crate::gate::trusted_proxy::TrustedProxies;
use crate::hooks::Hook;
use crate::http::config::{RefreshCookieForm, Scheme};
use crate::http::host::HostNames;
use crate::sandbox;
use field_password::{FieldPassword, Given};
use layers::Layers;

/// Least and most that `minimum_password_length` may be. 8 is the floor of NIST SP 800-63B-4 section 3.1.1.2.
const PASSWORD_LENGTHS: RangeInclusive<u32> = 8..=64;

/// What the command line says about the configuration.
#[derive(Clone, Debug, Default)]
pub(crate) struct Flags {
    pub(crate) config: Option<PathBuf>,
    pub(crate) data_dir: Option<String>,
    pub(crate) field_password_file: Option<PathBuf>,
    pub(crate) key_file: Option<PathBuf>,
    pub(crate) recovery_key_file: Option<PathBuf>,
    pub(crate) listen: Option<String>,
    pub(crate) url: Option<String>,
    pub(crate) hosts: Vec<String>,
    pub(crate) sandbox: Option<String>,
}

/// How events are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LogFormat {
    /// Text at a terminal, else JSON.
    Auto,
    Text,
    Json,
}

/// One key as it counts, for `config check`.
#[derive(Debug)]
pub(crate) struct Effective {
    pub(crate) key: &'static str,
    pub(crate) value: String,
    pub(crate) source: Source,
}

/// The effective configuration.
#[derive(Debug)]
pub(crate) struct Config {
    /// The file it comes from, if there is one.
    pub(crate) file: Option<PathBuf>,
    pub(crate) data_dir: PathBuf,
    pub(crate) listen: SocketAddr,
    pub(crate) url: Option<BaseUrl>,
    pub(crate) tls: TlsSource,
    pub(crate) hosts: HostNames,
    /// Names that an access password must not consist of.
    pub(crate) own_names: Vec<String>,
    pub(crate) refresh_cookie: RefreshCookieForm,
    pub(crate) minimum_password_length: usize,
    pub(crate) password_iterations: u32,
    pub(crate) field_password: FieldPassword,
    pub(crate) access_token_life: Duration,
    /// What stands behind the gate.
    pub(crate) applications: Applications,
    /// Who is told of events.
    pub(crate) hooks: Vec<Hook>,
    /// Which proxies are believed.
    pub(crate) trusted_proxies: TrustedProxies,
    /// The age at which a signing key is replaced by itself.
    pub(crate) signing_key_max_age: Option<Duration>,
    /// Where the witness is, if there is one.
    pub(crate) witness: Option<PathBuf>,
    /// The backups that the server makes by itself.
    pub(crate) backup: BackupConfig,
    /// How much the server insists on its sandbox.
    pub(crate) sandbox: sandbox::Mode,
    pub(crate) log: String,
    pub(crate) log_format: LogFormat,
    /// Every key with its value and where that came from.
    pub(crate) effective: Vec<Effective>,
    /// Variables that look like ours and are none, each with the nearest that is.
    pub(crate) unknown_variables: Vec<(String, Option<&'static str>)>,
}

/// Why there is no configuration.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ConfigError {
    #[error(transparent)]
    File(#[from] file::FileError),
    #[error(transparent)]
    NotText(#[from] environment::NotText),
    #[error("{key} = {value} (from {from}) is refused: {reason}")]
    Value {
        key: &'static str,
        value: String,
        from: Source,
        reason: String,
    },
    #[error("the configuration {}", path.display())]
    Application {
        path: PathBuf,
        #[source]
        source: applications::ApplicationError,
    },
    #[error("the configuration {}", path.display())]
    Hook {
        path: PathBuf,
        #[source]
        source: hooks::HookError,
    },
    #[error("nothing says where {0} should be: neither a flag nor HOME")]
    NoPlace(&'static str),
    /// Which one counts would be a guess.
    #[error("the secret that opens the database is given twice: by {one} and by {other}")]
    TwoSecrets { one: &'static str, other: &'static str },
}

impl Config {
    /// Puts the layers together and reads every value.
    ///
    /// # Errors
    /// See [`ConfigError`]: a value that is not understood is never replaced by a default.
    pub(crate) fn load(flags: &Flags, environment: &Environment) -> Result<Self, ConfigError> {
        Self::of(
            flags,
            environment,
            file::File::find(flags.config.as_deref(), environment)?,
        )
    }

    /// That of a file with this text, and of nothing else.
    ///
    /// # Errors
    /// See [`Config::load`].
    #[cfg(any(test, fuzzing))]
    pub(crate) fn of_text(text: &str) -> Result<Self, ConfigError> {
        let flags = Flags {
            data_dir: Some("/var/lib/postern".to_owned()),
            field_password_file: Some(PathBuf::from("/etc/postern/field-password")),
            ..Flags::default()
        };
        let file = file::File::parse(PathBuf::from("/etc/postern/postern.toml"), text)?;
        Self::of(&flags, &Environment::default(), file)
    }

    fn of(flags: &Flags, environment: &Environment, file: file::File) -> Result<Self, ConfigError> {
        let layers = Layers::new(flags, environment, &file)?;
        let data_dir = layers.data_dir(environment)?;
        let listen: SocketAddr = layers.parsed("listen", |text| {
            text.parse()
                .map_err(|_| "it is an IP address and a port, such as 127.0.0.1:8420".to_owned())
        })?;
        let tls = TlsSource::of(&layers)?;
        let url = layers.optional("url", |text| {
            let url = BaseUrl::parse(text).map_err(str::to_owned)?;
            if tls.is_on() && url.scheme == Scheme::Http {
                return Err("with TLS it begins with https://".to_owned());
            }
            Ok(url)
        })?;
        let mut names = layers.list("hosts");
        names.extend(url.iter().map(|url| url.host.name().to_owned()));
        // Who listens on one address is called by it.
        let address = Some(listen.ip())
            .filter(|ip| !ip.is_unspecified())
            .map(|ip| ip.to_string());
        let all = names.iter().map(String::as_str).chain(address.as_deref());
        let hosts = layers.check("hosts", HostNames::new(all.chain(HostNames::LOOPBACK)))?;
        let log = layers.parsed("log", |text| {
            let filter = log::filter(text);
            filter.map(|_| text.to_owned()).map_err(|error| error.to_string())
        })?;
        let applications = applications::read(&file.applications, &hosts).map_err(|source| {
            let path = file.path.clone().unwrap_or_default();
            ConfigError::Application { path, source }
        })?;
        let hooks = hooks::read(&file.hooks).map_err(|source| {
            let path = file.path.clone().unwrap_or_default();
            ConfigError::Hook { path, source }
        })?;
        Ok(Self {
            applications,
            hooks,
            trusted_proxies: layers.check(
                "trusted_proxies",
                TrustedProxies::new(&layers.list("trusted_proxies")),
            )?,
            listen,
            tls,
            own_names: names,
            hosts,
            refresh_cookie: layers.parsed("refresh_cookie", |text| match text {
                "by-scheme" => Ok(RefreshCookieForm::ByScheme),
                "reference" => Ok(RefreshCookieForm::Reference),
                _ => Err("it is by-scheme or reference".to_owned()),
            })?,
            minimum_password_length: layers
                .number("minimum_password_length", PASSWORD_LENGTHS)
                .map(|length| length as usize)?,
            password_iterations: layers.number(
                "password_iterations",
                PASSWORD_ITERATIONS_MIN..=PASSWORD_ITERATIONS_MAX,
            )?,
            field_password: field_password(flags, environment, &layers)?,
            access_token_life: layers.parsed("access_token_life", access_token_life)?,
            signing_key_max_age: layers.optional("signing_key_max_age", signing_key_age)?,
            witness: layers.optional("witness", |text| {
                let path = PathBuf::from(text);
                if path.is_absolute() {
                    Ok(path)
                } else {
                    Err("it is an absolute path".to_owned())
                }
            })?,
            backup: BackupConfig::load(&layers)?,
            sandbox: layers.parsed("sandbox", sandbox::Mode::parse)?,
            log,
            log_format: layers.parsed("log_format", |text| match text {
                "auto" => Ok(LogFormat::Auto),
                "text" => Ok(LogFormat::Text),
                "json" => Ok(LogFormat::Json),
                _ => Err("it is auto, text or json".to_owned()),
            })?,
            effective: layers.effective(&data_dir),
            unknown_variables: environment.unknown(),
            file: file.path,
            data_dir: data_dir.0,
            url,
        })
    }

    /// Where a person's browser finds this server when it listens at `address`.
    pub(crate) fn base_url(&self, address: SocketAddr) -> String {
        match &self.url {
            Some(url) => url.to_string(),
            None if self.tls.is_on() => format!("https://{}", self.callable(address)),
            None => format!("http://{address}"),
        }
    }

    /// Where this machine finds its own server.
    pub(crate) fn local_url(&self) -> String {
        match &self.url {
            Some(url) => url.to_string(),
            None if self.tls.is_on() => format!("https://{}", self.local_address()),
            None => format!("http://{}", self.local_address()),
        }
    }

    /// The address the server listens on, as one to connect to.
    pub(crate) fn local_address(&self) -> SocketAddr {
        let ip = match self.listen.ip() {
            IpAddr::V4(ip) if ip.is_unspecified() => IpAddr::V4(Ipv4Addr::LOCALHOST),
            IpAddr::V6(ip) if ip.is_unspecified() => IpAddr::V6(Ipv6Addr::LOCALHOST),
            ip => ip,
        };
        SocketAddr::new(ip, self.listen.port())
    }

    /// An address that a browser can open: no machine is called 0.0.0.0, and no certificate is for it.
    fn callable(&self, address: SocketAddr) -> String {
        if !address.ip().is_unspecified() {
            return address.to_string();
        }
        let name = self.own_names.first().map_or("localhost", String::as_str);
        match name.parse::<IpAddr>() {
            Ok(ip) => SocketAddr::new(ip, address.port()).to_string(),
            Err(_) => format!("{name}:{}", address.port()),
        }
    }

    /// The names that a certificate of the server's own making is for: its own, and those of applications, whose hosts it answers too.
    pub(crate) fn certificate_names(&self) -> Vec<String> {
        let applications = self.applications.0.iter();
        let hosts = applications.flat_map(|application| &application.hosts);
        let mut names = self.hosts.bare();
        for name in HostNames::of(hosts).bare() {
            if !names.contains(&name) {
                names.push(name);
            }
        }
        names
    }

    /// What the gate goes by, where browsers reach this server at `sign_in`.
    pub(crate) fn gate(&self, sign_in: String) -> Gate {
        Gate {
            applications: self.applications.clone(),
            trusted: self.trusted_proxies.clone(),
            sign_in,
        }
    }

    /// How the authority over that database is opened.
    pub(crate) fn authority_options(&self, database: PathBuf) -> AuthorityOptions {
        AuthorityOptions {
            password_iterations: self.password_iterations,
            minimum_password_length: self.minimum_password_length,
            own_names: self.own_names.clone(),
            access_token_life: self.access_token_life,
            integrity: IntegrityOptions {
                witness: self.witness.clone(),
                ..IntegrityOptions::default()
            },
            ..AuthorityOptions::new(database)
        }
    }

    pub(crate) fn scheme(&self) -> Scheme {
        match &self.url {
            Some(url) => url.scheme,
            None if self.tls.is_on() => Scheme::Https,
            None => Scheme::Http,
        }
    }
}

/// A retired signing key verifies for as long as the longest life, so there is no more than that.
fn access_token_life(text: &str) -> Result<Duration, String> {
    humantime::parse_duration(text)
        .ok()
        .filter(|life| (ACCESS_TOKEN_LIFE_MIN..=ACCESS_TOKEN_LIFE).contains(life) && life.subsec_nanos() == 0)
        .ok_or_else(|| "it is whole seconds from 2s to 15m".to_owned())
}

/// Below an hour, keys would come faster than the last tokens of the old ones go.
fn signing_key_age(text: &str) -> Result<Duration, String> {
    const LEAST: Duration = Duration::from_secs(3600);
    humantime::parse_duration(text)
        .ok()
        .filter(|age| *age >= LEAST)
        .ok_or_else(|| "it is an hour or more, such as 90d".to_owned())
}

/// The one source that was given, or the file that the first start makes. Another slot's secret is for when what is configured
/// opens nothing any more, and so stands before it.
fn field_password(
    flags: &Flags,
    environment: &Environment,
    layers: &Layers,
) -> Result<FieldPassword, ConfigError> {
    let by_flag = one_of([
        (
            "--field-password-file",
            flags.field_password_file.clone().map(Given::File),
        ),
        ("--key-file", flags.key_file.clone().map(Given::KeyFile)),
        (
            "--recovery-key-file",
            flags.recovery_key_file.clone().map(Given::RecoveryKey),
        ),
    ])?;
    if let Some((_, given @ (Given::KeyFile(_) | Given::RecoveryKey(_)))) = by_flag {
        return Ok(FieldPassword::Given(given));
    }
    let credential = environment
        .path("CREDENTIALS_DIRECTORY")
        .map(|folder| folder.join("field-password"))
        .filter(|path| path.exists());
    let command = layers.optional("field_password_command", |text| Ok(text.to_owned()))?;
    let given = one_of([
        ("--field-password-file", by_flag.map(|(_, given)| given)),
        (
            "$CREDENTIALS_DIRECTORY/field-password",
            credential.map(Given::File),
        ),
        (
            environment::FIELD_PASSWORD_FILE,
            environment
                .path(environment::FIELD_PASSWORD_FILE)
                .map(Given::File),
        ),
        (
            environment::KEY_FILE,
            environment.path(environment::KEY_FILE).map(Given::KeyFile),
        ),
        (
            environment::FIELD_PASSWORD,
            environment
                .path(environment::FIELD_PASSWORD_PIPE)
                .map(Given::Pipe),
        ),
        ("field_password_command", command.map(Given::Command)),
    ])?;
    match given {
        Some((_, given)) => Ok(FieldPassword::Given(given)),
        None => environment
            .xdg("XDG_CONFIG_HOME", ".config")
            .map(|folder| FieldPassword::Fallback(folder.join("field-password")))
            .ok_or(ConfigError::NoPlace("the field password")),
    }
}

/// The source that gives one, and what it gives; two at once would leave it open which is meant.
fn one_of<const N: usize>(
    sources: [(&'static str, Option<Given>); N],
) -> Result<Option<(&'static str, Given)>, ConfigError> {
    let mut given = sources
        .into_iter()
        .filter_map(|(source, given)| Some((source, given?)));
    match (given.next(), given.next()) {
        (Some((one, _)), Some((other, _))) => Err(ConfigError::TwoSecrets { one, other }),
        (first, _) => Ok(first),
    }
}

#[cfg(test)]
mod tests;
