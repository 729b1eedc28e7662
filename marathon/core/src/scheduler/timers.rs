//! What is to happen when, if nothing else comes first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use marathon_time::Timestamp;
use substrate_core::protocol::TaskId;

use crate::id::{InstanceId, PathId};

/// Something that time alone makes due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Open a subscription, or give up waiting for one.
    Subscribe,
    /// The master has been silent for long.
    Silence,
    /// Compare tasks with the master's.
    Reconcile,
    /// Asking for offers is allowed again.
    Revive,
    /// A back-off of the spec ends.
    Backoff(PathId),
    /// Back-offs may be forgotten.
    Expiry,
    /// The launch takes too long.
    Launch(InstanceId),
    /// The kill had no effect yet.
    Kill(InstanceId),
    /// The same for a task that belongs to no instance.
    Stray(TaskId),
    /// The instance has been out of reach for long.
    Unreachable(InstanceId),
    /// A health check is due, or its answer overdue.
    Probe(InstanceId),
}

/// At most one moment per timer.
#[derive(Clone, Debug, Default)]
pub(super) struct Timers {
    by_time: BTreeSet<(Timestamp, Timer)>,
    by_timer: BTreeMap<Timer, Timestamp>,
}

impl Timers {
    pub fn set(&mut self, timer: Timer, at: Timestamp) {
        if let Some(before) = self.by_timer.insert(timer.clone(), at) {
            if before == at {
                return;
            }
            self.by_time.remove(&(before, timer.clone()));
        }
        self.by_time.insert((at, timer));
    }

    /// Sets the timer, or cancels it.
    pub fn put(&mut self, timer: Timer, at: Option<Timestamp>) {
        match at {
            Some(at) => self.set(timer, at),
            None => self.cancel(&timer),
        }
    }

    pub fn cancel(&mut self, timer: &Timer) {
        if let Some(at) = self.by_timer.remove(timer) {
            self.by_time.remove(&(at, timer.clone()));
        }
    }

    pub fn is_set(&self, timer: &Timer) -> bool {
        self.by_timer.contains_key(timer)
    }

    /// Takes the earliest timer that is due.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<Timer> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, timer) = self.by_time.pop_first()?;
        self.by_timer.remove(&timer);
        Some(timer)
    }

    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// Instances whose kill is on its way.
    pub fn kills(&self) -> impl Iterator<Item = &InstanceId> {
        self.by_timer.keys().filter_map(|timer| match timer {
            Timer::Kill(id) => Some(id),
            Timer::Subscribe
            | Timer::Silence
            | Timer::Reconcile
            | Timer::Revive
            | Timer::Backoff(_)
            | Timer::Expiry
            | Timer::Launch(_)
            | Timer::Stray(_)
            | Timer::Unreachable(_)
            | Timer::Probe(_) => None,
        })
    }

    /// The clock was set back: everything keeps its distance.
    pub fn bring_forward(&mut self, by: Duration) {
        for at in self.by_timer.values_mut() {
            *at = *at - by;
        }
        self.by_time = self.by_timer.iter().map(|(timer, at)| (*at, timer.clone())).collect();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    #[test]
    fn a_timer_fires_once_at_the_moment_last_set() {
        let mut timers = Timers::default();
        timers.set(Timer::Revive, at(5));
        timers.set(Timer::Reconcile, at(3));
        timers.set(Timer::Revive, at(7));
        timers.put(Timer::Silence, Some(at(1)));
        timers.put(Timer::Silence, None);
        assert_eq!((timers.next(), timers.pop_due(at(2))), (Some(at(3)), None));
        assert_eq!(timers.pop_due(at(10)), Some(Timer::Reconcile));
        assert_eq!(timers.pop_due(at(10)), Some(Timer::Revive));
        assert_eq!((timers.pop_due(at(10)), timers.next()), (None, None));
    }

    #[test]
    fn a_clock_set_back_does_not_hold_timers_up() {
        let mut timers = Timers::default();
        timers.set(Timer::Revive, at(3_600_500));
        timers.bring_forward(Duration::from_secs(3600));
        assert_eq!(timers.pop_due(at(500)), Some(Timer::Revive));
    }
}
