//! The command line: parse, one call, render.

mod access_keys;
mod arguments;
mod audit;
mod backup;
mod completions;
mod config;
mod context;
mod doctor;
mod exit;
mod gate;
mod keys;
mod leak_test;
mod logging;
mod output;
mod password;
mod progress;
mod prompt;
mod second_factor;
mod serve;
mod sessions;
mod settings;
mod signin_link;
mod slots;
mod throttle;
mod tls;
mod token;

use std::num::NonZero;
use std::process::ExitCode;

use clap::Parser as _;
use fieldcrypt::random;
use tokio::runtime::Runtime;

#[cfg(any(test, fuzzing))]
pub(crate) use arguments::duration;
use arguments::{Arguments, Command};
use context::Context;
use exit::{Exit, Failure};
use output::Output;
#[cfg(any(test, fuzzing))]
pub(crate) use settings::is_export as is_settings_export;

/// Runs what the arguments say; says on standard error what went wrong and what to do next.
#[must_use]
pub fn run() -> ExitCode {
    // Every file this process makes is its owner's alone.
    rustix::process::umask(rustix::fs::Mode::from_raw_mode(0o077));
    if let Err(error) = crate::sandbox::keep_memory_to_itself() {
        let text = format!("this process's memory cannot be kept from others: {error}");
        Output::new(false, false).failure(&Failure::new(Exit::Unavailable, text));
        return Exit::Unavailable.into();
    }
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(asked) => {
            let _ = asked.print();
            return if asked.use_stderr() {
                Exit::Usage.into()
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let output = Output::new(arguments.global.json, arguments.global.quiet);
    match execute(arguments, output) {
        Ok(code) => code,
        Err(failure) => {
            output.failure(&failure);
            failure.exit.into()
        }
    }
}

fn execute(arguments: Arguments, output: Output) -> Result<ExitCode, Failure> {
    // Before anything asks for randomness that has no other way than a panic to say that there is none: the standard library's
    // maps.
    random::array::<1>().map_err(|error| {
        Failure::of(Exit::Unavailable, &error).hint("see why getrandom(2) fails on this machine")
    })?;
    crate::config::reexec::without_the_field_password().map_err(|error| {
        Failure::new(
            Exit::Software,
            format!("the field password could not be taken out of the environment: {error}"),
        )
    })?;
    let Arguments { global, command } = arguments;
    let flags = global.flags();
    // These need no configuration; one that has a mistake must not keep its owner from help.
    let command = match command {
        Command::Completions(arguments) => return completions::completions(&arguments).map(done),
        Command::Man(arguments) => return completions::man(&arguments, output).map(done),
        Command::Doctor => return doctor::run(&flags, output),
        Command::LeakTest(arguments) => return leak_test::run(&arguments, output),
        other => other,
    };
    let (flags, work) = command.with_flags(flags);
    let context = Context::new(&flags, output)?;
    // Asked before there is a sandbox: what a container allows is told by files.
    let workers = std::thread::available_parallelism().map_or(1, NonZero::get);
    if let Command::Serve(arguments) = &work {
        // Before there is another thread: the sandbox binds this one and those it starts.
        let prepared = serve::Prepared::new(&context, arguments)?;
        let served = runtime(workers)?.block_on(serve::run(&context, prepared));
        return served.map(done);
    }
    runtime(workers)?.block_on(async {
        match work {
            Command::Password(command) => password::run(&context, command).await,
            Command::SigninLink(arguments) => signin_link::run(&context, &arguments).await,
            Command::Token(arguments) => token::run(&context, &arguments),
            Command::Sessions(command) => sessions::run(&context, command).await,
            Command::SecondFactor(command) => second_factor::run(&context, command).await,
            Command::Throttle(command) => throttle::run(&context, command).await,
            Command::Audit(command) => audit::run(&context, command).await,
            Command::AccessKeys(command) => access_keys::run(&context, command).await,
            Command::Settings(command) => settings::run(&context, command).await,
            Command::Keys(command) => keys::run(&context, &command).await,
            Command::Slots(command) => slots::run(&context, &command),
            Command::Tls(command) => tls::run(&context, &command),
            Command::Backup(command) => backup::run(&context, &command),
            Command::Gate(command) => gate::run(&context, &command),
            Command::Config(command) => config::run(&context, &command),
            Command::Serve(_)
            | Command::Doctor
            | Command::LeakTest(_)
            | Command::Completions(_)
            | Command::Man(_) => Ok(()),
        }
    })?;
    Ok(ExitCode::SUCCESS)
}

fn runtime(workers: usize) -> Result<Runtime, Failure> {
    // The library panics, or waits for ever, where it gets fewer threads than it wants.
    threads_are_to_be_had(workers)
        .and_then(|()| {
            tokio::runtime::Builder::new_multi_thread()
                .worker_threads(workers)
                .enable_all()
                .build()
        })
        .map_err(|error| {
            Failure::new(Exit::Unavailable, format!("the runtime does not start: {error}"))
                .hint("look at this process's limit of threads")
        })
}

/// Starts so many threads at a time, and ends them.
fn threads_are_to_be_had(count: usize) -> std::io::Result<()> {
    let mut threads = Vec::with_capacity(count);
    let all = (0..count).try_for_each(|_| {
        threads.push(std::thread::Builder::new().spawn(std::thread::park)?);
        Ok(())
    });
    for thread in threads {
        thread.thread().unpark();
        // It does nothing that could panic.
        let _ = thread.join();
    }
    all
}

const fn done((): ()) -> ExitCode {
    ExitCode::SUCCESS
}
