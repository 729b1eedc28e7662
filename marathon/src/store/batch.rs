//! Many changes, few rows: of several changes to one row in one transaction only the last is written.

use std::collections::{BTreeMap, BTreeSet};

use marathon_core::scheduler::Change;

use super::{StoreError, codec};

/// What becomes of one row: its new body, or `None` if it is deleted.
type Row = Option<String>;

/// Changes of one transaction, per table.
#[derive(Default)]
pub(super) struct Batch {
    pub framework: Option<String>,
    pub app_versions: BTreeMap<(String, i64), Row>,
    pub roots: BTreeSet<i64>,
    /// By id and root; the value is the app's version, `None` a grave.
    pub root_apps: BTreeMap<(String, i64), Option<i64>>,
    /// By id and root; the value is the group's body, `None` a grave.
    pub root_groups: BTreeMap<(String, i64), Option<String>>,
    pub drop_roots_before: Option<i64>,
    pub instances: BTreeMap<String, Row>,
    pub deployments: BTreeMap<String, Row>,
    pub failures: BTreeMap<String, Row>,
    pub drop_events_up_to: Option<i64>,
}

impl Batch {
    pub(super) fn of(changes: &[Change]) -> Result<Self, StoreError> {
        let mut batch = Self::default();
        for change in changes {
            batch.add(change)?;
        }
        Ok(batch)
    }

    fn add(&mut self, change: &Change) -> Result<(), StoreError> {
        match change {
            Change::Framework(id) => self.framework = Some(id.to_string()),
            Change::PutVersion(app) => {
                let key = (app.spec.id.to_string(), app.version.as_millis());
                self.app_versions.insert(key, Some(codec::app_to_text(app)?));
            }
            Change::DropVersion(id, version) => {
                self.app_versions.insert((id.to_string(), version.as_millis()), None);
            }
            Change::PutRoot { version, apps, groups } => {
                let root = version.as_millis();
                self.roots.insert(root);
                for (id, version) in apps {
                    self.root_apps.insert((id.to_string(), root), version.map(|version| version.as_millis()));
                }
                for (id, group) in groups {
                    let body = group.as_ref().map(|group| codec::to_text("root_groups", id, group)).transpose()?;
                    self.root_groups.insert((id.to_string(), root), body);
                }
            }
            Change::DropRootsBefore(version) => self.drop_roots_before = Some(version.as_millis()),
            Change::PutInstance(instance) => {
                let body = codec::to_text("instances", &instance.id, instance)?;
                self.instances.insert(instance.id.to_string(), Some(body));
            }
            Change::DropInstance(id) => {
                self.instances.insert(id.to_string(), None);
            }
            Change::PutDeployment(deployment) => {
                let id = deployment.plan.id;
                self.deployments.insert(id.to_string(), Some(codec::to_text("deployments", &id, deployment)?));
            }
            Change::DropDeployment(id) => {
                self.deployments.insert(id.to_string(), None);
            }
            Change::PutFailure(failure) => {
                let body = codec::to_text("failures", &failure.app, failure)?;
                self.failures.insert(failure.app.to_string(), Some(body));
            }
            Change::DropFailure(app) => {
                self.failures.insert(app.to_string(), None);
            }
            Change::Event(_) => {} // rendered by the caller, once for the log and for every subscriber
            Change::DropEventsUpTo(seq) => self.drop_events_up_to = Some(i64::try_from(*seq).unwrap_or(i64::MAX)),
        }
        Ok(())
    }
}
