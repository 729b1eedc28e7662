//! What may be said over HTTP: the shapes of apps, groups, tasks, deployments, the queue and events on the wire.
//!
//! Requests: [`app`], [`group`] and [`task`] turn the bytes of a body into a canonical, checked value in one call, or into
//! a [`error::Refusal`] that has the status and names every faulty member by its path. Answers: every shape serializes to
//! exactly the members that clients know, and describes itself for the OpenAPI document.
//!
//! Never here: the state of anything, the conversion to domain types, HTTP itself.

pub mod app;
pub mod deployment;
pub mod error;
pub mod event;
pub mod group;
pub mod info;
pub mod path;
pub mod queue;
mod read;
pub mod selector;
pub mod task;
