//! Waiting for conditions.

use std::time::{Duration, Instant};

/// More than anything here takes on a machine that has much else to do.
pub const PATIENCE: Duration = Duration::from_secs(90);
/// Between two looks.
const PAUSE: Duration = Duration::from_millis(20);

/// Looks until there is something to see; fails, naming `what`, after [`PATIENCE`].
pub async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(start.elapsed() < PATIENCE, "not within {PATIENCE:?}: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// Like [`until`], for a plain condition.
pub async fn until_true(what: &str, mut look: impl AsyncFnMut() -> bool) {
    until(what, async || look().await.then_some(())).await;
}
