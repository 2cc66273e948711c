//! Whether the clock tells a time that can be.

use std::time::Duration;

use authcore::{Clock, WallTime};

use super::Finding;

/// 2026-01-01: no copy of this program is older.
const EARLIEST: WallTime = WallTime::from_unix_ms(1_767_225_600_000);

/// Two readings a moment apart may come in the other order; time services set clocks by less than this without a jump.
const SLACK: Duration = Duration::from_secs(1);

/// `highest`: the latest time a server on this database saw.
pub(super) fn examine(highest: Option<WallTime>) -> Finding {
    judge(Clock::system().now().wall, highest)
}

fn judge(now: WallTime, highest: Option<WallTime>) -> Finding {
    let mend = "set the clock, and let a time service such as systemd-timesyncd keep it";
    let shown = now.to_rfc3339();
    match highest.filter(|highest| *highest > now.plus(SLACK)) {
        _ if now < EARLIEST => Finding::wrong("clock", format!("it says {shown}, which cannot be"), mend),
        Some(highest) => {
            let seen = highest.to_rfc3339();
            Finding::warning(
                "clock",
                format!("it says {shown}, but a server here has seen {seen}; until then nothing new expires"),
                mend,
            )
        }
        None => Finding::good("clock", shown),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::doctor::Severity;

    #[test]
    fn a_clock_before_this_program_or_before_what_was_seen_is_noticed() {
        let later = EARLIEST.plus(Duration::from_secs(60));
        let severity = |now, highest| judge(now, highest).severity;
        assert_eq!(severity(WallTime::from_unix_ms(0), None), Severity::Wrong);
        assert_eq!(severity(EARLIEST, Some(later)), Severity::Warning);
        assert_eq!(severity(EARLIEST, Some(EARLIEST.plus(SLACK))), Severity::Good);
        assert_eq!(severity(later, Some(EARLIEST)), Severity::Good);
        assert_eq!(severity(EARLIEST, None), Severity::Good);
    }
}
