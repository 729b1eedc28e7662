//! Agents: there, away for a moment, unreachable.

use std::collections::BTreeSet;

use marathon_time::Timestamp;

use super::{LinkId, Master, Output, Timer, UNREACHABLE_AGENTS};
use crate::{
    clock::Now,
    protocol::{
        AgentId, FrameworkId, OfferId, TaskId,
        agent::{AgentInfo, ToAgent},
        scheduler::Event,
        task::{Reason, TaskState},
    },
};

/// What is known of an agent.
#[derive(Clone, Debug)]
pub(super) struct Agent {
    pub info: AgentInfo,
    pub presence: Presence,
    /// Whether it certainly knows its id: it came with it, or spoke after it was given one.
    pub confirmed: bool,
    /// Tasks on it, whatever their state, until they are forgotten.
    pub tasks: BTreeSet<(FrameworkId, TaskId)>,
    pub offers: BTreeSet<OfferId>,
    pub registered: Timestamp,
    pub reregistered: Option<Timestamp>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Presence {
    /// Registered on this connection.
    Connected(LinkId),
    /// Away since then, by the clock; expected back.
    Disconnected(Timestamp),
    /// Not expected back; given up then, which is from when frameworks count.
    Unreachable(Timestamp),
}

impl Agent {
    pub fn link(&self) -> Option<LinkId> {
        match self.presence {
            Presence::Connected(link) => Some(link),
            Presence::Disconnected(_) | Presence::Unreachable(_) => None,
        }
    }
}

impl Master {
    /// Sends to an agent if it is connected.
    pub(super) fn send(&mut self, agent: &AgentId, message: ToAgent, out: &mut Output) {
        if let Some(link) = self.agents.get(agent).and_then(Agent::link) {
            self.links.send(link, message, out);
        }
    }

    /// The agent spoke after its registration, so it has its id for good.
    pub(super) fn agent_confirmed(&mut self, id: &AgentId) {
        if let Some(agent) = self.agents.get_mut(id).filter(|agent| !agent.confirmed) {
            agent.confirmed = true;
            self.allocator.set_agent_active(id, true);
        }
    }

    /// The connection `link` of the agent ended. Nothing happens if it has another one by now.
    pub(super) fn agent_disconnected(&mut self, now: Now, id: &AgentId, link: LinkId, out: &mut Output) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        if agent.presence != Presence::Connected(link) {
            return;
        }
        agent.presence = Presence::Disconnected(now.wall);
        self.timers.set(Timer::AgentLost(id.clone()), now.tick + self.config.agent_timeout);
        self.allocator.set_agent_active(id, false);
        self.rescind_all(now, id, out);
    }

    /// The agent was away for too long.
    pub(super) fn agent_lost(&mut self, now: Now, id: &AgentId, out: &mut Output) {
        let Some(agent) = self.agents.get_mut(id) else { return };
        let Presence::Disconnected(_) = agent.presence else { return };
        agent.presence = Presence::Unreachable(now.wall);
        self.allocator.remove_agent(id);
        self.unreachable.push_back(id.clone());
        for (framework, task) in self.tasks_on(id) {
            self.task_unreachable(now, &framework, &task, out);
        }
        self.tell_failure(id, out);
        while self.unreachable.len() > UNREACHABLE_AGENTS {
            if let Some(oldest) = self.unreachable.pop_front() {
                self.forget_agent(&oldest);
            }
        }
    }

    /// Another agent came to the address of this one, which is therefore gone for good.
    pub(super) fn agent_replaced(&mut self, now: Now, id: &AgentId, out: &mut Output) {
        for (framework, task) in self.tasks_on(id) {
            self.end_task(
                now,
                &framework,
                &task,
                TaskState::TaskGone,
                Reason::ReasonAgentRemoved,
                "Agent was replaced",
                out,
            );
        }
        self.rescind_all(now, id, out);
        self.unreachable.retain(|other| other != id);
        self.forget_agent(id);
        self.tell_failure(id, out);
    }

    pub(super) fn tasks_on(&self, id: &AgentId) -> Vec<(FrameworkId, TaskId)> {
        self.agents.get(id).map(|agent| agent.tasks.iter().cloned().collect()).unwrap_or_default()
    }

    fn forget_agent(&mut self, id: &AgentId) {
        for (framework, task) in self.tasks_on(id) {
            self.forget_task(&framework, &task);
        }
        self.agents.remove(id);
        self.allocator.remove_agent(id);
        self.timers.cancel(&Timer::AgentLost(id.clone()));
    }

    fn tell_failure(&self, id: &AgentId, out: &mut Output) {
        for framework in self.frameworks.keys() {
            self.tell(framework, Event::Failure { agent: id.clone() }, out);
        }
    }
}
