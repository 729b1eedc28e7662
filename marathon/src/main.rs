//! The `marathon` program: scheduler, master, agents, DNS and command-line client, composed from their crates.
//!
//! `marathon supervise` and `marathon launch` are what an agent starts for every task. They are dispatched before anything else,
//! so that a supervisor costs next to nothing.

mod api;
mod client;
mod commands;
mod config;
mod dns_feed;
mod driver;
mod service;
mod store;
mod wire;

use std::{ffi::OsString, path::Path, time::Duration};

use clap::Parser;

use crate::{
    commands::{exit, logging},
    config::{Command, Flags, with_kebab_case_names},
};

/// What may still be on its way when everything was stopped.
const LEFTOVERS: Duration = Duration::from_millis(500);

fn main() {
    let arguments: Vec<OsString> = std::env::args_os().collect();
    std::process::exit(run(arguments));
}

/// Does what the arguments say; returns the exit status.
fn run(arguments: Vec<OsString>) -> i32 {
    if let [_, stage, dir] = arguments.as_slice() {
        match stage.to_str() {
            Some("supervise") => return substrate::containerizer::supervise_main(Path::new(dir)),
            Some("launch") => return substrate::containerizer::launch_main(Path::new(dir)),
            Some(_) | None => {}
        }
    }
    let flags = match Flags::try_parse_from(with_kebab_case_names(arguments)) {
        Ok(flags) => flags,
        Err(error) => {
            // Help and version are no errors. Nobody to tell if the output is closed.
            let _ = error.print();
            return if error.use_stderr() { exit::INVALID_FLAG } else { 0 };
        }
    };
    // Taken already only if this ran before in one process.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let outcome = logging::start(&flags.logs, flags.command.is_client()).and_then(|()| execute(flags.command));
    match outcome {
        Ok(()) => 0,
        Err(error) => {
            eprintln!("marathon: {error:#}");
            exit::status(&error)
        }
    }
}

fn execute(command: Command) -> anyhow::Result<()> {
    let mut builder = match command.is_client() {
        true => tokio::runtime::Builder::new_current_thread(),
        false => tokio::runtime::Builder::new_multi_thread(),
    };
    let runtime = builder.enable_all().build()?;
    let outcome = runtime.block_on(commands::run(command));
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}
