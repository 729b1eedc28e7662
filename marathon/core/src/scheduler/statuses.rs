//! What is told about tasks.

use substrate_core::protocol::{
    scheduler::Call,
    task::{TaskState, TaskStatus},
};

use super::{Change, Scheduler};
use crate::{
    event::Event,
    id::TaskName,
    instance::{
        Condition, Goal, Instance, Task,
        transitions::{self, Hearing},
    },
    state::TaskFailure,
};

/// Longer messages are cut (Marathon behaviour reference, "Task updates").
const MAX_MESSAGE_CHARS: usize = 10_000;

impl Scheduler {
    /// Takes a status in, and confirms it whatever it says: the confirmation goes out after the change is durable.
    pub(super) fn heard(&mut self, status: &TaskStatus) {
        self.take_in(status);
        if let (Some(uuid), Some(agent)) = (status.uuid, status.agent_id.clone()) {
            self.call(Call::Acknowledge { agent, task: status.task_id.clone(), uuid });
        }
    }

    fn take_in(&mut self, status: &TaskStatus) {
        let over = transitions::is_over(transitions::condition_of(status));
        if over {
            self.stray_ended(&status.task_id);
        }
        let name = status.task_id.as_str().parse::<TaskName>().ok();
        let Some(instance) = name.as_ref().and_then(|name| self.instance(&name.instance)) else {
            return self.heard_of_unknown(status, name, over);
        };
        match &instance.task {
            Some(task) if task.id == status.task_id => self.heard_of_task(&instance, task, status),
            // An earlier run of the instance.
            Some(_) | None if over => {}
            Some(_) | None => self.kill_stray(&status.task_id, status.agent_id.as_ref()),
        }
    }

    fn heard_of_unknown(&mut self, status: &TaskStatus, name: Option<TaskName>, over: bool) {
        if !over {
            self.kill_stray(&status.task_id, status.agent_id.as_ref());
        } else if let Some(name) = name {
            let condition = transitions::condition_of(status);
            self.emit(Event::UnknownInstanceTerminated { instance: name.instance, condition });
        }
    }

    fn heard_of_task(&mut self, instance: &Instance, task: &Task, status: &TaskStatus) {
        let app = self.version_of(&instance.id.spec, instance.version);
        let checks = app.as_ref().map_or(0, |app| app.spec.health_checks.len());
        let mut next = Instance::clone(instance);
        let (condition_changed, health_told) = match next.hear(status, checks, self.now) {
            Hearing::Nothing => return,
            Hearing::Stray => return self.kill_stray(&status.task_id, status.agent_id.as_ref()),
            Hearing::News { condition_changed, health_told } => (condition_changed, health_told),
        };
        let given_up = app.as_ref().and_then(|app| next.given_up_at(app.spec.unreachable));
        if next.condition == Condition::Unreachable && given_up.is_some_and(|(inactive_at, _)| inactive_at <= self.now)
        {
            next.condition = Condition::UnreachableInactive;
        }
        self.tell_status(&next, status);
        if condition_changed {
            self.announce(&next);
            self.record_failure(&next, status);
            let blameless = task.kill_requested_at.is_some() || transitions::never_had_a_chance(task, status);
            if let Some(app) =
                app.filter(|_| next.goal == Goal::Running && !(next.condition.is_terminal() && blameless))
            {
                self.state.queue.observe(&app, next.condition, self.now);
                self.queue_touched(next.id.spec.clone(), false);
            }
        }
        let id = next.id.clone();
        if next.goal != Goal::Running && next.condition.is_considered_terminal() {
            return self.forget_ended(next);
        }
        if given_up.is_some_and(|(_, expunge_at)| expunge_at <= self.now) {
            return self.drop_instance(&id);
        }
        self.put(next);
        if let Some(healthy) = health_told {
            self.agent_judged(&id, healthy, &status.message);
        }
    }

    fn tell_status(&mut self, instance: &Instance, status: &TaskStatus) {
        let Some(task) = &instance.task else { return };
        self.emit(Event::StatusUpdate {
            agent: status.agent_id.clone().or_else(|| Some(task.agent_id.clone())),
            task: task.id.clone(),
            state: status.state,
            message: bounded(&status.message),
            app: instance.id.spec.clone(),
            host: task.host.clone(),
            ip_addresses: task.ip_addresses.clone(),
            ports: task.ports.clone(),
            version: instance.version,
        });
    }

    /// Remembers how a task failed. Normal ends do not count, but the end of a task that its agent killed as unhealthy does.
    fn record_failure(&mut self, instance: &Instance, status: &TaskStatus) {
        match status.state {
            TaskState::TaskFailed
            | TaskState::TaskError
            | TaskState::TaskLost
            | TaskState::TaskDropped
            | TaskState::TaskGone
            | TaskState::TaskGoneByOperator
            | TaskState::TaskUnknown => self.put_failure(instance, status.state, bounded(&status.message)),
            TaskState::TaskKilling | TaskState::TaskKilled => self.record_kill(instance, status),
            TaskState::TaskStaging
            | TaskState::TaskStarting
            | TaskState::TaskRunning
            | TaskState::TaskFinished
            | TaskState::TaskUnreachable => {}
        }
    }

    /// The first word of the agent's kill has the cause; the last one only tells how the process ended.
    fn record_kill(&mut self, instance: &Instance, status: &TaskStatus) {
        let Some(task) = instance.task.as_ref().filter(|task| task.kill_requested_at.is_none()) else { return };
        let is_known = self.state.failures.get(&instance.id.spec).is_some_and(|failure| failure.task == task.id);
        if status.healthy == Some(false) && !is_known {
            let message = format!("Task was killed since health check failed. Reason: {}", bounded(&status.message));
            self.put_failure(instance, TaskState::TaskKilled, message);
        }
    }

    pub(super) fn put_failure(&mut self, instance: &Instance, state: TaskState, message: String) {
        let Some(task) = &instance.task else { return };
        let failure = std::sync::Arc::new(TaskFailure {
            app: instance.id.spec.clone(),
            task: task.id.clone(),
            state,
            message,
            host: task.host.clone(),
            agent: Some(task.agent_id.clone()),
            at: self.now,
            version: instance.version,
        });
        self.state.failures.insert(failure.app.clone(), failure.clone());
        self.change(Change::PutFailure(failure));
    }
}

fn bounded(message: &str) -> String {
    message.chars().take(MAX_MESSAGE_CHARS).collect()
}
