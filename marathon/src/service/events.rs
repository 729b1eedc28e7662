//! The event log as subscribers read it: the newest events from memory, older ones from the store.

use std::{
    collections::VecDeque,
    sync::{Arc, Mutex, PoisonError},
};

use tokio::sync::watch;

use crate::store::{EventRow, Store, StoreError};

/// Events kept in memory. A subscriber that is further behind reads from the store until it has caught up.
const IN_MEMORY: usize = 4_096;
/// Bytes of these events at most: each event of a large deployment names every app of its plan.
const IN_MEMORY_BYTES: usize = 64 << 20;
/// Events handed to a subscriber at once.
const AT_ONCE: usize = 256;

/// The event log.
pub struct EventLog {
    recent: Mutex<Recent>,
    /// Position of the newest event that may be told.
    newest: watch::Sender<u64>,
    store: Arc<dyn Store>,
}

/// The newest events, oldest first.
#[derive(Default)]
struct Recent {
    rows: VecDeque<EventRow>,
    /// Length of all their bodies.
    bytes: usize,
}

impl Recent {
    /// Takes on the next events; as many of the oldest go as are too many.
    fn append(&mut self, rows: Vec<EventRow>) {
        self.bytes += rows.iter().map(|row| row.body.len()).sum::<usize>();
        self.rows.extend(rows);
        while self.rows.len() > IN_MEMORY || self.bytes > IN_MEMORY_BYTES {
            let Some(oldest) = self.rows.pop_front() else { return };
            self.bytes -= oldest.body.len();
        }
    }
}

impl EventLog {
    pub(super) fn new(store: Arc<dyn Store>) -> Self {
        Self { recent: Mutex::default(), newest: watch::Sender::new(0), store }
    }

    /// Makes known how far the log goes at the start of a term. What is in memory belongs to the same log and stays.
    pub(super) fn begin(&self, last: u64) {
        self.newest.send_if_modified(|newest| {
            let moved = *newest < last;
            *newest = last.max(*newest);
            moved
        });
    }

    /// Tells everybody. The rows follow each other and the last ones told, and are durable.
    pub(super) fn append(&self, rows: Vec<EventRow>) {
        let Some(last) = rows.last().map(|row| row.seq) else { return };
        {
            let mut recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
            let follows = recent.rows.back().is_none_or(|row| row.seq + 1 == rows[0].seq);
            if !follows {
                // Another leader wrote in between: what is here would hide the gap.
                *recent = Recent::default();
            }
            recent.append(rows);
        }
        self.newest.send_replace(last);
    }

    /// Position of the newest event.
    pub fn newest(&self) -> u64 {
        *self.newest.borrow()
    }

    /// Position of the oldest event that is kept; `None`: there are none.
    pub async fn oldest(&self) -> Result<Option<u64>, StoreError> {
        self.store.oldest_event().await
    }

    /// Events after position `after`, from then on for ever.
    pub fn subscribe(self: &Arc<Self>, after: u64) -> Subscription {
        Subscription { log: self.clone(), newest: self.newest.subscribe(), after }
    }

    /// Events after `after` if memory reaches back that far.
    fn recent_after(&self, after: u64) -> Option<Vec<EventRow>> {
        let recent = self.recent.lock().unwrap_or_else(PoisonError::into_inner);
        let first = recent.rows.front()?.seq;
        if after + 1 < first {
            return None;
        }
        let skipped = usize::try_from(after + 1 - first).unwrap_or(usize::MAX);
        Some(recent.rows.iter().skip(skipped).take(AT_ONCE).cloned().collect())
    }
}

/// A position in the event log that moves on.
pub struct Subscription {
    log: Arc<EventLog>,
    newest: watch::Receiver<u64>,
    after: u64,
}

impl Subscription {
    /// The next events, at least one, in order and without gaps (events that were dropped from the log before the position
    /// was reached excepted). Waits until there are some. `None`: the service is gone.
    pub async fn next(&mut self) -> Option<Result<Vec<EventRow>, StoreError>> {
        loop {
            let after = self.after;
            self.newest.wait_for(|newest| *newest > after).await.ok()?;
            let rows = match self.log.recent_after(after) {
                Some(rows) if !rows.is_empty() => rows,
                _ => match self.log.store.events_after(after, AT_ONCE as u32).await {
                    Ok(rows) => rows,
                    Err(error) => return Some(Err(error)),
                },
            };
            if let Some(last) = rows.last() {
                self.after = last.seq;
                return Some(Ok(rows));
            }
            // Everything up to the newest was dropped meanwhile: go on from there.
            self.after = self.log.newest().max(after);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(seq: u64, bytes: usize) -> EventRow {
        EventRow { seq, at_ms: 0, kind: "deployment_info".into(), body: "x".repeat(bytes).into() }
    }

    #[test]
    fn memory_holds_a_bounded_number_of_events_and_of_bytes() {
        let mut recent = Recent::default();
        recent.append((0..IN_MEMORY as u64 + 10).map(|seq| row(seq, 1)).collect());
        assert_eq!((recent.rows.len(), recent.bytes, recent.rows[0].seq), (IN_MEMORY, IN_MEMORY, 10));
        recent.append((5_000..5_010).map(|seq| row(seq, IN_MEMORY_BYTES / 4)).collect());
        let kept: Vec<u64> = recent.rows.iter().map(|row| row.seq).collect();
        assert_eq!((kept, recent.bytes), (vec![5_006, 5_007, 5_008, 5_009], IN_MEMORY_BYTES));
    }
}
