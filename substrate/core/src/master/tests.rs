use uuid::Uuid;

use super::*;
use crate::{
    protocol::{
        ContainerId, TaskId,
        agent::{AgentInfo, FromAgent, HEARTBEAT_INTERVAL, Numbered, SILENCE_LIMIT, TaskReport, ToAgent},
        scheduler::{Filters, FrameworkInfo, Operation},
        task::{Run, Source, TaskInfo, TaskState, TaskStatus},
    },
    testing::{agent_info, at, command_check, framework_info, status_line, task_info},
};

const NO_FILTER: Filters = Filters { refuse: Duration::ZERO };
const LONG: Filters = Filters { refuse: Duration::from_secs(1000) };

/// A master, a clock, and the numbers of each connection. What the master asks for is told as lines of text.
struct World {
    master: Master,
    now: Timestamp,
    seq: BTreeMap<u64, u64>,
}

impl World {
    fn new() -> Self {
        Self::with(MasterConfig::new("M", "master", "10.0.0.1", 5050))
    }

    fn with(config: MasterConfig) -> Self {
        Self { master: Master::new(config), now: at(0), seq: BTreeMap::new() }
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        let mut out = Output::default();
        self.master.step(self.now, input, &mut out);
        assert_books_agree(&self.master);
        assert!(self.master.next_wakeup().is_none_or(|next| next > self.now), "everything that was due was done");
        out.effects.iter().filter_map(line).collect()
    }

    /// Lets time pass, waking the master whenever it wants; heartbeats are left out of what is told.
    fn wait(&mut self, seconds: i64) -> Vec<String> {
        let end = self.now + Duration::from_secs(u64::try_from(seconds).unwrap());
        let mut told = Vec::new();
        while let Some(next) = self.master.next_wakeup().filter(|next| *next <= end) {
            self.now = next;
            told.extend(self.step(Input::Wakeup));
        }
        self.now = end;
        told.retain(|line| !line.ends_with("heartbeat"));
        told
    }

    fn call(&mut self, stream: u64, call: Call) -> Vec<String> {
        self.step(Input::Call { stream: StreamId(stream), call: Box::new(call) })
    }

    fn subscribe(&mut self, stream: u64, framework: FrameworkInfo) -> Vec<String> {
        self.call(stream, Call::Subscribe { framework, suppressed_roles: Vec::new() })
    }

    fn agent(&mut self, link: u64, message: FromAgent) -> Vec<String> {
        let seq = self.seq.entry(link).or_default();
        *seq += 1;
        let message = Numbered { seq: *seq, message };
        self.step(Input::Agent { link: LinkId(link), message: Box::new(message) })
    }

    /// Agent `M-S<n>` has the host name that it had when it got its id on connection n + 1.
    fn register(&mut self, link: u64, id: Option<&str>, tasks: Vec<TaskReport>) -> Vec<String> {
        let number = id.and_then(|id| id.strip_prefix("M-S")).and_then(|number| number.parse::<u64>().ok());
        let info = agent_info(&format!("h{}", number.map_or(link, |number| number + 1)), ALL);
        self.come(link, id, info, tasks)
    }

    /// Registers; an agent that gets its id here confirms it.
    fn come(&mut self, link: u64, id: Option<&str>, info: AgentInfo, tasks: Vec<TaskReport>) -> Vec<String> {
        let mut told = self.agent(link, FromAgent::Register { id: id.map(AgentId::new), info, tasks });
        if id.is_none() {
            told.extend(self.agent(link, FromAgent::Heartbeat));
        }
        told
    }

    fn update(&mut self, link: u64, status: TaskStatus) -> Vec<String> {
        let latest_state = status.state;
        self.agent(link, FromAgent::Update { framework_id: FrameworkId::new("M-0000"), status, latest_state })
    }

    fn launch(&mut self, offers: &[&str], tasks: Vec<TaskInfo>, filters: Filters) -> Vec<String> {
        let offers = offers.iter().map(|id| OfferId::new(*id)).collect();
        self.call(1, Call::Accept { offers, operations: vec![Operation::Launch { tasks }], filters })
    }

    fn kill(&mut self, task: &str, agent: Option<&str>) -> Vec<String> {
        self.call(1, Call::Kill { task: TaskId::new(task), agent: agent.map(AgentId::new), grace: None })
    }

    fn acknowledge(&mut self, task: &str, uuid: u128) -> Vec<String> {
        let (agent, task) = (AgentId::new("M-S0"), TaskId::new(task));
        self.call(1, Call::Acknowledge { agent, task, uuid: Uuid::from_u128(uuid) })
    }

    fn reconcile(&mut self, tasks: &[(&str, Option<&str>)]) -> Vec<String> {
        let tasks = tasks.iter().map(|(task, agent)| (TaskId::new(*task), agent.map(AgentId::new))).collect();
        self.call(1, Call::Reconcile { tasks })
    }

    /// A framework on stream 1, an agent on link 1, a task `t` that is launched there.
    fn with_task() -> Self {
        let mut world = Self::new();
        world.subscribe(1, framework_info(None));
        world.register(1, None, vec![]);
        assert_eq!(world.launch(&["M-O0"], vec![task("t")], LONG), ["link 1: launch t"]);
        world
    }
}

fn line(effect: &Effect) -> Option<String> {
    match effect {
        Effect::Tell(stream, event) => Some(format!("stream {stream}: {}", event_line(event))),
        Effect::CloseStream(stream) => Some(format!("stream {stream}: closed")),
        Effect::Send(link, message) => Some(format!("link {link}: {}", message_line(&message.message))),
        Effect::CloseLink(link) => Some(format!("link {link}: closed")),
        Effect::Subscribed(..) => None,
    }
}

fn event_line(event: &Event) -> String {
    match event {
        Event::Subscribed { framework_id, .. } => format!("subscribed {framework_id}"),
        Event::Offers(offers) => {
            let offer = |offer: &Offer| format!("{}@{} {}", offer.id, offer.agent_id, offer.resources);
            format!("offers {}", offers.iter().map(offer).collect::<Vec<_>>().join(", "))
        }
        Event::Rescind(offer) => format!("rescind {offer}"),
        Event::Update(status) => status_line(status),
        Event::Failure { agent } => format!("failure {agent}"),
        Event::Error { message } => format!("error '{message}'"),
        Event::Heartbeat => "heartbeat".into(),
    }
}

fn message_line(message: &ToAgent) -> String {
    match message {
        ToAgent::Registered { id } => format!("registered {id}"),
        ToAgent::Launch { task, .. } => format!("launch {}", task.id),
        ToAgent::Kill { task_id, grace, .. } => match grace {
            Some(grace) => format!("kill {task_id} within {} s", grace.as_secs()),
            None => format!("kill {task_id}"),
        },
        ToAgent::Acknowledge { task_id, uuid, .. } => format!("acknowledge {task_id} {}", uuid.as_u128()),
        ToAgent::Subscribed { framework_id } => format!("{framework_id} subscribed"),
        ToAgent::Refused { message } => format!("refused '{message}'"),
        ToAgent::Heartbeat => "heartbeat".into(),
    }
}

fn task(id: &str) -> TaskInfo {
    task_info(id, "M-S0", "cpus:1;mem:1024")
}

fn status(task: &str, state: TaskState, uuid: u128) -> TaskStatus {
    TaskStatus {
        task_id: TaskId::new(task),
        state,
        agent_id: Some(AgentId::new("M-S0")),
        timestamp: at(0),
        source: Source::SourceExecutor,
        reason: None,
        message: String::new(),
        uuid: Some(Uuid::from_u128(uuid)),
        healthy: None,
        container_id: Some(ContainerId::new("c")),
        ip_addresses: Vec::new(),
        unreachable_time: None,
    }
}

fn report(task_id: &str, state: TaskState) -> TaskReport {
    TaskReport {
        framework_id: FrameworkId::new("M-0000"),
        role: "*".into(),
        info: task(task_id),
        container_id: ContainerId::new("c"),
        status: status(task_id, state, 77),
    }
}

/// What tasks use and offers lend is what the allocator counts, and no more than agents have.
fn assert_books_agree(master: &Master) {
    for agent in master.state().agents {
        if matches!(agent.state, AgentState::Unreachable(_)) {
            continue;
        }
        let out = agent.used.plus(&agent.offered);
        assert_eq!(agent.info.resources.minus(&out), master.allocator.free(agent.id), "{}", agent.id);
        assert!(agent.info.resources.contains(&out), "{} is overcommitted", agent.id);
    }
    for framework in master.state().frameworks {
        let mut held = framework.used.clone();
        held.add(&framework.offered);
        let mut allocated = crate::resources::Resources::new();
        for agent in master.agents.keys() {
            allocated.add(&master.allocator.held(agent, framework.id, "*"));
        }
        assert_eq!(allocated.scalar("cpus"), held.scalar("cpus"), "{}", framework.id);
    }
}

const ALL: &str = "cpus:4;mem:4096;ports:[31000-31009]";
const REST: &str = "cpus:3;mem:3072;ports:[31000-31009]";

// Offers

#[test]
fn an_agent_is_offered_as_soon_as_there_is_a_framework_and_once() {
    let mut world = World::new();
    assert_eq!(world.register(1, None, vec![]), ["link 1: registered M-S0"]);
    assert_eq!(
        world.subscribe(1, framework_info(None)),
        ["stream 1: subscribed M-0000".to_owned(), format!("stream 1: offers M-O0@M-S0 {ALL}")]
    );
    assert_eq!(
        world.register(2, None, vec![]),
        ["link 2: registered M-S1".to_owned(), format!("stream 1: offers M-O1@M-S1 {ALL}")]
    );
    assert_eq!(world.wait(3600).iter().filter(|line| line.contains("offers")).count(), 0);
}

#[test]
fn a_new_agent_is_offered_when_it_has_written_its_id_down() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    let register = FromAgent::Register { id: None, info: agent_info("h", ALL), tasks: vec![] };
    assert_eq!(world.agent(1, register), ["link 1: registered M-S0"]);
    assert_eq!(world.agent(1, FromAgent::Heartbeat), [format!("stream 1: offers M-O0@M-S0 {ALL}")]);
}

#[test]
fn what_becomes_free_in_one_step_is_offered_in_one_event() {
    let mut world = World::new();
    world.register(1, None, vec![]);
    world.register(2, None, vec![]);
    assert_eq!(
        world.subscribe(1, framework_info(None))[1],
        format!("stream 1: offers M-O0@M-S0 {ALL}, M-O1@M-S1 {ALL}")
    );
}

#[test]
fn declined_resources_come_back_when_the_refusal_ends_or_is_revived() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    world.register(1, None, vec![]);
    let decline =
        |offer: &str, filters| Call::Decline { offers: vec![OfferId::new(offer), OfferId::new("x")], filters };
    assert!(world.call(1, decline("M-O0", Filters::default())).is_empty());
    assert!(world.wait(4).is_empty());
    assert_eq!(world.wait(1), [format!("stream 1: offers M-O1@M-S0 {ALL}")]);
    assert!(world.call(1, decline("M-O1", LONG)).is_empty());
    assert!(
        world.call(1, Call::Revive { roles: vec!["other".into()] }).is_empty(),
        "a call with a foreign role is dropped"
    );
    assert_eq!(world.call(1, Call::Revive { roles: vec![] }), [format!("stream 1: offers M-O2@M-S0 {ALL}")]);
    assert!(world.call(1, Call::Suppress { roles: vec!["*".into()] }).is_empty());
    assert!(world.call(1, decline("M-O2", NO_FILTER)).is_empty());
    assert!(!world.wait(10).iter().any(|line| line.contains("offers")), "suppressed");
}

#[test]
fn an_offer_that_is_not_used_in_time_is_rescinded_and_made_anew() {
    let mut config = MasterConfig::new("M", "master", "10.0.0.1", 5050);
    config.offer_timeout = Some(Duration::from_secs(8));
    let mut world = World::with(config);
    world.subscribe(1, framework_info(None));
    world.register(1, None, vec![]);
    assert_eq!(world.wait(8), ["stream 1: rescind M-O0".to_owned(), format!("stream 1: offers M-O1@M-S0 {ALL}")]);
}

// Accept

#[test]
fn a_launch_uses_its_part_of_the_offer_and_declines_the_rest() {
    let mut world = World::with_task();
    assert!(world.wait(2).is_empty());
    let view = world.master.state();
    assert_eq!(view.agents[0].used.to_string(), "cpus:1;mem:1024");
    assert_eq!(view.frameworks[0].tasks[0].state, TaskState::TaskStaging);
    assert_eq!(world.call(1, Call::Revive { roles: vec![] }), [format!("stream 1: offers M-O1@M-S0 {REST}")]);
}

#[test]
fn tasks_with_unusable_offers_are_dropped_and_the_usable_ones_given_back() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    world.register(1, None, vec![]);
    world.register(2, None, vec![]);
    for (offers, error) in [
        (vec![], "No offers specified"),
        (vec!["M-O9"], "Offer M-O9 is no longer valid"),
        (vec!["M-O0", "M-O0"], "Duplicate offer M-O0 in offer list"),
        (
            vec!["M-O2", "M-O1"],
            "Aggregated offers must belong to one single agent. Offer M-O1 uses agent M-S1 and agent M-S0",
        ),
    ] {
        let told = world.launch(&offers, vec![task("t")], LONG);
        let dropped =
            format!("stream 1: t TASK_DROPPED ReasonInvalidOffers 'Task launched with invalid offers: {error}'");
        assert_eq!(told[0], dropped);
        assert_eq!(told.len() > 1, offers.iter().any(|offer| *offer != "M-O9"), "offered again: {told:?}");
    }
    assert!(world.master.state().frameworks[0].tasks.is_empty());
}

#[test]
fn an_offer_to_another_framework_cannot_be_used() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    world.subscribe(2, framework_info(None));
    world.register(1, None, vec![]);
    let operations = vec![Operation::Launch { tasks: vec![task("t")] }];
    let accept = Call::Accept { offers: vec![OfferId::new("M-O0")], operations, filters: LONG };
    assert_eq!(
        world.call(2, accept),
        [
            "stream 2: t TASK_DROPPED ReasonInvalidOffers 'Task launched with invalid offers: Offer M-O0 is no longer valid'"
        ]
    );
    assert_eq!(world.master.offers.len(), 1);
}

#[test]
fn an_accept_that_comes_twice_launches_once_and_drops_nothing() {
    let mut world = World::with_task();
    assert!(world.launch(&["M-O0"], vec![task("t")], LONG).is_empty());
    assert_eq!(world.master.state().frameworks[0].tasks.len(), 1);
}

#[test]
fn a_task_that_cannot_be_launched_is_refused_with_the_reason_and_the_others_are_launched() {
    let with = |change: &dyn Fn(&mut TaskInfo)| {
        let mut task = task("bad");
        change(&mut task);
        task
    };
    for (bad, error) in [
        (with(&|task| task.id = TaskId::new("a/b")), "Task ID \"a/b\" is invalid"),
        (with(&|task| task.id = TaskId::new("first")), "Task has duplicate ID: first"),
        (
            with(&|task| task.agent_id = AgentId::new("M-S7")),
            "Task uses invalid agent M-S7 while agent M-S0 is expected",
        ),
        (with(&|task| task.resources = Default::default()), "Task uses no resources"),
        (
            with(&|task| task.resources = "cpus:4".parse().unwrap()),
            "Task uses more resources cpus:4 than available cpus:3;mem:3072;ports:[31000-31009]",
        ),
        (with(&|task| task.command.run = Run::Shell(String::new())), "Task uses invalid command: it is empty"),
        (with(&|task| task.command.run = Run::Exec(vec![])), "Task uses invalid command: it is empty"),
        (
            with(&|task| task.command.run = Run::Exec(vec!["a".into(), "\0".into()])),
            "Task uses invalid command: it contains a NUL byte",
        ),
        (
            with(&|task| drop(task.command.environment.insert("A=B".into(), String::new()))),
            "Task uses invalid command: environment variable \"A=B\" has an invalid name",
        ),
        (
            with(&|task| {
                task.health_check = Some(command_check());
                task.health_check.as_mut().unwrap().protocol =
                    health_core::Protocol::Tcp { port: health_core::PortRef::Index(0) };
            }),
            "Task uses invalid health check: agents run commands only",
        ),
    ] {
        let mut world = World::new();
        world.subscribe(1, framework_info(None));
        world.register(1, None, vec![]);
        let id = bad.id.clone();
        assert_eq!(
            world.launch(&["M-O0"], vec![task("first"), bad, task("last")], LONG),
            [
                "link 1: launch first".to_owned(),
                format!("stream 1: {id} TASK_ERROR ReasonTaskInvalid '{error}'"),
                "link 1: launch last".to_owned()
            ]
        );
    }
}

// Updates

#[test]
fn updates_and_acknowledgements_are_passed_on_and_a_finished_task_frees_its_resources_at_once() {
    let mut world = World::with_task();
    assert_eq!(world.update(1, status("t", TaskState::TaskRunning, 1)), ["stream 1: t TASK_RUNNING !"]);
    assert_eq!(world.acknowledge("t", 1), ["link 1: acknowledge t 1"]);
    assert_eq!(
        world.update(1, status("t", TaskState::TaskFinished, 2)),
        ["stream 1: t TASK_FINISHED !".to_owned(), format!("stream 1: offers M-O1@M-S0 {ALL}")]
    );
    assert_eq!(world.master.state().frameworks[0].tasks.len(), 1, "kept until acknowledged");
    assert_eq!(world.acknowledge("t", 1), ["link 1: acknowledge t 1"], "a stale one changes nothing here");
    assert_eq!(world.master.state().frameworks[0].tasks.len(), 1);
    assert_eq!(world.acknowledge("t", 2), ["link 1: acknowledge t 2"]);
    let view = world.master.state();
    assert_eq!((view.frameworks[0].tasks.len(), view.frameworks[0].completed_tasks.len()), (0, 1));
}

#[test]
fn resources_are_freed_by_the_latest_state_even_while_an_older_update_is_told() {
    let mut world = World::with_task();
    let (framework_id, status) = (FrameworkId::new("M-0000"), status("t", TaskState::TaskStarting, 1));
    let update = FromAgent::Update { framework_id, status, latest_state: TaskState::TaskFailed };
    assert_eq!(
        world.agent(1, update),
        ["stream 1: t TASK_STARTING !".to_owned(), format!("stream 1: offers M-O1@M-S0 {ALL}")]
    );
    assert_eq!(
        world.reconcile(&[]),
        ["stream 1: t TASK_STARTING ReasonReconciliation 'Reconciliation: Latest task state'"]
    );
}

#[test]
fn an_update_for_a_framework_that_is_away_is_dropped_and_told_when_it_comes_again() {
    let mut world = World::with_task();
    world.step(Input::StreamClosed(StreamId(1)));
    assert!(world.update(1, status("t", TaskState::TaskFinished, 1)).is_empty());
    world.subscribe(1, framework_info(Some("M-0000")));
    assert_eq!(world.update(1, status("t", TaskState::TaskFinished, 1)), ["stream 1: t TASK_FINISHED !"]);
}

#[test]
fn a_framework_without_partition_awareness_is_told_that_tasks_are_lost() {
    let mut world = World::new();
    world.subscribe(1, FrameworkInfo { partition_aware: false, ..framework_info(None) });
    world.register(1, None, vec![]);
    world.launch(&["M-O0"], vec![task("t")], LONG);
    assert_eq!(world.update(1, status("u", TaskState::TaskDropped, 1)), ["stream 1: u TASK_LOST !"]);
    assert_eq!(
        world.reconcile(&[("x", Some("M-S0"))]),
        ["stream 1: x TASK_LOST ReasonReconciliation 'Reconciliation: Task is unknown to the agent'"]
    );
}

// Kills

#[test]
fn a_kill_goes_to_the_agent_of_the_task_unless_another_is_named() {
    let mut world = World::with_task();
    assert_eq!(world.kill("t", None), ["link 1: kill t"]);
    assert_eq!(world.kill("t", Some("M-S0")), ["link 1: kill t"]);
    assert!(world.kill("t", Some("M-S1")).is_empty());
}

#[test]
fn a_kill_of_an_unknown_task_is_answered_as_a_question_about_it() {
    let mut world = World::with_task();
    assert_eq!(
        world.kill("x", Some("M-S0")),
        ["stream 1: x TASK_GONE ReasonReconciliation 'Reconciliation: Task is unknown to the agent'"]
    );
    assert!(world.kill("x", None).is_empty(), "its agent may not have come back yet");
}

#[test]
fn a_kill_is_said_again_when_the_agent_comes_back() {
    let mut world = World::with_task();
    world.step(Input::LinkClosed(LinkId(1)));
    let grace = |seconds| Call::Kill { task: TaskId::new("t"), agent: None, grace: Some(Duration::from_secs(seconds)) };
    assert!(world.call(1, grace(20)).is_empty());
    assert!(world.call(1, grace(10)).is_empty());
    assert!(world.call(1, grace(30)).is_empty());
    let told = world.register(2, Some("M-S0"), vec![report("t", TaskState::TaskRunning)]);
    assert_eq!(told[..2], ["link 2: registered M-S0", "link 2: kill t within 10 s"]);
}

// Connections of agents

#[test]
fn a_message_that_was_here_before_is_dropped_and_a_gap_ends_the_connection() {
    let mut world = World::with_task();
    let say = |world: &mut World, seq, message| {
        world.step(Input::Agent { link: LinkId(1), message: Box::new(Numbered { seq, message }) })
    };
    let update = || FromAgent::Update {
        framework_id: FrameworkId::new("M-0000"),
        status: status("t", TaskState::TaskRunning, 1),
        latest_state: TaskState::TaskRunning,
    };
    assert_eq!(say(&mut world, 3, update()).len(), 1);
    assert_eq!(say(&mut world, 3, update()).len(), 0);
    assert_eq!(say(&mut world, 5, update()), ["link 1: closed"]);
    assert_eq!(say(&mut world, 4, update()).len(), 0, "nothing that comes after counts");
    assert_eq!(world.master.state().agents[0].state, AgentState::Disconnected(at(0)));
}

#[test]
fn a_connection_that_does_not_begin_with_a_registration_is_ended() {
    let mut world = World::new();
    assert_eq!(world.agent(1, FromAgent::Heartbeat), ["link 1: closed"]);
    let info = agent_info("h", "cpus:1");
    let register = FromAgent::Register { id: Some(AgentId::new("a/b")), info, tasks: vec![] };
    assert_eq!(world.agent(2, register), ["link 2: refused 'Agent id \"a/b\" is invalid'", "link 2: closed"]);
}

#[test]
fn both_sides_show_that_they_live_and_a_silent_agent_is_disconnected() {
    let mut world = World::new();
    world.register(1, None, vec![]);
    world.now = world.now + HEARTBEAT_INTERVAL;
    assert_eq!(world.step(Input::Wakeup), ["link 1: heartbeat"]);
    world.agent(1, FromAgent::Heartbeat);
    world.now = world.now + SILENCE_LIMIT - Duration::from_millis(1);
    assert_eq!(world.step(Input::Wakeup), ["link 1: heartbeat"]);
    world.now = world.now + Duration::from_millis(1);
    assert_eq!(world.step(Input::Wakeup), ["link 1: closed"]);
}

#[test]
fn offers_of_a_disconnected_agent_are_rescinded_and_made_again_when_it_returns() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    world.register(1, None, vec![]);
    assert_eq!(world.step(Input::LinkClosed(LinkId(1))), ["stream 1: rescind M-O0"]);
    assert_eq!(
        world.register(2, Some("M-S0"), vec![]),
        ["link 2: registered M-S0".to_owned(), format!("stream 1: offers M-O1@M-S0 {ALL}")]
    );
}

#[test]
fn a_new_connection_of_an_agent_takes_the_place_of_the_old_one() {
    let mut world = World::new();
    world.register(1, None, vec![]);
    assert_eq!(world.register(2, Some("M-S0"), vec![]), ["link 1: closed", "link 2: registered M-S0"]);
    assert!(world.step(Input::LinkClosed(LinkId(1))).is_empty());
    assert_eq!(world.master.state().agents[0].state, AgentState::Active);
}

#[test]
fn an_agent_that_comes_back_larger_is_offered_as_it_is_now() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    world.register(1, None, vec![]);
    let info = agent_info("h1", "cpus:8;mem:4096");
    let register = FromAgent::Register { id: Some(AgentId::new("M-S0")), info, tasks: vec![] };
    assert_eq!(
        world.agent(2, register),
        [
            "link 1: closed",
            "stream 1: rescind M-O0",
            "link 2: registered M-S0",
            "stream 1: offers M-O1@M-S0 cpus:8;mem:4096"
        ]
    );
}

#[test]
fn a_fresh_agent_at_the_address_of_one_that_is_away_replaces_it() {
    let mut world = World::with_task();
    world.step(Input::LinkClosed(LinkId(1)));
    let info = agent_info("h1", ALL);
    assert_eq!(
        world.come(2, None, info, vec![]),
        [
            "stream 1: t TASK_GONE ReasonAgentRemoved 'Agent was replaced'".to_owned(),
            "stream 1: failure M-S0".to_owned(),
            "link 2: registered M-S1".to_owned(),
            format!("stream 1: offers M-O1@M-S1 {ALL}"),
        ]
    );
}

// What agents report

#[test]
fn a_launch_that_never_reached_the_agent_is_dropped_when_it_registers_again() {
    let mut world = World::with_task();
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(
        world.register(2, Some("M-S0"), vec![])[1],
        "stream 1: t TASK_DROPPED ReasonReconciliation 'Task is unknown to the agent'"
    );
    assert!(world.master.state().frameworks[0].tasks.is_empty());
}

#[test]
fn a_launch_on_the_present_connection_is_not_missed() {
    let mut world = World::with_task();
    assert_eq!(world.register(1, Some("M-S0"), vec![])[0], "link 1: registered M-S0");
    assert_eq!(world.master.state().frameworks[0].tasks.len(), 1);
}

#[test]
fn a_task_that_ran_and_is_not_there_any_more_is_gone() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(
        world.register(2, Some("M-S0"), vec![])[1],
        "stream 1: t TASK_GONE ReasonReconciliation 'Task is unknown to the agent'"
    );
}

#[test]
fn a_finished_task_that_is_not_reported_was_acknowledged() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskFinished, 1));
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(world.register(2, Some("M-S0"), vec![])[0], "link 2: registered M-S0");
    assert!(world.master.state().frameworks[0].tasks.is_empty());
}

#[test]
fn an_agent_that_stays_away_is_unreachable_and_its_tasks_come_back_with_it() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::LinkClosed(LinkId(1)));
    assert!(world.wait(74).is_empty());
    assert_eq!(
        world.wait(1),
        ["stream 1: t TASK_UNREACHABLE ReasonAgentRemoved 'Agent is unreachable'", "stream 1: failure M-S0"]
    );
    assert_eq!(world.master.state().agents[0].state, AgentState::Unreachable(at(75)), "frameworks count from here");
    assert_eq!(
        world.reconcile(&[("t", None), ("x", Some("M-S0"))]),
        [
            "stream 1: t TASK_UNREACHABLE ReasonReconciliation 'Reconciliation: Latest task state'",
            "stream 1: x TASK_UNREACHABLE ReasonReconciliation 'Reconciliation: Task is unreachable'"
        ]
    );
    assert_eq!(
        world.kill("t", None),
        ["stream 1: t TASK_UNREACHABLE ReasonReconciliation 'Reconciliation: Latest task state'"]
    );
    assert_eq!(
        world.register(2, Some("M-S0"), vec![report("t", TaskState::TaskRunning)]),
        [
            "link 2: registered M-S0".to_owned(),
            "link 2: kill t".to_owned(),
            "stream 1: t TASK_RUNNING ReasonAgentReregistered 'Agent reregistered'".to_owned(),
            format!("stream 1: offers M-O1@M-S0 {REST}"),
        ]
    );
}

#[test]
fn a_task_whose_end_only_the_master_heard_of_is_unreachable_with_its_agent() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::StreamClosed(StreamId(1)));
    world.update(1, status("t", TaskState::TaskFailed, 2));
    world.subscribe(2, framework_info(Some("M-0000")));
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(
        world.wait(75).first().map(String::as_str),
        Some("stream 2: t TASK_UNREACHABLE ReasonAgentRemoved 'Agent is unreachable'"),
        "or the framework would wait for it for ever, should the agent not come back"
    );
    assert!(
        world
            .register(2, Some("M-S0"), vec![report("t", TaskState::TaskFailed)])
            .iter()
            .all(|line| !line.contains("stream 2: t")),
        "the agent itself tells the end"
    );
    let told = world.update(2, status("t", TaskState::TaskFailed, 2));
    assert!(told.iter().any(|line| line.starts_with("stream 2: t TASK_FAILED")), "{told:?}");
}

#[test]
fn frameworks_count_from_the_moment_when_an_agent_is_given_up() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::LinkClosed(LinkId(1)));
    world.now = at(75);
    let mut out = Output::default();
    world.master.step(world.now, Input::Wakeup, &mut out);
    let asked = Call::Reconcile { tasks: vec![(TaskId::new("x"), Some(AgentId::new("M-S0")))] };
    world.master.step(at(80), Input::Call { stream: StreamId(1), call: Box::new(asked) }, &mut out);
    let told = out.effects.iter().filter_map(|effect| {
        if let Effect::Tell(_, event) = effect
            && let Event::Update(status) = &**event
        {
            Some((status.task_id.as_str().to_owned(), status.unreachable_time))
        } else {
            None
        }
    });
    assert_eq!(told.collect::<Vec<_>>(), [("t".to_owned(), Some(at(75))), ("x".to_owned(), Some(at(75)))]);
}

#[test]
fn agents_hear_of_a_framework_that_is_back_and_so_tell_again_what_went_nowhere() {
    let mut world = World::with_task();
    world.register(2, None, vec![]);
    world.step(Input::StreamClosed(StreamId(1)));
    assert!(world.update(1, status("t", TaskState::TaskRunning, 1)).is_empty());
    let told = world.subscribe(2, framework_info(Some("M-0000")));
    let links: Vec<&String> = told.iter().filter(|line| line.starts_with("link")).collect();
    assert_eq!(links, ["link 1: M-0000 subscribed"], "only those that have tasks of it");
}

#[test]
fn an_agent_that_is_back_in_time_is_no_news() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::LinkClosed(LinkId(1)));
    world.wait(74);
    assert_eq!(world.register(2, Some("M-S0"), vec![report("t", TaskState::TaskRunning)]), ["link 2: registered M-S0"]);
    for _ in 0..20 {
        world.wait(5);
        world.agent(2, FromAgent::Heartbeat);
    }
    assert_eq!(world.master.state().agents[0].state, AgentState::Active);
}

#[test]
fn a_new_master_learns_from_agents_and_frameworks_in_any_order() {
    for framework_first in [true, false] {
        let mut world = World::with(MasterConfig::new("N", "master", "10.0.0.1", 5050));
        let report = || vec![report("t", TaskState::TaskRunning)];
        let subscribed = |world: &mut World| world.subscribe(1, framework_info(Some("M-0000")));
        let told = if framework_first {
            subscribed(&mut world);
            assert!(world.reconcile(&[("t", Some("M-S0")), ("u", None)]).is_empty(), "nobody knows yet");
            world.register(1, Some("M-S0"), report())
        } else {
            world.register(1, Some("M-S0"), report());
            assert_eq!(world.master.state().frameworks[0].state, FrameworkState::Recovered);
            subscribed(&mut world)
        };
        assert_eq!(told.last().unwrap(), &format!("stream 1: offers N-O0@M-S0 {REST}"));
        let announced = "stream 1: t TASK_RUNNING ReasonAgentReregistered 'Agent reregistered'";
        assert_eq!(told.iter().any(|line| line == announced), framework_first);
        assert_eq!(
            world.reconcile(&[]),
            ["stream 1: t TASK_RUNNING ReasonReconciliation 'Reconciliation: Latest task state'"]
        );
        assert_eq!(world.register(2, None, vec![])[0], "link 2: registered N-S0");
    }
}

#[test]
fn a_task_whose_id_runs_elsewhere_by_now_is_killed_and_its_updates_are_kept_from_the_framework() {
    let mut world = World::with_task();
    assert_eq!(world.register(2, Some("old"), vec![report("t", TaskState::TaskRunning)])[1], "link 2: kill t");
    assert_eq!(world.update(2, status("t", TaskState::TaskKilled, 9)), ["link 2: acknowledge t 9"]);
    assert_eq!(world.master.state().frameworks[0].tasks.len(), 1);
}

// Questions

#[test]
fn questions_are_answered_with_what_is_known() {
    let mut world = World::with_task();
    world.wait(76);
    world.register(2, Some("M-S0"), vec![report("t", TaskState::TaskRunning)]);
    world.update(2, status("t", TaskState::TaskRunning, 1));
    assert_eq!(
        world.reconcile(&[("t", None), ("x", Some("M-S0")), ("x", Some("L-S3")), ("x", Some("M-S9")), ("x", None)]),
        [
            "stream 1: t TASK_RUNNING ReasonReconciliation 'Reconciliation: Latest task state'",
            "stream 1: x TASK_GONE ReasonReconciliation 'Reconciliation: Task is unknown to the agent'",
            "stream 1: x TASK_UNREACHABLE ReasonReconciliation 'Reconciliation: Task is unreachable'",
            "stream 1: x TASK_UNKNOWN ReasonReconciliation 'Reconciliation: Task is unknown'",
            "stream 1: x TASK_UNKNOWN ReasonReconciliation 'Reconciliation: Task is unknown'",
        ]
    );
}

// Frameworks

#[test]
fn a_framework_that_subscribes_again_takes_over_its_stream() {
    let mut world = World::new();
    world.register(1, None, vec![]);
    world.subscribe(1, framework_info(None));
    assert_eq!(
        world.subscribe(2, framework_info(Some("M-0000"))),
        [
            "stream 1: error 'Framework failed over'".to_owned(),
            "stream 1: closed".to_owned(),
            "stream 2: subscribed M-0000".to_owned(),
            format!("stream 2: offers M-O1@M-S0 {ALL}"),
        ]
    );
    assert!(world.step(Input::StreamClosed(StreamId(1))).is_empty());
    assert!(world.call(1, Call::Teardown).is_empty(), "the old stream has no say any more");
    assert_eq!(world.master.state().frameworks[0].state, FrameworkState::Active);
}

#[test]
fn the_same_subscription_twice_is_one() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    assert_eq!(world.subscribe(1, framework_info(None)), ["stream 1: subscribed M-0000"]);
    assert_eq!(world.master.state().frameworks.len(), 1);
}

#[test]
fn a_subscription_that_cannot_be_is_refused() {
    let with = |change: &dyn Fn(&mut FrameworkInfo)| {
        let mut info = framework_info(None);
        change(&mut info);
        info
    };
    for (info, suppressed, error) in [
        (with(&|info| info.roles = vec!["a//b".into()]), vec![], "Role 'a//b' is invalid: it has an empty component"),
        (with(&|info| info.roles = vec!["a".into(), "a".into()]), vec![], "Role 'a' is given twice"),
        (with(&|_| ()), vec!["b".to_owned()], "Suppressed role 'b' is not one of the framework's roles"),
        (with(&|info| info.id = Some(FrameworkId::new(""))), vec![], "Framework id \"\" is invalid"),
    ] {
        let mut world = World::new();
        let told = world.call(1, Call::Subscribe { framework: info, suppressed_roles: suppressed });
        assert_eq!(told, [format!("stream 1: error '{error}'"), "stream 1: closed".to_owned()]);
        assert!(world.master.state().frameworks.is_empty());
    }
}

#[test]
fn a_framework_that_does_not_return_is_removed_with_its_tasks() {
    let mut world = World::with_task();
    world.update(1, status("t", TaskState::TaskRunning, 1));
    world.step(Input::StreamClosed(StreamId(1)));
    for _ in 0..11 {
        assert!(world.wait(5).is_empty());
        world.agent(1, FromAgent::Heartbeat);
    }
    assert_eq!(world.wait(5), ["link 1: kill t"]);
    assert_eq!(world.master.state().frameworks[0].state, FrameworkState::Removing);
    assert_eq!(
        world.subscribe(2, framework_info(Some("M-0000"))),
        ["stream 2: error 'Framework has been removed'", "stream 2: closed"]
    );
    assert_eq!(world.update(1, status("t", TaskState::TaskKilled, 2)), ["link 1: acknowledge t 2"]);
    let view = world.master.state();
    assert_eq!((view.frameworks.len(), view.completed_frameworks[0].completed_tasks.len()), (0, 1));
    assert!(view.agents[0].used.is_empty());
    assert_eq!(
        world.subscribe(3, framework_info(Some("M-0000"))),
        ["stream 3: error 'Framework has been removed'", "stream 3: closed"]
    );
}

#[test]
fn a_torn_down_framework_is_closed_and_an_agent_that_was_away_hears_of_it_when_it_returns() {
    let mut world = World::with_task();
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(world.call(1, Call::Teardown), ["stream 1: closed"]);
    assert_eq!(
        world.register(2, Some("M-S0"), vec![report("t", TaskState::TaskRunning)]),
        ["link 2: registered M-S0", "link 2: kill t"]
    );
    assert_eq!(world.update(2, status("t", TaskState::TaskKilled, 2)), ["link 2: acknowledge t 2"]);
    assert!(world.master.state().frameworks.is_empty());
    world.step(Input::LinkClosed(LinkId(2)));
    assert_eq!(
        world.register(3, Some("M-S0"), vec![report("u", TaskState::TaskRunning)])[1],
        "link 3: kill u",
        "also for a task that was not known"
    );
}

#[test]
fn a_framework_without_failover_timeout_is_removed_at_once() {
    let mut world = World::new();
    world.subscribe(1, FrameworkInfo { failover_timeout: Duration::ZERO, ..framework_info(None) });
    world.step(Input::StreamClosed(StreamId(1)));
    assert_eq!(world.master.state().completed_frameworks.len(), 1);
}

#[test]
fn streams_get_heartbeats() {
    let mut world = World::new();
    world.subscribe(1, framework_info(None));
    for _ in 0..3 {
        world.now = world.now + STREAM_HEARTBEAT_INTERVAL;
        assert_eq!(world.step(Input::Wakeup), ["stream 1: heartbeat"]);
    }
}

#[test]
fn a_clock_that_is_set_back_stops_no_timer() {
    let mut world = World::with_task();
    world.now = at(-3600);
    world.step(Input::LinkClosed(LinkId(1)));
    assert_eq!(world.wait(75).last().unwrap(), "stream 1: failure M-S0");
}

#[test]
fn finished_tasks_and_removed_frameworks_are_remembered_up_to_their_bounds() {
    let mut world = World::new();
    for n in 0..COMPLETED_FRAMEWORKS + 2 {
        let stream = 100 + n as u64;
        world.subscribe(stream, framework_info(None));
        world.call(stream, Call::Teardown);
    }
    let view = world.master.state();
    assert_eq!(view.completed_frameworks.len(), COMPLETED_FRAMEWORKS);
    assert_eq!(view.completed_frameworks[0].id.as_str(), "M-0002");
}
