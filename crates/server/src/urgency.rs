//! Long work gives way to requests.

/// How much less urgent it is than answering (setpriority(2)).
const NICER: i32 = 10;

/// Between two pieces of long work: who waits for this core gets it now, and not at the end of a slice of some milliseconds
/// (POSIX, `sched_yield`).
pub(crate) fn pause() {
    std::thread::yield_now();
}

/// Makes the calling thread, and those it starts afterwards, give way to others. Where that is not allowed it does not.
pub(crate) fn give_way() {
    // On Linux, 0 is the calling thread.
    if let Ok(now) = rustix::process::getpriority_process(None) {
        let _ = rustix::process::setpriority_process(None, now.max(NICER));
    }
}
