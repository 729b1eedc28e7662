//! What a container gets, and how its end is told.

use std::{collections::BTreeMap, fs, os::unix::fs::MetadataExt, time::Duration};

use health_core::{Check, Outcome, Protocol};
use substrate::containerizer::Containerizer;
use substrate_core::{
    agent::Exit,
    protocol::task::{Artifact, CommandInfo},
};

use crate::support::{Containers, WorkDir, container, exec, launch, shell};

#[tokio::test]
async fn what_a_task_prints_lands_in_its_sandbox() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let exit = containers.run("t", shell("echo out; echo err >&2; pwd; read x || echo no input")).await;
    assert_eq!(exit, Exit::Status(0));
    let sandbox = containers.sandbox("t").display().to_string();
    assert_eq!(containers.read("t", "stdout"), format!("out\n{sandbox}\nno input\n"));
    assert_eq!(containers.read("t", "stderr"), "err\n");
    assert_eq!(dir.run_file(&container("t"), "exit"), serde_json::json!({"Status": 0}));
}

#[tokio::test]
async fn how_a_task_ended_is_told_exactly() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    for (id, command, expected) in [
        ("zero", shell("true"), Exit::Status(0)),
        ("three", shell("exit 3"), Exit::Status(3)),
        ("most", exec(&["sh", "-c", "exit 255"]), Exit::Status(255)),
        ("killed", shell("kill -9 $$"), Exit::Signal(9)),
        ("aborted", exec(&["/bin/sh", "-c", "kill -ABRT $$"]), Exit::Signal(6)),
        ("unknown", shell("no-such-program"), Exit::Status(127)),
    ] {
        assert_eq!(containers.run(id, command).await, expected, "{id}");
    }
    assert!(containers.read("unknown", "stderr").contains("not found"));
}

#[tokio::test]
async fn a_task_sees_its_own_environment_and_nothing_of_the_agent() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let command = CommandInfo {
        environment: BTreeMap::from([
            ("PORT0".to_owned(), "31001".to_owned()),
            ("MESOS_CHECKPOINT".to_owned(), "mine".to_owned()),
            ("TEXT".to_owned(), "a b\nc=$HOME".to_owned()),
        ]),
        ..exec(&["env", "-0"])
    };
    containers.run("t", command).await;
    let text = containers.read("t", "stdout");
    let seen: BTreeMap<&str, &str> = text.split_terminator('\0').filter_map(|entry| entry.split_once('=')).collect();
    let sandbox = containers.sandbox("t").display().to_string();
    let expected = BTreeMap::from([
        ("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"),
        ("MESOS_SANDBOX", &sandbox),
        ("MESOS_DIRECTORY", &sandbox),
        ("MESOS_FRAMEWORK_ID", "m-0000"),
        ("MESOS_EXECUTOR_ID", "t"),
        ("MESOS_TASK_ID", "t"),
        ("MESOS_SLAVE_ID", "m-S1"),
        ("MESOS_SLAVE_PID", "slave(1)@127.0.0.1:5051"),
        ("MESOS_AGENT_ENDPOINT", "127.0.0.1:5051"),
        ("MESOS_CHECKPOINT", "mine"),
        ("PORT0", "31001"),
        ("TEXT", "a b\nc=$HOME"),
    ]);
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn a_program_that_cannot_be_executed_is_a_failed_launch() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    fs::write(dir.path().join("plain"), "text").unwrap();
    let plain = dir.path().join("plain").display().to_string();
    containers.launch("missing", exec(&["no-such-program", "x"]));
    containers.launch("plain", exec(&[&plain]));
    containers.launch("empty", exec(&[]));
    assert_eq!(
        containers.failed("missing").await,
        "cannot execute 'no-such-program': No such file or directory (os error 2)"
    );
    assert_eq!(containers.failed("plain").await, format!("cannot execute '{plain}': Permission denied (os error 13)"));
    assert_eq!(containers.failed("empty").await, "the command has no program");
}

#[tokio::test]
async fn an_unknown_user_is_a_failed_launch() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let command = CommandInfo { user: Some("no-such-user-here".into()), ..shell("true") };
    containers.launch("t", command);
    assert_eq!(containers.failed("t").await, "the user 'no-such-user-here' does not exist on this agent");
}

#[tokio::test]
async fn a_task_runs_as_its_user_and_owns_its_sandbox() {
    if !nix::unistd::geteuid().is_root() {
        return; // only root may become somebody else
    }
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let nobody = nix::unistd::User::from_name("nobody").unwrap().unwrap();
    let command = CommandInfo { user: Some("nobody".into()), ..shell("id -un; touch file; cat /etc/shadow") };
    assert_eq!(containers.run("t", command).await, Exit::Status(1));
    assert_eq!(containers.read("t", "stdout"), "nobody\n");
    assert!(containers.read("t", "stderr").contains("Permission denied"));
    for name in ["", "stdout", "file"] {
        let owner = fs::metadata(containers.sandbox("t").join(name)).unwrap().uid();
        assert_eq!(owner, nobody.uid.as_raw(), "{name}");
    }
}

#[tokio::test]
async fn files_are_there_before_the_task_starts() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let source = dir.path().join("greeting");
    fs::write(&source, "#!/bin/sh\necho hi from a file\n").unwrap();
    let artifact = Artifact {
        uri: format!("file://{}", source.display()),
        extract: true,
        executable: true,
        cache: false,
        destination: None,
    };
    let command = CommandInfo { uris: vec![artifact.clone()], ..shell("./greeting") };
    assert_eq!(containers.run("t", command.clone()).await, Exit::Status(0));
    assert_eq!(containers.read("t", "stdout"), "hi from a file\n");

    let missing = Artifact { uri: "/no/such/file".into(), ..artifact };
    let command = CommandInfo { uris: vec![missing], ..command };
    containers.launch("missing", command);
    let message = containers.failed("missing").await;
    assert_eq!(message, "cannot fetch '/no/such/file': No such file or directory (os error 2)");
}

#[tokio::test]
async fn ids_that_are_paths_are_refused() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    for id in ["..", "a/b", ""] {
        let mut bad = launch("t", shell("true"));
        bad.task.id = substrate_core::protocol::TaskId::new(id);
        containers.process.launch(bad);
        let message = containers.failed("t").await;
        assert_eq!(message, format!("the task id {id:?} cannot name a directory"));
    }
}

#[tokio::test]
async fn a_health_check_command_runs_beside_the_task() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let check = |command: &str| Check {
        protocol: Protocol::Command { command: command.to_owned() },
        grace_period: Duration::ZERO,
        interval: Duration::from_secs(1),
        timeout: Duration::from_secs(20),
        delay: Duration::ZERO,
        max_consecutive_failures: 3,
        ignore_http_1xx: false,
    };
    for (id, command, expected) in [
        ("good", "test -f stdout && test \"$MESOS_TASK_ID\" = good", Outcome::Healthy),
        ("bad", "exit 7", Outcome::unhealthy("Command exited with status 7")),
    ] {
        let mut launch = launch(id, shell("sleep 1000"));
        launch.task.health_check = Some(check(command));
        containers.process.launch(launch);
        containers.started(id).await;
        assert_eq!(containers.process.probe(&container(id)).await, Some(expected));
    }
    assert_eq!(containers.process.probe(&container("nobody")).await, None);
}

#[tokio::test]
async fn a_hundred_tasks_start_quickly_and_end_together() {
    let dir = WorkDir::new();
    let mut containers = Containers::new(&dir);
    let began = std::time::Instant::now();
    for index in 0..100 {
        containers.launch(&format!("t{index}"), exec(&["sleep", "1000"]));
    }
    for index in 0..100 {
        containers.started(&format!("t{index}")).await;
    }
    println!("100 tasks started in {:?}", began.elapsed());
    assert!(began.elapsed() < Duration::from_secs(15), "{:?}", began.elapsed());
    for index in 0..100 {
        containers.kill(&format!("t{index}"), Duration::from_secs(5));
    }
    for index in 0..100 {
        assert_eq!(containers.exited(&format!("t{index}")).await, Exit::Signal(15));
    }
    println!("100 tasks started and killed in {:?}", began.elapsed());
}
