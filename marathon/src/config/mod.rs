//! What was typed ([`Flags`]) and what it means (`…Config`, checked, in domain types).

mod agent;
mod flags;
mod machine;
mod scheduler;
mod servers;

pub use agent::LocalAgents;
pub use flags::{
    AgentFlags, Command, DnsFlags, DownFlags, Flags, LogFlags, LogFormat, MasterFlags, SchedulerCommandFlags, UpFlags,
    with_kebab_case_names,
};
pub use scheduler::SchedulerConfig;
pub use servers::DnsConfig;

use std::fmt;

/// A flag that does not make sense: which, its value, why.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid value '{value}' for '--{flag}': {reason}")]
pub struct InvalidFlag {
    flag: &'static str,
    value: String,
    reason: String,
}

impl InvalidFlag {
    /// `value` of `flag` (without dashes) is refused because of `reason`.
    pub fn new(flag: &'static str, value: impl fmt::Display, reason: impl fmt::Display) -> Self {
        Self { flag, value: value.to_string(), reason: reason.to_string() }
    }
}
