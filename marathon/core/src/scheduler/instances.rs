//! Changing instances: the state, its indexes, what is to be stored, and what has to be watched from now on.

use std::sync::Arc;

use super::{Scheduler, Timer};
use crate::{
    event::Event,
    id::{InstanceId, PathId},
    instance::{Condition, Goal, Instance, census::Standing},
    spec::App,
};

impl Scheduler {
    pub(super) fn instance(&self, id: &InstanceId) -> Option<Arc<Instance>> {
        self.state.instances.get(&id.spec)?.get(id).cloned()
    }

    /// A new or changed instance, to be stored.
    pub(super) fn put(&mut self, instance: Instance) {
        self.touched.insert(instance.id.clone());
        self.put_quietly(instance);
    }

    /// An instance whose change is not worth storing: seen by readers, lost by a restart.
    pub(super) fn put_quietly(&mut self, instance: Instance) {
        self.replace(Arc::new(instance));
    }

    pub(super) fn replace(&mut self, instance: Arc<Instance>) {
        let spec = instance.id.spec.clone();
        let app = self.version_of(&spec, instance.version);
        let old = self.state.instances.entry(spec.clone()).or_default().insert(instance.id.clone(), instance.clone());
        let census = self.census.entry(spec.clone()).or_default();
        let before = old.as_deref().map(|old| {
            let standing = census.standing(old);
            census.remove(old);
            (standing, old.version)
        });
        census.add(&instance, app.as_deref());
        let after = (census.standing(&instance), instance.version);
        if before != Some(after) {
            let waited = before.is_some_and(|(standing, _)| standing == Standing::Waiting);
            let waits = after.0 == Standing::Waiting;
            if waited || waits {
                self.queue_touched(spec.clone(), waits && !waited);
            }
            self.dirty.insert(spec);
        }
        self.watch(&instance);
    }

    /// Forgets an instance.
    pub(super) fn drop_instance(&mut self, id: &InstanceId) {
        let Some(of_spec) = self.state.instances.get_mut(&id.spec) else { return };
        let Some(old) = of_spec.remove(id) else { return };
        if of_spec.is_empty() {
            self.state.instances.remove(&id.spec);
        }
        if let Some(census) = self.census.get_mut(&id.spec) {
            census.remove(&old);
            if census.is_empty() {
                self.census.remove(&id.spec);
            }
        }
        self.queue_touched(id.spec.clone(), false);
        self.dirty.insert(id.spec.clone());
        self.touched.insert(id.clone());
        self.unwatch(id);
    }

    /// A new slot for `app`.
    pub(super) fn create(&mut self, app: &App) {
        let id = self.ids.instance(&app.spec.id, self.now);
        let instance = Instance::scheduled(id, app.version, self.now);
        self.announce(&instance);
        self.put(instance);
    }

    /// Ends an instance for good: kills its task if there is one in reach, and forgets it as soon as there is none.
    ///
    /// One that is out of reach is forgotten at once. Should its task come back, it belongs to no instance, and is killed.
    pub(super) fn decommission(&mut self, id: &InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        if instance.goal == Goal::Decommissioned {
            return;
        }
        let mut instance = Instance::clone(&instance);
        instance.goal = Goal::Decommissioned;
        self.announce(&instance);
        if instance.has_live_task() {
            self.put(instance);
        } else {
            self.forget_ended(instance);
        }
    }

    /// Forgets an instance whose task ended, or cannot be reached, and that is not to go on.
    pub(super) fn forget_ended(&mut self, mut instance: Instance) {
        if instance.condition.is_out_of_reach() {
            // Nobody would tell otherwise: no further status comes.
            instance.condition = Condition::Killed;
            self.announce(&instance);
        }
        self.drop_instance(&instance.id);
    }

    /// The clock was set back: nothing has happened in the future.
    pub(super) fn instances_set_back(&mut self) {
        let mut moved = Vec::new();
        for instance in self.state.instances.values().flat_map(|instances| instances.values()) {
            let mut instance = Instance::clone(instance);
            if instance.happened_until(self.now) {
                moved.push(instance);
            }
        }
        for instance in moved {
            self.put(instance);
        }
    }

    /// `instance_changed_event`
    pub(super) fn announce(&mut self, instance: &Instance) {
        let task = instance.task.as_ref();
        self.emit(Event::InstanceChanged {
            instance: instance.id.clone(),
            condition: instance.condition,
            agent: task.map(|task| task.agent_id.clone()),
            host: task.map(|task| task.host.clone()),
            version: instance.version,
        });
    }

    /// Brings everything that goes on for an instance in line with what it is: kill, time limits, probes.
    fn watch(&mut self, instance: &Instance) {
        self.watch_kill(instance);
        let launch = if instance.wants_kill() { None } else { self.launch_deadline(instance) };
        self.timers.put(Timer::Launch(instance.id.clone()), launch);
        self.watch_reach(instance);
        self.watch_health(instance);
    }

    fn unwatch(&mut self, id: &InstanceId) {
        for timer in [Timer::Launch, Timer::Kill, Timer::Unreachable, Timer::Probe] {
            self.timers.cancel(&timer(id.clone()));
        }
        self.probes.remove(id);
    }

    fn watch_reach(&mut self, instance: &Instance) {
        let app = self.version_of(&instance.id.spec, instance.version);
        let given_up = app.and_then(|app| instance.given_up_at(app.spec.unreachable));
        let at = given_up.and_then(|(inactive_at, expunge_at)| match instance.condition {
            Condition::Unreachable => Some(inactive_at),
            Condition::UnreachableInactive => Some(expunge_at),
            Condition::Scheduled
            | Condition::Provisioned
            | Condition::Staging
            | Condition::Starting
            | Condition::Running
            | Condition::Killing
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown => None,
        });
        self.timers.put(Timer::Unreachable(instance.id.clone()), at);
    }

    /// The agent of an instance cannot be reached for longer than its spec accepts: it is replaced, or forgotten if it was already.
    pub(super) fn out_of_reach_for_long(&mut self, id: &InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let mut instance = Instance::clone(&instance);
        match instance.condition {
            Condition::Unreachable => {
                instance.condition = Condition::UnreachableInactive;
                instance.since = self.now;
                self.announce(&instance);
                self.put(instance);
            }
            Condition::UnreachableInactive => self.forget_ended(instance),
            Condition::Scheduled
            | Condition::Provisioned
            | Condition::Staging
            | Condition::Starting
            | Condition::Running
            | Condition::Killing
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown => {}
        }
    }

    /// Other instances of a spec wait than before; `more`: one that did not.
    pub(super) fn queue_touched(&mut self, spec: PathId, more: bool) {
        *self.queue_changed.entry(spec).or_default() |= more;
    }
}
