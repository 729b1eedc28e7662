//! Ending tasks: asked for again until the end is told.

use substrate_core::protocol::{AgentId, TaskId, scheduler::Call};

use super::{Scheduler, Timer};
use crate::{
    id::InstanceId,
    instance::{Goal, Instance},
};

/// Tasks of no instance that are being killed. One more is killed once, and again when it is heard of again.
const MAX_STRAYS: usize = 10_000;

impl Scheduler {
    /// Begins or stops asking for the end of an instance's task.
    pub(super) fn watch_kill(&mut self, instance: &Instance) {
        let timer = Timer::Kill(instance.id.clone());
        if !instance.wants_kill() {
            self.timers.cancel(&timer);
        } else if !self.timers.is_set(&timer) {
            self.timers.set(timer, self.now + self.config.kill_retry_timeout);
            self.send_kill(instance);
        }
    }

    /// The kill had no effect for a while.
    pub(super) fn kill_again(&mut self, id: &InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        if instance.wants_kill() {
            self.timers.set(Timer::Kill(id.clone()), self.now + self.config.kill_retry_timeout);
            self.send_kill(&instance);
        }
    }

    /// After a new subscription: what was asked of the master before may be lost.
    pub(super) fn repeat_kills(&mut self) {
        let instances: Vec<InstanceId> = self.timers.keys().filter_map(Timer::killed).cloned().collect();
        for id in instances {
            self.kill_again(&id);
        }
        let strays: Vec<_> = self.strays.iter().map(|(task, agent)| (task.clone(), agent.clone())).collect();
        for (task, agent) in strays {
            self.call(Call::Kill { task, agent, grace: None });
        }
    }

    fn send_kill(&mut self, instance: &Instance) {
        let Some(task) = &instance.task else { return };
        self.call(Call::Kill { task: task.id.clone(), agent: Some(task.agent_id.clone()), grace: None });
    }

    /// Ends the present task of an instance that shall go on with another one.
    pub(super) fn request_kill(&mut self, instance: &Instance) {
        let mut instance = Instance::clone(instance);
        if let Some(task) = instance.task.as_mut() {
            task.kill_requested_at.get_or_insert(self.now);
            self.put(instance);
        }
    }

    /// A user wants the present task of an instance gone. Gives back whether there is one.
    ///
    /// What cannot be reached cannot be killed: that instance is given up instead (Marathon behaviour reference, "Kill service").
    pub(super) fn kill_for_user(&mut self, instance: &Instance) -> bool {
        if instance.goal != Goal::Running {
            return instance.has_live_task();
        }
        if instance.has_live_task() {
            self.request_kill(instance);
            return true;
        }
        let out_of_reach = instance.condition.is_out_of_reach();
        if out_of_reach {
            self.decommission(&instance.id);
        }
        out_of_reach
    }

    /// A task that nobody wants: of no instance that is known, or of one that has another task by now.
    pub(super) fn kill_stray(&mut self, task: &TaskId, agent: Option<&AgentId>) {
        if self.strays.contains_key(task) {
            return;
        }
        if self.strays.len() < MAX_STRAYS {
            self.strays.insert(task.clone(), agent.cloned());
            self.timers.set(Timer::Stray(task.clone()), self.now + self.config.kill_retry_timeout);
        }
        self.call(Call::Kill { task: task.clone(), agent: agent.cloned(), grace: None });
    }

    pub(super) fn kill_stray_again(&mut self, task: TaskId) {
        if let Some(agent) = self.strays.get(&task).cloned() {
            self.timers.set(Timer::Stray(task.clone()), self.now + self.config.kill_retry_timeout);
            self.call(Call::Kill { task, agent, grace: None });
        }
    }

    pub(super) fn stray_ended(&mut self, task: &TaskId) {
        if self.strays.remove(task).is_some() {
            self.timers.cancel(&Timer::Stray(task.clone()));
        }
    }
}
