//! The field password out of the environment, where `/proc/<pid>/environ`, `ps e` and every child would show it: this
//! process starts itself again in its own place, without the variable, and hands the value on through a pipe.
//!
//! Taking the variable away from within would not do: the kernel goes on showing the memory the process was started with.

use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::process::CommandExt as _;

use rustix::io::{FdFlags, fcntl_setfd};

use super::environment::{FIELD_PASSWORD, FIELD_PASSWORD_PIPE};

/// Longest value handed on, in bytes. A pipe takes as much without anybody reading (pipe(7): at least one page).
const MAXIMUM: usize = 4096;

/// Returns at once when the variable is not there. Must be called before there is another thread.
///
/// # Errors
/// When the pipe or the new start fails; on success this does not return.
#[expect(
    clippy::disallowed_methods,
    reason = "this is the room that reads the environment"
)]
pub(crate) fn without_the_field_password() -> io::Result<()> {
    let Some(value) = std::env::var_os(FIELD_PASSWORD) else {
        return Ok(());
    };
    if value.len() > MAXIMUM {
        return Err(io::Error::other(format!(
            "{FIELD_PASSWORD} holds more than {MAXIMUM} bytes"
        )));
    }
    let (reader, mut writer) = io::pipe()?;
    writer.write_all(value.as_bytes())?;
    drop(writer);
    // The one descriptor that the new program inherits.
    fcntl_setfd(&reader, FdFlags::empty())?;
    let mut again = std::process::Command::new("/proc/self/exe");
    if let Some(name) = std::env::args_os().next() {
        again.arg0(name);
    }
    Err(again
        .args(std::env::args_os().skip(1))
        .env_remove(FIELD_PASSWORD)
        .env(
            FIELD_PASSWORD_PIPE,
            format!("/proc/self/fd/{}", reader.as_raw_fd()),
        )
        .exec())
}
