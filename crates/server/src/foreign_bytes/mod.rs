//! What reads bytes from elsewhere, each as a function of bytes: for `fuzz/`, and for the test that replays its seeds. Built
//! for those two only. Each tells whether the bytes were taken, and panics where a promise is broken.

mod files;
mod requests;

/// Reads bytes, and tells whether they were taken.
pub type Reader = fn(&[u8]) -> bool;

/// All of them, by the folder of their seeds.
pub const READERS: &[(&str, Reader)] = &[
    ("argument", files::argument),
    ("backup", files::backup),
    ("backup-archive", files::archive),
    ("backup-key", files::backup_key),
    ("certificate", files::certificate),
    ("configuration", files::configuration),
    ("settings-export", files::settings_export),
    ("gate-request", requests::gate),
    ("host", requests::host),
    ("json-body", requests::json),
    ("proxy-answer", requests::proxy_answer),
    ("query", requests::query),
    ("request-headers", requests::headers),
    ("target", requests::target),
];

#[cfg(test)]
#[path = "../../../../fuzz/replay.rs"]
mod replay;
