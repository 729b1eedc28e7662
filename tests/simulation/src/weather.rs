//! How bad a run is: which faults happen, and how often.
//!
//! Every run has some kinds of faults and not others, so that one kind does not always hide what another would show.

use crate::dice::{Dice, NEVER};

/// Odds of faults, as in [`Dice::one_in`].
#[derive(Clone, Debug, Default)]
pub struct Weather {
    /// A commit fails: nothing of it is stored.
    pub commit_fails: u64,
    /// A commit is stored, and nobody hears of it.
    pub commit_unheard: u64,
    /// The scheduler crashes after a commit, in the middle of its effects.
    pub crash_in_effects: u64,
    /// A commit takes up to a second.
    pub slow_commit: u64,
    /// A message between agent and master is lost.
    pub message_lost: u64,
    /// The same comes twice.
    pub message_twice: u64,
    /// A message is late by up to some seconds.
    pub message_late: u64,
    /// An agent crashes between writing down and acting, or in the middle of acting.
    pub agent_crash_in_step: u64,
    /// A container does not start.
    pub launch_fails: u64,
    /// A probe is not answered.
    pub probe_unanswered: u64,
    /// What happens out of the blue.
    pub strokes: Vec<Stroke>,
    /// Longest time between two strokes, in milliseconds.
    pub calm_millis: u64,
}

/// Something that happens out of the blue.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stroke {
    /// The scheduler is killed.
    SchedulerCrash,
    /// The master is killed.
    MasterCrash,
    /// An agent is killed; its containers stay.
    AgentCrash,
    /// The machine of an agent starts again; its containers are gone, its disk is not.
    Reboot,
    /// The machine of an agent is replaced by an empty one of the same name.
    Replacement,
    /// Nothing goes to or from an agent's machine for a while.
    Partition,
    /// The connection between scheduler and master breaks.
    StreamBreak,
    /// The same, and neither side is told.
    StreamMute,
    /// The connection between an agent and the master breaks.
    LinkBreak,
    /// The scheduler's clock is set.
    ClockJump,
    /// A container ends by itself.
    ContainerCrash,
    /// A container stops answering health checks, for some time or for good.
    Sickness,
}

const STROKES: [Stroke; 12] = [
    Stroke::SchedulerCrash,
    Stroke::MasterCrash,
    Stroke::AgentCrash,
    Stroke::Reboot,
    Stroke::Replacement,
    Stroke::Partition,
    Stroke::StreamBreak,
    Stroke::StreamMute,
    Stroke::LinkBreak,
    Stroke::ClockJump,
    Stroke::ContainerCrash,
    Stroke::Sickness,
];

impl Weather {
    /// The weather of a run.
    pub fn forecast(dice: &mut Dice) -> Self {
        let mut odds = |low, high| if dice.one_in(3) { NEVER } else { dice.between(low, high) };
        let mut weather = Self {
            commit_fails: odds(40, 600),
            commit_unheard: odds(40, 600),
            crash_in_effects: odds(60, 1000),
            slow_commit: odds(10, 200),
            message_lost: odds(50, 1000),
            message_twice: odds(10, 300),
            message_late: odds(15, 400),
            agent_crash_in_step: odds(80, 1500),
            launch_fails: odds(20, 60),
            probe_unanswered: odds(40, 400),
            strokes: Vec::new(),
            calm_millis: odds(3_000, 30_000).max(3_000),
        };
        for stroke in STROKES {
            if dice.one_in(2) {
                weather.strokes.push(stroke);
            }
        }
        weather
    }

    /// No faults.
    pub fn calm() -> Self {
        Self::default()
    }
}
