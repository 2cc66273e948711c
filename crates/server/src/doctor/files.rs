//! Who may read the files, and whether there is room for more.

use super::Finding;
use crate::causes::with_causes;
use crate::config::Config;
use crate::config::data_dir::{DataDir, DataDirError};
use crate::config::field_password::lies_below;

/// Bytes free on the data directory's file system below which an install is at risk, and below which it soon is.
const ROOM: (u64, u64) = (64 << 20, 512 << 20);

pub(super) fn examine(config: &Config) -> Vec<Finding> {
    let path = &config.data_dir;
    let mut findings = Vec::new();
    match DataDir::existing(path) {
        Ok(data) => {
            findings.push(Finding::good(
                "data directory",
                format!("{}, its owner's alone", path.display()),
            ));
            findings.push(server(&data));
            findings.extend(secret_beside_the_data(config));
        }
        Err(error @ DataDirError::Missing { .. }) => findings.push(Finding::warning(
            "data directory",
            with_causes(&error),
            "postern serve makes it at its first start; or give the right one with --data-dir",
        )),
        Err(error) => findings.push(Finding::wrong(
            "data directory",
            with_causes(&error),
            format!(
                "chown it to this user, chmod 700 {0}, chmod 600 {0}/*",
                path.display()
            ),
        )),
    }
    findings.extend(room(config));
    findings
}

fn server(data: &DataDir) -> Finding {
    match data.lock() {
        Ok(_) => Finding::good("server", "none runs on this data"),
        Err(DataDirError::InUse { .. }) => Finding::good("server", "one runs on this data"),
        Err(error) => Finding::wrong(
            "server",
            with_causes(&error),
            "look at the permissions of the data directory",
        ),
    }
}

/// A copy of the data directory must not carry its own key.
fn secret_beside_the_data(config: &Config) -> Option<Finding> {
    let file = config.field_password.file()?;
    let folder = file.parent().filter(|folder| folder.exists())?;
    if !lies_below(folder, &config.data_dir).unwrap_or(false) {
        return None;
    }
    Some(Finding::wrong(
        "field password",
        format!(
            "{} lies in the data directory, so a copy of that carries its own key",
            file.display()
        ),
        "move it elsewhere and name it with --field-password-file; if copies were made, change it",
    ))
}

fn room(config: &Config) -> Option<Finding> {
    let existing = config.data_dir.ancestors().find(|folder| folder.exists())?;
    let stat = rustix::fs::statvfs(existing).ok()?;
    let free = stat.f_bavail.saturating_mul(stat.f_frsize);
    let text = format!("{} MiB free for {}", free >> 20, config.data_dir.display());
    let mend = "make room: with a full disk nobody can sign in or refresh";
    Some(if free < ROOM.0 {
        Finding::wrong("disk", text, mend)
    } else if free < ROOM.1 {
        Finding::warning("disk", text, mend)
    } else {
        Finding::good("disk", text)
    })
}
