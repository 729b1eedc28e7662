//! Probes: asks one task once whether it is well, over HTTP, HTTPS or TCP, or by a command.
//!
//! This crate carries out and reports; it neither decides when to probe nor what a result leads to. That is `health-core`'s
//! part. Every probe ends within its time limit, holds a bounded amount of memory and leaves no process behind.

pub mod probe;
mod prober;

pub use prober::{DEFAULT_CONCURRENCY, Prober, QUEUE_TIME, Target};
