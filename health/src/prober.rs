//! All probes of one process, bounded in number.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use health_core::{Outcome, PROBE_SLACK};
use tokio::sync::Semaphore;
use tracing::warn;

use crate::probe::{
    command::{CommandCheck, command},
    http::http,
    tcp::tcp,
};

/// Probes that may be under way at once: the default of Marathon's flag `max_concurrent_marathon_health_checks`.
pub const DEFAULT_CONCURRENCY: usize = 256;

/// How long a probe waits for its turn.
pub const QUEUE_TIME: Duration = Duration::from_secs(3);

// Every probe answers before whoever asked for it takes it for lost.
const _: () = assert!(QUEUE_TIME.as_millis() < PROBE_SLACK.as_millis());

/// Skipped probes are told of at most once in this time.
const WARNING_INTERVAL: Duration = Duration::from_secs(10);

/// What to probe, and for how long at most.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Target {
    /// See [`http`].
    Http {
        /// `http://` or `https://`.
        url: String,
        /// From the connection to the head of the answer.
        timeout: Duration,
        /// Whether an answer of 100 to 199 says nothing.
        ignore_1xx: bool,
    },
    /// See [`tcp`].
    Tcp {
        /// Name or address.
        host: String,
        /// Port.
        port: u16,
        /// For the connection, the name's lookup included.
        timeout: Duration,
    },
    /// See [`command`].
    Command {
        /// What to run.
        check: CommandCheck,
        /// Then it is killed.
        timeout: Duration,
    },
}

/// Carries out probes, a bounded number at once. Cheap to clone; clones share the bound.
#[derive(Clone, Debug)]
pub struct Prober {
    permits: Arc<Semaphore>,
    queue_time: Duration,
    skipped: Arc<Mutex<Skipped>>,
}

/// Probes skipped since that was last told.
#[derive(Debug, Default)]
struct Skipped {
    count: u64,
    told: Option<Instant>,
}

impl Prober {
    /// A prober of at most `concurrency` probes at once (at least one).
    pub fn new(concurrency: usize) -> Self {
        Self {
            permits: Arc::new(Semaphore::new(concurrency.clamp(1, Semaphore::MAX_PERMITS))),
            queue_time: QUEUE_TIME,
            skipped: Arc::default(),
        }
    }

    /// Probes once. The time limit counts from the moment the probe's turn comes.
    ///
    /// A probe whose turn does not come within [`QUEUE_TIME`] is skipped and [`Outcome::Ignored`]: that this process has too
    /// much to do is no reason to call a task unhealthy, let alone to kill it.
    pub async fn run(&self, target: Target) -> Outcome {
        let Ok(Ok(_permit)) = tokio::time::timeout(self.queue_time, self.permits.acquire()).await else {
            self.tell_of_skipped();
            return Outcome::Ignored;
        };
        match target {
            Target::Http { url, timeout, ignore_1xx } => http(&url, timeout, ignore_1xx).await,
            Target::Tcp { host, port, timeout } => tcp(&host, port, timeout).await,
            Target::Command { check, timeout } => command(&check, timeout).await,
        }
    }

    fn tell_of_skipped(&self) {
        let mut skipped = self.skipped.lock().unwrap_or_else(PoisonError::into_inner);
        skipped.count += 1;
        if skipped.told.is_none_or(|told| told.elapsed() >= WARNING_INTERVAL) {
            warn!(health.skipped = skipped.count, "too many health checks at once, some are skipped");
            *skipped = Skipped { count: 0, told: Some(Instant::now()) };
        }
    }
}

impl Default for Prober {
    fn default() -> Self {
        Self::new(DEFAULT_CONCURRENCY)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use tokio::net::TcpListener;

    use super::*;
    use crate::probe::tests::AMPLE;

    #[tokio::test]
    async fn every_kind_of_target_is_probed() {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let check = CommandCheck { command: "true".into(), env: BTreeMap::new(), cwd: "/".into(), user: None };
        let prober = Prober::default();
        let tcp = Target::Tcp { host: "127.0.0.1".into(), port: address.port(), timeout: AMPLE };
        assert_eq!(prober.run(tcp).await, Outcome::Healthy);
        assert_eq!(prober.run(Target::Command { check, timeout: AMPLE }).await, Outcome::Healthy);
        let http =
            Target::Http { url: format!("http://{address}"), timeout: Duration::from_millis(50), ignore_1xx: false };
        assert_eq!(prober.run(http).await, Outcome::unhealthy("no answer within 0.05 s"));
    }

    #[tokio::test]
    async fn a_probe_whose_turn_does_not_come_says_nothing() {
        let prober = Prober { queue_time: Duration::from_millis(20), ..Prober::new(1) };
        let held = prober.permits.acquire().await.unwrap();
        let target = Target::Tcp { host: "127.0.0.1".into(), port: 1, timeout: AMPLE };
        assert_eq!(prober.run(target.clone()).await, Outcome::Ignored);
        drop(held);
        assert!(matches!(prober.run(target).await, Outcome::Unhealthy { .. }));
    }
}
