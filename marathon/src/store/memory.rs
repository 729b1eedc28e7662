//! A store for tests: keeps the sum of changes in memory, can be held up and can fail.

use std::sync::{
    Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use marathon_core::scheduler::{Change, Recovered};
use tokio::sync::Semaphore;

use super::{EventRow, Store, StoreError, Term};

/// See the module.
pub struct Memory {
    content: Mutex<Content>,
    /// A commit takes a permit while the store is held up.
    gate: Semaphore,
    fails_next: AtomicBool,
    loses_next_answer: AtomicBool,
}

#[derive(Default)]
struct Content {
    term: i64,
    state: Recovered,
    events: Vec<EventRow>,
}

impl Memory {
    pub fn new() -> Self {
        Self {
            content: Mutex::default(),
            gate: Semaphore::new(Semaphore::MAX_PERMITS),
            fails_next: AtomicBool::new(false),
            loses_next_answer: AtomicBool::new(false),
        }
    }

    /// Commits wait until [`Memory::let_go`].
    pub fn hold_up(&self) {
        self.gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    pub fn let_go(&self) {
        self.gate.add_permits(Semaphore::MAX_PERMITS);
    }

    /// The next commit fails and writes nothing.
    pub fn fail_next(&self) {
        self.fails_next.store(true, Ordering::SeqCst);
    }

    /// The next commit happens, but seems to fail.
    pub fn lose_next_answer(&self) {
        self.loses_next_answer.store(true, Ordering::SeqCst);
    }

    /// Somebody else begins a term.
    pub fn depose(&self) {
        self.content().term += 1;
    }

    pub fn state(&self) -> Recovered {
        self.content().state.clone()
    }

    fn content(&self) -> MutexGuard<'_, Content> {
        self.content.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Store for Memory {
    async fn lead(&self, _leader: &str) -> Result<Term, StoreError> {
        let mut content = self.content();
        content.term += 1;
        Ok(Term(content.term))
    }

    async fn load(&self) -> Result<Recovered, StoreError> {
        Ok(self.state())
    }

    async fn commit(&self, term: Term, changes: &[Change], events: &[EventRow]) -> Result<(), StoreError> {
        let _permit = self.gate.acquire().await.expect("the gate is never closed");
        if self.fails_next.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Query { doing: "commit", source: sqlx::Error::PoolClosed });
        }
        let mut content = self.content();
        if content.term != term.0 {
            return Err(StoreError::StaleTerm(term.0));
        }
        for change in changes {
            content.state.apply(change);
        }
        content.events.extend_from_slice(events);
        if self.loses_next_answer.swap(false, Ordering::SeqCst) {
            return Err(StoreError::Query { doing: "commit", source: sqlx::Error::PoolTimedOut });
        }
        Ok(())
    }

    async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let content = self.content();
        Ok(content.events.iter().filter(|row| row.seq > after).take(limit as usize).cloned().collect())
    }

    async fn oldest_event(&self) -> Result<Option<u64>, StoreError> {
        Ok(self.content().events.first().map(|row| row.seq))
    }

    async fn deposed(&self) {
        std::future::pending().await
    }
}
