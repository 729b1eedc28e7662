//! x
use serde_json::{Value, json};
use super::routes::Context;
#[derive(Debug)]
pub(super) struct Snapshot;
pub(super) fn snapshot(_m: &substrate_core::master::Master) -> Snapshot { Snapshot }
pub(super) fn state(_c: &Context, _s: &Snapshot) -> Value { json!({}) }
pub(super) fn summary(_c: &Context, _s: &Snapshot) -> Value { json!({}) }
pub(super) fn slaves(_c: &Context, _s: &Snapshot) -> Value { json!({}) }
