//! Points in time as this product counts and prints them, and what is due at them.
//!
//! [`Timestamp`] is used by every core and every wire shape, [`Timers`] by every core. Nothing here reads a clock: who owns one (a
//! shell, a test, the simulator) hands timestamps in.

mod timers;

pub use timers::Timers;

use std::{
    fmt,
    ops::{Add, Sub},
    str::FromStr,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// Milliseconds since the Unix epoch, UTC.
///
/// Milliseconds because that is the resolution of Marathon's versions: two definitions stored within one millisecond
/// would have one name.
///
/// Printed, and serialized, as `2026-03-04T05:06:07.089Z`, always with three decimals; parsed from any ISO-8601 date-time
/// with an offset (finer fractions are cut off).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Timestamp(i64);

impl Timestamp {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);
    /// Earliest and latest moment that can be printed with a year of four digits, and parsed again: as far as jiff goes.
    const BOUNDS: (i64, i64) = (-62_135_596_800_000, 253_402_207_200_000);

    /// The moment `millis` milliseconds after the Unix epoch; before the year 1 or past 9999 the nearest moment within.
    pub const fn from_millis(millis: i64) -> Self {
        let (earliest, latest) = Self::BOUNDS;
        if millis < earliest {
            return Self(earliest);
        }
        if millis > latest {
            return Self(latest);
        }
        Self(millis)
    }

    /// Milliseconds since the Unix epoch.
    pub const fn as_millis(self) -> i64 {
        self.0
    }

    /// Seconds since the Unix epoch with a fraction, as Mesos states times in JSON.
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1000.0
    }

    /// How long after `earlier` this is; zero if it is not.
    pub fn since(self, earlier: Self) -> Duration {
        Duration::from_millis(u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0))
    }
}

/// What a clock of the machine said, cut off to milliseconds; the epoch for what comes before it.
impl From<SystemTime> for Timestamp {
    fn from(moment: SystemTime) -> Self {
        let elapsed = moment.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
    }
}

impl Add<Duration> for Timestamp {
    type Output = Self;

    /// Rounds the duration up to whole milliseconds, so that waiting until the sum never wakes too early. Saturates.
    fn add(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_nanos().div_ceil(1_000_000)).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_add(millis))
    }
}

impl Sub<Duration> for Timestamp {
    type Output = Self;

    fn sub(self, duration: Duration) -> Self {
        let millis = i64::try_from(duration.as_millis()).unwrap_or(i64::MAX);
        Self::from_millis(self.0.saturating_sub(millis))
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let moment = jiff::Timestamp::from_millisecond(self.0).expect("the constructors keep within jiff's bounds");
        write!(f, "{moment:.3}")
    }
}

/// The text is not an ISO-8601 date-time with an offset.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("Invalid timestamp provided '{0}'. Expecting ISO-8601 datetime string.")]
pub struct InvalidTimestamp(pub String);

impl FromStr for Timestamp {
    type Err = InvalidTimestamp;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let moment: jiff::Timestamp = text.parse().map_err(|_| InvalidTimestamp(text.to_owned()))?;
        Ok(Self::from_millis(moment.as_millisecond()))
    }
}

impl Serialize for Timestamp {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_timestamp_prints_three_decimals_and_parses_back() {
        for (millis, text) in [
            (0, "1970-01-01T00:00:00.000Z"),
            (1_772_600_767_089, "2026-03-04T05:06:07.089Z"),
            (1_772_600_767_500, "2026-03-04T05:06:07.500Z"),
            (-1, "1969-12-31T23:59:59.999Z"),
        ] {
            assert_eq!(Timestamp::from_millis(millis).to_string(), text);
            assert_eq!(text.parse(), Ok(Timestamp::from_millis(millis)));
        }
    }

    #[test]
    fn offsets_and_finer_fractions_are_understood_and_other_texts_refused() {
        assert_eq!("2026-03-04T06:06:07.0899+01:00".parse(), Ok(Timestamp::from_millis(1_772_600_767_089)));
        for text in ["", "yesterday", "2026-03-04", "2026-03-04T05:06:07", "2026-13-04T05:06:07Z"] {
            assert_eq!(text.parse::<Timestamp>(), Err(InvalidTimestamp(text.to_owned())));
        }
    }

    #[test]
    fn every_value_can_be_printed() {
        for millis in [i64::MIN, i64::MAX] {
            let moment = Timestamp::from_millis(millis);
            assert_eq!(moment.to_string().parse(), Ok(moment));
        }
        assert_eq!(Timestamp::EPOCH + Duration::MAX, Timestamp::from_millis(i64::MAX));
        let latest: Timestamp = "9999-12-30T22:00:00.999Z".parse().unwrap();
        assert_eq!(latest.to_string(), "9999-12-30T22:00:00.000Z");
    }

    #[test]
    fn what_a_clock_says_becomes_milliseconds_since_the_epoch() {
        let moment = UNIX_EPOCH + Duration::from_micros(1_772_600_767_089_999);
        assert_eq!(Timestamp::from(moment), Timestamp::from_millis(1_772_600_767_089));
        assert_eq!(Timestamp::from(UNIX_EPOCH - Duration::from_secs(1)), Timestamp::EPOCH);
    }

    #[test]
    fn waiting_for_a_sum_never_wakes_too_early() {
        assert_eq!(Timestamp::EPOCH + Duration::from_nanos(1), Timestamp::from_millis(1));
        assert_eq!(Timestamp::from_millis(5).since(Timestamp::from_millis(7)), Duration::ZERO);
    }
}
