//! `postern leak-test FILE`: needs no key and no configuration.

use std::fs::File;
use std::io;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::Duration;

use authcore::Clock;
use clap::Args;
use serde_json::json;

use super::exit::{Exit, Failure};
use super::output::{Block, Column, Output};
use super::progress::Progress;
use crate::leak_test::{LeakTestError, Report, Words, WordsError, examine};

const COLUMNS: [Column; 4] = [
    Column::new("COLUMN", "Column"),
    Column::new("VALUES", "Values"),
    Column::new("CLASS", "Class"),
    Column::new("HOLDS", "Holds"),
];

const FINDINGS: [Column; 4] = [
    Column::new("EXPOSED", "Kind"),
    Column::new("IN", "In"),
    Column::new("AT", "At"),
    Column::new("BEGINS", "Shown"),
];

/// How long nobody wonders what the command does.
const PATIENCE: Duration = Duration::from_secs(1);

#[derive(Args)]
pub(super) struct LeakTest {
    /// A database of Postern or of any other program, or an age file; it is only read
    file: PathBuf,
    /// Also look for these passwords, one a line, in plain and under fast hashes; - for standard input
    #[arg(long, value_name = "FILE")]
    try_passwords: Option<PathBuf>,
}

pub(super) fn run(arguments: &LeakTest, output: Output) -> Result<ExitCode, Failure> {
    let words = arguments.try_passwords.as_deref().map(words).transpose()?;
    let clock = Clock::system();
    let began = clock.now().monotonic;
    let mut shown = Progress::new(output, "bytes");
    let report = examine(&arguments.file, words, &mut |done, total| {
        if clock.now().monotonic.since(began) > PATIENCE {
            shown.at(done, total);
        }
    });
    shown.end();
    let report = report?;
    output.page(&report, &page(&report))?;
    match (report.exposed, report.unread.as_slice()) {
        (0, []) => Ok(ExitCode::SUCCESS),
        (0, unread) => Err(Failure::new(
            Exit::Data,
            format!("{} could not be read in full: {}", report.file, unread.join("; ")),
        )
        .hint("nothing is known of what was not read; take a copy that SQLite's own integrity_check passes")),
        _ => Ok(Exit::Exposed.into()),
    }
}

fn page(report: &Report) -> Vec<Block<'static>> {
    let mut blocks = vec![Block::Text(format!(
        "{}: {}, {} bytes",
        report.file, report.is, report.bytes
    ))];
    let full: Vec<_> = report.columns.iter().filter(|column| column.values > 0).collect();
    if !full.is_empty() {
        blocks.push(Block::Table(
            full.iter().map(|column| json!(column)).collect(),
            &COLUMNS,
        ));
    }
    match report.columns.len() - full.len() {
        0 => {}
        1 => blocks.push(Block::Text("1 more column is empty".to_owned())),
        empty => blocks.push(Block::Text(format!("{empty} more columns are empty"))),
    }
    if report.findings.is_empty() {
        blocks.push(Block::Text("no secret was found".to_owned()));
    } else {
        let findings = report.findings.iter().map(|finding| json!(finding));
        blocks.push(Block::Table(findings.collect(), &FINDINGS));
        blocks.push(Block::Text(match report.exposed {
            1 => "1 secret is exposed".to_owned(),
            many => format!("{many} secrets are exposed"),
        }));
    }
    blocks
}

fn words(path: &Path) -> Result<Words, Failure> {
    let read = if path.as_os_str() == "-" {
        Words::read(io::stdin().lock())
    } else {
        File::open(path).map_err(WordsError::from).and_then(Words::read)
    };
    read.map_err(|error| {
        Failure::new(
            Exit::Data,
            format!(
                "the passwords to try cannot be read from {}: {error}",
                path.display()
            ),
        )
        .hint("it is a file of lines, one password each")
    })
}

impl From<LeakTestError> for Failure {
    fn from(error: LeakTestError) -> Self {
        match &error {
            LeakTestError::Unreadable { .. } => {
                Self::of(Exit::Io, &error).hint("name a file this user may read")
            }
            LeakTestError::NotADatabase { .. } => Self::of(Exit::Data, &error)
                .hint("a database that is encrypted as a whole looks like this too"),
            LeakTestError::Database { .. } => Self::of(Exit::Data, &error)
                .hint("take a copy while nobody writes to it, with the files -wal and -journal beside it"),
            LeakTestError::Patterns(_) => Self::of(Exit::Software, &error),
        }
    }
}
