//! Health checks, as far as they can be decided without touching the world: what a check asks for, when to probe next, and
//! what a result means for the instance.
//!
//! Used on both sides of the offer seam: the scheduler probes over the network (HTTP, HTTPS, TCP), the agent runs commands
//! beside the task. Both feed the same counting rules.
//!
//! This crate never probes, never reads a clock and never waits: the crate `health` does the probing, and whoever owns the
//! loop hands in the time.

mod check;
mod judge;
mod outcome;
mod schedule;

pub use check::{Check, LONGEST_PROBE, PortRef, Protocol, SHORTEST_INTERVAL};
pub use judge::{Judgement, State, aggregate};
pub use outcome::{MAX_CAUSE_BYTES, Outcome};
pub use schedule::{PROBE_SLACK, ProbeNumber, Schedule};
