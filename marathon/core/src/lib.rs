//! The decisions of the scheduler: what should run, what runs, and what to do about the difference.
//!
//! One state machine without IO, [`scheduler::Scheduler`], around [`state::State`], which is made of persistent maps, so that a
//! snapshot of everything costs a handful of reference counts.
//!
//! This crate never opens a socket or a database, reads a clock, spawns anything or draws randomness that it was not given. It
//! knows nothing of JSON, HTTP statuses or SQL: wire shapes are converted in the service around it.

pub mod deployment;
pub mod event;
pub mod group;
pub mod id;
pub mod instance;
pub mod matching;
pub mod queue;
pub mod scheduler;
pub mod spec;
pub mod state;
