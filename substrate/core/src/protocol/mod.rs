//! The values that cross the seams of the substrate.
//!
//! - [`scheduler`]: what a framework says to a master and hears from it, the Mesos v1 scheduler API. In one process the
//!   values pass through a channel; between processes they are the domain side of that HTTP API.
//! - [`agent`]: what an agent and its master say to each other, our own protocol over one WebSocket.
//! - [`task`], [`offer`]: what both talk about.
//!
//! These are domain types: their wire forms (JSON or protobuf of Mesos) are converted at the boundary, in one place.

pub mod agent;
mod id;
mod name;
pub mod offer;
pub mod scheduler;
pub mod task;

pub use id::{AgentId, ContainerId, FrameworkId, OfferId, TaskId};
pub use name::{check_role, is_valid_id};
