//! `postern serve`: everything that must be right before the first request, in this order, and the first start.

use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;

use authcore::{Authority, AuthorityOptions, SIGNIN_TOKEN_LIFE_MAX};
use fieldcrypt::SlotSecret;

use super::exit::{Exit, Failure};
use super::{Arguments, make_link, output};
use crate::app::App;
use crate::config::Places;
use crate::config::data_dir::DataDir;
use crate::http::config::{HttpConfig, RefreshCookieForm, Scheme};
use crate::http::host::HostNames;
use crate::http::router::router;
use crate::shutdown::StopSignals;

pub(super) async fn run(arguments: &Arguments) -> Result<(), Failure> {
    if !arguments.listen.ip().is_loopback() {
        let text = format!(
            "{} is not a loopback address, and there is no TLS yet",
            arguments.listen
        );
        return Err(Failure::new(Exit::Configuration, text)
            .hint("listen on 127.0.0.1 and put a proxy with TLS in front"));
    }
    let mut stop = StopSignals::install()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("signals cannot be caught: {error}")))?;
    tracing_subscriber::fmt().with_writer(std::io::stderr).init();

    let places = Places::find(
        arguments.data_dir.as_deref(),
        arguments.field_password_file.as_deref(),
    )?;
    let data = DataDir::made(&places.data_dir)?;
    let _in_use = data.lock()?;
    let (listener, address) = bind(arguments.listen)?;
    data.remove_signin_link()?;
    let first = !data.has_database();
    let authority = if first {
        let secret = places.field_password.read_or_make(&data)?;
        first_start(&data, &secret)?
    } else {
        Authority::open(
            &AuthorityOptions::new(data.database()),
            &places.field_password.read()?,
        )?
    };
    let authority = Arc::new(authority);
    if first {
        introduce(&authority, &places, &data, address).await?;
    }
    output::say(&format!("listening on http://{address}"));

    let hosts =
        HostNames::new(HostNames::LOOPBACK).map_err(|error| Failure::of(Exit::Configuration, &error))?;
    let config = HttpConfig {
        hosts,
        scheme: Scheme::Http,
        refresh_cookie: RefreshCookieForm::ByScheme,
    };
    let app = App {
        authority: Arc::clone(&authority),
        config: Arc::new(config),
    };
    let served = crate::listener::serve(listener, router(app), async || stop.next().await).await;
    authority.shutdown();
    served.map_err(|error| Failure::new(Exit::Io, format!("the listening socket failed: {error}")))
}

fn bind(listen: SocketAddr) -> Result<(TcpListener, SocketAddr), Failure> {
    TcpListener::bind(listen)
        .and_then(|listener| listener.local_addr().map(|address| (listener, address)))
        .map_err(|error| {
            Failure::new(Exit::Unavailable, format!("cannot listen on {listen}: {error}"))
                .hint("give another address with --listen")
        })
}

/// Makes the database under another name first, so that a start that is killed half-way leaves none.
fn first_start(data: &DataDir, secret: &SlotSecret) -> Result<Authority, Failure> {
    let unfinished = data.unfinished_database()?;
    Authority::create(&AuthorityOptions::new(unfinished), secret)?.shutdown();
    data.finish_database()?;
    Ok(Authority::open(&AuthorityOptions::new(data.database()), secret)?)
}

/// Says where things are, and gives the link: to a person at a terminal, else to a file that only the owner reads, since
/// what is not a terminal may be a log.
async fn introduce(
    authority: &Authority,
    places: &Places,
    data: &DataDir,
    address: SocketAddr,
) -> Result<(), Failure> {
    let link = make_link(authority, address, SIGNIN_TOKEN_LIFE_MAX).await?;
    output::say(&format!(
        "data: {}\nfield password: {} (keep a copy elsewhere: without it the data cannot be opened)",
        data.path().display(),
        places.field_password.path().display(),
    ));
    if output::a_person_reads() {
        output::say(&format!(
            "sign-in link, good once and for five minutes:\n  {}",
            &*link
        ));
    } else {
        let path = data.write_signin_link(&link)?;
        output::say(&format!(
            "sign-in link, good once and for five minutes, is in: {}",
            path.display()
        ));
    }
    Ok(())
}
