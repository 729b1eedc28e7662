//! What a run can break.

use std::fmt;

/// The promises that are watched, with the numbers of the design.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Invariant {
    /// (1) Tasks never use more than an agent has; no port twice.
    Resources,
    /// (2) Enough ready instances, and not too many of all, by the orchestrator's own doing.
    Capacity,
    /// (3) A step begins when the one before is done; dependencies first.
    Steps,
    /// (4) Nothing acknowledged is lost or undone.
    Durability,
    /// (5) One live container per incarnation; nothing strange lives on.
    Incarnations,
    /// (7) Events without gaps.
    Events,
    /// (8) After the faults, all is as it should be in bounded time.
    Convergence,
    /// (9) Constraints hold for every placement.
    Constraints,
    /// What must hold for every state of the scheduler.
    State,
    /// A core spins, stops for good, or leaves a request unanswered.
    Liveness,
}

impl fmt::Display for Invariant {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Resources => "1 resources",
            Self::Capacity => "2 capacity",
            Self::Steps => "3 steps",
            Self::Durability => "4 durability",
            Self::Incarnations => "5 incarnations",
            Self::Events => "7 events",
            Self::Convergence => "8 convergence",
            Self::Constraints => "9 constraints",
            Self::State => "state",
            Self::Liveness => "liveness",
        })
    }
}

/// A promise that was broken.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Violation {
    /// Which.
    pub invariant: Invariant,
    /// How.
    pub explanation: String,
}
