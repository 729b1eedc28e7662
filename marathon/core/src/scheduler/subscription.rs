//! The connection to the master: subscribing, noticing that it is gone, and comparing notes afterwards.

use std::time::Duration;

use marathon_time::Timestamp;
use substrate_core::protocol::{
    AgentId, FrameworkId, TaskId,
    scheduler::{Call, Event as MasterEvent, FrameworkInfo, MasterInfo},
};

use super::{Change, Effect, Scheduler, Timer};
use crate::event::Event;

/// Pause before the second attempt to subscribe; doubles up to the longest.
const FIRST_PAUSE: Duration = Duration::from_millis(100);
const LONGEST_PAUSE: Duration = Duration::from_secs(5);
/// A subscription that is not answered for so long is tried again.
const PATIENCE: Duration = Duration::from_secs(15);
/// So many heartbeats may be missing.
const MISSED_HEARTBEATS: u32 = 5;
/// A master that announces shorter heartbeats is not taken at its word: the connection would flap.
const SHORTEST_HEARTBEAT: Duration = Duration::from_millis(100);
/// First comparison after the one at the subscription, for what the master did not know yet then; doubles up to the interval set.
const FIRST_RECONCILIATION: Duration = Duration::from_secs(15);
/// Said by a master that will not have this framework back.
const REMOVED: &str = "Framework has been removed";

/// Where we are with the master.
#[derive(Debug)]
pub(super) struct Link {
    phase: Phase,
    /// Before the next attempt.
    pause: Duration,
    /// Before the next comparison of tasks.
    reconciliation: Duration,
    heard_at: Timestamp,
    heartbeat: Duration,
    /// Whether this scheduler subscribed before: the next time is a re-registration.
    was_subscribed: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Until the timer says so.
    Waiting,
    /// Asked, not answered.
    Subscribing,
    Subscribed,
}

impl Link {
    pub fn new(now: Timestamp) -> Self {
        Self {
            phase: Phase::Waiting,
            pause: FIRST_PAUSE,
            reconciliation: FIRST_RECONCILIATION,
            heard_at: now,
            heartbeat: SHORTEST_HEARTBEAT,
            was_subscribed: false,
        }
    }

    /// Or silence would be noticed only when the clock has caught up.
    pub fn clock_set_back(&mut self, now: Timestamp) {
        self.heard_at = self.heard_at.min(now);
    }

    pub fn is_subscribed(&self) -> bool {
        self.phase == Phase::Subscribed
    }
}

impl Scheduler {
    /// Asks for a stream of events. Rings again if the answer does not come.
    pub(super) fn subscribe(&mut self) {
        self.link.phase = Phase::Subscribing;
        self.timers.set(Timer::Subscribe, self.now + PATIENCE);
        let framework = FrameworkInfo { id: self.state.framework_id.clone(), ..self.config.framework.clone() };
        let suppressed_roles = self.suppressed_roles();
        self.out.effects.push(Effect::Call(Box::new(Call::Subscribe { framework, suppressed_roles })));
    }

    pub(super) fn master_said(&mut self, event: MasterEvent) {
        self.link.heard_at = self.now;
        match event {
            MasterEvent::Subscribed { framework_id, heartbeat_interval, master } => {
                self.subscribed(framework_id, heartbeat_interval, master);
            }
            MasterEvent::Offers(offers) => self.offered(&offers),
            MasterEvent::Update(status) => self.heard(&status),
            MasterEvent::Error { message } => {
                if message.contains(REMOVED) {
                    self.out.effects.push(Effect::Halt { message });
                } else {
                    self.master_lost();
                }
            }
            // No offer is kept, and statuses tell what became of an agent's tasks.
            MasterEvent::Rescind(_) | MasterEvent::Failure { .. } | MasterEvent::Heartbeat => {}
        }
    }

    fn subscribed(&mut self, framework_id: FrameworkId, heartbeat: Duration, master: MasterInfo) {
        self.link.phase = Phase::Subscribed;
        self.link.pause = FIRST_PAUSE;
        self.link.heartbeat = heartbeat.max(SHORTEST_HEARTBEAT);
        self.timers.cancel(&Timer::Subscribe);
        self.timers.set(Timer::Silence, self.now + self.longest_silence());
        if self.state.framework_id.as_ref() != Some(&framework_id) {
            self.state.framework_id = Some(framework_id.clone());
            self.change(Change::Framework(framework_id.clone()));
        }
        let host = master.hostname.clone();
        self.state.master = Some(master);
        if std::mem::replace(&mut self.link.was_subscribed, true) {
            self.emit(Event::SchedulerReregistered { master: host });
        } else {
            self.emit(Event::SchedulerRegistered { framework_id, master: host });
        }
        self.demand_at_subscription();
        self.link.reconciliation = FIRST_RECONCILIATION;
        self.reconcile_tasks();
        self.repeat_kills();
    }

    /// The stream ended, could not be opened, or is of no use any more.
    pub(super) fn master_lost(&mut self) {
        match self.link.phase {
            Phase::Waiting => return,
            Phase::Subscribing => {}
            Phase::Subscribed => {
                self.emit(Event::SchedulerDisconnected);
            }
        }
        self.link.phase = Phase::Waiting;
        self.state.master = None;
        self.intake.wanting = false;
        for timer in [Timer::Silence, Timer::Reconcile, Timer::Revive] {
            self.timers.cancel(&timer);
        }
        self.timers.set(Timer::Subscribe, self.now + self.link.pause);
        self.link.pause = (self.link.pause * 2).min(LONGEST_PAUSE);
    }

    /// Nothing was heard for long, or something was since the timer was set.
    pub(super) fn check_silence(&mut self) {
        let silent_until = self.link.heard_at + self.longest_silence();
        if silent_until > self.now {
            // Heard of meanwhile. A clock that was set back must not stretch the wait.
            let at = silent_until.min(self.now + self.longest_silence());
            self.timers.set(Timer::Silence, at);
        } else {
            self.master_lost();
        }
    }

    fn longest_silence(&self) -> Duration {
        self.link.heartbeat * MISSED_HEARTBEATS
    }

    /// Asks the master about every task that is believed to live, and about all that it knows: the first finds what ended unheard, the
    /// second what lives unknown.
    pub(super) fn reconcile_tasks(&mut self) {
        if !self.link.is_subscribed() {
            return;
        }
        let tasks: Vec<(TaskId, Option<AgentId>)> = self
            .state
            .instances
            .values()
            .flat_map(|of_spec| of_spec.values())
            .filter(|instance| !instance.condition.is_terminal())
            .filter_map(|instance| instance.task.as_ref())
            .map(|task| (task.id.clone(), Some(task.agent_id.clone())))
            .collect();
        if !tasks.is_empty() {
            self.call(Call::Reconcile { tasks });
        }
        self.call(Call::Reconcile { tasks: Vec::new() });
        // Offers asked for may have been lost, too.
        self.intake.fresh |= !self.intake.ready.is_empty();
        self.timers.set(Timer::Reconcile, self.now + self.link.reconciliation);
        self.link.reconciliation = (self.link.reconciliation * 2).min(self.config.reconciliation_interval);
    }
}
