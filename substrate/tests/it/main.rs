//! The shells with real processes, sockets and files.
#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]
#![allow(clippy::wildcard_enum_match_arm, reason = "what a test does not wait for is a failure, whatever it is")]

mod agents;
mod containers;
mod end_to_end;
mod masters;
mod supervision;
mod support;
