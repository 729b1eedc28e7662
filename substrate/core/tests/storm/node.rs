//! A machine: an agent's process, its disk and its containers.

use std::{
    collections::{BTreeMap, VecDeque},
    time::Duration,
};

use marathon_time::Timestamp;
use substrate_core::{
    agent::{Agent, AgentConfig, Change, Checkpoint, ContainerEvent, Effect, Exit, Input, Output, Seeds},
    master::LinkId,
    protocol::{
        AgentId, ContainerId,
        agent::{AgentInfo, FromAgent, Numbered},
        offer::AgentAddress,
        task::TaskInfo,
    },
    resources::Resources,
};

pub const HAS: &str = "cpus:4;mem:1024;ports:[31000-31005]";

/// What a container does, whatever happens to the agent.
#[derive(Clone, Debug)]
pub enum Fate {
    /// Fetching.
    Preparing,
    Running {
        killed_at: Option<Timestamp>,
    },
    Ended(ContainerEvent),
}

pub struct Node {
    hostname: String,
    pub agent: Agent,
    id: Option<AgentId>,
    disk: BTreeMap<ContainerId, Checkpoint>,
    pub containers: BTreeMap<ContainerId, (TaskInfo, Fate)>,
    /// The connection as this side sees it.
    pub link: Option<LinkId>,
    /// To be put on the connection.
    pub outbox: VecDeque<Numbered<FromAgent>>,
    /// News of containers that the agent was not told yet.
    pub news: VecDeque<(ContainerId, ContainerEvent)>,
    lives: u8,
}

impl Node {
    pub fn new(hostname: String, now: Timestamp) -> Self {
        Self {
            agent: start(&hostname, 0, None, vec![], now),
            hostname,
            id: None,
            disk: BTreeMap::new(),
            containers: BTreeMap::new(),
            link: None,
            outbox: VecDeque::new(),
            news: VecDeque::new(),
            lives: 0,
        }
    }

    /// Steps the agent. If `dies`, the process ends after its changes are on disk and before anything else is done.
    pub fn step(&mut self, now: Timestamp, input: Input, dies: bool) {
        let mut out = Output::default();
        self.agent.step(now, input, &mut out);
        for change in out.changes {
            match change {
                Change::Id(id) => self.id = Some(id),
                Change::Put(checkpoint) => drop(self.disk.insert(checkpoint.container_id.clone(), *checkpoint)),
                Change::Remove(container) => drop(self.disk.remove(&container)),
            }
        }
        if dies {
            return self.crash(now);
        }
        for effect in out.effects {
            self.perform(now, effect);
        }
    }

    fn perform(&mut self, now: Timestamp, effect: Effect) {
        match effect {
            Effect::Send(message) => self.outbox.push_back(message),
            Effect::Reconnect => self.link = None,
            Effect::Launch(launch) => {
                let before = self.containers.insert(launch.container_id, (launch.task, Fate::Preparing));
                assert!(before.is_none(), "a container is launched once");
            }
            Effect::Kill { container_id, grace } => self.kill(now, container_id, grace),
            Effect::Probe(_) => {}
            Effect::Forget(container) => drop(self.containers.remove(&container)),
            Effect::Halt { message } => panic!("an agent is refused: {message}"),
        }
    }

    fn kill(&mut self, now: Timestamp, id: ContainerId, grace: Duration) {
        let Some((_, fate)) = self.containers.get_mut(&id) else { return };
        match fate {
            Fate::Preparing => {
                let event = ContainerEvent::LaunchFailed { message: "stopped".into() };
                *fate = Fate::Ended(event.clone());
                self.news.push_back((id, event));
            }
            Fate::Running { killed_at } => {
                let at = now + grace;
                *killed_at = Some(killed_at.map_or(at, |before| before.min(at)));
            }
            Fate::Ended(_) => {}
        }
    }

    /// Starts a container that is being prepared, or fails to.
    pub fn start_container(&mut self, id: &ContainerId, works: bool) {
        let Some((_, fate)) = self.containers.get_mut(id) else { return };
        if !matches!(fate, Fate::Preparing) {
            return;
        }
        let event = if works {
            *fate = Fate::Running { killed_at: None };
            ContainerEvent::Started { ip_addresses: vec![] }
        } else {
            let event = ContainerEvent::LaunchFailed { message: "no".into() };
            *fate = Fate::Ended(event.clone());
            event
        };
        self.news.push_back((id.clone(), event));
    }

    pub fn end_container(&mut self, id: &ContainerId, exit: Exit) {
        let Some((_, fate)) = self.containers.get_mut(id) else { return };
        if matches!(fate, Fate::Running { .. }) {
            let event = ContainerEvent::Exited(exit);
            *fate = Fate::Ended(event.clone());
            self.news.push_back((id.clone(), event));
        }
    }

    /// Ends containers whose grace period is over.
    pub fn reap(&mut self, now: Timestamp) {
        let due = |fate: &Fate| matches!(fate, Fate::Running { killed_at: Some(at) } if *at <= now);
        let ids: Vec<ContainerId> =
            self.containers.iter().filter(|(_, (_, fate))| due(fate)).map(|(id, _)| id.clone()).collect();
        for id in ids {
            self.end_container(&id, Exit::Signal(15));
        }
    }

    /// The process ends and is started again; the containerizer tells how each container is that was written down.
    pub fn crash(&mut self, now: Timestamp) {
        self.lives += 1;
        self.link = None;
        self.outbox.clear();
        self.news.clear();
        self.agent = start(&self.hostname, self.lives, self.id.clone(), self.disk.values().cloned().collect(), now);
        for id in self.disk.keys() {
            let event = match self.containers.get(id).map(|(_, fate)| fate.clone()) {
                Some(Fate::Preparing) | None => {
                    ContainerEvent::LaunchFailed { message: "the agent was restarted".into() }
                }
                Some(Fate::Running { .. }) => ContainerEvent::Started { ip_addresses: vec![] },
                Some(Fate::Ended(event)) => event,
            };
            if let Some((_, fate @ Fate::Preparing)) = self.containers.get_mut(id) {
                *fate = Fate::Ended(event.clone());
            }
            self.news.push_back((id.clone(), event));
        }
    }

    /// Tasks whose process exists.
    pub fn running(&self) -> impl Iterator<Item = &TaskInfo> {
        self.containers.values().filter(|(_, fate)| matches!(fate, Fate::Running { .. })).map(|(task, _)| task)
    }

    pub fn assert_not_overcommitted(&self) {
        let mut used = Resources::new();
        for task in self.running() {
            assert!(!used.overlaps(&task.resources), "{}: a port is given twice", self.hostname);
            used.add(&task.resources);
        }
        let has: Resources = HAS.parse().unwrap();
        assert!(has.contains(&used), "{}: {used} is used", self.hostname);
    }
}

fn start(hostname: &str, life: u8, id: Option<AgentId>, checkpoints: Vec<Checkpoint>, now: Timestamp) -> Agent {
    let seed = |salt: u8| {
        let mut seed = [salt; 32];
        seed[0] = life;
        seed[1..=hostname.len()].copy_from_slice(hostname.as_bytes());
        seed
    };
    let info = AgentInfo {
        hostname: hostname.into(),
        address: AgentAddress { ip: "10.0.0.7".into(), port: 5051 },
        resources: HAS.parse().unwrap(),
        attributes: vec![],
        domain: None,
    };
    Agent::recover(AgentConfig { info }, id, checkpoints, Seeds { containers: seed(1), statuses: seed(2) }, now)
}
