//! What is to happen when, if nothing else comes first.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use crate::Timestamp;

/// At most one moment per key, so that there are never more timers than things to time.
#[derive(Clone, Debug)]
pub struct Timers<K> {
    by_time: BTreeSet<(Timestamp, K)>,
    by_key: BTreeMap<K, Timestamp>,
}

impl<K> Default for Timers<K> {
    fn default() -> Self {
        Self { by_time: BTreeSet::new(), by_key: BTreeMap::new() }
    }
}

impl<K: Ord + Clone> Timers<K> {
    /// Sets the moment of `key`, instead of an earlier one.
    pub fn set(&mut self, key: K, at: Timestamp) {
        if let Some(before) = self.by_key.insert(key.clone(), at) {
            if before == at {
                return;
            }
            self.by_time.remove(&(before, key.clone()));
        }
        self.by_time.insert((at, key));
    }

    /// Sets the moment of `key`, or cancels it.
    pub fn put(&mut self, key: K, at: Option<Timestamp>) {
        match at {
            Some(at) => self.set(key, at),
            None => self.cancel(&key),
        }
    }

    /// Forgets the moment of `key`, if it has one.
    pub fn cancel(&mut self, key: &K) {
        if let Some(before) = self.by_key.remove(key) {
            self.by_time.remove(&(before, key.clone()));
        }
    }

    /// Whether `key` has a moment.
    pub fn is_set(&self, key: &K) -> bool {
        self.by_key.contains_key(key)
    }

    /// Every key that has a moment, in the order of the keys.
    pub fn keys(&self) -> impl Iterator<Item = &K> {
        self.by_key.keys()
    }

    /// Takes one key whose moment has come, the earliest first.
    pub fn pop_due(&mut self, now: Timestamp) -> Option<K> {
        if self.by_time.first()?.0 > now {
            return None;
        }
        let (_, key) = self.by_time.pop_first()?;
        self.by_key.remove(&key);
        Some(key)
    }

    /// The earliest moment.
    pub fn next(&self) -> Option<Timestamp> {
        self.by_time.first().map(|(at, _)| *at)
    }

    /// The clock was set back: everything keeps its distance. Costs what there is.
    pub fn bring_forward(&mut self, by: Duration) {
        for at in self.by_key.values_mut() {
            *at = *at - by;
        }
        self.by_time = self.by_key.iter().map(|(key, at)| (*at, key.clone())).collect();
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
        timers.set("a", at(5));
        timers.set("b", at(3));
        timers.set("a", at(1));
        timers.put("c", Some(at(2)));
        timers.put("c", None);
        assert_eq!((timers.next(), timers.is_set(&"b"), timers.is_set(&"c")), (Some(at(1)), true, false));
        assert_eq!(timers.pop_due(at(0)), None);
        assert_eq!(timers.pop_due(at(9)), Some("a"));
        assert_eq!(timers.pop_due(at(9)), Some("b"));
        assert_eq!(timers.pop_due(at(9)), None);
        assert_eq!((timers.next(), timers.keys().count()), (None, 0));
    }

    #[test]
    fn a_clock_set_back_does_not_hold_timers_up() {
        let mut timers = Timers::default();
        timers.set("a", at(3_600_500));
        timers.bring_forward(Duration::from_secs(3600));
        assert_eq!(timers.pop_due(at(500)), Some("a"));
    }
}
