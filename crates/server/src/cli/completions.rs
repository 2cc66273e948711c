//! `postern completions` and `postern man`, from the definitions that the help comes from.

use std::path::PathBuf;

use clap::{Args, CommandFactory as _};
use clap_complete::Shell;
use serde_json::json;

use super::arguments::Arguments;
use super::exit::{Exit, Failure};
use super::output::Output;

#[derive(Args)]
pub(super) struct Completions {
    /// The shell
    shell: Shell,
}

#[derive(Args)]
pub(super) struct Man {
    /// Write a page for every command into this folder, instead of printing the first
    #[arg(long, value_name = "FOLDER")]
    out: Option<PathBuf>,
}

pub(super) fn completions(arguments: &Completions) -> Result<(), Failure> {
    let mut bytes = Vec::new();
    clap_complete::generate(arguments.shell, &mut Arguments::command(), "postern", &mut bytes);
    Output::verbatim(&String::from_utf8_lossy(&bytes))
}

pub(super) fn man(arguments: &Man, output: Output) -> Result<(), Failure> {
    if let Some(folder) = &arguments.out {
        let written = std::fs::create_dir_all(folder)
            .and_then(|()| clap_mangen::generate_to(Arguments::command(), folder));
        let place = folder.display().to_string();
        written.map_err(|error| {
            Failure::new(
                Exit::CannotCreate,
                format!("manual pages cannot be written to {place}: {error}"),
            )
        })?;
        return output.done(
            &json!({ "Folder": place }),
            &format!("manual pages are in {place}"),
        );
    }
    let mut bytes = Vec::new();
    clap_mangen::Man::new(Arguments::command())
        .render(&mut bytes)
        .map_err(|error| Failure::new(Exit::Software, format!("the manual page cannot be made: {error}")))?;
    Output::verbatim(&String::from_utf8_lossy(&bytes))
}
