//! Statuses on their way to the framework: per task one at a time, in order, again and again until acknowledged.

use std::time::Duration;

use uuid::Uuid;

use super::{ANSWERS, Agent, Change, Effect, Output, Timer};
use crate::{
    clock::Now,
    protocol::{
        ContainerId, FrameworkId, TaskId,
        agent::FromAgent,
        task::{Reason, Source, TaskState, TaskStatus},
    },
};

/// Wait before a status is told for the second time; doubled each time after.
const FIRST_RETRY: Duration = Duration::from_secs(10);
/// The longest such wait.
const LONGEST_RETRY: Duration = Duration::from_secs(600);

fn doubled(delay: Duration) -> Duration {
    (delay * 2).clamp(FIRST_RETRY, LONGEST_RETRY)
}

/// A status about a task that is not here. Not written down: it is an answer, and can be asked for again.
#[derive(Clone, Debug)]
pub(super) struct Answer {
    status: TaskStatus,
    retry_delay: Duration,
}

/// Of tasks.
impl Agent {
    /// The task has a new status, which is told as soon as those before it are acknowledged. Writes the task down.
    pub(super) fn update(&mut self, now: Now, container_id: &ContainerId, mut status: TaskStatus, out: &mut Output) {
        let Some(task) = self.tasks.get_mut(container_id) else { return };
        status.container_id = Some(container_id.clone());
        if status.ip_addresses.is_empty() {
            status.ip_addresses.clone_from(&task.progress.status.ip_addresses);
        }
        task.progress.status = status.clone();
        let waiting = &mut task.progress.unacknowledged;
        if waiting.len() > 1 && waiting.back().is_some_and(|last| last.state == status.state) {
            waiting.pop_back(); // never told, and out of date
        }
        waiting.push_back(status);
        let alone = waiting.len() == 1;
        out.changes.push(task.put());
        if alone {
            self.tell_next(now, container_id, out);
        }
    }

    /// Tells the oldest status of a task as if for the first time.
    fn tell_next(&mut self, now: Now, container_id: &ContainerId, out: &mut Output) {
        if let Some(task) = self.tasks.get_mut(container_id) {
            task.retry_delay = Duration::ZERO;
        }
        self.retry(now, container_id, out);
    }

    /// Tells the oldest status of a task, and sets the timer for the next time. Without a registration nothing is told and
    /// nothing waited for: everything is told after it.
    pub(super) fn retry(&mut self, now: Now, container_id: &ContainerId, out: &mut Output) {
        if !self.is_registered() {
            return;
        }
        let Some(task) = self.tasks.get_mut(container_id) else { return };
        let Some(status) = task.progress.unacknowledged.front().cloned() else { return };
        task.retry_delay = doubled(task.retry_delay);
        self.timers.set(Timer::Retry(container_id.clone()), now.tick + task.retry_delay);
        let (framework_id, latest_state) = (task.framework_id.clone(), task.progress.status.state);
        self.send(FromAgent::Update { framework_id, status, latest_state }, out);
    }

    /// The framework has an update. Any other than the one that is being told is ignored.
    pub(super) fn acknowledged(
        &mut self,
        now: Now,
        framework_id: FrameworkId,
        task_id: TaskId,
        uuid: Uuid,
        out: &mut Output,
    ) {
        let key = (framework_id, task_id);
        if self.answers.get(&key).is_some_and(|answer| answer.status.uuid == Some(uuid)) {
            return self.forget_answer(&key);
        }
        let Some(container_id) = self.by_id.get(&key).cloned() else { return };
        let Some(task) = self.tasks.get_mut(&container_id) else { return };
        if task.progress.unacknowledged.front().is_none_or(|status| status.uuid != Some(uuid)) {
            return;
        }
        task.progress.unacknowledged.pop_front();
        self.timers.cancel(&Timer::Retry(container_id.clone()));
        if task.is_over() && task.progress.unacknowledged.is_empty() {
            self.tasks.remove(&container_id);
            self.by_id.remove(&key);
            out.changes.push(Change::Remove(container_id.clone()));
            out.effects.push(Effect::Forget(container_id));
            return;
        }
        out.changes.push(task.put());
        self.tell_next(now, &container_id, out);
    }

    /// The master knows this agent again: everything unacknowledged is told.
    pub(super) fn tell_everything(&mut self, now: Now, out: &mut Output) {
        self.tell_those_of(now, |_| true, out);
    }

    /// The framework listens again: everything that it has not acknowledged is told.
    pub(super) fn tell_again(&mut self, now: Now, framework: &FrameworkId, out: &mut Output) {
        self.tell_those_of(now, |other| other == framework, out);
    }

    fn tell_those_of(&mut self, now: Now, meant: impl Fn(&FrameworkId) -> bool, out: &mut Output) {
        let tasks = self.tasks.iter().filter(|(_, task)| meant(&task.framework_id));
        let waiting: Vec<ContainerId> = tasks.map(|(container_id, _)| container_id.clone()).collect();
        for container_id in waiting {
            self.tell_next(now, &container_id, out);
        }
        let answers: Vec<_> = self.answers.keys().filter(|(framework, _)| meant(framework)).cloned().collect();
        for key in answers {
            self.retry_answer(now, key, out);
        }
    }
}

/// About tasks that are not here.
impl Agent {
    /// Tells, until acknowledged, that a task is not here. An answer that is being told already is told again.
    pub(super) fn answer(
        &mut self,
        now: Now,
        key: (FrameworkId, TaskId),
        state: TaskState,
        reason: Reason,
        message: String,
        out: &mut Output,
    ) {
        if !self.answers.contains_key(&key) {
            let mut status = self.new_status(now, &key.1, state, Source::SourceAgent);
            status.reason = Some(reason);
            status.message = message;
            self.answers.insert(key.clone(), Answer { status, retry_delay: Duration::ZERO });
            if self.answers.len() > ANSWERS
                && let Some(first) = self.answers.keys().find(|other| **other != key).cloned()
            {
                self.forget_answer(&first);
            }
        }
        self.retry_answer(now, key, out);
    }

    pub(super) fn retry_answer(&mut self, now: Now, key: (FrameworkId, TaskId), out: &mut Output) {
        if !self.is_registered() {
            return;
        }
        let Some(answer) = self.answers.get_mut(&key) else { return };
        answer.retry_delay = doubled(answer.retry_delay);
        let (status, delay) = (answer.status.clone(), answer.retry_delay);
        let (framework_id, latest_state) = (key.0.clone(), status.state);
        self.timers.set(Timer::RetryAnswer(key.0, key.1), now.tick + delay);
        self.send(FromAgent::Update { framework_id, status, latest_state }, out);
    }

    /// A task with this id is launched, or the answer was acknowledged.
    pub(super) fn forget_answer(&mut self, key: &(FrameworkId, TaskId)) {
        self.answers.remove(key);
        self.timers.cancel(&Timer::RetryAnswer(key.0.clone(), key.1.clone()));
    }
}
