//! The promises of the authority, over a real database file, with time moved by hand.
#![expect(clippy::expect_used, clippy::panic, reason = "helpers of tests")]

mod forger;
mod gate;
mod house;
mod other_processes;
mod passwords;
mod reference_model;
mod refresh;
mod second_factor;
mod stolen;
mod thief;
mod tls_keys;
mod tokens;
