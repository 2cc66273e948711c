//! `postern serve`: everything that must be right before the first request, in this order, and the first start.

mod prepared;

pub(super) use prepared::Prepared;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;

use authcore::{Authority, AuthorityOptions, SIGNIN_TOKEN_LIFE_MAX, Slots};
use fieldcrypt::SlotSecret;
use serde_json::json;
use zeroize::Zeroizing;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::signin_link::make_link;
use super::{output, prompt, slots};
use crate::app::App;
use crate::backup::{Desk, Schedule, ScheduleOptions};
use crate::config::data_dir::DataDir;
use crate::config::{Config, TlsSource};
use crate::doctor;
use crate::gate::Gate;
use crate::hooks::{Caller, Hooks};
use crate::http::config::HttpConfig;
use crate::http::plain_on_tls;
use crate::http::router::router;
use crate::listener::{Places, Transport};
use crate::metrics::Metrics;
use crate::metrics::follow::Follower;
use crate::service_manager;
use crate::shutdown::StopSignals;
use crate::tls::keeper::{Keeper, Shown};

pub(super) async fn run(context: &Context, prepared: Prepared) -> Result<(), Failure> {
    let Prepared {
        data,
        in_use: _in_use,
        listener,
        address,
        options,
        secret,
        first,
        sealed_to,
        clients,
        caller,
        in_force,
    } = prepared;
    let config = &context.config;
    let mut stop = StopSignals::install()
        .map_err(|error| Failure::new(Exit::Unavailable, format!("signals cannot be caught: {error}")))?;
    let keeper = keeper_of_files(config)?;
    let authority = if first {
        let authority = first_start(&options, &data, &secret)?;
        let recovery_key = offered_recovery_key(context, &options, &secret)?;
        introduce(context, &authority, &data, address, recovery_key).await?;
        authority
    } else {
        Authority::open(&options, &secret)?
    };
    drop(secret);
    let authority = Arc::new(authority);
    let keeper = match (keeper, &config.tls) {
        (None, TlsSource::SelfSigned) => {
            Some(Keeper::self_signed(Arc::clone(&authority), config.certificate_names()).await?)
        }
        (keeper, _) => keeper,
    };
    let base = config.base_url(address);
    context
        .output
        .answer(&json!({ "Listening": base }), &format!("listening on {base}"))?;

    authority.rotations().resume()?;

    let desk = Arc::new(Desk::new(sealed_to, data.path().to_owned()));
    let gate = config.gate(base.clone());
    let (metrics, hooks, follower) = watching(config, &authority, &gate, caller)?;
    let places = places(&metrics, &gate);
    let schedule = schedule(context, &authority, &desk, &metrics)?;
    let http = HttpConfig {
        hosts: config.hosts.clone(),
        scheme: config.scheme(),
        refresh_cookie: config.refresh_cookie,
    };
    let (transport, keeping) = match keeper {
        None => (Transport::Plain, None),
        Some((keeper, shown)) => {
            let refusal = plain_on_tls::router(&http);
            (
                Transport::Tls { shown, refusal },
                Some(keeper.counted_in(Arc::clone(&metrics)).keep()),
            )
        }
    };
    let app = App {
        authority: Arc::clone(&authority),
        backup: desk,
        config: Arc::new(http),
        doctor: Arc::new({
            let config = Arc::clone(config);
            move |authority| doctor::examine_running(&config, &in_force, authority)
        }),
        gate: Arc::new(gate),
        clients,
        metrics: Arc::clone(&metrics),
        sockets: crate::http::events::places(),
    };
    let mut locked_out = None;
    let until = async || {
        tokio::select! {
            () = stop.next() => {}
            reason = authority.locked_out(), if locked_out.is_none() => locked_out = Some(reason),
        }
        service_manager::stopping();
    };
    let following = follower.follow(|record| {
        metrics.happened(record.entry.event.kind());
        hooks.offer(record);
    });
    let router = router(app);
    service_manager::ready(&base);
    let served = tokio::select! {
        served = crate::listener::serve(listener, transport, router, places, until) => served,
        never = following => match never {},
        never = for_ever(keeping) => match never {},
        never = service_manager::alive() => match never {},
    };
    drop(schedule);
    authority.shutdown();
    if let Some(reason) = locked_out {
        return Err(Failure::from(reason)
            .hint("nobody was let in since; start the server again with a secret that opens the database"));
    }
    served.map_err(|error| Failure::new(Exit::Io, format!("the listening socket failed: {error}")))
}

/// Connections of proxies are those of many; on this machine they need not be listed.
fn places(metrics: &Metrics, gate: &Gate) -> Arc<Places> {
    let trusted = gate.trusted.clone();
    Places::new(Arc::clone(&metrics.connections), move |peer| {
        peer.to_canonical().is_loopback() || trusted.contains(peer)
    })
}

/// What counts and tells what happens from now on.
fn watching(
    config: &Config,
    authority: &Arc<Authority>,
    gate: &Gate,
    caller: Option<Caller>,
) -> Result<(Arc<Metrics>, Hooks, Follower), Failure> {
    let names = config.hooks.iter().map(|hook| hook.name.clone());
    let metrics = Metrics::new(authority.clock().now().wall, &gate.applications, names);
    let hooks = Hooks::start(&config.hooks, caller, authority, &metrics).map_err(|error| {
        Failure::new(
            Exit::Unavailable,
            format!("the thread of a hook does not start: {error}"),
        )
    })?;
    let follower = Follower::begin(Arc::clone(authority))?;
    Ok((metrics, hooks, follower))
}

/// Reads the files again, within the sandbox: if they could not be read there, they could not be renewed.
fn keeper_of_files(config: &Config) -> Result<Option<(Keeper, Shown)>, Failure> {
    let TlsSource::Files(files) = &config.tls else {
        return Ok(None);
    };
    let (keeper, shown) = Keeper::of_files(files.clone(), authcore::Clock::system())?;
    let strangers = keeper.facts().not_covered(&config.own_names);
    if !strangers.is_empty() {
        tracing::warn!(
            names = strangers.join(", "),
            "the certificate is not for every name the server answers to"
        );
    }
    Ok(Some((keeper, shown)))
}

async fn for_ever(work: Option<impl Future<Output = Infallible>>) -> Infallible {
    match work {
        Some(work) => work.await,
        None => std::future::pending().await,
    }
}

/// The backups that the configuration asks for.
fn schedule(
    context: &Context,
    authority: &Arc<Authority>,
    desk: &Desk,
    metrics: &Arc<Metrics>,
) -> Result<Option<Schedule>, Failure> {
    let config = &context.config.backup;
    let (Some(folder), Some(sealed_to)) = (&config.dir, &desk.sealed_to) else {
        return Ok(None);
    };
    let options = ScheduleOptions {
        folder: folder.clone(),
        every: config.every,
        keep: config.keep,
        sealed_to: Arc::clone(sealed_to),
        lane: Arc::clone(&desk.lane),
        metrics: Arc::clone(metrics),
    };
    Schedule::start(options, Arc::clone(authority))
        .map(Some)
        .map_err(|error| {
            Failure::new(
                Exit::Unavailable,
                format!("the schedule of backups does not start: {error}"),
            )
        })
}

/// Makes the database under another name first, so that a start that is killed half-way leaves none.
fn first_start(
    options: &AuthorityOptions,
    data: &DataDir,
    secret: &SlotSecret,
) -> Result<Authority, Failure> {
    let unfinished = AuthorityOptions {
        database: data.unfinished_database()?,
        ..options.clone()
    };
    Authority::create(&unfinished, secret)?.shutdown();
    data.finish_database()?;
    Ok(Authority::open(options, secret)?)
}

/// Makes a recovery key, if there is a person who wants one; what it returns is to be shown.
fn offered_recovery_key(
    context: &Context,
    options: &AuthorityOptions,
    secret: &SlotSecret,
) -> Result<Option<Zeroizing<String>>, Failure> {
    let asks = prompt::somebody_is_there() && output::a_person_reads() && context.output.a_person_watches();
    if !asks
        || !prompt::yes(
            "A recovery key opens the database when the field password is lost. It is shown once, to be printed.\n\
             Make one now?",
        )?
    {
        return Ok(None);
    }
    let (recovery_key, shown) = slots::new_recovery_key()?;
    Slots::open(options, secret)?.add(&recovery_key, "made at the first start")?;
    Ok(Some(shown))
}

/// Says where things are, and gives the link: to a person at a terminal, else to a file that only the owner reads, since
/// what is not a terminal may be a log.
async fn introduce(
    context: &Context,
    authority: &Authority,
    data: &DataDir,
    address: SocketAddr,
    recovery_key: Option<Zeroizing<String>>,
) -> Result<(), Failure> {
    let link = make_link(
        authority,
        &context.config.base_url(address),
        SIGNIN_TOKEN_LIFE_MAX,
    )
    .await?;
    let (data_dir, secret) = (data.path().display(), &context.config.field_password);
    let recovery_key = match &recovery_key {
        Some(key) => format!(
            "shown this once; print it and keep it away from this machine\n  {}",
            key.as_str()
        ),
        None => "none yet; postern slots add recovery prints one, for the day the field password is lost"
            .to_owned(),
    };
    let places = format!(
        "data: {data_dir}\nfield password: {secret} (keep a copy elsewhere: without it the data cannot be opened)\n\
         recovery key: {recovery_key}"
    );
    let mut json = json!({ "DataDirectory": data_dir.to_string(), "FieldPassword": secret.to_string() });
    let for_people = if output::a_person_reads() {
        if let Some(members) = json.as_object_mut() {
            members.insert("SigninLink".to_owned(), json!(*link));
        }
        format!("sign-in link, good once and for five minutes:\n  {}", &*link)
    } else {
        let path = data.write_signin_link(&link)?;
        if let Some(members) = json.as_object_mut() {
            members.insert("SigninLinkFile".to_owned(), json!(path.display().to_string()));
        }
        format!(
            "sign-in link, good once and for five minutes, is in: {}",
            path.display()
        )
    };
    context.output.answer(&json, &format!("{places}\n{for_people}"))
}
