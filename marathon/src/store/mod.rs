//! Where the scheduler's state outlives its process: SQLite for one scheduler, PostgreSQL for several.
//!
//! The core *is* the state; a store keeps the sum of its changes and gives it back at the start of a leader's term. SQL appears
//! in this folder only.

mod batch;
mod codec;
#[cfg(test)]
mod conformance;
mod leadership;
#[cfg(test)]
mod memory;
mod schema;
mod sql;
mod url;

use std::sync::Arc;

use async_trait::async_trait;
use marathon_core::scheduler::{Change, Recovered};

#[cfg(test)]
pub use memory::Memory;
pub use sql::SqlStore;

/// Counts leaders: greater for every later one. A store refuses the changes of any but the latest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Term(pub i64);

/// An event as it is kept and sent.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EventRow {
    /// Position in the log.
    pub seq: u64,
    /// When it happened, milliseconds since the Unix epoch.
    pub at_ms: i64,
    /// `deployment_success` and so on.
    pub kind: Arc<str>,
    /// One line of JSON.
    pub body: Arc<str>,
}

/// Keeps what must not be lost.
#[async_trait]
pub trait Store: Send + Sync {
    /// Waits until nobody else leads, then begins a new term in the name of `leader` (`host:port`).
    async fn lead(&self, leader: &str) -> Result<Term, StoreError>;

    /// The sum of all changes.
    async fn load(&self) -> Result<Recovered, StoreError>;

    /// Makes changes and events durable, all or none, if `term` is still the present one.
    async fn commit(&self, term: Term, changes: &[Change], events: &[EventRow]) -> Result<(), StoreError>;

    /// At most `limit` events after position `after`, in order. Fewer than asked for: there are no more.
    async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<EventRow>, StoreError>;

    /// Position of the oldest event that is kept; `None`: no events.
    async fn oldest_event(&self) -> Result<Option<u64>, StoreError>;

    /// Returns when leadership may have been lost without a commit failing (the lock's connection broke).
    async fn deposed(&self);
}

/// Why a store could not do its work.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The URL is not one that we know.
    #[error("'{0}' is not a store: expected sqlite:PATH or postgres://USER@HOST/DATABASE")]
    UnknownUrl(String),
    /// The file is in use.
    #[error("{path} is in use by another process")]
    InUse {
        /// Lock file.
        path: String,
    },
    /// The lock file cannot be made.
    #[error("cannot lock {path}")]
    Lock {
        /// Lock file.
        path: String,
        /// Cause.
        #[source]
        source: std::io::Error,
    },
    /// Connecting failed.
    #[error("cannot open the store at {url}")]
    Open {
        /// Without password.
        url: String,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// The schema could not be brought up to date.
    #[error("cannot migrate the store")]
    Migrate(#[source] Box<sqlx::migrate::MigrateError>),
    /// Somebody else leads.
    #[error("term {0} is over: another scheduler leads")]
    StaleTerm(i64),
    /// A statement failed.
    #[error("cannot {doing}")]
    Query {
        /// What was tried.
        doing: &'static str,
        /// Cause.
        #[source]
        source: sqlx::Error,
    },
    /// A row does not hold what was stored.
    #[error("{table} row '{key}' is damaged: {reason}")]
    Damaged {
        /// Table.
        table: &'static str,
        /// Key of the row.
        key: String,
        /// What is wrong.
        reason: String,
    },
}
