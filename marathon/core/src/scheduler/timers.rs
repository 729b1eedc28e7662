//! What is to happen when, if nothing else comes first.

use substrate_core::protocol::TaskId;

use crate::id::{InstanceId, PathId};

/// At most one moment per timer.
pub(super) type Timers = marathon_time::Timers<Timer>;

/// Something that time alone makes due.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Timer {
    /// Open a subscription, or give up waiting for one.
    Subscribe,
    /// The master has been silent for long.
    Silence,
    /// Compare tasks with the master's.
    Reconcile,
    /// Asking for offers is allowed again.
    Revive,
    /// A back-off of the spec ends.
    Backoff(PathId),
    /// Back-offs may be forgotten.
    Expiry,
    /// The launch takes too long.
    Launch(InstanceId),
    /// The kill had no effect yet.
    Kill(InstanceId),
    /// The same for a task that belongs to no instance.
    Stray(TaskId),
    /// The instance has been out of reach for long.
    Unreachable(InstanceId),
    /// A health check is due, or its answer overdue.
    Probe(InstanceId),
}

impl Timer {
    /// The instance whose kill is on its way.
    pub fn killed(&self) -> Option<&InstanceId> {
        match self {
            Self::Kill(id) => Some(id),
            Self::Subscribe
            | Self::Silence
            | Self::Reconcile
            | Self::Revive
            | Self::Backoff(_)
            | Self::Expiry
            | Self::Launch(_)
            | Self::Stray(_)
            | Self::Unreachable(_)
            | Self::Probe(_) => None,
        }
    }
}
