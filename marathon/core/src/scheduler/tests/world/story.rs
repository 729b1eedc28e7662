//! Looking around.

use std::{collections::BTreeMap, sync::Arc};

use substrate_core::protocol::TaskId;

use super::{World, command, path};
use crate::{
    deployment::{Step, blockers::blockers},
    event::Event,
    id::InstanceId,
    instance::{Condition, Instance},
    state::State,
};

impl World {
    pub fn state(&self) -> State {
        self.scheduler.snapshot()
    }

    pub fn instances(&self, id: &str) -> Vec<Arc<Instance>> {
        let state = self.state();
        let mut instances: Vec<_> =
            state.instances.get(&path(id)).into_iter().flat_map(|map| map.values().cloned()).collect();
        instances.sort_by_key(|instance| self.names.get(&instance.id).cloned());
        instances
    }

    pub fn count(&self, id: &str, condition: Condition) -> usize {
        self.instances(id).iter().filter(|instance| instance.condition == condition).count()
    }

    /// Tasks of an app that live, as agents see it.
    pub fn live(&self, id: &str) -> Vec<TaskId> {
        let name = path(id).host_name();
        let live = self.tasks.iter().filter(|(_, task)| task.info.name == name && !task.state.is_terminal());
        live.map(|(id, _)| id.clone()).collect()
    }

    /// Live tasks of an app by what they execute.
    pub fn commands(&self, id: &str) -> BTreeMap<String, usize> {
        let mut commands = BTreeMap::new();
        for task in self.live(id) {
            *commands.entry(command(&self.tasks[&task].info).to_owned()).or_default() += 1;
        }
        commands
    }

    pub fn why(&self) -> String {
        let state = self.state();
        let all = state.deployments.values().flat_map(|deployment| blockers(&state, deployment));
        all.map(|blocker| blocker.to_string()).collect::<Vec<_>>().join("\n")
    }

    /// Events since the beginning, or since they were last forgotten, one per line.
    pub fn story(&self) -> String {
        self.events.iter().map(|record| self.line(&record.event)).collect::<Vec<_>>().join("\n")
    }

    /// The events from here on.
    pub fn since(&self, event: usize) -> Vec<String> {
        self.events[event..].iter().map(|record| self.line(&record.event)).collect()
    }

    pub(super) fn name(&mut self, event: &Event) {
        if let Event::InstanceChanged { instance, .. } = event
            && !self.names.contains_key(instance)
        {
            let number = self.names.keys().filter(|other| other.spec == instance.spec).count() + 1;
            self.names.insert(instance.clone(), format!("{}#{number:02}", instance.spec));
        }
    }

    pub fn named(&self, instance: &InstanceId) -> String {
        self.names.get(instance).cloned().unwrap_or_else(|| "?".into())
    }

    fn line(&self, event: &Event) -> String {
        let step = |step: &Step| {
            let actions = step.actions.iter().map(|action| format!("{:?} {}", action.kind, action.app));
            actions.collect::<Vec<_>>().join(", ")
        };
        match event {
            Event::ApiPost { uri, app, .. } => format!("post {uri} {}", app.spec.id),
            Event::SchedulerRegistered { .. } => "registered".into(),
            Event::SchedulerReregistered { .. } => "reregistered".into(),
            Event::SchedulerDisconnected => "disconnected".into(),
            Event::StreamAttached { remote_address } => format!("attached {remote_address}"),
            Event::StreamDetached { remote_address } => format!("detached {remote_address}"),
            Event::GroupChangeSuccess { group, .. } => format!("changed {group}"),
            Event::GroupChangeFailed { group, reason, .. } => format!("refused {group}: {reason}"),
            Event::DeploymentInfo { step: this, .. } => format!("step {}", step(this)),
            Event::DeploymentStepSuccess { step: this, .. } => format!("done {}", step(this)),
            Event::DeploymentSuccess { .. } => "deployed".into(),
            Event::DeploymentFailed { reason, .. } => format!("failed: {reason}"),
            Event::AppTerminated { app } => format!("terminated {app}"),
            Event::StatusUpdate { task, state, .. } => {
                let name: crate::id::TaskName = task.as_str().parse().unwrap();
                format!("su {} .{} {}", self.named(&name.instance), name.incarnation, state.as_str())
            }
            Event::InstanceChanged { instance, condition, .. } => format!("ic {} {condition:?}", self.named(instance)),
            Event::UnknownInstanceTerminated { instance, condition } => {
                format!("unknown {} {condition:?}", self.named(instance))
            }
            Event::InstanceHealthChanged { instance, healthy, .. } => {
                format!("health {} {healthy:?}", self.named(instance))
            }
            Event::HealthCheckAdded { app, .. } => format!("check+ {app}"),
            Event::HealthCheckRemoved { app } => format!("check- {app}"),
            Event::HealthCheckFailed { instance, .. } => format!("check failed {}", self.named(instance)),
            Event::HealthStatusChanged { instance, alive, .. } => format!("alive {} {alive}", self.named(instance)),
            Event::UnhealthyInstanceKill { instance, reason, .. } => {
                format!("unhealthy {}: {reason}", self.named(instance))
            }
        }
    }
}
