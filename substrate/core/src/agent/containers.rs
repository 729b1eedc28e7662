//! What the containerizer tells, and which status follows from it.

use std::{net::IpAddr, time::Duration};

use super::{
    Agent, ContainerEvent, Effect, Exit, Output, Timer,
    task::{Kill, Phase},
};
use crate::{
    clock::Now,
    protocol::{
        ContainerId,
        task::{Reason, Source, TaskState},
    },
};

/// How a task ended.
#[derive(Clone, Debug, PartialEq, Eq)]
struct End {
    state: TaskState,
    source: Source,
    reason: Option<Reason>,
    message: String,
}

impl Agent {
    pub(super) fn container_changed(
        &mut self,
        now: Now,
        container_id: &ContainerId,
        event: ContainerEvent,
        out: &mut Output,
    ) {
        match event {
            ContainerEvent::Started { ip_addresses } => self.container_started(now, container_id, ip_addresses, out),
            ContainerEvent::LaunchFailed { message } => {
                self.container_ended(now, container_id, |kill| launch_failed(message, kill), out);
            }
            ContainerEvent::Exited(exit) => {
                self.container_ended(now, container_id, |kill| exited(&exit, kill), out);
            }
        }
    }

    fn container_started(&mut self, now: Now, container_id: &ContainerId, ip_addresses: Vec<IpAddr>, out: &mut Output) {
        let Some(task) = self.tasks.get_mut(container_id) else {
            // Nobody knows what it is for: a record of it was removed, or never written.
            let (container_id, grace) = (container_id.clone(), Duration::ZERO);
            return out.effects.push(Effect::Kill { container_id, grace });
        };
        if task.is_over() {
            return;
        }
        let first = task.progress.phase == Phase::Launching;
        if first {
            task.progress.phase = Phase::Running { since: now.tick };
        }
        if let Some(kill) = task.progress.kill {
            // The kill came before the process, or before a restart: it may not have reached it.
            out.changes.push(task.put());
            let (container_id, grace) = (container_id.clone(), kill.grace_left(now));
            return out.effects.push(Effect::Kill { container_id, grace });
        }
        if first {
            let task_id = task.info.id.clone();
            let mut status = self.new_status(now, &task_id, TaskState::TaskRunning, Source::SourceExecutor);
            status.ip_addresses = if ip_addresses.is_empty() { self.ip_addresses.clone() } else { ip_addresses };
            self.update(now, container_id, status, out);
        }
        self.start_probing(now, container_id, out);
    }

    fn container_ended(
        &mut self,
        now: Now,
        container_id: &ContainerId,
        end: impl FnOnce(Option<Kill>) -> End,
        out: &mut Output,
    ) {
        let Some(task) = self.tasks.get_mut(container_id).filter(|task| !task.is_over()) else { return };
        task.progress.phase = Phase::Over;
        task.probing = None;
        self.timers.cancel(&Timer::Probe(container_id.clone()));
        let kill = task.progress.kill;
        let (task_id, healthy) = (task.info.id.clone(), task.progress.status.healthy);
        let End { state, source, reason, message } = end(kill);
        let mut status = self.new_status(now, &task_id, state, source);
        status.reason = reason;
        status.message = message;
        status.healthy = if kill.is_some_and(|kill| kill.unhealthy) { Some(false) } else { healthy };
        self.update(now, container_id, status, out);
    }
}

fn launch_failed(message: String, kill: Option<Kill>) -> End {
    let (state, reason) = match kill {
        Some(_) => (TaskState::TaskKilled, Reason::ReasonTaskKilledDuringLaunch),
        None => (TaskState::TaskFailed, Reason::ReasonContainerLaunchFailed),
    };
    End { state, source: Source::SourceAgent, reason: Some(reason), message }
}

fn exited(exit: &Exit, kill: Option<Kill>) -> End {
    let (ended, source, reason, message) = match exit {
        Exit::Status(0) => {
            (TaskState::TaskFinished, Source::SourceExecutor, None, "Command exited with status 0".to_owned())
        }
        Exit::Status(status) => {
            (TaskState::TaskFailed, Source::SourceExecutor, None, format!("Command exited with status {status}"))
        }
        Exit::Signal(signal) => {
            let message = format!("Command terminated with signal {}", signal_name(*signal));
            (TaskState::TaskFailed, Source::SourceExecutor, None, message)
        }
        Exit::OutOfMemory => {
            let reason = Some(Reason::ReasonContainerLimitationMemory);
            let message = "Memory limit exceeded".to_owned();
            (TaskState::TaskFailed, Source::SourceAgent, reason, message)
        }
        Exit::Unknown => {
            let reason = Some(Reason::ReasonExecutorTerminated);
            let message = "Command ended unobserved: its exit status is not known".to_owned();
            (TaskState::TaskFailed, Source::SourceAgent, reason, message)
        }
    };
    match kill {
        Some(_) => End { state: TaskState::TaskKilled, source, reason: None, message },
        None => End { state: ended, source, reason, message },
    }
}

/// As `kill -l` on Linux names it.
fn signal_name(signal: i32) -> String {
    const NAMES: [&str; 31] = [
        "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE", "ALRM",
        "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ", "VTALRM", "PROF",
        "WINCH", "IO", "PWR", "SYS",
    ];
    let name = usize::try_from(signal).ok().and_then(|signal| signal.checked_sub(1)).and_then(|index| NAMES.get(index));
    name.map_or_else(|| signal.to_string(), |name| format!("SIG{name}"))
}
