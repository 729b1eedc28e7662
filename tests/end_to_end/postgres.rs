//! The same on PostgreSQL.

use crate::shop;
use crate::support::{
    cluster::{Cluster, Options},
    processes,
};

/// A database of its own, as a URL; nothing when no server is given, except where one has to be.
fn new_database() -> Option<String> {
    let Ok(server) = std::env::var("MARATHON_TEST_POSTGRES") else {
        let is_ci = std::env::var("CI").is_ok_and(|value| value == "true");
        assert!(!is_ci, "MARATHON_TEST_POSTGRES is not set: `make test` starts a server and sets it");
        eprintln!("MARATHON_TEST_POSTGRES is not set: not tested");
        return None;
    };
    let name = format!("end_to_end_{}", std::process::id());
    let made = std::process::Command::new("psql")
        .args([&server, "-q", "-v", "ON_ERROR_STOP=1", "-c", &format!("DROP DATABASE IF EXISTS {name}"), "-c"])
        .arg(format!("CREATE DATABASE {name}"))
        .output()
        .expect("psql is there where the server is");
    assert!(made.status.success(), "{made:?}");
    let (front, _) = server.rsplit_once('/').expect("the URL names a database");
    Some(format!("{front}/{name}"))
}

#[tokio::test(flavor = "multi_thread")]
async fn the_shop_survives_a_crash_on_postgres_as_on_sqlite() {
    let Some(store) = new_database() else { return };
    let mut cluster = Cluster::with(Options { agents: 0, apart: 2, store: Some(store), ..Options::default() }).await;
    shop::deploy(&cluster.api).await;
    let tasks = processes::by_task(cluster.home());
    let apps = cluster.api.get("/v2/groups").await.expect(200).json();
    assert_eq!(tasks.len(), 7, "{tasks:?}");
    cluster.kill_up();
    cluster.start_up().await;
    cluster.agents_are_there(2).await;
    assert_eq!(cluster.api.get("/v2/groups").await.expect(200).json(), apps);
    for (app, count) in shop::TIERS {
        cluster.api.running(app, count).await;
    }
    assert_eq!(processes::by_task(cluster.home()), tasks);
    let files = std::fs::read_dir(cluster.data_dir()).unwrap().filter_map(Result::ok);
    let databases: Vec<_> =
        files.map(|file| file.file_name()).filter(|name| name.to_string_lossy().contains(".db")).collect();
    assert!(databases.is_empty(), "nothing is kept in a file: {databases:?}");
    let answer = cluster.api.delete("/v2/groups/shop").await.expect(200);
    cluster.api.deployed(&answer.deployment()).await;
    assert!(processes::by_task(cluster.home()).is_empty());
}
