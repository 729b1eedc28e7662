//! How much of the event log is kept.

use std::{collections::VecDeque, time::Duration};

use marathon_time::Timestamp;

/// The age of events is known to within this part of the greatest age: so many moments are remembered, instead of one per event.
const MARKS: u32 = 10;

/// What is no longer kept, and what will not be soon.
#[derive(Debug)]
pub(super) struct Retention {
    /// Events up to here are gone.
    dropped: u64,
    /// Moments and the newest event at each, oldest first; at most [`MARKS`] and one.
    marks: VecDeque<(Timestamp, u64)>,
}

impl Retention {
    /// At a start the age of the events that are there is not known: they count as new.
    pub fn new(now: Timestamp, newest: u64) -> Self {
        Self { dropped: 0, marks: VecDeque::from([(now, newest)]) }
    }

    /// The clock was set back: nothing was marked in the future.
    pub fn clock_set_back(&mut self, now: Timestamp) {
        for (at, _) in &mut self.marks {
            *at = (*at).min(now);
        }
    }

    /// Up to which event the log is to be dropped now, if at all. Too many go in steps of a tenth of what is kept, too old ones in
    /// steps of a tenth of the greatest age, so that not every event costs a deletion.
    pub fn drop_up_to(&mut self, now: Timestamp, newest: u64, max_events: u64, max_age: Duration) -> Option<u64> {
        let mut dropped = self.dropped;
        if newest - dropped > max_events.saturating_add(max_events / 10) {
            dropped = newest - max_events;
        }
        while let Some((_, seq)) = self.marks.pop_front_if(|(at, _)| now.since(*at) >= max_age) {
            dropped = dropped.max(seq);
        }
        if self.marks.back().is_none_or(|(at, _)| now.since(*at) >= max_age / MARKS) {
            self.marks.push_back((now, newest));
        }
        let more = dropped > self.dropped;
        self.dropped = dropped;
        more.then_some(dropped)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(secs: i64) -> Timestamp {
        Timestamp::from_millis(secs * 1000)
    }

    #[test]
    fn events_go_when_they_are_too_many_in_steps_of_a_tenth() {
        let mut retention = Retention::new(at(0), 0);
        let mut drop = |newest| retention.drop_up_to(at(0), newest, 100, Duration::MAX);
        assert_eq!((drop(100), drop(110), drop(111), drop(112)), (None, None, Some(11), None));
    }

    #[test]
    fn events_go_when_they_are_too_old_to_within_a_tenth_of_the_age() {
        let day = Duration::from_secs(100);
        let mut retention = Retention::new(at(0), 5);
        let mut dropped = 0;
        // One event a second; the event of second n has position 5 + n.
        for second in 1..=1_000 {
            let newest = 5 + second as u64;
            if let Some(up_to) = retention.drop_up_to(at(second), newest, u64::MAX, day) {
                dropped = up_to;
            }
            let oldest_age = newest - dropped;
            assert!(second < 100 || (100..=110).contains(&oldest_age), "{oldest_age} s at {second}");
            assert!(retention.marks.len() <= MARKS as usize + 1);
        }
    }

    #[test]
    fn a_clock_that_was_set_back_does_not_keep_events_for_ever() {
        let mut retention = Retention::new(at(1_000_000), 5);
        retention.clock_set_back(at(10));
        assert_eq!(retention.drop_up_to(at(109), 6, 100, Duration::from_secs(100)), None);
        assert_eq!(retention.drop_up_to(at(110), 7, 100, Duration::from_secs(100)), Some(5));
    }
}
