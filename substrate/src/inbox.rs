//! How the loops around the cores wait: for everything that is there, or for time to pass.

use std::time::Duration;

use marathon_time::Timestamp;
use tokio::sync::mpsc;

use crate::clock;

/// So much is taken at once; the rest waits for the next turn.
const BATCH: usize = 512;
/// The clock may be moved while a loop sleeps, so it looks at least this often.
const LONGEST_SLEEP: Duration = Duration::from_secs(5);

/// Fills the empty `batch` with what is waiting, at least one item unless `wakeup` has come (or [`LONGEST_SLEEP`] has passed) first.
/// `false`: nobody can send any more.
pub(crate) async fn next_batch<T>(
    inbox: &mut mpsc::Receiver<T>,
    wakeup: Option<Timestamp>,
    batch: &mut Vec<T>,
) -> bool {
    let time_left = wakeup.map_or(LONGEST_SLEEP, |wakeup| wakeup.since(clock::now()).min(LONGEST_SLEEP));
    match tokio::time::timeout(time_left, inbox.recv_many(batch, BATCH)).await {
        Ok(received) => received > 0,
        Err(_) => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn a_batch_is_all_that_waits_up_to_its_bound() {
        let (sender, mut inbox) = mpsc::channel(BATCH * 2);
        for item in 0..BATCH + 1 {
            sender.try_send(item).unwrap();
        }
        let mut batch = Vec::new();
        assert!(next_batch(&mut inbox, None, &mut batch).await);
        assert_eq!(batch.len(), BATCH);
        batch.clear();
        assert!(next_batch(&mut inbox, None, &mut batch).await);
        assert_eq!(batch, [BATCH]);
    }

    #[tokio::test]
    async fn a_moment_that_has_passed_ends_the_wait() {
        let (_sender, mut inbox) = mpsc::channel::<()>(1);
        let mut batch = Vec::new();
        assert!(next_batch(&mut inbox, Some(Timestamp::EPOCH), &mut batch).await);
        assert!(batch.is_empty());
    }

    #[tokio::test]
    async fn without_senders_there_is_no_next_batch() {
        let (sender, mut inbox) = mpsc::channel::<()>(1);
        drop(sender);
        assert!(!next_batch(&mut inbox, None, &mut Vec::new()).await);
    }
}
