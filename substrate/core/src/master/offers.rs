//! Offers: made, given back, rescinded, timed out.

use std::collections::BTreeMap;

use super::{Master, Output, Timer};
use crate::{
    allocator::{Grant, Return},
    clock::Now,
    protocol::{
        AgentId, FrameworkId, OfferId,
        offer::Offer,
        scheduler::{Event, Filters},
    },
};

impl Master {
    /// Offers whatever the allocator grants; one event per framework.
    pub(super) fn make_offers(&mut self, now: Now, out: &mut Output) {
        let mut offers: BTreeMap<FrameworkId, Vec<Offer>> = BTreeMap::new();
        for grant in self.allocator.allocate(now.tick) {
            let offer = self.make_offer(now, grant);
            offers.entry(offer.framework_id.clone()).or_default().push(offer);
        }
        for (framework, offers) in offers {
            self.tell(&framework, Event::Offers(offers), out);
        }
    }

    fn make_offer(&mut self, now: Now, grant: Grant) -> Offer {
        let agent = self.agents.get_mut(&grant.agent_id).expect("the allocator has the agents that the master has");
        let framework = self.frameworks.get_mut(&grant.framework_id).expect("and the frameworks");
        let id = OfferId::new(format!("{}-O{}", self.config.id, self.next_offer));
        self.next_offer += 1;
        let offer = Offer {
            id: id.clone(),
            framework_id: grant.framework_id,
            agent_id: grant.agent_id,
            hostname: agent.info.hostname.clone(),
            agent_address: agent.info.address.clone(),
            domain: agent.info.domain.clone(),
            role: grant.role.to_string(),
            resources: grant.resources,
            attributes: agent.info.attributes.clone(),
        };
        agent.offers.insert(id.clone());
        framework.offers.insert(id.clone());
        if let Some(timeout) = self.config.offer_timeout {
            self.timers.set(Timer::OfferTimeout(id.clone()), now.tick + timeout);
        }
        self.offers.insert(id, offer.clone());
        offer
    }

    /// Takes an offer out of the books; its resources stay allocated.
    pub(super) fn take_offer(&mut self, id: &OfferId) -> Option<Offer> {
        let offer = self.offers.remove(id)?;
        if let Some(agent) = self.agents.get_mut(&offer.agent_id) {
            agent.offers.remove(id);
        }
        if let Some(framework) = self.frameworks.get_mut(&offer.framework_id) {
            framework.offers.remove(id);
        }
        self.timers.cancel(&Timer::OfferTimeout(id.clone()));
        Some(offer)
    }

    /// Ends an offer and gives its resources back.
    pub(super) fn give_back(&mut self, now: Now, id: &OfferId, how: Return) {
        if let Some(offer) = self.take_offer(id) {
            let Offer { agent_id, framework_id, role, resources, .. } = offer;
            self.allocator.recover(now.tick, &agent_id, &framework_id, &role, &resources, how);
        }
    }

    pub(super) fn decline(&mut self, now: Now, framework: &FrameworkId, offers: &[OfferId], filters: Filters) {
        for id in offers {
            if self.offers.get(id).is_some_and(|offer| offer.framework_id == *framework) {
                self.give_back(now, id, Return::Refused(filters.refuse));
            }
        }
    }

    pub(super) fn rescind(&mut self, now: Now, id: &OfferId, out: &mut Output) {
        if let Some(offer) = self.offers.get(id) {
            self.tell(&offer.framework_id, Event::Rescind(id.clone()), out);
            self.give_back(now, id, Return::Freed);
        }
    }

    /// Rescinds every offer of an agent.
    pub(super) fn rescind_all(&mut self, now: Now, agent: &AgentId, out: &mut Output) {
        let offers = self.agents.get(agent).map(|agent| agent.offers.clone()).unwrap_or_default();
        for id in offers {
            self.rescind(now, &id, out);
        }
    }

    /// Ends every offer to a framework without a word: it is not there to hear it.
    pub(super) fn discard_offers(&mut self, now: Now, framework: &FrameworkId) {
        let offers = self.frameworks.get(framework).map(|framework| framework.offers.clone()).unwrap_or_default();
        for id in offers {
            self.give_back(now, &id, Return::Freed);
        }
    }
}
