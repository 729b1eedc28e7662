//! What goes over the wire: refused bodies, canonical forms, the shapes of answers and events, and properties of them all.
#![recursion_limit = "256"]
#![allow(missing_docs, clippy::unwrap_used, reason = "tests")]

mod answers;
mod canonical;
mod events;
mod properties;
mod refusals;
