//! Whether the backups that the configuration asks for are made.

use authcore::Clock;

use super::Finding;
use crate::backup::overdue;
use crate::config::Config;

/// What is wrong comes first: it is noticed by nobody otherwise, until it is too late.
pub(super) fn examine(config: &Config, findings: &mut Vec<Finding>) {
    let Some(folder) = &config.backup.dir else {
        return;
    };
    let shown = folder.display();
    let every = humantime::format_duration(config.backup.every);
    let mend = "the log and the audit log (BackupFailed) of the server say why; postern backup create FILE makes one now";
    match overdue(folder, config.backup.every, Clock::system().now().wall) {
        Ok(newest) => findings.push(Finding::good(
            "backups",
            format!("the newest in {shown} is of {}", newest.to_rfc3339()),
        )),
        Err(Some(newest)) => findings.insert(
            0,
            Finding::wrong(
                "backups",
                format!(
                    "the newest in {shown} is of {}, and one is to be made every {every}",
                    newest.to_rfc3339()
                ),
                mend,
            ),
        ),
        Err(None) => findings.insert(
            0,
            Finding::wrong(
                "backups",
                format!("there is none in {shown}, and one is to be made every {every}"),
                mend,
            ),
        ),
    }
}
