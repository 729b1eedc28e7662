//! The supervisor: a small process per task that outlives the agent.
//!
//! It starts the task, waits for it, sees to it that nothing of it remains, and writes down how it ended. It has a session of its
//! own, ignores the signals by which terminals and service managers end programs, and inherits every orphan of the task.
//! One thread, no timers while there is nothing to do.

use std::{
    fs::{self, File, OpenOptions},
    io::{Read, Write},
    os::unix::process::CommandExt,
    path::Path,
    process::{Command, Stdio},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    sys::{
        prctl::set_child_subreaper,
        signal::{SigSet, Signal, kill},
        wait::{WaitPidFlag, WaitStatus, waitpid},
    },
    unistd::{Pid, setsid},
};
use substrate_core::agent::Exit;

use super::{
    procfs::{self, Identity},
    run_dir::{KillOrder, RunDir},
};

/// Only this much of the reason why a task could not be started is kept.
const MAX_MESSAGE_BYTES: u64 = 4096;
/// Between looks at a tree that is being killed; grows from the first to the second.
const PAUSES: (Duration, Duration) = (Duration::from_millis(2), Duration::from_millis(50));
/// How often the result is written again if that fails (a full disk), once a second.
const WRITE_ATTEMPTS: u32 = 600;

/// Supervises the run whose directory is `dir` (absolute) until nothing of its task is left. Returns an exit status for this process.
///
/// To be called first thing in a process of its own that was started as `<program> supervise <dir>`: it closes every file but the
/// standard ones, blocks signals and starts `<program> launch <dir>`.
pub fn supervise_main(dir: &Path) -> i32 {
    close_inherited();
    let signals = block_signals();
    let _ = setsid(); // fails for the leader of a session, which is as good
    let run = RunDir::new(dir.to_owned());
    let Ok(doorbell) = OpenOptions::new().read(true).write(true).open(run.doorbell()) else { return 2 };
    let mut supervisor = Supervisor { run, doorbell };
    match supervisor.claim() {
        Ok(true) => supervisor.supervise(&signals),
        Ok(false) => 3, // the run has a supervisor, or the agent gave it up
        Err(message) => supervisor.refuse(&message),
    }
}

/// Whatever the agent's parents left open would otherwise stay open as long as the task runs.
fn close_inherited() {
    let Ok(entries) = fs::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries.flatten().filter_map(|entry| entry.file_name().to_str()?.parse().ok()).collect();
    for fd in open.into_iter().filter(|fd| *fd > 2) {
        let _ = nix::unistd::close(fd); // the directory just read is closed already
    }
}

/// All that could end this process by accident, and what it waits for. The second stage unblocks it again.
fn block_signals() -> SigSet {
    let mut signals = SigSet::empty();
    for signal in [
        Signal::SIGCHLD,
        Signal::SIGUSR1,
        Signal::SIGUSR2,
        Signal::SIGTERM,
        Signal::SIGINT,
        Signal::SIGHUP,
        Signal::SIGQUIT,
        Signal::SIGALRM,
    ] {
        signals.add(signal);
    }
    let _ = signals.thread_block(); // cannot fail with a valid set
    signals
}

struct Supervisor {
    run: RunDir,
    /// Kept open: its end tells the agent of ours.
    doorbell: File,
}

impl Supervisor {
    fn claim(&self) -> Result<bool, String> {
        set_child_subreaper(true).map_err(|error| format!("cannot become the parent of orphans: {error}"))?;
        let own = i32::try_from(std::process::id()).map_err(|_| "process id out of range".to_owned())?;
        let identity = Identity::of(own).map_err(|error| format!("cannot read /proc/self/stat: {error}"))?;
        self.run.claim(&identity).map_err(|error| format!("cannot write to the run directory: {error}"))
    }

    fn supervise(&mut self, signals: &SigSet) -> i32 {
        // The agent writes an order before it looks for us, and we look for an order after we can be found.
        if let Ok(Some(_)) = self.run.kill_order() {
            return self.refuse("killed before it was started");
        }
        let task = match self.start() {
            Ok(task) => task,
            Err(message) => return self.refuse(&message),
        };
        let exit = Tree::new(task).wait(signals, || self.run.kill_order().ok().flatten());
        self.record(|run| run.write_exit(&exit))
    }

    /// Starts the second stage and waits until it has become the task.
    fn start(&mut self) -> Result<Pid, String> {
        let (mut failure, pipe) = std::io::pipe().map_err(|error| format!("cannot make a pipe: {error}"))?;
        // This very program, even if its file has been replaced since: in the child the path means the child's own program.
        let mut command = Command::new("/proc/self/exe");
        command.arg0("marathon").arg("launch").arg(self.run.path()).env_clear();
        command.stdin(pipe).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().map_err(|error| format!("cannot start the agent's program: {error}"))?;
        drop(command); // it holds the writing end
        let pid = Pid::from_raw(i32::try_from(child.id()).map_err(|_| "process id out of range".to_owned())?);
        // While it is not waited for, its id cannot be used again.
        let identity = Identity::of(pid.as_raw()).map_err(|error| format!("cannot read /proc/{pid}/stat: {error}"))?;
        let mut message = Vec::new();
        let read = failure.by_ref().take(MAX_MESSAGE_BYTES).read_to_end(&mut message);
        if let Err(error) = read {
            return Err(format!("cannot read what became of the start: {error}"));
        }
        if !message.is_empty() {
            let _ = waitpid(pid, None); // it ends right after its message
            return Err(String::from_utf8_lossy(&message).into_owned());
        }
        self.record(|run| run.write_started(&identity));
        Ok(pid)
    }

    /// Says that the task could not be started.
    fn refuse(&mut self, message: &str) -> i32 {
        self.record(|run| run.write_launch_error(message))
    }

    /// Writes a file, again and again if that fails, and rings.
    fn record(&mut self, write: impl Fn(&RunDir) -> std::io::Result<()>) -> i32 {
        let written = (0..WRITE_ATTEMPTS).any(|attempt| {
            if attempt > 0 {
                sleep(Duration::from_secs(1));
            }
            write(&self.run).is_ok()
        });
        let _ = self.doorbell.write_all(b"!"); // cannot fail: this process holds the other end too
        if written { 0 } else { 4 }
    }
}

/// The task and all that descends from it.
struct Tree {
    task: Pid,
    /// How the task itself ended.
    exit: Option<Exit>,
    is_empty: bool,
}

impl Tree {
    fn new(task: Pid) -> Self {
        Self { task, exit: None, is_empty: false }
    }

    /// Until everything is gone. `order` says until when the task may end by itself once it shall be killed.
    fn wait(mut self, signals: &SigSet, order: impl Fn() -> Option<KillOrder>) -> Exit {
        loop {
            self.reap();
            if self.exit.is_some() || self.is_empty {
                self.kill_all(); // what it started has no business without it
                break;
            }
            if let Some(first) = order() {
                self.stop(first, &order);
                break;
            }
            let _ = signals.wait(); // whichever it is: look again
        }
        self.exit.unwrap_or(Exit::Unknown)
    }

    /// SIGTERM to everything, once, and SIGKILL to what is left at the deadline.
    fn stop(&mut self, mut order: KillOrder, newest: &impl Fn() -> Option<KillOrder>) {
        for pid in self.members() {
            let _ = kill(pid, Signal::SIGTERM); // gone in the meantime: nothing to do
            let _ = kill(pid, Signal::SIGCONT); // or a stopped process would not notice
        }
        let mut deadline = Instant::now().checked_add(order.time_left()); // `None`: beyond all clocks
        let mut pause = PAUSES.0;
        self.reap();
        while !self.is_empty && deadline.is_none_or(|deadline| Instant::now() < deadline) {
            let left = deadline.map(|deadline| deadline.saturating_duration_since(Instant::now()));
            sleep(left.map_or(pause, |left| pause.min(left)));
            pause = (pause * 2).min(PAUSES.1);
            self.reap();
            if let Some(changed) = newest().filter(|newest| *newest != order) {
                order = changed;
                let changed = Instant::now().checked_add(changed.time_left());
                deadline = [deadline, changed].into_iter().flatten().min();
            }
        }
        self.kill_all();
    }

    /// SIGKILL, as often as it takes: a process may have made another before it died.
    fn kill_all(&mut self) {
        let mut pause = PAUSES.0;
        self.reap();
        while !self.is_empty {
            for pid in self.members() {
                let _ = kill(pid, Signal::SIGKILL); // gone in the meantime: nothing to do
            }
            sleep(pause);
            pause = (pause * 2).min(PAUSES.1);
            self.reap();
        }
    }

    /// The task first, then what it started: a shell is then told before the command that it waits for.
    fn members(&self) -> Vec<Pid> {
        let own = i32::try_from(std::process::id()).unwrap_or(0);
        procfs::descendants(own).into_iter().map(Pid::from_raw).collect()
    }

    /// Takes note of everything that ended. This process inherits every orphan, so without children there is nothing left.
    fn reap(&mut self) {
        loop {
            match waitpid(None, Some(WaitPidFlag::WNOHANG)) {
                Ok(WaitStatus::Exited(pid, status)) if pid == self.task => self.exit = Some(Exit::Status(status)),
                Ok(WaitStatus::Signaled(pid, signal, _)) if pid == self.task => {
                    self.exit = Some(Exit::Signal(signal as i32));
                }
                Ok(WaitStatus::StillAlive) => return,
                Ok(_) | Err(Errno::EINTR) => {}
                Err(_) => {
                    self.is_empty = true;
                    return;
                }
            }
        }
    }
}
