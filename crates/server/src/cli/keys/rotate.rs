//! `postern keys rotate`.

use std::path::PathBuf;

use authcore::{Authority, Client, KeyKind, KeyRotation, RotationProgress};
use clap::{ArgGroup, Args, ValueEnum};
use fieldcrypt::{RecoveryKey, SlotInfo, SlotKind, SlotSecret};
use serde_json::{Value, json};

use super::named;
use crate::cli::backup::{Changed, of_existing};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::progress::Progress;
use crate::cli::prompt;
use crate::cli::slots::{New, new_recovery_key};
use crate::config::secret_file;
use crate::shapes::keys::RotationReport;
use crate::urgency;

#[derive(Args)]
#[command(group(ArgGroup::new("what").required(true).args(["kind", "status", "abort", "emergency"])))]
pub(in crate::cli) struct Rotate {
    /// The kind of key
    kind: Option<Kind>,
    /// Say how far a rotation is, and change nothing
    #[arg(long)]
    status: bool,
    /// Call the rotation of the data key off: the old key seals again, and every field is sealed back
    #[arg(long)]
    abort: bool,
    /// After a theft: new keys of every kind and a new field password; ends every session, removes every other slot
    #[arg(long)]
    emergency: bool,
    #[command(flatten)]
    keep: WaysIn,
    #[command(flatten)]
    new: New,
}

/// Secrets of slots that are to open the database as before; a new master key must be wrapped for each.
#[derive(Args)]
struct WaysIn {
    /// With master or all: a file with the field password of another slot that stays; may be given several times
    #[arg(long, value_name = "PATH")]
    keep_password_file: Vec<PathBuf>,
    /// With master or all: a file with a recovery key that stays; may be given several times
    #[arg(long, value_name = "PATH")]
    keep_recovery_key_file: Vec<PathBuf>,
    /// With master or all: a key file that stays; may be given several times
    #[arg(long, value_name = "PATH")]
    keep_key_file: Vec<PathBuf>,
    /// With master or all: remove the slots whose secrets are not given, without asking for them
    #[arg(long)]
    drop_other_slots: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
enum Kind {
    /// The key that signs tokens: tokens out there stay good until they expire
    Signing,
    /// The key that seals fields: every field is sealed anew, the old key is destroyed and purged from the files
    Data,
    /// The key under which the others are wrapped; the secret of each slot that is to stay is needed
    Master,
    /// One after the other; killed, the command goes on where it stood when it is run again
    All,
}

impl Kind {
    fn kinds(self) -> &'static [KeyKind] {
        match self {
            Self::Signing => &[KeyKind::Signing],
            Self::Data => &[KeyKind::Data],
            Self::Master => &[KeyKind::Master],
            Self::All => &KeyKind::ALL,
        }
    }
}

pub(super) fn run(context: &Context, arguments: &Rotate) -> Result<(), Failure> {
    if !arguments.status
        && let Some(text) = of_existing(context, Changed::Keys)
    {
        context.output.warn(&text);
    }
    match arguments.kind {
        Some(kind) => rotate(context, kind, &arguments.keep),
        None if arguments.status => status(context),
        None if arguments.abort => abort(context),
        None => emergency(context, &arguments.new),
    }
}

fn rotate(context: &Context, kind: Kind, keep: &WaysIn) -> Result<(), Failure> {
    // Beside a server that answers meanwhile; an emergency does not wait for it.
    urgency::give_way();
    let (options, secret) = context.existing_database()?;
    let mut rotation = KeyRotation::open(&options, &secret)?;
    let client = Client::local();
    // A single kind is made now, whatever an earlier rotation of all kinds has left to do.
    let left = match kind {
        Kind::All => rotation.pending()?,
        Kind::Signing | Kind::Data | Kind::Master => Vec::new(),
    };
    let wanted = if left.is_empty() {
        kind.kinds().to_vec()
    } else {
        left
    };
    // Whoever is asked for secrets is asked before anything changes.
    let mut secrets = Vec::new();
    if wanted.contains(&KeyKind::Master) {
        let others = rotation.other_slots(&secret)?;
        secrets.push(secret);
        keep.collect(&others, &mut secrets)?;
    }
    if let Kind::All = kind {
        rotation.plan(&wanted)?;
    }
    let mut done = Vec::new();
    let mut answer = json!({ "Rotated": wanted.iter().map(|kind| kind.name()).collect::<Vec<_>>() });
    for next in &wanted {
        match next {
            KeyKind::Signing => {
                let new = rotation.rotate_signing(&client)?.to_string();
                done.push(format!(
                    "key {new} signs from now on; the one before verifies until the last token it signed has expired"
                ));
                put(&mut answer, "Kid", Value::from(new));
            }
            KeyKind::Master => {
                let rotated = rotation.rotate_master(&secrets, &client)?;
                let removed: Vec<i64> = rotated.removed.iter().map(|slot| slot.0).collect();
                done.push(match removed.as_slice() {
                    [] => "the master key is new; every slot opens as before".to_owned(),
                    [..] => format!(
                        "the master key is new; removed, since their secrets were not given: slots {removed:?} \
                         (postern slots add makes new ones)"
                    ),
                });
                put(&mut answer, "SlotsRemoved", json!(removed));
            }
            KeyKind::Data => {
                // It ends with the key of before, and a new one is what is asked for.
                if rotation.goes_back()? {
                    walk(context, &mut rotation)?;
                }
                rotation.begin_data(&client)?;
                walk(context, &mut rotation)?;
                done.push(DATA_DONE.to_owned());
            }
        }
    }
    done.push(COPIES.to_owned());
    context.output.done(&answer, &done.join("\n"))
}

const DATA_DONE: &str = "every field is sealed with the new data key; the old one is destroyed, and no byte of it is in the files";

const COPIES: &str = "copies made before, backups and snapshots, still hold what they held";

/// Goes on until the rotation of the data key is done.
fn walk(context: &Context, rotation: &mut KeyRotation) -> Result<(), Failure> {
    let client = Client::local();
    let mut progress = Progress::new(context.output, "rows");
    loop {
        match rotation.advance_data(&client)? {
            RotationProgress::Walking { done, total } => progress.at(done, total),
            RotationProgress::Purging => {
                progress.says("the old key is destroyed; rewriting the file without it");
            }
            RotationProgress::Blocked(fields) => {
                progress.end();
                let text = format!(
                    "the old key stays for fields that do not open: {}",
                    named(&fields)
                );
                return Err(Failure::new(Exit::Data, text).hint(
                    "mend or delete these rows, then run the command again: it goes on where it stands",
                ));
            }
            RotationProgress::Done => {
                progress.end();
                return Ok(());
            }
        }
    }
}

fn status(context: &Context) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let inspection = Authority::inspect(&options, &secret)?;
    let report = RotationReport::of(inspection.rotation.as_ref(), &inspection.pending_keys);
    context.output.answer(&report, &report.for_people())
}

fn abort(context: &Context) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let mut rotation = KeyRotation::open(&options, &secret)?;
    rotation.abort_data(&Client::local())?;
    walk(context, &mut rotation)?;
    context.output.done(
        &json!({ "Aborted": "data" }),
        "every field is sealed with the data key of before; the new one is destroyed, and no byte of it is in the files",
    )
}

/// In this order: no new key is ever wrapped under one that is known.
fn emergency(context: &Context, new: &New) -> Result<(), Failure> {
    let (options, secret) = context.existing_database()?;
    let mut rotation = KeyRotation::open(&options, &secret)?;
    let had_recovery = rotation
        .other_slots(&secret)?
        .iter()
        .any(|slot| slot.kind == SlotKind::RecoveryKey);
    let mut secrets = vec![new.of_no_kind()?];
    let mut shown = None;
    if had_recovery {
        let (recovery, printable) = new_recovery_key()?;
        secrets.push(recovery);
        shown = Some(printable);
    }
    let client = Client::local();
    let rotated = rotation.replace_all_access(&secret, &secrets, &client)?;
    context.output.warn(
        "the old secret opens nothing any more, and a server that was started with it ends by itself: \
         put the new one where the server reads it from, and start it again",
    );
    let kid = rotation.end_everything(&client)?;
    // One that was under way made its key under the old master key.
    if !rotation.begin_data(&client)? {
        walk(context, &mut rotation)?;
        rotation.begin_data(&client)?;
    }
    walk(context, &mut rotation)?;

    let mut answer = json!({
        "Rotated": KeyKind::ALL.map(KeyKind::name),
        "Kid": kid.to_string(),
        "SlotsRemoved": rotated.removed.iter().map(|slot| slot.0).collect::<Vec<_>>(),
    });
    let second_factor = if rotation.has_second_factor()? {
        ". The secret of the second factor could be read there too: switch it off and on again"
    } else {
        ""
    };
    let text = format!(
        "every session is ended, every signing, master and data key is new, and no byte of the old ones is in the files; \
         with tls.self_signed the next start makes a new local authority, which devices must be told to trust\n\
         {COPIES}: whoever has one of them and the old secret reads what it holds. Set a new access password \
         (postern password set), and make access keys and the secrets in your settings anew{second_factor}"
    );
    let Some(shown) = shown else {
        return context.output.done(&answer, &text);
    };
    put(&mut answer, "RecoveryKey", json!(shown.as_str()));
    let text = format!(
        "{text}\na new recovery key, shown this once. Print it and keep it away from this machine:\n  {}",
        shown.as_str()
    );
    context.output.answer(&answer, &text)
}

impl WaysIn {
    /// The secrets of other slots that stay: those given, else those that the person at the terminal types.
    fn collect(&self, others: &[SlotInfo], secrets: &mut Vec<SlotSecret>) -> Result<(), Failure> {
        let before = secrets.len();
        for path in &self.keep_password_file {
            secrets.push(SlotSecret::password(&secret_file::text(
                path,
                "field password that stays",
            )?));
        }
        for path in &self.keep_recovery_key_file {
            secrets.push(recovery_key(&secret_file::text(
                path,
                "recovery key that stays",
            )?)?);
        }
        for path in &self.keep_key_file {
            let secret = SlotSecret::key_file(secret_file::bytes(path)?.to_vec());
            secrets.push(secret.map_err(|error| Failure::of(Exit::Data, &error))?);
        }
        let given = secrets.len() - before;
        if self.drop_other_slots || given >= others.len() {
            return Ok(());
        }
        if given > 0 || !prompt::somebody_is_there() {
            let listed: Vec<String> = others
                .iter()
                .map(|slot| format!("{} ({}, {:?})", slot.id, slot.kind.name(), slot.label))
                .collect();
            let text = format!(
                "slots whose secrets are not given would be removed; the others are: {}",
                listed.join(", ")
            );
            return Err(Failure::new(Exit::Usage, text).hint(
                "give their secrets with --keep-password-file, --keep-recovery-key-file or --keep-key-file, \
                 or say --drop-other-slots",
            ));
        }
        for slot in others {
            let (what, label) = (slot.kind.name(), &slot.label);
            let Some(typed) = prompt::or_nothing(&format!(
                "Secret of slot {} ({what}, {label:?}); nothing: the slot is removed",
                slot.id
            ))?
            else {
                continue;
            };
            secrets.push(match slot.kind {
                SlotKind::Password => SlotSecret::password(&typed),
                SlotKind::RecoveryKey => recovery_key(&typed)?,
                SlotKind::KeyFile => {
                    let bytes = secret_file::bytes(typed.as_str().as_ref())?;
                    SlotSecret::key_file(bytes.to_vec()).map_err(|error| Failure::of(Exit::Data, &error))?
                }
            });
        }
        Ok(())
    }
}

fn recovery_key(text: &str) -> Result<SlotSecret, Failure> {
    RecoveryKey::parse(text)
        .map(SlotSecret::recovery_key)
        .map_err(|error| Failure::of(Exit::Data, &error).hint("nothing was changed"))
}

fn put(answer: &mut Value, member: &str, value: Value) {
    if let Some(members) = answer.as_object_mut() {
        members.insert(member.to_owned(), value);
    }
}
