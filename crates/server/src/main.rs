//! `postern`: a single-password front door for self-hosted services.

mod app;
mod backup;
mod causes;
mod cli;
mod config;
mod doctor;
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

fn main() -> std::process::ExitCode {
    cli::run()
}
