//! The second stage: becomes the task.

use std::{
    fs::{File, OpenOptions},
    io::{self, Write},
    os::{
        fd::{AsFd, OwnedFd},
        unix::{fs::OpenOptionsExt, process::CommandExt},
    },
    path::Path,
    process::{Command, Stdio},
};

use nix::{
    fcntl::OFlag,
    sys::{
        signal::SigSet,
        stat::{Mode, umask},
    },
    unistd::setsid,
};
use substrate_core::protocol::task::Run;

use super::run_dir::{RunDir, Spec};

/// Turns this process into the task that is described in the run directory `dir`. Returns, with an exit status, only if that
/// fails; why is then written to standard input, which must be the pipe that the supervisor reads from.
pub fn launch_main(dir: &Path) -> i32 {
    // A duplicate is closed by a successful exec, which is how the supervisor learns of it.
    let Ok(mut pipe) = io::stdin().as_fd().try_clone_to_owned().map(File::from) else { return 1 };
    let message = become_task(dir);
    let _ = pipe.write_all(message.as_bytes()); // the supervisor is gone: nobody to tell
    1
}

/// Says what failed; does not return if nothing did.
fn become_task(dir: &Path) -> String {
    let spec = match RunDir::new(dir.to_owned()).spec() {
        Ok(spec) => spec,
        Err(error) => return format!("cannot read the run's spec: {error}"),
    };
    if let Err(error) = setsid() {
        return format!("cannot make a session: {error}");
    }
    umask(Mode::S_IWGRP | Mode::S_IWOTH);
    // The supervisor blocks what would end it, and a process inherits what is blocked.
    if let Err(error) = SigSet::all().thread_unblock() {
        return format!("cannot unblock signals: {error}");
    }
    if let Some(user) = &spec.user
        && let Err(error) = user.assume()
    {
        return format!("cannot run as user id {}: {error}", user.uid);
    }
    let (stdout, stderr) = match (output(&spec, "stdout"), output(&spec, "stderr")) {
        (Ok(stdout), Ok(stderr)) => (stdout, stderr),
        (Err(message), _) | (_, Err(message)) => return message,
    };
    let (program, arguments) = match &spec.run {
        Run::Shell(text) => ("/bin/sh", vec!["-c", text]),
        Run::Exec(argv) => match argv.split_first() {
            Some((program, arguments)) => (program.as_str(), arguments.iter().map(String::as_str).collect()),
            None => return "the command has no program".to_owned(),
        },
    };
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(&spec.environment).current_dir(&spec.sandbox);
    command.stdin(Stdio::null()).stdout(stdout).stderr(stderr);
    format!("cannot execute '{program}': {}", command.exec())
}

/// Opened as the task's user, and never through a link: the sandbox may hold whatever an archive put there.
fn output(spec: &Spec, name: &str) -> Result<OwnedFd, String> {
    let mut options = OpenOptions::new();
    options.append(true).create(true).mode(0o644).custom_flags(OFlag::O_NOFOLLOW.bits());
    let file = options.open(spec.sandbox.join(name));
    file.map(OwnedFd::from).map_err(|error| format!("cannot open {name} in the sandbox: {error}"))
}
