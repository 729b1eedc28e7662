//! What `/proc` says about processes.
//!
//! Process ids are used again, so a process is known by its id *and* the moment at which it started.

use std::{collections::BTreeMap, fs, io, path::Path};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use serde::{Deserialize, Serialize};

/// One process for ever: no other has the same three.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Identity {
    /// Process id. Always above 1.
    pub(crate) pid: i32,
    /// When it started, in clock ticks since boot.
    pub(crate) start_time: u64,
    /// Which boot; empty if the system does not tell.
    pub(crate) boot_id: String,
}

impl Identity {
    /// Of a process that exists.
    pub(crate) fn of(pid: i32) -> io::Result<Self> {
        let stat = Stat::read(pid)?;
        Ok(Self { pid, start_time: stat.start_time, boot_id: boot_id() })
    }

    /// Whether it still runs. A zombie does not.
    pub(crate) fn is_alive(&self) -> bool {
        let Ok(stat) = Stat::read(self.pid) else { return false };
        stat.start_time == self.start_time && !stat.is_dead && boot_id() == self.boot_id
    }

    /// Sends a signal if it is still the same process.
    pub(crate) fn signal(&self, signal: Signal) {
        if self.pid > 1 && self.is_alive() {
            let _ = kill(Pid::from_raw(self.pid), signal); // gone in the meantime: nothing to do
        }
    }
}

/// New at every boot.
pub(crate) fn boot_id() -> String {
    let text = fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    text.trim().to_owned()
}

/// The part of `/proc/<pid>/stat` that matters here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Stat {
    pub(crate) parent: i32,
    pub(crate) session: i32,
    pub(crate) start_time: u64,
    /// A zombie, or being removed.
    pub(crate) is_dead: bool,
}

impl Stat {
    pub(crate) fn read(pid: i32) -> io::Result<Self> {
        let text = fs::read(format!("/proc/{pid}/stat"))?;
        Self::parse(&text)
            .ok_or_else(|| io::Error::new(io::ErrorKind::InvalidData, "unexpected form of /proc/<pid>/stat"))
    }

    /// The second field is the program's name in parentheses and may contain anything, so the rest starts at the last one.
    fn parse(stat: &[u8]) -> Option<Self> {
        let end = stat.iter().rposition(|&byte| byte == b')')?;
        let rest = std::str::from_utf8(&stat[end + 1..]).ok()?;
        let fields: Vec<&str> = rest.split_whitespace().collect();
        // Fields are counted from 1 in proc(5); the first one after the name is number 3.
        let field = |number: usize| fields.get(number - 3).copied();
        Some(Self {
            parent: field(4)?.parse().ok()?,
            session: field(6)?.parse().ok()?,
            start_time: field(22)?.parse().ok()?,
            is_dead: matches!(field(3)?, "Z" | "X" | "x"),
        })
    }
}

/// Every process that descends from `root`, parents before their children; `root` itself is left out.
pub(crate) fn descendants(root: i32) -> Vec<i32> {
    if Path::new("/proc/thread-self/children").exists() {
        breadth_first(root, children)
    } else {
        let by_parent = by_parent();
        breadth_first(root, |pid| by_parent.get(&pid).cloned().unwrap_or_default())
    }
}

fn breadth_first(root: i32, children: impl Fn(i32) -> Vec<i32>) -> Vec<i32> {
    let mut found = children(root);
    let mut next = 0;
    while next < found.len() {
        let more = children(found[next]);
        found.extend(more.into_iter().filter(|pid| *pid != root));
        next += 1;
    }
    found
}

/// Children of all threads of a process; none if it is gone.
fn children(pid: i32) -> Vec<i32> {
    let Ok(threads) = fs::read_dir(format!("/proc/{pid}/task")) else { return Vec::new() };
    let mut found = Vec::new();
    for thread in threads.flatten() {
        let text = fs::read_to_string(thread.path().join("children")).unwrap_or_default();
        found.extend(text.split_whitespace().filter_map(|pid| pid.parse::<i32>().ok()));
    }
    found
}

fn by_parent() -> BTreeMap<i32, Vec<i32>> {
    let mut found: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for pid in all() {
        if let Ok(stat) = Stat::read(pid) {
            found.entry(stat.parent).or_default().push(pid);
        }
    }
    found
}

/// Every process of the machine that this one can see.
pub(crate) fn all() -> Vec<i32> {
    let Ok(entries) = fs::read_dir("/proc") else { return Vec::new() };
    let names = entries.flatten().map(|entry| entry.file_name());
    names.filter_map(|name| name.to_str()?.parse().ok()).collect()
}

/// Kills what a container left behind when nobody watched over it any more: its first process, everything that carries
/// `MESOS_SANDBOX=<sandbox>` in its environment, and all that descends from either or shares their session.
///
/// Repeats until nothing is found, at most a hundred times. Returns how many processes were killed.
pub(crate) fn kill_leftovers(task: Option<&Identity>, sandbox: &Path) -> usize {
    let mut killed = std::collections::BTreeSet::new();
    for _ in 0..100 {
        let found = leftovers(task, sandbox);
        if found.is_empty() {
            break;
        }
        for pid in found {
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL); // gone in the meantime: nothing to do
            killed.insert(pid);
        }
        std::thread::sleep(std::time::Duration::from_millis(2));
    }
    killed.len()
}

fn leftovers(task: Option<&Identity>, sandbox: &Path) -> Vec<i32> {
    let marker = [b"MESOS_SANDBOX=", sandbox.as_os_str().as_encoded_bytes()].concat();
    let alive: BTreeMap<i32, Stat> = all()
        .into_iter()
        .filter_map(|pid| Some((pid, Stat::read(pid).ok()?)))
        .filter(|(pid, stat)| *pid > 1 && !stat.is_dead)
        .collect();
    let is_ours = |pid: i32| {
        task.is_some_and(|task| task.pid == pid && task.is_alive())
            || fs::read(format!("/proc/{pid}/environ"))
                .is_ok_and(|environment| environment.split(|&byte| byte == 0).any(|entry| entry == marker))
    };
    let mut found: Vec<i32> = alive.keys().copied().filter(|pid| is_ours(*pid)).collect();
    let sessions: Vec<i32> = found.iter().filter_map(|pid| alive.get(pid)).map(|stat| stat.session).collect();
    let is_session_of_task = |session: i32| task.is_some_and(|task| task.pid == session) && sessions.contains(&session);
    found.extend(alive.iter().filter(|(_, stat)| is_session_of_task(stat.session)).map(|(pid, _)| *pid));
    for pid in found.clone() {
        found.extend(descendants(pid));
    }
    let own = i32::try_from(std::process::id()).unwrap_or(0);
    found.sort_unstable();
    found.dedup();
    found.retain(|pid| *pid > 1 && *pid != own);
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_program_name_with_parentheses_and_spaces_does_not_confuse_the_reader() {
        let stat = b"42 (a) b (c)) S 7 42 40 0 -1 4194560 1 2 3 4 5 6 7 8 20 0 1 0 987654 1 1";
        let expected = Stat { parent: 7, session: 40, start_time: 987_654, is_dead: false };
        assert_eq!(Stat::parse(stat), Some(expected));
        for broken in [&b""[..], b"42 (a) S 7", b"42 a S 7 42 40", b"42 (a) \xff\xff"] {
            assert_eq!(Stat::parse(broken), None);
        }
    }

    #[test]
    fn this_process_is_alive_and_one_with_its_id_and_another_start_is_not() {
        let own = Identity::of(i32::try_from(std::process::id()).unwrap()).unwrap();
        assert!(own.is_alive());
        let before = Identity { start_time: own.start_time - 1, ..own.clone() };
        assert!(!before.is_alive());
        let earlier_boot = Identity { boot_id: "another".into(), ..own };
        assert!(!earlier_boot.is_alive());
    }

    #[test]
    fn both_ways_to_find_descendants_agree() {
        let mut child = std::process::Command::new("/bin/sh").args(["-c", "sleep 1000 & wait"]).spawn().unwrap();
        let pid = i32::try_from(child.id()).unwrap();
        let found = loop {
            let found = descendants(pid);
            if !found.is_empty() {
                break found;
            }
            std::thread::yield_now();
        };
        let by_parent = by_parent();
        assert_eq!(found, breadth_first(pid, |pid| by_parent.get(&pid).cloned().unwrap_or_default()));
        for pid in found {
            kill(Pid::from_raw(pid), Signal::SIGKILL).unwrap();
        }
        child.kill().unwrap();
        child.wait().unwrap();
    }
}
