//! Connections of agents: numbers, signs of life, their end.

use std::collections::{BTreeMap, BTreeSet};

use marathon_time::Timestamp;

use super::{Effect, LinkId, Master, Output, Timer};
use crate::{
    clock::Now,
    protocol::{
        AgentId,
        agent::{Arrival, Counter, Expected, FromAgent, HEARTBEAT_INTERVAL, Numbered, SILENCE_LIMIT, ToAgent},
    },
};

/// So many connections are remembered that were given up here and whose end was not reported yet.
const GIVEN_UP: usize = 100_000;

/// Open connections, and those that were given up and may still bring messages.
#[derive(Clone, Debug, Default)]
pub(super) struct Links {
    open: BTreeMap<LinkId, Link>,
    given_up: BTreeSet<LinkId>,
}

#[derive(Clone, Debug)]
struct Link {
    expected: Expected,
    counter: Counter,
    heard: Timestamp,
    /// Who registered on it.
    agent: Option<AgentId>,
}

impl Links {
    /// Who registered on the connection.
    pub fn agent(&self, link: LinkId) -> Option<&AgentId> {
        self.open.get(&link)?.agent.as_ref()
    }

    pub fn register(&mut self, link: LinkId, agent: &AgentId) {
        if let Some(link) = self.open.get_mut(&link) {
            link.agent = Some(agent.clone());
        }
    }

    /// Sends on an open connection; on no other.
    pub fn send(&mut self, link: LinkId, message: ToAgent, out: &mut Output) {
        if let Some(open) = self.open.get_mut(&link) {
            out.effects.push(Effect::Send(link, open.counter.number(message)));
        }
    }
}

impl Master {
    /// An agent said something.
    pub(super) fn heard(&mut self, now: Now, link: LinkId, message: Numbered<FromAgent>, out: &mut Output) {
        if self.links.given_up.contains(&link) {
            return;
        }
        let open = self.links.open.entry(link).or_insert_with(|| {
            self.timers.set(Timer::LinkHeartbeat(link), now.tick + HEARTBEAT_INTERVAL);
            self.timers.set(Timer::LinkSilence(link), now.tick + SILENCE_LIMIT);
            Link { expected: Expected::default(), counter: Counter::default(), heard: now.tick, agent: None }
        });
        open.heard = now.tick;
        match open.expected.take(message.seq) {
            Arrival::InTurn => {}
            Arrival::Seen => return,
            Arrival::Gap => return self.give_up(now, link, out),
        }
        let agent = open.agent.clone();
        match (message.message, agent) {
            (FromAgent::Register { id, info, tasks }, _) => self.register(now, link, id, info, tasks, out),
            (FromAgent::Update { framework_id, status, latest_state }, Some(agent)) => {
                self.updated(now, &agent, &framework_id, status, latest_state, out);
            }
            (FromAgent::Heartbeat, Some(agent)) => self.agent_confirmed(&agent),
            (FromAgent::Update { .. } | FromAgent::Heartbeat, None) => self.give_up(now, link, out),
        }
    }

    /// Ends a connection from this side.
    pub(super) fn give_up(&mut self, now: Now, link: LinkId, out: &mut Output) {
        if !self.links.open.contains_key(&link) {
            return;
        }
        self.links.given_up.insert(link);
        if self.links.given_up.len() > GIVEN_UP {
            self.links.given_up.pop_first();
        }
        out.effects.push(Effect::CloseLink(link));
        self.link_ended(now, link, out);
    }

    /// A connection ended.
    pub(super) fn link_closed(&mut self, now: Now, link: LinkId, out: &mut Output) {
        self.links.given_up.remove(&link);
        self.link_ended(now, link, out);
    }

    fn link_ended(&mut self, now: Now, link: LinkId, out: &mut Output) {
        let Some(ended) = self.links.open.remove(&link) else { return };
        self.timers.cancel(&Timer::LinkHeartbeat(link));
        self.timers.cancel(&Timer::LinkSilence(link));
        if let Some(agent) = ended.agent {
            self.agent_disconnected(now, &agent, link, out);
        }
    }

    pub(super) fn link_heartbeat(&mut self, now: Now, link: LinkId, out: &mut Output) {
        self.links.send(link, ToAgent::Heartbeat, out);
        self.timers.set(Timer::LinkHeartbeat(link), now.tick + HEARTBEAT_INTERVAL);
    }

    pub(super) fn link_silence(&mut self, now: Now, link: LinkId, out: &mut Output) {
        let Some(open) = self.links.open.get(&link) else { return };
        let limit = open.heard + SILENCE_LIMIT;
        if limit <= now.tick {
            self.give_up(now, link, out);
        } else {
            self.timers.set(Timer::LinkSilence(link), limit);
        }
    }
}
