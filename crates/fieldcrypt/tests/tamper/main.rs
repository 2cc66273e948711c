//! Somebody writes to the file without the keys: nothing altered is ever served.
#![expect(
    clippy::disallowed_methods,
    clippy::expect_used,
    clippy::panic,
    reason = "an attacker writes SQL"
)]

mod database;
mod every_bit;
mod rows;
mod whole_file;
