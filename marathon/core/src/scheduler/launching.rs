//! From offers to tasks. No offer is kept longer than the step that brought it.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use imbl::OrdMap;
use marathon_time::Timestamp;
use substrate_core::protocol::{
    offer::Offer,
    scheduler::{Call, Filters, Operation},
    task::TaskInfo,
};

use super::Scheduler;
use crate::{
    id::{InstanceId, TaskName},
    instance::{Condition, Instance, Task},
    matching::{self, Limits, Placed, Placement, Request},
    spec::App,
};

/// Instances of one spec, by id.
type OfSpec = OrdMap<InstanceId, std::sync::Arc<Instance>>;

impl Scheduler {
    /// Uses what can be used and gives the rest back.
    pub(super) fn offered(&mut self, offers: &[Offer]) {
        if !self.link.is_subscribed() {
            return;
        }
        self.refresh_queue();
        let candidates = self.candidates(offers.len());
        let requests: Vec<Request<'_>> = candidates.iter().map(Candidate::request).collect();
        let limits = Limits::from(&self.config);
        let placed = matching::place(&requests, offers, &limits, &mut self.ids.ports);
        let launches = self.provision(&placed, &requests, offers);
        for outcome in &placed.outcomes {
            self.state.queue.record(outcome, self.now);
        }
        self.answer(offers, launches);
        if !placed.placements.is_empty() {
            // What was placed may make room for what was not: constraints look at neighbours.
            self.intake.fresh = true;
        }
    }

    /// Every version of a spec of which an instance may be launched now, with its instances.
    fn candidates(&self, offers: usize) -> Vec<Candidate> {
        let most = offers.saturating_mul(self.config.max_instances_per_offer.max(1));
        let mut candidates = Vec::new();
        for spec in &self.intake.ready {
            let Some(instances) = self.state.instances.get(spec) else { continue };
            let mut by_version: BTreeMap<Timestamp, Vec<(Timestamp, InstanceId)>> = BTreeMap::new();
            for instance in instances.values().filter(|instance| instance.is_launchable()) {
                by_version.entry(instance.version).or_default().push((instance.scheduled_at, instance.id.clone()));
            }
            for (version, mut waiting) in by_version {
                let Some(app) = self.version_of(spec, version) else { continue };
                if !self.state.queue.may_launch(&app, self.now) {
                    continue;
                }
                waiting.sort();
                waiting.truncate(most);
                let given_up =
                    self.census.get(spec).map(|census| census.given_up_for(app.last_config_change_at).collect());
                candidates.push(Candidate {
                    app,
                    waiting,
                    instances: instances.clone(),
                    given_up: given_up.unwrap_or_default(),
                });
            }
        }
        candidates
    }

    /// Makes the decisions of a round durable, and describes the tasks of each offer.
    fn provision(
        &mut self,
        placed: &Placed,
        requests: &[Request<'_>],
        offers: &[Offer],
    ) -> BTreeMap<usize, Vec<TaskInfo>> {
        let mut launches: BTreeMap<usize, Vec<TaskInfo>> = BTreeMap::new();
        for placement in &placed.placements {
            let (app, offer) = (requests[placement.request].app, &offers[placement.offer]);
            let Some(instance) = self.instance(&placement.instance).filter(|instance| instance.is_launchable()) else {
                continue;
            };
            let (instance, task) = provisioned(&instance, app, placement, offer, self.now);
            let info = matching::task::task_info(app, &task, offer, placement.resources.clone(), &self.config);
            launches.entry(placement.offer).or_default().push(info);
            self.announce(&instance);
            self.state.queue.observe(app, Condition::Provisioned, self.now);
            self.put(instance);
        }
        launches
    }

    /// Accepts offers that are used, so that what is left of them comes back at once; declines the others for long. Whatever begins to
    /// wait revives, which ends that.
    fn answer(&mut self, offers: &[Offer], mut launches: BTreeMap<usize, Vec<TaskInfo>>) {
        let mut unused = Vec::new();
        for (index, offer) in offers.iter().enumerate() {
            let Some(tasks) = launches.remove(&index) else {
                unused.push(offer.id.clone());
                continue;
            };
            self.call(Call::Accept {
                offers: vec![offer.id.clone()],
                operations: vec![Operation::Launch { tasks }],
                filters: Filters { refuse: Duration::ZERO },
            });
        }
        if !unused.is_empty() {
            let refuse = self.config.decline_offer_duration;
            self.call(Call::Decline { offers: unused, filters: Filters { refuse } });
        }
    }

    /// When a launch is taken for lost.
    pub(super) fn launch_deadline(&self, instance: &Instance) -> Option<Timestamp> {
        let task = instance.task.as_ref()?;
        match instance.condition {
            Condition::Provisioned => Some(task.staged_at + self.config.task_launch_confirm_timeout),
            Condition::Staging | Condition::Starting => Some(instance.since + self.config.task_launch_timeout),
            Condition::Scheduled
            | Condition::Running
            | Condition::Killing
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown
            | Condition::Unreachable
            | Condition::UnreachableInactive => None,
        }
    }

    /// A launch takes too long: the task is killed, and only when it is certain to be gone the next one is launched.
    pub(super) fn launch_overdue(&mut self, id: &InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        if self.launch_deadline(&instance).is_some() {
            self.request_kill(&instance);
        }
    }
}

struct Candidate {
    app: std::sync::Arc<App>,
    /// In launch order.
    waiting: Vec<(Timestamp, InstanceId)>,
    instances: OfSpec,
    /// Versions whose instances do not count for constraints although they are newer: they are on their way out.
    given_up: BTreeSet<Timestamp>,
}

impl Candidate {
    fn request(&self) -> Request<'_> {
        let waiting = self.waiting.iter().filter_map(|(_, id)| self.instances.get(id)).map(|instance| &**instance);
        let counts = |instance: &&Instance| !instance.is_launchable() && !self.given_up.contains(&instance.version);
        let placed = self.instances.values().map(|instance| &**instance).filter(counts);
        Request { app: &self.app, waiting: waiting.collect(), placed: placed.collect() }
    }
}

/// The instance with its next task.
fn provisioned(
    instance: &Instance,
    app: &App,
    placement: &Placement,
    offer: &Offer,
    now: Timestamp,
) -> (Instance, Task) {
    let incarnation = instance.incarnation.saturating_add(1);
    let task = Task {
        id: TaskName { instance: instance.id.clone(), incarnation }.task_id(),
        agent_id: offer.agent_id.clone(),
        host: offer.hostname.clone(),
        agent_address: offer.agent_address.clone(),
        domain: offer.domain.clone(),
        attributes: offer.attributes.clone(),
        ports: placement.ports.clone(),
        ip_addresses: Vec::new(),
        staged_at: now,
        started_at: None,
        state: None,
        agent_health: None,
        unreachable_since: None,
        kill_requested_at: None,
    };
    let instance = Instance {
        version: app.version,
        incarnation,
        condition: Condition::Provisioned,
        since: now,
        task: Some(task.clone()),
        health: Vec::new(),
        ..instance.clone()
    };
    (instance, task)
}
