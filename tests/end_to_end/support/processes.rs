//! What runs on this machine, from `/proc`.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::Path,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};

/// A process, with what tells whom it belongs to.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub command: String,
    environment: String,
    directory: String,
}

/// Every process that can be looked at.
pub fn all() -> Vec<Process> {
    let entries = fs::read_dir("/proc").unwrap().filter_map(Result::ok);
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse::<i32>().ok());
    pids.filter_map(read).collect()
}

fn read(pid: i32) -> Option<Process> {
    let text =
        |name: &str| fs::read(format!("/proc/{pid}/{name}")).map(|raw| String::from_utf8_lossy(&raw).into_owned());
    let stat = text("stat").ok()?;
    // The state follows the name, which is in parentheses and may hold anything.
    let state = stat.rsplit(") ").next()?.chars().next()?;
    if matches!(state, 'Z' | 'X') {
        return None;
    }
    let directory = fs::read_link(format!("/proc/{pid}/cwd")).map(|path| path.display().to_string());
    Some(Process {
        pid,
        command: text("cmdline").ok()?.replace('\0', " "),
        environment: text("environ").unwrap_or_default(),
        directory: directory.unwrap_or_default(),
    })
}

/// Processes that work in `directory`, were started with it, or carry it in their environment.
pub fn below(directory: &Path) -> Vec<Process> {
    let directory = directory.display().to_string();
    let belongs = |process: &Process| {
        [&process.command, &process.environment, &process.directory].iter().any(|text| text.contains(&directory))
    };
    all().into_iter().filter(belongs).collect()
}

/// Task ids below `directory` with the ids of their processes.
pub fn by_task(directory: &Path) -> BTreeMap<String, BTreeSet<i32>> {
    let mut found: BTreeMap<String, BTreeSet<i32>> = BTreeMap::new();
    for process in below(directory) {
        let mut variables = process.environment.split('\0');
        if let Some(id) = variables.find_map(|variable| variable.strip_prefix("MESOS_TASK_ID=")) {
            found.entry(id.to_owned()).or_default().insert(process.pid);
        }
    }
    found
}

pub fn signal(pid: i32, signal: Signal) {
    let _ = kill(Pid::from_raw(pid), signal);
}

/// Whether a process is there and no zombie.
pub fn is_alive(pid: i32) -> bool {
    read(pid).is_some()
}
