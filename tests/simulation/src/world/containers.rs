//! Containers, and the truth about tasks: what really runs, whatever anybody believes.

use std::time::Duration;

use health_core::Outcome;
use marathon_core::id::TaskName;
use substrate_core::{
    agent::{ContainerEvent, Exit, Input, Launch},
    protocol::{ContainerId, TaskId},
};

use super::{Happening, World};
use crate::{sabotage::Sabotage, violation::Invariant};

/// What a machine has of one launch.
#[derive(Clone, Debug)]
pub struct Container {
    /// As it was asked for.
    pub launch: Launch,
    /// Where it is, as its machine knows.
    pub phase: Phase,
    /// It was to be ended before it had begun.
    doomed: bool,
    /// When it will be ended, if that was asked for.
    dies_at: Option<marathon_time::Timestamp>,
}

/// Where a container is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Phase {
    /// Files are fetched.
    Preparing,
    /// Its process exists.
    Running,
    /// It is over.
    Ended(ContainerEvent),
}

/// What happens to a container next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Turn {
    /// Its files are there.
    Prepared,
    /// It begins to answer.
    Warm,
    /// It answers again.
    Recovers,
    /// It is ended on request.
    Dies,
}

/// The truth about a task.
#[derive(Clone, Debug)]
pub struct Truth {
    /// Which machine.
    pub agent: usize,
    /// Which run.
    pub container: ContainerId,
    /// It holds what it was given.
    pub live: bool,
    /// Its process came to be.
    pub started: bool,
    /// It has answered, once at least.
    pub warm: bool,
    /// It does not answer any more.
    pub sick: bool,
}

impl Truth {
    /// Whether it would answer now.
    pub fn is_well(&self) -> bool {
        self.live && self.warm && !self.sick
    }
}

impl Container {
    /// Whether its process exists.
    pub fn is_running(&self) -> bool {
        self.phase == Phase::Running
    }

    /// The last word about it, to be told again.
    pub fn told(&self) -> Option<ContainerEvent> {
        match &self.phase {
            Phase::Preparing => None,
            Phase::Running => Some(ContainerEvent::Started { ip_addresses: Vec::new() }),
            Phase::Ended(event) => Some(event.clone()),
        }
    }

    /// Its task.
    pub fn task(&self) -> &TaskId {
        &self.launch.task.id
    }
}

impl World {
    pub(super) fn start_container(&mut self, agent: usize, launch: Launch) {
        let (task, container) = (launch.task.id.clone(), launch.container_id.clone());
        self.note(format_args!("a{agent} launches {task}"));
        self.count("launch");
        if let Some(before) = self.truths.get(&task) {
            let explanation = format!(
                "{task} is started on a{agent} as {container}, and was on a{} as {} ({})",
                before.agent,
                before.container,
                if before.live { "it lives" } else { "it is over" }
            );
            return self.violate(Invariant::Incarnations, explanation);
        }
        let truth = Truth { agent, container: container.clone(), live: true, started: false, warm: false, sick: false };
        self.truths.insert(task, truth);
        let phase = Phase::Preparing;
        let entry = Container { launch, phase, doomed: false, dies_at: None };
        self.agents[agent].containers.insert(container.clone(), entry);
        self.check_resources(agent);
        self.later(10, 500, Happening::Container(agent, container, Turn::Prepared));
    }

    pub(super) fn container_turns(&mut self, agent: usize, id: &ContainerId, turn: Turn) {
        let Some(container) = self.agents[agent].containers.get(id) else { return };
        let (task, phase) = (container.task().clone(), container.phase.clone());
        match (turn, phase) {
            (Turn::Prepared, Phase::Preparing) => self.container_prepared(agent, id, &task),
            (Turn::Warm, Phase::Running) => self.truth(&task, |truth| truth.warm = true),
            (Turn::Recovers, Phase::Running) => self.truth(&task, |truth| truth.sick = false),
            (Turn::Dies, Phase::Running) => {
                if self.agents[agent].containers.get(id).and_then(|container| container.dies_at) == Some(self.now) {
                    self.end_container(agent, id, ContainerEvent::Exited(Exit::Signal(15)), true);
                }
            }
            (Turn::Prepared, Phase::Running)
            | (Turn::Warm | Turn::Recovers | Turn::Dies, Phase::Preparing)
            | (_, Phase::Ended(_)) => {}
        }
    }

    fn container_prepared(&mut self, agent: usize, id: &ContainerId, task: &TaskId) {
        let doomed = self.agents[agent].containers.get(id).is_some_and(|container| container.doomed);
        if doomed && self.dice.one_in(2) || !doomed && self.dice.one_in(self.weather.launch_fails) {
            self.note(format_args!("{task} cannot be started"));
            self.count("launch failed");
            let message = "cannot be started".to_owned();
            return self.end_container(agent, id, ContainerEvent::LaunchFailed { message }, false);
        }
        if let Some(container) = self.agents[agent].containers.get_mut(id) {
            container.phase = Phase::Running;
        }
        self.truth(task, |truth| truth.started = true);
        self.later(0, 12_000, Happening::Container(agent, id.clone(), Turn::Warm));
        if doomed {
            self.kill_container(agent, id, Duration::from_secs(3));
        }
        let event = ContainerEvent::Started { ip_addresses: Vec::new() };
        self.step_agent(agent, Input::Container(id.clone(), event));
    }

    /// The agent wants it ended.
    pub(super) fn kill_container(&mut self, agent: usize, id: &ContainerId, grace: Duration) {
        let stubborn = self.dice.one_in(10);
        let quick = self.dice.millis(0, 2_000);
        let Some(container) = self.agents[agent].containers.get_mut(id) else { return };
        match container.phase {
            Phase::Preparing => container.doomed = true,
            Phase::Running => {
                let at = self.now + if stubborn { grace } else { grace.min(quick) };
                if container.dies_at.is_none_or(|before| at < before) {
                    container.dies_at = Some(at);
                    self.at(at, Happening::Container(agent, id.clone(), Turn::Dies));
                }
            }
            Phase::Ended(_) => {}
        }
    }

    pub(super) fn end_container(&mut self, agent: usize, id: &ContainerId, event: ContainerEvent, asked: bool) {
        let Some(container) = self.agents[agent].containers.get_mut(id) else { return };
        container.phase = Phase::Ended(event.clone());
        let task = container.task().clone();
        self.note(format_args!("a{agent}: {task} ends: {event:?}"));
        if !(asked && self.sabotage == Some(Sabotage::IgnoreKill)) {
            self.truth(&task, |truth| truth.live = false);
        }
        self.step_agent(agent, Input::Container(id.clone(), event));
    }

    /// The agent needs nothing of it any more: its end is known to everybody whom it concerns.
    pub(super) fn forget_container(&mut self, agent: usize, id: &ContainerId) {
        let Some(container) = self.agents[agent].containers.remove(id) else { return };
        let task = container.task().clone();
        if self.truths.get(&task).is_some_and(|truth| truth.live) {
            let explanation = format!("a{agent} forgets {task}, whose process lives");
            return self.violate(Invariant::Incarnations, explanation);
        }
        self.check_known_as_over(&task);
    }

    pub(super) fn agent_probe_answered(&mut self, agent: usize, boot: u64, id: ContainerId, answers: bool) {
        let site = &self.agents[agent];
        let Some(container) = site.containers.get(&id).filter(|_| site.boot == boot) else { return };
        let task = container.task();
        let well = self.truths.get(task).is_some_and(Truth::is_well);
        let outcome = self.outcome(task, well && answers);
        self.step_agent(agent, Input::Probed(id, outcome));
    }

    pub(super) fn outcome(&self, task: &TaskId, well: bool) -> Outcome {
        let lies = || self.sabotage == Some(Sabotage::HealthLies) && self.is_replacement(task);
        if well || lies() { Outcome::Healthy } else { Outcome::unhealthy("no answer") }
    }

    /// Whether instances of other versions of its app are about.
    fn is_replacement(&self, task: &TaskId) -> bool {
        let instances = &self.scheduler.disk.instances;
        let name: Option<TaskName> = task.as_str().parse().ok();
        let own = name.and_then(|name| instances.iter().find(|instance| instance.id == name.instance));
        own.is_some_and(|own| {
            instances.iter().any(|other| other.id.spec == own.id.spec && other.version != own.version)
        })
    }

    pub(super) fn truth(&mut self, task: &TaskId, change: impl FnOnce(&mut Truth)) {
        if let Some(truth) = self.truths.get_mut(task) {
            change(truth);
        }
    }
}
