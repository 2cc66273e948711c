//! What is done while there is one thread: everything that the running server must not reach any more, then the sandbox.

use std::net::{SocketAddr, TcpListener};

use authcore::AuthorityOptions;
use fieldcrypt::SlotSecret;

use crate::backup::{self, SealedTo};
use crate::cli::arguments::Serve;
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::{logging, prompt};
use crate::config::data_dir::{DataDir, InUse};
use crate::config::{Config, TlsSource};
use crate::gate::proxy::Clients;
use crate::hooks::Caller;
use crate::sandbox::{self, InForce, Mode, Reach};
use crate::service_manager;

/// What is there before the first thread: the data directory, the socket, the secret that opens the database. From then on the
/// server is in its sandbox.
pub(in crate::cli) struct Prepared {
    pub(super) data: DataDir,
    pub(super) in_use: InUse,
    pub(super) listener: TcpListener,
    pub(super) address: SocketAddr,
    pub(super) options: AuthorityOptions,
    pub(super) secret: SlotSecret,
    pub(super) first: bool,
    pub(super) sealed_to: Option<SealedTo>,
    pub(super) clients: Clients,
    pub(super) caller: Option<Caller>,
    pub(super) in_force: InForce,
}

impl Prepared {
    /// Reads and makes what the server must not reach later, and enters the sandbox. Must be called before there is another thread.
    pub(in crate::cli) fn new(context: &Context, arguments: &Serve) -> Result<Self, Failure> {
        let config = &context.config;
        let handed_over = service_manager::handed_over()?;
        must_be_private(config, config.listen)?;
        logging::start(config)?;
        // Certificate and key are looked at before anything is made: a broken one stops the start, and leaves nothing behind.
        if let TlsSource::Files(files) = &config.tls {
            files.load(authcore::Clock::system().now().wall)?;
        }
        let clients = Clients::of(&config.applications)?;
        let caller = Caller::of(&config.hooks);
        let data = DataDir::made(&config.data_dir)?;
        let in_use = data.lock()?;
        let (listener, address) = listener(config, handed_over)?;
        data.remove_signin_link()?;
        backup::sweep(data.path());
        let first = !data.has_database();
        let mut options = config.authority_options(data.database());
        options.integrity.accept_tampered = arguments.accept_tampered;
        options.integrity.accept_rollback = arguments.accept_rollback;
        options.rotate_signing_after = config.signing_key_max_age;
        let opener = if first {
            config.field_password.open_or_make(&data)?
        } else {
            config.field_password.open(prompt::field_password)?
        };
        let sealed_to = match context.default_sealed_to(opener.password) {
            Ok(sealed_to) => Some(sealed_to),
            // Whoever asks for backups by the configuration must be able to have them.
            Err(failure) if config.backup.dir.is_some() => return Err(failure),
            Err(_) => None,
        };
        let in_force = enter_sandbox(config)?;
        Ok(Self {
            data,
            in_use,
            listener,
            address,
            options,
            secret: opener.secret,
            first,
            sealed_to,
            clients,
            caller,
            in_force,
        })
    }
}

/// Makes the folder of the backups, which could not be reached if it were made later.
fn enter_sandbox(config: &Config) -> Result<InForce, Failure> {
    if let Some(folder) = &config.backup.dir
        && let Err(error) = backup::make_folder(folder)
        && config.sandbox != Mode::Off
    {
        tracing::warn!(
            folder = %folder.display(),
            %error,
            "the folder of the backups is not there; the sandbox keeps the server from it until it is started again"
        );
    }
    if config.sandbox != Mode::Off {
        match sandbox::keep_memory_out_of_swap() {
            Ok(()) => tracing::info!("memory: never written to swap"),
            Err(reason) => tracing::info!("memory: could be written to swap: {reason}"),
        }
    }
    let in_force = sandbox::enter(config.sandbox, &Reach::of(config))?;
    if in_force.is_complete() {
        tracing::info!("sandbox: {in_force}");
    } else {
        tracing::warn!("sandbox: {in_force}");
    }
    Ok(in_force)
}

/// The socket that the service manager handed over, else one on the configured address.
fn listener(config: &Config, handed_over: Option<TcpListener>) -> Result<(TcpListener, SocketAddr), Failure> {
    let Some(listener) = handed_over else {
        return bind(config.listen);
    };
    let address = listener.local_addr().map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            format!("the socket that was handed over: {error}"),
        )
    })?;
    must_be_private(config, address)?;
    if address != config.listen {
        tracing::warn!(%address, listen = %config.listen, "the socket that was handed over is not the address in listen, where commands look for the server");
    }
    Ok((listener, address))
}

/// Loopback or TLS.
fn must_be_private(config: &Config, address: SocketAddr) -> Result<(), Failure> {
    if address.ip().is_loopback() || config.tls.is_on() {
        return Ok(());
    }
    let text = format!("{address} is not a loopback address, and there is no TLS");
    Err(Failure::new(Exit::Configuration, text).hint(
        "set tls.cert and tls.key, or tls.self_signed = true; or listen on 127.0.0.1 and put a proxy with TLS in front",
    ))
}

fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    TcpListener::bind(listen)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot listen on {listen}: {error}"))
                .hint("give another address with --listen")
        })
}
