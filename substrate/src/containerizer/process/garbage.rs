//! Removes sandboxes that nobody needs any more.
//!
//! Of the containers that were forgotten, the newest [`KEPT`] stay, so that their output can still be read, and none stays
//! longer than [`MAX_AGE`].

use std::{
    collections::VecDeque,
    fs,
    path::{Path, PathBuf},
    time::{Duration, SystemTime},
};

use tokio::{sync::mpsc, task::spawn_blocking, time::interval};
use tracing::warn;

use super::{run_dir::RunDir, sandbox, stop};

/// So many forgotten sandboxes stay.
const KEPT: usize = 50;
/// A week, as in Mesos (`gc_delay`).
const MAX_AGE: Duration = Duration::from_secs(7 * 24 * 3600);
/// Between looks at their age.
const PACE: Duration = Duration::from_secs(600);
/// Forgotten runs that wait to be noted; whoever forgets one more waits.
const QUEUE: usize = 256;

/// Where forgotten runs are handed to. The collector ends with its last handle.
#[derive(Clone, Debug)]
pub(super) struct Garbage(mpsc::Sender<RunDir>);

impl Garbage {
    /// Starts a collector for a work directory, with what an earlier life of the agent forgot.
    pub(super) fn collector(work_dir: PathBuf) -> Self {
        let (sender, inbox) = mpsc::channel(QUEUE);
        tokio::spawn(collect(work_dir, inbox));
        Self(sender)
    }

    /// Notes that nobody needs this run.
    pub(super) async fn add(&self, run: RunDir) {
        let _ = self.0.send(run).await; // the runtime is ending: the next life finds it
    }
}

async fn collect(work_dir: PathBuf, mut inbox: mpsc::Receiver<RunDir>) {
    let runs = sandbox::runs(&work_dir);
    let mut heap = spawn_blocking(move || Heap::found_below(&runs)).await.unwrap_or_default();
    let mut pace = interval(PACE);
    loop {
        let added = tokio::select! {
            added = inbox.recv() => match added {
                Some(run) => Some(run),
                None => return,
            },
            _ = pace.tick() => None,
        };
        let swept = spawn_blocking(move || {
            if let Some(run) = added {
                heap.add(run);
            }
            heap.sweep(SystemTime::now(), KEPT);
            heap
        });
        heap = swept.await.unwrap_or_default();
    }
}

/// Forgotten runs, oldest first.
#[derive(Debug, Default)]
struct Heap(VecDeque<(SystemTime, RunDir)>);

impl Heap {
    fn found_below(runs: &Path) -> Self {
        let mut found: Vec<(SystemTime, RunDir)> =
            stop::runs_below(runs).into_iter().filter_map(|run| Some((run.forgotten_since()?, run))).collect();
        found.sort_by_key(|(since, _)| *since);
        Self(found.into())
    }

    fn add(&mut self, run: RunDir) {
        if !run.exists() || self.0.iter().any(|(_, known)| known.path() == run.path()) {
            return;
        }
        if let Err(error) = run.mark_forgotten() {
            warn!(path = %run.path().display(), error = %error, "cannot mark a run as forgotten");
        }
        self.0.push_back((SystemTime::now(), run));
    }

    fn sweep(&mut self, now: SystemTime, kept: usize) {
        while let Some((since, run)) = self.0.front() {
            let age = now.duration_since(*since).unwrap_or_default();
            if self.0.len() <= kept && age <= MAX_AGE {
                return;
            }
            if let Err(error) = remove(run) {
                warn!(path = %run.path().display(), error = %error, "cannot remove a sandbox");
            }
            self.0.pop_front();
        }
    }
}

/// The sandbox first: as long as the run directory is there, another life tries again.
fn remove(run: &RunDir) -> std::io::Result<()> {
    let sandbox = run.spec()?.sandbox;
    match fs::remove_dir_all(&sandbox) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => return Err(error),
        Ok(()) | Err(_) => {}
    }
    fs::remove_dir_all(run.path())?;
    if let Some(task) = sandbox.parent() {
        let latest = task.join("latest");
        if fs::symlink_metadata(&latest).is_ok() && !latest.exists() {
            fs::remove_file(&latest)?;
        }
        let _ = fs::remove_dir(task); // other runs of the task are still there
        let _ = task.parent().map(fs::remove_dir); // other tasks of the framework are still there
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use substrate_core::protocol::task::Run;

    use super::{super::run_dir::Spec, *};

    fn run(work_dir: &Path, name: &str) -> RunDir {
        let sandbox = sandbox::sandboxes(work_dir).join("framework").join("task").join(name);
        sandbox::create(&sandbox, None).unwrap();
        let run = RunDir::new(sandbox::runs(work_dir).join(name));
        let spec = Spec { sandbox, run: Run::Shell("true".into()), environment: Default::default(), user: None };
        run.create(&spec).unwrap();
        run
    }

    #[test]
    fn the_newest_forgotten_sandboxes_stay_and_none_older_than_a_week() {
        let dir = tempfile::tempdir().unwrap();
        let mut heap = Heap::default();
        let runs: Vec<RunDir> = ["a", "b", "c"].into_iter().map(|name| run(dir.path(), name)).collect();
        for run in &runs {
            heap.add(run.clone());
            heap.add(run.clone()); // forgotten twice, noted once
        }
        heap.sweep(SystemTime::now(), 2);
        let there =
            |run: &RunDir, name: &str| (run.exists(), dir.path().join("sandboxes/framework/task").join(name).exists());
        assert_eq!(there(&runs[0], "a"), (false, false));
        assert_eq!(there(&runs[1], "b"), (true, true));
        let mut heap = Heap::found_below(&dir.path().join("runs")); // another life
        heap.sweep(SystemTime::now() + MAX_AGE + Duration::from_secs(60), 2);
        assert_eq!(there(&runs[2], "c"), (false, false));
        assert!(!dir.path().join("sandboxes/framework").exists());
    }

    #[test]
    fn what_was_not_forgotten_is_not_found() {
        let dir = tempfile::tempdir().unwrap();
        let needed = run(dir.path(), "a");
        let mut heap = Heap::found_below(&dir.path().join("runs"));
        heap.sweep(SystemTime::now() + MAX_AGE * 2, 0);
        assert!(needed.exists());
    }
}
