//! What every command stands on: the configuration, how it speaks, and the database when it needs it.

use std::sync::Arc;

use authcore::{Authority, AuthorityOptions};
use fieldcrypt::SlotSecret;

use super::exit::Failure;
use super::output::Output;
use super::prompt;
use crate::config::data_dir::DataDir;
use crate::config::{Config, Environment, Flags};

pub(super) struct Context {
    pub(super) config: Arc<Config>,
    pub(super) output: Output,
}

impl Context {
    pub(super) fn new(flags: &Flags, output: Output) -> Result<Self, Failure> {
        let config = Config::load(flags, &Environment::of_process())?;
        for (name, nearest) in &config.unknown_variables {
            let meant = nearest
                .map(|name| format!("; did you mean {name}?"))
                .unwrap_or_default();
            output.warn(&format!("the variable {name} means nothing here{meant}"));
        }
        if config.field_password.stood_in_the_environment() {
            output.warn(
                "the field password stood in the environment, where others may have seen it; \
                 it was taken out, but a file named by --field-password-file is safer",
            );
        }
        Ok(Self {
            config: Arc::new(config),
            output,
        })
    }

    /// How the existing database is opened, and with what.
    pub(super) fn existing_database(&self) -> Result<(AuthorityOptions, SlotSecret), Failure> {
        let data = DataDir::existing(&self.config.data_dir)?;
        let secret = self.config.field_password.read(prompt::field_password)?;
        Ok((self.config.authority_options(data.database()), secret))
    }

    /// Opens the existing database, beside a running server or without one, does that, and closes it.
    pub(super) async fn with_authority<T>(
        &self,
        work: impl AsyncFnOnce(&Authority) -> Result<T, Failure>,
    ) -> Result<T, Failure> {
        let (options, secret) = self.existing_database()?;
        let authority = Authority::open(&options, &secret)?;
        let result = work(&authority).await;
        authority.shutdown();
        result
    }
}
