//! The store over SQL, one text for both databases: numbered placeholders, `TEXT` and `BIGINT` only, ids from the core.

use std::{collections::BTreeMap, time::Duration};

use async_trait::async_trait;
use marathon_core::{
    deployment::Deployment,
    id::PathId,
    instance::Instance,
    scheduler::{Change, Recovered},
    state::{Group, TaskFailure},
};
use marathon_time::Timestamp;
use sqlx::{
    Any, AnyConnection, AnyPool, AssertSqlSafe, Connection, Row,
    any::{AnyArguments, AnyPoolOptions, AnyRow},
    query::Query,
};
use substrate_core::protocol::FrameworkId;
use tokio::sync::Mutex;

use super::{
    EventRow, Store, StoreError, Term,
    batch::Batch,
    codec,
    leadership::Lease,
    schema,
    url::{redacted, resolve},
};

/// Rows per statement: well under the limits on parameters (32,766 in SQLite, 65,535 in PostgreSQL) with four columns.
const ROWS_PER_STATEMENT: usize = 1_000;
/// Connections for reading the event log; there is one more for writing.
const READERS: u32 = 4;
/// A commit that takes longer is given up, and with it the term: whether it happened is seen when the next one begins.
const COMMIT_LIMIT: Duration = Duration::from_secs(30);

/// A store in SQLite or PostgreSQL.
pub struct SqlStore {
    /// The one connection that writes. `None` after a failure, until the next term opens another.
    writer: Mutex<Option<AnyConnection>>,
    readers: AnyPool,
    lease: Lease,
    url: String,
    is_sqlite: bool,
}

impl SqlStore {
    /// Opens `sqlite:PATH` or `postgres://…` and brings its schema up to date.
    ///
    /// # Errors
    /// Another URL; a file that is in use or cannot be made; a database that cannot be reached or migrated.
    pub async fn open(url: &str) -> Result<Self, StoreError> {
        sqlx::any::install_default_drivers();
        let (connect_url, lease, is_sqlite) = resolve(url)?;
        let opened = |source| StoreError::Open { url: redacted(url), source };
        let mut writer = connect(&connect_url, is_sqlite).await.map_err(opened)?;
        schema::migrator().run(&mut writer).await.map_err(|error| StoreError::Migrate(Box::new(error)))?;
        let readers = AnyPoolOptions::new()
            .max_connections(READERS)
            .acquire_timeout(Duration::from_secs(10))
            .after_connect(move |connection, _| Box::pin(async move { prepare(connection, is_sqlite).await }))
            .connect_lazy(&connect_url)
            .map_err(opened)?;
        Ok(Self { writer: Mutex::new(Some(writer)), readers, lease, url: connect_url, is_sqlite })
    }

    /// The writing connection, opened again if the last one failed.
    async fn reopened<'a>(&self, writer: &'a mut Option<AnyConnection>) -> Result<&'a mut AnyConnection, StoreError> {
        let live = match writer.take() {
            Some(live) => live,
            None => connect(&self.url, self.is_sqlite)
                .await
                .map_err(|source| StoreError::Open { url: redacted(&self.url), source })?,
        };
        Ok(writer.insert(live))
    }
}

#[async_trait]
impl Store for SqlStore {
    async fn lead(&self, leader: &str) -> Result<Term, StoreError> {
        self.lease.acquire().await?;
        let mut writer = self.writer.lock().await;
        let connection = self.reopened(&mut writer).await?;
        let term: i64 = sqlx::query("UPDATE leadership SET term = term + 1, leader = $1 WHERE id = 1 RETURNING term")
            .bind(leader.to_owned())
            .fetch_one(connection)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|source| StoreError::Query { doing: "begin a term", source })?;
        Ok(Term(term))
    }

    async fn load(&self) -> Result<Recovered, StoreError> {
        let mut writer = self.writer.lock().await;
        let connection = self.reopened(&mut writer).await?;
        load(connection).await
    }

    async fn commit(&self, term: Term, changes: &[Change], events: &[EventRow]) -> Result<(), StoreError> {
        let batch = Batch::of(changes)?;
        let mut writer = self.writer.lock().await;
        let connection = self.reopened(&mut writer).await?;
        let written = tokio::time::timeout(COMMIT_LIMIT, write(connection, term, &batch, events)).await;
        let result = written.unwrap_or_else(|_| {
            let late = std::io::Error::new(std::io::ErrorKind::TimedOut, "the database does not answer");
            Err(StoreError::Query { doing: "commit", source: late.into() })
        });
        if result.is_err() {
            // Whatever state the connection is in, the next term starts with a fresh one.
            *writer = None;
        }
        result
    }

    async fn events_after(&self, after: u64, limit: u32) -> Result<Vec<EventRow>, StoreError> {
        let rows = sqlx::query("SELECT seq, at_ms, type, body FROM events WHERE seq > $1 ORDER BY seq LIMIT $2")
            .bind(i64::try_from(after).unwrap_or(i64::MAX))
            .bind(i64::from(limit))
            .fetch_all(&self.readers)
            .await
            .map_err(|source| StoreError::Query { doing: "read the event log", source })?;
        rows.iter().map(event_row).collect()
    }

    async fn oldest_event(&self) -> Result<Option<u64>, StoreError> {
        let oldest: Option<i64> = sqlx::query("SELECT MIN(seq) FROM events")
            .fetch_one(&self.readers)
            .await
            .and_then(|row| row.try_get(0))
            .map_err(|source| StoreError::Query { doing: "read the event log", source })?;
        Ok(oldest.and_then(|seq| u64::try_from(seq).ok()))
    }

    async fn deposed(&self) {
        self.lease.lost().await;
    }
}

async fn connect(url: &str, is_sqlite: bool) -> Result<AnyConnection, sqlx::Error> {
    let mut connection = AnyConnection::connect(url).await?;
    prepare(&mut connection, is_sqlite).await?;
    Ok(connection)
}

/// SQLite writes ahead and syncs at every commit: what was told outlives a power cut.
async fn prepare(connection: &mut AnyConnection, is_sqlite: bool) -> Result<(), sqlx::Error> {
    if !is_sqlite {
        return Ok(());
    }
    for pragma in ["PRAGMA journal_mode = WAL", "PRAGMA synchronous = FULL", "PRAGMA busy_timeout = 5000"] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn write(
    connection: &mut AnyConnection,
    term: Term,
    batch: &Batch,
    events: &[EventRow],
) -> Result<(), StoreError> {
    let failed = |doing| move |source| StoreError::Query { doing, source };
    let mut transaction = connection.begin().await.map_err(failed("begin a transaction"))?;
    // Also takes the row's lock, so that a new term cannot begin between this look and the commit.
    let proven = sqlx::query("UPDATE leadership SET term = term WHERE id = 1 AND term = $1")
        .bind(term.0)
        .execute(&mut *transaction)
        .await
        .map_err(failed("prove the term"))?;
    if proven.rows_affected() != 1 {
        return Err(StoreError::StaleTerm(term.0));
    }
    tables(&mut transaction, batch).await.map_err(failed("write changes"))?;
    append_events(&mut transaction, batch, events).await.map_err(failed("write events"))?;
    transaction.commit().await.map_err(failed("commit"))
}

async fn tables(connection: &mut AnyConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    if let Some(id) = &batch.framework {
        let upsert = "INSERT INTO framework (id, framework_id) VALUES (1, $1) \
                      ON CONFLICT (id) DO UPDATE SET framework_id = excluded.framework_id";
        sqlx::query(upsert).bind(id.clone()).execute(&mut *connection).await?;
    }
    app_versions(connection, batch).await?;
    roots(connection, batch).await?;
    bodies(connection, "instances", &batch.instances).await?;
    bodies(connection, "deployments", &batch.deployments).await?;
    bodies(connection, "failures", &batch.failures).await
}

async fn app_versions(connection: &mut AnyConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    let (put, drop): (Vec<_>, Vec<_>) = batch.app_versions.iter().partition(|(_, row)| row.is_some());
    for chunk in put.chunks(ROWS_PER_STATEMENT) {
        let sql = upsert("app_versions", &["id", "version_ms", "body"], 2, chunk.len());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((id, version), body) in chunk {
            query = query.bind(id.clone()).bind(*version).bind(body.as_ref().cloned().unwrap_or_default());
        }
        query.execute(&mut *connection).await?;
    }
    for ((id, version), _) in drop {
        let query = sqlx::query("DELETE FROM app_versions WHERE id = $1 AND version_ms = $2");
        query.bind(id.clone()).bind(*version).execute(&mut *connection).await?;
    }
    Ok(())
}

async fn roots(connection: &mut AnyConnection, batch: &Batch) -> Result<(), sqlx::Error> {
    for root in &batch.roots {
        let query = sqlx::query("INSERT INTO roots (root_ms) VALUES ($1) ON CONFLICT (root_ms) DO NOTHING");
        query.bind(*root).execute(&mut *connection).await?;
    }
    let apps: Vec<_> = batch.root_apps.iter().collect();
    for chunk in apps.chunks(ROWS_PER_STATEMENT) {
        let sql = upsert("root_apps", &["id", "root_ms", "version_ms"], 2, chunk.len());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((id, root), version) in chunk {
            query = query.bind(id.clone()).bind(*root).bind(**version);
        }
        query.execute(&mut *connection).await?;
    }
    let groups: Vec<_> = batch.root_groups.iter().collect();
    for chunk in groups.chunks(ROWS_PER_STATEMENT) {
        let sql = upsert("root_groups", &["id", "root_ms", "body"], 2, chunk.len());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for ((id, root), body) in chunk {
            query = query.bind(id.clone()).bind(*root).bind((*body).clone());
        }
        query.execute(&mut *connection).await?;
    }
    match batch.drop_roots_before {
        Some(oldest) => drop_roots_before(connection, oldest).await,
        None => Ok(()),
    }
}

/// Forgets trees before `oldest`. Only ids that changed after the tree that was the oldest until now can have rows that `oldest`
/// does not need, so the cost grows with those changes and not with the tree.
async fn drop_roots_before(connection: &mut AnyConnection, oldest: i64) -> Result<(), sqlx::Error> {
    for (table, value) in [("root_apps", "version_ms"), ("root_groups", "body")] {
        let superseded = format!(
            "DELETE FROM {table} WHERE id IN (SELECT id FROM {table} \
                 WHERE root_ms > (SELECT MIN(root_ms) FROM roots) AND root_ms <= $1) \
             AND EXISTS (SELECT 1 FROM {table} AS newer \
                 WHERE newer.id = {table}.id AND newer.root_ms > {table}.root_ms AND newer.root_ms <= $1)"
        );
        sqlx::query(AssertSqlSafe(superseded)).bind(oldest).execute(&mut *connection).await?;
        let graves = format!(
            "DELETE FROM {table} WHERE root_ms > (SELECT MIN(root_ms) FROM roots) AND root_ms <= $1 AND {value} IS NULL"
        );
        sqlx::query(AssertSqlSafe(graves)).bind(oldest).execute(&mut *connection).await?;
    }
    sqlx::query("DELETE FROM roots WHERE root_ms < $1").bind(oldest).execute(connection).await?;
    Ok(())
}

/// Rows of a table of `id` and `body`.
async fn bodies(
    connection: &mut AnyConnection,
    table: &'static str,
    rows: &BTreeMap<String, Option<String>>,
) -> Result<(), sqlx::Error> {
    let (put, drop): (Vec<_>, Vec<_>) = rows.iter().partition(|(_, body)| body.is_some());
    for chunk in put.chunks(ROWS_PER_STATEMENT) {
        let mut query = sqlx::query(AssertSqlSafe(upsert(table, &["id", "body"], 1, chunk.len())));
        for (id, body) in chunk {
            query = query.bind((*id).clone()).bind(body.as_ref().cloned().unwrap_or_default());
        }
        query.execute(&mut *connection).await?;
    }
    for chunk in drop.chunks(ROWS_PER_STATEMENT) {
        let places = (1..=chunk.len()).map(|n| format!("${n}")).collect::<Vec<_>>().join(", ");
        let mut query = sqlx::query(AssertSqlSafe(format!("DELETE FROM {table} WHERE id IN ({places})")));
        for (id, _) in chunk {
            query = query.bind((*id).clone());
        }
        query.execute(&mut *connection).await?;
    }
    Ok(())
}

async fn append_events(connection: &mut AnyConnection, batch: &Batch, events: &[EventRow]) -> Result<(), sqlx::Error> {
    for chunk in events.chunks(ROWS_PER_STATEMENT) {
        let sql = insert("events", &["seq", "at_ms", "type", "body"], chunk.len());
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for event in chunk {
            query = query
                .bind(i64::try_from(event.seq).unwrap_or(i64::MAX))
                .bind(event.at_ms)
                .bind(event.kind.to_string())
                .bind(event.body.to_string());
        }
        query.execute(&mut *connection).await?;
    }
    if let Some(seq) = batch.drop_events_up_to {
        sqlx::query("DELETE FROM events WHERE seq <= $1").bind(seq).execute(connection).await?;
    }
    Ok(())
}

/// `INSERT INTO table (a, b) VALUES ($1, $2), ($3, $4) …`
fn insert(table: &str, columns: &[&str], rows: usize) -> String {
    let row = |row: usize| {
        let places = (1..=columns.len()).map(|column| format!("${}", row * columns.len() + column));
        format!("({})", places.collect::<Vec<_>>().join(", "))
    };
    let values = (0..rows).map(row).collect::<Vec<_>>().join(", ");
    format!("INSERT INTO {table} ({}) VALUES {values}", columns.join(", "))
}

/// The same, replacing rows with the same first `key` columns.
fn upsert(table: &str, columns: &[&str], key: usize, rows: usize) -> String {
    let (key, rest) = columns.split_at(key);
    let updates = rest.iter().map(|column| format!("{column} = excluded.{column}")).collect::<Vec<_>>().join(", ");
    format!("{} ON CONFLICT ({}) DO UPDATE SET {updates}", insert(table, columns, rows), key.join(", "))
}

async fn load(connection: &mut AnyConnection) -> Result<Recovered, StoreError> {
    let mut recovered = Recovered::default();
    for row in rows(connection, "SELECT framework_id FROM framework").await? {
        recovered.framework_id = Some(FrameworkId::new(text(&row, 0)?));
    }
    for row in rows(connection, "SELECT id, body FROM app_versions ORDER BY id, version_ms").await? {
        recovered.versions.push(codec::app_from_text(&text(&row, 0)?, &text(&row, 1)?)?.into());
    }
    recovered.roots = load_roots(connection).await?;
    for row in rows(connection, "SELECT id, body FROM instances ORDER BY id").await? {
        let instance: Instance = codec::from_text("instances", &text(&row, 0)?, &text(&row, 1)?)?;
        recovered.instances.push(instance.into());
    }
    for row in rows(connection, "SELECT id, body FROM deployments ORDER BY id").await? {
        let deployment: Deployment = codec::from_text("deployments", &text(&row, 0)?, &text(&row, 1)?)?;
        recovered.deployments.push(deployment.into());
    }
    for row in rows(connection, "SELECT id, body FROM failures ORDER BY id").await? {
        let failure: TaskFailure = codec::from_text("failures", &text(&row, 0)?, &text(&row, 1)?)?;
        recovered.failures.push(failure.into());
    }
    for row in rows(connection, "SELECT MAX(seq) FROM events").await? {
        let last: Option<i64> = row.try_get(0).map_err(unreadable)?;
        recovered.last_event = last.and_then(|seq| u64::try_from(seq).ok()).unwrap_or(0);
    }
    Ok(recovered)
}

type Roots = Vec<(Timestamp, Vec<(PathId, Option<Timestamp>)>, Vec<(PathId, Option<std::sync::Arc<Group>>)>)>;

/// Trees, oldest first. Rows older than the oldest kept tree belong to it: what is left of the trees before.
async fn load_roots(connection: &mut AnyConnection) -> Result<Roots, StoreError> {
    let mut roots: Roots = Vec::new();
    for row in rows(connection, "SELECT root_ms FROM roots ORDER BY root_ms").await? {
        roots.push((Timestamp::from_millis(number(&row, 0)?), Vec::new(), Vec::new()));
    }
    let place = |roots: &Roots, root: i64| {
        let after = roots.partition_point(|(version, ..)| version.as_millis() < root);
        (after < roots.len()).then_some(after)
    };
    for row in rows(connection, "SELECT id, root_ms, version_ms FROM root_apps ORDER BY root_ms, id").await? {
        let (id, version): (String, Option<i64>) = (text(&row, 0)?, row.try_get(2).map_err(unreadable)?);
        let path = id.parse().map_err(|error| codec::damaged("root_apps", &id, error))?;
        if let Some(root) = place(&roots, number(&row, 1)?) {
            roots[root].1.push((path, version.map(Timestamp::from_millis)));
        }
    }
    for row in rows(connection, "SELECT id, root_ms, body FROM root_groups ORDER BY root_ms, id").await? {
        let (id, body): (String, Option<String>) = (text(&row, 0)?, row.try_get(2).map_err(unreadable)?);
        let path = id.parse().map_err(|error| codec::damaged("root_groups", &id, error))?;
        let group = body.map(|body| codec::from_text("root_groups", &id, &body)).transpose()?;
        if let Some(root) = place(&roots, number(&row, 1)?) {
            roots[root].2.push((path, group.map(std::sync::Arc::new)));
        }
    }
    Ok(roots)
}

async fn rows(connection: &mut AnyConnection, sql: &'static str) -> Result<Vec<AnyRow>, StoreError> {
    let query: Query<'_, Any, AnyArguments> = sqlx::query(sql);
    query.fetch_all(connection).await.map_err(|source| StoreError::Query { doing: "load the state", source })
}

fn event_row(row: &AnyRow) -> Result<EventRow, StoreError> {
    let seq = number(row, 0)?;
    Ok(EventRow {
        seq: u64::try_from(seq).map_err(|error| codec::damaged("events", &seq, error))?,
        at_ms: number(row, 1)?,
        kind: text(row, 2)?.into(),
        body: text(row, 3)?.into(),
    })
}

fn text(row: &AnyRow, column: usize) -> Result<String, StoreError> {
    row.try_get(column).map_err(unreadable)
}

fn number(row: &AnyRow, column: usize) -> Result<i64, StoreError> {
    row.try_get(column).map_err(unreadable)
}

fn unreadable(source: sqlx::Error) -> StoreError {
    StoreError::Query { doing: "read a row", source }
}
