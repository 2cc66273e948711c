//! Peak memory of a process, by proc(5).

/// This process's resident memory now, in MiB, from where the peak is counted anew.
pub fn begin_peak() -> f64 {
    std::fs::write("/proc/self/clear_refs", "5").expect("the peak is set back");
    mib(std::process::id(), "VmRSS:").expect("it runs")
}

/// The most memory this process has held since.
pub fn peak_mib() -> f64 {
    mib(std::process::id(), "VmHWM:").expect("it runs")
}

/// One line of a process's status, in MiB; `None` once it has ended.
pub fn mib(process: u32, line: &str) -> Option<f64> {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    let found = status.lines().find(|found| found.starts_with(line))?;
    Some(found.split_whitespace().nth(1)?.parse::<f64>().ok()? / 1024.0)
}
