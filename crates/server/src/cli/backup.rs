//! `postern backup`.

use std::io::IsTerminal as _;
use std::path::{Path, PathBuf};

use age::secrecy::SecretString;
use authcore::Authority;
use clap::{Args, Subcommand};
use fieldcrypt::SlotSecret;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::context::Context;
use super::exit::{Exit, Failure};
use super::output::Column;
use super::progress::Progress;
use super::prompt::{self, Asked};
use crate::backup::{self, Checked, Entry, Made, Manifest, Opener, Restore, SealedTo};
use crate::config::data_dir::DataDir;
use crate::config::secret_file;

#[derive(Subcommand)]
pub(super) enum Command {
    /// Write an encrypted backup, beside a running server or without one, and read it back before it gets its name
    Create(Create),
    /// Open a backup, and check everything in it
    Verify(Open),
    /// List the backups in a folder, and what opens each
    List {
        /// The folder [default: backup.dir of the configuration]
        dir: Option<PathBuf>,
    },
    /// Put a backup in the place of the database; ends every session, and keeps the old database aside
    Restore(RestoreArguments),
}

#[derive(Args)]
pub(super) struct Create {
    /// Where to write it, or - for standard output
    file: PathBuf,
    /// Seal it to a public key, age1… or ssh-…; may be given several times [default: backup.recipients]
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// A file with the passphrase to seal it with [default: the field password]
    #[arg(long, value_name = "PATH", conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct Open {
    /// The backup
    file: PathBuf,
    #[command(flatten)]
    with: With,
}

#[derive(Args)]
struct With {
    /// A file with the age identity or the SSH private key that opens it
    #[arg(long, value_name = "PATH")]
    identity: Option<PathBuf>,
    /// A file with the passphrase that opens it, or - for standard input [default: the field password]
    #[arg(long, value_name = "PATH", conflicts_with = "identity")]
    passphrase_file: Option<PathBuf>,
}

#[derive(Args)]
pub(super) struct RestoreArguments {
    #[command(flatten)]
    open: Open,
    /// Verify everything, say what would change, and change nothing
    #[arg(long)]
    dry_run: bool,
}

const COLUMNS: [Column; 4] = [
    Column::time("MADE", "Made"),
    Column::new("BYTES", "Bytes"),
    Column::new("OPENS WITH", "OpensWith"),
    Column::new("FILE", "File"),
];

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Create(arguments) => create(context, arguments),
        Command::Verify(arguments) => verify(context, arguments),
        Command::List { dir } => list(context, dir.as_deref()),
        Command::Restore(arguments) => restore(context, arguments),
    }
}

fn create(context: &Context, arguments: &Create) -> Result<(), Failure> {
    let stream = arguments.file.as_os_str() == "-";
    if stream && std::io::stdout().is_terminal() {
        return Err(Failure::new(Exit::Usage, "a backup is no text for a terminal")
            .hint("give a file, or send it on: postern backup create - | …"));
    }
    for recipient in &arguments.recipient {
        backup::check_recipient(recipient).map_err(|error| Failure::of(Exit::Usage, &error))?;
    }
    let data = DataDir::existing(&context.config.data_dir)?;
    let opener = context.config.field_password.open(prompt::field_password)?;
    let options = context.config.authority_options(data.database());
    let sealed_to = sealed_to(context, arguments, opener.password)?;
    let snapshot = Authority::snapshot(&options, &opener.secret)?;
    let taken = options.clock.now().wall;
    let mut bar = Progress::new(context.output, "bytes");
    let mut progress = |done, total| bar.at(done, total);
    if stream {
        let out = std::io::stdout().lock();
        let made = backup::to_stream(out, &snapshot, taken, &sealed_to, &mut progress);
        bar.end();
        made?;
        // Standard output is the backup.
        context
            .output
            .warn("what went to standard output was not read back; postern backup verify does that");
        return Ok(());
    }
    let made = backup::to_file(&arguments.file, &snapshot, taken, &sealed_to, &mut progress);
    bar.end();
    let Made { manifest, length } = made?;
    let with = match &sealed_to {
        SealedTo::Passphrase(_) => "the passphrase".to_owned(),
        SealedTo::Recipients(keys) => format!("the identity of any of {} public keys", keys.len()),
    };
    let text = format!(
        "{}: written, flushed and read back; it opens with {with}\n{}",
        arguments.file.display(),
        in_words(&manifest)
    );
    let mut json = of_manifest(&manifest);
    if let Some(members) = json.as_object_mut() {
        members.insert("Bytes".to_owned(), json!(length));
    }
    context.output.done(&json, &text)
}

/// Whom a new backup is sealed to: what was given, else what the configuration says, else the field password.
fn sealed_to(
    context: &Context,
    arguments: &Create,
    field_password: Option<Zeroizing<String>>,
) -> Result<SealedTo, Failure> {
    if !arguments.recipient.is_empty() {
        return Ok(SealedTo::Recipients(arguments.recipient.clone()));
    }
    if let Some(path) = &arguments.passphrase_file {
        return Ok(SealedTo::Passphrase(secret(&secret_file::text(path)?)));
    }
    context.default_sealed_to(field_password)
}

impl Context {
    /// Whom backups are sealed to where nothing else is said.
    pub(super) fn default_sealed_to(
        &self,
        field_password: Option<Zeroizing<String>>,
    ) -> Result<SealedTo, Failure> {
        let recipients = &self.config.backup.recipients;
        if !recipients.is_empty() {
            return Ok(SealedTo::Recipients(recipients.clone()));
        }
        field_password
            .map(|text| SealedTo::Passphrase(secret(&text)))
            .ok_or_else(|| {
                Failure::new(
                    Exit::Configuration,
                    "the database is opened without a field password, so a backup has nothing to be sealed to",
                )
                .hint("give --recipient or --passphrase-file, or set backup.recipients in the configuration")
            })
    }
}

fn secret(text: &str) -> SecretString {
    SecretString::from(text)
}

/// What opens a backup, and the secrets that may open the database in it, the likeliest first.
fn openers(context: &Context, with: &With, what: &Path) -> Result<(Opener, Vec<SlotSecret>), Failure> {
    if !what.is_file() {
        return Err(Failure::new(
            Exit::Configuration,
            format!("there is no file {}", what.display()),
        ));
    }
    let field_password = &context.config.field_password;
    // On a machine of its own there may be none; then whoever is asked is asked for the passphrase, once.
    let given = with.identity.is_some() || with.passphrase_file.is_some();
    let opener = if field_password.is_there() || !given {
        Some(field_password.open(prompt::field_password)?)
    } else {
        None
    };
    let (mut secrets, text) = match opener {
        Some(opener) => (vec![opener.secret], opener.password),
        None => (Vec::new(), None),
    };
    if let Some(path) = &with.identity {
        let identities = backup::identities_of(&secret_file::bytes(path)?)
            .map_err(|error| Failure::new(Exit::Configuration, format!("{}: {error}", path.display())))?;
        if secrets.is_empty()
            && let Some(typed) = prompt::field_password().map_err(|error| {
                Failure::new(
                    Exit::Io,
                    format!("the field password could not be asked for: {error}"),
                )
            })?
        {
            secrets.push(SlotSecret::password(&typed));
        }
        return Ok((identities, secrets));
    }
    let passphrase = match (&with.passphrase_file, text) {
        (Some(path), _) => secret_file::text(path)?,
        (None, Some(text)) => text,
        (None, None) => prompt::secret(None, "passphrase of the backup", "--passphrase-file", Asked::Once)?,
    };
    secrets.push(SlotSecret::password(&passphrase));
    Ok((Opener::Passphrase(secret(&passphrase)), secrets))
}

fn verify(context: &Context, arguments: &Open) -> Result<(), Failure> {
    let (opener, secrets) = openers(context, &arguments.with, &arguments.file)?;
    let mut bar = Progress::new(context.output, "bytes");
    let checked = backup::check(&arguments.file, &opener, &secrets, &mut |done, total| {
        bar.at(done, total)
    });
    bar.end();
    let checked = checked?;
    let complaints = checked.complaints();
    if !complaints.is_empty() {
        let text = format!("the database in it is not sound: {}", complaints.join("; "));
        return Err(Failure::new(Exit::Data, text)
            .hint("it is as it was copied; take an older backup, and look at the database itself with postern doctor")
            .details(json!({ "Complaints": complaints })));
    }
    if checked.secret.is_none() {
        context.output.warn(
            "no secret that was given opens the database in it, so its fields and its integrity seal were not looked at",
        );
    }
    let json = of_checked(&checked);
    context
        .output
        .answer(&json, &checked_in_words(&arguments.file, &checked))
}

fn list(context: &Context, dir: Option<&Path>) -> Result<(), Failure> {
    let dir = dir.or(context.config.backup.dir.as_deref()).ok_or_else(|| {
        Failure::new(Exit::Usage, "which folder is not said")
            .hint("name it, or set backup.dir in the configuration")
    })?;
    let entries = backup::list(dir)
        .map_err(|error| Failure::new(Exit::Io, format!("{} cannot be read: {error}", dir.display())))?;
    let items: Vec<Value> = entries.iter().map(of_entry).collect();
    context
        .output
        .list(&json!({ "Backups": items }), "Backups", &COLUMNS)
}

fn restore(context: &Context, arguments: &RestoreArguments) -> Result<(), Failure> {
    let RestoreArguments { open, dry_run } = arguments;
    let (opener, secrets) = openers(context, &open.with, &open.file)?;
    let path = &context.config.data_dir;
    let data = if *dry_run && !path.exists() {
        None
    } else if *dry_run {
        Some(DataDir::existing(path)?)
    } else {
        Some(DataDir::made(path)?)
    };
    // Held to the end: no server starts in between.
    let _lock = data.as_ref().map(DataDir::lock).transpose()?;
    let database = DataDir::database_in(path);
    let mut bar = Progress::new(context.output, "bytes");
    let prepared = Restore::prepare(
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
        members.insert("Kid".to_owned(), json!(ended.kid.to_string()));
        members.insert("NewCounter".to_owned(), json!(done.counter));
    }
    context.output.answer(&json, &lines.join("\n"))
}

fn plan_in_words(restore: &Restore) -> String {
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

fn rows_in_words(rows: &std::collections::BTreeMap<String, u64>) -> String {
    let total: u64 = rows.values().sum();
    format!("{total} rows")
}

fn in_words(manifest: &Manifest) -> String {
    format!(
        "taken {}, counter {}, {}, database {} bytes, SHA-256 {}",
        manifest.taken_text(),
        manifest.counter,
        rows_in_words(&manifest.rows),
        manifest.length,
        manifest.sha256
    )
}

fn checked_in_words(file: &Path, checked: &Checked) -> String {
    let manifest = &checked.manifest;
    let mut lines = vec![
        format!("{}: a backup of install {}", file.display(), manifest.install),
        format!("made by postern {}, schema {}", manifest.postern, manifest.schema),
        in_words(manifest),
    ];
    let rows: Vec<String> = manifest
        .rows
        .iter()
        .map(|(table, rows)| format!("{table} {rows}"))
        .collect();
    lines.push(format!("rows: {}", rows.join(", ")));
    if let Some(opened) = &checked.examination.opened {
        let keys: Vec<String> = opened
            .keys
            .iter()
            .map(|key| format!("{} ({}, {})", key.number, key.purpose.name(), key.state.name()))
            .collect();
        lines.push(format!("keys: {}; {} slots", keys.join(", "), opened.slots.len()));
        lines.push(format!(
            "all {} sealed fields open, every public key fits its private half, and the integrity seal holds",
            opened.verification.fields.opened
        ));
    } else {
        lines.push("its structure is sound, by SQLite's own check".to_owned());
    }
    lines.join("\n")
}

fn of_manifest(manifest: &Manifest) -> Value {
    json!({
        "Taken": manifest.taken_text(),
        "Postern": manifest.postern,
        "Install": manifest.install,
        "Counter": manifest.counter,
        "Schema": manifest.schema,
        "Rows": manifest.rows,
        "Length": manifest.length,
        "Sha256": manifest.sha256,
    })
}

fn of_checked(checked: &Checked) -> Value {
    let mut json = of_manifest(&checked.manifest);
    if let (Some(members), Some(opened)) = (json.as_object_mut(), &checked.examination.opened) {
        members.insert(
            "FieldsOpened".to_owned(),
            json!(opened.verification.fields.opened),
        );
        members.insert("Keys".to_owned(), json!(opened.keys.len()));
        members.insert("Slots".to_owned(), json!(opened.slots.len()));
    }
    json
}

fn of_entry(entry: &Entry) -> Value {
    json!({
        "Made": entry.made.to_rfc3339(),
        "Bytes": entry.length,
        "OpensWith": entry.opens_with,
        "File": entry.path.display().to_string(),
    })
}

/// What is to be known of the backups that there are when a secret changes; nothing where there are none.
pub(in crate::cli) fn of_existing(context: &Context, what: Changed) -> Option<String> {
    let dir = context.config.backup.dir.as_deref()?;
    let entries = backup::list(dir).ok()?;
    let newest = entries.last()?;
    let (passphrase, keys): (Vec<&Entry>, Vec<&Entry>) =
        entries.iter().partition(|entry| entry.opens_with == "passphrase");
    let mut text = format!(
        "the {} backups in {}, the newest of {}, are as they were: ",
        entries.len(),
        dir.display(),
        newest.made.to_rfc3339()
    );
    text.push_str(match what {
        Changed::Slot => {
            "the databases in them open with the secrets of their time, the old one among them, and hold what they held"
        }
        Changed::Keys => "they hold what they held, sealed under the keys of before, and open as before",
        Changed::AccessPassword => "a restore brings the access password of its time back",
    });
    if let Changed::Slot | Changed::Keys = what {
        if !passphrase.is_empty() {
            text.push_str(&format!(
                "; {} of them are sealed to the passphrase of their time",
                passphrase.len()
            ));
        }
        if !keys.is_empty() {
            text.push_str(&format!(
                "; {} are sealed to public keys, whose identities still open them",
                keys.len()
            ));
        }
    }
    Some(text)
}

/// What was changed.
#[derive(Clone, Copy)]
pub(in crate::cli) enum Changed {
    /// A way into the database.
    Slot,
    /// Keys in it.
    Keys,
    /// The access password.
    AccessPassword,
}
