//! Where a store is, as operators write it.

use std::path::Path;

use sqlx::postgres::PgConnectOptions;
use tokio::sync::Mutex;

use super::{StoreError, leadership::Lease};

/// What to connect to, and how leadership is held there.
pub(super) fn resolve(url: &str) -> Result<(String, Lease, bool), StoreError> {
    if let Some(path) = url.strip_prefix("sqlite:") {
        let path = path.strip_prefix("//").unwrap_or(path);
        if path == ":memory:" {
            return Err(StoreError::UnknownUrl(url.to_owned()));
        }
        let lease = Lease::file(Path::new(&format!("{path}.lock")).to_owned())?;
        return Ok((format!("sqlite://{path}?mode=rwc"), lease, true));
    }
    if url.starts_with("postgres://") || url.starts_with("postgresql://") {
        let options: PgConnectOptions =
            url.parse().map_err(|source| StoreError::Open { url: redacted(url), source })?;
        let lease = Lease::Postgres { options: Box::new(options), session: Mutex::new(None) };
        return Ok((url.to_owned(), lease, false));
    }
    Err(StoreError::UnknownUrl(redacted(url)))
}

/// The URL without a password, which may also be a parameter.
pub(super) fn redacted(url: &str) -> String {
    let shown = url.split('?').next().unwrap_or_default();
    match (shown.find("://"), shown.rfind('@')) {
        (Some(scheme), Some(at)) if at > scheme + 3 => {
            let user = shown[scheme + 3..at].split(':').next().unwrap_or_default();
            format!("{}://{user}@{}", &shown[..scheme], &shown[at + 1..])
        }
        // A password that holds the question mark.
        (Some(scheme), None) if url.contains('@') => format!("{}://…", &shown[..scheme]),
        _ => shown.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown_wherever_they_stand() {
        for (url, shown) in [
            ("postgres://ann:s3cret@db:5432/marathon", "postgres://ann@db:5432/marathon"),
            ("postgres://ann:s3@cret@db/marathon", "postgres://ann@db/marathon"),
            ("postgres://ann@db/marathon?sslmode=require&password=s3cret", "postgres://ann@db/marathon"),
            ("postgres://ann:s3?cret@db/marathon", "postgres://…"),
            ("sqlite:./marathon.db", "sqlite:./marathon.db"),
        ] {
            assert_eq!(redacted(url), shown);
        }
    }
}
