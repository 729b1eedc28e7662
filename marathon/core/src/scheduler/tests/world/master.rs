//! The master and its agents.

use health_core::Outcome;
use substrate_core::{
    protocol::{
        AgentId, FrameworkId, OfferId, TaskId,
        offer::{AgentAddress, Offer},
        scheduler::{Call, Event as MasterEvent, MasterInfo, Operation},
        task::{Reason, Source, TaskInfo, TaskState, TaskStatus},
    },
    resources::Resources,
};

use super::{FakeTask, World, agent_id, command, secs};
use crate::scheduler::{Effect, Input, Probe};

impl World {
    pub(super) fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::Call(call) => {
                self.calls.push((*call).clone());
                self.called(*call);
            }
            Effect::Reply(ticket, answer) => {
                self.replies.insert(ticket.0, answer);
            }
            Effect::Probe { probe, .. } => self.probed(probe),
            Effect::Halt { message } => self.halted = Some(message),
        }
    }

    fn probed(&mut self, probe: Probe) {
        self.probes.push(probe.clone());
        if self.manners.probe {
            let task = &self.tasks[&probe.task];
            let outcome =
                if self.is_sick(&task.info) { Outcome::unhealthy("503 Service Unavailable") } else { Outcome::Healthy };
            self.inbox.push_back(Input::Probed { probe, outcome });
        }
    }

    pub(super) fn is_sick(&self, info: &TaskInfo) -> bool {
        self.manners.sick.contains(command(info)) || self.manners.sick.contains(info.id.as_str())
    }

    pub(super) fn called(&mut self, call: Call) {
        if let Call::Subscribe { framework, suppressed_roles } = call {
            self.outstanding.clear();
            self.filtered_until.clear();
            self.subscribed = true;
            self.wanting = suppressed_roles.is_empty();
            let framework_id = framework.id.unwrap_or_else(|| FrameworkId::new("F"));
            return self.inbox.push_back(Input::Master(Box::new(MasterEvent::Subscribed {
                framework_id,
                heartbeat_interval: secs(15),
                master: MasterInfo {
                    id: "M".into(),
                    hostname: "master.example".into(),
                    ip: "10.0.0.1".into(),
                    port: 5050,
                    version: "1.11.0".into(),
                },
            })));
        }
        if !self.subscribed {
            return;
        }
        match call {
            Call::Subscribe { .. } | Call::Teardown | Call::Acknowledge { .. } => {}
            Call::Accept { offers, operations, .. } => self.accepted(&offers, operations),
            Call::Decline { offers, filters } => {
                for offer in offers {
                    let agent = self.outstanding.remove(&offer).expect("an offer is declined once");
                    self.filtered_until.insert(agent, self.now + filters.refuse);
                }
            }
            Call::Revive { .. } => {
                self.wanting = true;
                self.filtered_until.clear();
            }
            Call::Suppress { .. } => self.wanting = false,
            Call::Kill { task, .. } => self.killed(&task),
            Call::Reconcile { tasks } => self.reconciled(tasks),
        }
    }

    fn accepted(&mut self, offers: &[OfferId], operations: Vec<Operation>) {
        let agent = offers.iter().map(|offer| self.outstanding.remove(offer)).next().unwrap();
        for Operation::Launch { tasks } in operations {
            for info in tasks {
                let Some(agent) = agent.filter(|agent| !self.lost.contains(agent)) else {
                    self.refuse(info);
                    continue;
                };
                assert!(self.free(agent).contains(&info.resources), "an agent is never overcommitted");
                assert!(!self.tasks.contains_key(&info.id), "a task id is used once");
                let (id, crash) = (info.id.clone(), self.manners.crash.contains(command(&info)));
                self.tasks.insert(id.clone(), FakeTask { info, agent, state: TaskState::TaskStaging, kills: 0 });
                if crash {
                    self.tell_with(&id, TaskState::TaskFailed, |status| status.message = "exit status 1".into());
                } else if self.manners.start {
                    self.tell_with(&id, TaskState::TaskRunning, |_| {});
                }
            }
        }
    }

    fn refuse(&mut self, info: TaskInfo) {
        let task = FakeTask { info, agent: usize::MAX, state: TaskState::TaskDropped, kills: 0 };
        let id = task.info.id.clone();
        self.tasks.insert(id.clone(), task);
        let status = self.status(&id, TaskState::TaskDropped, Source::SourceMaster, Some(Reason::ReasonInvalidOffers));
        self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
    }

    fn killed(&mut self, id: &TaskId) {
        let Some(task) = self.tasks.get_mut(id) else {
            let status = self.status(id, TaskState::TaskGone, Source::SourceMaster, Some(Reason::ReasonReconciliation));
            return self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        };
        task.kills += 1;
        if self.manners.die && !task.state.is_terminal() && !self.lost.contains(&task.agent) {
            self.tell_with(&id.clone(), TaskState::TaskKilled, |_| {});
        }
    }

    fn reconciled(&mut self, asked: Vec<(TaskId, Option<AgentId>)>) {
        let ids: Vec<TaskId> = if asked.is_empty() {
            self.tasks.iter().filter(|(_, task)| !task.state.is_terminal()).map(|(id, _)| id.clone()).collect()
        } else {
            asked.into_iter().map(|(id, _)| id).collect()
        };
        for id in ids {
            let state = match self.tasks.get(&id) {
                Some(task) if self.lost.contains(&task.agent) => TaskState::TaskUnreachable,
                Some(task) => task.state,
                None => TaskState::TaskGone,
            };
            let status = self.status(&id, state, Source::SourceMaster, Some(Reason::ReasonReconciliation));
            self.inbox.push_back(Input::Master(Box::new(MasterEvent::Update(status))));
        }
    }

    pub fn status(&self, id: &TaskId, state: TaskState, source: Source, reason: Option<Reason>) -> TaskStatus {
        let agent = self.tasks.get(id).map(|task| agent_id(task.agent));
        TaskStatus {
            task_id: id.clone(),
            state,
            agent_id: agent.or_else(|| Some(agent_id(0))),
            timestamp: self.now,
            source,
            reason,
            message: String::new(),
            uuid: None,
            healthy: None,
            container_id: None,
            ip_addresses: Vec::new(),
            unreachable_time: (state == TaskState::TaskUnreachable).then_some(self.now),
        }
    }

    /// What no living task and no outstanding offer holds.
    fn free(&self, agent: usize) -> Resources {
        let held = self.tasks.values().filter(|task| task.agent == agent && !task.state.is_terminal());
        held.fold(self.agents[agent].clone(), |free, task| free.minus(&task.info.resources))
    }

    /// Offers what is free on every agent. False: there was nothing to offer.
    pub(super) fn offer_round(&mut self) -> bool {
        if !self.subscribed || !self.wanting || !self.manners.offer {
            return false;
        }
        let mut offers = Vec::new();
        for agent in 0..self.agents.len() {
            let filtered = self.filtered_until.get(&agent).is_some_and(|until| *until > self.now);
            let outstanding = self.outstanding.values().any(|other| *other == agent);
            if filtered || outstanding || self.lost.contains(&agent) {
                continue;
            }
            self.offers += 1;
            let id = OfferId::new(format!("O{}", self.offers));
            self.outstanding.insert(id.clone(), agent);
            offers.push(Offer {
                id,
                framework_id: FrameworkId::new("F"),
                agent_id: agent_id(agent),
                hostname: format!("node-{agent}"),
                agent_address: AgentAddress { ip: "10.0.0.1".into(), port: 5051 },
                domain: None,
                role: "*".into(),
                resources: self.free(agent),
                attributes: Vec::new(),
            });
        }
        if offers.is_empty() {
            return false;
        }
        self.input(Input::Master(Box::new(MasterEvent::Offers(offers))));
        true
    }
}
