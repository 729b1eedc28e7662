//! What the scenarios stand on.

pub mod answering;
pub mod api;
pub mod apps;
pub mod cluster;
pub mod dns;
pub mod events;
pub mod processes;
pub mod wait;
pub mod wire;
