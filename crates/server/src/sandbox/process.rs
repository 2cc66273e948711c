//! What holds for every command, since each may hold the field password: its memory is no other process's.

use std::io;

use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

/// No other process of the same user reads this one's memory, environment or open files, none attaches to it, and no crash
/// writes it to disk (prctl(2), `PR_SET_DUMPABLE`; core(5)).
///
/// # Errors
/// When the system refuses, which no Linux does.
pub(crate) fn keep_memory_to_itself() -> io::Result<()> {
    set_dumpable_behavior(DumpableBehavior::NotDumpable)?;
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    Ok(setrlimit(Resource::Core, none)?)
}
