//! The agent's shell: keeps a connection to the master, keeps checkpoints, runs containers, answers for their sandboxes.
//!
//! Stopping an agent, in whatever way, leaves its tasks running; the next one with the same work directory takes them up.

mod checkpoints;
mod files;
mod link;
mod lock;
mod routes;
mod service;
mod state;

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use reqwest::Url;
use substrate_core::{
    agent::{Agent, Launch, Seeds},
    protocol::{
        agent::AgentInfo,
        offer::{AgentAddress, Attribute, Domain},
    },
    resources::Resources,
};
use tokio::{
    sync::{mpsc, watch},
    task::spawn_blocking,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

pub(crate) use self::lock::WorkDirLock;
use self::{
    checkpoints::{Checkpoints, Loaded},
    link::Masters,
    service::{INBOX, Inbox, Service},
};
pub use self::{link::InvalidMaster, lock::LockError, service::Halted};
use crate::{
    clock,
    containerizer::{Containerizer, Process, ProcessConfig, Simulated},
    http::{self, BindError},
};

/// News of containers that wait for the loop; who has more waits.
const NEWS: usize = 1024;
/// How long a stopping agent waits for its loop and its connections.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What an agent is started with. Several agents may live in one process, each with a work directory and a port of its own.
#[derive(Clone, Debug)]
pub struct AgentConfig {
    /// `http://host:port` of every master, tried by turns; at least one.
    pub masters: Vec<Url>,
    /// Sandboxes, checkpoints, and what supervisors say. Made if it does not exist; held by one agent at a time.
    pub work_dir: PathBuf,
    /// What its tasks are reached by.
    pub hostname: String,
    /// Numeric address to listen on, and the address told to tasks and to the master.
    pub ip: String,
    /// Port to listen on; 0 means any.
    pub port: u16,
    /// All that it offers.
    pub resources: Resources,
    /// Its properties, in their order.
    pub attributes: Vec<Attribute>,
    /// Where it stands.
    pub domain: Option<Domain>,
    /// What runs containers.
    pub containerizer: ContainerizerKind,
}

/// What runs containers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ContainerizerKind {
    /// Processes of this machine. `program` is started with `supervise <dir>` and `launch <dir>`, which it must pass on to
    /// [`crate::containerizer::supervise_main`] and [`crate::containerizer::launch_main`]; `/proc/self/exe` is this very
    /// program, even after its file was replaced.
    Process {
        /// Path.
        program: PathBuf,
    },
    /// Nothing, for measurements.
    Simulated,
}

/// Why an agent cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The work directory belongs to another agent, or cannot be locked.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// The address is taken, or not one of this machine.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// Where to find the master is not understood.
    #[error(transparent)]
    Master(#[from] InvalidMaster),
    /// The work directory cannot be read or written.
    #[error("cannot read what the agent keeps in '{}'", path.display())]
    WorkDir {
        /// Work directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The HTTP server cannot be started.
    #[error("cannot start the agent's HTTP server on {address}")]
    Server {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running agent. Dropping it stops the agent, without waiting; tasks go on running in either case.
#[derive(Debug)]
pub struct AgentHandle {
    address: SocketAddr,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
    ended: watch::Receiver<Option<Result<(), Halted>>>,
}

impl AgentHandle {
    /// Where it answers HTTP.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Waits until it stops by itself, which it does only when the master refuses it for good, or is shut down.
    ///
    /// # Errors
    /// The master's refusal.
    pub async fn wait(&self) -> Result<(), Halted> {
        let mut ended = self.ended.clone();
        match ended.wait_for(Option::is_some).await {
            Ok(result) => result.clone().unwrap_or(Ok(())),
            Err(_) => Ok(()), // the loop was given up with its runtime
        }
    }

    /// Stops it; its tasks go on running. When this returns another agent may use the work directory.
    pub async fn shutdown(self) {
        self.stop.cancel();
        if tokio::time::timeout(STOP_LIMIT, self.wait()).await.is_err() {
            warn!("an agent does not stop in time");
        }
    }
}

/// Starts an agent: takes its work directory, takes up what an earlier one left running, listens, and dials the master for as long
/// as it lives. Returns when it listens; the master need not be there yet. Must be called within a tokio runtime.
///
/// # Errors
/// The work directory is in use or unusable, the address cannot be bound, no master is named.
pub async fn serve(config: AgentConfig) -> Result<AgentHandle, Error> {
    let masters = Masters::new(&config.masters)?;
    let (lock, work_dir) = take_work_dir(config.work_dir.clone()).await?;
    let fail = |source| Error::WorkDir { path: work_dir.clone(), source };
    let checkpoints = Checkpoints::below(&work_dir);
    let loaded = spawn_blocking({
        let checkpoints = checkpoints.clone();
        move || checkpoints.load()
    });
    let loaded = loaded.await.map_err(|error| fail(io::Error::other(error)))?.map_err(fail)?;
    let (listener, address) = http::bind(&format!("{}:{}", config.ip, config.port))?;
    let own = AgentAddress { ip: config.ip.clone(), port: address.port() };
    let (sender, inbox) = mpsc::channel(INBOX);
    let stop = CancellationToken::new();
    let containerizer = start_containerizer(&config, &work_dir, &own, &loaded, &sender);
    let service = Service {
        agent: recover(&config, own, loaded),
        checkpoints,
        containerizer: containerizer.clone(),
        inbox,
        sender: sender.clone(),
        link: None,
    };
    let server = routes::start(listener, routes::Context::new(&config, &work_dir, address, sender.clone()))
        .map_err(|source| Error::Server { address, source })?;
    tokio::spawn(link::keep(masters, sender, stop.clone()));
    let (tell_ended, ended) = watch::channel(None);
    tokio::spawn({
        let stop = stop.clone();
        async move {
            let result = service.run(stop.clone()).await;
            stop.cancel();
            containerizer.detach();
            server.stop(false).await;
            drop(lock);
            tell_ended.send_replace(Some(result));
        }
    });
    info!(agent.address = %address, work_dir = %work_dir.display(), "agent started");
    Ok(AgentHandle { address, _stop_on_drop: stop.clone().drop_guard(), stop, ended })
}

async fn take_work_dir(path: PathBuf) -> Result<(WorkDirLock, PathBuf), Error> {
    let fail = |source| Error::WorkDir { path: path.clone(), source };
    let taken = spawn_blocking({
        let path = path.clone();
        move || WorkDirLock::take(&path)
    });
    let lock = taken.await.map_err(|error| fail(io::Error::other(error)))??;
    let absolute = path.canonicalize().map_err(fail)?;
    Ok((lock, absolute))
}

/// The containerizer, told of every container that an earlier life left; its news go to the loop.
fn start_containerizer(
    config: &AgentConfig,
    work_dir: &std::path::Path,
    address: &AgentAddress,
    loaded: &Loaded,
    inbox: &mpsc::Sender<Inbox>,
) -> Arc<dyn Containerizer> {
    let (news, mut waiting) = mpsc::channel(NEWS);
    let inbox = inbox.clone();
    tokio::spawn(async move {
        while let Some((container, event)) = waiting.recv().await {
            if inbox.send(Inbox::Container(container, event)).await.is_err() {
                return;
            }
        }
    });
    let containerizer: Arc<dyn Containerizer> = match &config.containerizer {
        ContainerizerKind::Process { program } => Arc::new(Process::new(
            ProcessConfig { work_dir: work_dir.to_owned(), program: program.clone(), address: address.clone() },
            news,
        )),
        ContainerizerKind::Simulated => Arc::new(Simulated::new(news)),
    };
    let known = loaded.containers.iter().map(|checkpoint| Launch {
        container_id: checkpoint.container_id.clone(),
        framework_id: checkpoint.framework_id.clone(),
        task: checkpoint.info.clone(),
    });
    containerizer.recover(known.collect());
    containerizer
}

fn recover(config: &AgentConfig, address: AgentAddress, loaded: Loaded) -> Agent {
    let info = AgentInfo {
        hostname: config.hostname.clone(),
        address,
        resources: config.resources.clone(),
        attributes: config.attributes.clone(),
        domain: config.domain.clone(),
    };
    let seeds = Seeds { containers: random_seed(), statuses: random_seed() };
    let core = substrate_core::agent::AgentConfig { info };
    Agent::recover(core, loaded.id, loaded.containers, seeds, clock::now())
}

fn random_seed() -> [u8; 32] {
    let halves = [uuid::Uuid::new_v4().into_bytes(), uuid::Uuid::new_v4().into_bytes()];
    let mut seed = [0; 32];
    seed.copy_from_slice(halves.as_flattened());
    seed
}
