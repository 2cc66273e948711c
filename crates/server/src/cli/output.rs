//! The only place that prints: results on standard output, for people or as JSON; remarks and failures on standard error.

use std::io::{self, IsTerminal as _, Write as _};
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::exit::{Exit, Failure};

/// How a command speaks.
#[derive(Clone, Copy, Debug)]
pub(super) struct Output {
    json: bool,
    quiet: bool,
}

/// What a column of a table shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Column {
    heading: &'static str,
    member: &'static str,
    form: Form,
}

#[derive(Clone, Copy, Debug)]
enum Form {
    Plain,
    /// Seconds, as days, hours and so on.
    Age,
    /// RFC 3339, without the fractions of a second.
    Time,
}

/// A part of a page.
pub(super) enum Block<'a> {
    Text(String),
    /// Items as a table.
    Table(Vec<Value>, &'a [Column]),
}

impl Column {
    /// A member as it is.
    pub(super) const fn new(heading: &'static str, member: &'static str) -> Self {
        Self {
            heading,
            member,
            form: Form::Plain,
        }
    }

    /// A member that is a time.
    pub(super) const fn time(heading: &'static str, member: &'static str) -> Self {
        Self {
            heading,
            member,
            form: Form::Time,
        }
    }

    /// A member in seconds, shown as people say it.
    pub(super) const fn age(heading: &'static str, member: &'static str) -> Self {
        Self {
            heading,
            member,
            form: Form::Age,
        }
    }
}

impl Output {
    pub(super) const fn new(json: bool, quiet: bool) -> Self {
        Self { json, quiet }
    }

    /// What was asked for: the JSON or the text, in full.
    ///
    /// # Errors
    /// When standard output takes no more; a reader that went away is no error.
    pub(super) fn answer(self, json: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.json {
            print_json(json)
        } else {
            print(&format!("{text}\n"))
        }
    }

    /// A list: the JSON, or one of its members as a table.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn list(self, json: &impl Serialize, member: &str, columns: &[Column]) -> Result<(), Failure> {
        self.lists(json, &[(member, columns)], "")
    }

    /// Several lists of one answer, each a table, and what else there is to say.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn lists(
        self,
        json: &impl Serialize,
        lists: &[(&str, &[Column])],
        more: &str,
    ) -> Result<(), Failure> {
        if self.json {
            return print_json(json);
        }
        let whole = value(json)?;
        let tables = lists.iter().map(|(member, columns)| {
            let items = whole.get(member).and_then(Value::as_array);
            table(items.map_or(&[], Vec::as_slice), columns)
        });
        let more = Some(format!("{more}\n")).filter(|_| !more.is_empty());
        print(&tables.chain(more).collect::<Vec<_>>().join("\n"))
    }

    /// Text and lists of one answer, one below the other.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn page(self, json: &impl Serialize, blocks: &[Block<'_>]) -> Result<(), Failure> {
        if self.json {
            return print_json(json);
        }
        let texts = blocks.iter().map(|block| match block {
            Block::Text(text) => format!("{}\n", on_one_line(text)),
            Block::Table(items, columns) => table(items, columns),
        });
        print(&texts.collect::<Vec<_>>().join("\n"))
    }

    /// That something was done, unless nobody wants to know.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn done(self, json: &impl Serialize, text: &str) -> Result<(), Failure> {
        if self.quiet {
            Ok(())
        } else {
            self.answer(json, text)
        }
    }

    /// Text as it is, whatever the flags say: completions, man pages.
    ///
    /// # Errors
    /// As [`Output::answer`].
    pub(super) fn verbatim(text: &str) -> Result<(), Failure> {
        print(text)
    }

    /// Something the person should know, beside the answer.
    pub(super) fn warn(self, text: &str) {
        match (self.quiet, self.json) {
            (true, _) => {}
            (false, true) => complain(&json!({ "Warning": text }).to_string()),
            (false, false) => complain(&format!("warning: {text}")),
        }
    }

    /// How far something is, in a line of its own.
    pub(super) fn progress(self, json: &Value, text: &str) {
        match (self.quiet, self.json) {
            (true, _) => {}
            (false, true) => complain(&json!({ "Progress": json }).to_string()),
            (false, false) => complain(text),
        }
    }

    /// Whether a person watches what is said beside the answer.
    pub(super) fn a_person_watches(self) -> bool {
        !self.quiet && !self.json && io::stderr().is_terminal()
    }

    /// What went wrong, and what to do next.
    pub(super) fn failure(self, failure: &Failure) {
        if self.json {
            let mut error = json!({ "Error": failure.message, "Code": failure.exit as u8 });
            if let (Some(hint), Some(members)) = (&failure.hint, error.as_object_mut()) {
                members.insert("Hint".to_owned(), Value::from(hint.as_ref()));
            }
            if let (Some(details), Some(members)) = (&failure.details, error.as_object_mut()) {
                members.insert("Details".to_owned(), details.clone());
            }
            complain(&error.to_string());
        } else {
            complain(&format!("postern: {}", failure.message));
            if let Some(hint) = &failure.hint {
                complain(&format!("hint: {hint}"));
            }
        }
    }
}

/// Whether a person reads standard output; what is not read by one may be kept by a log.
pub(super) fn a_person_reads() -> bool {
    io::stdout().is_terminal()
}

fn value(json: &impl Serialize) -> Result<Value, Failure> {
    serde_json::to_value(json)
        .map_err(|error| Failure::new(Exit::Software, format!("an answer is no JSON: {error}")))
}

fn print_json(json: &impl Serialize) -> Result<(), Failure> {
    print(&format!("{:#}\n", value(json)?))
}

fn print(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        // `postern … | head` has what it wants.
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Err(error) => Err(Failure::new(
            Exit::Io,
            format!("standard output cannot be written: {error}"),
        )),
        Ok(()) => Ok(()),
    }
}

/// `eprintln!` panics when standard error is closed; there is nobody to tell then.
fn complain(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{text}");
}

fn table(items: &[Value], columns: &[Column]) -> String {
    let mut lines: Vec<Vec<String>> = vec![columns.iter().map(|column| column.heading.to_owned()).collect()];
    lines.extend(items.iter().map(|item| {
        let cells = columns
            .iter()
            .map(|column| cell(item.get(column.member), column.form));
        cells.collect()
    }));
    let widths: Vec<usize> = (0..columns.len())
        .map(|place| {
            let cells = lines.iter().filter_map(|line| line.get(place));
            cells.map(|cell| cell.chars().count()).max().unwrap_or(0)
        })
        .collect();
    let mut text = String::new();
    for line in lines {
        let cells = line
            .iter()
            .zip(&widths)
            .map(|(cell, width)| format!("{cell:width$}"));
        text.push_str(cells.collect::<Vec<_>>().join("  ").trim_end());
        text.push('\n');
    }
    text
}

/// One value in one line. Control characters could write to the terminal, and some texts come from strangers.
fn cell(value: Option<&Value>, form: Form) -> String {
    let text = match (value, form) {
        (Some(Value::Number(seconds)), Form::Age) => {
            let seconds = seconds.as_u64().unwrap_or(0);
            let coarse = if seconds >= 86_400 {
                seconds - seconds % 3600
            } else {
                seconds
            };
            humantime::format_duration(Duration::from_secs(coarse)).to_string()
        }
        (None | Some(Value::Null), _) => "-".to_owned(),
        (Some(Value::String(time)), Form::Time) => match time.split_once('.') {
            Some((seconds, _)) => format!("{seconds}Z"),
            None => time.clone(),
        },
        (Some(Value::Bool(value)), _) => value.to_string(),
        (Some(Value::String(text)), _) => text.clone(),
        (Some(Value::Array(items)), _) => {
            let items = items.iter().map(|item| cell(Some(item), Form::Plain));
            items.collect::<Vec<_>>().join(", ")
        }
        (Some(value @ (Value::Number(_) | Value::Object(_))), _) => value.to_string(),
    };
    on_one_line(&text)
}

/// Control characters could write to the terminal.
fn on_one_line(text: &str) -> String {
    text.chars()
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_are_as_wide_as_their_widest_cell_and_nothing_trails() {
        let items = [
            json!({ "Name": "a", "Age": 864_003, "Scopes": ["api", "metrics"] }),
            json!({ "Name": "l\u{e4}ngste", "Age": 90, "Scopes": [] }),
        ];
        let columns = [
            Column::new("NAME", "Name"),
            Column::age("AGE", "Age"),
            Column::new("SCOPES", "Scopes"),
        ];
        assert_eq!(
            table(&items, &columns),
            "NAME     AGE     SCOPES\na        10days  api, metrics\nl\u{e4}ngste  1m 30s\n"
        );
    }

    #[test]
    fn nothing_a_stranger_wrote_reaches_the_terminals_controls() {
        let hostile = json!("\u{1b}]0;title\u{7}\u{9b}2J\nsecond line");
        assert!(!cell(Some(&hostile), Form::Plain).chars().any(char::is_control));
    }
}
