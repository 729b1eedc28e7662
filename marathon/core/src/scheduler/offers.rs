//! Asking for offers while something waits for one, and not otherwise.

use std::time::Duration;

use marathon_time::Timestamp;
use substrate_core::protocol::scheduler::Call;

use super::{Scheduler, Timer};
use crate::{id::PathId, instance::census::Standing, queue::Queue};

/// What the master was told about our demand.
#[derive(Debug, Default)]
pub(super) struct Intake {
    /// Specs with an instance that may be launched now.
    pub ready: std::collections::BTreeSet<PathId>,
    /// The master believes that we want offers.
    pub wanting: bool,
    /// Something began to wait since offers were last asked for: filters on declined offers must go.
    pub fresh: bool,
    revived_at: Option<Timestamp>,
}

impl Intake {
    pub fn clock_set_back(&mut self, now: Timestamp) {
        self.revived_at = self.revived_at.map(|at| at.min(now));
    }

    fn may_revive_at(&self, interval: Duration) -> Timestamp {
        self.revived_at.map_or(Timestamp::EPOCH, |at| at + interval)
    }
}

impl Scheduler {
    /// Finds out anew, for specs of which other instances wait than before, whether any may be launched.
    pub(super) fn refresh_queue(&mut self) {
        while let Some((spec, more)) = self.queue_changed.pop_first() {
            self.refresh_spec(spec, more);
        }
        let expiry = self.state.queue.next_expiry();
        self.timers.put(Timer::Expiry, expiry);
    }

    fn refresh_spec(&mut self, spec: PathId, more: bool) {
        let (mut waiting, mut ready, mut delayed_until) = (false, false, None);
        let versions = self.census.get(&spec).into_iter().flat_map(|census| census.versions());
        for (version, counts) in versions {
            if counts.of(Standing::Waiting) == 0 {
                continue;
            }
            waiting = true;
            let until = self.version_of(&spec, version).and_then(|app| self.state.queue.delay_until(&app));
            match until.filter(|until| *until > self.now) {
                Some(until) => delayed_until = Some(delayed_until.unwrap_or(until).min(until)),
                None => ready = true,
            }
        }
        self.timers.put(Timer::Backoff(spec.clone()), delayed_until);
        if !waiting {
            self.state.queue.forget(&spec);
        }
        if !ready {
            self.intake.ready.remove(&spec);
        } else if self.intake.ready.insert(spec) || more {
            self.intake.fresh = true;
        }
    }

    /// Revives when something began to wait, suppresses when nothing waits any more.
    pub(super) fn tell_demand(&mut self) {
        if !self.link.is_subscribed() {
            return;
        }
        if self.intake.ready.is_empty() {
            self.timers.cancel(&Timer::Revive);
            self.intake.fresh = false;
            if std::mem::take(&mut self.intake.wanting) {
                self.call(Call::Suppress { roles: Vec::new() });
            }
            return;
        }
        if self.intake.wanting && !self.intake.fresh {
            return;
        }
        let at = self.intake.may_revive_at(self.config.min_revive_offers_interval);
        if at > self.now {
            self.timers.set(Timer::Revive, at);
            return;
        }
        self.timers.cancel(&Timer::Revive);
        self.intake.wanting = true;
        self.intake.fresh = false;
        self.intake.revived_at = Some(self.now);
        self.call(Call::Revive { roles: Vec::new() });
    }

    /// The clock was set back: every back-off would last that much longer. Their timers were brought forward, and find none.
    pub(super) fn forget_backoffs(&mut self) {
        let statistics = std::mem::take(&mut self.state.queue.statistics);
        self.state.queue = Queue::default();
        self.state.queue.statistics = statistics;
    }

    /// A new stream: filters are gone, and suppressed is what the subscription said.
    pub(super) fn demand_at_subscription(&mut self) {
        self.intake.fresh = !self.intake.ready.is_empty();
    }

    /// Roles for which no offers are wanted at the moment of a subscription.
    pub(super) fn suppressed_roles(&mut self) -> Vec<String> {
        self.intake.wanting = !self.intake.ready.is_empty();
        if self.intake.wanting { Vec::new() } else { self.config.framework.roles.clone() }
    }
}
