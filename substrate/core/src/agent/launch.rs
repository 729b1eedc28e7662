//! Starting and stopping tasks.

use std::{collections::VecDeque, time::Duration};

use super::{
    Agent, Effect, Launch, Output,
    task::{Kill, Phase, Progress, Task},
};
use crate::{
    clock::Now,
    protocol::{
        FrameworkId, TaskId,
        task::{DEFAULT_KILL_GRACE, Reason, Source, TaskInfo, TaskState},
    },
};

impl Agent {
    /// Starts a task, once: a task that is there already stays as it is.
    pub(super) fn launch(
        &mut self,
        now: Now,
        framework_id: FrameworkId,
        role: String,
        info: TaskInfo,
        out: &mut Output,
    ) {
        let key = (framework_id.clone(), info.id.clone());
        if self.by_id.contains_key(&key) {
            return;
        }
        self.forget_answer(&key);
        let used = self.used();
        if used.overlaps(&info.resources) || !self.info.resources.contains(&used.plus(&info.resources)) {
            let free = self.info.resources.minus(&used);
            let message = format!("Task uses more resources {} than available {free}", info.resources);
            return self.answer(now, key, TaskState::TaskDropped, Reason::ReasonInvalidOffers, message, out);
        }
        let container_id = self.new_container_id();
        let mut status = self.new_status(now, &info.id, TaskState::TaskStarting, Source::SourceExecutor);
        status.container_id = Some(container_id.clone());
        let progress = Progress {
            role,
            phase: Phase::Launching,
            kill: None,
            status: status.clone(),
            unacknowledged: VecDeque::new(),
            health: health_core::State::default(),
        };
        let task = Task {
            container_id: container_id.clone(),
            framework_id: framework_id.clone(),
            info: info.clone(),
            progress,
            retry_delay: Duration::ZERO,
            probing: None,
        };
        self.by_id.insert(key, container_id.clone());
        self.tasks.insert(container_id.clone(), task);
        self.update(now, &container_id, status, out);
        out.effects.push(Effect::Launch(Box::new(Launch { container_id, framework_id, task: info })));
    }

    /// Stops a task on behalf of its framework.
    pub(super) fn kill(
        &mut self,
        now: Now,
        framework_id: FrameworkId,
        task_id: TaskId,
        grace: Option<Duration>,
        out: &mut Output,
    ) {
        let key = (framework_id, task_id);
        let Some(container_id) = self.by_id.get(&key).cloned() else {
            let message = "Task is unknown to the agent".to_owned();
            return self.answer(now, key, TaskState::TaskDropped, Reason::ReasonExecutorTerminated, message, out);
        };
        let Some(task) = self.tasks.get(&container_id) else { return };
        let grace = grace.or(task.info.kill_grace).unwrap_or(DEFAULT_KILL_GRACE);
        self.end(now, &container_id, grace, None, out);
    }

    /// Lets a container end within `grace`, or within what is left of an earlier grace period if that is less.
    pub(super) fn end(
        &mut self,
        now: Now,
        container_id: &super::ContainerId,
        grace: Duration,
        unhealthy: Option<String>,
        out: &mut Output,
    ) {
        let Some(task) = self.tasks.get_mut(container_id).filter(|task| !task.is_over()) else { return };
        let deadline = now.tick + grace;
        let kill = match task.progress.kill {
            Some(before) if before.deadline <= deadline => return,
            Some(before) => Kill { deadline, grace, ..before },
            None => Kill { deadline, grace, unhealthy: unhealthy.is_some() },
        };
        let first = task.progress.kill.replace(kill).is_none();
        task.probing = None;
        self.timers.cancel(&super::Timer::Probe(container_id.clone()));
        let task_id = task.info.id.clone();
        if first {
            let healthy = if kill.unhealthy { Some(false) } else { task.progress.status.healthy };
            let mut status = self.new_status(now, &task_id, TaskState::TaskKilling, Source::SourceExecutor);
            status.healthy = healthy;
            status.message = unhealthy.unwrap_or_default();
            self.update(now, container_id, status, out);
        } else if let Some(task) = self.tasks.get(container_id) {
            out.changes.push(task.put());
        }
        out.effects.push(Effect::Kill { container_id: container_id.clone(), grace });
    }
}
