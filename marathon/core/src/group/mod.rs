//! The group tree: changing it, its rules, and the order in which its apps depend on each other.

pub mod change;
pub(crate) mod draft;
pub mod graph;
mod ports;
#[cfg(test)]
mod properties;
mod rules;
#[cfg(test)]
pub(crate) mod testing;

pub use change::{Changed, apply, event_group};
