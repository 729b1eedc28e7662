//! What the tests have in common.

use std::{
    collections::{BTreeMap, VecDeque},
    fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    time::Duration,
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use substrate::{
    agent::{AgentConfig, AgentHandle, ContainerizerKind},
    containerizer::{Containerizer, Process, ProcessConfig},
    master::{InProcess, MasterConfig, MasterHandle},
};
use substrate_core::{
    agent::{ContainerEvent, Exit, Launch},
    protocol::{
        AgentId, ContainerId, FrameworkId, TaskId,
        offer::{AgentAddress, Offer},
        scheduler::{Call, Event, Filters, FrameworkInfo, Operation},
        task::{CommandInfo, Run, TaskInfo, TaskState, TaskStatus},
    },
    resources::Resources,
};
use tokio::sync::mpsc;

/// Long enough for anything that is meant to happen, on a busy machine.
pub const AMPLE: Duration = Duration::from_secs(30);

pub fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_BIN_EXE_substrate-supervisor"))
}

/// A work directory. What still runs there when it is dropped is killed, however the test ended.
pub struct WorkDir(tempfile::TempDir);

impl WorkDir {
    pub fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        use std::os::unix::fs::PermissionsExt;
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        Self(dir)
    }

    pub fn path(&self) -> &Path {
        self.0.path()
    }

    /// Processes that work here: supervisors, by their arguments, and tasks, by their environment.
    pub fn processes(&self) -> Vec<i32> {
        let path = self.path().to_str().unwrap().as_bytes();
        let mentions =
            |file: PathBuf| fs::read(file).is_ok_and(|bytes| bytes.windows(path.len()).any(|part| part == path));
        let pids = fs::read_dir("/proc").unwrap().flatten();
        let pids = pids.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
        pids.filter(|pid| {
            mentions(format!("/proc/{pid}/cmdline").into()) || mentions(format!("/proc/{pid}/environ").into())
        })
        .collect()
    }

    pub fn run_file(&self, container: &ContainerId, name: &str) -> serde_json::Value {
        let path = self.path().join("runs").join(container.as_str()).join(name);
        serde_json::from_slice(&fs::read(path).unwrap()).unwrap()
    }

    pub fn pid(&self, container: &ContainerId, name: &str) -> i32 {
        i32::try_from(self.run_file(container, name)["pid"].as_i64().unwrap()).unwrap()
    }
}

impl Drop for WorkDir {
    fn drop(&mut self) {
        loop {
            let left = self.processes();
            if left.is_empty() {
                return;
            }
            for pid in left {
                let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
            }
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

/// Whether a process exists and is not a zombie.
pub fn is_alive(pid: i32) -> bool {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with(['Z', 'X']))
}

/// Waits until `condition` holds.
pub async fn until(what: &str, mut condition: impl FnMut() -> bool) {
    let holds = async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    assert!(tokio::time::timeout(AMPLE, holds).await.is_ok(), "not within {AMPLE:?}: {what}");
}

/// Waits until a file has something in it, and reads it.
pub async fn text_of(path: &Path) -> String {
    until(&format!("{} has contents", path.display()), || {
        fs::read_to_string(path).is_ok_and(|text| text.ends_with('\n'))
    })
    .await;
    fs::read_to_string(path).unwrap()
}

pub fn shell(text: &str) -> CommandInfo {
    CommandInfo { run: Run::Shell(text.to_owned()), environment: BTreeMap::new(), user: None, uris: Vec::new() }
}

pub fn exec(argv: &[&str]) -> CommandInfo {
    CommandInfo { run: Run::Exec(argv.iter().map(|argument| (*argument).to_owned()).collect()), ..shell("") }
}

pub fn task(id: &str, command: CommandInfo) -> TaskInfo {
    TaskInfo {
        name: id.to_owned(),
        id: TaskId::new(id),
        agent_id: AgentId::new("m-S1"),
        resources: Resources::new(),
        command,
        kill_grace: None,
        health_check: None,
        discovery: None,
        labels: BTreeMap::new(),
    }
}

pub fn launch(id: &str, command: CommandInfo) -> Launch {
    Launch {
        container_id: ContainerId::new(format!("c-{id}")),
        framework_id: FrameworkId::new("m-0000"),
        task: task(id, command),
    }
}

pub fn container(id: &str) -> ContainerId {
    ContainerId::new(format!("c-{id}"))
}

/// A process containerizer and what it tells.
pub struct Containers {
    pub process: Process,
    work_dir: PathBuf,
    news: mpsc::Receiver<(ContainerId, ContainerEvent)>,
    /// Told, and not waited for yet.
    told: VecDeque<(ContainerId, ContainerEvent)>,
}

impl Containers {
    pub fn new(work_dir: &WorkDir) -> Self {
        let (sender, news) = mpsc::channel(1024);
        let config = ProcessConfig {
            work_dir: work_dir.path().to_owned(),
            program: program(),
            address: AgentAddress { ip: "127.0.0.1".into(), port: 5051 },
        };
        Self {
            process: Process::new(config, sender),
            work_dir: work_dir.path().to_owned(),
            news,
            told: VecDeque::new(),
        }
    }

    pub fn launch(&self, id: &str, command: CommandInfo) {
        self.process.launch(launch(id, command));
    }

    pub fn kill(&self, id: &str, grace: Duration) {
        self.process.kill(&container(id), grace);
    }

    pub fn sandbox(&self, id: &str) -> PathBuf {
        self.work_dir.join("sandboxes/m-0000").join(id).join(format!("c-{id}"))
    }

    /// The next news of this container.
    pub async fn next(&mut self, id: &str) -> ContainerEvent {
        let wanted = container(id);
        if let Some(index) = self.told.iter().position(|(container, _)| *container == wanted) {
            return self.told.remove(index).unwrap().1;
        }
        loop {
            let next = tokio::time::timeout(AMPLE, self.news.recv()).await;
            let (container, event) = next.unwrap_or_else(|_| panic!("no news of {id}")).unwrap();
            if container == wanted {
                return event;
            }
            self.told.push_back((container, event));
        }
    }

    pub async fn started(&mut self, id: &str) {
        let event = self.next(id).await;
        assert!(matches!(event, ContainerEvent::Started { .. }), "{id}: {event:?}");
    }

    pub async fn exited(&mut self, id: &str) -> Exit {
        match self.next(id).await {
            ContainerEvent::Exited(exit) => exit,
            other => panic!("{id}: {other:?}"),
        }
    }

    pub async fn failed(&mut self, id: &str) -> String {
        match self.next(id).await {
            ContainerEvent::LaunchFailed { message } => message,
            other => panic!("{id}: {other:?}"),
        }
    }

    /// Launches and waits for the end.
    pub async fn run(&mut self, id: &str, command: CommandInfo) -> Exit {
        self.launch(id, command);
        self.started(id).await;
        self.exited(id).await
    }

    pub fn read(&self, id: &str, file: &str) -> String {
        fs::read_to_string(self.sandbox(id).join(file)).unwrap()
    }
}

/// A master on a port of its own.
pub async fn master() -> MasterHandle {
    substrate::master::serve(MasterConfig::new("127.0.0.1:0")).await.unwrap()
}

pub fn agent_config(master: SocketAddr, work_dir: &WorkDir) -> AgentConfig {
    AgentConfig {
        masters: vec![format!("http://{master}").parse().unwrap()],
        work_dir: work_dir.path().to_owned(),
        hostname: "agent.test".into(),
        ip: "127.0.0.1".into(),
        port: 0,
        resources: "cpus:4;mem:4096;disk:10000;ports:[31000-31999]".parse().unwrap(),
        attributes: substrate_core::resources::parse_attributes("rack:r1").unwrap(),
        domain: None,
        containerizer: ContainerizerKind::Process { program: program() },
    }
}

pub async fn agent(master: SocketAddr, work_dir: &WorkDir) -> AgentHandle {
    substrate::agent::serve(agent_config(master, work_dir)).await.unwrap()
}

/// A framework in the master's process, which acknowledges what it hears.
pub struct Framework {
    pub stream: InProcess,
    pub id: FrameworkId,
    offers: Vec<Offer>,
}

impl Framework {
    pub async fn subscribe(master: &MasterHandle, id: Option<FrameworkId>) -> Self {
        let mut stream = master.scheduler();
        let framework = FrameworkInfo {
            id,
            name: "test".into(),
            user: "root".into(),
            hostname: "scheduler.test".into(),
            webui_url: "http://scheduler.test/".into(),
            failover_timeout: Duration::from_secs(600),
            roles: vec!["*".into()],
            partition_aware: true,
        };
        stream.call(Call::Subscribe { framework, suppressed_roles: Vec::new() }).await.unwrap();
        let first = tokio::time::timeout(AMPLE, stream.recv()).await.unwrap().unwrap();
        let Event::Subscribed { framework_id, .. } = first else { panic!("{first:?}") };
        Self { stream, id: framework_id, offers: Vec::new() }
    }

    /// The next event but offers and heartbeats; updates are acknowledged.
    pub async fn event(&mut self) -> Event {
        loop {
            let next = tokio::time::timeout(AMPLE, self.stream.recv()).await.expect("an event");
            match next.expect("the stream goes on") {
                Event::Offers(offers) => self.offers.extend(offers),
                Event::Rescind(id) => self.offers.retain(|offer| offer.id != id),
                Event::Heartbeat => {}
                Event::Update(status) => {
                    if let (Some(uuid), Some(agent)) = (status.uuid, status.agent_id.clone()) {
                        let task = status.task_id.clone();
                        self.stream.call(Call::Acknowledge { agent, task, uuid }).await.unwrap();
                    }
                    return Event::Update(status);
                }
                other => return other,
            }
        }
    }

    /// Waits for an offer, and keeps it.
    pub async fn is_offered_something(&mut self) {
        let offered = async {
            while self.offers.is_empty() {
                if let Some(Event::Offers(offers)) = self.stream.recv().await {
                    self.offers.extend(offers);
                }
            }
        };
        tokio::time::timeout(AMPLE, offered).await.expect("an offer");
    }

    pub async fn offer(&mut self) -> Offer {
        self.is_offered_something().await;
        self.offers.remove(0)
    }

    /// Launches tasks on the next offer.
    pub async fn launch(&mut self, tasks: Vec<(&str, CommandInfo)>) -> Offer {
        let offer = self.offer().await;
        let tasks = tasks.into_iter().map(|(id, command)| TaskInfo {
            agent_id: offer.agent_id.clone(),
            resources: "cpus:0.01;mem:8".parse().unwrap(),
            ..task(id, command)
        });
        let operations = vec![Operation::Launch { tasks: tasks.collect() }];
        let filters = Filters { refuse: Duration::ZERO };
        self.stream.call(Call::Accept { offers: vec![offer.id.clone()], operations, filters }).await.unwrap();
        offer
    }

    pub async fn kill(&self, task: &str) {
        let task = TaskId::new(task);
        self.stream.call(Call::Kill { task, agent: None, grace: None }).await.unwrap();
    }

    /// The next update about `task` in `state`; others about it must be about a life that is not over.
    pub async fn told(&mut self, task: &str, state: TaskState) -> TaskStatus {
        loop {
            let Event::Update(status) = self.event().await else { continue };
            if status.task_id.as_str() != task {
                continue;
            }
            if status.state == state {
                return status;
            }
            assert!(!status.state.is_terminal(), "{task}: {status:?} instead of {state:?}");
        }
    }
}

pub fn http() -> reqwest::Client {
    let _ = rustls::crypto::ring::default_provider().install_default();
    reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

/// Status and body of a GET.
pub async fn get(address: SocketAddr, path: &str) -> (u16, String) {
    let answer = http().get(format!("http://{address}{path}")).send().await.unwrap();
    (answer.status().as_u16(), answer.text().await.unwrap())
}

pub async fn get_json(address: SocketAddr, path: &str) -> serde_json::Value {
    let (status, body) = get(address, path).await;
    assert_eq!(status, 200, "{path}: {body}");
    serde_json::from_str(&body).unwrap()
}
