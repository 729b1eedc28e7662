//! What an agent remembers on disk: its id, and one file per container.
//!
//! ```text
//! <work dir>/meta/agent-id
//! <work dir>/meta/containers/<container id>.json
//! ```
//!
//! Every file is written beside its place and moved there, so the death of the agent at any moment leaves each of them whole. The
//! agent's id is also forced to the disk. The files of containers are not: after a crash of the whole machine no container runs
//! any more, and one file per change forced to the disk would cost more than all else that an agent does.

use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::de::DeserializeOwned;
use substrate_core::{
    agent::{Change, Checkpoint},
    protocol::{AgentId, ContainerId},
};
use tracing::error;

use crate::containerizer::sandbox::is_segment;

/// The files of one agent.
#[derive(Clone, Debug)]
pub(super) struct Checkpoints {
    meta: PathBuf,
}

/// What an earlier life left.
#[derive(Debug, Default)]
pub(super) struct Loaded {
    pub(super) id: Option<AgentId>,
    pub(super) containers: Vec<Checkpoint>,
    /// Files that could not be understood; each was set aside with the ending `.corrupt`.
    pub(super) corrupt: Vec<PathBuf>,
}

impl Checkpoints {
    pub(super) fn below(work_dir: &Path) -> Self {
        Self { meta: work_dir.join("meta") }
    }

    fn id_file(&self) -> PathBuf {
        self.meta.join("agent-id")
    }

    fn containers(&self) -> PathBuf {
        self.meta.join("containers")
    }

    fn container_file(&self, id: &ContainerId) -> io::Result<PathBuf> {
        if !is_segment(id.as_str()) {
            let message = format!("the container id {:?} cannot name a file", id.as_str());
            return Err(io::Error::new(io::ErrorKind::InvalidInput, message));
        }
        Ok(self.containers().join(format!("{id}.json")))
    }

    /// Reads everything. A file that cannot be understood is reported and set aside, and does not stop the others.
    pub(super) fn load(&self) -> io::Result<Loaded> {
        fs::create_dir_all(self.containers())?;
        let mut loaded = Loaded::default();
        if self.id_file().exists() {
            loaded.id = read_or_set_aside(&self.id_file(), &mut loaded.corrupt)?;
        }
        for entry in fs::read_dir(self.containers())? {
            let path = entry?.path();
            match path.extension().and_then(|ending| ending.to_str()) {
                Some("json") => loaded.containers.extend(read_or_set_aside::<Checkpoint>(&path, &mut loaded.corrupt)?),
                Some("new") => fs::remove_file(&path)?, // an agent was killed while it wrote this
                _ => {}
            }
        }
        loaded.containers.sort_by(|one, other| one.container_id.cmp(&other.container_id));
        Ok(loaded)
    }

    /// Makes the changes durable. Of several changes to one container only the last is written.
    pub(super) fn apply(&self, changes: &[Change]) -> io::Result<()> {
        let mut last: BTreeMap<&ContainerId, Option<&Checkpoint>> = BTreeMap::new();
        for change in changes {
            match change {
                Change::Id(id) => self.write_id(id)?,
                Change::Put(checkpoint) => drop(last.insert(&checkpoint.container_id, Some(checkpoint))),
                Change::Remove(container) => drop(last.insert(container, None)),
            }
        }
        for (container, checkpoint) in last {
            let path = self.container_file(container)?;
            match checkpoint {
                Some(checkpoint) => drop(replace(&path, &serde_json::to_vec(checkpoint)?)?),
                None => remove_if_there(&path)?,
            }
        }
        Ok(())
    }

    fn write_id(&self, id: &AgentId) -> io::Result<()> {
        replace(&self.id_file(), &serde_json::to_vec(id)?)?.sync_all()?;
        File::open(&self.meta)?.sync_all()
    }
}

fn replace(path: &Path, bytes: &[u8]) -> io::Result<File> {
    let new = path.with_extension("new");
    let mut file = File::create(&new)?;
    file.write_all(bytes)?;
    fs::rename(new, path)?;
    Ok(file)
}

fn remove_if_there(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        Ok(()) | Err(_) => Ok(()),
    }
}

fn read_or_set_aside<T: DeserializeOwned>(path: &Path, corrupt: &mut Vec<PathBuf>) -> io::Result<Option<T>> {
    let bytes = fs::read(path)?;
    match serde_json::from_slice(&bytes) {
        Ok(value) => Ok(Some(value)),
        Err(cause) => {
            error!(path = %path.display(), error = %cause, "a file of the agent is corrupt and is set aside");
            let mut aside = path.as_os_str().to_owned();
            aside.push(".corrupt");
            fs::rename(path, &aside)?;
            corrupt.push(PathBuf::from(aside));
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_agent_that_never_lived_has_nothing() {
        let dir = tempfile::tempdir().unwrap();
        let loaded = Checkpoints::below(dir.path()).load().unwrap();
        assert!(loaded.id.is_none() && loaded.containers.is_empty() && loaded.corrupt.is_empty());
    }

    #[test]
    fn the_id_is_kept_and_half_written_files_are_swept() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::below(dir.path());
        checkpoints.load().unwrap();
        checkpoints.apply(&[Change::Id(AgentId::new("m-S1")), Change::Id(AgentId::new("m-S2"))]).unwrap();
        let half = dir.path().join("meta/containers/c.new");
        fs::write(&half, "{").unwrap();
        assert_eq!(checkpoints.load().unwrap().id, Some(AgentId::new("m-S2")));
        assert!(!half.exists());
    }

    #[test]
    fn corrupt_files_are_set_aside_and_do_not_stop_the_others() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::below(dir.path());
        checkpoints.load().unwrap();
        checkpoints.apply(&[Change::Id(AgentId::new("m-S1"))]).unwrap();
        fs::write(dir.path().join("meta/containers/c.json"), "{\"container_id\":").unwrap();
        let loaded = checkpoints.load().unwrap();
        assert_eq!(loaded.id, Some(AgentId::new("m-S1")));
        assert_eq!(loaded.corrupt, [dir.path().join("meta/containers/c.json.corrupt")]);
        assert!(loaded.corrupt[0].exists());
        assert!(checkpoints.load().unwrap().corrupt.is_empty());
    }

    #[test]
    fn removing_what_is_not_there_is_no_error() {
        let dir = tempfile::tempdir().unwrap();
        let checkpoints = Checkpoints::below(dir.path());
        checkpoints.load().unwrap();
        checkpoints.apply(&[Change::Remove(ContainerId::new("c"))]).unwrap();
        assert!(checkpoints.apply(&[Change::Remove(ContainerId::new("../c"))]).is_err());
    }
}
