//! Offers × waiting instances → placements, or the reasons why there are none.
//!
//! All outstanding offers are looked at together, so that the instances of one app spread over agents and no app takes everything
//! because it came first. What was decided here becomes a task description in [`task`].
//!
//! Nothing is remembered from one round to the next: [`place`] is a function of what it is given.

pub mod constraints;
#[cfg(test)]
pub(crate) mod fixtures;
mod leftover;
mod ports;
#[cfg(test)]
mod properties;
mod round;
pub mod task;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use rand_chacha::ChaCha8Rng;
use substrate_core::{protocol::offer::Offer, resources::Resources};

use crate::{
    id::{InstanceId, PathId},
    instance::Instance,
    queue::Reason,
    scheduler::Config,
    spec::App,
};

/// What one version of an app wants from a round. Two versions of one app are two requests that know of each other.
#[derive(Clone, Debug)]
pub struct Request<'a> {
    /// The version that the instances are launched with.
    pub app: &'a App,
    /// Instances that may be launched now (launchable, back-off over), in launch order.
    pub waiting: Vec<&'a Instance>,
    /// Every other instance of the app, in order of creation. Those that do not count are sifted out here: see [`is_considered`].
    pub placed: Vec<&'a Instance>,
}

/// Bounds of a round.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Launches from one offer, over all apps; at least 1 is taken.
    pub max_instances_per_offer: usize,
    /// Region of the master: apps without a constraint on `@region` or `@zone` stay there. `None`: they go anywhere.
    pub local_region: Option<String>,
}

impl From<&Config> for Limits {
    fn from(config: &Config) -> Self {
        Self { max_instances_per_offer: config.max_instances_per_offer, local_region: None }
    }
}

/// What a round led to.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Placed {
    /// In the order in which they were decided. Each instance at most once.
    pub placements: Vec<Placement>,
    /// One for each request, in the order of the requests.
    pub outcomes: Vec<Outcome>,
}

/// An instance and the part of an offer that it gets.
#[derive(Clone, Debug, PartialEq)]
pub struct Placement {
    /// Index into the requests.
    pub request: usize,
    /// Index into the offers.
    pub offer: usize,
    /// Which instance.
    pub instance: InstanceId,
    /// Host ports in the order of the app's definitions.
    pub ports: Vec<u16>,
    /// Everything that is taken from the offer, these ports included.
    pub resources: Resources,
}

/// What a round was for one request.
#[derive(Clone, Debug, PartialEq)]
pub struct Outcome {
    /// Whose.
    pub app: PathId,
    /// Instances that got a place.
    pub launched: u64,
    /// Instances that got none.
    pub left: u64,
    /// Every offer of which the app could use no more, if instances are left over; otherwise nobody asks, and this is empty.
    /// Offers that could not be used because they had reached [`Limits::max_instances_per_offer`] are not among them.
    pub refusals: Vec<Refusal>,
}

/// An offer that could not be used (any more).
#[derive(Clone, Debug, PartialEq)]
pub struct Refusal {
    /// The offer with what was left of it at the end of the round; shared by all requests that refused it.
    pub offer: Arc<Offer>,
    /// Everything that spoke against it, in the order of [`Reason::ALL`]; never empty.
    pub reasons: Vec<Reason>,
}

/// Decides which waiting instance goes where.
///
/// - **Fair**: requests take turns, one instance each, in an order drawn anew for every round.
/// - **Spread**: among the offers that fit, an instance takes one from the least filled group of the app's `GROUP_BY` constraints,
///   then from the agent with the fewest instances of the app that count (see [`is_considered`]), then with the fewest in any
///   version, then the offer that could hold the most further instances of the app, then the first.
/// - **Sound**: placements of a round never exceed their offers, never share a port of an agent, and each satisfies all constraints
///   given those before it.
///
/// Cost: for each request, the offers and its placed instances once, then some logarithms for each placement; with `GROUP_BY`, in the
/// worst case all offers for each placement. Memory beyond the result: one entry per offer for each request that is not served
/// completely in its first turn.
pub fn place(requests: &[Request<'_>], offers: &[Offer], limits: &Limits, random: &mut ChaCha8Rng) -> Placed {
    round::Round::new(requests, offers, limits).run(random)
}

/// Whether constraints of `app` take notice of this instance of it: it has, or is about to have, a task of the same configuration.
///
/// Instances that wait, ended or are out of reach do not count (Marathon behaviour reference, "Offer matching"). That includes those
/// out of reach for longer than the app accepts: Marathon counts them, which can make their replacement impossible.
pub fn is_considered(app: &App, instance: &Instance) -> bool {
    instance.has_live_task() && instance.task.is_some() && instance.version >= app.last_config_change_at
}
