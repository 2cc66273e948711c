//! `postern audit`: what happened, and the proof that nothing of it was changed.

use authcore::{AuditBreak, AuditHead, AuditQuery, AuditVerification, Authority, WallTime};
use clap::{Args, Subcommand};
use serde_json::json;

use super::arguments::duration;
use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use crate::shapes::audit::AuditPage;

#[derive(Subcommand)]
pub(super) enum Command {
    /// List events, newest first
    List(List),
    /// Walk the chain of events, beside a running server too: nothing was changed, deleted, put in or moved; exit code 65 if
    /// something was
    Verify(Verify),
    /// Print the number and the link of the newest event, to be kept elsewhere
    Head,
}

#[derive(Args)]
pub(super) struct List {
    /// Only events of this kind, such as `PasswordRefused`; may be given several times
    #[arg(long, value_name = "KIND")]
    kind: Vec<String>,
    /// At most this many
    #[arg(long, value_name = "NUMBER", default_value_t = 100, value_parser = clap::value_parser!(u16).range(1..=500))]
    limit: u16,
    /// Only events at or after this time, such as `2026-11-26T12:00:00Z`, or not older than that, such as 7d
    #[arg(long, value_name = "TIME", value_parser = since)]
    since: Option<Since>,
}

#[derive(Args)]
pub(super) struct Verify {
    /// A head that was printed earlier: proves that nothing up to it was changed, whoever had the keys
    #[arg(long, value_name = "HEAD", value_parser = head)]
    head: Option<AuditHead>,
}

/// How far back a list goes.
#[derive(Clone, Copy)]
enum Since {
    At(WallTime),
    Ago(std::time::Duration),
}

fn since(text: &str) -> Result<Since, String> {
    match WallTime::parse_rfc3339(text) {
        Some(at) => Ok(Since::At(at)),
        None => duration(text).map(Since::Ago),
    }
}

fn head(text: &str) -> Result<AuditHead, String> {
    AuditHead::parse(text).ok_or_else(|| "not what postern audit head prints".to_owned())
}

const COLUMNS: [Column; 4] = [
    Column::new("NUMBER", "Id"),
    Column::time("AT", "At"),
    Column::new("EVENT", "Event"),
    Column::new("CLIENT", "Client"),
];

pub(super) async fn run(context: &Context, command: Command) -> Result<(), Failure> {
    match command {
        Command::List(list) => self::list(context, list).await,
        Command::Verify(Verify { head }) => verify(context, head.as_ref()),
        Command::Head => {
            let (options, secret) = context.existing_database()?;
            let head = Authority::audit_head(&options, &secret)?
                .ok_or_else(|| Failure::new(Exit::Data, "there is no event in the audit log yet"))?;
            let head = head.to_string();
            context.output.answer(&json!({ "Head": head }), &head)
        }
    }
}

async fn list(context: &Context, List { kind, limit, since }: List) -> Result<(), Failure> {
    let limit = usize::from(limit);
    let records = context
        .with_authority(async |authority| {
            let since = since.map(|since| match since {
                Since::At(at) => at,
                Since::Ago(ago) => {
                    let now = authority.clock().now().wall.unix_ms();
                    let ago = i64::try_from(ago.as_millis()).unwrap_or(i64::MAX);
                    WallTime::from_unix_ms(now.saturating_sub(ago))
                }
            });
            Ok(authority.audit().page(&AuditQuery {
                since,
                before: None,
                kinds: (!kind.is_empty()).then_some(kind),
                limit,
            })?)
        })
        .await?;
    let page = AuditPage::of(&records, limit).map_err(|error| Failure::of(Exit::Software, &error))?;
    context.output.list(&page, "Events", &COLUMNS)
}

fn verify(context: &Context, kept: Option<&AuditHead>) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let AuditVerification {
        events,
        head,
        broken,
        complaints,
    } = Authority::verify_audit(&options, &secret, kept)?;
    let head = head.map(|head| head.to_string());
    if broken.is_none() && complaints.is_empty() {
        let kept = kept.map_or_else(String::new, |kept| {
            format!(
                ", and nothing up to event {} was changed since its head was kept",
                kept.event.0
            )
        });
        return context.output.done(
            &json!({ "Events": events, "Head": head }),
            &format!("the chain of {events} events holds{kept}"),
        );
    }
    let hint = match broken {
        Some(AuditBreak::NoChain) => "postern serve makes it at its next start",
        Some(AuditBreak::HeadTooOld(_)) => "give a newer one; postern audit head prints the newest",
        Some(_) | None => "keep a copy of the files as they are; docs/audit.md says what it means",
    };
    let details = json!({
        "Events": events,
        "Head": head,
        "Break": broken.as_ref().map(ToString::to_string),
        "Complaints": complaints,
    });
    let wrong: Vec<String> = broken
        .map(|broken| broken.to_string())
        .into_iter()
        .chain(complaints)
        .collect();
    Err(Failure::new(Exit::Data, wrong.join("; "))
        .hint(hint)
        .details(details))
}
