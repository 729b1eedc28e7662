//! Frameworks: subscribed, away for a moment, removed.

use std::{
    collections::{BTreeMap, BTreeSet, VecDeque},
    time::Duration,
};

use marathon_time::Timestamp;

use super::{
    COMPLETED_FRAMEWORKS, Effect, Master, Output, STREAM_HEARTBEAT_INTERVAL, StreamId, Timer,
    tasks::{CompletedTask, Task},
};
use crate::{
    clock::Now,
    protocol::{
        AgentId, FrameworkId, OfferId, TaskId,
        agent::ToAgent,
        check_role, is_valid_id,
        scheduler::{Event, FrameworkInfo},
    },
};

/// What is known of a framework.
#[derive(Clone, Debug, Default)]
pub(super) struct Framework {
    /// `None`: known from its tasks only; it did not subscribe since this master was started.
    pub info: Option<FrameworkInfo>,
    pub stream: Option<StreamId>,
    /// Torn down, or away for too long: its tasks are being killed.
    pub removed: bool,
    /// Tasks that are not forgotten: also terminal ones whose last update was not acknowledged, and unreachable ones.
    pub tasks: BTreeMap<TaskId, Task>,
    pub offers: BTreeSet<OfferId>,
    /// The oldest first.
    pub completed_tasks: VecDeque<CompletedTask>,
    /// When it subscribed first and last.
    pub registered: Option<Timestamp>,
    pub reregistered: Option<Timestamp>,
    /// When it went away or was removed.
    pub unregistered: Option<Timestamp>,
}

/// What is remembered of a removed framework.
#[derive(Clone, Debug)]
pub(super) struct CompletedFramework {
    pub id: FrameworkId,
    pub info: Option<FrameworkInfo>,
    pub registered: Option<Timestamp>,
    pub unregistered: Option<Timestamp>,
    pub completed_tasks: VecDeque<CompletedTask>,
}

impl Framework {
    pub fn partition_aware(&self) -> bool {
        self.info.as_ref().is_some_and(|info| info.partition_aware)
    }
}

impl Master {
    pub(super) fn subscribe(
        &mut self,
        now: Now,
        stream: StreamId,
        info: FrameworkInfo,
        suppressed: Vec<String>,
        out: &mut Output,
    ) {
        let id = match self.subscriber(stream, &info, &suppressed) {
            Ok(id) => id,
            Err(message) => return self.refuse(now, stream, message, out),
        };
        let framework = self.frameworks.entry(id.clone()).or_default();
        let replaced = framework.stream.replace(stream).filter(|old| *old != stream);
        framework.info = Some(FrameworkInfo { id: Some(id.clone()), ..info.clone() });
        framework.unregistered = None;
        match framework.registered {
            Some(_) => framework.reregistered = Some(now.wall),
            None => framework.registered = Some(now.wall),
        }
        self.timers.cancel(&Timer::FrameworkLost(id.clone()));
        if let Some(old) = replaced {
            let message = "Framework failed over".to_owned();
            out.effects.push(Effect::Tell(old, Box::new(Event::Error { message })));
            self.close_stream(old, out);
        }
        self.streams.insert(stream, id.clone());
        self.timers.set(Timer::StreamHeartbeat(stream), now.tick + STREAM_HEARTBEAT_INTERVAL);
        out.effects.push(Effect::Subscribed(stream, id.clone()));
        let subscribed = Event::Subscribed {
            framework_id: id.clone(),
            heartbeat_interval: STREAM_HEARTBEAT_INTERVAL,
            master: self.config.info(),
        };
        self.tell(&id, subscribed, out);
        self.allocator.set_framework_active(&id, false);
        self.discard_offers(now, &id);
        self.allocator.set_framework(&id, &info.roles, &suppressed);
        self.allocator.set_framework_active(&id, true);
        self.tell_agents_of(&id, out);
    }

    /// What agents told while the framework was away was not stored, so they are to tell it again.
    fn tell_agents_of(&mut self, framework: &FrameworkId, out: &mut Output) {
        let agents: BTreeSet<AgentId> = self
            .frameworks
            .get(framework)
            .map(|known| known.tasks.values().map(|task| task.info.agent_id.clone()).collect())
            .unwrap_or_default();
        for agent in agents {
            self.send(&agent, ToAgent::Subscribed { framework_id: framework.clone() }, out);
        }
    }

    /// Under which id the framework is taken in, or why it is not.
    fn subscriber(
        &mut self,
        stream: StreamId,
        info: &FrameworkInfo,
        suppressed: &[String],
    ) -> Result<FrameworkId, String> {
        for (index, role) in info.roles.iter().enumerate() {
            check_role(role).map_err(|why| format!("Role '{role}' is invalid: {why}"))?;
            if info.roles[..index].contains(role) {
                return Err(format!("Role '{role}' is given twice"));
            }
        }
        if let Some(role) = suppressed.iter().find(|role| !info.roles.contains(role)) {
            return Err(format!("Suppressed role '{role}' is not one of the framework's roles"));
        }
        let here = self.streams.get(&stream).cloned();
        match (&info.id, here) {
            (None, Some(here)) => Ok(here), // the same call once more
            (Some(id), Some(here)) if *id != here => {
                Err(format!("The stream belongs to framework {here}, not to framework {id}"))
            }
            (Some(id), _) if !is_valid_id(id.as_str()) => Err(format!("Framework id {:?} is invalid", id.as_str())),
            (Some(id), _) if self.is_removed(id) => Err("Framework has been removed".to_owned()),
            (Some(id), _) => Ok(id.clone()),
            (None, None) => {
                let id = FrameworkId::new(format!("{}-{:04}", self.config.id, self.next_framework));
                self.next_framework += 1;
                Ok(id)
            }
        }
    }

    fn refuse(&mut self, now: Now, stream: StreamId, message: String, out: &mut Output) {
        out.effects.push(Effect::Tell(stream, Box::new(Event::Error { message })));
        out.effects.push(Effect::CloseStream(stream));
        self.stream_closed(now, stream, out);
    }

    fn close_stream(&mut self, stream: StreamId, out: &mut Output) {
        out.effects.push(Effect::CloseStream(stream));
        self.streams.remove(&stream);
        self.timers.cancel(&Timer::StreamHeartbeat(stream));
    }

    pub(super) fn stream_closed(&mut self, now: Now, stream: StreamId, out: &mut Output) {
        let Some(id) = self.streams.remove(&stream) else { return };
        self.timers.cancel(&Timer::StreamHeartbeat(stream));
        let Some(framework) = self.frameworks.get_mut(&id) else { return };
        framework.stream = None;
        framework.unregistered = Some(now.wall);
        let timeout = framework.info.as_ref().map_or(Duration::ZERO, |info| info.failover_timeout);
        self.allocator.set_framework_active(&id, false);
        self.discard_offers(now, &id);
        if timeout.is_zero() {
            self.remove_framework(now, &id, out);
        } else {
            self.timers.set(Timer::FrameworkLost(id), now.tick + timeout);
        }
    }

    /// Ends a framework: its tasks are killed, and it is remembered as removed.
    pub(super) fn remove_framework(&mut self, now: Now, id: &FrameworkId, out: &mut Output) {
        let Some(framework) = self.frameworks.get_mut(id) else { return };
        framework.removed = true;
        let stream = framework.stream.take();
        let tasks: Vec<TaskId> = framework.tasks.keys().cloned().collect();
        if let Some(stream) = stream {
            self.close_stream(stream, out);
        }
        self.timers.cancel(&Timer::FrameworkLost(id.clone()));
        self.allocator.set_framework_active(id, false);
        self.discard_offers(now, id);
        for task_id in tasks {
            let Some(task) = self.task(id, &task_id) else { continue };
            if task.latest.is_terminal() || !task.held {
                self.forget_task(id, &task_id); // over, or on an agent that cannot be told
                continue;
            }
            let agent = task.info.agent_id.clone();
            let kill = ToAgent::Kill { framework_id: id.clone(), task_id, grace: None };
            self.send(&agent, kill, out);
        }
        self.complete_if_over(id);
    }

    /// Moves a removed framework to the completed ones when its last task is gone.
    pub(super) fn complete_if_over(&mut self, id: &FrameworkId) {
        if !self.frameworks.get(id).is_some_and(|framework| framework.removed && framework.tasks.is_empty()) {
            return;
        }
        let Some(framework) = self.frameworks.remove(id) else { return };
        self.allocator.remove_framework(id);
        self.completed.retain(|other| other.id != *id);
        self.completed.push_back(CompletedFramework {
            id: id.clone(),
            info: framework.info,
            registered: framework.registered,
            unregistered: framework.unregistered.or(Some(self.clock.now().wall)),
            completed_tasks: framework.completed_tasks,
        });
        if self.completed.len() > COMPLETED_FRAMEWORKS {
            self.completed.pop_front();
        }
    }

    /// Whether the framework is over, as far as this master remembers.
    pub(super) fn is_removed(&self, id: &FrameworkId) -> bool {
        match self.frameworks.get(id) {
            Some(framework) => framework.removed,
            None => self.completed.iter().any(|completed| completed.id == *id),
        }
    }

    /// An agent has a task of this framework: it is known from now on, as removed if it was.
    pub(super) fn meet_framework(&mut self, id: &FrameworkId) {
        if !self.frameworks.contains_key(id) {
            let removed = self.is_removed(id);
            let completed = self.completed.iter().find(|completed| completed.id == *id);
            let mut framework = Framework { removed, ..Framework::default() };
            if let Some(completed) = completed {
                framework.info.clone_from(&completed.info);
                framework.registered = completed.registered;
                framework.unregistered = completed.unregistered;
                framework.completed_tasks.clone_from(&completed.completed_tasks);
            }
            self.frameworks.insert(id.clone(), framework);
        }
    }

    pub(super) fn revive(&mut self, id: &FrameworkId, roles: &[String]) {
        if self.are_subscribed(id, roles) {
            self.allocator.revive(id, roles);
        }
    }

    pub(super) fn suppress(&mut self, id: &FrameworkId, roles: &[String]) {
        if self.are_subscribed(id, roles) {
            self.allocator.suppress(id, roles);
        }
    }

    /// A call that names a role which the framework does not have is dropped as a whole.
    fn are_subscribed(&self, id: &FrameworkId, roles: &[String]) -> bool {
        let info = self.frameworks.get(id).and_then(|framework| framework.info.as_ref());
        info.is_some_and(|info| roles.iter().all(|role| info.roles.contains(role)))
    }
}
