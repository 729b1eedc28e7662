use std::time::Duration;

use health_core::Outcome;

use super::*;
use crate::{
    protocol::{
        agent::{FromAgent, HEARTBEAT_INTERVAL, Numbered, SILENCE_LIMIT},
        task::TaskInfo,
    },
    testing::{agent_info, at, command_check, status_line, task_info},
};

/// An agent, what it has written down, and the numbers of its connection. What it asks for is told as lines of text.
struct World {
    agent: Agent,
    now: Timestamp,
    seq: u64,
    lives: u8,
    id: Option<AgentId>,
    disk: BTreeMap<ContainerId, Checkpoint>,
    /// The status that waits for acknowledgement, as told last.
    told: Option<(FrameworkId, TaskStatus)>,
    /// In the order of their launches.
    containers: Vec<ContainerId>,
}

const HAS: &str = "cpus:4;mem:4096;ports:[31000-31009]";

fn start(life: u8, id: Option<AgentId>, checkpoints: Vec<Checkpoint>, now: Timestamp) -> Agent {
    let config = AgentConfig { info: agent_info("h", HAS) };
    Agent::recover(config, id, checkpoints, Seeds { containers: [life; 32], statuses: [100 + life; 32] }, now)
}

impl World {
    fn new() -> Self {
        Self {
            agent: start(0, None, vec![], at(0)),
            now: at(0),
            seq: 0,
            lives: 0,
            id: None,
            disk: BTreeMap::new(),
            told: None,
            containers: Vec::new(),
        }
    }

    /// Connected and registered.
    fn registered() -> Self {
        let mut world = Self::new();
        world.connect();
        world
    }

    fn running(info: TaskInfo) -> Self {
        let mut world = Self::registered();
        world.launch(info);
        world.acknowledge();
        world.started();
        world.acknowledge();
        world
    }

    fn connect(&mut self) -> Vec<String> {
        self.seq = 0;
        let mut told = self.step(Input::Connected);
        told.extend(self.master(ToAgent::Registered { id: AgentId::new("M-S0") }));
        told
    }

    fn step(&mut self, input: Input) -> Vec<String> {
        let mut out = Output::default();
        self.agent.step(self.now, input, &mut out);
        assert!(self.agent.next_wakeup().is_none_or(|next| next > self.now), "everything that was due was done");
        for change in out.changes {
            match change {
                Change::Id(id) => self.id = Some(id),
                Change::Put(checkpoint) => drop(self.disk.insert(checkpoint.container_id.clone(), *checkpoint)),
                Change::Remove(container) => drop(self.disk.remove(&container).expect("only what is there is removed")),
            }
        }
        out.effects.iter().map(|effect| self.line(effect)).collect()
    }

    fn line(&mut self, effect: &Effect) -> String {
        match effect {
            Effect::Send(message) => self.message_line(&message.message),
            Effect::Reconnect => "reconnect".into(),
            Effect::Launch(launch) => {
                assert!(self.disk.contains_key(&launch.container_id), "written down before it is launched");
                self.containers.push(launch.container_id.clone());
                format!("launch {}", launch.task.id)
            }
            Effect::Kill { grace, .. } => format!("kill within {} ms", grace.as_millis()),
            Effect::Probe(_) => "probe".into(),
            Effect::Forget(_) => "forget".into(),
            Effect::Halt { message } => format!("halt '{message}'"),
        }
    }

    fn message_line(&mut self, message: &FromAgent) -> String {
        match message {
            FromAgent::Register { id, tasks, .. } => {
                let tasks: Vec<String> = tasks.iter().map(|task| status_line(&task.status)).collect();
                let id = id.as_ref().map_or("nobody", |id| id.as_str());
                format!("register {id} [{}]", tasks.join(", "))
            }
            FromAgent::Update { framework_id, status, latest_state } => {
                self.told = Some((framework_id.clone(), status.clone()));
                let ahead = if status.state == *latest_state { "" } else { " behind" };
                format!("{}{ahead}", status_line(status))
            }
            FromAgent::Heartbeat => "heartbeat".into(),
        }
    }

    fn master(&mut self, message: ToAgent) -> Vec<String> {
        self.seq += 1;
        self.step(Input::Master(Box::new(Numbered { seq: self.seq, message })))
    }

    fn launch(&mut self, info: TaskInfo) -> Vec<String> {
        let (framework_id, task) = (FrameworkId::new("F"), Box::new(info));
        self.master(ToAgent::Launch { framework_id, role: "*".into(), task })
    }

    fn kill(&mut self, task: &str, grace: Option<u64>) -> Vec<String> {
        let (framework_id, task_id) = (FrameworkId::new("F"), TaskId::new(task));
        self.master(ToAgent::Kill { framework_id, task_id, grace: grace.map(Duration::from_secs) })
    }

    /// Acknowledges the status that was told last.
    fn acknowledge(&mut self) -> Vec<String> {
        let (framework_id, status) = self.told.take().expect("something was told");
        let uuid = status.uuid.expect("what is told is to be acknowledged");
        self.master(ToAgent::Acknowledge { framework_id, task_id: status.task_id, uuid })
    }

    /// The container launched last has news.
    fn container(&mut self, event: ContainerEvent) -> Vec<String> {
        let container = self.containers.last().expect("one was launched").clone();
        self.step(Input::Container(container, event))
    }

    fn started(&mut self) -> Vec<String> {
        self.container(ContainerEvent::Started { ip_addresses: vec![] })
    }

    fn exited(&mut self, exit: Exit) -> Vec<String> {
        self.container(ContainerEvent::Exited(exit))
    }

    fn probed(&mut self, outcome: Outcome) -> Vec<String> {
        let container = self.containers.last().expect("one was launched").clone();
        self.step(Input::Probed(container, outcome))
    }

    /// Lets time pass, waking the agent whenever it wants; the master shows that it lives, and heartbeats are left out.
    fn wait(&mut self, seconds: u64) -> Vec<String> {
        let end = self.now + Duration::from_secs(seconds);
        let mut told = Vec::new();
        while let Some(next) = self.agent.next_wakeup().filter(|next| *next <= end) {
            self.now = next;
            if self.agent.is_registered() {
                told.extend(self.master(ToAgent::Heartbeat));
            }
            told.extend(self.step(Input::Wakeup));
        }
        self.now = end;
        told.retain(|line| line != "heartbeat");
        told
    }

    /// Ends the process and starts it again with what was written down.
    fn crash(&mut self) {
        self.lives += 1;
        let text = serde_json::to_string(&self.disk.values().collect::<Vec<_>>()).unwrap();
        self.agent = start(self.lives, self.id.clone(), serde_json::from_str(&text).unwrap(), self.now);
    }
}

fn task(id: &str) -> TaskInfo {
    task_info(id, "M-S0", "cpus:1;mem:1024")
}

fn checked(id: &str) -> TaskInfo {
    TaskInfo { health_check: Some(command_check()), ..task(id) }
}

// A life

#[test]
fn a_task_lives_from_its_launch_to_the_acknowledgement_of_its_end() {
    let mut world = World::new();
    assert_eq!(world.step(Input::Connected), ["register nobody []"]);
    assert_eq!(world.master(ToAgent::Registered { id: AgentId::new("M-S0") }), ["heartbeat"]);
    assert_eq!(world.id, Some(AgentId::new("M-S0")));
    assert_eq!(world.launch(task("t")), ["t TASK_STARTING !", "launch t"]);
    assert!(world.started().is_empty(), "one update at a time");
    assert_eq!(world.acknowledge(), ["t TASK_RUNNING !"]);
    assert_eq!(world.told.as_ref().unwrap().1.ip_addresses, ["10.0.0.7".parse::<IpAddr>().unwrap()]);
    assert!(world.acknowledge().is_empty());
    assert_eq!(world.exited(Exit::Status(0)), ["t TASK_FINISHED 'Command exited with status 0' !"]);
    assert_eq!(world.disk.len(), 1);
    assert_eq!(world.acknowledge(), ["forget"]);
    assert_eq!((world.disk.len(), world.agent.tasks().count()), (0, 0));
    assert_eq!(world.agent.timers.next(), Some(at(5)), "nothing but the heartbeat is left");
}

#[test]
fn the_end_of_a_task_says_how_it_ended() {
    for (exit, told) in [
        (Exit::Status(0), "t TASK_FINISHED 'Command exited with status 0' !"),
        (Exit::Status(3), "t TASK_FAILED 'Command exited with status 3' !"),
        (Exit::Signal(9), "t TASK_FAILED 'Command terminated with signal SIGKILL' !"),
        (Exit::Signal(15), "t TASK_FAILED 'Command terminated with signal SIGTERM' !"),
        (Exit::Signal(31), "t TASK_FAILED 'Command terminated with signal SIGSYS' !"),
        (Exit::Signal(64), "t TASK_FAILED 'Command terminated with signal 64' !"),
        (Exit::OutOfMemory, "t TASK_FAILED ReasonContainerLimitationMemory 'Memory limit exceeded' !"),
        (
            Exit::Unknown,
            "t TASK_FAILED ReasonExecutorTerminated 'Command ended unobserved: its exit status is not known' !",
        ),
    ] {
        let mut world = World::running(task("t"));
        assert_eq!(world.exited(exit.clone()), [told]);
        assert!(world.exited(exit).is_empty(), "told twice by the containerizer, once by us");
    }
}

#[test]
fn a_container_that_cannot_be_launched_fails_its_task() {
    let mut world = World::registered();
    world.launch(task("t"));
    world.container(ContainerEvent::LaunchFailed { message: "cannot fetch http://x".into() });
    assert_eq!(world.acknowledge(), ["t TASK_FAILED ReasonContainerLaunchFailed 'cannot fetch http://x' !"]);
}

#[test]
fn addresses_of_the_container_are_told_and_kept() {
    let mut world = World::registered();
    world.launch(task("t"));
    world.acknowledge();
    world.container(ContainerEvent::Started { ip_addresses: vec!["172.17.0.2".parse().unwrap()] });
    world.acknowledge();
    world.exited(Exit::Status(0));
    assert_eq!(world.told.unwrap().1.ip_addresses, ["172.17.0.2".parse::<IpAddr>().unwrap()]);
}

#[test]
fn a_launch_that_comes_twice_is_one() {
    let mut world = World::running(task("t"));
    assert!(world.launch(task("t")).is_empty());
    world.exited(Exit::Status(0));
    assert!(world.launch(task("t")).is_empty(), "not even when it is over, as long as that was not acknowledged");
    assert_eq!(world.acknowledge(), ["forget"]);
    assert_eq!(world.launch(task("t")), ["t TASK_STARTING !", "launch t"]);
}

#[test]
fn a_task_that_needs_more_than_is_left_is_dropped() {
    let mut world = World::running(task_info("t", "M-S0", "cpus:1;mem:1024;ports:[31000-31000]"));
    for (uses, told) in [
        (
            "cpus:3.5",
            "u TASK_DROPPED ReasonInvalidOffers 'Task uses more resources cpus:3.5 than available cpus:3;mem:3072;ports:[31001-31009]' !",
        ),
        (
            "ports:[31000-31001]",
            "u TASK_DROPPED ReasonInvalidOffers 'Task uses more resources ports:[31000-31001] than available cpus:3;mem:3072;ports:[31001-31009]' !",
        ),
    ] {
        assert_eq!(world.launch(task_info("u", "M-S0", uses)), [told]);
        assert!(world.acknowledge().is_empty());
    }
    assert_eq!(world.launch(task_info("u", "M-S0", "cpus:3"))[1], "launch u");
}

// Kills

#[test]
fn a_killed_task_is_killed_whatever_its_exit_code() {
    for (exit, message) in [
        (Exit::Status(0), "Command exited with status 0"),
        (Exit::Signal(15), "Command terminated with signal SIGTERM"),
        (Exit::OutOfMemory, "Memory limit exceeded"),
    ] {
        let mut world = World::running(task("t"));
        assert_eq!(world.kill("t", None), ["t TASK_KILLING !", "kill within 3000 ms"]);
        assert!(world.exited(exit).is_empty());
        assert_eq!(world.acknowledge(), [format!("t TASK_KILLED '{message}' !")]);
        assert_eq!(world.acknowledge(), ["forget"]);
    }
}

#[test]
fn the_grace_period_of_the_kill_wins_over_that_of_the_task() {
    for (task_grace, kill_grace, grace) in
        [(None, None, 3), (Some(20), None, 20), (Some(20), Some(7), 7), (None, Some(0), 0)]
    {
        let mut world = World::running(TaskInfo { kill_grace: task_grace.map(Duration::from_secs), ..task("t") });
        assert_eq!(world.kill("t", kill_grace)[1], format!("kill within {} ms", grace * 1000));
    }
}

#[test]
fn a_repeated_kill_only_shortens_the_grace_period() {
    let mut world = World::running(task("t"));
    world.kill("t", Some(20));
    world.wait(5);
    assert!(world.kill("t", Some(15)).is_empty());
    assert!(world.kill("t", Some(60)).is_empty());
    assert_eq!(world.kill("t", Some(14)), ["kill within 14000 ms"]);
}

#[test]
fn a_kill_before_the_process_exists_reaches_it_when_it_does() {
    let mut world = World::registered();
    world.launch(task("t"));
    assert_eq!(world.kill("t", Some(10)), ["kill within 10000 ms"]);
    world.wait(4);
    assert_eq!(world.started(), ["kill within 6000 ms"]);
    assert_eq!(world.acknowledge(), ["t TASK_KILLING !"]);
    world.exited(Exit::Signal(15));
    assert_eq!(world.acknowledge(), ["t TASK_KILLED 'Command terminated with signal SIGTERM' !"]);
}

#[test]
fn a_task_killed_during_its_launch_is_killed_and_not_failed() {
    let mut world = World::registered();
    world.launch(task("t"));
    world.kill("t", None);
    world.container(ContainerEvent::LaunchFailed { message: "stopped".into() });
    world.acknowledge();
    assert_eq!(world.acknowledge(), ["t TASK_KILLED ReasonTaskKilledDuringLaunch 'stopped' !"]);
}

#[test]
fn a_kill_of_an_unknown_task_is_answered_until_acknowledged() {
    let mut world = World::registered();
    let answer = ["x TASK_DROPPED ReasonExecutorTerminated 'Task is unknown to the agent' !"];
    assert_eq!(world.kill("x", None), answer);
    assert_eq!(world.wait(9), [""; 0]);
    assert_eq!(world.wait(1), answer);
    assert_eq!(world.kill("x", None), answer);
    world.step(Input::Disconnected);
    assert_eq!(world.connect()[1..], answer);
    assert!(world.acknowledge().is_empty());
    assert!(world.wait(1000).is_empty());
}

#[test]
fn answers_are_bounded() {
    let mut world = World::registered();
    for n in 0..ANSWERS + 5 {
        world.kill(&format!("x{n}"), None);
    }
    assert_eq!(world.agent.answers.len(), ANSWERS);
}

#[test]
fn a_container_that_nobody_knows_is_killed() {
    let mut world = World::registered();
    let stray = ContainerId::new("stray");
    let started = ContainerEvent::Started { ip_addresses: vec![] };
    assert_eq!(world.step(Input::Container(stray.clone(), started)), ["kill within 0 ms"]);
    assert!(world.step(Input::Container(stray, ContainerEvent::Exited(Exit::Signal(9)))).is_empty());
}

// Updates

#[test]
fn an_update_is_told_again_ever_more_rarely() {
    let mut world = World::registered();
    world.launch(task("t"));
    let mut times = Vec::new();
    for _ in 0..10 {
        while world.wait(1).is_empty() {}
        times.push(world.now.as_millis() / 1000);
    }
    let waits: Vec<i64> = times.windows(2).map(|pair| pair[1] - pair[0]).collect();
    assert_eq!((times[0], waits), (10, vec![20, 40, 80, 160, 320, 600, 600, 600, 600]));
}

#[test]
fn only_the_update_being_told_can_be_acknowledged() {
    let mut world = World::registered();
    world.launch(task("t"));
    let starting = world.told.clone();
    world.started();
    assert_eq!(world.acknowledge(), ["t TASK_RUNNING !"]);
    world.told = starting;
    assert!(world.acknowledge().is_empty(), "that one was acknowledged before");
    assert_eq!(world.wait(10), ["t TASK_RUNNING !"]);
}

#[test]
fn updates_carry_the_newest_state_while_older_ones_are_told() {
    let mut world = World::registered();
    world.launch(task("t"));
    world.started();
    world.exited(Exit::Status(1));
    assert_eq!(world.wait(10), ["t TASK_STARTING ! behind"]);
    assert_eq!(world.acknowledge(), ["t TASK_RUNNING ! behind"]);
    assert_eq!(world.acknowledge(), ["t TASK_FAILED 'Command exited with status 1' !"]);
}

#[test]
fn nothing_is_told_without_a_registration_and_everything_after_it() {
    let mut world = World::registered();
    world.launch(task("t"));
    world.step(Input::Disconnected);
    assert!(world.started().is_empty());
    assert!(world.wait(1000).is_empty());
    world.seq = 0;
    assert_eq!(world.step(Input::Connected), ["register M-S0 [t TASK_RUNNING !]"]);
    assert!(world.wait(4).is_empty());
    assert_eq!(world.master(ToAgent::Registered { id: AgentId::new("M-S0") }), ["t TASK_STARTING ! behind"]);
}

#[test]
fn a_framework_that_is_back_is_told_at_once_what_it_has_not_acknowledged() {
    let mut world = World::running(task("t"));
    world.exited(Exit::Status(1));
    world.wait(25); // told twice, to nobody
    let back = |framework: &str| ToAgent::Subscribed { framework_id: FrameworkId::new(framework) };
    assert!(world.master(back("G")).is_empty(), "another framework's business");
    let failed = "t TASK_FAILED 'Command exited with status 1' !";
    assert_eq!(world.master(back("F")), [failed]);
    assert_eq!(world.wait(10), [failed], "and repeated as if it was told for the first time");
    assert_eq!(world.acknowledge(), ["forget"]);
    assert!(world.master(back("F")).is_empty());
}

// The connection

#[test]
fn messages_seen_before_are_dropped_and_a_gap_ends_the_connection() {
    let mut world = World::registered();
    let kill = |seq| {
        let (framework_id, task_id) = (FrameworkId::new("F"), TaskId::new("x"));
        Input::Master(Box::new(Numbered { seq, message: ToAgent::Kill { framework_id, task_id, grace: None } }))
    };
    assert!(world.step(kill(1)).is_empty());
    assert_eq!(world.step(kill(2)).len(), 1);
    assert!(world.step(kill(2)).is_empty());
    assert_eq!(world.step(kill(4)), ["reconnect"]);
    assert!(world.step(kill(3)).is_empty(), "nothing that comes after counts");
    assert!(!world.agent.is_registered());
}

#[test]
fn a_silent_master_is_left() {
    let mut world = World::registered();
    world.now = world.now + HEARTBEAT_INTERVAL;
    assert_eq!(world.step(Input::Wakeup), ["heartbeat"]);
    world.master(ToAgent::Heartbeat);
    world.now = world.now + SILENCE_LIMIT - Duration::from_millis(1);
    assert_eq!(world.step(Input::Wakeup), ["heartbeat"]);
    world.now = world.now + Duration::from_millis(1);
    assert_eq!(world.step(Input::Wakeup), ["reconnect"]);
    assert_eq!(world.agent.next_wakeup(), None);
}

#[test]
fn an_agent_that_is_refused_halts() {
    let mut world = World::new();
    world.step(Input::Connected);
    assert_eq!(world.master(ToAgent::Refused { message: "gone".into() }), ["halt 'gone'"]);
    assert!(world.step(Input::Connected).is_empty());
}

// Health

#[test]
fn a_check_is_run_and_only_its_changes_of_mind_are_told() {
    let mut world = World::registered();
    world.launch(checked("t"));
    world.acknowledge();
    assert_eq!(world.started(), ["t TASK_RUNNING !", "probe"]);
    world.acknowledge();
    assert_eq!(world.probed(Outcome::Healthy), ["t TASK_RUNNING healthy ReasonTaskHealthCheckStatusUpdated !"]);
    world.acknowledge();
    assert!(world.wait(9).is_empty());
    assert_eq!(world.wait(1), ["probe"]);
    assert!(world.probed(Outcome::Healthy).is_empty());
    assert_eq!(world.wait(10), ["probe"]);
    assert_eq!(
        world.probed(Outcome::unhealthy("exit status 1")),
        ["t TASK_RUNNING unhealthy ReasonTaskHealthCheckStatusUpdated 'exit status 1' !"]
    );
    world.acknowledge();
    assert_eq!(world.wait(10), ["probe"]);
    assert_eq!(world.probed(Outcome::Healthy), ["t TASK_RUNNING healthy ReasonTaskHealthCheckStatusUpdated !"]);
    world.acknowledge();
    assert_eq!(world.exited(Exit::Status(0)), ["t TASK_FINISHED healthy 'Command exited with status 0' !"]);
    assert!(world.wait(9).is_empty(), "no probes of a task that is over");
}

#[test]
fn too_many_failures_in_a_row_kill_the_task() {
    let mut world = World::running(checked("t"));
    world.probed(Outcome::unhealthy("no"));
    world.acknowledge();
    world.wait(10);
    assert!(world.probed(Outcome::unhealthy("no")).is_empty());
    world.wait(10);
    assert_eq!(
        world.probed(Outcome::unhealthy("no")),
        ["t TASK_KILLING unhealthy 'Health check failed 3 times in a row: no' !", "kill within 3000 ms"]
    );
    world.acknowledge();
    assert!(world.wait(9).is_empty(), "no more probes");
    assert_eq!(world.exited(Exit::Signal(15)), ["t TASK_KILLED unhealthy 'Command terminated with signal SIGTERM' !"]);
}

#[test]
fn a_probe_without_an_answer_counts_as_a_failure() {
    let mut world = World::running(checked("t"));
    assert_eq!(
        world.wait(10),
        ["t TASK_RUNNING unhealthy ReasonTaskHealthCheckStatusUpdated 'no answer within 5 s' !", "probe"]
    );
}

#[test]
fn health_that_changes_while_nobody_listens_is_told_once_as_it_is() {
    let mut world = World::running(checked("t"));
    world.step(Input::Disconnected);
    for n in 0..50 {
        world.probed(if n % 2 == 0 { Outcome::Healthy } else { Outcome::unhealthy("no") });
        world.wait(10);
    }
    assert_eq!(world.disk.values().next().unwrap().progress.unacknowledged.len(), 2);
    let told = world.connect();
    assert_eq!(told[1], "t TASK_RUNNING healthy ReasonTaskHealthCheckStatusUpdated !");
    assert_eq!(world.acknowledge(), ["t TASK_RUNNING unhealthy ReasonTaskHealthCheckStatusUpdated 'no' !"]);
}

#[test]
fn checks_go_on_after_a_restart() {
    let mut world = World::running(checked("t"));
    world.probed(Outcome::unhealthy("no"));
    world.acknowledge();
    world.crash();
    world.connect();
    assert_eq!(world.started(), ["probe"]);
    assert!(world.started().is_empty(), "told twice");
    assert!(world.probed(Outcome::unhealthy("no")).is_empty(), "no change of mind");
}

// Restarts

#[test]
fn a_kill_goes_on_after_a_restart_with_what_is_left_of_its_grace_period() {
    let mut world = World::running(task("t"));
    world.kill("t", Some(20));
    world.now = world.now + Duration::from_secs(5);
    world.crash();
    assert_eq!(world.started(), ["kill within 15000 ms"]);
    world.now = at(-1000);
    world.crash();
    assert_eq!(world.started(), ["kill within 20000 ms"], "never more than it was, whatever the clock says");
}

#[test]
fn ids_are_made_from_the_seeds_alone() {
    let ids = || {
        let mut world = World::registered();
        world.launch(task("t"));
        (world.containers[0].clone(), world.told.unwrap().1.uuid)
    };
    assert_eq!(ids(), ids());
    assert_eq!(uuid::Uuid::parse_str(ids().0.as_str()).unwrap().get_version_num(), 4);
}

/// What happens to a task, by itself or not.
#[derive(Clone, Debug)]
enum Happening {
    Launched,
    Started,
    Probed(bool),
    Killed,
    Exited(Exit),
    Failed,
}

/// Plays the story; before and after each happening `crash` says whether the agent crashes. Acknowledges everything, and
/// gives the updates that the framework got for the first time.
fn play(story: &[Happening], mut crash: impl FnMut() -> bool) -> Vec<String> {
    let mut world = World::registered();
    let mut heard: Vec<(uuid::Uuid, String)> = Vec::new();
    let mut present: Option<ContainerEvent> = None;
    for happening in story {
        match happening.clone() {
            Happening::Launched => {
                let mut info = checked("t");
                let check = info.health_check.as_mut().unwrap();
                (check.interval, check.timeout) = (Duration::from_secs(1), Duration::from_secs(600));
                world.launch(info);
            }
            Happening::Started => {
                present = Some(ContainerEvent::Started { ip_addresses: vec![] });
                world.started();
            }
            Happening::Probed(true) => drop(world.probed(Outcome::Healthy)),
            Happening::Probed(false) => drop(world.probed(Outcome::unhealthy("no"))),
            Happening::Killed => drop(world.kill("t", None)),
            Happening::Exited(exit) => {
                present = Some(ContainerEvent::Exited(exit.clone()));
                world.exited(exit);
            }
            Happening::Failed => {
                let event = ContainerEvent::LaunchFailed { message: "no".into() };
                present = Some(event.clone());
                world.container(event);
            }
        }
        maybe_crash(&mut world, &present, &mut crash);
        while let Some((_, status)) = world.told.clone() {
            let uuid = status.uuid.unwrap();
            if !heard.iter().any(|(other, _)| *other == uuid) {
                heard.push((uuid, status_line(&status)));
            }
            if maybe_crash(&mut world, &present, &mut crash) {
                continue; // the acknowledgement was lost; the update is told again
            }
            world.acknowledge();
        }
        world.now = world.now + Duration::from_secs(10);
        if world.agent.is_registered() {
            world.master(ToAgent::Heartbeat);
        }
        world.step(Input::Wakeup);
        world.told = None;
    }
    assert_eq!(world.disk.len(), 0, "everything was acknowledged and is forgotten");
    heard.into_iter().map(|(_, line)| line).collect()
}

fn maybe_crash(world: &mut World, present: &Option<ContainerEvent>, crash: &mut impl FnMut() -> bool) -> bool {
    if !crash() {
        return false;
    }
    world.told = None;
    world.crash();
    if let Some(event) = present.clone().filter(|_| !world.disk.is_empty()) {
        world.container(event);
    }
    world.connect();
    true
}

#[test]
fn the_framework_hears_the_same_story_wherever_the_agent_crashes() {
    use Happening::{Exited, Failed, Killed, Launched, Probed, Started};
    for story in [
        vec![Launched, Started, Exited(Exit::Status(0))],
        vec![Launched, Started, Probed(true), Exited(Exit::OutOfMemory)],
        vec![Launched, Started, Probed(false), Probed(false), Probed(false), Exited(Exit::Signal(15))],
        vec![Launched, Started, Killed, Exited(Exit::Status(0))],
        vec![Launched, Killed, Failed],
        vec![Launched, Killed, Started, Exited(Exit::Signal(9))],
        vec![Launched, Failed],
        vec![Launched, Exited(Exit::Unknown)],
    ] {
        let expected = play(&story, || false);
        for at in 0..30 {
            let mut count = 0;
            let told = play(&story, || {
                count += 1;
                count == at + 1
            });
            assert_eq!(told, expected, "crash number {at} of {story:?}");
        }
    }
}
