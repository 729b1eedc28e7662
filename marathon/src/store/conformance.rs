//! One suite for every database: what a store promises, whatever is below.

use std::{sync::Arc, time::Duration};

use marathon_core::{
    deployment::{Deployment, Plan},
    event::{Event, Record},
    id::{DeploymentId, InstanceId, PathId},
    instance::{Condition, Goal, Instance},
    scheduler::{Change, Recovered},
    spec::App,
    state::{Group, TaskFailure},
};
use marathon_time::Timestamp;
use substrate_core::protocol::{AgentId, FrameworkId, TaskId, task::TaskState};
use uuid::Uuid;

use super::{EventRow, SqlStore, Store, StoreError, Term};
use crate::wire;

/// A fresh database, and the way to open it again.
struct Database {
    url: String,
    _directory: Option<tempfile::TempDir>,
}

impl Database {
    fn sqlite() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("state.db").display());
        Self { url, _directory: Some(directory) }
    }

    /// A database of its own in the server that `make test` starts.
    async fn postgres() -> Self {
        use sqlx::Connection;
        let server = std::env::var("MARATHON_TEST_POSTGRES")
            .expect("MARATHON_TEST_POSTGRES names a PostgreSQL server (make test starts one): postgres://USER@HOST:PORT/postgres");
        let name = format!("marathon_{}", Uuid::new_v4().simple());
        let mut admin = sqlx::PgConnection::connect(&server).await.unwrap();
        sqlx::query(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await.unwrap();
        let (base, _) = server.rsplit_once('/').unwrap();
        Self { url: format!("{base}/{name}"), _directory: None }
    }

    async fn open(&self) -> SqlStore {
        SqlStore::open(&self.url).await.unwrap()
    }
}

macro_rules! on_both {
    ($($test:ident),+ $(,)?) => {
        mod sqlite {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Database::sqlite()).await;
            })+
        }
        mod postgres {
            $(#[tokio::test]
            async fn $test() {
                super::$test(super::Database::postgres().await).await;
            })+
        }
    };
}

on_both!(
    what_was_committed_is_there_after_opening_again,
    the_last_change_of_a_row_counts,
    a_new_leader_ends_the_term_of_the_old_one,
    a_commit_that_fails_leaves_nothing_behind_and_does_not_hurt_the_next,
    events_come_back_in_order_and_only_as_many_as_asked_for,
    forgotten_trees_go_and_what_later_ones_need_stays,
    thousands_of_rows_fit_one_commit,
);

fn path(text: &str) -> PathId {
    text.parse().unwrap()
}

fn at(millis: i64) -> Timestamp {
    Timestamp::from_millis(millis)
}

fn app(id: &str, version: i64) -> Arc<App> {
    let body = format!(
        r#"{{"id": "{id}", "cmd": "run 'it' \"now\" é", "env": {{"A": "1"}}, "constraints": [["rack", "MAX_PER", "2"]],
            "healthChecks": [{{"protocol": "HTTP", "path": "/up", "intervalSeconds": 3}}, {{"protocol": "COMMAND", "command": {{"value": "true"}}}}],
            "unreachableStrategy": "disabled", "labels": {{"k": "v"}}, "fetch": [{{"uri": "file:///a"}}], "cpus": 0.125}}"#
    );
    let spec = wire::app::to_spec(marathon_openapi::app::parse_create(body.as_bytes()).unwrap()).unwrap();
    Arc::new(App {
        spec: Arc::new(spec),
        version: at(version),
        last_scaling_at: at(version - 1),
        last_config_change_at: at(version - 2),
    })
}

fn instance(app: &str, number: u128, condition: Condition) -> Arc<Instance> {
    Arc::new(Instance {
        id: InstanceId { spec: path(app), uuid: Uuid::from_u128(number) },
        goal: Goal::Running,
        version: at(1_000),
        incarnation: 2,
        condition,
        since: at(5),
        scheduled_at: at(4),
        task: None,
        health: vec![health_core::State::default()],
    })
}

fn deployment(number: u128, step: usize) -> Arc<Deployment> {
    let plan = Plan {
        id: DeploymentId(Uuid::from_u128(number)),
        version: at(9),
        original: at(8),
        steps: Vec::new(),
        kill: [(path("/a"), [InstanceId { spec: path("/a"), uuid: Uuid::from_u128(1) }].into())].into(),
    };
    Arc::new(Deployment { plan: plan.into(), step, started_at: at(10) })
}

fn failure(app: &str) -> Arc<TaskFailure> {
    Arc::new(TaskFailure {
        app: path(app),
        task: TaskId::new("t"),
        state: TaskState::TaskFailed,
        message: "no\nluck".into(),
        host: "h".into(),
        agent: Some(AgentId::new("S1")),
        at: at(3),
        version: at(2),
    })
}

fn event(seq: u64) -> EventRow {
    let record = Record { seq, at: at(seq as i64), event: Event::AppTerminated { app: path("/a") } };
    wire::event::row(&record)
}

fn everything() -> Vec<Change> {
    vec![
        Change::Framework(FrameworkId::new("F-1")),
        Change::PutVersion(app("/a", 100)),
        Change::PutVersion(app("/g/b", 100)),
        Change::PutRoot {
            version: at(100),
            apps: vec![(path("/a"), Some(at(100))), (path("/g/b"), Some(at(100)))],
            groups: vec![(path("/"), Some(Arc::default())), (path("/g"), Some(group("/a")))],
        },
        Change::PutInstance(instance("/a", 1, Condition::Running)),
        Change::PutInstance(instance("/a", 2, Condition::Scheduled)),
        Change::PutDeployment(deployment(1, 0)),
        Change::PutFailure(failure("/a")),
    ]
}

fn group(dependency: &str) -> Arc<Group> {
    Arc::new(Group { version: at(100), dependencies: [path(dependency)].into(), enforce_role: false })
}

/// Everything that a store gives back, in a form that can be compared.
fn comparable(recovered: &Recovered) -> String {
    format!("{recovered:#?}")
}

async fn commit(store: &SqlStore, term: Term, changes: &[Change]) {
    store.commit(term, changes, &[]).await.unwrap();
}

async fn what_was_committed_is_there_after_opening_again(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    store.commit(term, &everything(), &[event(1), event(2)]).await.unwrap();
    let before = store.load().await.unwrap();
    drop(store);
    let after = database.open().await.load().await.unwrap();
    assert_eq!(comparable(&after), comparable(&before));
    assert_eq!(after.framework_id, Some(FrameworkId::new("F-1")));
    assert_eq!(after.versions, [app("/a", 100), app("/g/b", 100)]);
    assert_eq!(after.instances, [instance("/a", 1, Condition::Running), instance("/a", 2, Condition::Scheduled)]);
    assert_eq!(after.deployments, [deployment(1, 0)]);
    assert_eq!(after.failures, [failure("/a")]);
    assert_eq!(after.last_event, 2);
    let [(version, apps, groups)] = after.roots.as_slice() else { panic!("one tree, not {:?}", after.roots) };
    assert_eq!(*version, at(100));
    assert_eq!(apps.as_slice(), [(path("/a"), Some(at(100))), (path("/g/b"), Some(at(100)))]);
    assert_eq!(groups.as_slice(), [(path("/"), Some(Arc::default())), (path("/g"), Some(group("/a")))]);
}

async fn the_last_change_of_a_row_counts(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    commit(&store, term, &everything()).await;
    let changes = [
        Change::PutInstance(instance("/a", 1, Condition::Killing)),
        Change::PutInstance(instance("/a", 1, Condition::Killed)),
        Change::PutInstance(instance("/a", 3, Condition::Scheduled)),
        Change::DropInstance(instance("/a", 3, Condition::Scheduled).id.clone()),
        Change::DropInstance(instance("/a", 2, Condition::Scheduled).id.clone()),
        Change::PutDeployment(deployment(1, 1)),
        Change::PutDeployment(deployment(2, 0)),
        Change::DropDeployment(deployment(2, 0).plan.id),
        Change::DropFailure(path("/a")),
        Change::DropVersion(path("/g/b"), at(100)),
        Change::Framework(FrameworkId::new("F-2")),
    ];
    commit(&store, term, &changes).await;
    let after = store.load().await.unwrap();
    assert_eq!(after.instances, [instance("/a", 1, Condition::Killed)]);
    assert_eq!(after.deployments, [deployment(1, 1)]);
    assert_eq!(after.failures, []);
    assert_eq!(after.versions, [app("/a", 100)]);
    assert_eq!(after.framework_id, Some(FrameworkId::new("F-2")));
}

async fn a_new_leader_ends_the_term_of_the_old_one(database: Database) {
    let store = database.open().await;
    let old = store.lead("a:1").await.unwrap();
    let new = store.lead("b:1").await.unwrap();
    assert!(new > old);
    let refused = store.commit(old, &everything(), &[event(1)]).await;
    assert!(matches!(refused, Err(StoreError::StaleTerm(term)) if term == old.0), "{refused:?}");
    let unchanged = store.load().await.unwrap();
    assert_eq!(comparable(&unchanged), comparable(&Recovered::default()));
    store.commit(new, &everything(), &[event(1)]).await.unwrap();
}

async fn a_commit_that_fails_leaves_nothing_behind_and_does_not_hurt_the_next(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    store.commit(term, &[], &[event(1)]).await.unwrap();
    let failed = store.commit(term, &everything(), &[event(1)]).await;
    assert!(matches!(failed, Err(StoreError::Query { .. })), "an event was written twice: {failed:?}");
    assert_eq!(store.load().await.unwrap().versions, []);
    store.commit(term, &everything(), &[event(2)]).await.unwrap();
    assert_eq!(store.load().await.unwrap().versions.len(), 2);
}

async fn events_come_back_in_order_and_only_as_many_as_asked_for(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    assert_eq!(store.oldest_event().await.unwrap(), None);
    let rows: Vec<EventRow> = (1..=10).map(event).collect();
    store.commit(term, &[], &rows).await.unwrap();
    assert_eq!(store.events_after(0, 3).await.unwrap(), rows[..3]);
    assert_eq!(store.events_after(8, 100).await.unwrap(), rows[8..]);
    assert_eq!(store.events_after(u64::MAX, 100).await.unwrap(), []);
    commit(&store, term, &[Change::DropEventsUpTo(4)]).await;
    assert_eq!(store.events_after(0, 100).await.unwrap(), rows[4..]);
    assert_eq!(store.oldest_event().await.unwrap(), Some(5));
    assert_eq!(store.load().await.unwrap().last_event, 10);
}

/// Trees 1 to 5, of which 1 and 2 are forgotten: `/a` changed in 2 and 4, `/b` went in 2, `/c` went in 3 and `/d` came in 5.
async fn forgotten_trees_go_and_what_later_ones_need_stays(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    let tree = |root: i64, apps: &[(&str, Option<i64>)], groups: &[(&str, bool)]| Change::PutRoot {
        version: at(root),
        apps: apps.iter().map(|(id, version)| (path(id), version.map(at))).collect(),
        groups: groups.iter().map(|(id, there)| (path(id), there.then(Arc::default))).collect(),
    };
    let trees = [
        tree(1, &[("/a", Some(1)), ("/b", Some(1)), ("/c", Some(1))], &[("/", true), ("/x", true)]),
        tree(2, &[("/a", Some(2)), ("/b", None)], &[("/x", false)]),
        tree(3, &[("/c", None)], &[]),
        tree(4, &[("/a", Some(4))], &[("/x", true)]),
        tree(5, &[("/d", Some(5))], &[]),
    ];
    for tree in trees {
        commit(&store, term, &[tree]).await;
    }
    commit(&store, term, &[Change::DropRootsBefore(at(3))]).await;
    let after = store.load().await.unwrap();
    let apps: Vec<_> = after.roots.iter().map(|(version, apps, _)| (version.as_millis(), apps.clone())).collect();
    assert_eq!(
        apps,
        [
            (3, vec![(path("/a"), Some(at(2)))]),
            (4, vec![(path("/a"), Some(at(4)))]),
            (5, vec![(path("/d"), Some(at(5)))])
        ]
    );
    let groups: Vec<_> = after.roots.iter().map(|(_, _, groups)| groups.len()).collect();
    assert_eq!(groups, [1, 1, 0], "the root group of the first tree, and the group that came back");
}

async fn thousands_of_rows_fit_one_commit(database: Database) {
    let store = database.open().await;
    let term = store.lead("a:1").await.unwrap();
    let put: Vec<Change> =
        (0..2_500).map(|number| Change::PutInstance(instance("/a", number, Condition::Running))).collect();
    let events: Vec<EventRow> = (1..=2_500).map(event).collect();
    store.commit(term, &put, &events).await.unwrap();
    assert_eq!(store.load().await.unwrap().instances.len(), 2_500);
    let drop: Vec<Change> =
        (0..2_499).map(|number| Change::DropInstance(instance("/a", number, Condition::Running).id.clone())).collect();
    commit(&store, term, &drop).await;
    assert_eq!(store.load().await.unwrap().instances, [instance("/a", 2_499, Condition::Running)]);
}

#[tokio::test]
async fn a_sqlite_file_has_one_owner() {
    let database = Database::sqlite();
    let first = database.open().await;
    let second = SqlStore::open(&database.url).await.err();
    assert!(matches!(second, Some(StoreError::InUse { .. })), "{second:?}");
    drop(first);
    database.open().await;
}

#[tokio::test]
async fn a_second_postgres_scheduler_waits_until_the_first_is_gone() {
    let database = Database::postgres().await;
    let (first, second) = (database.open().await, database.open().await);
    first.lead("a:1").await.unwrap();
    let mut waiting = std::pin::pin!(second.lead("b:1"));
    let still_waiting = tokio::time::timeout(Duration::from_millis(1_500), waiting.as_mut()).await;
    assert!(still_waiting.is_err(), "two leaders at once");
    drop(first);
    let term = tokio::time::timeout(Duration::from_secs(20), waiting).await.unwrap().unwrap();
    second.commit(term, &everything(), &[event(1)]).await.unwrap();
}

#[tokio::test]
async fn what_is_no_store_is_refused_by_name() {
    for url in ["", "mysql://x", "sqlite::memory:", "/tmp/x"] {
        let refused = SqlStore::open(url).await.err();
        assert!(matches!(refused, Some(StoreError::UnknownUrl(_))), "{url}: {refused:?}");
    }
    let refused = SqlStore::open("postgres://me:secret@127.0.0.1:1/none").await.err().unwrap().to_string();
    assert!(refused.contains("postgres://me@127.0.0.1:1/none") && !refused.contains("secret"), "{refused}");
}
