//! Whether the database opens with what is given, and is sound.

use authcore::{Authority, Clock, Inspection, OpenError};
use fieldcrypt::UnlockError;

use super::{Finding, clock, data_key, throttle, tls};
use crate::causes::with_causes;
use crate::config::Config;
use crate::config::data_dir::DataDir;
use crate::config::field_password::Ask;

pub(super) fn examine(config: &Config, ask: Ask) -> Vec<Finding> {
    let Ok(data) = DataDir::existing(&config.data_dir) else {
        return vec![clock::examine(None)];
    };
    if !data.has_database() {
        let finding = Finding::warning(
            "database",
            format!("there is none at {}", data.database().display()),
            "postern serve makes it at its first start; or give the right place with --data-dir",
        );
        return vec![finding, clock::examine(None)];
    }
    let secret = match config.field_password.read(ask) {
        Ok(secret) => secret,
        Err(error) => {
            let finding = Finding::wrong(
                "field password",
                with_causes(&error),
                "give the field password this database was made with, by --field-password-file",
            );
            return vec![finding, clock::examine(None)];
        }
    };
    match Authority::inspect(&config.authority_options(data.database()), &secret) {
        Ok(inspection) => of(config, &inspection),
        Err(error) => vec![of_error(&error), clock::examine(None)],
    }
}

/// Of the database that this process serves from: it was found sound at the start.
pub(super) fn of_running(authority: &Authority) -> Finding {
    if authority.is_ready() {
        Finding::good(
            "database",
            "it was found sound at the start, and changes are written",
        )
    } else {
        Finding::wrong(
            "database",
            "a change could not be written, so nothing more is written until a restart",
            "read the server's log, look at the disk, and start the server again",
        )
    }
}

fn of(config: &Config, inspection: &Inspection) -> Vec<Finding> {
    let mut findings = vec![Finding::good(
        "field password",
        format!("it opens the database; from {}", config.field_password),
    )];
    if inspection.complaints.is_empty() {
        findings.push(Finding::good(
            "database",
            "as it was left, by the integrity seal and SQLite's own check",
        ));
    } else {
        findings.push(Finding::wrong(
            "database",
            inspection.complaints.join("; "),
            "keep a copy of the files as they are; restore a backup, or take it as it is with postern serve --accept-tampered",
        ));
    }
    findings.extend(data_key::of(&inspection.keys));
    findings.push(throttle::of(
        &inspection.throttle.status(Clock::system().now().wall),
    ));
    findings.extend(tls::of_database(config, &inspection.tls));
    findings.push(clock::examine(inspection.highest_wall_time));
    findings
}

fn of_error(error: &OpenError) -> Finding {
    if matches!(error, OpenError::Unlock(UnlockError::WrongSecret)) {
        return Finding::wrong(
            "field password",
            "it opens no key slot of the database",
            "give the one this database was made with, by --field-password-file",
        );
    }
    Finding::wrong(
        "database",
        with_causes(error),
        "keep a copy of the files as they are, and restore a backup",
    )
}
