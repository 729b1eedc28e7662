//! What the results of the probes mean for an instance.

use std::time::Duration;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};

use crate::{Check, Outcome, outcome::bounded};

/// What is known of one instance under one check. Dropped with the incarnation it speaks of.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// The first time it was found healthy.
    pub first_success: Option<Timestamp>,
    /// The last time it was found healthy.
    pub last_success: Option<Timestamp>,
    /// The last failure that counted.
    pub last_failure: Option<Timestamp>,
    /// Cause of that failure.
    pub last_failure_cause: Option<String>,
    /// Failures that counted since the last success.
    pub consecutive_failures: u32,
}

/// What follows from one result. More than one may be true.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// A failure was counted: worth an event.
    pub failure_counted: bool,
    /// [`State::alive`] is another than before: worth an event, and the aggregate of the instance may have changed.
    pub alive_changed: bool,
    /// Too many failures in a row: the instance is to be killed. Said again on every further failure, in case the first kill was lost.
    pub kill_due: bool,
}

impl State {
    /// Whether the last result that counted was a success; none while there was no such result.
    pub fn alive(&self) -> Option<bool> {
        if self.last_success.is_none() && self.last_failure.is_none() {
            return None;
        }
        Some(self.last_success.is_some() && self.consecutive_failures == 0)
    }

    /// Takes one result of an instance that runs since `running_since`. Results for an instance that does not run (any more,
    /// or unreachable) should not come here.
    ///
    /// Within the grace period, and until the first success, a failure leaves no trace: the instance stays unknown rather than
    /// unhealthy. (Marathon leaves a record that makes it look unhealthy, though it acts on nothing.) The kill is due on failure
    /// number `max_consecutive_failures`, as Marathon documents; its code waits for one more.
    pub fn record(&mut self, now: Timestamp, outcome: &Outcome, running_since: Timestamp, check: &Check) -> Judgement {
        let before = self.alive();
        let failure_counted = match outcome {
            Outcome::Healthy => {
                self.first_success.get_or_insert(now);
                self.last_success = Some(now);
                self.consecutive_failures = 0;
                false
            }
            Outcome::Unhealthy { .. } if self.in_grace(now, running_since, check.grace_period) => false,
            Outcome::Unhealthy { cause } => {
                self.last_failure = Some(now);
                self.last_failure_cause = Some(bounded(cause.clone()));
                self.consecutive_failures = self.consecutive_failures.saturating_add(1);
                true
            }
            Outcome::Ignored => false,
        };
        let limit = check.max_consecutive_failures;
        Judgement {
            failure_counted,
            alive_changed: self.alive() != before,
            kill_due: failure_counted && limit > 0 && self.consecutive_failures >= limit,
        }
    }

    fn in_grace(&self, now: Timestamp, running_since: Timestamp, grace_period: Duration) -> bool {
        self.first_success.is_none() && now < running_since + grace_period
    }
}

/// The health of one instance over all its checks: healthy if every check says so, unknown while any has no result yet (and
/// without checks), else unhealthy.
pub fn aggregate<'a>(states: impl IntoIterator<Item = &'a State>) -> Option<bool> {
    let mut all = None;
    for state in states {
        let alive = state.alive()?;
        all = Some(all.unwrap_or(true) && alive);
    }
    all
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::{MAX_CAUSE_BYTES, PortRef, Protocol};

    const RUNNING_SINCE: Timestamp = Timestamp::from_millis(1_000_000);

    fn check(grace_secs: u64, max_consecutive_failures: u32) -> Check {
        Check {
            protocol: Protocol::Http { path: None, port: PortRef::Index(0) },
            grace_period: Duration::from_secs(grace_secs),
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(5),
            delay: Duration::ZERO,
            max_consecutive_failures,
            ignore_http_1xx: true,
        }
    }

    fn after(secs: u64) -> Timestamp {
        RUNNING_SINCE + Duration::from_secs(secs)
    }

    /// One letter per probe, ten seconds apart: `+` healthy, `-` failed, `i` ignored. Gives back, per probe: what is known
    /// afterwards (`?`, `+`, `-`), with `c` for a counted failure, `!` for a change and `K` for a kill.
    fn story(check: &Check, probes: &str) -> (State, String) {
        let mut state = State::default();
        let mut told = Vec::new();
        for (round, probe) in probes.chars().enumerate() {
            let outcome = match probe {
                '+' => Outcome::Healthy,
                '-' => Outcome::unhealthy(format!("round {round}")),
                _ => Outcome::Ignored,
            };
            let judgement = state.record(after(10 * round as u64), &outcome, RUNNING_SINCE, check);
            let mut word = String::from(match state.alive() {
                None => "?",
                Some(true) => "+",
                Some(false) => "-",
            });
            for (said, letter) in
                [(judgement.failure_counted, 'c'), (judgement.alive_changed, '!'), (judgement.kill_due, 'K')]
            {
                if said {
                    word.push(letter);
                }
            }
            told.push(word);
        }
        (state, told.join(" "))
    }

    #[test]
    fn results_are_counted_by_the_rules() {
        // grace period in seconds, most failures in a row, probes => what is said
        for (grace, max, probes, said) in [
            (0, 3, "+++", "+! + +"),
            (0, 3, "---", "-c! -c -cK"), // on failure number three, not four
            (0, 3, "--+--+---", "-c! -c +! -c! -c +! -c! -c -cK"), // a success starts the count again
            (0, 1, "-", "-c!K"),
            (0, 0, "-----", "-c! -c -c -c -c"), // 0: never
            (0, 2, "----", "-c! -cK -cK -cK"),  // said again, should the first kill have been lost
            (30, 3, "----", "? ? ? -c!"),       // no trace within the grace period, whose end is outside
            (30, 1, "-+-", "? +! -c!K"),        // which ends with the first success
            (300, 3, "---", "? ? ?"),
            (0, 3, "ii-i+i", "? ? -c! - +! +"), // an ignored answer leaves all as it is
            (0, 2, "-i-", "-c! - -cK"),         // and does not interrupt a run of failures
        ] {
            assert_eq!(story(&check(grace, max), probes).1, said, "grace {grace} s, max {max}: {probes}");
        }
    }

    #[test]
    fn the_record_tells_when_and_why() {
        let (state, _) = story(&check(0, 3), "+-+--");
        let expected = State {
            first_success: Some(after(0)),
            last_success: Some(after(20)),
            last_failure: Some(after(40)),
            last_failure_cause: Some("round 4".into()),
            consecutive_failures: 2,
        };
        assert_eq!(state, expected);
        let text = serde_json::to_string(&state).unwrap();
        assert_eq!(serde_json::from_str::<State>(&text).unwrap(), state);
    }

    #[test]
    fn a_cause_that_did_not_pass_the_constructor_is_bounded_all_the_same() {
        let mut state = State::default();
        let outcome = Outcome::Unhealthy { cause: "x".repeat(10 * MAX_CAUSE_BYTES) };
        state.record(after(0), &outcome, RUNNING_SINCE, &check(0, 3));
        assert_eq!(state.last_failure_cause.unwrap().len(), MAX_CAUSE_BYTES);
    }

    #[test]
    fn an_instance_is_as_healthy_as_the_worst_of_its_checks_once_all_are_known() {
        let known = |probes| story(&check(0, 3), probes).0;
        for (checks, expected) in [
            (vec![], None),
            (vec![""], None),
            (vec!["+"], Some(true)),
            (vec!["-"], Some(false)),
            (vec!["+", "+"], Some(true)),
            (vec!["+", "-"], Some(false)),
            (vec!["-", "+"], Some(false)),
            (vec!["+", ""], None),
            (vec!["-", ""], None),
            (vec!["", "-"], None),
        ] {
            let states: Vec<State> = checks.iter().map(|probes| known(*probes)).collect();
            assert_eq!(aggregate(&states), expected, "{checks:?}");
        }
    }

    proptest! {
        #[test]
        fn a_kill_is_due_exactly_when_the_last_results_were_that_many_failures(
            probes in "[-+i]{1,40}", max in 0..5u32,
        ) {
            let (_, said) = story(&check(0, max), &probes);
            let mut run = 0;
            for (probe, word) in probes.chars().zip(said.split(' ')) {
                match probe {
                    '-' => run += 1,
                    '+' => run = 0,
                    _ => {}
                }
                let due = probe == '-' && max > 0 && run >= max;
                prop_assert_eq!(word.contains('K'), due);
            }
        }

        #[test]
        fn nothing_is_killed_in_its_grace_period(probes in "-{1,30}", max in 1..5u32) {
            let (state, said) = story(&check(300, max), &probes);
            prop_assert!(!said.contains('K'));
            prop_assert_eq!(state, State::default());
        }
    }
}
