//! Peak memory of a process, by proc(5).

/// This process's resident memory now, in MiB, from where the peak is counted anew.
pub fn begin_peak() -> f64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is set back");
    mib(std::process::id(), "VmRSS:")
}

/// The most memory this process has held since.
pub fn peak_mib() -> f64 {
    mib(std::process::id(), "VmHWM:")
}

/// One line of a process's status, in MiB.
pub fn mib(process: u32, line: &str) -> f64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).expect("it runs");
    let found = status.lines().find(|found| found.starts_with(line)).expect("a line");
    found.split_whitespace().nth(1).expect("KiB").parse::<f64>().expect("a number") / 1024.0
}
