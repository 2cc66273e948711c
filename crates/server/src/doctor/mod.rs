//! What is wrong with this install, and how to mend it. Looks, and changes nothing.

mod backup;
mod clock;
mod data_key;
mod database;
mod files;
mod sandbox;
mod throttle;
mod tls;

use authcore::Authority;
use serde::Serialize;
use utoipa::ToSchema;

use crate::causes::with_causes;
use crate::config::field_password::Ask;
use crate::config::{Config, ConfigError};
use crate::sandbox::{InForce, possible};

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Severity {
    /// As it should be.
    Good,
    /// Works, but not for ever or not for everybody.
    Warning,
    /// Does not work, or is not safe.
    Wrong,
}

/// One thing that was looked at.
#[derive(Debug, Serialize, ToSchema)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct Finding {
    pub(crate) severity: Severity,
    /// What was looked at.
    pub(crate) about: &'static str,
    /// What was found.
    pub(crate) found: String,
    /// What to do; absent when nothing needs doing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) mend: Option<String>,
}

impl Finding {
    fn good(about: &'static str, found: impl Into<String>) -> Self {
        Self {
            severity: Severity::Good,
            about,
            found: found.into(),
            mend: None,
        }
    }

    fn warning(about: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            severity: Severity::Warning,
            about,
            found: found.into(),
            mend: Some(mend.into()),
        }
    }

    fn wrong(about: &'static str, found: impl Into<String>, mend: impl Into<String>) -> Self {
        Self {
            severity: Severity::Wrong,
            ..Self::warning(about, found, mend)
        }
    }
}

/// Looks at everything that can be looked at.
pub(crate) fn examine(config: &Result<Config, ConfigError>, ask: Ask) -> Vec<Finding> {
    let config = match config {
        Ok(config) => config,
        Err(error) => {
            return vec![Finding::wrong(
                "configuration",
                with_causes(error),
                "postern config check says more once this is mended",
            )];
        }
    };
    let mut findings = around_the_database(config);
    findings.push(sandbox::of(&possible(config.sandbox)));
    findings.extend(database::examine(config, ask));
    backup::examine(config, &mut findings);
    findings
}

/// Looks at what a running server can look at without opening its database a second time.
pub(crate) fn examine_running(config: &Config, in_force: &InForce, authority: &Authority) -> Vec<Finding> {
    let mut findings = around_the_database(config);
    findings.push(sandbox::of(in_force));
    findings.push(database::of_running(authority));
    findings.extend(data_key::of(&authority.sealing_keys()));
    findings.push(throttle::of(&authority.passwords().throttle_status()));
    findings.push(clock::examine(Some(authority.clock().now().wall)));
    backup::examine(config, &mut findings);
    findings
}

fn around_the_database(config: &Config) -> Vec<Finding> {
    let mut findings = vec![of_configuration(config)];
    findings.extend(config.unknown_variables.iter().map(|(name, nearest)| {
        let mend = nearest.map_or_else(
            || "take it away".to_owned(),
            |near| format!("perhaps {near} was meant"),
        );
        Finding::warning(
            "configuration",
            format!("the variable {name} means nothing here"),
            mend,
        )
    }));
    findings.extend(files::examine(config));
    findings.extend(tls::examine(config));
    findings
}

fn of_configuration(config: &Config) -> Finding {
    let file = config.file.as_ref();
    let from = file.map_or_else(
        || "no file, defaults".to_owned(),
        |path| path.display().to_string(),
    );
    Finding::good("configuration", from)
}
