//! The command line, as far as it goes: `serve` and `signin-link`.

use std::fs::{DirBuilder, File, OpenOptions};
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::os::unix::fs::{DirBuilderExt as _, MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use authcore::{Authority, AuthorityOptions, Client, OpenError, SIGNIN_TOKEN_LIFE_MAX, SigninTokenAuthority};
use clap::{Parser, Subcommand};
use fieldcrypt::{SecretKey, SlotSecret};
use secrecy::zeroize::Zeroizing;

use crate::app::App;
use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::host::HostNames;
use crate::http::router::router;
use crate::shutdown::StopSignals;

/// A single-password front door for self-hosted services, whose database is worthless to a thief.
#[derive(Parser)]
#[command(name = "postern", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
    /// Where the database is
    #[arg(long, global = true, env = "POSTERN_DATA_DIR", default_value = "postern-data")]
    data_dir: PathBuf,
    /// The file with the field password; made at the first start
    #[arg(
        long,
        global = true,
        env = "POSTERN_FIELD_PASSWORD_FILE",
        default_value = "postern-field-password"
    )]
    field_password_file: PathBuf,
    /// The loopback address of the server
    #[arg(long, global = true, default_value = "127.0.0.1:8420")]
    listen: SocketAddr,
}

#[derive(Clone, Copy, Subcommand)]
enum Command {
    /// Run the server; the first start makes everything and prints a one-use sign-in link
    Serve,
    /// Make a one-use sign-in link, beside a running server or without one
    SigninLink,
}

/// What went wrong, what to do, and the exit code of sysexits(3).
struct Failure {
    text: String,
    hint: &'static str,
    code: u8,
}

const UNAVAILABLE: u8 = 69;
const CANNOT_CREATE: u8 = 73;
const TRY_LATER: u8 = 75;
const PERMISSION: u8 = 77;
const CONFIGURATION: u8 = 78;

fn failure(code: u8, text: impl std::fmt::Display, hint: &'static str) -> Failure {
    Failure {
        text: text.to_string(),
        hint,
        code,
    }
}

pub(crate) fn run() -> ExitCode {
    let arguments = Arguments::parse();
    match execute(&arguments) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failed) => {
            drop(writeln!(
                std::io::stderr(),
                "postern: {}\nhint: {}",
                failed.text,
                failed.hint
            ));
            ExitCode::from(failed.code)
        }
    }
}

fn execute(arguments: &Arguments) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    let runtime =
        runtime.map_err(|error| failure(UNAVAILABLE, error, "look at the limits of this process"))?;
    runtime.block_on(async {
        match arguments.command {
            Command::Serve => serve(arguments).await,
            Command::SigninLink => signin_link(arguments).await,
        }
    })
}

async fn signin_link(arguments: &Arguments) -> Result<(), Failure> {
    check_data_dir(&arguments.data_dir)?;
    let authority = Authority::open(
        &options(arguments),
        &read_field_password(&arguments.field_password_file)?,
    );
    let authority = authority.map_err(|error| not_opened(&error))?;
    print_link(&authority, arguments.listen).await?;
    authority.shutdown();
    Ok(())
}

async fn serve(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        let text = format!(
            "{} is not a loopback address, and there is no TLS yet",
            arguments.listen
        );
        return Err(failure(
            CONFIGURATION,
            text,
            "listen on 127.0.0.1 and put a proxy with TLS in front",
        ));
    }
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();
    let database = options(arguments).database;
    let first = !database.exists();
    if !first {
        check_data_dir(&arguments.data_dir)?;
    }
    let secret = if first {
        first_field_password(arguments)?
    } else {
        read_field_password(&arguments.field_password_file)?
    };
    let _lock = lock(&arguments.data_dir)?;
    let authority = if first {
        create(arguments, &secret)?
    } else {
        Authority::open(&options(arguments), &secret).map_err(|error| not_opened(&error))?
    };
    let listener = TcpListener::bind(arguments.listen).map_err(|error| {
        failure(
            UNAVAILABLE,
            format!("cannot listen on {}: {error}", arguments.listen),
            "give another address with --listen",
        )
    })?;
    let authority = Arc::new(authority);
    if first {
        say(&format!(
            "data: {}\nfield password: {} (keep a copy elsewhere: without it the data cannot be opened)",
            arguments.data_dir.display(),
            arguments.field_password_file.display()
        ));
        print_link(&authority, arguments.listen).await?;
    }
    let hosts = HostNames::new(HostNames::LOOPBACK)
        .map_err(|_| failure(CONFIGURATION, "a host name is malformed", "mend it"))?;
    let config = HttpConfig {
        hosts,
        scheme: Scheme::Http,
        refresh_cookie: RefreshCookieForm::ByScheme,
    };
    let app = App {
        authority: Arc::clone(&authority),
        config: Arc::new(config),
    };
    let mut stop = StopSignals::install()
        .map_err(|error| failure(UNAVAILABLE, error, "look at the limits of this process"))?;
    let address = listener.local_addr().unwrap_or(arguments.listen);
    say(&format!("listening on http://{address}"));
    let served = crate::listener::serve(listener, router(app), async || stop.next().await).await;
    authority.shutdown();
    served.map_err(|error| failure(UNAVAILABLE, error, "see the log"))
}

fn options(arguments: &Arguments) -> AuthorityOptions {
    AuthorityOptions::new(arguments.data_dir.join("postern.sqlite"))
}

/// Makes the database under another name first, so that a start that is killed half-way leaves none.
fn create(arguments: &Arguments, secret: &SlotSecret) -> Result<Authority, Failure> {
    let hint = "look at the permissions and the room of the data directory";
    let wanted = options(arguments);
    let making = AuthorityOptions {
        database: arguments.data_dir.join("postern.sqlite.new"),
        ..wanted.clone()
    };
    for left in [
        "postern.sqlite.new",
        "postern.sqlite.new-wal",
        "postern.sqlite.new-shm",
    ] {
        drop(std::fs::remove_file(arguments.data_dir.join(left)));
    }
    let made = Authority::create(&making, secret).map_err(|error| not_opened(&error))?;
    made.shutdown();
    drop(made);
    std::fs::rename(&making.database, &wanted.database)
        .and_then(|()| File::open(&arguments.data_dir)?.sync_all())
        .map_err(|error| {
            failure(
                CANNOT_CREATE,
                format!("{}: {error}", wanted.database.display()),
                hint,
            )
        })?;
    Authority::open(&wanted, secret).map_err(|error| not_opened(&error))
}

fn not_opened(error: &OpenError) -> Failure {
    let hint = "give the field password this database was made with, by --field-password-file";
    match error {
        OpenError::Unlock(_) | OpenError::Missing { .. } => failure(CONFIGURATION, error, hint),
        OpenError::AlreadyExists { .. }
        | OpenError::Connection { .. }
        | OpenError::Create(_)
        | OpenError::Schema { .. }
        | OpenError::ColumnMissing { .. }
        | OpenError::Store(_)
        | OpenError::Random(_)
        | OpenError::FirstKeys(_) => {
            let cause = std::error::Error::source(error)
                .map(|source| format!(": {source}"))
                .unwrap_or_default();
            failure(
                CANNOT_CREATE,
                format!("{error}{cause}"),
                "nothing was changed; look at the file and the disk",
            )
        }
    }
}

/// The data directory and the field password of a new install: made, private, on disk before the database is.
fn first_field_password(arguments: &Arguments) -> Result<SlotSecret, Failure> {
    let data_dir = &arguments.data_dir;
    let cannot = |path: &Path, error| {
        failure(
            CANNOT_CREATE,
            format!("{}: {error}", path.display()),
            "give another place with --data-dir or --field-password-file",
        )
    };
    DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(data_dir)
        .map_err(|error| cannot(data_dir, error))?;
    check_data_dir(data_dir)?;
    let path = &arguments.field_password_file;
    if path.exists() {
        return read_field_password(path);
    }
    let key = SecretKey::random()
        .map_err(|error| failure(UNAVAILABLE, error, "look at the system's random source"))?;
    let text = Zeroizing::new(
        key.expose_bytes()
            .iter()
            .fold(String::with_capacity(64), |mut text, byte| {
                let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or('0');
                text.push(digit(byte >> 4));
                text.push(digit(byte & 15));
                text
            }),
    );
    let mut file = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)
        .map_err(|error| cannot(path, error))?;
    file.write_all(text.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| cannot(path, error))?;
    Ok(SlotSecret::password(&text))
}

fn read_field_password(path: &Path) -> Result<SlotSecret, Failure> {
    let hint = "give the file with --field-password-file";
    let metadata = std::fs::metadata(path).map_err(|error| {
        failure(
            CONFIGURATION,
            format!("no field password: {}: {error}", path.display()),
            hint,
        )
    })?;
    if metadata.mode() & 0o077 != 0 {
        return Err(failure(
            PERMISSION,
            format!("{} can be read by others", path.display()),
            "chmod 600 it",
        ));
    }
    let text = std::fs::read_to_string(path).map(Zeroizing::new);
    let text = text.map_err(|error| failure(CONFIGURATION, format!("{}: {error}", path.display()), hint))?;
    let password = text.strip_suffix('\n').unwrap_or(&text);
    if password.is_empty() {
        return Err(failure(
            CONFIGURATION,
            format!("{} is empty", path.display()),
            hint,
        ));
    }
    Ok(SlotSecret::password(password))
}

fn check_data_dir(path: &Path) -> Result<(), Failure> {
    let metadata = std::fs::symlink_metadata(path).map_err(|error| {
        failure(
            CONFIGURATION,
            format!("{}: {error}", path.display()),
            "give it with --data-dir",
        )
    })?;
    if !metadata.is_dir() || metadata.mode() & 0o077 != 0 {
        let text = format!(
            "{} must be a directory that only its owner can enter",
            path.display()
        );
        return Err(failure(
            PERMISSION,
            text,
            "chmod 700 it, or give another one with --data-dir",
        ));
    }
    Ok(())
}

fn lock(data_dir: &Path) -> Result<File, Failure> {
    let path = data_dir.join("postern.lock");
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path);
    let file = file.map_err(|error| {
        failure(
            CANNOT_CREATE,
            format!("{}: {error}", path.display()),
            "look at its permissions",
        )
    })?;
    file.try_lock().map_err(|_| {
        let text = format!("another server runs on {}", data_dir.display());
        failure(TRY_LATER, text, "stop it first, or give another --data-dir")
    })?;
    Ok(file)
}

async fn print_link(authority: &Authority, listen: SocketAddr) -> Result<(), Failure> {
    let tokens = authority.signin_tokens();
    let token = tokens
        .issue(
            SigninTokenAuthority::LocalOperator,
            SIGNIN_TOKEN_LIFE_MAX.min(Duration::from_secs(300)),
            &Client::local(),
        )
        .await;
    let token = token.map_err(|error| failure(UNAVAILABLE, error, "see the log"))?;
    let text = token.expose_text();
    say(&format!(
        "sign-in link, good once and for five minutes:\n  http://{listen}/signin#token={}",
        &*text
    ));
    Ok(())
}

/// A closed standard output is no reason to stop.
fn say(text: &str) {
    drop(writeln!(std::io::stdout(), "{text}"));
}
