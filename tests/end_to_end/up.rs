//! `marathon up` and `marathon down` as an operator uses them.

use nix::sys::signal::Signal;

use crate::shop;
use crate::support::{
    apps::sleeper,
    cluster::{Cluster, command, free_addresses},
    processes,
    wait::until_true,
};

#[tokio::test(flavor = "multi_thread")]
async fn up_stops_cleanly_leaves_the_tasks_finds_them_again_and_down_ends_them() {
    let mut cluster = Cluster::start().await;
    for address in [cluster.http, cluster.master, cluster.dns, cluster.dns_http] {
        assert!(cluster.log().contains(&address.to_string()), "{address} is announced:\n{}", cluster.log());
    }
    shop::deploy(&cluster.api).await;
    let tasks = processes::by_task(cluster.home());
    let apps = cluster.api.get("/v2/groups").await.expect(200).text;
    assert_eq!(tasks.len(), 7);
    for signal in [Signal::SIGTERM, Signal::SIGINT] {
        let status = cluster.stop_up(signal).await;
        assert!(status.success(), "{signal}: {status:?}");
        assert!(cluster.log().contains("marathon down"), "it says how to end the tasks:\n{}", cluster.log());
        assert_eq!(processes::by_task(cluster.home()), tasks, "{signal}");
        cluster.start_up().await;
        cluster.agents_are_there(3).await;
        assert_eq!(cluster.api.get("/v2/groups").await.expect(200).text, apps);
        for (app, count) in shop::TIERS {
            cluster.api.running(app, count).await;
        }
        assert_eq!(processes::by_task(cluster.home()), tasks, "{signal}");
    }
    cluster.stop_up(Signal::SIGTERM).await;
    let down = cluster.down();
    assert!(down.status.success(), "{down:?}");
    let left = processes::below(cluster.home());
    assert!(left.is_empty(), "{left:?}");

    cluster.start_up().await;
    cluster.agents_are_there(3).await;
    for (app, count) in shop::TIERS {
        cluster.api.running(app, count).await;
    }
    let again = processes::by_task(cluster.home());
    assert!(again.len() == 7 && again.keys().all(|task| !tasks.contains_key(task)), "{again:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_second_up_on_the_same_directory_refuses_and_harms_nothing() {
    let cluster = Cluster::start().await;
    cluster.api.run_app(&sleeper("/app", 1)).await;
    let tasks = processes::by_task(cluster.home());
    let fresh = free_addresses::<4>().map(|address| address.to_string());
    let mut arguments: Vec<String> = cluster.arguments().to_vec();
    for (flag, address) in
        ["--http-address", "--master-address", "--dns-address", "--dns-http-address"].iter().zip(fresh)
    {
        let place = arguments.iter().position(|argument| argument == flag).unwrap();
        arguments[place + 1] = address;
    }
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let second = tokio::task::spawn_blocking({
        let mut command = command(&arguments);
        move || command.output().unwrap()
    });
    let second =
        tokio::time::timeout(crate::support::wait::PATIENCE, second).await.expect("it ends by itself").unwrap();
    let text = String::from_utf8_lossy(&second.stderr).into_owned() + &String::from_utf8_lossy(&second.stdout);
    assert!(!second.status.success(), "{text}");
    assert!(text.contains(cluster.data_dir().to_str().unwrap()), "it names the directory: {text}");
    assert_eq!(processes::by_task(cluster.home()), tasks);
    until_true("the first one still answers", async || cluster.api.get("/v2/apps/app").await.status == 200).await;
    assert!(!cluster.down().status.success(), "down refuses while up runs");
    assert_eq!(processes::by_task(cluster.home()), tasks);
}

#[test]
fn bad_flags_are_refused_with_their_name() {
    let home = tempfile::TempDir::with_prefix("marathon-test-").unwrap();
    let dir = home.path().to_str().unwrap();
    for (arguments, named) in [
        (vec!["up", "--http-address", "nowhere:x"], "--http-address"),
        (vec!["up", "--http-address", "127.0.0.1:99999"], "--http-address"),
        (vec!["up", "--agents", "many"], "--agents"),
        (vec!["up", "--agents", "-1"], "-1"),
        (vec!["up", "--data-dir", dir, "--store", "mongodb://x"], "store"),
        (vec!["up", "--data-dir", dir, "--resources", "cpus:many"], "resources"),
        (vec!["up", "--data-dir", dir, "--domain", "not a domain"], "domain"),
        (vec!["up", "--nonsense"], "--nonsense"),
        (vec!["agent", "--work-dir", dir], "--master"),
        (vec!["agent", "--master", "http://127.0.0.1:1", "--work-dir", dir, "--ip", "everywhere"], "--ip"),
        (
            vec!["agent", "--master", "http://127.0.0.1:1", "--work-dir", dir, "--containerizers", "magic"],
            "containerizers",
        ),
        (vec!["agent", "--master", "http://127.0.0.1:1", "--work-dir", dir, "--attributes", "rack"], "attributes"),
        (vec!["master", "--address", "here"], "--address"),
        (vec!["fly"], "fly"),
    ] {
        let output = command(&arguments).output().unwrap();
        let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
        assert!(output.status.code().is_some_and(|code| code != 0), "{arguments:?}: {:?} {text}", output.status);
        assert!(text.contains(named), "{arguments:?}: {text}");
        assert!(!text.contains("panicked"), "{arguments:?}: {text}");
    }
}

#[test]
fn an_address_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let home = tempfile::TempDir::with_prefix("marathon-test-").unwrap();
    let fresh = free_addresses::<3>().map(|address| address.to_string());
    let data_dir = home.path().join("data");
    let output = command(&[
        "up",
        "--data-dir",
        data_dir.to_str().unwrap(),
        "--http-address",
        &address,
        "--master-address",
        &fresh[0],
        "--dns-address",
        &fresh[1],
        "--dns-http-address",
        &fresh[2],
        "--agents",
        "0",
    ])
    .output()
    .unwrap();
    let text = String::from_utf8_lossy(&output.stderr).into_owned() + &String::from_utf8_lossy(&output.stdout);
    assert!(!output.status.success() && text.contains(&address), "{text}");
    assert!(!text.contains("panicked"), "{text}");
}
