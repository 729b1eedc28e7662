//! The one clock of the scheduler's process.

use std::time::SystemTime;

use marathon_time::Timestamp;

/// Now, by the machine's clock. It may jump; the core takes that as it comes.
pub fn now() -> Timestamp {
    SystemTime::now().into()
}
