//! Time that does not run backwards, although clocks do.

use marathon_time::Timestamp;

/// A moment as the outside tells it and as timers count it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Now {
    /// What the clock shows: for timestamps that others read.
    pub wall: Timestamp,
    /// Never less than before: for deadlines. Equal to `wall` until the clock is set back for the first time.
    pub tick: Timestamp,
}

/// Counts on where it was when the clock is set back, so that no timer waits for the clock to catch up.
#[derive(Clone, Debug, Default)]
pub(crate) struct Monotone {
    /// How far ticks are ahead of the clock.
    ahead_millis: i64,
    last: Option<Timestamp>,
}

impl Monotone {
    /// The clock shows `wall`.
    pub fn advance(&mut self, wall: Timestamp) -> Now {
        let tick = Timestamp::from_millis(wall.as_millis().saturating_add(self.ahead_millis));
        let tick = match self.last {
            Some(last) if tick < last => {
                self.ahead_millis = last.as_millis().saturating_sub(wall.as_millis());
                last
            }
            Some(_) | None => tick,
        };
        self.last = Some(tick);
        Now { wall, tick }
    }

    /// The moment of the last step; the epoch before the first.
    pub fn now(&self) -> Now {
        let tick = self.last.unwrap_or_default();
        Now { wall: self.wall(tick), tick }
    }

    /// What the clock will show at `tick` if it is not set meanwhile.
    pub fn wall(&self, tick: Timestamp) -> Timestamp {
        Timestamp::from_millis(tick.as_millis().saturating_sub(self.ahead_millis))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ticks_go_on_where_they_were_when_the_clock_is_set_back() {
        let at = Timestamp::from_millis;
        let mut clock = Monotone::default();
        assert_eq!(clock.advance(at(10_000)), Now { wall: at(10_000), tick: at(10_000) });
        assert_eq!(clock.advance(at(4_000)), Now { wall: at(4_000), tick: at(10_000) });
        assert_eq!(clock.advance(at(5_000)), Now { wall: at(5_000), tick: at(11_000) });
        assert_eq!(clock.wall(at(12_000)), at(6_000));
        assert_eq!(clock.advance(at(20_000)).tick, at(26_000));
    }
}
