//! The launch queue: what waits for offers, and why.

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::app::App;

/// Answer of `GET /v2/queue`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Queue {
    /// What waits.
    pub queue: Vec<QueueItem>,
}

/// Instances of one app that wait to be launched.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueItem {
    /// How many instances are left to launch.
    pub count: u32,
    /// Whether and how long the launch is put off.
    pub delay: QueueDelay,
    /// Since when they are tried to be launched.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// How the offers were judged.
    pub processed_offers_summary: ProcessedOffersSummary,
    /// The last offer per agent that was not used, if asked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_unused_offers: Option<Vec<UnusedOffer>>,
    /// The app.
    pub app: App,
    /// Role used for launching, if another than `*`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub role: Option<String>,
}

/// Whether and how long a launch is put off.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct QueueDelay {
    /// Seconds until the next launch.
    pub time_left_seconds: u64,
    /// Whether no back-off is pending.
    pub overdue: bool,
}

/// How the offers for one app were judged.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ProcessedOffersSummary {
    /// Offers looked at in this launch attempt.
    pub processed_offers_count: u64,
    /// How many of them were not used.
    pub unused_offers_count: u64,
    /// When the last one was not used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub last_unused_offer_at: Option<Timestamp>,
    /// When the last one was used.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub last_used_offer_at: Option<Timestamp>,
    /// Reasons for the last offer of every agent, in the order of the funnel.
    pub reject_summary_last_offers: Vec<RejectSummary>,
    /// Reasons for all offers of this launch attempt, in the order of the funnel.
    pub reject_summary_launch_attempt: Vec<RejectSummary>,
}

/// How many offers got to one test, and how many failed it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct RejectSummary {
    /// The test.
    pub reason: RejectReason,
    /// How many failed.
    pub declined: u64,
    /// How many got there.
    pub processed: u64,
}

/// Why an offer does not do, in the order of the tests.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, ToSchema)]
pub enum RejectReason {
    /// Resources of another role.
    UnfulfilledRole,
    /// A constraint does not hold.
    UnfulfilledConstraint,
    /// No reservation of the instance.
    NoCorrespondingReservationFound,
    /// The agent is under maintenance.
    AgentMaintenance,
    /// Too little CPU.
    InsufficientCpus,
    /// Too little memory.
    InsufficientMemory,
    /// Too little disk.
    InsufficientDisk,
    /// Too few GPUs.
    InsufficientGpus,
    /// Not the ports needed.
    InsufficientPorts,
    /// An agent with GPUs, kept for those who need them.
    DeclinedScarceResources,
}

impl RejectReason {
    /// All reasons, in the order of the tests. The summaries hold a row for each.
    pub const FUNNEL: [Self; 10] = [
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

    /// The rows of a summary: `declined` says how many offers failed each test, `offers` how many there were.
    pub fn funnel(offers: u64, declined: impl Fn(Self) -> u64) -> Vec<RejectSummary> {
        let mut processed = offers;
        let mut rows = Vec::with_capacity(Self::FUNNEL.len());
        for reason in Self::FUNNEL {
            let declined = declined(reason);
            rows.push(RejectSummary { reason, declined, processed });
            processed = processed.saturating_sub(declined);
        }
        rows
    }
}

/// An offer that was not used.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct UnusedOffer {
    /// The offer.
    pub offer: Offer,
    /// Why it was not used.
    pub reason: Vec<RejectReason>,
    /// When it was looked at.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
}

/// What an agent offered.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Offer {
    /// Offer id.
    pub id: String,
    /// Host name of the agent.
    pub hostname: String,
    /// Id of the agent.
    pub agent_id: String,
    /// What was offered.
    pub resources: Vec<OfferResource>,
    /// What the agent says about itself.
    pub attributes: Vec<AgentAttribute>,
}

/// One resource of an offer: a scalar, ranges, or a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct OfferResource {
    /// `cpus`, `mem`, `disk`, `ports` …
    pub name: String,
    /// Whose it is.
    pub role: String,
    /// The amount.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scalar: Option<f64>,
    /// The ranges, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ranges: Option<Vec<NumberRange>>,
    /// The items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub set: Option<Vec<String>>,
}

/// An attribute of an agent: a text, a scalar, ranges, or a set.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct AgentAttribute {
    /// Name of the attribute.
    pub name: String,
    /// The text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub text: Option<String>,
    /// The number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub scalar: Option<f64>,
    /// The ranges, both ends included.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ranges: Option<Vec<NumberRange>>,
    /// The items.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub set: Option<Vec<String>>,
}

/// Whole numbers from `begin` to `end`, both included.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct NumberRange {
    /// The first.
    pub begin: u64,
    /// The last.
    pub end: u64,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_row_of_the_funnel_starts_with_what_the_row_before_left() {
        let rows = RejectReason::funnel(10, |reason| {
            4 * u64::from(reason == RejectReason::UnfulfilledConstraint)
                + 6 * u64::from(reason == RejectReason::InsufficientPorts)
        });
        let processed: Vec<u64> = rows.iter().map(|row| row.processed).collect();
        assert_eq!(processed, [10, 10, 6, 6, 6, 6, 6, 6, 6, 0]);
    }
}
