//! Stops what an agent left running, without an agent.

use std::{
    fs, io,
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::sys::signal::Signal;

use super::{
    procfs::{Identity, kill_leftovers},
    run_dir::{KillOrder, RunDir},
    sandbox,
};
use crate::agent::{LockError, WorkDirLock};

/// Beyond the grace period, for supervisors to end their tasks by force and write down how they ended.
const SLACK: Duration = Duration::from_secs(10);

/// What [`stop_all`] did.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Stopped {
    /// So many tasks were running, and are not any more.
    pub tasks: usize,
}

/// Why [`stop_all`] could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StopError {
    /// An agent is running; it would start tasks again.
    #[error(transparent)]
    InUse(#[from] LockError),
    /// The directory cannot be read or written.
    #[error("cannot stop the task whose run directory is '{}'", path.display())]
    Run {
        /// Directory of the run.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// Stops every task of an agent that is not running itself: SIGTERM, after `grace` SIGKILL, to whole process trees. Waits until
/// they and their supervisors are gone. What is left of a task whose supervisor was killed is killed at once. A work directory
/// that does not exist has no tasks.
///
/// # Errors
/// An agent uses the directory; files in it cannot be read or written. Tasks that can be stopped are, all the same.
pub fn stop_all(work_dir: &Path, grace: Duration) -> Result<Stopped, StopError> {
    if !work_dir.exists() {
        return Ok(Stopped::default());
    }
    let _lock = WorkDirLock::take(work_dir)?;
    let kill = KillOrder::after(grace);
    let mut supervisors = Vec::new();
    let (mut failure, mut abandoned) = (None, 0);
    for run in runs_below(&sandbox::runs(work_dir)) {
        match order(&run, kill) {
            Ok(Some(supervisor)) => supervisors.push((run, supervisor)),
            Ok(None) => abandoned += usize::from(kill_abandoned(&run) > 0),
            Err(source) => {
                let path = run.path().to_owned();
                failure.get_or_insert(StopError::Run { path, source });
            }
        }
    }
    await_end(&supervisors, grace + SLACK);
    match failure {
        Some(failure) => Err(failure),
        None => Ok(Stopped { tasks: supervisors.len() + abandoned }),
    }
}

/// Waits until all are gone; those that are not in time are killed, with what they left.
fn await_end(supervisors: &[(RunDir, Identity)], limit: Duration) {
    let deadline = Instant::now().checked_add(limit);
    let mut left: Vec<&(RunDir, Identity)> = supervisors.iter().collect();
    loop {
        left.retain(|(_, supervisor)| supervisor.is_alive());
        if left.is_empty() || deadline.is_some_and(|deadline| Instant::now() >= deadline) {
            break;
        }
        sleep(Duration::from_millis(10));
    }
    for (run, supervisor) in left {
        supervisor.signal(Signal::SIGKILL);
        kill_abandoned(run);
    }
}

/// Kills what is left of a task without a supervisor. Returns how many processes that were.
fn kill_abandoned(run: &RunDir) -> usize {
    let report = run.report().unwrap_or_default();
    match run.spec() {
        Ok(spec) if report.started.is_some() && report.exit.is_none() => {
            kill_leftovers(report.started.as_ref(), &spec.sandbox)
        }
        Ok(_) | Err(_) => 0,
    }
}

/// Gives a kill order to the supervisor of a run, which is returned if it was alive. One that comes later finds the order.
pub(super) fn order(run: &RunDir, order: KillOrder) -> io::Result<Option<Identity>> {
    run.write_kill(order)?;
    let supervisor = run.supervisor()?.filter(Identity::is_alive);
    if let Some(supervisor) = &supervisor {
        supervisor.signal(Signal::SIGUSR1);
    }
    Ok(supervisor)
}

/// Every run below a directory.
pub(super) fn runs_below(runs: &Path) -> Vec<RunDir> {
    let Ok(entries) = fs::read_dir(runs) else { return Vec::new() };
    let runs = entries.flatten().map(|entry| RunDir::new(entry.path()));
    runs.filter(RunDir::exists).collect()
}
