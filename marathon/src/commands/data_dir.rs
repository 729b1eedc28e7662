//! The data directory of an `up`: `marathon.db` (unless the store is elsewhere), `agents/1`, `agents/2` … with sandboxes and
//! checkpoints, and a lock, so that two processes never share it.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
    thread::sleep,
    time::{Duration, Instant},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// How long to wait for a process that is just ending: one that was killed holds its lock until the system has cleaned up.
const PATIENCE: Duration = Duration::from_secs(1);
/// Between two attempts, and for the sockets of a process whose lock has just become free.
const PAUSE: Duration = Duration::from_millis(50);

/// A data directory that is ours until this is dropped or the process ends, however it ends.
#[derive(Debug)]
pub struct DataDir {
    given: PathBuf,
    path: PathBuf,
    _lock: Flock<File>,
}

/// Why a data directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    /// Another process has it.
    #[error("--data-dir '{}' is in use by process {holder}, which must be stopped first", path.display())]
    InUse {
        /// As it was given.
        path: PathBuf,
        /// Process id, or `unknown`.
        holder: String,
    },
    /// It does not exist.
    #[error("--data-dir '{}' does not exist: nothing was started there", path.display())]
    Missing {
        /// As it was given.
        path: PathBuf,
    },
    /// It cannot be read or written.
    #[error("--data-dir '{}' cannot be used", path.display())]
    Unusable {
        /// As it was given.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl DataDir {
    /// Takes the directory; makes it if it does not exist.
    pub fn create(path: &Path) -> Result<Self, DataDirError> {
        let made = fs::create_dir_all(path);
        made.map_err(|source| DataDirError::Unusable { path: path.to_owned(), source })?;
        Self::take(path)
    }

    /// Takes a directory that exists.
    pub fn existing(path: &Path) -> Result<Self, DataDirError> {
        if !path.exists() {
            return Err(DataDirError::Missing { path: path.to_owned() });
        }
        Self::take(path)
    }

    fn take(given: &Path) -> Result<Self, DataDirError> {
        let unusable = |source| DataDirError::Unusable { path: given.to_owned(), source };
        let path = given.canonicalize().map_err(unusable)?;
        let name = path.join("lock");
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create(true).truncate(false).open(&name).map_err(unusable)?;
        let begun = Instant::now();
        let mut lock = loop {
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                Ok(lock) => break lock,
                Err((unlocked, Errno::EWOULDBLOCK)) if begun.elapsed() < PATIENCE => {
                    file = unlocked;
                    sleep(PAUSE);
                }
                Err((_, Errno::EWOULDBLOCK)) => {
                    return Err(DataDirError::InUse { path: given.to_owned(), holder: holder(&name) });
                }
                Err((_, errno)) => return Err(unusable(errno.into())),
            }
        };
        if begun.elapsed() >= PAUSE {
            sleep(PAUSE);
        }
        lock.set_len(0).map_err(unusable)?;
        writeln!(*lock, "{}", std::process::id()).map_err(unusable)?;
        Ok(Self { given: given.to_owned(), path, _lock: lock })
    }

    /// Absolute.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// As it was given, for people.
    pub fn given(&self) -> &Path {
        &self.given
    }

    /// Makes the work directory of a local agent, unless it exists.
    pub fn agent(&self, number: u16) -> Result<PathBuf, DataDirError> {
        let path = self.path.join("agents").join(number.to_string());
        let made = fs::create_dir_all(&path);
        made.map_err(|source| DataDirError::Unusable { path: self.given.clone(), source })?;
        Ok(path)
    }

    /// Work directories of all local agents that ever ran here.
    pub fn agents(&self) -> Vec<PathBuf> {
        let Ok(entries) = fs::read_dir(self.path.join("agents")) else { return Vec::new() };
        let mut agents: Vec<PathBuf> =
            entries.flatten().map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        agents.sort();
        agents
    }
}

/// Who wrote its process id into a lock file.
fn holder(lock: &Path) -> String {
    let text = fs::read_to_string(lock).unwrap_or_default();
    text.trim().parse::<u32>().map_or_else(|_| "unknown".to_owned(), |pid| pid.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_data_directory_has_one_user_at_a_time_and_the_refusal_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let missing = DataDir::existing(&path).unwrap_err().to_string();
        assert!(missing.ends_with("does not exist: nothing was started there"), "{missing}");
        let first = DataDir::create(&path).unwrap();
        let refusal = DataDir::existing(&path).unwrap_err().to_string();
        assert!(refusal.contains(&format!("is in use by process {}", std::process::id())), "{refusal}");
        drop(first);
        assert!(DataDir::existing(&path).is_ok());
    }

    #[test]
    fn a_process_that_is_just_ending_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::create(dir.path()).unwrap();
        let ending = std::thread::spawn(move || {
            sleep(2 * PAUSE);
            drop(first);
        });
        assert!(DataDir::existing(dir.path()).is_ok());
        ending.join().unwrap();
    }

    #[test]
    fn agents_of_earlier_runs_are_found() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::create(dir.path()).unwrap();
        assert!(data.agents().is_empty());
        let made = [data.agent(2).unwrap(), data.agent(1).unwrap()];
        assert_eq!(data.agents(), [made[1].clone(), made[0].clone()]);
    }
}
