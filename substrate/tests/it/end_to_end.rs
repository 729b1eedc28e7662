//! Master, agent and a framework, from the subscription to the exit of a process.

use std::{fs, time::Duration};

use substrate::{
    agent::{AgentConfig, ContainerizerKind},
    master::MasterConfig,
};
use substrate_core::protocol::{
    scheduler::Call,
    task::{Reason, TaskState},
};

use crate::support::{
    AMPLE, Framework, WorkDir, agent, agent_config, exec, get_json, is_alive, master, program, shell, until,
};

#[tokio::test]
async fn a_task_runs_and_its_output_can_be_read() {
    let (master, dir) = (master().await, WorkDir::new());
    let agent = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    let offer = framework.launch(vec![("hi", shell("echo hi"))]).await;
    assert_eq!(offer.hostname, "agent.test");
    assert_eq!(offer.agent_address.port, agent.address().port());
    framework.told("hi", TaskState::TaskRunning).await;
    let end = framework.told("hi", TaskState::TaskFinished).await;
    assert_eq!(end.message, "Command exited with status 0");
    for run in ["latest", end.container_id.unwrap().as_str()] {
        let path = format!("/frameworks/{}/executors/hi/runs/{run}/stdout", framework.id);
        let chunk = get_json(agent.address(), &format!("/files/read?path={path}&offset=0")).await;
        assert_eq!(chunk, serde_json::json!({"data": "hi\n", "offset": 0}));
    }
    agent.shutdown().await;
    master.shutdown().await;
}

#[tokio::test]
async fn tasks_end_in_the_states_that_their_ends_mean() {
    let (master, dir) = (master().await, WorkDir::new());
    let _agent = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    framework
        .launch(vec![
            ("fails", shell("exit 3")),
            ("missing", exec(&["no-such-program"])),
            ("runs", exec(&["sleep", "1000"])),
        ])
        .await;
    let mut ends = std::collections::BTreeMap::new();
    while ends.len() < 3 {
        let substrate_core::protocol::scheduler::Event::Update(status) = framework.event().await else { continue };
        if status.state == TaskState::TaskRunning && status.task_id.as_str() == "runs" {
            framework.kill("runs").await;
        }
        if status.state.is_terminal() {
            ends.insert(status.task_id.as_str().to_owned(), (status.state, status.reason, status.message));
        }
    }
    assert_eq!(ends["fails"], (TaskState::TaskFailed, None, "Command exited with status 3".to_owned()));
    let (state, reason, message) = &ends["missing"];
    assert_eq!((*state, *reason), (TaskState::TaskFailed, Some(Reason::ReasonContainerLaunchFailed)));
    assert_eq!(message, "cannot execute 'no-such-program': No such file or directory (os error 2)");
    assert_eq!(ends["runs"].0, TaskState::TaskKilled);
}

#[tokio::test]
async fn a_restarted_agent_keeps_tasks_and_pids_and_tells_what_ended_meanwhile() {
    let (master, dir) = (master().await, WorkDir::new());
    let first = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    let ends = shell("while ! test -f go; do sleep 0.02; done; exit 7");
    let offer = framework.launch(vec![("runs", exec(&["sleep", "1000"])), ("ends", ends)]).await;
    let mut containers = std::collections::BTreeMap::new();
    while containers.len() < 2 {
        let substrate_core::protocol::scheduler::Event::Update(status) = framework.event().await else { continue };
        if status.state == TaskState::TaskRunning {
            containers.insert(status.task_id.as_str().to_owned(), status.container_id.unwrap());
        }
    }
    let pid = dir.pid(&containers["runs"], "started");
    first.shutdown().await;
    let sandbox = dir.path().join("sandboxes").join(framework.id.as_str()).join("ends").join("latest");
    fs::write(sandbox.join("go"), "").unwrap();
    let exit = dir.path().join("runs").join(containers["ends"].as_str()).join("exit");
    until("the other task has ended", || exit.exists()).await;

    let second = agent(master.address(), &dir).await;
    let end = framework.told("ends", TaskState::TaskFailed).await;
    assert_eq!(end.message, "Command exited with status 7");
    assert_eq!(end.agent_id, Some(offer.agent_id.clone()));
    assert!(is_alive(pid));
    assert_eq!(dir.pid(&containers["runs"], "started"), pid);
    let state = get_json(second.address(), "/state").await;
    assert_eq!(state["id"], offer.agent_id.as_str());
    framework.kill("runs").await;
    framework.told("runs", TaskState::TaskKilled).await;
    assert!(!is_alive(pid));
}

#[tokio::test]
async fn a_killed_agent_leaves_its_tasks_to_the_next_one() {
    let (master, dir) = (master().await, WorkDir::new());
    let url = format!("http://{}", master.address());
    let mut first = std::process::Command::new(program())
        .args(["agent".as_ref(), url.as_ref(), dir.path().as_os_str()])
        .spawn()
        .unwrap();
    let mut framework = Framework::subscribe(&master, None).await;
    framework.launch(vec![("t", shell("echo started; sleep 1000"))]).await;
    let status = framework.told("t", TaskState::TaskRunning).await;
    let container = status.container_id.unwrap();
    let (task, supervisor) = (dir.pid(&container, "started"), dir.pid(&container, "supervisor"));
    first.kill().unwrap();
    first.wait().unwrap();
    assert!(is_alive(task) && is_alive(supervisor));

    let _second = agent(master.address(), &dir).await;
    framework.is_offered_something().await;
    framework.kill("t").await;
    let end = framework.told("t", TaskState::TaskKilled).await;
    assert_eq!((end.container_id, end.agent_id), (Some(container), status.agent_id));
    until("the supervisor is gone too", || !is_alive(supervisor)).await;
    assert!(!is_alive(task));
}

#[tokio::test]
async fn a_new_master_learns_what_runs() {
    let dir = WorkDir::new();
    let first = master().await;
    let address = first.address();
    let _agent = agent(address, &dir).await;
    let mut framework = Framework::subscribe(&first, None).await;
    framework.launch(vec![("runs", exec(&["sleep", "1000"]))]).await;
    framework.told("runs", TaskState::TaskRunning).await;
    first.shutdown().await;
    assert!(framework.stream.recv().await.is_none_or(|_| true));

    let second = substrate::master::serve(MasterConfig::new(address.to_string())).await.unwrap();
    let mut framework = Framework::subscribe(&second, Some(framework.id.clone())).await;
    framework.offer().await; // the agent is back
    framework.stream.call(Call::Reconcile { tasks: Vec::new() }).await.unwrap();
    let status = framework.told("runs", TaskState::TaskRunning).await;
    assert_eq!(status.reason, Some(Reason::ReasonReconciliation));
    framework.kill("runs").await;
    framework.told("runs", TaskState::TaskKilled).await;
}

#[tokio::test]
async fn an_agent_waits_for_a_master_that_is_not_there_yet() {
    let dir = WorkDir::new();
    let address = {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.local_addr().unwrap()
    };
    let _agent = agent(address, &dir).await;
    let master = substrate::master::serve(MasterConfig::new(address.to_string())).await.unwrap();
    let mut framework = Framework::subscribe(&master, None).await;
    framework.offer().await;
}

#[tokio::test]
async fn several_agents_live_in_one_process_on_addresses_of_their_own() {
    let master = master().await;
    let dirs = [WorkDir::new(), WorkDir::new(), WorkDir::new()];
    let mut agents = Vec::new();
    for (index, dir) in dirs.iter().enumerate() {
        let config = AgentConfig {
            hostname: format!("127.0.0.{}", index + 1),
            ip: format!("127.0.0.{}", index + 1),
            ..agent_config(master.address(), dir)
        };
        agents.push(substrate::agent::serve(config).await.unwrap());
    }
    let mut framework = Framework::subscribe(&master, None).await;
    let mut hosts = std::collections::BTreeSet::new();
    while hosts.len() < 3 {
        hosts.insert(framework.offer().await.hostname);
    }
    let agents: Vec<_> = agents.iter().map(|agent| agent.address().ip().to_string()).collect();
    assert_eq!(agents, ["127.0.0.1", "127.0.0.2", "127.0.0.3"]);
}

#[tokio::test]
async fn a_hundred_tasks_run_soon_and_are_killed_soon() {
    let (master, dir) = (master().await, WorkDir::new());
    let _agent = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    let ids: Vec<String> = (0..100).map(|index| format!("t{index}")).collect();
    let began = std::time::Instant::now();
    framework.launch(ids.iter().map(|id| (id.as_str(), exec(&["sleep", "1000"]))).collect()).await;
    for state in [TaskState::TaskRunning, TaskState::TaskKilled] {
        let mut left: std::collections::BTreeSet<&str> = ids.iter().map(String::as_str).collect();
        while !left.is_empty() {
            let substrate_core::protocol::scheduler::Event::Update(status) = framework.event().await else { continue };
            if status.state == state {
                left.remove(status.task_id.as_str());
            }
        }
        println!("100 tasks are {} after {:?}", state.as_str(), began.elapsed());
        for id in &ids {
            framework.kill(id).await;
        }
    }
    assert!(began.elapsed() < AMPLE);
}

#[tokio::test]
async fn simulated_containers_run_without_processes() {
    let (master, dir) = (master().await, WorkDir::new());
    let config = AgentConfig { containerizer: ContainerizerKind::Simulated, ..agent_config(master.address(), &dir) };
    let agent = substrate::agent::serve(config).await.unwrap();
    let mut framework = Framework::subscribe(&master, None).await;
    framework.launch(vec![("t", shell("exit 1"))]).await;
    framework.told("t", TaskState::TaskRunning).await;
    framework.kill("t").await;
    framework.told("t", TaskState::TaskKilled).await;
    assert!(dir.processes().is_empty());
    assert!(tokio::time::timeout(Duration::from_millis(20), agent.wait()).await.is_err());
    agent.shutdown().await;
}
