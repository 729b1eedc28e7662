//! What the program can do: composition of processes from the crates' shells.

mod agent;
mod control_plane;
mod data_dir;
mod down;
pub mod exit;
mod front;
pub mod logging;
mod master;
mod scheduler;
mod signals;
mod up;

use anyhow::bail;

use crate::{
    client,
    config::{Command, DnsFlags, InvalidFlag},
};

/// Does what was asked; returns when it is done or was told to stop.
pub async fn run(command: Command) -> anyhow::Result<()> {
    match command {
        Command::Up(flags) => up::run(*flags).await,
        Command::Down(flags) => down::run(flags).await,
        Command::Master(flags) => master::run(flags).await,
        Command::Agent(flags) => agent::run(flags).await,
        Command::Scheduler(flags) => scheduler::run(*flags).await,
        Command::Dns(flags) => dns(flags),
        Command::Client(command) => client::run(command).await,
    }
}

/// A reader of any master's `/state` does not exist yet.
fn dns(flags: DnsFlags) -> anyhow::Result<()> {
    let reason = format!(
        "serving names on {} and {} in '{}' for another process's master is not supported yet; `marathon up` serves DNS itself",
        flags.address, flags.http_address, flags.domain
    );
    bail!(InvalidFlag::new("master", flags.master, reason))
}

/// Says something on standard output; if that is closed, nobody wants to know.
fn say(text: std::fmt::Arguments<'_>) {
    use std::io::Write;
    let mut out = std::io::stdout().lock();
    let _ = writeln!(out, "{text}");
    let _ = out.flush();
}

/// One line per address, as soon as everything listens.
fn say_where(what: &str, address: impl std::fmt::Display) {
    say(format_args!("{what:<19} {address}"));
}
