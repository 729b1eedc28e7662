//! Tasks as the master sees them: from their launch until their last update is acknowledged.

use std::time::Duration;

use uuid::Uuid;

use super::{COMPLETED_TASKS, LinkId, Master, Output};
use crate::{
    allocator::Return,
    clock::Now,
    protocol::{
        AgentId, FrameworkId, TaskId,
        agent::ToAgent,
        scheduler::Event,
        task::{DEFAULT_KILL_GRACE, Reason, Source, TaskInfo, TaskState, TaskStatus},
    },
};

/// A task that is not forgotten.
#[derive(Clone, Debug)]
pub(super) struct Task {
    pub info: TaskInfo,
    pub role: String,
    /// What the framework was told last, or would have been.
    pub status: TaskStatus,
    /// The newest state that the agent told, which may be ahead of `status`.
    pub latest: TaskState,
    /// Whether its agent ever said anything about it.
    pub heard_of: bool,
    /// Whether its resources are allocated: they are given back as soon as `latest` is terminal.
    pub held: bool,
    /// The connection that its launch was sent on, if it was this master that did it.
    pub launched_on: Option<LinkId>,
    pub kill: Option<Kill>,
}

/// The framework wants the task to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Kill {
    pub grace: Option<Duration>,
}

/// What is remembered of a task that is over.
#[derive(Clone, Debug)]
pub(super) struct CompletedTask {
    pub info: TaskInfo,
    pub role: String,
    pub status: TaskStatus,
}

impl Task {
    /// One whose resources were just taken from an offer, to be launched on `link`.
    pub fn launched(now: Now, info: TaskInfo, role: String, link: LinkId) -> Self {
        let status = master_status(now, &info.id, Some(&info.agent_id), TaskState::TaskStaging);
        Self {
            info,
            role,
            status,
            latest: TaskState::TaskStaging,
            heard_of: false,
            held: true,
            launched_on: Some(link),
            kill: None,
        }
    }

    /// One that an agent has and this master did not know of.
    pub fn reported(info: TaskInfo, role: String, status: TaskStatus) -> Self {
        let latest = status.state;
        Self { info, role, status, latest, heard_of: true, held: false, launched_on: None, kill: None }
    }
}

/// A status that the master tells by itself: never acknowledged.
pub(super) fn master_status(now: Now, task: &TaskId, agent: Option<&AgentId>, state: TaskState) -> TaskStatus {
    TaskStatus {
        task_id: task.clone(),
        state,
        agent_id: agent.cloned(),
        timestamp: now.wall,
        source: Source::SourceMaster,
        reason: None,
        message: String::new(),
        uuid: None,
        healthy: None,
        container_id: None,
        ip_addresses: Vec::new(),
        unreachable_time: None,
    }
}

/// What a framework that knows no partitions is told instead.
pub(super) fn visible(state: TaskState, partition_aware: bool) -> TaskState {
    match state {
        TaskState::TaskDropped
        | TaskState::TaskUnreachable
        | TaskState::TaskGone
        | TaskState::TaskGoneByOperator
        | TaskState::TaskUnknown
            if !partition_aware =>
        {
            TaskState::TaskLost
        }
        TaskState::TaskStaging
        | TaskState::TaskStarting
        | TaskState::TaskRunning
        | TaskState::TaskKilling
        | TaskState::TaskFinished
        | TaskState::TaskFailed
        | TaskState::TaskKilled
        | TaskState::TaskError
        | TaskState::TaskLost
        | TaskState::TaskDropped
        | TaskState::TaskUnreachable
        | TaskState::TaskGone
        | TaskState::TaskGoneByOperator
        | TaskState::TaskUnknown => state,
    }
}

/// Looking up, telling, forgetting.
impl Master {
    pub(super) fn task(&self, framework: &FrameworkId, task: &TaskId) -> Option<&Task> {
        self.frameworks.get(framework)?.tasks.get(task)
    }

    pub(super) fn task_mut(&mut self, framework: &FrameworkId, task: &TaskId) -> Option<&mut Task> {
        self.frameworks.get_mut(framework)?.tasks.get_mut(task)
    }

    /// Tells a status in words that the framework understands.
    pub(super) fn tell_status(&self, framework_id: &FrameworkId, mut status: TaskStatus, out: &mut Output) {
        let aware = self.frameworks.get(framework_id).is_some_and(|framework| framework.partition_aware());
        status.state = visible(status.state, aware);
        self.tell(framework_id, Event::Update(status), out);
    }

    /// The master itself says how the task is now.
    pub(super) fn announce(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        task_id: &TaskId,
        mut status: TaskStatus,
        out: &mut Output,
    ) {
        status.source = Source::SourceMaster;
        status.uuid = None;
        status.timestamp = now.wall;
        if let Some(task) = self.task_mut(framework, task_id) {
            task.status = status.clone();
        }
        self.tell_status(framework, status, out);
    }

    /// Brings the allocator up to date with whether the task uses its resources.
    pub(super) fn settle(&mut self, now: Now, framework: &FrameworkId, task_id: &TaskId) {
        let Some(task) = self.frameworks.get_mut(framework).and_then(|found| found.tasks.get_mut(task_id)) else {
            return;
        };
        let uses = !task.latest.is_terminal();
        if uses == task.held {
            return;
        }
        task.held = uses;
        let (agent, role, resources) = (&task.info.agent_id, &task.role, &task.info.resources);
        if uses {
            self.allocator.hold(agent, framework, role, resources);
        } else {
            self.allocator.recover(now.tick, agent, framework, role, resources, Return::Freed);
        }
    }

    /// The master knows that the task is over, from no update of its own.
    #[expect(
        clippy::too_many_arguments,
        reason = "a status has many parts, and this is the one place that makes this one"
    )]
    pub(super) fn end_task(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        task_id: &TaskId,
        state: TaskState,
        reason: Reason,
        message: &str,
        out: &mut Output,
    ) {
        let Some(task) = self.task_mut(framework, task_id) else { return };
        if !task.latest.is_terminal() {
            task.latest = state;
            let mut status = master_status(now, task_id, Some(&task.info.agent_id), state);
            status.reason = Some(reason);
            status.message = message.to_owned();
            status.container_id = task.status.container_id.clone();
            self.settle(now, framework, task_id);
            self.announce(now, framework, task_id, status, out);
        }
        self.forget_task(framework, task_id);
    }

    /// The agent of the task is given up now.
    pub(super) fn task_unreachable(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        task_id: &TaskId,
        out: &mut Output,
    ) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let removed = framework.removed;
        let Some(task) = framework.tasks.get_mut(task_id) else { return };
        task.held = false; // its agent was taken out of the allocator with all that was held there
        task.launched_on = None;
        if removed {
            return self.forget_task(framework_id, task_id);
        }
        if task.status.state.is_terminal() {
            return; // the framework was told; what is missing is only its confirmation
        }
        // Also where the agent knew of the end and could not tell the framework any more: it may never come back to do so.
        let mut status = task.status.clone();
        status.state = TaskState::TaskUnreachable;
        status.reason = Some(Reason::ReasonAgentRemoved);
        status.message = "Agent is unreachable".to_owned();
        status.healthy = None;
        status.unreachable_time = Some(now.wall);
        self.announce(now, framework_id, task_id, status, out);
    }

    /// Nothing more is to be said about the task.
    pub(super) fn forget_task(&mut self, framework_id: &FrameworkId, task_id: &TaskId) {
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let Some(task) = framework.tasks.remove(task_id) else { return };
        let (info, role, status) = (task.info, task.role, task.status);
        if task.held {
            let now = self.clock.now();
            self.allocator.recover(now.tick, &info.agent_id, framework_id, &role, &info.resources, Return::Freed);
        }
        if let Some(agent) = self.agents.get_mut(&info.agent_id) {
            agent.tasks.remove(&(framework_id.clone(), task_id.clone()));
        }
        framework.completed_tasks.push_back(CompletedTask { info, role, status });
        if framework.completed_tasks.len() > COMPLETED_TASKS {
            framework.completed_tasks.pop_front();
        }
        self.complete_if_over(framework_id);
    }
}

/// Updates, acknowledgements, kills.
impl Master {
    /// An agent tells something about a task. Not stored: if the framework is away the agent tells it again.
    pub(super) fn updated(
        &mut self,
        now: Now,
        agent: &AgentId,
        framework_id: &FrameworkId,
        status: TaskStatus,
        latest: TaskState,
        out: &mut Output,
    ) {
        let task_id = status.task_id.clone();
        let elsewhere = self.task(framework_id, &task_id).is_some_and(|task| task.info.agent_id != *agent);
        if self.is_removed(framework_id) || elsewhere {
            return self.acknowledge_for(agent, framework_id, status, latest, out);
        }
        let connected = self.frameworks.get(framework_id).is_some_and(|framework| framework.stream.is_some());
        if let Some(task) = self.task_mut(framework_id, &task_id) {
            task.heard_of = true;
            if !task.latest.is_terminal() {
                task.latest = latest;
            }
            if connected {
                task.status = status.clone();
            }
            self.settle(now, framework_id, &task_id);
        }
        self.tell_status(framework_id, status, out);
    }

    /// Nobody else will: the framework is removed, or the update is about another task than the one that now has the id.
    fn acknowledge_for(
        &mut self,
        agent: &AgentId,
        framework_id: &FrameworkId,
        status: TaskStatus,
        latest: TaskState,
        out: &mut Output,
    ) {
        let task_id = status.task_id.clone();
        if let Some(uuid) = status.uuid {
            let (framework_id, task_id) = (framework_id.clone(), task_id.clone());
            self.send(agent, ToAgent::Acknowledge { framework_id, task_id, uuid }, out);
        }
        match self.task_mut(framework_id, &task_id) {
            Some(task) if task.info.agent_id == *agent && latest.is_terminal() => {
                task.status = status;
                task.latest = latest;
                self.forget_task(framework_id, &task_id);
            }
            Some(_) | None => {}
        }
    }

    pub(super) fn acknowledge(
        &mut self,
        framework_id: &FrameworkId,
        agent_id: &AgentId,
        task_id: &TaskId,
        uuid: Uuid,
        out: &mut Output,
    ) {
        if self.agents.get(agent_id).and_then(|agent| agent.link()).is_none() {
            return; // the agent will tell the update again
        }
        let (framework, task) = (framework_id.clone(), task_id.clone());
        self.send(agent_id, ToAgent::Acknowledge { framework_id: framework, task_id: task, uuid }, out);
        let over = self.task(framework_id, task_id).is_some_and(|task| {
            task.status.state.is_terminal() && task.status.uuid == Some(uuid) && task.info.agent_id == *agent_id
        });
        if over {
            self.forget_task(framework_id, task_id);
        }
    }

    pub(super) fn kill(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        task_id: &TaskId,
        agent: Option<&AgentId>,
        grace: Option<Duration>,
        out: &mut Output,
    ) {
        let Some(task) = self.task_mut(framework_id, task_id) else {
            return self.reconcile_one(now, framework_id, task_id, agent, out);
        };
        if agent.is_some_and(|agent| *agent != task.info.agent_id) {
            return;
        }
        // Kept until the agent says that the task is over, so that it can be said again after a broken connection.
        let effective = |grace: Option<Duration>| grace.or(task.info.kill_grace).unwrap_or(DEFAULT_KILL_GRACE);
        if task.kill.is_none_or(|kill| effective(grace) < effective(kill.grace)) {
            task.kill = Some(Kill { grace });
        }
        let (agent, unreachable) = (task.info.agent_id.clone(), task.status.state == TaskState::TaskUnreachable);
        if !task.latest.is_terminal() {
            let (framework_id, task_id) = (framework_id.clone(), task_id.clone());
            self.send(&agent, ToAgent::Kill { framework_id, task_id, grace }, out);
        }
        if unreachable {
            self.reconcile_one(now, framework_id, task_id, Some(&agent), out);
        }
    }
}
