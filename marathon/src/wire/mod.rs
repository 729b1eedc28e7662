//! Between what is said on the wire (`marathon-openapi`) and what the core thinks in: the one place where the two meet.

pub mod app;
pub mod deployment;
pub mod event;
pub mod group;
pub mod queue;
pub mod task;
