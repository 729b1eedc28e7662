//! The shells of the resource-offer substrate: they carry out what the cores in `substrate-core` decide.
//!
//! - [`master`]: one task owns the master's core; agents come by WebSocket, frameworks in this process by channels, people and
//!   DNS by HTTP (`/state` and its like).
//! - [`agent`]: one task owns the agent's core; it dials the master, keeps checkpoints, answers for its sandboxes.
//! - [`containerizer`]: sandboxes, processes and their supervisors.
//!
//! Nothing here decides anything: no module outside of the cores knows what an offer is worth or whether a task should live.

pub mod agent;
mod clock;
pub mod containerizer;
mod http;
mod inbox;
mod json;
pub mod master;
