//! The connection to the master: registration, numbers, signs of life.

use marathon_time::Timestamp;

use super::{Agent, Change, Effect, Output, Timer};
use crate::{
    clock::Now,
    protocol::{
        AgentId,
        agent::{
            Arrival, Counter, Expected, FromAgent, HEARTBEAT_INTERVAL, Numbered, SILENCE_LIMIT, TaskReport, ToAgent,
        },
    },
};

#[derive(Clone, Debug)]
pub(super) struct Link {
    expected: Expected,
    counter: Counter,
    heard: Timestamp,
    /// The master answered the registration.
    pub registered: bool,
}

impl Agent {
    pub(super) fn connected(&mut self, now: Now, out: &mut Output) {
        if self.halted {
            return;
        }
        self.link = Some(Link {
            expected: Expected::default(),
            counter: Counter::default(),
            heard: now.tick,
            registered: false,
        });
        self.timers.set(Timer::Silence, now.tick + SILENCE_LIMIT);
        let (id, info, tasks) = (self.id.clone(), self.info.clone(), self.reports());
        self.send(FromAgent::Register { id, info, tasks }, out);
    }

    /// Everything that the master must know: a task that is over is only kept while something about it is unacknowledged.
    fn reports(&self) -> Vec<TaskReport> {
        let report = |task: &super::task::Task| TaskReport {
            framework_id: task.framework_id.clone(),
            role: task.progress.role.clone(),
            info: task.info.clone(),
            container_id: task.container_id.clone(),
            status: task.progress.status.clone(),
        };
        self.tasks.values().map(report).collect()
    }

    pub(super) fn disconnected(&mut self) {
        self.link = None;
        self.timers.cancel(&Timer::Heartbeat);
        self.timers.cancel(&Timer::Silence);
    }

    pub(super) fn heard(&mut self, now: Now, message: Numbered<ToAgent>, out: &mut Output) {
        let Some(link) = &mut self.link else { return };
        link.heard = now.tick;
        match link.expected.take(message.seq) {
            Arrival::InTurn => self.obey(now, message.message, out),
            Arrival::Seen => {}
            Arrival::Gap => self.reconnect(out),
        }
    }

    pub(super) fn registered(&mut self, now: Now, id: AgentId, out: &mut Output) {
        if let Some(link) = &mut self.link {
            link.registered = true;
        }
        self.timers.set(Timer::Heartbeat, now.tick + HEARTBEAT_INTERVAL);
        if self.id.is_none() {
            out.changes.push(Change::Id(id.clone()));
            self.id = Some(id);
            self.send(FromAgent::Heartbeat, out); // the master waits for this sign that the id is on disk
        }
        self.tell_everything(now, out);
    }

    /// Sends if there is a connection; whatever is not sent is told by the next registration.
    pub(super) fn send(&mut self, message: FromAgent, out: &mut Output) {
        if let Some(link) = &mut self.link {
            out.effects.push(Effect::Send(link.counter.number(message)));
        }
    }

    pub(super) fn heartbeat(&mut self, now: Now, out: &mut Output) {
        if self.is_registered() {
            self.send(FromAgent::Heartbeat, out);
            self.timers.set(Timer::Heartbeat, now.tick + HEARTBEAT_INTERVAL);
        }
    }

    pub(super) fn silence(&mut self, now: Now, out: &mut Output) {
        let Some(link) = &self.link else { return };
        let limit = link.heard + SILENCE_LIMIT;
        if limit <= now.tick {
            self.reconnect(out);
        } else {
            self.timers.set(Timer::Silence, limit);
        }
    }

    fn reconnect(&mut self, out: &mut Output) {
        self.disconnected();
        out.effects.push(Effect::Reconnect);
    }
}
