//! What the system says of this process. Where it says nothing, as where `/proc` is out of reach, there is nothing to show.

use std::fs;

use authcore::WallTime;

use super::family::Kind::{Counter, Gauge};
use super::family::{Family, Value};

/// Its metrics; what the system does not say has a name and no value.
pub(super) fn families(started: WallTime) -> Vec<Family> {
    let process = Process::now();
    let maybe = |family: Family, value: Option<Value>| match value {
        Some(value) => family.with([], value),
        None => family,
    };
    vec![
        maybe(
            Family::new(
                "process_cpu_seconds_total",
                Counter,
                &[],
                "Processor time, user and system",
            ),
            process.cpu_seconds.map(Value::Real),
        ),
        maybe(
            Family::new("process_resident_memory_bytes", Gauge, &[], "Memory in use"),
            process.resident_bytes.map(Value::Whole),
        ),
        maybe(
            Family::new("process_virtual_memory_bytes", Gauge, &[], "Addresses in use"),
            process.virtual_bytes.map(Value::Whole),
        ),
        maybe(
            Family::new("process_open_fds", Gauge, &[], "Open descriptors"),
            process.open_fds.map(Value::Whole),
        ),
        Family::new(
            "process_start_time_seconds",
            Gauge,
            &[],
            "When the server started",
        )
        .at(Some(started)),
    ]
}

/// Memory, processor time, descriptors.
struct Process {
    resident_bytes: Option<u64>,
    virtual_bytes: Option<u64>,
    cpu_seconds: Option<f64>,
    open_fds: Option<u64>,
}

impl Process {
    /// As it is now.
    fn now() -> Self {
        let memory = fs::read_to_string("/proc/self/statm").ok();
        let times = fs::read_to_string("/proc/self/stat").ok();
        let page = u64::try_from(rustix::param::page_size()).unwrap_or(0);
        let pages = |place| memory.as_deref().and_then(|text| number(text, place));
        Self {
            virtual_bytes: pages(0).map(|pages| pages * page),
            resident_bytes: pages(1).map(|pages| pages * page),
            cpu_seconds: times.as_deref().and_then(cpu_seconds),
            open_fds: fs::read_dir("/proc/self/fd")
                .ok()
                // The one that reads the folder is open too, and gone after it.
                .map(|fds| u64::try_from(fds.count().saturating_sub(1)).unwrap_or(0)),
        }
    }
}

fn number(text: &str, place: usize) -> Option<u64> {
    text.split_ascii_whitespace().nth(place)?.parse().ok()
}

/// Fields 14 and 15, user and system time in ticks (`proc_pid_stat(5)`). The name in field 2 may hold spaces and parentheses.
#[expect(
    clippy::cast_precision_loss,
    reason = "a process that ran for 2^53 ticks is older than anything"
)]
fn cpu_seconds(stat: &str) -> Option<f64> {
    let (_, after_name) = stat.rsplit_once(')')?;
    let ticks = number(after_name, 11)? + number(after_name, 12)?;
    Some(ticks as f64 / rustix::param::clock_ticks_per_second() as f64)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_is_read() {
        let process = Process::now();
        assert!(process.resident_bytes > Some(100_000) && process.virtual_bytes > process.resident_bytes);
        assert!(process.cpu_seconds.is_some() && process.open_fds > Some(2));
    }

    #[test]
    fn a_name_with_parentheses_moves_no_field() {
        let ticks = rustix::param::clock_ticks_per_second();
        let stat = format!("1 (a) b) S 0 0 0 0 0 0 0 0 0 0 {ticks} {ticks} 0 0");
        assert_eq!(cpu_seconds(&stat), Some(2.0));
    }
}
