//! `postern backup create`.

use std::io::IsTerminal as _;
use std::path::PathBuf;

use authcore::Authority;
use clap::Args;
use serde_json::json;
use zeroize::Zeroizing;

use super::words::{in_words, of_manifest};
use super::{Bar, secret};
use crate::backup::{self, Made, SealedTo};
use crate::cli::context::Context;
use crate::cli::exit::{Exit, Failure};
use crate::cli::prompt;
use crate::config::data_dir::DataDir;
use crate::config::secret_file;

#[derive(Args)]
pub(in crate::cli) struct Create {
    /// Where to write it, or - for standard output
    file: PathBuf,
    /// Seal it to a public key, age1… or ssh-…; may be given several times [default: backup.recipients]
    #[arg(long, value_name = "KEY")]
    recipient: Vec<String>,
    /// A file with the passphrase to seal it with [default: the field password]
    #[arg(long, value_name = "PATH", conflicts_with = "recipient")]
    passphrase_file: Option<PathBuf>,
}

pub(super) fn run(context: &Context, arguments: &Create) -> Result<(), Failure> {
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
    let mut bar = Bar::new(context);
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
        let passphrase = secret_file::text(path, "passphrase of the backup")?;
        return Ok(SealedTo::Passphrase(secret(&passphrase)));
    }
    context.default_sealed_to(field_password)
}
