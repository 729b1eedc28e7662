//! The way to a master in this process: channels.

use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicU64, Ordering},
};

use async_trait::async_trait;
use substrate::master::{Calls, Connector, Events};
use substrate_core::protocol::scheduler::Call;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use tracing::warn;

use super::{Driver, DriverEvent};

/// Calls that may wait for the master. With more the stream is given up: the scheduler subscribes again and compares.
const CALLS: usize = 64 * 1024;
/// Events that wait for the scheduler here; the rest waits at the master.
const EVENTS: usize = 256;

/// Reaches a master in this process.
pub struct InProcess {
    connector: Connector,
    /// The present subscription.
    stream: Mutex<Option<Stream>>,
    shared: Arc<Shared>,
    events: tokio::sync::Mutex<mpsc::Receiver<(u64, DriverEvent)>>,
}

/// An open subscription. Dropping it closes it.
struct Stream {
    calls: mpsc::Sender<Call>,
    ended: CancellationToken,
}

impl Drop for Stream {
    fn drop(&mut self) {
        self.ended.cancel();
    }
}

struct Shared {
    /// Number of the present subscription: what belongs to another is not told.
    present: AtomicU64,
    events: mpsc::Sender<(u64, DriverEvent)>,
}

impl InProcess {
    /// A driver that is not subscribed. Must be used within a tokio runtime.
    pub fn new(connector: Connector) -> Self {
        let (sender, events) = mpsc::channel(EVENTS);
        Self {
            connector,
            stream: Mutex::new(None),
            shared: Arc::new(Shared { present: AtomicU64::new(0), events: sender }),
            events: tokio::sync::Mutex::new(events),
        }
    }

    fn stream(&self) -> MutexGuard<'_, Option<Stream>> {
        self.stream.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn open(&self) -> Stream {
        let number = self.shared.present.fetch_add(1, Ordering::AcqRel) + 1;
        let (calls, events) = self.connector.open().split();
        let (sender, waiting) = mpsc::channel(CALLS);
        let ended = CancellationToken::new();
        tokio::spawn(pass_calls(calls, waiting, ended.clone()));
        tokio::spawn(pass_events(events, number, self.shared.clone(), ended.clone()));
        Stream { calls: sender, ended }
    }
}

#[async_trait]
impl Driver for InProcess {
    fn reset(&self) {
        let mut stream = self.stream();
        self.shared.present.fetch_add(1, Ordering::AcqRel);
        *stream = None;
    }

    fn call(&self, call: Call) {
        let mut stream = self.stream();
        if matches!(call, Call::Subscribe { .. }) {
            *stream = Some(self.open());
        }
        let Some(open) = stream.as_ref() else { return };
        if open.calls.try_send(call).is_err() && !open.ended.is_cancelled() {
            warn!(calls.limit = CALLS, "the master takes no calls; the subscription is given up");
            open.ended.cancel();
        }
    }

    async fn next(&self) -> DriverEvent {
        let mut events = self.events.lock().await;
        loop {
            match events.recv().await {
                Some((number, event)) if number == self.shared.present.load(Ordering::Acquire) => return event,
                Some(_) => {}
                // `shared` holds a sender.
                None => return std::future::pending().await,
            }
        }
    }
}

/// Hands calls to the master until the subscription ends.
async fn pass_calls(calls: Calls, mut waiting: mpsc::Receiver<Call>, ended: CancellationToken) {
    let pass = async {
        while let Some(call) = waiting.recv().await {
            if calls.call(call).await.is_err() {
                return;
            }
        }
    };
    ended.run_until_cancelled(pass).await;
    ended.cancel();
}

/// Hands events to the scheduler until the subscription ends, and tells of its end.
async fn pass_events(mut events: Events, number: u64, shared: Arc<Shared>, ended: CancellationToken) {
    let pass = async {
        while let Some(event) = events.recv().await {
            let event = DriverEvent::Master(Box::new(event));
            if shared.events.send((number, event)).await.is_err() {
                return;
            }
        }
    };
    ended.run_until_cancelled(pass).await;
    ended.cancel();
    if shared.present.load(Ordering::Acquire) == number {
        // Nobody listens any more: nobody to tell.
        let _ = shared.events.send((number, DriverEvent::Lost)).await;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use substrate::master::{MasterConfig, MasterHandle, serve};
    use substrate_core::protocol::scheduler::{Event, FrameworkInfo};

    use super::*;

    const PATIENCE: Duration = Duration::from_secs(20);

    async fn master() -> MasterHandle {
        serve(MasterConfig::new("127.0.0.1:0")).await.unwrap()
    }

    fn subscribe() -> Call {
        let framework = FrameworkInfo {
            id: None,
            name: "test".into(),
            user: "nobody".into(),
            hostname: "localhost".into(),
            webui_url: String::new(),
            failover_timeout: Duration::from_secs(60),
            roles: vec!["*".into()],
            partition_aware: true,
        };
        Call::Subscribe { framework, suppressed_roles: Vec::new() }
    }

    async fn next(driver: &InProcess) -> DriverEvent {
        tokio::time::timeout(PATIENCE, driver.next()).await.unwrap()
    }

    async fn subscribed(driver: &InProcess) {
        driver.call(subscribe());
        match next(driver).await {
            DriverEvent::Master(event) => assert!(matches!(*event, Event::Subscribed { .. }), "{event:?}"),
            DriverEvent::Lost => panic!("lost"),
        }
    }

    #[tokio::test]
    async fn a_subscription_is_answered_and_its_end_is_told() {
        let master = master().await;
        let driver = InProcess::new(master.connector());
        subscribed(&driver).await;
        master.shutdown().await;
        while !matches!(next(&driver).await, DriverEvent::Lost) {}
        driver.call(subscribe());
        assert!(matches!(next(&driver).await, DriverEvent::Lost), "a stopped master takes no subscription");
    }

    #[tokio::test]
    async fn after_a_reset_nothing_of_the_former_subscription_is_told() {
        let master = master().await;
        let driver = InProcess::new(master.connector());
        driver.call(subscribe());
        driver.reset();
        driver.call(Call::Revive { roles: Vec::new() });
        let silent = tokio::time::timeout(Duration::from_millis(100), driver.next()).await;
        assert!(silent.is_err(), "{silent:?}");
        subscribed(&driver).await;
    }
}
