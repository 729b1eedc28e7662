//! Which earlier versions are kept: a bounded number, and whatever something still refers to.

use imbl::ordmap::DiffItem;
use marathon_time::Timestamp;

use super::{Change, Scheduler};
use crate::{id::PathId, state::Root};

impl Scheduler {
    /// Forgets trees and app versions that nobody may ask for any more.
    pub(super) fn drop_old_versions(&mut self) {
        self.forget_the_beginning();
        self.drop_old_roots();
        let changed: Vec<PathId> = match self.state.roots.get_prev(&before(self.state.root.version)) {
            Some((_, previous)) => previous
                .apps
                .diff(&self.state.root.apps)
                .map(|item| match item {
                    DiffItem::Add(id, _) | DiffItem::Remove(id, _) | DiffItem::Update { new: (id, _), .. } => {
                        id.clone()
                    }
                })
                .collect(),
            None => self.state.versions.keys().cloned().collect(),
        };
        for app in changed {
            self.drop_old_app_versions(&app);
        }
    }

    /// The empty tree before the first change is not stored. It is kept only while a deployment began from it.
    pub(super) fn forget_the_beginning(&mut self) {
        let referred =
            || self.state.deployments.values().any(|deployment| deployment.plan.original == Timestamp::EPOCH);
        if self.state.root.version != Timestamp::EPOCH
            && self.state.roots.contains_key(&Timestamp::EPOCH)
            && !referred()
        {
            self.state.roots.remove(&Timestamp::EPOCH);
        }
    }

    /// The newest trees are kept, and all from the oldest on that a deployment refers to.
    fn drop_old_roots(&mut self) {
        let surplus = self.state.roots.len().saturating_sub(self.config.max_versions.max(1));
        if surplus == 0 {
            return;
        }
        let referred =
            self.state.deployments.values().flat_map(|deployment| [deployment.plan.original, deployment.plan.version]);
        let oldest_referred = referred.min().unwrap_or(self.state.root.version);
        let Some(oldest_kept) = self.state.roots.keys().nth(surplus).copied() else { return };
        let oldest_kept = oldest_kept.min(oldest_referred);
        let mut dropped: Vec<Root> = Vec::new();
        while let Some((version, root)) = self.state.roots.get_min() {
            if *version >= oldest_kept {
                break;
            }
            let (version, root) = (*version, root.clone());
            self.state.roots.remove(&version);
            dropped.push(root);
        }
        if dropped.is_empty() {
            return;
        }
        self.change(Change::DropRootsBefore(oldest_kept));
        self.drop_apps_gone_with(&dropped);
    }

    /// Apps that only the dropped trees contained are gone for good, with all their versions.
    fn drop_apps_gone_with(&mut self, dropped: &[Root]) {
        let kept = self.state.roots.get_min().map(|(_, root)| root.clone()).unwrap_or_default();
        for root in dropped {
            let gone: Vec<PathId> = root
                .apps
                .diff(&kept.apps)
                .filter_map(|item| match item {
                    DiffItem::Remove(id, _) => Some(id.clone()),
                    DiffItem::Add(..) | DiffItem::Update { .. } => None,
                })
                .collect();
            for id in gone {
                self.drop_old_app_versions(&id);
            }
        }
    }

    /// Beyond the newest, an app's versions are kept while a tree or an instance refers to them. Of an app that no tree contains only the
    /// latter are kept.
    fn drop_old_app_versions(&mut self, app: &PathId) {
        let Some(versions) = self.state.versions.get(app) else { return };
        let known = self.state.roots.values().any(|root| root.apps.contains_key(app));
        let surplus =
            if known { versions.len().saturating_sub(self.config.max_versions.max(1)) } else { versions.len() };
        let unused: Vec<Timestamp> =
            versions.keys().take(surplus).copied().filter(|version| !self.is_used(app, *version)).collect();
        for version in unused {
            if let Some(versions) = self.state.versions.get_mut(app) {
                versions.remove(&version);
                if versions.is_empty() {
                    self.state.versions.remove(app);
                }
            }
            self.change(Change::DropVersion(app.clone(), version));
        }
    }

    fn is_used(&self, app: &PathId, version: Timestamp) -> bool {
        let by_instance = self.census.get(app).is_some_and(|census| census.of_version(version).all() > 0);
        let by_tree =
            || self.state.roots.values().any(|root| root.apps.get(app).is_some_and(|app| app.version == version));
        by_instance || by_tree()
    }
}

fn before(version: Timestamp) -> Timestamp {
    Timestamp::from_millis(version.as_millis() - 1)
}
