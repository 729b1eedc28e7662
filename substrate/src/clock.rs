//! The only place of this crate that reads the clock.

use std::time::{SystemTime, UNIX_EPOCH};

use marathon_time::Timestamp;

/// The present, by the system's clock.
pub(crate) fn now() -> Timestamp {
    let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(elapsed.as_millis()).unwrap_or(i64::MAX))
}
