//! A command beside the task: exit status 0 is healthy.

use std::{
    collections::BTreeMap,
    os::unix::process::ExitStatusExt,
    path::PathBuf,
    process::{ExitStatus, Stdio},
    time::Duration,
};

use health_core::Outcome;
use nix::{
    sys::signal::{Signal, killpg},
    unistd::Pid,
};
use tokio::process::{Child, Command};

/// What to run, and as whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommandCheck {
    /// Text for `/bin/sh -c`.
    pub command: String,
    /// The whole environment; nothing is inherited.
    pub env: BTreeMap<String, String>,
    /// Working directory: the sandbox of the task.
    pub cwd: PathBuf,
    /// The user of the task, or the one this process runs as. Supplementary groups are given up with the change.
    pub user: Option<UserAndGroup>,
}

/// Whom a command runs as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UserAndGroup {
    /// Numeric user id.
    pub uid: u32,
    /// Numeric group id.
    pub gid: u32,
}

/// Runs the command without input and discards its output.
///
/// It runs in a process group of its own. Whatever of that group is alive when the shell ends, the time is up or this future is
/// dropped is killed; only a process that left the group by itself may remain.
pub async fn command(check: &CommandCheck, timeout: Duration) -> Outcome {
    let mut group = match spawn(check) {
        Ok(group) => group,
        Err(error) => return Outcome::unhealthy(format!("cannot run the command: {error}")),
    };
    let ended = tokio::time::timeout(timeout, group.shell.wait()).await;
    match ended {
        Ok(Ok(status)) => judge(status),
        Ok(Err(error)) => Outcome::unhealthy(format!("cannot wait for the command: {error}")),
        Err(_) => {
            group.end().await;
            Outcome::unhealthy(format!("Command timed out after {} s", timeout.as_secs_f64()))
        }
    }
}

fn spawn(check: &CommandCheck) -> std::io::Result<Group> {
    let mut shell = Command::new("/bin/sh");
    shell.arg("-c").arg(&check.command).env_clear().envs(&check.env).current_dir(&check.cwd);
    shell.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    shell.process_group(0).kill_on_drop(true);
    if let Some(UserAndGroup { uid, gid }) = check.user {
        shell.uid(uid).gid(gid);
    }
    let shell = shell.spawn()?;
    let id = shell.id().and_then(|id| i32::try_from(id).ok()).map(Pid::from_raw);
    Ok(Group { shell, id })
}

fn judge(status: ExitStatus) -> Outcome {
    match (status.code(), status.signal()) {
        (Some(0), _) => Outcome::Healthy,
        (Some(code), _) => Outcome::unhealthy(format!("Command exited with status {code}")),
        (None, Some(signal)) => Outcome::unhealthy(format!("Command terminated by signal {signal}")),
        (None, None) => Outcome::unhealthy(format!("Command ended: {status}")),
    }
}

/// The shell and all it started, killed together when this is dropped.
struct Group {
    shell: Child,
    /// Id of the group: that of the shell, its first process.
    id: Option<Pid>,
}

impl Group {
    fn kill(&self) {
        if let Some(id) = self.id {
            let _ = killpg(id, Signal::SIGKILL); // ESRCH: nobody is left, which is what is wanted
        }
    }

    /// Kills the group, and waits until the shell is gone.
    async fn end(&mut self) {
        self.kill();
        let _ = self.shell.wait().await; // it cannot survive SIGKILL, and nothing else waits for it
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        self.kill();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::probe::tests::{AMPLE, cause};

    fn check(command: &str, cwd: &std::path::Path) -> CommandCheck {
        let env =
            BTreeMap::from([("PATH".to_owned(), "/usr/bin:/bin".to_owned()), ("PORT0".to_owned(), "31001".to_owned())]);
        CommandCheck { command: command.to_owned(), env, cwd: cwd.to_owned(), user: None }
    }

    /// Waits until the process whose id stands in `file` is gone, or a zombie that nobody reaps here.
    async fn gone(file: &std::path::Path) {
        let pid = fs::read_to_string(file).unwrap().trim().to_owned();
        let dead = async {
            loop {
                match fs::read_to_string(format!("/proc/{pid}/stat")) {
                    Err(_) => return,
                    Ok(stat) if stat.rsplit(')').next().is_some_and(|rest| rest.trim_start().starts_with('Z')) => {
                        return;
                    }
                    Ok(_) => tokio::time::sleep(Duration::from_millis(5)).await,
                }
            }
        };
        tokio::time::timeout(AMPLE, dead).await.unwrap();
    }

    async fn written(file: &std::path::Path) {
        let there = async {
            while fs::read_to_string(file).unwrap_or_default().trim().is_empty() {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        };
        tokio::time::timeout(AMPLE, there).await.unwrap();
    }

    #[tokio::test]
    async fn the_exit_status_decides_and_is_told() {
        let sandbox = tempfile::tempdir().unwrap();
        for (text, expected) in [
            ("true", None),
            ("exit 0", None),
            ("test \"$PORT0\" = 31001", None),
            ("test -z \"$HOME\"", None), // nothing is inherited
            ("touch here && test -f here", None),
            ("head -c 1000000 /dev/zero", None), // output goes nowhere, and blocks nobody
            ("! read line", None),               // there is no input
            ("exit 3", Some("Command exited with status 3")),
            ("no-such-program", Some("Command exited with status 127")),
            ("kill -9 $$", Some("Command terminated by signal 9")),
        ] {
            let outcome = command(&check(text, sandbox.path()), AMPLE).await;
            match expected {
                None => assert_eq!(outcome, Outcome::Healthy, "{text}"),
                Some(expected) => assert_eq!(cause(outcome), expected, "{text}"),
            }
        }
        assert!(sandbox.path().join("here").exists());
    }

    #[tokio::test]
    async fn a_command_past_its_time_is_killed_with_all_it_started() {
        let sandbox = tempfile::tempdir().unwrap();
        let text = "sleep 1000 & echo $! > child; trap '' TERM; wait; sleep 1000";
        let outcome = command(&check(text, sandbox.path()), Duration::from_secs(1)).await;
        assert_eq!(cause(outcome), "Command timed out after 1 s");
        gone(&sandbox.path().join("child")).await;
    }

    #[tokio::test]
    async fn what_a_finished_command_left_behind_is_killed() {
        let sandbox = tempfile::tempdir().unwrap();
        let outcome = command(&check("sleep 1000 & echo $! > child", sandbox.path()), AMPLE).await;
        assert_eq!(outcome, Outcome::Healthy);
        gone(&sandbox.path().join("child")).await;
    }

    #[tokio::test]
    async fn a_check_that_is_given_up_leaves_no_process() {
        let sandbox = tempfile::tempdir().unwrap();
        let child = sandbox.path().join("child");
        let check = check("sleep 1000 & echo $! > child; wait", sandbox.path());
        tokio::select! {
            outcome = command(&check, AMPLE) => panic!("{outcome:?}"),
            () = written(&child) => {}
        }
        gone(&child).await;
    }

    #[tokio::test]
    async fn the_command_runs_as_the_user_of_the_task() {
        let own = UserAndGroup { uid: nix::unistd::geteuid().as_raw(), gid: nix::unistd::getegid().as_raw() };
        // Only root can become somebody else.
        let user = if own.uid == 0 { UserAndGroup { uid: 65_534, gid: 65_533 } } else { own };
        let text = format!("test \"$(id -u):$(id -g)\" = {}:{}", user.uid, user.gid);
        let check = CommandCheck { user: Some(user), ..check(&text, std::path::Path::new("/")) };
        assert_eq!(command(&check, AMPLE).await, Outcome::Healthy);
    }

    #[tokio::test]
    async fn a_sandbox_that_is_gone_is_unhealthy() {
        let outcome = command(&check("true", std::path::Path::new("/no/such/sandbox")), AMPLE).await;
        assert!(cause(outcome).starts_with("cannot run the command: "));
    }
}
