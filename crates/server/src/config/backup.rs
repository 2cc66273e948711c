//! The table `[backup]`: where the server puts the backups that it makes by itself, how often, which stay, and who opens them.

use std::path::PathBuf;
use std::time::Duration;

use super::ConfigError;
use super::layers::Layers;
use crate::backup::{Keep, check_recipient};

/// Less would make backups all the time.
const EVERY_LEAST: Duration = Duration::from_secs(60);

/// Most days, weeks or months that are kept of.
const KEEP_MOST: u32 = 1000;

/// How the server makes backups.
#[derive(Debug)]
pub(crate) struct BackupConfig {
    /// Where; `None`: it makes none.
    pub(crate) dir: Option<PathBuf>,
    pub(crate) every: Duration,
    pub(crate) keep: Keep,
    /// Whom they are sealed to; nobody: to the field password.
    pub(crate) recipients: Vec<String>,
}

impl BackupConfig {
    pub(super) fn load(layers: &Layers) -> Result<Self, ConfigError> {
        let recipients = layers.list("backup.recipients");
        for recipient in &recipients {
            layers.check("backup.recipients", check_recipient(recipient))?;
        }
        Ok(Self {
            dir: layers.optional("backup.dir", |text| {
                let path = PathBuf::from(text);
                if path.is_absolute() {
                    Ok(path)
                } else {
                    Err("it is an absolute path".to_owned())
                }
            })?,
            every: layers.parsed("backup.every", |text| {
                humantime::parse_duration(text)
                    .ok()
                    .filter(|every| *every >= EVERY_LEAST)
                    .ok_or_else(|| "it is a minute or more, such as 24h".to_owned())
            })?,
            keep: Keep {
                daily: layers.number("backup.keep_daily", 0..=KEEP_MOST)?,
                weekly: layers.number("backup.keep_weekly", 0..=KEEP_MOST)?,
                monthly: layers.number("backup.keep_monthly", 0..=KEEP_MOST)?,
            },
            recipients,
        })
    }
}
