//! The world around the cores: a clock, a network, disks, machines with containers, and everything that goes wrong with them.
//!
//! One queue of happenings in the order of simulated time; whatever is left to chance is drawn from one generator. Two runs of one
//! seed are therefore the same to the last line of their traces.

mod agents;
mod containers;
mod faults;
mod master;
mod network;
mod scheduler;

use std::{collections::BTreeMap, fmt, time::Duration};

use marathon_core::scheduler::Probe;
use marathon_time::Timestamp;
use substrate_core::{
    master::{LinkId, StreamId},
    protocol::{
        ContainerId, TaskId,
        agent::{FromAgent, Numbered, ToAgent},
        scheduler::{Call, Event},
    },
};

pub(crate) use self::scheduler::scheduler_config;
pub use self::{
    agents::AgentSite,
    containers::{Container, Phase, Truth, Turn},
    scheduler::SchedulerSite,
};
use self::{master::MasterSite, network::Network};
use crate::{
    checkers::Ledger,
    dice::Dice,
    sabotage::Sabotage,
    trace::Trace,
    violation::{Invariant, Violation},
    weather::Weather,
    workload::Workload,
};

/// So many things that are wrong are named in the end.
const MOST_NAMED: usize = 8;
/// When every run begins.
const BEGIN: Timestamp = Timestamp::from_millis(1_750_000_000_000);
/// So many things at one moment mean that a core spins.
const MOST_AT_ONCE: u32 = 20_000;

/// When the faults stop, everything is as it should be within this time, and stays so. Shorter than the interval of periodic
/// reconciliation, which would hide what was lost.
pub const CONVERGENCE_BOUND: Duration = Duration::from_secs(540);
/// For so long it must stay so.
pub const STABLE_FOR: Duration = Duration::from_secs(60);
/// How often that is looked at.
const LOOK_INTERVAL: Duration = Duration::from_secs(5);

/// What to run.
#[derive(Clone, Copy, Debug, Default)]
pub struct Options {
    /// Of all chance.
    pub seed: u64,
    /// Keep every line of the trace.
    pub trace: bool,
    /// A planted fault.
    pub sabotage: Option<Sabotage>,
}

/// What came of it.
#[derive(Debug)]
pub struct Outcome {
    /// Of the run.
    pub seed: u64,
    /// What was broken, if anything.
    pub violation: Option<Violation>,
    /// Steps of all cores.
    pub steps: u64,
    /// Simulated time.
    pub simulated: Duration,
    /// From the last fault until all was as it should be.
    pub healed_after: Option<Duration>,
    /// Of the whole trace.
    pub hash: u64,
    /// Its last lines, or all.
    pub trace: Vec<String>,
    /// How often what happened, to see that a run was about something.
    pub tally: BTreeMap<&'static str, u64>,
}

/// A place in the queue.
type Key = (Timestamp, u64);

/// Something that is going to happen.
#[derive(Debug)]
enum Happening {
    WakeScheduler,
    WakeMaster,
    WakeAgent(usize),
    Commit,
    CallArrives(StreamId, Box<Call>),
    EventArrives(StreamId, Box<Event>),
    /// The master ended the stream, after everything that it said on it.
    StreamEnds(StreamId),
    StreamGoneAtMaster(StreamId),
    StreamGoneAtScheduler(StreamId),
    Dial(usize, u64),
    ToMaster(LinkId, Box<Numbered<FromAgent>>),
    ToAgent(LinkId, Box<Numbered<ToAgent>>),
    /// The master ended the connection, after everything that it said on it.
    LinkEnds(LinkId),
    LinkGoneAtMaster(LinkId),
    LinkGoneAtAgent(LinkId),
    Container(usize, ContainerId, Turn),
    /// A restarted agent looks after one of its containers.
    FoundAgain(usize, u64, ContainerId),
    Probed {
        boot: u64,
        probe: Box<Probe>,
        answers: bool,
    },
    AgentProbed {
        agent: usize,
        boot: u64,
        container: ContainerId,
        answers: bool,
    },
    StartScheduler,
    StartMaster,
    StartAgent(usize),
    EndPartition(usize),
    Operation,
    Stroke,
    Calm,
    Look,
}

/// Everything.
pub struct World {
    pub(crate) now: Timestamp,
    pub(crate) dice: Dice,
    queue: BTreeMap<Key, Happening>,
    next_key: u64,
    at_this_moment: u32,
    pub(crate) weather: Weather,
    trace: Trace,
    network: Network,
    pub(crate) scheduler: SchedulerSite,
    master: MasterSite,
    pub(crate) agents: Vec<AgentSite>,
    /// Every task that was ever started.
    pub(crate) truths: BTreeMap<TaskId, Truth>,
    pub(crate) workload: Workload,
    pub(crate) ledger: Ledger,
    pub(crate) sabotage: Option<Sabotage>,
    calm_since: Option<Timestamp>,
    fine_since: Option<Timestamp>,
    done: bool,
    steps: u64,
    violation: Option<Violation>,
    pub(crate) tally: BTreeMap<&'static str, u64>,
}

/// Runs one seed to its end, or to the first violation.
pub fn run(options: Options) -> Outcome {
    let mut world = World::new(options);
    world.begin();
    while world.violation.is_none() && !world.done {
        let Some(((at, _), happening)) = world.queue.pop_first() else {
            world.violate(Invariant::Liveness, "nothing is going to happen any more".into());
            break;
        };
        world.at_this_moment = if at == world.now { world.at_this_moment + 1 } else { 0 };
        world.now = at;
        if world.at_this_moment > MOST_AT_ONCE {
            world.violate(Invariant::Liveness, format!("time stands still at {happening:?}"));
            break;
        }
        world.happen(happening);
    }
    Outcome {
        seed: options.seed,
        violation: world.violation,
        steps: world.steps,
        simulated: world.now.since(BEGIN),
        healed_after: world.calm_since.zip(world.fine_since).map(|(calm, fine)| fine.since(calm)),
        hash: world.trace.hash(),
        trace: world.trace.lines(),
        tally: world.tally,
    }
}

impl World {
    fn new(options: Options) -> Self {
        let mut dice = Dice::new(options.seed);
        let weather = Weather::forecast(&mut dice);
        let count = dice.between(3, 6) as usize;
        let agents = (0..count).map(|index| AgentSite::new(index, options.sabotage)).collect();
        Self {
            now: BEGIN,
            queue: BTreeMap::new(),
            next_key: 0,
            at_this_moment: 0,
            weather,
            trace: Trace::new(options.trace),
            network: Network::default(),
            scheduler: SchedulerSite::default(),
            master: MasterSite::default(),
            agents,
            truths: BTreeMap::new(),
            workload: Workload::default(),
            ledger: Ledger::default(),
            sabotage: options.sabotage,
            calm_since: None,
            fine_since: None,
            done: false,
            steps: 0,
            violation: None,
            tally: BTreeMap::new(),
            dice,
        }
    }

    fn begin(&mut self) {
        let weather = self.weather.clone();
        self.note(format_args!("{} agents, weather {weather:?}", self.agents.len()));
        self.later(0, 2_000, Happening::StartMaster);
        self.later(0, 2_000, Happening::StartScheduler);
        for agent in 0..self.agents.len() {
            self.later(0, 3_000, Happening::StartAgent(agent));
        }
        self.later(2_100, 4_000, Happening::Operation);
        self.later(5_000, 20_000, Happening::Stroke);
        self.later(180_000, 420_000, Happening::Calm);
    }

    fn happen(&mut self, happening: Happening) {
        match happening {
            Happening::WakeScheduler => self.wake_scheduler(),
            Happening::WakeMaster => self.wake_master(),
            Happening::WakeAgent(agent) => self.wake_agent(agent),
            Happening::Commit => self.commit(),
            Happening::CallArrives(stream, call) => self.call_arrives(stream, call),
            Happening::EventArrives(stream, event) => self.event_arrives(stream, event),
            Happening::StreamEnds(stream) => self.stream_ends(stream),
            Happening::StreamGoneAtMaster(stream) => self.stream_gone_at_master(stream),
            Happening::StreamGoneAtScheduler(stream) => self.stream_gone_at_scheduler(stream),
            Happening::Dial(agent, boot) => self.dial(agent, boot),
            Happening::ToMaster(link, message) => self.agent_message_arrives(link, message),
            Happening::ToAgent(link, message) => self.master_message_arrives(link, message),
            Happening::LinkEnds(link) | Happening::LinkGoneAtAgent(link) => self.link_gone_at_agent(link),
            Happening::LinkGoneAtMaster(link) => self.link_gone_at_master(link),
            Happening::Container(agent, container, turn) => self.container_turns(agent, &container, turn),
            Happening::FoundAgain(agent, boot, container) => self.container_found_again(agent, boot, &container),
            Happening::Probed { boot, probe, answers } => self.probe_answered(boot, &probe, answers),
            Happening::AgentProbed { agent, boot, container, answers } => {
                self.agent_probe_answered(agent, boot, container, answers);
            }
            Happening::StartScheduler => self.start_scheduler(),
            Happening::StartMaster => self.start_master(),
            Happening::StartAgent(agent) => self.start_agent(agent),
            Happening::EndPartition(agent) => self.end_partition(agent),
            Happening::Operation => self.operate(),
            Happening::Stroke => self.stroke(),
            Happening::Calm => self.calm_down(),
            Happening::Look => self.look(),
        }
    }

    /// The faults are over.
    fn calm_down(&mut self) {
        self.note(format_args!("calm"));
        self.calm_since = Some(self.now);
        self.weather = Weather::calm();
        for agent in 0..self.agents.len() {
            self.end_partition(agent);
        }
        self.after(LOOK_INTERVAL, Happening::Look);
    }

    /// Whether everything is as it should be by now.
    fn look(&mut self) {
        let Some(calm_since) = self.calm_since else { return };
        self.restart_what_was_left();
        let wrong = self.what_is_wrong();
        if wrong.is_empty() {
            let since = *self.fine_since.get_or_insert(self.now);
            if self.now.since(since) >= STABLE_FOR {
                self.check_a_last_recovery();
                self.done = true;
                return;
            }
        } else {
            self.fine_since = None;
            if self.now.since(calm_since) > CONVERGENCE_BOUND {
                let seconds = self.now.since(calm_since).as_secs();
                let (all, mut wrong) = (wrong.len(), wrong);
                wrong.truncate(MOST_NAMED);
                self.violate(
                    Invariant::Convergence,
                    format!("{seconds} s after the last fault {all} things are wrong: {}", wrong.join("; ")),
                );
                return;
            }
        }
        self.after(LOOK_INTERVAL, Happening::Look);
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.calm_since.is_some()
    }

    /// Puts something into the queue, `low` to `high` milliseconds from now.
    fn later(&mut self, low: u64, high: u64, happening: Happening) -> Key {
        let delay = self.dice.millis(low, high);
        self.after(delay, happening)
    }

    fn after(&mut self, delay: Duration, happening: Happening) -> Key {
        self.at(self.now + delay, happening)
    }

    fn at(&mut self, at: Timestamp, happening: Happening) -> Key {
        let key = (at.max(self.now), self.next_key);
        self.next_key += 1;
        self.queue.insert(key, happening);
        key
    }

    /// When users come back.
    pub(crate) fn pause_users(&mut self, low: u64, high: u64) {
        self.later(low, high, Happening::Operation);
    }

    fn cancel(&mut self, key: Option<Key>) {
        if let Some(key) = key {
            self.queue.remove(&key);
        }
    }

    pub(crate) fn violate(&mut self, invariant: Invariant, explanation: String) {
        self.note(format_args!("VIOLATION of {invariant}: {explanation}"));
        self.violation.get_or_insert(Violation { invariant, explanation });
    }

    pub(crate) fn note(&mut self, line: fmt::Arguments<'_>) {
        let millis = self.now.since(BEGIN).as_millis();
        self.trace.line(format_args!("{:>5} {:>4}.{:03} {line}", self.steps, millis / 1000, millis % 1000));
    }

    pub(crate) fn count(&mut self, what: &'static str) {
        *self.tally.entry(what).or_default() += 1;
    }
}

/// A clock that is `skew` milliseconds ahead.
fn skewed(now: Timestamp, skew: i64) -> Timestamp {
    Timestamp::from_millis(now.as_millis() + skew)
}
