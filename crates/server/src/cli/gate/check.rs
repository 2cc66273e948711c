//! `postern gate check URL`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use authcore::Clock;
use clap::Args;
use serde_json::{Value, json};

use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::output::{Block, Column};
use crate::cli::progress::Progress;
use crate::cli::{prompt, token};
use crate::gate::check::{CheckError, LineError, PlaceError, Question, Report, check};

const GROUPS: [Column; 5] = [
    Column::new("FORGED", "Name"),
    Column::new("TRIED", "Tried"),
    Column::new("REFUSED", "Refused"),
    Column::new("OPEN", "Open"),
    Column::new("GOT THROUGH", "GotThrough"),
];

const LEAKS: [Column; 4] = [
    Column::new("GOT THROUGH", "Request"),
    Column::new("WITH", "Headers"),
    Column::new("ANSWER", "Answer"),
    Column::new("RESEMBLES", "Resembles"),
];

/// How long nobody wonders what the command does.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(in crate::cli) struct Check {
    /// The address of an application that is for who is signed in, such as `https://app.example.org/`
    url: String,
    /// The proxy, where the host's name does not lead there
    #[arg(long, value_name = "ADDR:PORT")]
    connect: Option<SocketAddr>,
    /// A file with the certificate of the authority to trust, in PEM form [default: the server's own authority with
    /// `tls.self_signed`, else what this machine trusts]
    #[arg(long, value_name = "PATH")]
    ca: Option<PathBuf>,
    /// A file with an access key that is good for the address, or - for standard input: tells whether the application answers,
    /// and what it is told
    #[arg(long, value_name = "PATH")]
    access_key_file: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Check) -> Result<(), Failure> {
    let config = &context.config;
    let gate = config.gate(config.base_url(config.listen));
    let trusted = if arguments.url.starts_with("https://") {
        token::trusted(context, arguments.ca.as_deref())?
    } else {
        Vec::new()
    };
    let file = arguments.access_key_file.as_deref();
    let key =
        file.map(|file| prompt::secret(Some(file), "access key", "--access-key-file", prompt::Asked::Once));
    let key = key.transpose()?;
    let question = Question {
        url: &arguments.url,
        gate: &gate,
        sign_in: config.scheme(),
        connect: arguments.connect,
        trusted,
        key: key.as_ref().map(|key| key.as_str()),
    };
    let clock = Clock::system();
    let began = clock.now().monotonic;
    let mut shown = Progress::new(context.output, "requests");
    let report = check(&question, &mut |done, total| {
        if clock.now().monotonic.since(began) > PATIENCE {
            shown.at(done, total);
        }
    });
    shown.end();
    let report = report?;
    context.output.page(&report, &page(&report))?;
    match report.leaks.len() {
        0 => Ok(()),
        1 => Err(Failure::new(Exit::Exposed, "1 forged request got through")),
        many => Err(Failure::new(
            Exit::Exposed,
            format!("{many} forged requests got through"),
        )),
    }
}

fn page(report: &Report) -> Vec<Block<'static>> {
    let Report {
        url,
        application,
        sent,
        ..
    } = report;
    let values = |items: &[_]| -> Vec<Value> { items.iter().map(|item| json!(item)).collect() };
    let mut blocks = vec![
        Block::Text(format!("{url}: the application {application}, {sent} requests")),
        Block::Table(values(&report.groups), &GROUPS),
    ];
    if report.leaks.is_empty() {
        blocks.push(Block::Text("nothing got through".to_owned()));
    } else {
        let leaks = report.leaks.iter().map(|leak| json!(leak));
        blocks.push(Block::Table(leaks.collect(), &LEAKS));
    }
    let mut mends: Vec<&str> = report.leaks.iter().map(|leak| leak.mend).collect();
    // They stand in groups already.
    mends.dedup();
    blocks.extend(
        mends
            .into_iter()
            .map(|mend| Block::Text(format!("to mend: {mend}"))),
    );
    let not_checked = report.not_checked.iter();
    blocks.extend(not_checked.map(|text| Block::Text(format!("not checked: {text}"))));
    blocks
}

impl From<CheckError> for Failure {
    fn from(error: CheckError) -> Self {
        match &error {
            CheckError::Place(PlaceError::NotAnAddress(_)) => Self::of(Exit::Usage, &error),
            CheckError::Place(PlaceError::NoApplication(_)) => Self::of(Exit::Data, &error)
                .hint("postern gate explain tells which application an address belongs to; --config names another configuration"),
            CheckError::Place(PlaceError::NotKept { .. }) => {
                Self::of(Exit::Data, &error).hint("name an address of the application that nobody may open unless they are signed in")
            }
            CheckError::Line(LineError::Unknown { .. }) => {
                Self::of(Exit::Unavailable, &error).hint("say where the proxy is with --connect ADDR:PORT")
            }
            CheckError::Line(LineError::Silent { .. }) => Self::of(Exit::Unavailable, &error).hint(
                "say where the proxy is with --connect ADDR:PORT; if it answered before, it may have shut this address out",
            ),
            CheckError::Line(LineError::Tls { .. }) => {
                Self::of(Exit::Unavailable, &error).hint("say which authority to trust with --ca")
            }
            CheckError::NotGuarded { .. } => Self::of(Exit::Exposed, &error).hint(
                "whoever asks there is not asked to sign in first: put the proxy's part in its place, as postern gate recipe prints it",
            ),
            CheckError::Refused { .. } => Self::of(Exit::Configuration, &error)
                .hint("list the proxy in trusted_proxies, and give it what postern gate recipe prints"),
            CheckError::Fault { .. } | CheckError::NoAnswer { .. } => Self::of(Exit::Unavailable, &error)
                .hint("see whether Postern runs, and whether the proxy finds it; the proxy's log says why"),
            CheckError::KeyRefused { .. } => {
                Self::of(Exit::Data, &error).hint("make one with postern access-keys create NAME --scope gate:HOST")
            }
        }
    }
}
