//! What an agent answers, and what stops it from starting.

use std::fs;

use substrate::agent::Error;
use substrate_core::protocol::task::TaskState;

use crate::support::{Framework, WorkDir, agent, agent_config, get, get_json, http, master, shell};

#[tokio::test]
async fn two_agents_cannot_share_a_work_directory() {
    let (master, dir) = (master().await, WorkDir::new());
    let first = agent(master.address(), &dir).await;
    let error = substrate::agent::serve(agent_config(master.address(), &dir)).await.unwrap_err();
    assert!(matches!(error, Error::Lock(_)));
    assert!(error.to_string().contains(dir.path().to_str().unwrap()), "{error}");
    first.shutdown().await;
    agent(master.address(), &dir).await.shutdown().await;
}

#[tokio::test]
async fn an_agent_that_cannot_start_releases_its_work_directory() {
    let (master, dir) = (master().await, WorkDir::new());
    let mut config = agent_config(master.address(), &dir);
    config.port = master.address().port();
    let error = substrate::agent::serve(config).await.unwrap_err();
    assert_eq!(error.to_string(), format!("cannot listen on {}", master.address()));
    let mut config = agent_config(master.address(), &dir);
    config.masters.clear();
    assert!(matches!(substrate::agent::serve(config).await.unwrap_err(), Error::Master(_)));
    agent(master.address(), &dir).await.shutdown().await;
}

#[tokio::test]
async fn corrupt_checkpoints_are_set_aside_and_the_agent_starts() {
    let (master, dir) = (master().await, WorkDir::new());
    let containers = dir.path().join("meta/containers");
    fs::create_dir_all(&containers).unwrap();
    fs::write(containers.join("c.json"), "{").unwrap();
    fs::write(dir.path().join("meta/agent-id"), "\0\0\0").unwrap();
    let agent = agent(master.address(), &dir).await;
    let mut framework = Framework::subscribe(&master, None).await;
    framework.offer().await;
    assert!(containers.join("c.json.corrupt").exists() && dir.path().join("meta/agent-id.corrupt").exists());
    agent.shutdown().await;
}

#[tokio::test]
async fn the_agent_answers_for_its_tasks_and_their_files() {
    let (master, dir) = (master().await, WorkDir::new());
    let agent = agent(master.address(), &dir).await;
    let address = agent.address();
    let mut framework = Framework::subscribe(&master, None).await;
    framework.launch(vec![("t", shell("echo 0123456789; mkdir sub; ln -s /etc/passwd link; sleep 1000"))]).await;
    framework.told("t", TaskState::TaskRunning).await;
    let run = format!("/frameworks/{}/executors/t/runs/latest", framework.id);
    let listed = async {
        loop {
            let entries = get_json(address, &format!("/files/browse?path={run}")).await;
            if entries.as_array().unwrap().len() == 4 {
                return entries;
            }
        }
    };
    let entries = tokio::time::timeout(crate::support::AMPLE, listed).await.unwrap();
    assert_eq!(entries[1]["path"], format!("{run}/stderr"));

    let state = get_json(address, "/slave(1)/state").await;
    let executor = &state["frameworks"][0]["executors"][0];
    assert_eq!((&executor["id"], &executor["tasks"][0]["state"]), (&"t".into(), &"TASK_RUNNING".into()));
    let metrics = get_json(address, "/metrics/snapshot").await;
    assert_eq!((&metrics["slave/registered"], &metrics["slave/tasks_running"]), (&1.into(), &1.into()));
    assert_eq!((&metrics["slave/cpus_total"], &metrics["slave/cpus_used"]), (&4.0.into(), &0.01.into()));
    let directory = executor["directory"].as_str().unwrap();
    let chunk = get_json(address, &format!("/files/read?path={directory}/stdout&offset=2&length=3")).await;
    assert_eq!(chunk, serde_json::json!({"data": "234", "offset": 2}));

    for (query, status, body) in [
        (format!("read?path={run}/stdout"), 200, "{\"data\":\"\",\"offset\":11}"),
        (format!("read?path={run}/stdout&offset=-1"), 200, "{\"data\":\"\",\"offset\":11}"),
        (format!("read?path={run}/stdout&offset=9&length=-1"), 200, "{\"data\":\"9\\n\",\"offset\":9}"),
        (format!("read?path={run}/stdout&offset=x"), 400, "Failed to parse offset: x is not a number.\n"),
        (format!("read?path={run}/stdout&offset=-2"), 400, "Negative offset provided: -2.\n"),
        ("read".to_owned(), 400, "Expecting 'path=value' in query.\n"),
        (format!("read?path={run}/nothing&offset=0"), 404, ""),
        (format!("read?path={run}/link&offset=0"), 404, ""),
        (format!("download?path={run}/link"), 404, ""),
        (format!("read?path={run}/../../../../../../../etc/passwd&offset=0"), 404, ""),
        (format!("read?path={run}/%2e%2e/%2e%2e/x&offset=0"), 404, ""),
        (format!("download?path={run}/stdout"), 200, "0123456789\n"),
        ("browse?path=/".to_owned(), 404, ""),
    ] {
        assert_eq!(get(address, &format!("/files/{query}")).await, (status, body.to_owned()), "{query}");
    }
    let (status, _) = get(address, &format!("/files/read?path={run}&offset=0")).await;
    assert_eq!(status, 400, "a directory is not read");
    let answer = http().get(format!("http://{address}/files/download?path={run}/stdout")).send().await.unwrap();
    assert_eq!(answer.headers()["content-disposition"], "attachment; filename=\"stdout\"");
    assert_eq!(get(address, "/health").await, (200, String::new()));
    assert!(get_json(address, "/version").await["version"].is_string());
    framework.kill("t").await;
    framework.told("t", TaskState::TaskKilled).await;
}
