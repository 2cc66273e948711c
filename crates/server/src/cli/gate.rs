//! `postern gate`: what the proxy in front is to be told, what the gate makes of an address, and what gets through. Needs the
//! configuration only.

mod check;

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use clap::{Args, Subcommand};
use serde_json::json;

use super::context::Context;
use super::exit::{Exit, Failure};
use crate::gate::explain::{Question, explain};
use crate::gate::recipe::{Kitchen, Proxy, recipe};

#[derive(Subcommand)]
pub(super) enum Command {
    /// Print the configuration of a proxy for one application
    Recipe(Recipe),
    /// Tell which application and rule an address has, and what a browser, a script and a socket would be told
    Explain(Explain),
    /// Send forged requests through the proxy, as an outsider, and report what gets through; exit code 1 if something does
    Check(check::Check),
}

#[derive(Args)]
pub(super) struct Recipe {
    /// The proxy
    proxy: Proxy,
    /// The application, as in the configuration
    application: String,
    /// Where the proxy listens [default: the port of the application's host, on every address]
    #[arg(long, value_name = "ADDR:PORT")]
    listen: Option<SocketAddr>,
}

#[derive(Args)]
pub(super) struct Explain {
    /// The address, such as `https://app.example.org/path`
    url: String,
    /// The method of the request
    #[arg(long, value_name = "METHOD", default_value = "GET")]
    method: String,
    /// A header of the request, such as 'X-Forwarded-For: 192.0.2.7'; may be given several times
    #[arg(long, value_name = "HEADER")]
    header: Vec<String>,
    /// The address that the request comes from: the proxy's
    #[arg(long, value_name = "ADDR", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    from: IpAddr,
}

pub(super) fn run(context: &Context, command: &Command) -> Result<(), Failure> {
    match command {
        Command::Recipe(arguments) => print_recipe(context, arguments),
        Command::Check(arguments) => check::run(context, arguments),
        Command::Explain(arguments) => {
            let config = &context.config;
            let gate = config.gate(config.base_url(config.listen));
            let question = Question {
                url: &arguments.url,
                method: &arguments.method,
                peer: arguments.from,
                headers: &arguments.header,
            };
            let explanation = explain(&gate, config.scheme(), &question)
                .map_err(|reason| Failure::new(Exit::Data, reason))?;
            context.output.answer(&explanation, &explanation.text())
        }
    }
}

fn print_recipe(context: &Context, arguments: &Recipe) -> Result<(), Failure> {
    let config = &context.config;
    let application = config.applications.named(&arguments.application).ok_or_else(|| {
        let text = format!("there is no application {}", arguments.application);
        Failure::new(Exit::Data, text).hint(format!(
            "add [application.{}] to the configuration; docs/configuration.md shows how",
            arguments.application
        ))
    })?;
    if application.upstream.is_none() {
        context.output.warn(&format!(
            "the application {} has no upstream in the configuration; the recipe names http://127.0.0.1:3000",
            application.name
        ));
    }
    if !config.trusted_proxies.contains(IpAddr::V4(Ipv4Addr::LOCALHOST)) {
        context.output.warn(
            "trusted_proxies does not list 127.0.0.1: a proxy on this machine would not be believed, and nobody would pass",
        );
    }
    if config.tls.is_on() {
        context.output.warn(
            "this server speaks TLS itself, and the recipe reaches it over plain HTTP: behind a proxy on this machine, \
             leave TLS to the proxy",
        );
    }
    let kitchen = Kitchen {
        application,
        gate: config.local_address(),
        scheme: config.scheme(),
        listen: arguments.listen,
    };
    let files = recipe(arguments.proxy, &kitchen);
    let text = match files.as_slice() {
        [only] => only.text.trim_end().to_owned(),
        several => {
            let parts = several
                .iter()
                .map(|file| format!("==> {} <==\n{}", file.name, file.text.trim_end()));
            parts.collect::<Vec<_>>().join("\n\n")
        }
    };
    context.output.answer(&json!({ "Files": files }), &text)
}
