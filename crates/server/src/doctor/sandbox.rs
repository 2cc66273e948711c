//! Whether every wall of the sandbox stands.

use super::Finding;
use crate::sandbox::InForce;

const ABOUT: &str = "sandbox";

/// What is in force in a running server, or would be.
pub(super) fn of(in_force: &InForce) -> Finding {
    if in_force.is_complete() {
        return Finding::good(ABOUT, in_force.to_string());
    }
    let mend = match in_force {
        InForce::Off => "take sandbox = \"off\" out of the configuration",
        InForce::Walls { .. } => "Linux 6.12 or later has all of it; docs/hardening.md says what each does",
    };
    Finding::warning(ABOUT, in_force.to_string(), mend)
}
