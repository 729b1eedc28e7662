//! One agent per work directory.

use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use nix::{
    errno::Errno,
    fcntl::{Flock, FlockArg},
};

/// Holds a work directory for as long as it lives; the system releases it when the process ends, however it ends.
#[derive(Debug)]
pub(crate) struct WorkDirLock {
    _file: Flock<File>,
}

/// Why a work directory cannot be held.
#[derive(Debug, thiserror::Error)]
pub enum LockError {
    /// Another process has it.
    #[error("the work directory '{}' is in use by another agent (process {})", path.display(), holder)]
    Held {
        /// The work directory.
        path: PathBuf,
        /// Process id of the other, or `unknown`.
        holder: String,
    },
    /// The lock file cannot be made.
    #[error("cannot lock the work directory '{}'", path.display())]
    Io {
        /// The work directory.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

impl WorkDirLock {
    /// Takes the directory, which is made if it does not exist.
    pub(crate) fn take(work_dir: &Path) -> Result<Self, LockError> {
        let path = work_dir.join("lock");
        let fail = |source| LockError::Io { path: work_dir.to_owned(), source };
        fs::create_dir_all(work_dir).map_err(fail)?;
        let file = OpenOptions::new().read(true).write(true).create(true).truncate(false).open(&path).map_err(fail)?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(mut file) => {
                file.set_len(0).map_err(fail)?;
                writeln!(*file, "{}", std::process::id()).map_err(fail)?;
                Ok(Self { _file: file })
            }
            Err((_, Errno::EWOULDBLOCK)) => {
                let text = fs::read_to_string(&path).unwrap_or_default();
                let holder = text.trim().parse::<u32>().map_or_else(|_| "unknown".to_owned(), |pid| pid.to_string());
                Err(LockError::Held { path: work_dir.to_owned(), holder })
            }
            Err((_, error)) => Err(fail(error.into())),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_work_directory_has_one_holder_at_a_time_and_the_refusal_names_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("agent");
        let first = WorkDirLock::take(&path).unwrap();
        let refusal = WorkDirLock::take(&path).unwrap_err().to_string();
        assert!(refusal.contains(path.to_str().unwrap()), "{refusal}");
        assert!(refusal.contains(&format!("process {}", std::process::id())), "{refusal}");
        drop(first);
        WorkDirLock::take(&path).unwrap();
    }
}
