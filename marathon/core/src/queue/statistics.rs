//! What became of offers: the numbers behind "why is it not starting?".

use std::sync::Arc;

use marathon_time::Timestamp;

use super::{OfferStatistics, Queue, Reason, UnusedOffer};
use crate::{id::PathId, matching::Outcome};

/// Agents per app whose last unused offer is remembered; the newest are kept.
pub const MAX_LAST_UNUSED: usize = 1_000;

/// One row of a funnel of reasons: of the offers that came this far, so many ended here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct SummaryRow {
    /// Why.
    pub reason: Reason,
    /// Offers against which this was the first reason.
    pub declined: u64,
    /// Offers against which no earlier reason spoke.
    pub processed: u64,
}

impl Queue {
    /// Counts what a round of matching meant for one app. An app of which nothing waits any more loses its statistics, as in Marathon,
    /// once the caller says so by [`Queue::forget`].
    pub fn record(&mut self, outcome: &Outcome, now: Timestamp) {
        if outcome.launched == 0 && outcome.refusals.is_empty() {
            return;
        }
        let statistics = self.statistics.entry(outcome.app.clone()).or_default();
        Arc::make_mut(statistics).record(outcome, now);
    }

    /// Nothing of the app waits any more: drops what became of offers.
    pub fn forget(&mut self, app: &PathId) {
        self.statistics.remove(app);
    }
}

impl OfferStatistics {
    fn record(&mut self, outcome: &Outcome, now: Timestamp) {
        self.processed += outcome.launched;
        if outcome.launched > 0 {
            self.last_used_at = Some(now);
        }
        for refusal in &outcome.refusals {
            self.processed += 1;
            self.unused += 1;
            self.last_unused_at = Some(now);
            if let Some(first) = refusal.reasons.iter().min() {
                self.declined[position(*first)] += 1;
            }
        }
        for refusal in outcome.refusals.iter().rev().take(MAX_LAST_UNUSED) {
            let unused = UnusedOffer { offer: refusal.offer.clone(), reasons: refusal.reasons.clone(), at: now };
            self.last_unused.insert(refusal.offer.agent_id.clone(), Arc::new(unused));
        }
        self.drop_oldest();
    }

    fn drop_oldest(&mut self) {
        let Some(surplus) = self.last_unused.len().checked_sub(MAX_LAST_UNUSED).filter(|surplus| *surplus > 0) else {
            return;
        };
        let mut by_age: Vec<_> = self.last_unused.iter().map(|(agent, unused)| (unused.at, agent.clone())).collect();
        by_age.select_nth_unstable(surplus - 1);
        for (_, agent) in &by_age[..surplus] {
            self.last_unused.remove(agent);
        }
    }

    /// The funnel over every offer since the app began to want some.
    pub fn summary_launch_attempt(&self) -> [SummaryRow; Reason::ALL.len()] {
        funnel(self.processed, &self.declined)
    }

    /// The funnel over the last unused offer of each agent.
    pub fn summary_last_offers(&self) -> [SummaryRow; Reason::ALL.len()] {
        let mut declined = [0; Reason::ALL.len()];
        for unused in self.last_unused.values() {
            if let Some(first) = unused.reasons.iter().min() {
                declined[position(*first)] += 1;
            }
        }
        funnel(self.last_unused.len() as u64, &declined)
    }
}

fn funnel(mut processed: u64, declined: &[u64; Reason::ALL.len()]) -> [SummaryRow; Reason::ALL.len()] {
    std::array::from_fn(|index| {
        let row = SummaryRow { reason: Reason::ALL[index], declined: declined[index], processed };
        processed = processed.saturating_sub(row.declined);
        row
    })
}

fn position(reason: Reason) -> usize {
    Reason::ALL.iter().position(|other| *other == reason).expect("ALL names every reason")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::matching::{
        Refusal,
        fixtures::{at, instance_id, offer},
    };

    fn outcome(launched: u64, refusals: impl IntoIterator<Item = (usize, Vec<Reason>)>) -> Outcome {
        let refusals =
            refusals.into_iter().map(|(agent, reasons)| Refusal { offer: Arc::new(offer(agent, "cpus:1")), reasons });
        Outcome { app: "/a".parse().unwrap(), launched, left: 1, refusals: refusals.collect() }
    }

    #[test]
    fn reasons_are_in_funnel_order() {
        assert!(Reason::ALL.is_sorted());
    }

    #[test]
    fn a_funnel_counts_the_first_reason_against_each_offer() {
        let mut queue = Queue::default();
        let cpus = vec![Reason::InsufficientCpus, Reason::InsufficientMemory];
        queue.record(
            &outcome(0, [(1, vec![Reason::UnfulfilledConstraint, Reason::InsufficientCpus]), (2, cpus)]),
            at(10),
        );
        queue.record(&outcome(3, [(1, vec![Reason::InsufficientPorts])]), at(20));
        let statistics = queue.statistics.get(&instance_id("/a", 0).spec).unwrap();
        assert_eq!((statistics.processed, statistics.unused), (6, 3));
        assert_eq!((statistics.last_used_at, statistics.last_unused_at), (Some(at(20)), Some(at(20))));
        let numbers = |rows: [SummaryRow; 10]| rows.map(|row| (row.declined, row.processed));
        assert_eq!(
            numbers(statistics.summary_launch_attempt()),
            [(0, 6), (1, 6), (0, 5), (0, 5), (1, 5), (0, 4), (0, 4), (0, 4), (1, 4), (0, 3)]
        );
        assert_eq!(
            numbers(statistics.summary_last_offers()),
            [(0, 2), (0, 2), (0, 2), (0, 2), (1, 2), (0, 1), (0, 1), (0, 1), (1, 1), (0, 0)]
        );
        assert_eq!(statistics.summary_last_offers().map(|row| row.reason), Reason::ALL);
        queue.forget(&"/a".parse().unwrap());
        assert!(queue.statistics.is_empty());
    }

    #[test]
    fn only_the_newest_unused_offers_are_remembered() {
        let mut queue = Queue::default();
        queue.record(&outcome(0, (0..20).map(|agent| (agent, vec![Reason::InsufficientCpus]))), at(1));
        queue.record(&outcome(0, (20..1_010).map(|agent| (agent, vec![Reason::InsufficientCpus]))), at(2));
        let statistics = queue.statistics.get(&instance_id("/a", 0).spec).unwrap();
        assert_eq!(statistics.last_unused.len(), MAX_LAST_UNUSED);
        let old = statistics.last_unused.values().filter(|unused| unused.at == at(1)).count();
        assert_eq!(old, 10);
        assert_eq!(statistics.unused, 1_010);
    }

    #[test]
    fn a_round_without_offers_leaves_no_trace() {
        let mut queue = Queue::default();
        queue.record(&outcome(0, []), at(1));
        assert!(queue.statistics.is_empty());
    }
}
