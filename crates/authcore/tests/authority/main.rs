//! The promises of the authority, over a real database file, with time moved by hand.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod gate;
mod house;
mod other_processes;
mod passwords;
mod refresh;
mod second_factor;
mod thief;
mod tls_keys;
mod tokens;
