//! The server that is measured.

use std::{
    fmt, io,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::{Duration, Instant},
};

use serde_json::Value;
use tempfile::TempDir;

use crate::load;

const PATIENCE: Duration = Duration::from_secs(120);
const PAUSE: Duration = Duration::from_millis(5);

/// `marathon up` in a directory of its own; ends with everything that it started.
pub struct Server {
    home: TempDir,
    child: Option<Child>,
    arguments: Vec<String>,
    /// Where the API listens.
    pub http: SocketAddr,
    master: SocketAddr,
}

/// What a process has in memory.
pub struct Memory {
    kib: u64,
    /// Without what is only mapped from files, such as the program itself.
    anonymous_kib: u64,
}

impl fmt::Display for Memory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mb = |kib: u64| kib as f64 * 1024.0 / 1e6;
        write!(f, "{:.1} MB, {:.1} MB of it not mapped from files", mb(self.kib), mb(self.anonymous_kib))
    }
}

fn binary() -> PathBuf {
    let default = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/release/marathon");
    std::env::var_os("MARATHON_BIN").map_or_else(default, PathBuf::from)
}

impl Server {
    /// Starts, and waits until it leads and its agents are there.
    pub async fn start(agents: u32) -> io::Result<Self> {
        let home = TempDir::with_prefix("marathon-bench-")?;
        let mut addresses = Vec::new();
        let mut listeners = Vec::new();
        for _ in 0..4 {
            let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
            addresses.push(listener.local_addr()?);
            listeners.push(listener);
        }
        drop(listeners);
        let mut arguments = vec!["up".to_owned(), "--agents".to_owned(), agents.to_string()];
        let data_dir = home.path().join("data").display().to_string();
        arguments.extend(["--data-dir".to_owned(), data_dir, "--agent-port".to_owned(), "0".to_owned()]);
        let flags = ["--http-address", "--master-address", "--dns-address", "--dns-http-address"];
        for (flag, address) in flags.iter().zip(&addresses) {
            arguments.extend([(*flag).to_owned(), address.to_string()]);
        }
        let mut server = Self { home, child: None, arguments, http: addresses[0], master: addresses[1] };
        server.start_again().await?;
        Ok(server)
    }

    /// Starts after [`Server::kill`].
    pub async fn start_again(&mut self) -> io::Result<()> {
        let mut command = Command::new(binary());
        command.args(&self.arguments).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        self.child = Some(command.spawn()?);
        let begun = Instant::now();
        while !matches!(load::request(self.http, "GET", "/v2/leader", "").await, Ok((200, _))) {
            if begun.elapsed() > PATIENCE {
                return Err(io::Error::other("the server does not answer"));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// `kill -9`.
    pub fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }

    /// Posts a document; its acceptance is waited for.
    pub async fn post(&self, path: &str, body: &Value) -> io::Result<()> {
        match load::request(self.http, "POST", path, &body.to_string()).await? {
            (200 | 201, _) => Ok(()),
            (status, text) => Err(io::Error::other(format!("POST {path}: {status} {text}"))),
        }
    }

    /// Waits until the app of the benchmark is as wanted.
    pub async fn until(&self, is_so: impl Fn(&Value) -> bool) -> io::Result<()> {
        self.wait_for("/bench", is_so).await
    }

    /// Waits until an app is as wanted.
    pub async fn wait_for(&self, app: &str, is_so: impl Fn(&Value) -> bool) -> io::Result<()> {
        let begun = Instant::now();
        let mut last = String::new();
        while begun.elapsed() < PATIENCE {
            if let Ok((200, text)) = load::request(self.http, "GET", &format!("/v2/apps{app}"), "").await {
                if serde_json::from_str::<Value>(&text).is_ok_and(|body| is_so(&body["app"])) {
                    return Ok(());
                }
                last = text;
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(io::Error::other(format!("{app} did not become what was waited for: {last}")))
    }

    /// Resident memory after some quiet seconds.
    pub async fn settled_memory(&self) -> Memory {
        tokio::time::sleep(Duration::from_secs(5)).await;
        let pid = self.child.as_ref().map_or(0, Child::id);
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let kib = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()).unwrap_or(0)
        };
        Memory { kib: kib("VmRSS:"), anonymous_kib: kib("RssAnon:") }
    }

    /// Waits until the master knows as many running tasks.
    pub async fn master_knows(&self, tasks: usize) -> io::Result<()> {
        let begun = Instant::now();
        while begun.elapsed() < PATIENCE {
            if let Ok((200, text)) = load::request(self.master, "GET", "/state", "").await {
                let state: Value = serde_json::from_str(&text).unwrap_or_default();
                let frameworks = state["frameworks"].as_array().cloned().unwrap_or_default();
                let known: usize =
                    frameworks.iter().filter_map(|framework| framework["tasks"].as_array()).map(Vec::len).sum();
                if known >= tasks {
                    return Ok(());
                }
            }
            tokio::time::sleep(PAUSE).await;
        }
        Err(io::Error::other("the master does not learn of the tasks"))
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.kill();
        let data_dir = self.home.path().join("data");
        let _ = Command::new(binary()).arg("down").arg("--data-dir").arg(data_dir).output();
    }
}
