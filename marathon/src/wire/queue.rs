//! The launch queue: what waits, for how long, and why.

use std::sync::Arc;

use marathon_core::{
    id::PathId,
    instance::{Condition, Instance},
    queue::{OfferStatistics, Reason, SummaryRow, UnusedOffer},
    spec::App,
    state::State,
};
use marathon_openapi::queue as wire;
use marathon_time::Timestamp;
use substrate_core::{
    protocol::offer::{Attribute, AttributeValue, Offer},
    resources::Quantity,
};

use super::app;

/// What waits for a launch, in the order of the apps' ids.
pub fn queue(state: &State, now: Timestamp, with_offers: bool) -> wire::Queue {
    let item = |id: &PathId| {
        let app = state.root.apps.get(id)?;
        let waiting = waiting(state, app);
        (!waiting.is_empty()).then(|| queue_item(state, app, &waiting, now, with_offers))
    };
    wire::Queue { queue: state.instances.keys().filter_map(item).collect() }
}

/// Instances of an app that are left to launch.
fn waiting<'a>(state: &'a State, app: &App) -> Vec<&'a Instance> {
    let waits = |instance: &&Instance| instance.is_launchable() || instance.condition == Condition::Provisioned;
    super::task::instances(state, app).filter(waits).collect()
}

fn queue_item(state: &State, app: &App, waiting: &[&Instance], now: Timestamp, with_offers: bool) -> wire::QueueItem {
    let nothing = Arc::default();
    let statistics = state.queue.statistics.get(&app.spec.id).unwrap_or(&nothing);
    let until = state.queue.delay_until(app).filter(|until| *until > now);
    wire::QueueItem {
        count: u32::try_from(waiting.len()).unwrap_or(u32::MAX),
        delay: wire::QueueDelay {
            time_left_seconds: until.map_or(0, |until| until.since(now).as_millis().div_ceil(1000) as u64),
            overdue: until.is_none(),
        },
        since: waiting.iter().map(|instance| instance.scheduled_at).min().unwrap_or(now),
        processed_offers_summary: summary(statistics),
        last_unused_offers: with_offers
            .then(|| statistics.last_unused.values().map(|unused| unused_offer(unused)).collect()),
        app: app::definition(app),
        role: None,
    }
}

fn summary(statistics: &OfferStatistics) -> wire::ProcessedOffersSummary {
    wire::ProcessedOffersSummary {
        processed_offers_count: statistics.processed,
        unused_offers_count: statistics.unused,
        last_unused_offer_at: statistics.last_unused_at,
        last_used_offer_at: statistics.last_used_at,
        reject_summary_last_offers: rows(&statistics.summary_last_offers()),
        reject_summary_launch_attempt: rows(&statistics.summary_launch_attempt()),
    }
}

fn rows(rows: &[SummaryRow]) -> Vec<wire::RejectSummary> {
    let row = |row: &SummaryRow| wire::RejectSummary {
        reason: reject_reason(row.reason),
        declined: row.declined,
        processed: row.processed,
    };
    rows.iter().map(row).collect()
}

fn reject_reason(reason: Reason) -> wire::RejectReason {
    match reason {
        Reason::UnfulfilledRole => wire::RejectReason::UnfulfilledRole,
        Reason::UnfulfilledConstraint => wire::RejectReason::UnfulfilledConstraint,
        Reason::NoCorrespondingReservationFound => wire::RejectReason::NoCorrespondingReservationFound,
        Reason::AgentMaintenance => wire::RejectReason::AgentMaintenance,
        Reason::InsufficientCpus => wire::RejectReason::InsufficientCpus,
        Reason::InsufficientMemory => wire::RejectReason::InsufficientMemory,
        Reason::InsufficientDisk => wire::RejectReason::InsufficientDisk,
        Reason::InsufficientGpus => wire::RejectReason::InsufficientGpus,
        Reason::InsufficientPorts => wire::RejectReason::InsufficientPorts,
        Reason::DeclinedScarceResources => wire::RejectReason::DeclinedScarceResources,
    }
}

fn unused_offer(unused: &UnusedOffer) -> wire::UnusedOffer {
    wire::UnusedOffer {
        offer: offer(&unused.offer),
        reason: unused.reasons.iter().copied().map(reject_reason).collect(),
        timestamp: unused.at,
    }
}

fn offer(offer: &Offer) -> wire::Offer {
    let resource = |(kind, quantity): (substrate_core::resources::Kind, Quantity)| {
        let (scalar, ranges, set) = match quantity {
            Quantity::Scalar(amount) => (Some(amount.as_f64()), None, None),
            Quantity::Ranges(ranges) => (None, Some(number_ranges(ranges.intervals())), None),
            Quantity::Set(items) => (None, None, Some(items.into_iter().collect())),
        };
        wire::OfferResource {
            name: kind.name.to_string(),
            role: kind.role.map_or_else(|| "*".to_owned(), |role| role.to_string()),
            scalar,
            ranges,
            set,
        }
    };
    wire::Offer {
        id: offer.id.to_string(),
        hostname: offer.hostname.clone(),
        agent_id: offer.agent_id.to_string(),
        resources: offer.resources.iter().map(resource).collect(),
        attributes: offer.attributes.iter().map(attribute).collect(),
    }
}

fn attribute(attribute: &Attribute) -> wire::AgentAttribute {
    let (text, scalar, ranges, set) = match &attribute.value {
        AttributeValue::Text(text) => (Some(text.clone()), None, None, None),
        AttributeValue::Scalar(number) => (None, Some(number.as_f64()), None, None),
        AttributeValue::Ranges(ranges) => (None, None, Some(number_ranges(ranges)), None),
        AttributeValue::Set(items) => (None, None, None, Some(items.clone())),
    };
    wire::AgentAttribute { name: attribute.name.clone(), text, scalar, ranges, set }
}

fn number_ranges(ranges: &[(u64, u64)]) -> Vec<wire::NumberRange> {
    ranges.iter().map(|(begin, end)| wire::NumberRange { begin: *begin, end: *end }).collect()
}
