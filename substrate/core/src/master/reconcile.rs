//! What a framework is told when it asks how its tasks are.

use super::{Master, Output, agents::Presence, tasks::master_status};
use crate::{
    clock::Now,
    protocol::{
        AgentId, FrameworkId, TaskId,
        task::{Reason, Source, TaskState},
    },
};

impl Master {
    /// No task named: all that the framework has.
    pub(super) fn reconcile(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        tasks: Vec<(TaskId, Option<AgentId>)>,
        out: &mut Output,
    ) {
        if !tasks.is_empty() {
            for (task, agent) in tasks {
                self.reconcile_one(now, framework, &task, agent.as_ref(), out);
            }
            return;
        }
        let known: Option<Vec<TaskId>> =
            self.frameworks.get(framework).map(|framework| framework.tasks.keys().cloned().collect());
        for task in known.unwrap_or_default() {
            self.reconcile_one(now, framework, &task, None, out);
        }
    }

    /// Tells how one task is, unless that cannot be known yet.
    pub(super) fn reconcile_one(
        &self,
        now: Now,
        framework: &FrameworkId,
        id: &TaskId,
        agent: Option<&AgentId>,
        out: &mut Output,
    ) {
        let mut status = match self.task(framework, id) {
            Some(task) => {
                let mut status = task.status.clone();
                status.message = "Reconciliation: Latest task state".to_owned();
                status
            }
            None => {
                let Some((state, message)) = self.unknown_task(now, agent) else { return };
                let mut status = master_status(now, id, agent, state);
                status.message = message.to_owned();
                if state == TaskState::TaskUnreachable {
                    status.unreachable_time = self.unreachable_since(agent);
                }
                status
            }
        };
        status.timestamp = now.wall;
        status.source = Source::SourceMaster;
        status.reason = Some(Reason::ReasonReconciliation);
        status.uuid = None;
        self.tell_status(framework, status, out);
    }

    /// State and message for a task that this master does not know. `None`: its agent may yet come back and tell.
    fn unknown_task(&self, now: Now, agent: Option<&AgentId>) -> Option<(TaskState, &'static str)> {
        let found = agent.and_then(|id| self.agents.get(id));
        match (found.map(|agent| agent.presence), agent) {
            (Some(Presence::Connected(_) | Presence::Disconnected(_)), _) => {
                Some((TaskState::TaskGone, "Reconciliation: Task is unknown to the agent"))
            }
            (Some(Presence::Unreachable(_)), _) => {
                Some((TaskState::TaskUnreachable, "Reconciliation: Task is unreachable"))
            }
            (None, None) if self.agents_may_return(now) => None,
            (None, Some(id)) if self.agents_may_return(now) && !self.is_own(id) => None,
            (None, Some(id)) if !self.is_own(id) => {
                // It served an earlier master and did not come to this one.
                Some((TaskState::TaskUnreachable, "Reconciliation: Task is unreachable"))
            }
            (None, _) => Some((TaskState::TaskUnknown, "Reconciliation: Task is unknown")),
        }
    }

    /// Whether agents of an earlier master are still waited for.
    fn agents_may_return(&self, now: Now) -> bool {
        self.started.is_none_or(|started| now.tick < started.tick + self.config.agent_timeout)
    }

    /// Whether this master gave the agent its id.
    fn is_own(&self, agent: &AgentId) -> bool {
        agent.as_str().strip_prefix(self.config.id.as_str()).is_some_and(|rest| rest.starts_with("-S"))
    }

    /// When the agent was given up; one of an earlier master, when it was no longer waited for.
    fn unreachable_since(&self, agent: Option<&AgentId>) -> Option<marathon_time::Timestamp> {
        match agent.and_then(|id| self.agents.get(id)).map(|agent| agent.presence) {
            Some(Presence::Unreachable(since)) => Some(since),
            Some(Presence::Connected(_) | Presence::Disconnected(_)) | None => {
                self.started.map(|started| started.wall + self.config.agent_timeout)
            }
        }
    }
}
