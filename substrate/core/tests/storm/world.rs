//! The weather.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use marathon_time::Timestamp;
use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};
use substrate_core::{
    agent::{self, Exit},
    master::{AgentState, Effect, Input, LinkId, Master, MasterConfig, Output, StreamId},
    protocol::{
        ContainerId, TaskId,
        agent::{FromAgent, Numbered, ToAgent},
        scheduler::Call,
        task::TaskState,
    },
};

use crate::{
    framework::Framework,
    node::{Fate, Node},
};

const NODES: usize = 3;
const WANTED: usize = 7;

/// A connection of a node to a master; each side may believe in it longer than the other.
struct Connection {
    node: usize,
    up: VecDeque<Numbered<FromAgent>>,
    down: VecDeque<Numbered<ToAgent>>,
    /// The master was not told of its end.
    master_believes: bool,
    /// Nothing passes any more.
    broken: bool,
}

pub struct World {
    random: ChaCha8Rng,
    now: Timestamp,
    master: Master,
    masters: u64,
    nodes: Vec<Node>,
    connections: BTreeMap<LinkId, Connection>,
    framework: Framework,
    next_number: u64,
}

impl World {
    pub fn new(seed: u64) -> Self {
        let now = Timestamp::from_millis(1_000_000);
        Self {
            random: ChaCha8Rng::seed_from_u64(seed),
            now,
            master: master(0),
            masters: 0,
            nodes: (0..NODES).map(|index| Node::new(format!("n{index}"), now)).collect(),
            connections: BTreeMap::new(),
            framework: Framework::new(WANTED),
            next_number: 0,
        }
    }

    /// One thing happens, as likely as not a bad one.
    pub fn storm(&mut self) {
        let node = self.below(NODES as u64) as usize;
        match self.below(100) {
            0..25 => self.pass_up(node, true),
            25..50 => self.pass_down(node, true),
            50..60 => self.pass_call(true),
            60..72 => self.pass_event(),
            72..80 => self.container_happens(node),
            80..86 => self.tell_news(node),
            86..88 => self.break_connection(node),
            88..91 => self.connect(node),
            91 => {
                let now = self.now;
                self.nodes[node].crash(now);
            }
            92 => self.restart_master_rarely(),
            93 => self.lose_stream(),
            94 => self.subscribe(),
            95 => self.kill_something(),
            96 => self.framework.reconcile(),
            97..99 => {
                let millis = self.below(3_000);
                self.pass_time(Duration::from_millis(millis), true);
            }
            _ => {
                let seconds = if self.one_in(5) { self.below(100) } else { self.below(12) };
                self.pass_time(Duration::from_secs(seconds), true);
            }
        }
        self.assert_sane();
    }

    /// No more faults; everything that is under way arrives, again and again, for long enough that every timer fires.
    pub fn calm(&mut self) {
        self.framework.lose_stream();
        for second in 0..1000 {
            if self.framework.stream.is_none() {
                self.subscribe();
            }
            if second % 60 == 0 && self.framework.id.is_some() {
                self.framework.reconcile();
            }
            for node in 0..NODES {
                if self.nodes[node].link.is_none() {
                    self.connect(node);
                }
            }
            self.settle();
            self.pass_time(Duration::from_secs(1), false);
        }
    }

    fn settle(&mut self) {
        for _ in 0..100_000 {
            let mut quiet = true;
            for node in 0..NODES {
                quiet &= !self.is_busy(node);
                self.tell_news(node);
                let preparing: Vec<ContainerId> = self.nodes[node].containers.keys().cloned().collect();
                for id in preparing {
                    self.nodes[node].start_container(&id, true);
                }
                self.pass_up(node, false);
                self.pass_down(node, false);
            }
            quiet &= self.framework.calls.is_empty() && self.framework.events.is_empty();
            self.pass_call(false);
            self.pass_event();
            self.assert_sane();
            if quiet {
                return;
            }
        }
        panic!("messages go round without end");
    }

    fn is_busy(&self, node: usize) -> bool {
        let machine = &self.nodes[node];
        let passing = machine.link.and_then(|link| self.connections.get(&link));
        !machine.outbox.is_empty()
            || !machine.news.is_empty()
            || machine.containers.values().any(|(_, fate)| matches!(fate, Fate::Preparing))
            || passing.is_some_and(|connection| !connection.up.is_empty() || !connection.down.is_empty())
    }

    // The master

    fn step_master(&mut self, input: Input) {
        let mut out = Output::default();
        self.master.step(self.now, input, &mut out);
        for effect in out.effects {
            match effect {
                Effect::Tell(stream, event) if self.framework.stream == Some(stream) => {
                    self.framework.events.push_back(*event);
                }
                Effect::CloseStream(stream) if self.framework.stream == Some(stream) => self.framework.lose_stream(),
                Effect::Tell(..) | Effect::CloseStream(_) | Effect::Subscribed(..) => {}
                Effect::Send(link, message) => {
                    if let Some(connection) = self.connections.get_mut(&link) {
                        connection.down.push_back(message);
                    }
                }
                Effect::CloseLink(link) => {
                    if let Some(connection) = self.connections.get_mut(&link) {
                        connection.broken = true;
                        connection.master_believes = false;
                    }
                }
            }
        }
    }

    fn restart_master_rarely(&mut self) {
        if !self.one_in(3) {
            return;
        }
        self.masters += 1;
        self.master = master(self.masters);
        self.framework.lose_stream();
        for connection in self.connections.values_mut() {
            connection.broken = true;
            connection.master_believes = false;
        }
    }

    // Connections

    fn connect(&mut self, node: usize) {
        if self.nodes[node].link.is_some() {
            return;
        }
        let link = LinkId(self.number());
        self.connections.insert(
            link,
            Connection { node, up: VecDeque::new(), down: VecDeque::new(), master_believes: true, broken: false },
        );
        self.nodes[node].link = Some(link);
        self.nodes[node].outbox.clear();
        self.step_node(node, agent::Input::Connected, false);
    }

    /// Breaks the connection; either side may hear of it now or find out for itself.
    fn break_connection(&mut self, node: usize) {
        let Some(link) = self.nodes[node].link else { return };
        self.connections.get_mut(&link).expect("connections are kept").broken = true;
        if self.one_in(2) {
            self.agent_hears_of_the_end(node);
        }
    }

    fn agent_hears_of_the_end(&mut self, node: usize) {
        self.nodes[node].link = None;
        self.step_node(node, agent::Input::Disconnected, false);
    }

    fn pass_up(&mut self, node: usize, faults: bool) {
        // Also connections that the agent gave up may still bring messages.
        let mine: Vec<LinkId> =
            self.connections.iter().filter(|(_, connection)| connection.node == node).map(|(link, _)| *link).collect();
        for link in mine {
            let current = self.nodes[node].link == Some(link);
            let twice = faults && self.one_in(12);
            let lost = faults && self.one_in(60);
            let connection = self.connections.get_mut(&link).expect("it was just there");
            if current {
                connection.up.extend(self.nodes[node].outbox.drain(..));
            }
            if !connection.master_believes {
                self.connections.remove(&link);
                if current {
                    self.agent_hears_of_the_end(node);
                }
                continue;
            }
            let message = if connection.broken { None } else { connection.up.pop_front() };
            let over = connection.up.is_empty() && (connection.broken || !current);
            if let Some(message) = message.filter(|_| !lost) {
                for _ in 0..if twice { 2 } else { 1 } {
                    self.step_master(Input::Agent { link, message: Box::new(message.clone()) });
                }
            }
            if over && (!faults || self.one_in(4)) {
                if let Some(connection) = self.connections.get_mut(&link) {
                    connection.master_believes = false;
                }
                self.step_master(Input::LinkClosed(link));
            }
        }
    }

    fn pass_down(&mut self, node: usize, faults: bool) {
        let (twice, lost, dies) = (faults && self.one_in(12), faults && self.one_in(60), faults && self.one_in(80));
        let Some(link) = self.nodes[node].link else { return };
        let Some(connection) = self.connections.get_mut(&link) else { return };
        if connection.broken {
            if !faults {
                self.agent_hears_of_the_end(node);
            }
            return;
        }
        if let Some(message) = connection.down.pop_front().filter(|_| !lost) {
            self.step_node(node, agent::Input::Master(Box::new(message.clone())), dies);
            if twice && self.nodes[node].link == Some(link) {
                self.step_node(node, agent::Input::Master(Box::new(message)), false);
            }
        }
    }

    fn step_node(&mut self, node: usize, input: agent::Input, dies: bool) {
        let now = self.now;
        self.nodes[node].step(now, input, dies);
    }

    // Containers

    fn container_happens(&mut self, node: usize) {
        let ids: Vec<ContainerId> = self.nodes[node].containers.keys().cloned().collect();
        if ids.is_empty() {
            return;
        }
        let id = &ids[self.below(ids.len() as u64) as usize];
        let works = !self.one_in(8);
        self.nodes[node].start_container(id, works);
        if self.one_in(6) {
            let exit = match self.below(4) {
                0 => Exit::Status(0),
                1 => Exit::Status(1),
                2 => Exit::Signal(9),
                _ => Exit::OutOfMemory,
            };
            self.nodes[node].end_container(id, exit);
        }
    }

    fn tell_news(&mut self, node: usize) {
        if let Some((id, event)) = self.nodes[node].news.pop_front() {
            let dies = self.one_in(200) && self.framework.stream.is_some();
            self.step_node(node, agent::Input::Container(id, event), dies);
        }
    }

    // The framework

    fn subscribe(&mut self) {
        if self.framework.stream.is_none() {
            let stream = StreamId(self.number());
            self.framework.subscribe(stream);
        }
    }

    fn lose_stream(&mut self) {
        if let Some(stream) = self.framework.stream {
            self.framework.lose_stream();
            self.step_master(Input::StreamClosed(stream));
        }
    }

    fn pass_call(&mut self, faults: bool) {
        let twice = faults && self.one_in(10);
        let Some(stream) = self.framework.stream else { return };
        let Some(call) = self.framework.calls.pop_front() else { return };
        for _ in 0..if twice { 2 } else { 1 } {
            self.step_master(Input::Call { stream, call: Box::new(call.clone()) });
        }
    }

    fn pass_event(&mut self) {
        if let Some(event) = self.framework.events.pop_front() {
            self.framework.hear(event);
        }
    }

    fn kill_something(&mut self) {
        let ids: Vec<TaskId> = self.framework.tasks.keys().cloned().collect();
        if !ids.is_empty() && self.framework.stream.is_some() {
            let id = ids[self.below(ids.len() as u64) as usize].clone();
            let grace = Duration::from_secs(self.below(10));
            self.framework.calls.push_back(Call::Kill { task: id, agent: None, grace: Some(grace) });
        }
    }

    // Time

    fn pass_time(&mut self, time: Duration, faults: bool) {
        let end = self.now + time;
        loop {
            let agents = self.nodes.iter().filter_map(|node| node.agent.next_wakeup());
            let next = agents.chain(self.master.next_wakeup()).min().filter(|next| *next <= end);
            self.now = next.unwrap_or(end).max(self.now);
            for node in 0..NODES {
                let now = self.now;
                self.nodes[node].reap(now);
                if self.nodes[node].agent.next_wakeup().is_some_and(|next| next <= now) {
                    self.step_node(node, agent::Input::Wakeup, false);
                }
            }
            if self.master.next_wakeup().is_some_and(|next| next <= self.now) {
                self.step_master(Input::Wakeup);
            }
            if next.is_none() {
                break;
            }
            if !faults || self.one_in(2) {
                self.pass_heartbeats();
            }
        }
    }

    /// Lets what is on the way arrive, as it does while time passes.
    fn pass_heartbeats(&mut self) {
        for node in 0..NODES {
            for _ in 0..3 {
                self.pass_up(node, false);
                self.pass_down(node, false);
            }
        }
        self.pass_event();
    }

    // What must hold

    fn assert_sane(&self) {
        for node in &self.nodes {
            node.assert_not_overcommitted();
            for task in node.running() {
                let told = self.framework.over.get(&task.id);
                assert!(told.is_none(), "{} runs, but its framework was told {told:?}", task.id);
            }
        }
        for agent in self.master.state().agents {
            if !matches!(agent.state, AgentState::Unreachable(_)) {
                assert!(agent.info.resources.contains(&agent.used.plus(&agent.offered)), "{} is lent twice", agent.id);
            }
        }
    }

    pub fn assert_agreement(&self) {
        let mut running = BTreeSet::new();
        for node in &self.nodes {
            assert!(node.agent.is_registered());
            for task in node.running() {
                assert!(running.insert(task.id.clone()), "{} runs twice", task.id);
            }
            assert_eq!(node.agent.tasks().count(), node.running().count(), "finished tasks are acknowledged");
        }
        let believed: BTreeSet<TaskId> = self.framework.tasks.keys().cloned().collect();
        assert_eq!(believed, running, "what the framework believes, and what runs: {:?}", self.framework.tasks);
        assert_eq!(running.len(), WANTED);
        assert!(self.framework.tasks.values().all(|(state, _)| *state == TaskState::TaskRunning));
        let view = self.master.state();
        let known: BTreeSet<TaskId> = view
            .frameworks
            .iter()
            .flat_map(|framework| framework.tasks.iter().map(|task| task.info.id.clone()))
            .collect();
        assert_eq!(known, running, "what the master knows");
        let active = view.agents.iter().filter(|agent| agent.state == AgentState::Active).count();
        assert_eq!(active, NODES);
    }

    fn number(&mut self) -> u64 {
        self.next_number += 1;
        self.next_number
    }

    fn below(&mut self, bound: u64) -> u64 {
        self.random.next_u64() % bound.max(1)
    }

    fn one_in(&mut self, bound: u64) -> bool {
        self.below(bound) == 0
    }
}

fn master(number: u64) -> Master {
    Master::new(MasterConfig::new(format!("M{number}"), "master", "10.0.0.1", 5050))
}
