//! What operators see of a master.

use marathon_time::Timestamp;

use super::{Master, agents::Presence, tasks::CompletedTask};
use crate::{
    protocol::{
        AgentId, FrameworkId,
        agent::AgentInfo,
        offer::Offer,
        scheduler::{FrameworkInfo, MasterInfo},
        task::{TaskInfo, TaskState, TaskStatus},
    },
    resources::Resources,
};

/// Everything that a master knows, at one moment. Borrowed: to be turned into an answer at once.
#[derive(Clone, Debug)]
pub struct StateView<'a> {
    /// Who answers.
    pub master: MasterInfo,
    /// When it took its first step.
    pub started: Option<Timestamp>,
    /// By id; unreachable ones too.
    pub agents: Vec<AgentView<'a>>,
    /// By id; also those that are known from their tasks only.
    pub frameworks: Vec<FrameworkView<'a>>,
    /// The oldest first.
    pub completed_frameworks: Vec<CompletedFrameworkView<'a>>,
}

/// Where an agent is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AgentState {
    /// Connected; its resources are offered.
    Active,
    /// Without a connection since then; expected back.
    Disconnected(Timestamp),
    /// Given up; without a connection since then.
    Unreachable(Timestamp),
}

/// An agent.
#[derive(Clone, Debug)]
pub struct AgentView<'a> {
    /// Key.
    pub id: &'a AgentId,
    /// As it told at its last registration.
    pub info: &'a AgentInfo,
    /// Where it is.
    pub state: AgentState,
    /// First registration with this master.
    pub registered: Timestamp,
    /// Last registration but the first.
    pub reregistered: Option<Timestamp>,
    /// Used by tasks.
    pub used: Resources,
    /// Out in offers.
    pub offered: Resources,
}

/// Where a framework is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FrameworkState {
    /// It has a stream.
    Active,
    /// Its stream ended then; expected back.
    Disconnected(Timestamp),
    /// It has tasks, but did not subscribe with this master yet.
    Recovered,
    /// Over; its tasks are being killed.
    Removing,
}

/// A framework.
#[derive(Clone, Debug)]
pub struct FrameworkView<'a> {
    /// Key.
    pub id: &'a FrameworkId,
    /// As it subscribed; `None` while it is [`FrameworkState::Recovered`].
    pub info: Option<&'a FrameworkInfo>,
    /// Where it is.
    pub state: FrameworkState,
    /// First subscription with this master.
    pub registered: Option<Timestamp>,
    /// Last subscription but the first.
    pub reregistered: Option<Timestamp>,
    /// Used by its tasks.
    pub used: Resources,
    /// Out in offers to it.
    pub offered: Resources,
    /// By id; not those that are over.
    pub tasks: Vec<TaskView<'a>>,
    /// The oldest first.
    pub completed_tasks: Vec<TaskView<'a>>,
    /// By id.
    pub offers: Vec<&'a Offer>,
}

/// A task.
#[derive(Clone, Copy, Debug)]
pub struct TaskView<'a> {
    /// Whose.
    pub framework_id: &'a FrameworkId,
    /// What; names its agent and its resources.
    pub info: &'a TaskInfo,
    /// The role that its resources are allocated to.
    pub role: &'a str,
    /// Newest state that its agent told.
    pub state: TaskState,
    /// What its framework was told last.
    pub status: &'a TaskStatus,
}

/// A framework that is over.
#[derive(Clone, Debug)]
pub struct CompletedFrameworkView<'a> {
    /// Key.
    pub id: &'a FrameworkId,
    /// As it subscribed last; `None` if it never did.
    pub info: Option<&'a FrameworkInfo>,
    /// First subscription with this master.
    pub registered: Option<Timestamp>,
    /// When it went.
    pub unregistered: Option<Timestamp>,
    /// The oldest first.
    pub completed_tasks: Vec<TaskView<'a>>,
}

impl Master {
    /// Everything, for the operator's `/state`. Costs what there is.
    pub fn state(&self) -> StateView<'_> {
        StateView {
            master: self.config.info(),
            started: self.started.map(|started| started.wall),
            agents: self.agents.keys().map(|id| self.agent_view(id)).collect(),
            frameworks: self.frameworks.keys().map(|id| self.framework_view(id)).collect(),
            completed_frameworks: self
                .completed
                .iter()
                .map(|framework| CompletedFrameworkView {
                    id: &framework.id,
                    info: framework.info.as_ref(),
                    registered: framework.registered,
                    unregistered: framework.unregistered,
                    completed_tasks: completed(&framework.id, &framework.completed_tasks),
                })
                .collect(),
        }
    }

    fn agent_view<'a>(&'a self, id: &'a AgentId) -> AgentView<'a> {
        let agent = &self.agents[id];
        let tasks = agent.tasks.iter().filter_map(|(framework, task)| self.task(framework, task));
        AgentView {
            id,
            info: &agent.info,
            state: match agent.presence {
                Presence::Connected(_) => AgentState::Active,
                Presence::Disconnected(since) => AgentState::Disconnected(since),
                Presence::Unreachable(since) => AgentState::Unreachable(since),
            },
            registered: agent.registered,
            reregistered: agent.reregistered,
            used: sum(tasks.filter(|task| task.held).map(|task| &task.info.resources)),
            offered: sum(agent.offers.iter().filter_map(|id| self.offers.get(id)).map(|offer| &offer.resources)),
        }
    }

    fn framework_view<'a>(&'a self, id: &'a FrameworkId) -> FrameworkView<'a> {
        let framework = &self.frameworks[id];
        let offers: Vec<&Offer> = framework.offers.iter().filter_map(|id| self.offers.get(id)).collect();
        FrameworkView {
            id,
            info: framework.info.as_ref(),
            state: match (framework.removed, framework.stream, framework.unregistered) {
                (true, _, _) => FrameworkState::Removing,
                (false, Some(_), _) => FrameworkState::Active,
                (false, None, Some(since)) => FrameworkState::Disconnected(since),
                (false, None, None) => FrameworkState::Recovered,
            },
            registered: framework.registered,
            reregistered: framework.reregistered,
            used: sum(framework.tasks.values().filter(|task| task.held).map(|task| &task.info.resources)),
            offered: sum(offers.iter().map(|offer| &offer.resources)),
            tasks: framework
                .tasks
                .values()
                .map(|task| TaskView {
                    framework_id: id,
                    info: &task.info,
                    role: &task.role,
                    state: if task.status.state == TaskState::TaskUnreachable {
                        task.status.state
                    } else {
                        task.latest
                    },
                    status: &task.status,
                })
                .collect(),
            completed_tasks: completed(id, &framework.completed_tasks),
            offers,
        }
    }
}

fn completed<'a>(
    framework_id: &'a FrameworkId,
    tasks: impl IntoIterator<Item = &'a CompletedTask>,
) -> Vec<TaskView<'a>> {
    let view = |task: &'a CompletedTask| TaskView {
        framework_id,
        info: &task.info,
        role: &task.role,
        state: task.status.state,
        status: &task.status,
    };
    tasks.into_iter().map(view).collect()
}

fn sum<'a>(parts: impl Iterator<Item = &'a Resources>) -> Resources {
    let mut sum = Resources::new();
    for part in parts {
        sum.add(part);
    }
    sum
}
