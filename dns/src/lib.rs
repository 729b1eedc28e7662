//! Names for what runs: Mesos-DNS's records, kept up to date task by task and served over DNS and HTTP.
//!
//! ```text
//! whoever knows the tasks ──set_task, remove_task…──► Zone ──publish──► ArcSwap<Zone> ──► server (UDP, TCP), http
//! ```
//!
//! [`Zone`] and all it is made of is pure: no IO, no clock. A change costs what it touches, and a published zone is a cheap
//! copy that shares the rest. This crate polls nobody: the feed is whatever calls the methods of the zone.
//!
//! The library behind [`server`] logs every query at `info`: filter `hickory_server=warn`.

pub mod http;
pub mod label;
pub mod server;

mod entries;
mod forward;
mod input;
mod name;
mod records;
mod settings;
mod tree;
mod zone;

pub use input::{Agent, Discovery, DiscoveryPort, Framework, Masters, Task, TaskAddresses};
pub use name::Name;
pub use records::{Data, Records};
pub use settings::{InvalidDomain, IpSource, Settings};
pub use zone::{Found, Zone};
