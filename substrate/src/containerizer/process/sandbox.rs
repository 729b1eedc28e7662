//! Where things are below an agent's work directory, and what a task finds in its environment.
//!
//! ```text
//! <work dir>/sandboxes/<framework id>/<task id>/<container id>/   stdout, stderr, fetched files: the task's own
//! <work dir>/sandboxes/<framework id>/<task id>/latest            link to the newest of them
//! <work dir>/runs/<container id>/                                 what agent and supervisor tell each other
//! ```

use std::{
    collections::BTreeMap,
    fs::{self, OpenOptions, Permissions},
    io,
    os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt, symlink},
    path::{Path, PathBuf},
};

use substrate_core::{
    agent::Launch,
    protocol::{ContainerId, FrameworkId, TaskId, offer::AgentAddress},
};

use super::user::Credentials;

/// Longest name of a file on the file systems in use.
const MAX_NAME_BYTES: usize = 255;
/// Searched for programs unless the task says otherwise.
const DEFAULT_PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// The directory below which all sandboxes of an agent are.
pub(crate) fn sandboxes(work_dir: &Path) -> PathBuf {
    work_dir.join("sandboxes")
}

/// The directory below which all run directories of an agent are.
pub(crate) fn runs(work_dir: &Path) -> PathBuf {
    work_dir.join("runs")
}

/// The sandbox of one container.
pub(crate) fn sandbox(work_dir: &Path, framework: &FrameworkId, task: &TaskId, container: &ContainerId) -> PathBuf {
    let [framework, task, container] = [framework.as_str(), task.as_str(), container.as_str()];
    sandboxes(work_dir).join(framework).join(task).join(container)
}

/// Whether `text` can be one segment of a path, and nothing else.
pub(crate) fn is_segment(text: &str) -> bool {
    !matches!(text, "" | "." | "..") && text.len() <= MAX_NAME_BYTES && !text.contains(['/', '\0'])
}

/// Refuses identifiers that cannot name a directory. Mesos refuses the same ones.
pub(crate) fn check_ids(launch: &Launch) -> Result<(), String> {
    for (what, id) in [
        ("framework", launch.framework_id.as_str()),
        ("task", launch.task.id.as_str()),
        ("container", launch.container_id.as_str()),
    ] {
        if !is_segment(id) || (what == "container" && id == "latest") {
            return Err(format!("the {what} id {id:?} cannot name a directory"));
        }
    }
    Ok(())
}

/// Makes an empty sandbox with `stdout` and `stderr` that belongs to the task's user, and points `latest` to it.
pub(crate) fn create(sandbox: &Path, user: Option<&Credentials>) -> io::Result<()> {
    let parent = sandbox.parent().unwrap_or(sandbox);
    fs::create_dir_all(parent)?;
    fs::DirBuilder::new().mode(0o755).create(sandbox)?;
    for name in ["stdout", "stderr"] {
        let file = sandbox.join(name);
        OpenOptions::new().write(true).create_new(true).mode(0o644).open(&file)?;
        fs::set_permissions(&file, Permissions::from_mode(0o644))?;
        own(user, &file)?;
    }
    fs::set_permissions(sandbox, Permissions::from_mode(0o755))?;
    own(user, sandbox)?;
    point_latest_to(sandbox, parent)
}

fn own(user: Option<&Credentials>, path: &Path) -> io::Result<()> {
    match user {
        Some(user) => user.own(path),
        None => Ok(()),
    }
}

fn point_latest_to(sandbox: &Path, parent: &Path) -> io::Result<()> {
    let name = sandbox.file_name().unwrap_or_default();
    let aside = parent.join(format!("latest.{}", name.to_string_lossy()));
    let _ = fs::remove_file(&aside); // left by an agent that was killed here
    symlink(name, &aside)?;
    fs::rename(aside, parent.join("latest"))
}

/// The whole environment of a task: what an agent says about itself, and what the task brings, which wins.
///
/// Source: Mesos documentation, "executor HTTP API", environment; `MESOS_TASK_ID` is set besides, as most schedulers do.
pub(crate) fn environment(launch: &Launch, sandbox: &Path, agent: &AgentAddress) -> BTreeMap<String, String> {
    let sandbox = sandbox.to_string_lossy();
    let AgentAddress { ip, port } = agent;
    let mut environment: BTreeMap<String, String> = [
        ("PATH", DEFAULT_PATH.to_owned()),
        ("MESOS_SANDBOX", sandbox.clone().into_owned()),
        ("MESOS_DIRECTORY", sandbox.into_owned()),
        ("MESOS_FRAMEWORK_ID", launch.framework_id.to_string()),
        ("MESOS_EXECUTOR_ID", launch.task.id.to_string()),
        ("MESOS_TASK_ID", launch.task.id.to_string()),
        ("MESOS_SLAVE_ID", launch.task.agent_id.to_string()),
        ("MESOS_SLAVE_PID", format!("slave(1)@{ip}:{port}")),
        ("MESOS_AGENT_ENDPOINT", format!("{ip}:{port}")),
        ("MESOS_CHECKPOINT", "1".to_owned()),
    ]
    .into_iter()
    .map(|(name, value)| (name.to_owned(), value))
    .collect();
    let own = &launch.task.command.environment;
    environment.extend(own.iter().map(|(name, value)| (name.clone(), value.clone())));
    environment
}

/// Refuses what the kernel cannot pass on.
pub(crate) fn check_environment(environment: &BTreeMap<String, String>) -> Result<(), String> {
    for (name, value) in environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("the environment variable name {name:?} is not valid"));
        }
        if value.contains('\0') {
            return Err(format!("the value of the environment variable '{name}' contains a zero byte"));
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_texts_that_name_one_directory_are_segments() {
        for good in ["a", "shop_api.instance-1._app.2", "…", &"x".repeat(255)] {
            assert!(is_segment(good), "{good}");
        }
        for bad in ["", ".", "..", "a/b", "/", "a\0", &"x".repeat(256)] {
            assert!(!is_segment(bad), "{bad}");
        }
    }

    #[test]
    fn latest_points_to_the_newest_sandbox() {
        let dir = tempfile::tempdir().unwrap();
        for container in ["one", "two"] {
            let sandbox = dir.path().join("task").join(container);
            create(&sandbox, None).unwrap();
            let latest = dir.path().join("task/latest");
            assert_eq!(latest.canonicalize().unwrap(), sandbox.canonicalize().unwrap());
            assert!(latest.join("stdout").is_file() && latest.join("stderr").is_file());
        }
    }

    #[test]
    fn an_environment_that_the_kernel_cannot_pass_on_is_refused() {
        for (name, value, refused) in [
            ("A", "b", false),
            ("A", "", false),
            ("", "b", true),
            ("A=", "b", true),
            ("A\0", "b", true),
            ("A", "b\0", true),
        ] {
            let environment = BTreeMap::from([(name.to_owned(), value.to_owned())]);
            assert_eq!(check_environment(&environment).is_err(), refused, "{name:?}={value:?}");
        }
    }
}
