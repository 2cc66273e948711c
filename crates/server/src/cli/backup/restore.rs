//! `postern backup restore`.

use clap::Args;
use serde_json::json;

use super::Bar;
use super::open::{Open, openers};
use super::words::rows_in_words;
use crate::backup::Restore as Prepared;
use crate::cli::context::Context;
use crate::cli::exit::Failure;
use crate::config::data_dir::DataDir;

#[derive(Args)]
pub(in crate::cli) struct Restore {
    #[command(flatten)]
    open: Open,
    /// Verify everything, say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

pub(super) fn run(context: &Context, arguments: &Restore) -> Result<(), Failure> {
    let Restore { open, dry_run } = arguments;
    let (opener, secrets) = openers(context, &open.with, &open.file)?;
    let path = &context.config.data_dir;
    let data = if *dry_run && !path.exists() {
        None
    } else if *dry_run {
        Some(DataDir::existing(path)?)
    } else {
        Some(DataDir::made(path)?)
    };
    // Held to the end: no server starts in between. Who only looks is in nobody's way.
    let locked = data.as_ref().filter(|_| !dry_run);
    let _lock = locked.map(DataDir::lock).transpose()?;
    let database = DataDir::database_in(path);
    let mut bar = Bar::new(context);
    let prepared = Prepared::prepare(
        &open.file,
        &opener,
        &secrets,
        data.as_ref().map(DataDir::path),
        &database,
        &mut |done, total| bar.at(done, total),
    );
    bar.end();
    let prepared = prepared?;
    let plan = plan_in_words(&prepared);
    let mut json = json!({
        "Taken": prepared.plan.taken.to_rfc3339(),
        "Counter": prepared.plan.checked.counter,
        "CurrentCounter": prepared.plan.current_counter,
        "Rows": prepared.plan.checked.rows,
        "Replaces": prepared.plan.replaces,
        "Restored": !dry_run,
    });
    if *dry_run {
        return context
            .output
            .answer(&json, &format!("{plan}\nnothing was changed"));
    }
    let options = context.config.authority_options(database);
    let done = prepared.carry_out(&secrets, &options)?;
    let ended = &done.ended;
    let mut lines = vec![plan, "restored.".to_owned()];
    if let Some(aside) = &done.aside {
        lines.push(format!("the database of before is kept at {}", aside.display()));
    }
    lines.push(format!(
        "no longer valid: every session ({} in the backup), every sign-in link and operation token, every access token",
        ended.sessions
    ));
    lines.push(
        match (
            ended.access_keys_compared,
            ended.access_keys_dropped.as_slice(),
            ended.access_keys_kept.as_slice(),
        ) {
            (_, [], []) => "there are no access keys".to_owned(),
            (true, [], kept) => format!(
                "access keys go on, as none was revoked since: {}",
                kept.join(", ")
            ),
            (true, dropped, _) => format!(
                "access keys revoked since the backup, gone again: {}",
                dropped.join(", ")
            ),
            (false, _, kept) => format!(
                "which access keys were revoked since the backup cannot be known here. These go on: {}; \
             revoke those that should not: postern access-keys revoke NAME",
                kept.join(", ")
            ),
        },
    );
    lines.extend(ended.recovery_codes_dropped.map(second_factor_in_words));
    lines.push("the access password, the slots and the settings are those of the backup".to_owned());
    if !context.config.field_password.is_there() {
        lines.push(format!(
            "the next start needs the field password, which is not at {}: put it there, or give --field-password-file",
            context.config.field_password
        ));
    }
    if let Some(members) = json.as_object_mut() {
        members.insert(
            "Aside".to_owned(),
            json!(done.aside.as_ref().map(|path| path.display().to_string())),
        );
        members.insert("SessionsEnded".to_owned(), json!(ended.sessions));
        members.insert("AccessKeysRevoked".to_owned(), json!(ended.access_keys_dropped));
        members.insert("AccessKeysKept".to_owned(), json!(ended.access_keys_kept));
        members.insert("AccessKeysCompared".to_owned(), json!(ended.access_keys_compared));
        members.insert(
            "RecoveryCodesDropped".to_owned(),
            json!(ended.recovery_codes_dropped),
        );
        members.insert("Kid".to_owned(), json!(ended.kid.to_string()));
        members.insert("NewCounter".to_owned(), json!(done.counter));
    }
    context.output.answer(&json, &lines.join("\n"))
}

fn second_factor_in_words(dropped: usize) -> String {
    format!(
        "the second factor of the backup is on; recovery codes that were used since, or may have been, and are gone: {dropped}. \
         The app's next code but one is taken"
    )
}

fn plan_in_words(restore: &Prepared) -> String {
    let plan = &restore.plan;
    let what = if plan.replaces {
        let seen = plan
            .current_counter
            .map_or("which opens with no secret given".to_owned(), |counter| {
                format!("counter {counter}")
            });
        format!("takes the place of the database here ({seen})")
    } else {
        "there is no database here yet".to_owned()
    };
    format!(
        "verified: a backup of {}, counter {}, {}, {} sealed fields, all of which open; {what}",
        plan.taken.to_rfc3339(),
        plan.checked.counter,
        rows_in_words(&plan.checked.rows),
        plan.checked.fields
    )
}
