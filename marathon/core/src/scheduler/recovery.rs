//! Beginning again from what was stored. There is nothing to resume: every spec is compared with its target once.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use marathon_time::Timestamp;

use super::{
    Change, Config, Ids, Intake, Link, Output, Recovered, Scheduler, Seeds, Timer, Timers, event_log::Retention,
};
use crate::{
    deployment::{ActionKind, Deployment},
    event::Event,
    instance::{Condition, Goal, Instance},
    state::{Root, State},
};

/// Shortest pause between two attempts of the same kind.
const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

impl Scheduler {
    /// A scheduler that knows what was stored. It wants an [`super::Input::Wakeup`] at once.
    ///
    /// Retries and comparisons more often than every 100 ms are made every 100 ms: nothing may be due again at the moment at which it was done.
    pub fn new(mut config: Config, recovered: Recovered, seeds: Seeds, now: Timestamp) -> Self {
        for interval in [&mut config.kill_retry_timeout, &mut config.reconciliation_interval] {
            *interval = SHORTEST_INTERVAL.max(*interval);
        }
        let mut scheduler = Self {
            config,
            state: State::default(),
            ids: Ids::new(seeds),
            now,
            out: Output::default(),
            timers: Timers::default(),
            link: Link::new(now),
            intake: Intake::default(),
            census: BTreeMap::new(),
            work: BTreeMap::new(),
            pending: BTreeMap::new(),
            probes: BTreeMap::new(),
            announced_checks: BTreeMap::new(),
            strays: BTreeMap::new(),
            last_version: Timestamp::EPOCH,
            events_kept: Retention::new(now, recovered.last_event),
            dirty: std::collections::BTreeSet::new(),
            finished_steps: std::collections::BTreeSet::new(),
            queue_changed: BTreeMap::new(),
            touched: std::collections::BTreeSet::new(),
        };
        scheduler.recover(recovered);
        scheduler.timers.set(Timer::Subscribe, now);
        scheduler
    }

    fn recover(&mut self, recovered: Recovered) {
        self.state.framework_id = recovered.framework_id;
        self.state.last_event = recovered.last_event;
        self.state.failures = recovered.failures.into_iter().map(|failure| (failure.app.clone(), failure)).collect();
        for app in recovered.versions {
            self.last_version = self.last_version.max(app.version);
            self.state.versions.entry(app.spec.id.clone()).or_default().insert(app.version, app);
        }
        let from_the_start = recovered.roots.is_empty()
            || recovered.deployments.iter().any(|deployment| deployment.plan.original == Timestamp::EPOCH);
        self.recover_roots(recovered.roots, from_the_start);
        for instance in recovered.instances {
            self.recover_instance(instance);
        }
        for deployment in recovered.deployments {
            self.recover_deployment(deployment);
        }
        self.dirty.extend(self.state.root.apps.keys().cloned());
        // Announced when they became active: the log has it.
        let announced =
            self.census.iter().flat_map(|(spec, census)| census.versions().map(move |(version, _)| (spec, version)));
        let wanted = self.state.root.apps.iter().map(|(spec, app)| (spec, app.version));
        for (spec, version) in announced.chain(wanted) {
            let checks = self.state.versions.get(spec).and_then(|versions| versions.get(&version));
            let checks = checks.map_or(0, |app| app.spec.health_checks.len());
            if checks > 0 {
                self.announced_checks.entry(spec.clone()).or_default().insert(version, checks);
            }
        }
    }

    /// `from_the_start`: nothing was dropped yet, so the empty tree before the first one can be asked for.
    #[allow(clippy::type_complexity, reason = "the type of `Recovered::roots`")]
    fn recover_roots(
        &mut self,
        roots: Vec<(
            Timestamp,
            Vec<(crate::id::PathId, Option<Timestamp>)>,
            Vec<(crate::id::PathId, Option<Arc<crate::state::Group>>)>,
        )>,
        from_the_start: bool,
    ) {
        let mut root = Root::default();
        if from_the_start {
            self.state.roots.insert(root.version, root.clone());
        }
        for (version, apps, groups) in roots {
            root.version = version;
            for (id, version) in apps {
                let app = version.and_then(|version| self.state.versions.get(&id)?.get(&version).cloned());
                match app {
                    Some(app) => root.apps.insert(id, app),
                    None => root.apps.remove(&id),
                };
            }
            for (id, group) in groups {
                match group {
                    Some(group) => root.groups.insert(id, group),
                    None => root.groups.remove(&id),
                };
            }
            self.last_version = self.last_version.max(version);
            self.state.roots.insert(version, root.clone());
        }
        self.state.root = root;
    }

    /// An instance whose version is missing goes on with the newest; without any it is forgotten, and its task killed as one of no
    /// instance once the master tells of it.
    fn recover_instance(&mut self, mut instance: Arc<Instance>) {
        // Stored by a clock that was ahead of this one.
        if Arc::make_mut(&mut instance).happened_until(self.now) {
            self.touched.insert(instance.id.clone());
        }
        let spec = &instance.id.spec;
        if instance.goal != Goal::Running && !instance.has_live_task() {
            self.touched.insert(instance.id.clone());
            return;
        }
        if self.state.versions.get(spec).is_some_and(|versions| versions.contains_key(&instance.version)) {
            return self.replace(instance);
        }
        let mut instance = Instance::clone(&instance);
        match self.version_of(spec, instance.version) {
            Some(app) => {
                instance.version = app.version;
                self.put(instance);
            }
            None => {
                instance.condition = Condition::Killed;
                self.announce(&instance);
                self.touched.insert(instance.id);
            }
        }
    }

    /// A deployment that cannot be carried out any more is dropped, alone.
    fn recover_deployment(&mut self, deployment: Arc<Deployment>) {
        let plan = deployment.plan.clone();
        self.last_version = self.last_version.max(plan.version);
        let known = |version: &Timestamp| self.state.roots.contains_key(version);
        let locked = plan.affected().into_iter().any(|app| self.state.locks.contains_key(app));
        if deployment.step >= plan.steps.len() || !known(&plan.original) || !known(&plan.version) || locked {
            let reason = "the deployment cannot be resumed: what it refers to is missing".into();
            self.emit(Event::DeploymentFailed { plan: plan.clone(), reason });
            self.change(Change::DropDeployment(plan.id));
            self.dirty.extend(plan.affected().into_iter().cloned());
            return;
        }
        self.lock(&deployment);
        self.state.deployments.insert(plan.id, deployment.clone());
        self.await_step(&deployment);
        self.dirty.extend(plan.affected().into_iter().cloned());
        // Apps that are stopped already were told about.
        let stopped = plan.steps[deployment.step].actions.iter().filter(|action| action.kind == ActionKind::Stop);
        for action in stopped {
            if let Some(pending) = self.pending.get_mut(&plan.id).filter(|_| !self.census.contains_key(&action.app)) {
                pending.remove(&action.app);
                if pending.is_empty() {
                    self.finished_steps.insert(plan.id);
                }
            }
        }
    }
}
