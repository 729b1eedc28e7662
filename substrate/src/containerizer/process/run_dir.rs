//! The files through which an agent and the supervisor of one container speak, whichever of them lives.
//!
//! | file | by | says |
//! | --- | --- | --- |
//! | `spec` | agent | what to start; readable by its owner only, for the environment may hold secrets |
//! | `doorbell` | both | a FIFO: the supervisor writes a byte when it has news and holds it open as long as it lives |
//! | `supervisor` | supervisor | who it is; made once, so that a run has one supervisor at most |
//! | `started` | supervisor | which process the task is |
//! | `launch-error` | supervisor | why it could not be started; the last file of such a run |
//! | `kill` | agent | until when the task may end by itself |
//! | `exit` | supervisor | how it ended; the last file |
//! | `forgotten` | agent | nobody needs the run any more |
//!
//! Every file appears complete or not at all: it is written beside its place and moved there.

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions, Permissions},
    io::{self, Write},
    os::unix::fs::{OpenOptionsExt, PermissionsExt},
    path::{Path, PathBuf},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use nix::sys::stat::Mode;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use substrate_core::{agent::Exit, protocol::task::Run};

use super::{procfs::Identity, user::Credentials};

/// What a supervisor starts.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Spec {
    /// Absolute path of the sandbox.
    pub(crate) sandbox: PathBuf,
    pub(crate) run: Run,
    /// All of it; nothing is inherited.
    pub(crate) environment: BTreeMap<String, String>,
    /// `None`: the agent's own user.
    pub(crate) user: Option<Credentials>,
}

/// Until when a task may end by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct KillOrder {
    /// Milliseconds since the Unix epoch.
    pub(crate) deadline_ms: u64,
    /// From the moment of the order; a bound on the time left should the clock be moved.
    pub(crate) grace_ms: u64,
}

impl KillOrder {
    pub(crate) fn after(grace: Duration) -> Self {
        let grace_ms = u64::try_from(grace.as_millis()).unwrap_or(u64::MAX);
        Self { deadline_ms: now_ms().saturating_add(grace_ms), grace_ms }
    }

    /// Whichever ends first.
    pub(crate) fn earlier(self, other: Self) -> Self {
        if other.deadline_ms < self.deadline_ms { other } else { self }
    }

    pub(crate) fn time_left(self) -> Duration {
        Duration::from_millis(self.deadline_ms.saturating_sub(now_ms()).min(self.grace_ms))
    }
}

fn now_ms() -> u64 {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
}

/// How far a run has come, by its files.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Report {
    pub(crate) started: Option<Identity>,
    pub(crate) launch_error: Option<String>,
    pub(crate) exit: Option<Exit>,
}

/// One run's directory.
#[derive(Clone, Debug)]
pub(crate) struct RunDir(PathBuf);

impl RunDir {
    pub(crate) fn new(path: PathBuf) -> Self {
        Self(path)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.0
    }

    pub(crate) fn doorbell(&self) -> PathBuf {
        self.0.join("doorbell")
    }

    /// Makes the directory with what a supervisor needs.
    pub(crate) fn create(&self, spec: &Spec) -> io::Result<()> {
        fs::create_dir_all(&self.0)?;
        fs::set_permissions(&self.0, Permissions::from_mode(0o700))?;
        nix::unistd::mkfifo(&self.doorbell(), Mode::S_IRUSR | Mode::S_IWUSR)?;
        self.write("spec", spec)
    }

    pub(crate) fn exists(&self) -> bool {
        self.0.join("spec").exists()
    }

    pub(crate) fn spec(&self) -> io::Result<Spec> {
        self.read("spec")?.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "the run has no spec"))
    }

    /// Whoever it was that took the run first; see [`RunDir::claim`].
    pub(crate) fn supervisor(&self) -> io::Result<Option<Identity>> {
        self.read("supervisor")
    }

    /// Makes `identity` the supervisor of this run unless there is one; `false` if there is. An agent claims a run that must not
    /// start any more.
    pub(crate) fn claim(&self, identity: &Identity) -> io::Result<bool> {
        let own = self.write_aside("supervisor", identity)?;
        let claimed = fs::hard_link(&own, self.0.join("supervisor"));
        fs::remove_file(&own)?;
        match claimed {
            Ok(()) => Ok(true),
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(false),
            Err(error) => Err(error),
        }
    }

    pub(crate) fn report(&self) -> io::Result<Report> {
        // In the reverse of the order in which they are written: what an earlier file says is then not missed.
        let exit = self.read("exit")?;
        let launch_error = self.read("launch-error")?;
        let started = self.read("started")?;
        Ok(Report { started, launch_error, exit })
    }

    pub(crate) fn write_started(&self, task: &Identity) -> io::Result<()> {
        self.write("started", task)
    }

    pub(crate) fn write_launch_error(&self, message: &str) -> io::Result<()> {
        self.write("launch-error", &message)
    }

    pub(crate) fn write_exit(&self, exit: &Exit) -> io::Result<()> {
        self.write("exit", exit)
    }

    pub(crate) fn kill_order(&self) -> io::Result<Option<KillOrder>> {
        self.read("kill")
    }

    pub(crate) fn write_kill(&self, order: KillOrder) -> io::Result<()> {
        self.write("kill", &order)
    }

    pub(crate) fn mark_forgotten(&self) -> io::Result<()> {
        self.write("forgotten", &())
    }

    /// Since when nobody needs this run, if that is so.
    pub(crate) fn forgotten_since(&self) -> Option<SystemTime> {
        fs::metadata(self.0.join("forgotten")).and_then(|file| file.modified()).ok()
    }

    /// `None` if there is no such file; an error if it holds something else.
    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match fs::read(self.0.join(name)) {
            Ok(bytes) => Ok(Some(serde_json::from_slice(&bytes)?)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write<T: Serialize>(&self, name: &str, value: &T) -> io::Result<()> {
        let aside = self.write_aside(name, value)?;
        fs::rename(aside, self.0.join(name))
    }

    fn write_aside<T: Serialize>(&self, name: &str, value: &T) -> io::Result<PathBuf> {
        let aside = self.0.join(format!("{name}.{}", std::process::id()));
        let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&aside)?;
        file.write_all(&serde_json::to_vec(value)?)?;
        Ok(aside)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identity(pid: i32) -> Identity {
        Identity { pid, start_time: 1, boot_id: String::new() }
    }

    #[test]
    fn a_run_is_claimed_once() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path().to_owned());
        assert!(run.claim(&identity(7)).unwrap());
        assert!(!run.claim(&identity(8)).unwrap());
        assert_eq!(run.supervisor().unwrap(), Some(identity(7)));
    }

    #[test]
    fn a_spec_is_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path().join("run"));
        let spec = Spec {
            sandbox: "/s".into(),
            run: Run::Shell("true".into()),
            environment: BTreeMap::from([("SECRET".into(), "x".into())]),
            user: None,
        };
        run.create(&spec).unwrap();
        assert_eq!(run.spec().unwrap(), spec);
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
        assert_eq!((mode(run.path()), mode(&run.path().join("spec"))), (0o700, 0o600));
    }

    #[test]
    fn the_earlier_end_of_two_kill_orders_counts() {
        let (long, short) = (KillOrder::after(Duration::from_secs(60)), KillOrder::after(Duration::from_secs(1)));
        assert_eq!(long.earlier(short), short);
        assert_eq!(short.earlier(long), short);
        assert!(short.time_left() <= Duration::from_secs(1));
        let clock_moved_back = KillOrder { deadline_ms: u64::MAX, grace_ms: 3000 };
        assert_eq!(clock_moved_back.time_left(), Duration::from_secs(3));
    }

    #[test]
    fn a_file_with_other_contents_is_an_error_and_a_missing_one_is_not() {
        let dir = tempfile::tempdir().unwrap();
        let run = RunDir::new(dir.path().to_owned());
        assert_eq!(run.report().unwrap(), Report::default());
        fs::write(dir.path().join("exit"), "{").unwrap();
        assert!(run.report().is_err());
    }
}
