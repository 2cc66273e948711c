//! How far something is: a bar with rate and time left for a person at a terminal, a line now and then for others.

use std::fmt::Write;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressState, ProgressStyle};
use serde_json::json;

use super::output::Output;

/// A line for every this many hundredths, where there is no bar.
const LINE_EVERY: u64 = 10;

/// What a command shows while it works.
pub(super) struct Progress {
    output: Output,
    bar: ProgressBar,
    unit: &'static str,
    /// Hundredths that the last line told, or more.
    told: Option<u64>,
}

impl Progress {
    /// Counts things of that name.
    pub(super) fn new(output: Output, unit: &'static str) -> Self {
        let target = if output.a_person_watches() {
            ProgressDrawTarget::stderr_with_hz(10)
        } else {
            ProgressDrawTarget::hidden()
        };
        let bar = ProgressBar::with_draw_target(None, target);
        let style = format!(
            "{{bar:30}} {{percent:>3}} %  {{human_pos}} of {{human_len}} {unit}, {{rate}}, {{eta}} left"
        );
        if let Ok(style) = ProgressStyle::with_template(&style) {
            bar.set_style(
                style.with_key("rate", |state: &ProgressState, out: &mut dyn Write| {
                    // A bar that cannot be drawn is no reason to stop.
                    let _ = write!(out, "{:.0}/s", state.per_sec());
                }),
            );
        }
        Self {
            output,
            bar,
            unit,
            told: None,
        }
    }

    /// So many of so many.
    pub(super) fn at(&mut self, done: u64, total: u64) {
        let done = done.min(total);
        self.bar.set_length(total);
        self.bar.set_position(done);
        if self.output.a_person_watches() {
            return;
        }
        let hundredths = (done * 100).checked_div(total).unwrap_or(100);
        let due = self
            .told
            .is_none_or(|told| hundredths < told || hundredths >= told + LINE_EVERY);
        if due {
            self.told = Some(hundredths - hundredths % LINE_EVERY);
            self.output.progress(
                &json!({ "Done": done, "Total": total }),
                &format!("{done} of {total} {}", self.unit),
            );
        }
    }

    /// What it is at now, where there is nothing to count.
    pub(super) fn says(&self, text: &str) {
        if self.output.a_person_watches() {
            self.bar.println(text);
        } else {
            self.output.progress(&json!({ "At": text }), text);
        }
    }

    /// Takes the bar away.
    pub(super) fn end(&self) {
        self.bar.finish_and_clear();
    }
}
