//! `postern`: a single-password front door for self-hosted services.

mod app;
mod cli;
#[expect(
    dead_code,
    reason = "the parts that the rest of the contract will use stand ready"
)]
mod http;
mod listener;
mod shutdown;

fn main() -> std::process::ExitCode {
    cli::run()
}
