//! The binary under test, with a data directory and ports of its own.

use std::{
    fs::{self, File},
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;
use tempfile::TempDir;

use super::{
    api::Api,
    processes,
    wait::{PATIENCE, until, until_true},
};

/// Bytes of each log that a failed test shows.
const SHOWN: usize = 12_000;

/// The binary that is judged.
pub fn binary() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/marathon");
    let path = std::env::var_os("MARATHON_BIN").map_or_else(default, PathBuf::from);
    assert!(path.exists(), "no binary at {}: build it with `cargo build --release -p marathon`", path.display());
    path.canonicalize().unwrap()
}

/// A command of the binary, undisturbed by the environment of the tests.
pub fn command(arguments: &[&str]) -> Command {
    let mut command = Command::new(binary());
    for (name, _) in std::env::vars() {
        if name.starts_with("MARATHON_") || name.starts_with("MESOS_") {
            command.env_remove(name);
        }
    }
    command.args(arguments).stdin(Stdio::null());
    command
}

/// Addresses that were free a moment ago.
pub fn free_addresses<const N: usize>() -> [SocketAddr; N] {
    let listeners: [TcpListener; N] = std::array::from_fn(|_| TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap());
    listeners.map(|listener| listener.local_addr().unwrap())
}

/// How to start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Agents inside the process of `up`.
    pub agents: usize,
    /// Agents as processes of their own.
    pub apart: usize,
    pub store: Option<String>,
    pub more: Vec<String>,
}

impl Default for Options {
    fn default() -> Self {
        Self { agents: 3, apart: 0, store: None, more: Vec::new() }
    }
}

struct Server {
    child: Option<Child>,
    arguments: Vec<String>,
    log: PathBuf,
}

impl Server {
    fn new(arguments: Vec<String>, log: PathBuf) -> Self {
        Self { child: None, arguments, log }
    }

    fn start(&mut self) {
        assert!(self.child.is_none(), "it runs already");
        let log = || File::options().create(true).append(true).open(&self.log).unwrap();
        let arguments: Vec<&str> = self.arguments.iter().map(String::as_str).collect();
        let mut command = command(&arguments);
        command.env("RUST_BACKTRACE", "1").stdout(log()).stderr(log());
        self.child = Some(command.spawn().unwrap());
    }

    fn signal(&self, signal: Signal) {
        let child = self.child.as_ref().expect("it runs");
        processes::signal(i32::try_from(child.id()).unwrap(), signal);
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    async fn ended(&mut self) -> ExitStatus {
        let mut child = self.child.take().expect("it runs");
        let status = until("the end of the process", async || child.try_wait().unwrap()).await;
        drop(child);
        status
    }

    fn log(&self) -> String {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text[text.len().saturating_sub(SHOWN)..]).into_owned()
    }
}

/// What one test works with. Everything ends when it goes out of scope.
pub struct Cluster {
    home: TempDir,
    pub api: Api,
    pub http: SocketAddr,
    pub master: SocketAddr,
    pub dns: SocketAddr,
    pub dns_http: SocketAddr,
    up: Server,
    agents: Vec<Server>,
}

impl Cluster {
    /// `marathon up` with three agents, ready.
    pub async fn start() -> Self {
        Self::with(Options::default()).await
    }

    pub async fn with(options: Options) -> Self {
        let mut cluster = Self::prepare(&options);
        cluster.start_up().await;
        for agent in 0..cluster.agents.len() {
            cluster.start_agent(agent);
        }
        cluster.agents_are_there(options.agents + options.apart).await;
        cluster
    }

    fn prepare(options: &Options) -> Self {
        let home = TempDir::with_prefix("marathon-test-").unwrap();
        let [http, master, dns, dns_http] = free_addresses();
        let mut arguments = vec!["up".to_owned()];
        for (flag, value) in [
            ("--data-dir", home.path().join("data").display().to_string()),
            ("--http-address", http.to_string()),
            ("--master-address", master.to_string()),
            ("--dns-address", dns.to_string()),
            ("--dns-http-address", dns_http.to_string()),
            ("--agents", options.agents.to_string()),
            ("--agent-port", "0".to_owned()),
            ("--resources", format!("cpus:4;mem:4096;disk:4096;ports:[{}-{}]", first_port(), first_port() + PORTS - 1)),
        ] {
            arguments.extend([flag.to_owned(), value]);
        }
        if let Some(store) = &options.store {
            arguments.extend(["--store".to_owned(), store.clone()]);
        }
        arguments.extend(options.more.iter().cloned());
        let agents = (0..options.apart).map(|number| agent(home.path(), number, master)).collect();
        let up = Server::new(arguments, home.path().join("up.log"));
        Self { api: Api::new(format!("http://{http}")), http, master, dns, dns_http, up, agents, home }
    }

    /// Where everything of this cluster lies.
    pub fn home(&self) -> &Path {
        self.home.path()
    }

    pub fn data_dir(&self) -> PathBuf {
        self.home.path().join("data")
    }

    /// The arguments with which `up` was started.
    pub fn arguments(&self) -> &[String] {
        &self.up.arguments
    }

    pub fn log(&self) -> String {
        self.up.log()
    }

    /// Starts scheduler and master, and waits until they lead.
    pub async fn start_up(&mut self) {
        self.up.start();
        let start = Instant::now();
        loop {
            let status = self.up.child.as_mut().expect("it was started").try_wait().unwrap();
            assert!(status.is_none(), "marathon up ended: {status:?}\n{}", self.up.log());
            if self.answers("/ping").await && self.answers("/v2/leader").await && self.answers("/v2/apps").await {
                return;
            }
            assert!(start.elapsed() < PATIENCE, "marathon up does not answer\n{}", self.up.log());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    async fn answers(&self, path: &str) -> bool {
        self.api.try_send(reqwest::Method::GET, path, None).await.is_ok_and(|answer| answer.status == 200)
    }

    /// Waits until that many agents are registered with the master.
    pub async fn agents_are_there(&self, count: usize) {
        let master = Api::new(format!("http://{}", self.master));
        until_true(&format!("{count} registered agents"), async || {
            let Ok(answer) = master.try_send(reqwest::Method::GET, "/state", None).await else { return false };
            answer.status == 200 && answer.json()["slaves"].as_array().is_some_and(|agents| agents.len() == count)
        })
        .await;
    }

    /// `kill -9` of scheduler and master (and of the agents inside).
    pub fn kill_up(&mut self) {
        self.up.kill();
    }

    /// Asks `up` to end, as an operator does; how it ended.
    pub async fn stop_up(&mut self, signal: Signal) -> ExitStatus {
        self.up.signal(signal);
        self.up.ended().await
    }

    pub fn start_agent(&mut self, number: usize) {
        self.agents[number].start();
    }

    /// `kill -9` of one agent.
    pub fn kill_agent(&mut self, number: usize) {
        self.agents[number].kill();
    }

    /// Which of the agents apart a task runs on.
    pub fn agent_of(&self, task_pid: i32) -> usize {
        let directory = fs::read_link(format!("/proc/{task_pid}/cwd")).unwrap();
        let number = |number: &usize| directory.starts_with(agent_dir(self.home.path(), *number));
        (0..self.agents.len()).find(number).unwrap_or_else(|| panic!("{} belongs to no agent", directory.display()))
    }

    /// Runs `marathon down` on the data directory.
    pub fn down(&self) -> std::process::Output {
        command(&["down", "--data-dir", self.data_dir().to_str().unwrap()]).output().unwrap()
    }
}

fn agent_dir(home: &Path, number: usize) -> PathBuf {
    home.join(format!("agent-{number}"))
}

/// Ports that the agents of one cluster give out in all.
const PORTS: usize = 300;

/// Every process has ports of its own to give out, below those of outgoing connections and of clusters outside of tests.
fn first_port() -> usize {
    10_000 + std::process::id() as usize % 60 * PORTS
}

fn agent(home: &Path, number: usize, master: SocketAddr) -> Server {
    let first = first_port() + number * 60;
    let ip = format!("127.0.0.{}", number + 1);
    let mut arguments = vec!["agent".to_owned()];
    for (flag, value) in [
        ("--master", format!("http://{master}")),
        ("--work-dir", agent_dir(home, number).display().to_string()),
        ("--hostname", ip.clone()),
        ("--ip", ip),
        ("--port", "0".to_owned()),
        ("--resources", format!("cpus:4;mem:4096;disk:4096;ports:[{first}-{}]", first + 59)),
        ("--attributes", format!("rack:r{number}")),
    ] {
        arguments.extend([flag.to_owned(), value]);
    }
    Server::new(arguments, home.join(format!("agent-{number}.log")))
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.up.kill();
        self.agents.iter_mut().for_each(Server::kill);
        if std::thread::panicking() {
            for server in std::iter::once(&self.up).chain(&self.agents) {
                eprintln!("---- {} ----\n{}", server.log.display(), server.log());
            }
        }
        // Also what `down` would overlook: the tests after this one deserve a quiet machine.
        for _ in 0..50 {
            let left = processes::below(self.home.path());
            if left.is_empty() {
                break;
            }
            left.iter().for_each(|process| processes::signal(process.pid, Signal::SIGKILL));
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}
