//! What holds for every command, since each may hold the field password: its memory is no other process's. The server's is not
//! written to swap either.

use std::io;

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, set_dumpable_behavior, setrlimit};

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

/// No page of this process is written to swap, from here to its end (mlockall(2)). All of them and not those of some types: what gives
/// keys away is in key schedules of ciphers, buffers of TLS and registers saved on stacks too. A page counts once it is used.
///
/// # Errors
/// In words, when there is a limit: memory asked for beyond it would be refused, which ends a server. So it is all or nothing.
pub(crate) fn keep_memory_out_of_swap() -> Result<(), String> {
    let limit = getrlimit(Resource::Memlock);
    if let Some(bytes) = limit.current {
        let none = Rlimit {
            current: None,
            maximum: None,
        };
        setrlimit(Resource::Memlock, none)
            .map_err(|_| format!("only {bytes} bytes may be locked; LimitMEMLOCK=infinity is needed"))?;
    }
    mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT)
        .map_err(|error| error.to_string())
}
