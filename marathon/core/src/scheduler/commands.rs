//! What users want.

use std::{collections::BTreeSet, sync::Arc};

use marathon_time::Timestamp;

use super::{Accepted, AppPut, Change, Command, Effect, Origin, Rejection, Scheduler, Ticket, TreeChange};
use crate::{
    deployment::{Plan, plan::plan, revert},
    event::Event,
    group::{self, Changed},
    id::{DeploymentId, InstanceId, PathId},
    instance::{Condition, Instance, census::Standing},
};

/// Violations named in the reason of `group_change_failed`; the answer to the request names all.
const MAX_VIOLATIONS_TOLD: usize = 20;

impl Scheduler {
    pub(super) fn command(&mut self, ticket: Ticket, command: Command) {
        let answer = match command {
            Command::Change { change, force, dry_run: false, origin } => self.change_tree(&change, force, origin),
            Command::Change { change, dry_run: true, .. } => self.rehearse(&change),
            Command::KillInstances { instances, wipe } => Ok(self.kill_instances(&instances, wipe)),
            Command::CancelDeployment { id, force: true } => self.stop_deployment(id),
            Command::CancelDeployment { id, force: false } => self.roll_back(id),
            Command::ResetDelay(app) => self.reset_delay(app),
            Command::Attach { remote_address } => {
                Ok(Accepted::Attached { seq: self.emit(Event::StreamAttached { remote_address }) })
            }
            Command::Detach { remote_address } => {
                self.emit(Event::StreamDetached { remote_address });
                Ok(Accepted::Done)
            }
        };
        self.out.effects.push(Effect::Reply(ticket, answer));
    }

    fn change_tree(&mut self, change: &TreeChange, force: bool, origin: Option<Origin>) -> Result<Accepted, Rejection> {
        let version = self.next_version();
        let answer = self.try_change(change, version, force, origin);
        if let Err(rejection) = &answer {
            let reason = in_full(rejection);
            self.emit(Event::GroupChangeFailed { group: group::event_group(change), version, reason });
        }
        answer
    }

    fn try_change(
        &mut self,
        change: &TreeChange,
        version: Timestamp,
        force: bool,
        origin: Option<Origin>,
    ) -> Result<Accepted, Rejection> {
        let most = self.config.max_running_deployments;
        if !force && self.state.deployments.len() >= most {
            return Err(Rejection::TooManyDeployments(most));
        }
        let changed = group::apply(&self.state, change, version, &self.config)?;
        let plan = plan(self.ids.deployment(), &self.state.root, &changed.root, changed.kill.clone());
        let conflicts = self.conflicts(&plan);
        if !force && !conflicts.is_empty() {
            return Err(Rejection::Locked { by: conflicts });
        }
        let origin = origin.and_then(|origin| Some((origin, single_app(change)?.clone())));
        Ok(self.accept(changed, plan, &conflicts, origin))
    }

    /// What a change would do.
    fn rehearse(&mut self, change: &TreeChange) -> Result<Accepted, Rejection> {
        let changed = group::apply(&self.state, change, self.next_version(), &self.config)?;
        let plan = plan(DeploymentId(uuid::Uuid::nil()), &self.state.root, &changed.root, changed.kill);
        Ok(Accepted::Steps(plan.steps))
    }

    /// Deployments that lock an app which `plan` affects.
    fn conflicts(&self, plan: &Plan) -> BTreeSet<DeploymentId> {
        plan.affected().into_iter().filter_map(|app| self.state.locks.get(app)).flatten().copied().collect()
    }

    /// Stores a change and starts its deployment; the conflicting ones end.
    fn accept(
        &mut self,
        changed: Changed,
        plan: Plan,
        conflicts: &BTreeSet<DeploymentId>,
        origin: Option<(Origin, PathId)>,
    ) -> Accepted {
        let (id, version, group) = (plan.id, changed.root.version, changed.group.clone());
        for id in conflicts {
            self.cancel_deployment(*id);
        }
        self.last_version = version;
        if !plan.steps.is_empty() || self.is_substantial(&changed) {
            self.put_tree(changed);
        }
        self.emit(Event::GroupChangeSuccess { group, version });
        if let Some((origin, app)) = origin
            && let Some(app) = self.state.root.apps.get(&app).cloned()
        {
            self.emit(Event::ApiPost { client_ip: origin.client_ip, uri: origin.uri, app });
        }
        let plan = Arc::new(plan);
        if plan.steps.is_empty() {
            self.emit(Event::DeploymentSuccess { plan });
        } else {
            self.start_deployment(plan);
        }
        self.drop_old_versions();
        Accepted::Deployment { id, version }
    }

    /// Whether anything but versions differs.
    fn is_substantial(&self, changed: &Changed) -> bool {
        let differs =
            |(id, group): &(PathId, Option<Arc<crate::state::Group>>)| match (group, self.state.root.groups.get(id)) {
                (Some(new), Some(old)) => new.dependencies != old.dependencies || new.enforce_role != old.enforce_role,
                (None, None) => false,
                (Some(_), None) | (None, Some(_)) => true,
            };
        !changed.apps.is_empty() || changed.groups.iter().any(differs)
    }

    fn put_tree(&mut self, changed: Changed) {
        for app in changed.put {
            let versions = self.state.versions.entry(app.spec.id.clone()).or_default();
            versions.insert(app.version, app.clone());
            self.change(Change::PutVersion(app));
        }
        self.state.roots.insert(changed.root.version, changed.root.clone());
        self.change(Change::PutRoot { version: changed.root.version, apps: changed.apps, groups: changed.groups });
        self.state.root = changed.root;
    }

    fn kill_instances(&mut self, instances: &BTreeSet<InstanceId>, wipe: bool) -> Accepted {
        let mut killed = Vec::new();
        for id in instances {
            let Some(instance) = self.instance(id) else { continue };
            if wipe {
                self.wipe(&instance);
                killed.push(instance);
            } else if self.kill_for_user(&instance) {
                killed.push(instance);
            }
        }
        Accepted::Killed(killed)
    }

    /// Forgets an instance at once; its task, if any, is killed as one of no instance.
    fn wipe(&mut self, instance: &Arc<Instance>) {
        self.decommission(&instance.id);
        let Some(left) = self.instance(&instance.id) else { return };
        if let Some(task) = left.task.as_ref().filter(|_| left.has_live_task()) {
            self.kill_stray(&task.id, Some(&task.agent_id));
        }
        self.announce(&Instance { condition: Condition::Killed, ..Instance::clone(&left) });
        self.drop_instance(&instance.id);
    }

    fn stop_deployment(&mut self, id: DeploymentId) -> Result<Accepted, Rejection> {
        if !self.state.deployments.contains_key(&id) {
            return Err(Rejection::UnknownDeployment(id));
        }
        self.cancel_deployment(id);
        self.drop_old_versions();
        Ok(Accepted::Done)
    }

    /// Undoes a deployment by a forced change.
    fn roll_back(&mut self, id: DeploymentId) -> Result<Accepted, Rejection> {
        let deployment = self.state.deployments.get(&id).cloned().ok_or(Rejection::UnknownDeployment(id))?;
        let version = self.next_version();
        let answer = self.try_roll_back(&deployment.plan, version);
        if let Err(rejection) = &answer {
            let reason = in_full(rejection);
            self.emit(Event::GroupChangeFailed { group: PathId::root(), version, reason });
        }
        answer
    }

    fn try_roll_back(&mut self, undone: &Plan, version: Timestamp) -> Result<Accepted, Rejection> {
        let tree = |version: Timestamp| {
            self.state.roots.get(&version).ok_or_else(|| Rejection::UnknownGroupVersion(PathId::root(), version))
        };
        let changed = revert::changed(&self.state, tree(undone.original)?, tree(undone.version)?, version)?;
        let plan = plan(self.ids.deployment(), &self.state.root, &changed.root, changed.kill.clone());
        let mut conflicts = self.conflicts(&plan);
        conflicts.insert(undone.id);
        Ok(self.accept(changed, plan, &conflicts, None))
    }

    fn reset_delay(&mut self, app: PathId) -> Result<Accepted, Rejection> {
        let queued = self.census.get(&app).is_some_and(|census| {
            let total = census.total();
            total.of(Standing::Waiting) + total.of(Standing::Starting) > 0
        });
        if !queued {
            return Err(Rejection::NotQueued(app));
        }
        self.state.queue.reset(&app);
        self.queue_touched(app, true);
        Ok(Accepted::Done)
    }
}

/// The app that a change of a single app is about.
fn single_app(change: &TreeChange) -> Option<&PathId> {
    match change {
        TreeChange::CreateApp(spec) => Some(&spec.id),
        TreeChange::PutApps(puts) => match puts.as_slice() {
            [AppPut::Spec { spec, .. }] => Some(&spec.id),
            [AppPut::Version { id, .. }] => Some(id),
            [] | [_, _, ..] => None,
        },
        TreeChange::DeleteApp(id) | TreeChange::RestartApp(id) => Some(id),
        TreeChange::CreateGroup(_)
        | TreeChange::PutGroup(_)
        | TreeChange::ScaleGroup { .. }
        | TreeChange::RollbackGroup { .. }
        | TreeChange::DeleteGroup(_)
        | TreeChange::KillAndScale(_) => None,
    }
}

/// The whole message: what is not valid, and why.
fn in_full(rejection: &Rejection) -> String {
    let Rejection::Invalid(violations) = rejection else { return rejection.to_string() };
    let told = violations
        .iter()
        .take(MAX_VIOLATIONS_TOLD)
        .map(|violation| format!("{} {}", violation.path, violation.message));
    format!("{rejection}: {}", told.collect::<Vec<_>>().join("; "))
}
