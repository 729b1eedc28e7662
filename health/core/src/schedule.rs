//! When to probe next.

use std::time::Duration;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Check, Outcome};

/// A probe without an answer this long after its time limit is taken for a failed one: the prober itself is late or gone.
pub const PROBE_SLACK: Duration = Duration::from_secs(5);

/// Tells the probes of one schedule apart, so that the answer to one that was given up is not taken for the answer to the next.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct ProbeNumber(pub u64);

/// The probes of one instance under one check: at most one at a time.
///
/// The first probe comes `delay` after the instance began to run (at once for checks without one, sooner than Marathon's
/// first round after five seconds), the following ones an interval after the start of the one before, or as soon as that one
/// is answered if it took longer.
///
/// ```text
/// new ──► due ──started──► in flight ──answered──► waiting ──► due …
///                              └── no answer: lapsed ──► waiting
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Schedule {
    pace: Duration,
    time_limit: Duration,
    /// Number of the probe in flight, or of the last one.
    number: ProbeNumber,
    phase: Phase,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
enum Phase {
    /// Nothing in flight; the next probe is due then.
    Waiting { until: Timestamp },
    /// A probe was sent out then.
    InFlight { since: Timestamp },
}

impl Schedule {
    /// The schedule of an instance that runs since `running_since`.
    pub fn new(check: &Check, running_since: Timestamp) -> Self {
        Self {
            pace: check.pace(),
            time_limit: check.time_limit(),
            number: ProbeNumber(0),
            phase: Phase::Waiting { until: running_since + check.delay },
        }
    }

    /// Whether to send a probe now; never while one is in flight.
    pub fn due(&self, now: Timestamp) -> bool {
        match self.phase {
            Phase::Waiting { until } => until <= now,
            Phase::InFlight { .. } => false,
        }
    }

    /// When to look again: the moment [`Schedule::due`] becomes true, or [`Schedule::lapsed`] gives up on the probe in flight.
    pub fn next_due(&self) -> Timestamp {
        match self.phase {
            Phase::Waiting { until } => until,
            Phase::InFlight { since } => since + self.time_limit + PROBE_SLACK,
        }
    }

    /// A probe is being sent. Its answer must bring the number back. An earlier probe still in flight is forgotten.
    pub fn started(&mut self, now: Timestamp) -> ProbeNumber {
        self.number = ProbeNumber(self.number.0 + 1);
        self.phase = Phase::InFlight { since: now };
        self.number
    }

    /// An answer came. True if it belongs to the probe in flight and should be judged; a late or repeated one changes nothing.
    #[must_use]
    pub fn answered(&mut self, now: Timestamp, number: ProbeNumber) -> bool {
        match self.phase {
            Phase::InFlight { since } if number == self.number => {
                self.wait_from(since, now);
                true
            }
            Phase::InFlight { .. } | Phase::Waiting { .. } => false,
        }
    }

    /// Gives up on a probe that should have been answered long ago; the outcome is to be judged like an answer.
    #[must_use]
    pub fn lapsed(&mut self, now: Timestamp) -> Option<Outcome> {
        match self.phase {
            Phase::InFlight { since } if self.next_due() <= now => {
                self.wait_from(since, now);
                Some(Outcome::unhealthy(format!("no answer within {} s", self.time_limit.as_secs_f64())))
            }
            Phase::InFlight { .. } | Phase::Waiting { .. } => None,
        }
    }

    fn wait_from(&mut self, since: Timestamp, now: Timestamp) {
        // A clock that was set back while the probe was in flight must not put the next one far away.
        let until = (since.min(now) + self.pace).max(now);
        self.phase = Phase::Waiting { until };
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{PortRef, Protocol};

    fn check(interval_ms: u64, timeout_ms: u64, delay_ms: u64) -> Check {
        Check {
            protocol: Protocol::Tcp { port: PortRef::Index(0) },
            grace_period: Duration::ZERO,
            interval: Duration::from_millis(interval_ms),
            timeout: Duration::from_millis(timeout_ms),
            delay: Duration::from_millis(delay_ms),
            max_consecutive_failures: 3,
            ignore_http_1xx: false,
        }
    }

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn the_first_probe_is_due_as_soon_as_the_instance_runs_and_the_delay_is_over() {
        let schedule = Schedule::new(&check(10_000, 1_000, 0), at(500));
        assert!(!schedule.due(at(499)));
        assert!(schedule.due(at(500)));
        let delayed = Schedule::new(&check(10_000, 1_000, 15_000), at(500));
        assert_eq!(delayed.next_due(), at(15_500));
        assert!(!delayed.due(at(15_499)));
        assert!(delayed.due(at(15_500)));
    }

    #[test]
    fn probes_start_an_interval_apart_and_one_at_a_time() {
        let mut schedule = Schedule::new(&check(10_000, 1_000, 0), at(0));
        let first = schedule.started(at(0));
        assert!(!schedule.due(at(60_000)), "one is in flight");
        assert!(schedule.answered(at(300), first));
        assert_eq!(schedule.next_due(), at(10_000));
        let second = schedule.started(at(10_000));
        assert_ne!(first, second);
        assert!(schedule.answered(at(25_000), second), "slower than the interval, but not given up");
        assert!(schedule.due(at(25_000)));
    }

    #[test]
    fn a_probe_without_an_answer_fails_once_and_its_late_answer_is_ignored() {
        let mut schedule = Schedule::new(&check(10_000, 20_000, 0), at(0));
        let first = schedule.started(at(0));
        assert_eq!(schedule.next_due(), at(25_000));
        assert_eq!(schedule.lapsed(at(24_999)), None);
        assert_eq!(schedule.lapsed(at(25_000)), Some(Outcome::unhealthy("no answer within 20 s")));
        assert_eq!(schedule.lapsed(at(25_000)), None);
        let second = schedule.started(at(25_000));
        assert!(!schedule.answered(at(25_100), first));
        assert!(schedule.answered(at(25_200), second));
        assert!(!schedule.answered(at(25_300), second), "answered twice");
    }

    #[test]
    fn a_clock_set_back_does_not_stop_the_probes() {
        let mut schedule = Schedule::new(&check(10_000, 1_000, 0), at(3_600_000));
        let number = schedule.started(at(3_600_000));
        assert!(schedule.answered(at(1_000), number));
        assert_eq!(schedule.next_due(), at(11_000));
    }

    proptest! {
        #[test]
        fn looking_when_told_to_look_always_gets_further(
            interval in 0..30_000u64, timeout in 0..30_000u64, delay in 0..30_000u64,
            answers in proptest::collection::vec(proptest::option::of(0..60_000i64), 1..20),
        ) {
            let mut schedule = Schedule::new(&check(interval, timeout, delay), at(0));
            for answer in answers {
                let now = schedule.next_due();
                prop_assert!(schedule.due(now));
                let number = schedule.started(now);
                let given_up = schedule.next_due();
                match answer.map(|after| at(now.as_millis() + after)) {
                    Some(then) if then < given_up => {
                        prop_assert_eq!(schedule.lapsed(then), None);
                        prop_assert!(schedule.answered(then, number));
                    }
                    Some(_) | None => prop_assert!(schedule.lapsed(given_up).is_some()),
                }
                prop_assert!(schedule.next_due() > now, "no busy loop");
            }
        }
    }
}
