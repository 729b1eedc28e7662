//! Rows as text. App versions are kept in the shape of the REST API, which compatibility has frozen; the rest in the words of the
//! core's own types.

use std::fmt::Display;

use marathon_core::spec::App;
use serde::{Serialize, de::DeserializeOwned};

use super::StoreError;
use crate::wire;

/// The body of a row of `table`.
pub(super) fn to_text<T: Serialize>(table: &'static str, key: &impl Display, value: &T) -> Result<String, StoreError> {
    serde_json::to_string(value).map_err(|error| damaged(table, key, error))
}

/// The value of a row of `table`.
pub(super) fn from_text<T: DeserializeOwned>(
    table: &'static str,
    key: &impl Display,
    text: &str,
) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(|error| damaged(table, key, error))
}

/// The body of a row of `app_versions`.
pub(super) fn app_to_text(app: &App) -> Result<String, StoreError> {
    to_text("app_versions", &app.spec.id, &wire::app::stored(app))
}

/// The app of a row of `app_versions`.
pub(super) fn app_from_text(id: &str, text: &str) -> Result<App, StoreError> {
    wire::app::restored(text).map_err(|reason| damaged("app_versions", &id, reason))
}

/// An error that names the row.
pub(super) fn damaged(table: &'static str, key: &impl Display, reason: impl Display) -> StoreError {
    StoreError::Damaged { table, key: key.to_string(), reason: reason.to_string() }
}
