//! The sum of all changes, as a store keeps it: the model that every store must agree with, and the store of tests and of the simulator.

use std::{cmp::Ordering, collections::BTreeMap, sync::Arc};

use marathon_time::Timestamp;

use super::{Change, Recovered};
use crate::{id::PathId, state::Group};

impl Recovered {
    /// What is stored after one more change.
    pub fn apply(&mut self, change: &Change) {
        match change {
            Change::Framework(id) => self.framework_id = Some(id.clone()),
            Change::PutVersion(app) => {
                put(&mut self.versions, app.clone(), |other| {
                    (&other.spec.id, other.version).cmp(&(&app.spec.id, app.version))
                });
            }
            Change::DropVersion(id, version) => {
                remove(&mut self.versions, |app| (&app.spec.id, app.version).cmp(&(id, *version)));
            }
            Change::PutRoot { version, apps, groups } => self.roots.push((*version, apps.clone(), groups.clone())),
            Change::DropRootsBefore(version) => self.drop_roots_before(*version),
            Change::PutInstance(instance) => {
                put(&mut self.instances, instance.clone(), |other| other.id.cmp(&instance.id))
            }
            Change::DropInstance(id) => remove(&mut self.instances, |instance| instance.id.cmp(id)),
            Change::PutDeployment(deployment) => {
                put(&mut self.deployments, deployment.clone(), |other| other.plan.id.cmp(&deployment.plan.id));
            }
            Change::DropDeployment(id) => remove(&mut self.deployments, |deployment| deployment.plan.id.cmp(id)),
            Change::PutFailure(failure) => {
                put(&mut self.failures, failure.clone(), |other| other.app.cmp(&failure.app))
            }
            Change::DropFailure(app) => remove(&mut self.failures, |failure| failure.app.cmp(app)),
            Change::Event(record) => self.last_event = record.seq,
            Change::DropEventsUpTo(_) => {}
        }
    }

    /// Older trees melt into the oldest one that is kept.
    fn drop_roots_before(&mut self, version: Timestamp) {
        let kept = self.roots.partition_point(|(root, ..)| *root < version);
        if kept == 0 || kept == self.roots.len() {
            return;
        }
        let mut apps: BTreeMap<PathId, Option<Timestamp>> = BTreeMap::new();
        let mut groups: BTreeMap<PathId, Option<Arc<Group>>> = BTreeMap::new();
        for (_, changed_apps, changed_groups) in &self.roots[..=kept] {
            apps.extend(changed_apps.iter().cloned());
            groups.extend(changed_groups.iter().cloned());
        }
        apps.retain(|_, version| version.is_some());
        groups.retain(|_, group| group.is_some());
        self.roots[kept].1 = apps.into_iter().collect();
        self.roots[kept].2 = groups.into_iter().collect();
        self.roots.drain(..kept);
    }
}

fn put<T>(sorted: &mut Vec<T>, value: T, order: impl Fn(&T) -> Ordering) {
    match sorted.binary_search_by(order) {
        Ok(index) => sorted[index] = value,
        Err(index) => sorted.insert(index, value),
    }
}

fn remove<T>(sorted: &mut Vec<T>, order: impl Fn(&T) -> Ordering) {
    if let Ok(index) = sorted.binary_search_by(order) {
        sorted.remove(index);
    }
}
