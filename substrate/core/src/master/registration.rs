//! What an agent says it runs, held against what the master believes.

use std::collections::BTreeSet;

use super::{
    LinkId, Master, Output, Timer,
    agents::{Agent, Presence},
    tasks::Task,
};
use crate::{
    clock::Now,
    protocol::{
        AgentId, FrameworkId, TaskId,
        agent::{AgentInfo, TaskReport, ToAgent},
        is_valid_id,
        task::{Reason, TaskState},
    },
};

impl Master {
    /// An agent says who it is and everything that it runs.
    pub(super) fn register(
        &mut self,
        now: Now,
        link: LinkId,
        id: Option<AgentId>,
        info: AgentInfo,
        reports: Vec<TaskReport>,
        out: &mut Output,
    ) {
        if let Some(id) = id.as_ref().filter(|id| !is_valid_id(id.as_str())) {
            let message = format!("Agent id {:?} is invalid", id.as_str());
            self.links.send(link, ToAgent::Refused { message }, out);
            return self.give_up(now, link, out);
        }
        let known_before = id.is_some();
        let id = id.unwrap_or_else(|| self.new_agent_id(now, &info, out));
        self.leave_other_connections(now, link, &id, out);
        self.links.register(link, &id);
        let came_back = self.take_in(now, link, &id, info, known_before, out);
        self.links.send(link, ToAgent::Registered { id: id.clone() }, out);

        let mut reported = BTreeSet::new();
        for report in reports {
            reported.insert((report.framework_id.clone(), report.info.id.clone()));
            self.absorb(now, &id, report, came_back, out);
        }
        for (framework, task) in self.tasks_on(&id) {
            if !reported.contains(&(framework.clone(), task.clone())) {
                self.missing(now, link, &framework, &task, out);
            }
        }
        let confirmed = self.agents.get(&id).is_some_and(|agent| agent.confirmed);
        self.allocator.set_agent_active(&id, confirmed);
    }

    /// An id for an agent without one. Whoever is away and had the same address is gone for good: its work directory was wiped,
    /// or it never heard the id that it was given.
    fn new_agent_id(&mut self, now: Now, info: &AgentInfo, out: &mut Output) -> AgentId {
        let same = |agent: &Agent| {
            agent.link().is_none() && agent.info.hostname == info.hostname && agent.info.address == info.address
        };
        let replaced: Vec<AgentId> =
            self.agents.iter().filter(|(_, agent)| same(agent)).map(|(id, _)| id.clone()).collect();
        for id in replaced {
            self.agent_replaced(now, &id, out);
        }
        let id = AgentId::new(format!("{}-S{}", self.config.id, self.next_agent));
        self.next_agent += 1;
        id
    }

    /// The agent speaks on `link` alone, and nobody else does.
    fn leave_other_connections(&mut self, now: Now, link: LinkId, id: &AgentId, out: &mut Output) {
        if let Some(before) = self.links.agent(link).filter(|before| *before != id).cloned() {
            self.agent_disconnected(now, &before, link, out);
        }
        if let Some(old) = self.agents.get(id).and_then(Agent::link).filter(|old| *old != link) {
            self.give_up(now, old, out);
        }
    }

    /// Enters the agent in the books. True if frameworks may believe that it is unreachable.
    fn take_in(
        &mut self,
        now: Now,
        link: LinkId,
        id: &AgentId,
        info: AgentInfo,
        known_before: bool,
        out: &mut Output,
    ) -> bool {
        self.timers.cancel(&Timer::AgentLost(id.clone()));
        let Some(agent) = self.agents.get_mut(id) else {
            self.allocator.add_agent(id, info.resources.clone());
            self.allocator.set_agent_active(id, false); // until its tasks are counted
            let agent = Agent {
                info,
                presence: Presence::Connected(link),
                confirmed: known_before,
                tasks: BTreeSet::new(),
                offers: BTreeSet::new(),
                registered: now.wall,
                reregistered: None,
            };
            self.agents.insert(id.clone(), agent);
            return known_before;
        };
        let was = std::mem::replace(&mut agent.presence, Presence::Connected(link));
        let changed = agent.info != info;
        agent.confirmed |= known_before;
        agent.info = info;
        agent.reregistered = Some(now.wall);
        let came_back = matches!(was, Presence::Unreachable(_));
        if changed || came_back {
            let total = agent.info.resources.clone();
            self.rescind_all(now, id, out);
            self.allocator.add_agent(id, total);
        }
        self.allocator.set_agent_active(id, false);
        self.unreachable.retain(|other| other != id);
        came_back
    }

    /// Takes in one task that the agent has.
    fn absorb(&mut self, now: Now, agent_id: &AgentId, report: TaskReport, came_back: bool, out: &mut Output) {
        let TaskReport { framework_id, role, info, container_id: _, status } = report;
        let task_id = info.id.clone();
        self.meet_framework(&framework_id);
        let Some(framework) = self.frameworks.get_mut(&framework_id) else { return };
        match framework.tasks.get_mut(&task_id) {
            Some(task) if task.info.agent_id != *agent_id => {
                // The id was used again elsewhere, when this one was believed to be gone: one of the two is too many.
                let kill = ToAgent::Kill { framework_id, task_id, grace: None };
                return self.send(agent_id, kill, out);
            }
            Some(task) => {
                task.heard_of = true;
                if !task.latest.is_terminal() {
                    task.latest = status.state;
                }
            }
            None => {
                let mut info = info;
                info.agent_id = agent_id.clone();
                framework.tasks.insert(task_id.clone(), Task::reported(info, role, status.clone()));
            }
        }
        if let Some(agent) = self.agents.get_mut(agent_id) {
            agent.tasks.insert((framework_id.clone(), task_id.clone()));
        }
        self.settle(now, &framework_id, &task_id);
        self.repeat_kill(&framework_id, &task_id, out);
        if came_back && !status.state.is_terminal() {
            let mut current = status;
            current.reason = Some(Reason::ReasonAgentReregistered);
            current.message = "Agent reregistered".to_owned();
            self.announce(now, &framework_id, &task_id, current, out);
        }
    }

    /// The agent does not have a task that it should have.
    fn missing(&mut self, now: Now, link: LinkId, framework: &FrameworkId, id: &TaskId, out: &mut Output) {
        let Some(task) = self.task(framework, id) else { return };
        if task.launched_on == Some(link) {
            return; // the launch is still on its way to an agent that registered a second time
        }
        if task.latest.is_terminal() {
            return self.forget_task(framework, id); // acknowledged, and the word of it lost with the old connection
        }
        let state = if task.heard_of { TaskState::TaskGone } else { TaskState::TaskDropped };
        let message = "Task is unknown to the agent";
        self.end_task(now, framework, id, state, Reason::ReasonReconciliation, message, out);
    }

    /// The framework asked for the task to be killed, or is removed: says so again, should the first word have been lost.
    fn repeat_kill(&mut self, framework_id: &FrameworkId, task_id: &TaskId, out: &mut Output) {
        let Some(framework) = self.frameworks.get(framework_id) else { return };
        let Some(task) = framework.tasks.get(task_id).filter(|task| !task.latest.is_terminal()) else { return };
        let grace = match &task.kill {
            Some(kill) => kill.grace,
            None if framework.removed => None,
            None => return,
        };
        let agent = task.info.agent_id.clone();
        let kill = ToAgent::Kill { framework_id: framework_id.clone(), task_id: task_id.clone(), grace };
        self.send(&agent, kill, out);
    }
}
