//! Tasks as processes of this machine, each in a session of its own under a supervisor of its own.
//!
//! The agent prepares a sandbox and a run directory and starts `<program> supervise <run directory>`; what it knows of the task
//! afterwards it reads from that directory. So an agent that was killed and started again knows as much as before: it reads the
//! same files and listens for the same doorbell.

mod fetch;
mod garbage;
mod launch;
mod procfs;
mod run_dir;
pub(crate) mod sandbox;
pub(crate) mod stop;
mod supervise;
mod user;
mod watch;

use std::{
    collections::BTreeMap,
    future::Future,
    path::PathBuf,
    pin::Pin,
    process::Stdio,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use health::{
    Prober, Target,
    probe::command::{CommandCheck, UserAndGroup},
};
use health_core::{Outcome, Protocol};
use substrate_core::{
    agent::{ContainerEvent, Launch},
    protocol::{ContainerId, offer::AgentAddress},
};
use tokio::{process::Child, sync::Semaphore, task::spawn_blocking};
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};

use self::{
    garbage::Garbage,
    procfs::Identity,
    run_dir::{KillOrder, RunDir, Spec},
    user::Credentials,
};
pub use self::{launch::launch_main, supervise::supervise_main};
use super::{Containerizer, News};

/// So many supervisors are being started at once; others wait for their turn.
const STARTS_AT_ONCE: usize = 16;
/// So many containers fetch their files at once.
const FETCHES_AT_ONCE: usize = 8;
/// So many health check commands run at once.
const PROBES_AT_ONCE: usize = 64;

/// What a [`Process`] containerizer is made with.
#[derive(Clone, Debug)]
pub struct ProcessConfig {
    /// Absolute. Holds sandboxes and run directories.
    pub work_dir: PathBuf,
    /// Started with `supervise <dir>` and `launch <dir>`; it must pass these on to [`supervise_main`] and [`launch_main`].
    /// `/proc/self/exe` means this very program, even after its file was replaced.
    pub program: PathBuf,
    /// Told to tasks.
    pub address: AgentAddress,
}

/// The containerizer for plain processes.
#[derive(Clone, Debug)]
pub struct Process {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    config: ProcessConfig,
    news: News,
    containers: Mutex<BTreeMap<ContainerId, Arc<Container>>>,
    starts: Semaphore,
    fetches: Semaphore,
    prober: Prober,
    garbage: Garbage,
    detached: CancellationToken,
}

/// One container that has not ended.
#[derive(Debug)]
struct Container {
    launch: Launch,
    sandbox: PathBuf,
    run: RunDir,
    /// Ends what comes before the start.
    killed: CancellationToken,
    order: Mutex<Option<KillOrder>>,
}

impl Process {
    /// One that tells through `news`. Must be called within a tokio runtime.
    pub fn new(config: ProcessConfig, news: News) -> Self {
        let garbage = Garbage::collector(config.work_dir.clone());
        let inner = Inner {
            config,
            news,
            containers: Mutex::default(),
            starts: Semaphore::new(STARTS_AT_ONCE),
            fetches: Semaphore::new(FETCHES_AT_ONCE),
            prober: Prober::new(PROBES_AT_ONCE),
            garbage,
            detached: CancellationToken::new(),
        };
        Self { inner: Arc::new(inner) }
    }
}

impl Containerizer for Process {
    fn recover(&self, known: Vec<Launch>) {
        let known: Vec<Arc<Container>> = known.into_iter().map(|launch| self.inner.add(launch)).collect();
        self.inner.stop_unknown();
        for container in known {
            self.inner.spawn(Inner::resume(self.inner.clone(), container));
        }
    }

    fn launch(&self, launch: Launch) {
        let container = self.inner.add(launch);
        self.inner.spawn(Inner::start(self.inner.clone(), container));
    }

    fn kill(&self, container: &ContainerId, grace: Duration) {
        let Some(container) = self.inner.find(container) else { return };
        let order = KillOrder::after(grace);
        container.killed.cancel();
        // Not to be given up when the agent stops: it was asked for.
        drop(spawn_blocking(move || container.kill(order)));
    }

    fn probe(&self, container: &ContainerId) -> Pin<Box<dyn Future<Output = Option<Outcome>> + Send>> {
        let found = self.inner.find(container);
        let (prober, address) = (self.inner.prober.clone(), self.inner.config.address.clone());
        Box::pin(async move {
            let container = found?;
            let check = container.launch.task.health_check.as_ref()?;
            let Protocol::Command { command } = &check.protocol else { return None };
            let user = container.launch.task.command.user.clone();
            let user = match user {
                Some(user) => spawn_blocking(move || Credentials::of(&user)).await.ok()?,
                None => Ok(None),
            };
            let user = match user {
                Ok(user) => user.map(|Credentials { uid, gid, .. }| UserAndGroup { uid, gid }),
                Err(cause) => return Some(Outcome::unhealthy(cause)),
            };
            let command = CommandCheck {
                command: command.clone(),
                env: sandbox::environment(&container.launch, &container.sandbox, &address),
                cwd: container.sandbox.clone(),
                user,
            };
            let timeout = check.time_limit();
            Some(prober.run(Target::Command { check: command, timeout }).await)
        })
    }

    fn forget(&self, container: &ContainerId) {
        self.inner.containers().remove(container);
        let run = self.inner.run_dir(container);
        let garbage = self.inner.garbage.clone();
        tokio::spawn(async move { garbage.add(run).await });
    }

    fn detach(&self) {
        self.inner.detached.cancel();
    }
}

impl Inner {
    fn containers(&self) -> MutexGuard<'_, BTreeMap<ContainerId, Arc<Container>>> {
        self.containers.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, container: &ContainerId) -> Option<Arc<Container>> {
        self.containers().get(container).cloned()
    }

    fn run_dir(&self, container: &ContainerId) -> RunDir {
        RunDir::new(sandbox::runs(&self.config.work_dir).join(container.as_str()))
    }

    fn add(&self, launch: Launch) -> Arc<Container> {
        let container = Arc::new(Container {
            sandbox: sandbox::sandbox(
                &self.config.work_dir,
                &launch.framework_id,
                &launch.task.id,
                &launch.container_id,
            ),
            run: self.run_dir(&launch.container_id),
            killed: CancellationToken::new(),
            order: Mutex::default(),
            launch,
        });
        let id = container.launch.container_id.clone();
        self.containers().insert(id, container.clone());
        container
    }

    /// Runs `work` until it is done or this containerizer is detached.
    fn spawn(&self, work: impl Future<Output = ()> + Send + 'static) {
        let detached = self.detached.clone();
        tokio::spawn(async move {
            tokio::select! {
                biased;
                () = detached.cancelled() => {}
                () = work => {}
            }
        });
    }

    async fn tell(&self, container: &Container, event: ContainerEvent) {
        let id = container.launch.container_id.clone();
        let is_end = match &event {
            ContainerEvent::Started { .. } => false,
            ContainerEvent::LaunchFailed { .. } | ContainerEvent::Exited(_) => true,
        };
        if self.news.send((id.clone(), event)).await.is_ok() && is_end {
            self.containers().remove(&id);
        }
    }

    async fn start(self: Arc<Self>, container: Arc<Container>) {
        let prepared = tokio::select! {
            () = container.killed.cancelled() => Err("killed before it was started".to_owned()),
            prepared = self.prepare(&container) => prepared,
        };
        let started = match prepared {
            // From here on a kill finds the run directory.
            Ok(_) if container.killed.is_cancelled() => Err("killed before it was started".to_owned()),
            Ok(doorbell) => self.spawn_supervisor(&container).await.map(|child| (doorbell, child)),
            Err(message) => Err(message),
        };
        match started {
            Ok((doorbell, child)) => self.watch(&container, doorbell, Some(child)).await,
            Err(message) => {
                warn!(container.id = %container.launch.container_id, task.id = %container.launch.task.id, error = %message, "cannot start a container");
                self.tell(&container, ContainerEvent::LaunchFailed { message }).await;
            }
        }
    }

    /// Everything that comes before the supervisor: sandbox, files, run directory, doorbell.
    async fn prepare(&self, container: &Arc<Container>) -> Result<watch::Doorbell, String> {
        let prepared = container.clone();
        let user = spawn_blocking(move || prepared.make_sandbox()).await.map_err(|error| error.to_string())??;
        let artifacts = &container.launch.task.command.uris;
        if !artifacts.is_empty() {
            let _permit = self.fetches.acquire().await.map_err(|error| error.to_string())?;
            fetch::fetch(artifacts, &container.sandbox, user.as_ref()).await?;
        }
        let environment = sandbox::environment(&container.launch, &container.sandbox, &self.config.address);
        sandbox::check_environment(&environment)?;
        let spec = Spec {
            sandbox: container.sandbox.clone(),
            run: container.launch.task.command.run.clone(),
            environment,
            user,
        };
        let run = container.run.clone();
        let created = spawn_blocking(move || run.create(&spec)).await.map_err(|error| error.to_string())?;
        created.map_err(|error| format!("cannot make the run directory: {error}"))?;
        watch::Doorbell::open(&container.run).map_err(|error| format!("cannot open the doorbell: {error}"))
    }

    async fn spawn_supervisor(&self, container: &Container) -> Result<Child, String> {
        let _permit = self.starts.acquire().await.map_err(|error| error.to_string())?;
        let mut command = tokio::process::Command::new(&self.config.program);
        command.arg0("marathon").arg("supervise").arg(container.run.path()).env_clear().current_dir("/");
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let spawned = spawn_blocking(move || command.spawn()).await.map_err(|error| error.to_string())?;
        spawned.map_err(|error| format!("cannot start a supervisor ('{}'): {error}", self.config.program.display()))
    }

    /// Takes up a container of an earlier life of the agent.
    async fn resume(self: Arc<Self>, container: Arc<Container>) {
        let doorbell = match container.reopen() {
            Ok(doorbell) => doorbell,
            Err(message) => return self.tell(&container, ContainerEvent::LaunchFailed { message }).await,
        };
        info!(container.id = %container.launch.container_id, task.id = %container.launch.task.id, "watching a container again");
        self.watch(&container, doorbell, None).await;
    }

    /// Runs that no checkpoint speaks of: their agent had forgotten them, or never got as far as remembering them.
    fn stop_unknown(self: &Arc<Self>) {
        let known: Vec<String> = self.containers().keys().map(|id| id.as_str().to_owned()).collect();
        let inner = self.clone();
        tokio::spawn(async move {
            let runs = sandbox::runs(&inner.config.work_dir);
            let unknown = spawn_blocking(move || stop::runs_below(&runs)).await.unwrap_or_default();
            for run in unknown {
                let name = run.path().file_name().unwrap_or_default().to_string_lossy().into_owned();
                if known.contains(&name) {
                    continue;
                }
                let stopped = run.clone();
                drop(spawn_blocking(move || stop::order(&stopped, KillOrder::after(Duration::ZERO))).await);
                inner.garbage.add(run).await;
            }
        });
    }
}

impl Container {
    fn make_sandbox(&self) -> Result<Option<Credentials>, String> {
        sandbox::check_ids(&self.launch)?;
        let user = match &self.launch.task.command.user {
            Some(user) => Credentials::of(user)?,
            None => None,
        };
        sandbox::create(&self.sandbox, user.as_ref()).map_err(|error| format!("cannot make the sandbox: {error}"))?;
        Ok(user)
    }

    /// Passes the order on to the supervisor, if there is one; otherwise whoever becomes it finds it.
    fn kill(&self, order: KillOrder) {
        let mut current = self.order.lock().unwrap_or_else(PoisonError::into_inner);
        let order = current.map_or(order, |current| current.earlier(order));
        *current = Some(order);
        if !self.run.exists() {
            return; // being prepared: that ends by `killed`
        }
        if let Err(error) = stop::order(&self.run, order) {
            warn!(container.id = %self.launch.container_id, error = %error, "cannot pass on a kill");
        }
    }

    /// Listens to a supervisor of an earlier life of the agent; an error if the container never came to be, and never will.
    fn reopen(&self) -> Result<watch::Doorbell, String> {
        let interrupted = || "the agent stopped before the container was started".to_owned();
        sandbox::check_ids(&self.launch)?;
        if !self.run.exists() {
            return Err(interrupted());
        }
        let nobody = Identity { pid: 0, start_time: 0, boot_id: String::new() };
        match self.run.claim(&nobody) {
            Ok(true) => return Err(interrupted()),
            Ok(false) => {}
            Err(error) => return Err(format!("cannot write to the run directory: {error}")),
        }
        watch::Doorbell::open(&self.run).map_err(|error| format!("cannot open the doorbell: {error}"))
    }
}
