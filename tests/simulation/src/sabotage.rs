//! Faults planted between the cores and the world, to prove that the checkers find what they should.

use clap::ValueEnum;

/// A planted fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
#[value(rename_all = "PascalCase")]
pub enum Sabotage {
    /// Probes of a replacement say healthy before it is: what it replaces is ended too early.
    HealthLies,
    /// Calls go out although the commit failed.
    ActBeforeCommit,
    /// An agent starts recovered containers once more.
    RelaunchOnRecovery,
    /// A kill is reported as done, and the process lives on.
    IgnoreKill,
    /// An agent registers four times what it has.
    OverAllocate,
    /// A recovered deployment goes on one step later.
    SkipStep,
    /// The end of a task is acknowledged, and the scheduler never hears of it.
    ForgetUpdate,
    /// The store loses a change of an instance now and then.
    LossyStore,
    /// The store loses an event now and then.
    EventGap,
    /// Offers name hosts that do not exist.
    OfferLies,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 10] = [
        Self::HealthLies,
        Self::ActBeforeCommit,
        Self::RelaunchOnRecovery,
        Self::IgnoreKill,
        Self::OverAllocate,
        Self::SkipStep,
        Self::ForgetUpdate,
        Self::LossyStore,
        Self::EventGap,
        Self::OfferLies,
    ];
}
