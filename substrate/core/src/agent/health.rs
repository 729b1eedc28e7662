//! Health checks that run beside a task.

use health_core::{Check, Outcome, ProbeNumber, Protocol, Schedule};
use marathon_time::Timestamp;

use super::{
    Agent, Effect, Output, Timer,
    task::{Phase, Probing, Task},
};
use crate::{
    clock::Now,
    protocol::{
        ContainerId,
        task::{DEFAULT_KILL_GRACE, Reason, Source, TaskState},
    },
};

/// The check that the agent runs, and since when the task runs; none for a task that is not to be probed.
fn probed_by_agent(task: &Task) -> Option<(&Check, Timestamp)> {
    let check = task.info.health_check.as_ref()?;
    match (&check.protocol, task.progress.phase) {
        (Protocol::Command { .. }, Phase::Running { since }) if task.progress.kill.is_none() => Some((check, since)),
        (Protocol::Command { .. }, Phase::Launching | Phase::Running { .. } | Phase::Over)
        | (Protocol::Http { .. } | Protocol::Https { .. } | Protocol::Tcp { .. }, _) => None,
    }
}

impl Agent {
    /// The process of a task exists, or still exists after a restart.
    pub(super) fn start_probing(&mut self, now: Now, container_id: &ContainerId, out: &mut Output) {
        let Some(task) = self.tasks.get_mut(container_id) else { return };
        if task.probing.is_some() {
            return;
        }
        let Some((check, since)) = probed_by_agent(task) else { return };
        let schedule = Schedule::new(check, since);
        task.probing = Some(Probing { schedule, number: ProbeNumber::default() });
        self.probe(now, container_id, out);
    }

    /// Probes if it is time to, gives up on a probe that was not answered, and sets the timer for the next look.
    pub(super) fn probe(&mut self, now: Now, container_id: &ContainerId, out: &mut Output) {
        let Some(probing) = self.tasks.get_mut(container_id).and_then(|task| task.probing.as_mut()) else { return };
        if let Some(failure) = probing.schedule.lapsed(now.tick) {
            self.judge(now, container_id, &failure, out);
        }
        let Some(probing) = self.tasks.get_mut(container_id).and_then(|task| task.probing.as_mut()) else { return };
        if probing.schedule.due(now.tick) {
            probing.number = probing.schedule.started(now.tick);
            out.effects.push(Effect::Probe(container_id.clone()));
        }
        self.timers.set(Timer::Probe(container_id.clone()), probing.schedule.next_due());
    }

    /// A probe was answered. An answer that comes after its probe was given up counts for the next one.
    pub(super) fn probed(&mut self, now: Now, container_id: &ContainerId, outcome: &Outcome, out: &mut Output) {
        let Some(probing) = self.tasks.get_mut(container_id).and_then(|task| task.probing.as_mut()) else { return };
        if probing.schedule.answered(now.tick, probing.number) {
            self.judge(now, container_id, outcome, out);
            self.probe(now, container_id, out);
        }
    }

    fn judge(&mut self, now: Now, container_id: &ContainerId, outcome: &Outcome, out: &mut Output) {
        let Some(task) = self.tasks.get_mut(container_id) else { return };
        let Some((check, since)) = probed_by_agent(task) else { return };
        let (check, since) = (check.clone(), since);
        let judgement = task.progress.health.record(now.tick, outcome, since, &check);
        let healthy = task.progress.health.alive();
        let cause = task.progress.health.last_failure_cause.clone().unwrap_or_default();
        let grace = task.info.kill_grace.unwrap_or(DEFAULT_KILL_GRACE);
        if judgement.failure_counted && !judgement.alive_changed {
            out.changes.push(task.put()); // so that a restart does not begin to count anew
        }
        if judgement.alive_changed {
            let task_id = task.info.id.clone();
            let mut status = self.new_status(now, &task_id, TaskState::TaskRunning, Source::SourceExecutor);
            status.reason = Some(Reason::ReasonTaskHealthCheckStatusUpdated);
            status.healthy = healthy;
            if healthy == Some(false) {
                status.message.clone_from(&cause);
            }
            self.update(now, container_id, status, out);
        }
        if judgement.kill_due {
            let message = format!("Health check failed {} times in a row: {cause}", check.max_consecutive_failures);
            self.end(now, container_id, grace, Some(message), out);
        }
    }
}
