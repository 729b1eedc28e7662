//! Back-off: a configuration whose tasks fail is launched again only after a delay.
//!
//! The delay belongs to the configuration (an app and its `last_config_change_at`), not to an instance: scaling keeps it, an upgrade or a
//! restart begins without one.

use std::time::Duration;

use marathon_time::Timestamp;

use super::Queue;
use crate::{
    id::PathId,
    instance::Condition,
    spec::{App, Backoff},
};

/// Back-off of one configuration of an app.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Delay {
    /// How long.
    pub delay: Duration,
    /// Since when: the last failure, or the last launch or progress of an instance after it.
    pub since: Timestamp,
    /// The longest delay that the configuration allows.
    pub max: Duration,
}

impl Delay {
    /// When launches are allowed again.
    pub fn until(&self) -> Timestamp {
        self.since + self.delay
    }

    /// When it is forgotten: nothing failed or was launched for the longest delay although launches were allowed.
    ///
    /// Marathon counts from `since` and looks every ten seconds, so that there a delay at its maximum is often forgotten just
    /// before the launch that it was meant for, and a failing app starts again at the first delay.
    fn expires_at(&self) -> Timestamp {
        self.until() + self.max
    }
}

/// The delay after a failure: `initial`, then the one before times `factor`; never more than `max`.
///
/// With the defaults 1 s, 1.15 s, 1.3225 s … 300 s. Source: Marathon behaviour reference, back-off.
fn increased(backoff: &Backoff, before: Option<Duration>) -> Duration {
    let Some(before) = before else {
        return backoff.initial.min(backoff.max);
    };
    let seconds = before.as_secs_f64() * backoff.factor.max(1.0);
    // Also where the product is infinite or no number.
    Duration::try_from_secs_f64(seconds).map_or(backoff.max, |delay| delay.min(backoff.max))
}

impl Queue {
    /// When instances of this configuration may be launched again; `None`: there is no back-off. May be in the past.
    pub fn delay_until(&self, app: &App) -> Option<Timestamp> {
        self.delay(app).map(Delay::until)
    }

    /// The back-off of this configuration.
    pub fn delay(&self, app: &App) -> Option<&Delay> {
        self.delays.get(&key(app))
    }

    /// Whether instances of this configuration may be launched now.
    pub fn may_launch(&self, app: &App, now: Timestamp) -> bool {
        self.delay_until(app).is_none_or(|until| until <= now)
    }

    /// An instance of this configuration, version `app`, became `condition`: starts, lengthens or advances the delay, or does nothing.
    ///
    /// To be called once for each real change. Whatever ends by itself counts as a failure, normal exit included; what was killed does
    /// not (Marathon behaviour reference, back-off).
    pub fn observe(&mut self, app: &App, condition: Condition, now: Timestamp) {
        match condition {
            Condition::Dropped | Condition::Error | Condition::Failed | Condition::Gone | Condition::Finished => {
                self.failed(app, now);
            }
            Condition::Provisioned | Condition::Staging | Condition::Starting | Condition::Running => {
                self.advanced(app, now);
            }
            Condition::Scheduled
            | Condition::Killing
            | Condition::Killed
            | Condition::Unknown
            | Condition::Unreachable
            | Condition::UnreachableInactive => {}
        }
    }

    /// An instance of this configuration failed: the next launch is delayed, longer than last time.
    pub fn failed(&mut self, app: &App, now: Timestamp) {
        let backoff = &app.spec.backoff;
        let before = self.delay(app).map(|delay| delay.delay);
        let delay = Delay { delay: increased(backoff, before), since: now, max: backoff.max };
        self.put(key(app), delay);
    }

    /// An instance of this configuration is launched or gets further: a delay, if there is one, begins anew with its length.
    pub fn advanced(&mut self, app: &App, now: Timestamp) {
        if let Some(delay) = self.delay(app).copied() {
            self.put(key(app), Delay { since: now, ..delay });
        }
    }

    /// Forgets every back-off of an app. True if there was one.
    pub fn reset(&mut self, app: &PathId) -> bool {
        let from = (app.clone(), Timestamp::from_millis(i64::MIN));
        let of_app = self.delays.range(from..).map(|(key, _)| key).take_while(|(id, _)| id == app);
        let keys: Vec<_> = of_app.cloned().collect();
        for key in &keys {
            self.drop_delay(key);
        }
        !keys.is_empty()
    }

    /// Forgets every back-off whose configuration behaved for long enough. True if there was one.
    ///
    /// That is the longest delay of the configuration after the moment at which launches were allowed again.
    pub fn expire(&mut self, now: Timestamp) -> bool {
        let mut any = false;
        while let Some((at, id, config)) = self.expiries.get_min().cloned() {
            if at > now {
                break;
            }
            self.drop_delay(&(id, config));
            any = true;
        }
        any
    }

    /// When [`Queue::expire`] next has something to do.
    pub fn next_expiry(&self) -> Option<Timestamp> {
        self.expiries.get_min().map(|(at, _, _)| *at)
    }

    fn put(&mut self, key: (PathId, Timestamp), delay: Delay) {
        self.drop_delay(&key);
        let (id, config) = key.clone();
        self.expiries.insert((delay.expires_at(), id, config));
        self.delays.insert(key, delay);
    }

    fn drop_delay(&mut self, key: &(PathId, Timestamp)) {
        if let Some(delay) = self.delays.remove(key) {
            let (id, config) = key.clone();
            self.expiries.remove(&(delay.expires_at(), id, config));
        }
    }
}

fn key(app: &App) -> (PathId, Timestamp) {
    (app.spec.id.clone(), app.last_config_change_at)
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use proptest::prelude::*;

    use super::*;
    use crate::matching::fixtures::{app, at};

    fn app_with(initial: f64, factor: f64, max: f64) -> App {
        let mut app = app("/a");
        Arc::make_mut(&mut app.spec).backoff =
            Backoff { initial: Duration::from_secs_f64(initial), factor, max: Duration::from_secs_f64(max) };
        app
    }

    #[test]
    fn a_task_that_fails_at_once_is_launched_at_0_1_2_15_and_3_4725_seconds() {
        let app = app_with(1.0, 1.15, 300.0);
        let mut queue = Queue::default();
        let mut launches = vec![];
        let mut now = at(0);
        for _ in 0..4 {
            assert!(queue.may_launch(&app, now));
            launches.push(now.as_millis());
            queue.observe(&app, Condition::Provisioned, now);
            queue.observe(&app, Condition::Failed, now);
            assert!(!queue.may_launch(&app, now));
            now = queue.delay_until(&app).unwrap();
        }
        assert_eq!(launches, [0, 1000, 2150, 3473], "rounded up to whole milliseconds");
    }

    #[test]
    fn each_condition_does_what_the_table_says() {
        let app = app_with(2.0, 2.0, 300.0);
        // condition => delay and begin without and with one of 2 s since 0; the condition comes at 10 s
        for (condition, fresh, later) in [
            (Condition::Dropped, Some((2, 10)), (4, 10)),
            (Condition::Error, Some((2, 10)), (4, 10)),
            (Condition::Failed, Some((2, 10)), (4, 10)),
            (Condition::Gone, Some((2, 10)), (4, 10)),
            (Condition::Finished, Some((2, 10)), (4, 10)),
            (Condition::Provisioned, None, (2, 10)),
            (Condition::Staging, None, (2, 10)),
            (Condition::Starting, None, (2, 10)),
            (Condition::Running, None, (2, 10)),
            (Condition::Killed, None, (2, 0)),
            (Condition::Killing, None, (2, 0)),
            (Condition::Unknown, None, (2, 0)),
            (Condition::Unreachable, None, (2, 0)),
            (Condition::UnreachableInactive, None, (2, 0)),
            (Condition::Scheduled, None, (2, 0)),
        ] {
            let seen =
                |queue: &Queue| queue.delay(&app).map(|delay| (delay.delay.as_secs(), delay.since.as_millis() / 1000));
            let mut queue = Queue::default();
            queue.observe(&app, condition, at(10_000));
            assert_eq!(seen(&queue), fresh, "{condition:?} without a delay");
            let mut queue = Queue::default();
            queue.failed(&app, at(0));
            queue.observe(&app, condition, at(10_000));
            assert_eq!(seen(&queue), Some(later), "{condition:?} with a delay");
        }
    }

    #[test]
    fn the_delay_never_exceeds_its_maximum() {
        let short = app_with(10.0, 1.15, 5.0);
        let mut queue = Queue::default();
        queue.failed(&short, at(0));
        assert_eq!(queue.delay_until(&short), Some(at(5_000)));
        for factor in [1e300, f64::INFINITY, f64::NAN, -1.0] {
            let app = app_with(3.0, factor, 60.0);
            let mut queue = Queue::default();
            for _ in 0..5 {
                queue.failed(&app, at(0));
            }
            let expected = if factor > 1.0 { 60 } else { 3 };
            assert_eq!(queue.delay(&app).unwrap().delay.as_secs(), expected, "{factor}");
        }
    }

    #[test]
    fn scaling_keeps_the_delay_and_an_upgrade_begins_without() {
        let first = app_with(1.0, 2.0, 60.0);
        let mut queue = Queue::default();
        queue.failed(&first, at(0));
        let mut scaled = first.clone();
        (scaled.version, scaled.last_scaling_at) = (at(500), at(500));
        assert_eq!(queue.delay_until(&scaled), Some(at(1_000)));
        let mut upgraded = first.clone();
        (upgraded.version, upgraded.last_config_change_at) = (at(600), at(600));
        assert_eq!(queue.delay_until(&upgraded), None);
        queue.failed(&first, at(700));
        assert_eq!(queue.delay_until(&upgraded), None, "an old instance that fails does not delay new ones");
        queue.failed(&upgraded, at(700));
        assert!(queue.reset(&first.spec.id));
        assert_eq!((queue.delay_until(&first), queue.delay_until(&upgraded)), (None, None));
        assert!(!queue.reset(&first.spec.id));
        assert_eq!(queue.next_expiry(), None);
    }

    #[test]
    fn a_delay_is_forgotten_when_nothing_failed_for_the_longest_delay_after_it_was_over() {
        let app = app_with(1.0, 2.0, 60.0);
        let mut queue = Queue::default();
        queue.failed(&app, at(0));
        assert_eq!(queue.next_expiry(), Some(at(61_000)));
        queue.advanced(&app, at(5_000));
        assert_eq!(queue.next_expiry(), Some(at(66_000)));
        assert!(!queue.expire(at(65_999)));
        assert_eq!(queue.delay_until(&app), Some(at(6_000)));
        assert!(queue.expire(at(66_000)));
        assert_eq!((queue.delay_until(&app), queue.next_expiry()), (None, None));
    }

    #[test]
    fn resetting_one_app_leaves_its_neighbours() {
        let (a, mut b) = (app_with(1.0, 2.0, 60.0), app_with(1.0, 2.0, 60.0));
        Arc::make_mut(&mut b.spec).id = "/a/b".parse().unwrap();
        let mut queue = Queue::default();
        queue.failed(&a, at(0));
        queue.failed(&b, at(0));
        assert!(queue.reset(&a.spec.id));
        assert_eq!((queue.delay_until(&a), queue.delay_until(&b)), (None, Some(at(1_000))));
    }

    proptest! {
        #[test]
        fn the_index_agrees_with_the_delays(steps in proptest::collection::vec((0..6u8, 0..4u8, 0..90_000i64), 0..60)) {
            let mut queue = Queue::default();
            let mut now = at(0);
            for (action, which, later) in steps {
                now = at(now.as_millis() + later);
                let mut app = app_with(1.0, 1.5, 30.0);
                app.last_config_change_at = at(i64::from(which / 2));
                if which % 2 == 1 {
                    Arc::make_mut(&mut app.spec).id = "/b".parse().unwrap();
                }
                match action {
                    0..=2 => queue.failed(&app, now),
                    3 => queue.advanced(&app, now),
                    4 => { queue.reset(&app.spec.id); }
                    _ => { queue.expire(now); }
                }
                prop_assert_eq!(queue.next_expiry(), queue.delays.values().map(Delay::expires_at).min());
                prop_assert_eq!(queue.expiries.len(), queue.delays.len());
            }
        }
    }
}
