//! The one clock of the scheduler's process.

use std::time::{SystemTime, UNIX_EPOCH};

use marathon_time::Timestamp;

/// Now, by the machine's clock. It may jump; the core takes that as it comes.
pub fn now() -> Timestamp {
    let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_millis(i64::try_from(since_epoch.as_millis()).unwrap_or(i64::MAX))
}
