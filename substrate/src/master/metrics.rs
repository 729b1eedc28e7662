//! x
use serde_json::{Value, json};
use super::{routes::Context, state::Snapshot};
pub(super) fn metrics(c: &Context, _s: &Snapshot) -> Value { json!({"a": c.uptime().as_secs_f64(), "b": c.cluster}) }
