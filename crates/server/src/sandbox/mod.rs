//! The walls that the server puts around itself before it hears its first request: who breaks into it through a request still
//! reads no file but the server's own, starts no program and connects nowhere else.
//!
//! ```text
//! config ─▶ Reach: files and ports the running server needs ─▶ files.rs: Landlock   ┐
//!                                  what it never needs to ask ─▶ system_calls.rs    ┴▶ InForce: log line, doctor
//! ```
//!
//! Both are taken on while there is one thread: Landlock binds that thread and those it starts.

mod files;
mod process;
mod reach;
mod system_calls;

pub(crate) use process::{keep_memory_out_of_swap, keep_memory_to_itself};
pub(crate) use reach::Reach;

use std::fmt;

/// How much the server insists on its sandbox.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Mode {
    /// No start unless all of it is in force.
    Require,
    /// As much as the kernel has.
    BestEffort,
    Off,
}

impl Mode {
    /// As it is written in the configuration.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        match text {
            "require" => Ok(Self::Require),
            "best-effort" => Ok(Self::BestEffort),
            "off" => Ok(Self::Off),
            _ => Err("it is require, best-effort or off".to_owned()),
        }
    }
}

/// What is in force, and what is not and why. Displayed as one line.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum InForce {
    /// Nobody wanted it.
    Off,
    /// Each wall that stands, and each that does not, with the reason.
    Walls {
        standing: Vec<String>,
        missing: Vec<String>,
    },
}

/// `require`, and something is missing.
#[derive(Debug, thiserror::Error)]
#[error("the sandbox is required, and not all of it is in force: {missing}")]
pub(crate) struct Incomplete {
    missing: String,
}

impl InForce {
    /// Whether every wall stands.
    pub(crate) fn is_complete(&self) -> bool {
        matches!(self, Self::Walls { missing, .. } if missing.is_empty())
    }

    fn of(files: Result<files::Version, String>, system_calls: Result<usize, String>) -> Self {
        let (mut standing, mut missing) = (Vec::new(), Vec::new());
        match files {
            Ok(version) => files::sort(version, &mut standing, &mut missing),
            Err(reason) => missing.push(format!("files and ports ({reason})")),
        }
        match system_calls {
            Ok(count) => standing.push(format!("{count} system calls refused (seccomp)")),
            Err(reason) => missing.push(format!("system calls ({reason})")),
        }
        Self::Walls { standing, missing }
    }
}

impl fmt::Display for InForce {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Off => f.write_str("off"),
            Self::Walls { standing, missing } => {
                let in_force = if standing.is_empty() {
                    "nothing".to_owned()
                } else {
                    standing.join(", ")
                };
                write!(f, "in force: {in_force}")?;
                if missing.is_empty() {
                    Ok(())
                } else {
                    write!(f, "; not in force: {}", missing.join(", "))
                }
            }
        }
    }
}

/// Puts the walls up around this process, for good. Must be called before there is another thread.
///
/// # Errors
/// When something is missing that is required.
pub(crate) fn enter(mode: Mode, reach: &Reach) -> Result<InForce, Incomplete> {
    if mode == Mode::Off {
        return Ok(InForce::Off);
    }
    let in_force = InForce::of(files::restrict(reach), system_calls::refuse());
    match (&in_force, mode) {
        (InForce::Walls { missing, .. }, Mode::Require) if !missing.is_empty() => Err(Incomplete {
            missing: missing.join(", "),
        }),
        _ => Ok(in_force),
    }
}

/// What a server on this machine would have in force.
pub(crate) fn possible(mode: Mode) -> InForce {
    match mode {
        Mode::Off => InForce::Off,
        Mode::Require | Mode::BestEffort => InForce::of(files::available(), system_calls::available()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_line_says_what_stands_what_does_not_and_why() {
        let all = InForce::of(Ok(files::Version(7)), Ok(60));
        assert!(all.is_complete(), "{all}");
        assert_eq!(
            all.to_string(),
            "in force: files, ports, signals and abstract sockets (Landlock 7), 60 system calls refused (seccomp)"
        );
        let debian_12 = InForce::of(Ok(files::Version(2)), Ok(60));
        assert!(!debian_12.is_complete());
        assert_eq!(
            debian_12.to_string(),
            "in force: files (Landlock 2), 60 system calls refused (seccomp); \
             not in force: truncation, ports, devices, signals and abstract sockets (this kernel's Landlock is version 2, and 6 has them)"
        );
        let none = InForce::of(Err("no Landlock".to_owned()), Err("no seccomp".to_owned()));
        assert_eq!(
            none.to_string(),
            "in force: nothing; not in force: files and ports (no Landlock), system calls (no seccomp)"
        );
        assert!(!InForce::Off.is_complete());
    }
}
