//! The loop with a store that can be held up and can fail, and with a master that only listens.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use async_trait::async_trait;
use marathon_core::{
    scheduler::{Accepted, Command, Config, Rejection, TreeChange},
    spec::AppSpec,
};
use substrate_core::protocol::scheduler::Call;
use tokio_util::sync::CancellationToken;

use super::{AskError, Handle, Service};
use crate::{
    driver::{Driver, DriverEvent},
    store::{EventRow, Memory},
    wire,
};

/// A master that hears everything and says nothing.
#[derive(Default)]
struct Listener(Mutex<Vec<Call>>);

#[async_trait]
impl Driver for Listener {
    fn reset(&self) {}

    fn call(&self, call: Call) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(call);
    }

    async fn next(&self) -> DriverEvent {
        std::future::pending().await
    }
}

struct Running {
    store: Arc<Memory>,
    driver: Arc<Listener>,
    handle: Arc<Handle>,
    stop: CancellationToken,
}

impl Running {
    async fn start() -> Self {
        let (store, driver) = (Arc::new(Memory::new()), Arc::new(Listener::default()));
        let service = Service {
            config: Config { max_running_deployments: usize::MAX, ..Config::default() },
            leader: "127.0.0.1:8080".into(),
            store: store.clone(),
            driver: driver.clone(),
            prober: Arc::default(),
        };
        let (handle, inbox) = service.channel();
        let stop = CancellationToken::new();
        tokio::spawn(service.run(inbox, stop.clone()));
        let running = Self { store, driver, handle, stop };
        running.until_leading().await;
        running
    }

    async fn until_leading(&self) {
        let mut watch = self.handle.watch();
        let leading = async {
            while !self.handle.view().leading {
                watch.changed().await.unwrap();
            }
        };
        tokio::time::timeout(Duration::from_secs(10), leading).await.expect("the service leads");
    }

    async fn create(&self, id: &str) -> Result<Accepted, AskError> {
        let change = TreeChange::CreateApp(app(id));
        self.handle.ask(Command::Change { change, force: false, dry_run: false, origin: None }).await
    }

    fn has(&self, id: &str) -> bool {
        self.handle.view().state.root.apps.contains_key(id)
    }

    fn calls(&self) -> usize {
        self.driver.0.lock().unwrap_or_else(PoisonError::into_inner).len()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

fn app(id: &str) -> Arc<AppSpec> {
    let body = format!(r#"{{"id": "{id}", "cmd": "sleep 1"}}"#);
    let app = marathon_openapi::app::parse_create(body.as_bytes()).unwrap();
    Arc::new(wire::app::to_spec(app).unwrap())
}

async fn events_until(running: &Running, after: u64, kind: &str) -> Vec<EventRow> {
    let mut subscription = running.handle.events().subscribe(after);
    let mut seen: Vec<EventRow> = Vec::new();
    while !seen.iter().any(|row| &*row.kind == kind) {
        let next = tokio::time::timeout(Duration::from_secs(10), subscription.next()).await;
        seen.extend(next.expect("an event comes").unwrap().unwrap());
    }
    seen
}

#[tokio::test]
async fn nothing_is_answered_shown_or_told_before_it_is_durable() {
    let running = Running::start().await;
    let (told, calls) = (running.handle.events().newest(), running.calls());
    running.store.hold_up();
    let mut asking = std::pin::pin!(running.create("/a"));
    assert!(tokio::time::timeout(Duration::from_millis(200), asking.as_mut()).await.is_err(), "answered too early");
    assert!(!running.has("/a"));
    assert_eq!((running.handle.events().newest(), running.calls()), (told, calls));
    running.store.let_go();
    assert!(matches!(asking.await, Ok(Accepted::Deployment { .. })));
    assert!(running.has("/a"), "read your own writes");
    let events = events_until(&running, told, "deployment_info").await;
    assert_eq!(events[0].seq, told + 1);
}

#[tokio::test]
async fn after_a_commit_that_failed_everything_starts_from_what_is_durable() {
    let running = Running::start().await;
    running.create("/a").await.unwrap();
    running.store.fail_next();
    assert_eq!(running.create("/b").await, Err(AskError::NotStored));
    running.until_leading().await;
    assert!(running.has("/a") && !running.has("/b"));
    running.create("/b").await.unwrap();
    assert!(running.has("/b"));
    assert_eq!(running.store.state().versions.len(), 2);
}

/// The first change is being committed, the second waits for the committer, and the third finds no room to wait.
#[tokio::test]
async fn a_commit_that_fails_while_the_next_batches_wait_ends_only_the_term() {
    let running = Running::start().await;
    for round in 0..6 {
        running.store.hold_up();
        running.store.fail_next();
        let mut asking = Vec::new();
        for number in 0..3 {
            let (handle, id) = (running.handle.clone(), format!("/r{round}n{number}"));
            let change = TreeChange::CreateApp(app(&id));
            let command = Command::Change { change, force: false, dry_run: false, origin: None };
            asking.push((id, tokio::spawn(async move { handle.ask(command).await })));
            for _ in 0..20 {
                // One thread runs everything: the loop gets as far as it can.
                tokio::task::yield_now().await;
            }
        }
        running.store.let_go();
        for (id, answer) in asking {
            let answer = answer.await.unwrap();
            running.until_leading().await;
            assert_eq!(running.has(&id), answer.is_ok(), "{id}: {answer:?}");
        }
    }
}

#[tokio::test]
async fn a_commit_that_happened_although_its_answer_was_lost_is_answered_as_done() {
    let running = Running::start().await;
    running.store.lose_next_answer();
    let answer = running.create("/a").await;
    assert!(matches!(answer, Ok(Accepted::Deployment { .. })), "{answer:?}");
    running.until_leading().await;
    assert!(running.has("/a"));
    assert!(matches!(running.create("/a").await, Err(AskError::Rejected(Rejection::AppExists(_)))));
}

#[tokio::test]
async fn a_deposed_leader_writes_nothing_more_and_leads_again_only_with_a_new_term() {
    let running = Running::start().await;
    running.store.depose();
    assert_eq!(running.create("/a").await, Err(AskError::NotStored));
    assert_eq!(running.store.state().versions.len(), 0);
    running.until_leading().await;
    running.create("/a").await.unwrap();
}

#[tokio::test]
async fn a_refusal_names_its_reason_and_is_no_fault() {
    let running = Running::start().await;
    running.create("/a").await.unwrap();
    let again = running.create("/a").await;
    assert_eq!(again, Err(AskError::Rejected(Rejection::AppExists("/a".parse().unwrap()))));
}

#[tokio::test]
async fn a_subscriber_gets_every_event_once_from_wherever_it_begins() {
    let running = Running::start().await;
    for number in 0..1_000 {
        running.create(&format!("/a{number}")).await.unwrap();
    }
    let newest = running.handle.events().newest();
    assert!(newest > 4_096, "more than memory holds, so that the store is read as well");
    for after in [0, 17, newest - 1] {
        let mut subscription = running.handle.events().subscribe(after);
        let mut expected = after + 1;
        while expected <= newest {
            for row in subscription.next().await.unwrap().unwrap() {
                assert_eq!(row.seq, expected);
                expected += 1;
            }
        }
    }
}
