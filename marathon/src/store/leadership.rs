//! Who may lead: an advisory lock in PostgreSQL, a locked file beside SQLite. Only for speed and order: what keeps a deposed
//! leader from writing is the term that every commit proves.

use std::{fs::File, path::PathBuf, time::Duration};

use nix::fcntl::{Flock, FlockArg};
use sqlx::{ConnectOptions, Connection, PgConnection, postgres::PgConnectOptions};
use tokio::sync::Mutex;
use tracing::{info, warn};

use super::StoreError;

/// Key of the advisory lock, the same in every scheduler of one database: `marathon` in ASCII.
const LOCK_KEY: i64 = i64::from_be_bytes(*b"marathon");
/// How often a standby tries, and a leader looks whether its lock's connection lives.
const POLL: Duration = Duration::from_secs(1);
/// A database that does not answer for so long may have given the lock to somebody else.
const ANSWER_LIMIT: Duration = Duration::from_secs(5);

/// The right to lead, as far as it can be held.
pub(super) enum Lease {
    /// A session lock lives exactly as long as this connection.
    Postgres { options: Box<PgConnectOptions>, session: Mutex<Option<PgConnection>> },
    /// One process; the lock was taken when the store was opened.
    File { _lock: Flock<File> },
}

impl Lease {
    /// Locks `path` for this process until it ends.
    pub(super) fn file(path: PathBuf) -> Result<Self, StoreError> {
        let name = path.display().to_string();
        let file = File::create(&path).map_err(|source| StoreError::Lock { path: name.clone(), source })?;
        match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
            Ok(lock) => Ok(Self::File { _lock: lock }),
            Err((_, nix::errno::Errno::EWOULDBLOCK)) => Err(StoreError::InUse { path: name }),
            Err((_, errno)) => Err(StoreError::Lock { path: name, source: errno.into() }),
        }
    }

    /// Waits until the lease is ours.
    pub(super) async fn acquire(&self) -> Result<(), StoreError> {
        let Self::Postgres { options, session } = self else { return Ok(()) };
        let failed = |source| StoreError::Query { doing: "take the leader lock", source };
        let mut session = session.lock().await;
        if let Some(stale) = session.take() {
            // A lock taken twice would have to be given up twice.
            let _ = stale.close().await;
        }
        let mut connection = options.connect().await.map_err(failed)?;
        let mut told = false;
        loop {
            let taken: bool = sqlx::query_scalar("SELECT pg_try_advisory_lock($1)")
                .bind(LOCK_KEY)
                .fetch_one(&mut connection)
                .await
                .map_err(failed)?;
            if taken {
                *session = Some(connection);
                return Ok(());
            }
            if !told {
                info!("another scheduler leads; waiting");
                told = true;
            }
            tokio::time::sleep(POLL).await;
        }
    }

    /// Returns when the lease is lost; never for a file.
    pub(super) async fn lost(&self) {
        let Self::Postgres { session, .. } = self else { return std::future::pending().await };
        loop {
            tokio::time::sleep(POLL).await;
            let mut session = session.lock().await;
            let Some(connection) = session.as_mut() else { return };
            match tokio::time::timeout(ANSWER_LIMIT, connection.ping()).await {
                Ok(Ok(())) => continue,
                Ok(Err(error)) => warn!(error = %error, "the leader lock's connection broke"),
                Err(_) => warn!(limit_ms = ANSWER_LIMIT.as_millis(), "the leader lock's connection does not answer"),
            }
            *session = None;
            return;
        }
    }
}
