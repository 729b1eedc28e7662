//! Killing, outliving the agent, and finding everything again.

use std::{
    fs,
    net::TcpListener,
    path::Path,
    time::{Duration, Instant},
};

use nix::{
    sys::signal::{Signal, kill},
    unistd::Pid,
};
use substrate::containerizer::{Containerizer, StopError, Stopped, stop_all};
use substrate_core::{
    agent::Exit,
    protocol::task::{Artifact, CommandInfo},
};

use crate::support::{AMPLE, Containers, WorkDir, container, exec, is_alive, launch, shell, text_of, until};

/// Pids that a task wrote, one per line.
async fn pids(file: &Path, count: usize) -> Vec<i32> {
    until("all processes are there", || fs::read_to_string(file).is_ok_and(|text| text.lines().count() == count)).await;
    fs::read_to_string(file).unwrap().lines().map(|line| line.trim().parse().unwrap()).collect()
}

#[tokio::test]
async fn a_task_that_obeys_sigterm_ends_at_once() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("t", exec(&["sleep", "1000"]));
    containers.started("t").await;
    let began = Instant::now();
    containers.kill("t", Duration::from_secs(600));
    assert_eq!(containers.exited("t").await, Exit::Signal(15));
    assert!(began.elapsed() < AMPLE);
}

#[tokio::test]
async fn a_task_that_ignores_sigterm_dies_at_the_deadline() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("t", shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
    containers.started("t").await;
    text_of(&containers.sandbox("t").join("stdout")).await;
    let began = Instant::now();
    containers.kill("t", Duration::from_millis(700));
    assert_eq!(containers.exited("t").await, Exit::Signal(9));
    assert!(began.elapsed() >= Duration::from_millis(700), "{:?}", began.elapsed());
}

#[tokio::test]
async fn a_task_has_its_grace_period_to_end_in_its_own_way() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let text = "trap 'sleep 0.3; echo bye; exit 4' TERM; echo ready; while :; do sleep 0.02; done";
    containers.launch("t", shell(text));
    containers.started("t").await;
    text_of(&containers.sandbox("t").join("stdout")).await;
    containers.kill("t", AMPLE);
    assert_eq!(containers.exited("t").await, Exit::Status(4));
    assert_eq!(containers.read("t", "stdout"), "ready\nbye\n");
}

#[tokio::test]
async fn of_two_kills_the_earlier_end_counts() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    for (id, first, second) in [("longer-first", 600, 0), ("shorter-first", 0, 600)] {
        containers.launch(id, shell("trap '' TERM; echo ready; while :; do sleep 0.05; done"));
        containers.started(id).await;
        text_of(&containers.sandbox(id).join("stdout")).await;
        containers.kill(id, Duration::from_secs(first));
        containers.kill(id, Duration::from_secs(second));
        assert_eq!(containers.exited(id).await, Exit::Signal(9), "{id}");
    }
}

#[tokio::test]
async fn a_whole_tree_is_killed_with_all_that_left_its_session() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    // A background child, a child in a session of its own, an orphan in a session of its own that ignores SIGTERM, and a stopped one.
    let text = "echo $$ >> pids; sleep 1000 & echo $! >> pids; \
                setsid sh -c 'echo $$ >> pids; sleep 1000' & \
                (setsid sh -c 'trap \"\" TERM; echo $$ >> pids; while :; do sleep 0.05; done' &); \
                sh -c 'echo $$ >> pids; kill -STOP $$' & \
                wait; sleep 1000";
    containers.launch("t", shell(text));
    containers.started("t").await;
    let tree = pids(&containers.sandbox("t").join("pids"), 5).await;
    assert!(tree.iter().all(|pid| is_alive(*pid)), "{tree:?}");
    containers.kill("t", Duration::from_millis(200));
    assert_eq!(containers.exited("t").await, Exit::Signal(15));
    let left: Vec<&i32> = tree.iter().filter(|pid| is_alive(**pid)).collect();
    assert!(left.is_empty(), "{left:?} of {tree:?}");
}

#[tokio::test]
async fn what_an_ended_task_left_behind_is_killed() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let exit = containers.run("t", shell("setsid sleep 1000 & echo $! > pids; exit 5")).await;
    assert_eq!(exit, Exit::Status(5));
    let tree = pids(&containers.sandbox("t").join("pids"), 1).await;
    assert!(!is_alive(tree[0]));
}

#[tokio::test]
async fn a_restarted_agent_finds_what_runs_and_what_ended_meanwhile() {
    let dir = WorkDir::new();
    let before = {
        let mut containers = Containers::new(&dir);
        containers.launch("runs", exec(&["sleep", "1000"]));
        containers.launch("ends", shell("while ! test -f go; do sleep 0.02; done; exit 7"));
        containers.started("runs").await;
        containers.started("ends").await;
        containers.process.detach();
        fs::write(containers.sandbox("ends").join("go"), "").unwrap();
        dir.pid(&container("runs"), "started")
    };
    until("the other one has ended", || dir.path().join("runs/c-ends/exit").exists()).await;
    let mut containers = Containers::new(&dir);
    let known = ["runs", "ends", "never"].map(|id| launch(id, exec(&["sleep", "1000"])));
    containers.process.recover(known.into());
    containers.started("runs").await;
    containers.started("ends").await;
    assert_eq!(containers.exited("ends").await, Exit::Status(7));
    assert_eq!(containers.failed("never").await, "the agent stopped before the container was started");
    assert!(is_alive(before));
    assert_eq!(dir.pid(&container("runs"), "started"), before);
    containers.kill("runs", AMPLE);
    assert_eq!(containers.exited("runs").await, Exit::Signal(15));
}

#[tokio::test]
async fn a_recovered_task_is_watched_until_it_ends() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("t", shell("while ! test -f go; do sleep 0.02; done; exit 9"));
    containers.started("t").await;
    containers.process.detach();
    let mut containers = Containers::new(&dir);
    containers.process.recover(vec![launch("t", shell(""))]);
    containers.started("t").await;
    fs::write(containers.sandbox("t").join("go"), "").unwrap();
    assert_eq!(containers.exited("t").await, Exit::Status(9));
}

#[tokio::test]
async fn what_nobody_remembers_is_stopped_at_recovery() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("t", exec(&["sleep", "1000"]));
    containers.started("t").await;
    containers.process.detach();
    let pid = dir.pid(&container("t"), "started");
    let containers = Containers::new(&dir);
    containers.process.recover(Vec::new());
    until("it is gone", || !is_alive(pid)).await;
}

#[tokio::test]
async fn without_its_supervisor_a_task_is_ended_and_its_fate_unknown() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    for (id, is_recovered) in [("watched", false), ("recovered", true)] {
        containers.launch(id, shell("sleep 1000 & setsid sleep 1000 & echo $! > pids; wait"));
        containers.started(id).await;
        let escaped = pids(&containers.sandbox(id).join("pids"), 1).await[0];
        let task = dir.pid(&container(id), "started");
        let supervisor = Pid::from_raw(dir.pid(&container(id), "supervisor"));
        if is_recovered {
            containers.process.detach();
            kill(supervisor, Signal::SIGKILL).unwrap();
            until("it is gone", || !is_alive(supervisor.as_raw())).await;
            containers = Containers::new(&dir);
            containers.process.recover(vec![launch(id, shell(""))]);
            containers.started(id).await;
        } else {
            kill(supervisor, Signal::SIGKILL).unwrap();
        }
        assert_eq!(containers.exited(id).await, Exit::Unknown);
        assert!(!is_alive(task) && !is_alive(escaped), "{id}");
    }
}

#[tokio::test]
async fn a_supervisor_shrugs_off_what_ends_other_programs() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("t", exec(&["sleep", "1000"]));
    containers.started("t").await;
    let (supervisor, task) = (dir.pid(&container("t"), "supervisor"), dir.pid(&container("t"), "started"));
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGQUIT, Signal::SIGUSR1, Signal::SIGALRM] {
        kill(Pid::from_raw(supervisor), signal).unwrap();
    }
    let field = |pid: i32, index: usize| {
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        stat.rsplit_once(") ").unwrap().1.split(' ').nth(index).unwrap().parse::<i32>().unwrap()
    };
    // Sessions of their own: no terminal reaches them.
    assert_eq!((field(supervisor, 3), field(task, 3)), (supervisor, task));
    let open = || fs::read_dir(format!("/proc/{supervisor}/fd")).unwrap().count();
    until("only the standard files and the doorbell are open", || open() == 4).await;
    containers.kill("t", AMPLE);
    assert_eq!(containers.exited("t").await, Exit::Signal(15));
}

#[tokio::test]
async fn a_container_killed_while_it_is_prepared_is_never_started() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let artifact = Artifact {
        uri: format!("http://{}/file", silent.local_addr().unwrap()),
        extract: false,
        executable: false,
        cache: false,
        destination: None,
    };
    let command = CommandInfo { uris: vec![artifact], ..shell("true") };
    containers.launch("t", command);
    until("it is being prepared", || containers.sandbox("t").join("stderr").exists()).await;
    containers.kill("t", Duration::from_secs(5));
    assert_eq!(containers.failed("t").await, "killed before it was started");
}

#[tokio::test]
async fn a_kill_right_after_the_launch_always_ends_it() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    for index in 0..40_u64 {
        let id = format!("t{index}");
        containers.launch(&id, exec(&["sleep", "1000"]));
        tokio::time::sleep(Duration::from_micros(index * 150)).await; // at another moment of its start each time
        containers.kill(&id, AMPLE);
    }
    for index in 0..40 {
        let id = format!("t{index}");
        match containers.next(&id).await {
            substrate_core::agent::ContainerEvent::Started { .. } => {
                assert_eq!(containers.exited(&id).await, Exit::Signal(15));
            }
            substrate_core::agent::ContainerEvent::LaunchFailed { message } => {
                assert_eq!(message, "killed before it was started");
            }
            substrate_core::agent::ContainerEvent::Exited(exit) => panic!("{id}: {exit:?} before it started"),
        }
    }
}

#[tokio::test]
async fn stopping_everything_leaves_no_process() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    containers.launch("obeys", exec(&["sleep", "1000"]));
    containers.launch("ignores", shell("trap '' TERM; setsid sleep 1000 & while :; do sleep 0.05; done"));
    containers.launch("ended", shell("true"));
    containers.launch("abandoned", exec(&["sleep", "1000"]));
    for id in ["obeys", "ignores", "ended", "abandoned"] {
        containers.started(id).await;
    }
    containers.exited("ended").await;
    containers.process.detach();
    let supervisor = dir.pid(&container("abandoned"), "supervisor");
    kill(Pid::from_raw(supervisor), Signal::SIGKILL).unwrap();
    until("it is gone", || !is_alive(supervisor)).await;
    let path = dir.path().to_owned();
    let stopped = tokio::task::spawn_blocking(move || stop_all(&path, Duration::from_millis(300))).await.unwrap();
    assert_eq!(stopped.unwrap(), Stopped { tasks: 3 });
    let left: Vec<i32> = dir.processes().into_iter().filter(|pid| is_alive(*pid)).collect();
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(stop_all(dir.path(), Duration::ZERO).unwrap(), Stopped { tasks: 0 });
}

#[test]
fn stopping_refuses_while_an_agent_has_the_directory_and_needs_none_to_be_there() {
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(stop_all(&dir.path().join("nothing"), Duration::ZERO).unwrap(), Stopped { tasks: 0 });
    let file = fs::File::create(dir.path().join("lock")).unwrap();
    let _held =
        nix::fcntl::Flock::lock(file, nix::fcntl::FlockArg::LockExclusiveNonblock).map_err(|(_, error)| error).unwrap();
    let refusal = stop_all(dir.path(), Duration::ZERO).unwrap_err();
    assert!(matches!(refusal, StopError::InUse(_)));
    assert!(refusal.to_string().contains(dir.path().to_str().unwrap()), "{refusal}");
}
