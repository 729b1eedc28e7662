//! The launch queue: which specs wait for offers, how long failing ones still have to, and why offers were not used.
//!
//! Who waits is not kept here: an instance waits when it is launchable. Kept are the two things that instances do not say themselves,
//! both in memory only: back-off ([`Queue::failed`] and its neighbours) and what became of offers ([`Queue::record`]).

mod delay;
mod statistics;

use std::sync::Arc;

use imbl::{OrdMap, OrdSet};
use marathon_time::Timestamp;
use substrate_core::protocol::offer::Offer;

use crate::id::PathId;

pub use delay::Delay;
pub use statistics::{MAX_LAST_UNUSED, SummaryRow};

/// What waits, per app.
#[derive(Clone, Debug, Default)]
pub struct Queue {
    /// Back-off of each configuration that has one, by app and `last_config_change_at`. Read it through [`Queue::delay_until`]; every
    /// entry goes after a while without failures, see [`Queue::expire`].
    delays: OrdMap<(PathId, Timestamp), Delay>,
    /// The keys of `delays` by the moment at which they expire.
    expiries: OrdSet<(Timestamp, PathId, Timestamp)>,
    /// What became of offers, for each app that wants some.
    pub statistics: OrdMap<PathId, Arc<OfferStatistics>>,
}

/// What became of the offers that an app was compared with since it last began to want some.
///
/// As in Marathon, an offer is looked at once for each instance that it takes, and once more when it can take no further one.
#[derive(Clone, Debug, Default)]
pub struct OfferStatistics {
    /// Offers looked at.
    pub processed: u64,
    /// Of these, not used.
    pub unused: u64,
    /// When the last was not used.
    pub last_unused_at: Option<Timestamp>,
    /// When the last was used.
    pub last_used_at: Option<Timestamp>,
    /// First reason against each offer since the start, counted in the order of [`Reason::ALL`].
    pub declined: [u64; Reason::ALL.len()],
    /// Last offer of each agent that was not used; at most [`MAX_LAST_UNUSED`], newest kept.
    pub last_unused: OrdMap<substrate_core::protocol::AgentId, Arc<UnusedOffer>>,
}

/// An offer that was not used.
#[derive(Clone, Debug)]
pub struct UnusedOffer {
    /// The offer, with what others had left of it; shared by the apps that did not use it.
    pub offer: Arc<Offer>,
    /// Everything that spoke against it, in the order of [`Reason::ALL`]; never empty.
    pub reasons: Vec<Reason>,
    /// When.
    pub at: Timestamp,
}

/// Why an offer cannot be used, in the order in which `/v2/queue` lists them (the funnel).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Reason {
    /// No resource in a role that the app accepts.
    UnfulfilledRole,
    /// A constraint speaks against the agent.
    UnfulfilledConstraint,
    /// The offer does not hold the instance's own volumes.
    NoCorrespondingReservationFound,
    /// The agent is in a maintenance window.
    AgentMaintenance,
    /// Too few cores.
    InsufficientCpus,
    /// Too little memory.
    InsufficientMemory,
    /// Too little disk.
    InsufficientDisk,
    /// Too few GPUs.
    InsufficientGpus,
    /// Ports missing.
    InsufficientPorts,
    /// The agent has GPUs, kept for those who want some.
    DeclinedScarceResources,
}

impl Reason {
    /// All, in funnel order.
    pub const ALL: [Self; 10] = [
        Self::UnfulfilledRole,
        Self::UnfulfilledConstraint,
        Self::NoCorrespondingReservationFound,
        Self::AgentMaintenance,
        Self::InsufficientCpus,
        Self::InsufficientMemory,
        Self::InsufficientDisk,
        Self::InsufficientGpus,
        Self::InsufficientPorts,
        Self::DeclinedScarceResources,
    ];

    /// As `/v2/queue` prints it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UnfulfilledRole => "UnfulfilledRole",
            Self::UnfulfilledConstraint => "UnfulfilledConstraint",
            Self::NoCorrespondingReservationFound => "NoCorrespondingReservationFound",
            Self::AgentMaintenance => "AgentMaintenance",
            Self::InsufficientCpus => "InsufficientCpus",
            Self::InsufficientMemory => "InsufficientMemory",
            Self::InsufficientDisk => "InsufficientDisk",
            Self::InsufficientGpus => "InsufficientGpus",
            Self::InsufficientPorts => "InsufficientPorts",
            Self::DeclinedScarceResources => "DeclinedScarceResources",
        }
    }
}
