//! The clock that the cores of master and agent are driven by.

use std::time::SystemTime;

use marathon_time::Timestamp;

/// The present, by the system's clock.
pub(crate) fn now() -> Timestamp {
    SystemTime::now().into()
}
