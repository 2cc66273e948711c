//! Who runs where: the server under test on the first core, who asks it on the last, by taskset(1), so that neither takes
//! the other's time.

use std::process::Command;

/// Where a server runs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cores {
    /// On the first core alone.
    First,
    /// On every core.
    All,
}

/// A command of this program on those cores; its process is the program's own.
pub fn command(program: &str, cores: Cores) -> Command {
    match cores {
        Cores::First => {
            let mut command = Command::new("taskset");
            command.args(["--cpu-list", "0", program]);
            command
        }
        Cores::All => Command::new(program),
    }
}

/// With this thread, and those it starts, on the last core.
pub fn on_the_last<T>(act: impl FnOnce() -> T) -> T {
    let count = std::thread::available_parallelism().expect("known").get();
    let bind = |cores: String| {
        let thread = std::fs::read_link("/proc/thread-self").expect("ours");
        let thread = thread.file_name().expect("its number").to_owned();
        let done = Command::new("taskset").args(["--cpu-list", "--pid", &cores]).arg(thread).output().expect("taskset runs");
        assert!(done.status.success(), "{}", String::from_utf8_lossy(&done.stderr));
    };
    bind(format!("{}", count - 1));
    let result = act();
    bind(format!("0-{}", count - 1));
    result
}
