//! `postern`: a single-password front door for self-hosted services.
//!
//! A library for its own binary, its tests and `fuzz/` only: whoever runs Postern starts the binary.

mod app;
mod backup;
mod causes;
mod cli;
mod config;
mod doctor;
#[cfg(any(test, fuzzing))]
pub mod foreign_bytes;
mod gate;
mod hooks;
mod http;
mod leak_test;
mod listener;
mod metrics;
mod sandbox;
mod service_manager;
mod shapes;
mod shutdown;
mod tls;
mod urgency;
mod web;

pub use cli::run;
