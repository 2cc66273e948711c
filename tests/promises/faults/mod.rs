//! Whatever fails around the server, no promise is broken: I1 to I8 of the threat model hold after it. The rows of
//! `docs/evidence/process-faults.md`, one file a theme.

mod a_fault_breaks_no_promise;
mod it_is_told_to_stop;
mod killed_while_it_serves;
mod many_at_once;
mod others_use_the_file;
mod scene;
mod soak;
mod the_clock_moves;
mod the_disk_fails;
mod too_little_of_everything;
