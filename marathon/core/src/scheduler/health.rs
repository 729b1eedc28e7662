//! Health checks: HTTP, HTTPS and TCP are probed from here, commands by the agent; both are counted by the same rules.

use std::{net::IpAddr, time::Duration};

use health_core::{Check, Outcome, PortRef, Protocol, Schedule, State as Record};
use marathon_time::Timestamp;
use substrate_core::protocol::task::TaskState;

use super::{Effect, Probe, ProbeTarget, Scheduler, Timer};
use crate::{
    event::Event,
    id::{InstanceId, PathId},
    instance::{Condition, Goal, Instance, Task},
    spec::App,
};

impl Scheduler {
    /// Begins or stops probing an instance.
    pub(super) fn watch_health(&mut self, instance: &Instance) {
        let timer = Timer::Probe(instance.id.clone());
        if !is_watched(instance) {
            if self.probes.remove(&instance.id).is_some() {
                self.timers.cancel(&timer);
            }
            return;
        }
        if !self.probes.contains_key(&instance.id) {
            let Some(app) = self.version_of(&instance.id.spec, instance.version) else { return };
            let schedules = schedules(&app, instance, self.now);
            if schedules.is_empty() {
                return;
            }
            self.probes.insert(instance.id.clone(), schedules);
        }
        let next = self.probes[&instance.id].iter().map(|(_, schedule)| schedule.next_due()).min();
        self.timers.put(timer, next);
    }

    /// Sends the probes of an instance that are due, and judges those that were never answered.
    pub(super) fn probes_due(&mut self, id: &InstanceId) {
        let Some(instance) = self.instance(id) else { return };
        let Some(app) = self.version_of(&id.spec, instance.version) else { return };
        let (Some(task), Some(schedules)) = (&instance.task, self.probes.get_mut(id)) else { return };
        let mut outcomes = Vec::new();
        for (index, schedule) in schedules.iter_mut() {
            let Some(check) = app.spec.health_checks.get(*index) else { continue };
            outcomes.extend(schedule.lapsed(self.now).map(|outcome| (*index, outcome)));
            if !schedule.due(self.now) {
                continue;
            }
            let number = schedule.started(self.now);
            let probe = Probe { instance: id.clone(), task: task.id.clone(), check: *index, number };
            match target(check, task) {
                Some(target) => self.out.effects.push(Effect::Probe { probe, target, timeout: check.time_limit() }),
                None if schedule.answered(self.now, number) => {
                    outcomes.push((*index, Outcome::unhealthy("the task has no such port")));
                }
                None => {}
            }
        }
        let next = schedules.iter().map(|(_, schedule)| schedule.next_due()).min();
        self.timers.put(Timer::Probe(id.clone()), next);
        for (index, outcome) in outcomes {
            self.judge(id, index, &outcome);
        }
    }

    /// The answer to a probe.
    pub(super) fn probed(&mut self, probe: &Probe, outcome: &Outcome) {
        let Some(instance) = self.instance(&probe.instance) else { return };
        if instance.task.as_ref().is_none_or(|task| task.id != probe.task) {
            return;
        }
        let Some(schedules) = self.probes.get_mut(&probe.instance) else { return };
        let Some((_, schedule)) = schedules.iter_mut().find(|(index, _)| *index == probe.check) else { return };
        if !schedule.answered(self.now, probe.number) {
            return;
        }
        let next = schedules.iter().map(|(_, schedule)| schedule.next_due()).min();
        self.timers.put(Timer::Probe(probe.instance.clone()), next);
        self.judge(&probe.instance, probe.check, outcome);
    }

    /// The agent's own check changed its mind.
    pub(super) fn agent_judged(&mut self, id: &InstanceId, healthy: bool, message: &str) {
        let Some(app) = self.instance(id).and_then(|instance| self.version_of(&id.spec, instance.version)) else {
            return;
        };
        let outcome = match (healthy, message) {
            (true, _) => Outcome::Healthy,
            (false, "") => Outcome::unhealthy("the command failed"),
            (false, message) => Outcome::unhealthy(message),
        };
        for (index, check) in app.spec.health_checks.iter().enumerate() {
            if !is_probed_here(check) {
                self.judge(id, index, &outcome);
            }
        }
    }

    /// Counts one result. Stored only if it changes what is believed: results come often.
    fn judge(&mut self, id: &InstanceId, index: usize, outcome: &Outcome) {
        let Some(instance) = self.instance(id).filter(|instance| is_watched(instance)) else { return };
        let Some(app) = self.version_of(&id.spec, instance.version) else { return };
        let mut next = Instance::clone(&instance);
        let (Some(check), Some(record)) = (app.spec.health_checks.get(index), next.health.get_mut(index)) else {
            return;
        };
        let alive_before = record.alive().unwrap_or(false);
        let judgement = record.record(self.now, outcome, running_since(&instance, check), check);
        let alive = record.alive().unwrap_or(false);
        let cause = record.last_failure_cause.clone();
        if judgement.failure_counted {
            self.emit(Event::HealthCheckFailed { app: id.spec.clone(), instance: id.clone(), check: check.clone() });
        }
        if alive != alive_before {
            let version = next.version;
            self.emit(Event::HealthStatusChanged { app: id.spec.clone(), instance: id.clone(), version, alive });
        }
        let healthy = next.health();
        if healthy != instance.health() {
            next.since = self.now;
            self.emit(Event::InstanceHealthChanged { instance: id.clone(), healthy, version: next.version });
        }
        if judgement.kill_due {
            self.kill_unhealthy(&mut next, cause.unwrap_or_else(|| "unknown".into()));
        }
        if judgement.alive_changed || judgement.kill_due || healthy != instance.health() {
            self.put(next);
        } else {
            self.put_quietly(next);
        }
    }

    fn kill_unhealthy(&mut self, instance: &mut Instance, reason: String) {
        let Some(task) = instance.task.as_mut() else { return };
        task.kill_requested_at = Some(self.now);
        let event = Event::UnhealthyInstanceKill {
            app: instance.id.spec.clone(),
            task: task.id.clone(),
            instance: instance.id.clone(),
            version: instance.version,
            reason: reason.clone(),
            host: task.host.clone(),
            agent: task.agent_id.clone(),
        };
        self.emit(event);
        let message = format!("Task was killed since health check failed. Reason: {reason}");
        self.put_failure(instance, TaskState::TaskKilled, message);
    }

    /// `add_health_check_event` for each check of a version that becomes active.
    pub(super) fn announce_checks(&mut self, app: &App) {
        let checks = &app.spec.health_checks;
        if checks.is_empty() {
            return;
        }
        let announced = self.announced_checks.entry(app.spec.id.clone()).or_default();
        if announced.insert(app.version, checks.len()).is_some() {
            return;
        }
        for check in checks {
            self.emit(Event::HealthCheckAdded { app: app.spec.id.clone(), check: check.clone(), version: app.version });
        }
    }

    /// `remove_health_check_event` for each check of the versions of an app that are not `kept`.
    pub(super) fn withdraw_checks(&mut self, spec: &PathId, kept: impl Fn(&Self, Timestamp) -> bool) {
        let versions: Vec<Timestamp> =
            self.announced_checks.get(spec).map(|versions| versions.keys().copied().collect()).unwrap_or_default();
        for version in versions {
            if kept(self, version) {
                continue;
            }
            let checks =
                self.announced_checks.get_mut(spec).and_then(|versions| versions.remove(&version)).unwrap_or(0);
            for _ in 0..checks {
                self.emit(Event::HealthCheckRemoved { app: spec.clone() });
            }
        }
        if self.announced_checks.get(spec).is_some_and(std::collections::BTreeMap::is_empty) {
            self.announced_checks.remove(spec);
        }
    }

    /// Withdraws the checks of versions that are neither wanted nor running any more.
    pub(super) fn withdraw_outdated_checks(&mut self, spec: &PathId) {
        self.withdraw_checks(spec, |scheduler, version| {
            let wanted = scheduler.state.root.apps.get(spec).is_some_and(|app| app.version == version);
            let runs = scheduler.census.get(spec).is_some_and(|census| census.of_version(version).all() > 0);
            wanted || runs
        });
    }

    /// The clock was set back: what is probed is probed again as if it began to run now.
    pub(super) fn probes_set_back(&mut self, now: Timestamp) {
        let ids: Vec<InstanceId> = self.probes.keys().cloned().collect();
        for id in ids {
            let Some(instance) = self.instance(&id) else { continue };
            let Some(app) = self.version_of(&id.spec, instance.version) else { continue };
            self.probes.insert(id.clone(), schedules(&app, &instance, now));
            self.timers.set(Timer::Probe(id), now);
        }
    }
}

/// Results count only for what runs and is meant to go on.
fn is_watched(instance: &Instance) -> bool {
    let doomed = instance.task.as_ref().is_none_or(|task| task.kill_requested_at.is_some());
    instance.goal == Goal::Running && instance.condition == Condition::Running && !doomed
}

fn is_probed_here(check: &Check) -> bool {
    match check.protocol {
        Protocol::Http { .. } | Protocol::Https { .. } | Protocol::Tcp { .. } => true,
        Protocol::Command { .. } => false,
    }
}

/// One schedule per check that is probed from here. The first probe comes at once (`delay` is for agents), unless the instance has
/// results already because this scheduler was restarted: then the probes are spread over an interval, or all would come together.
fn schedules(app: &App, instance: &Instance, now: Timestamp) -> Vec<(usize, Schedule)> {
    let checks = app.spec.health_checks.iter().enumerate().filter(|(_, check)| is_probed_here(check));
    checks
        .map(|(index, check)| {
            let known = instance.health.get(index).is_some_and(|record: &Record| record.alive().is_some());
            let delay = if known { spread(instance, check.pace()) } else { Duration::ZERO };
            (index, Schedule::new(&Check { delay, ..check.clone() }, now))
        })
        .collect()
}

/// A part of `interval` that differs from instance to instance.
fn spread(instance: &Instance, interval: Duration) -> Duration {
    let share =
        instance.id.uuid.as_bytes().iter().fold(0_u32, |sum, byte| sum.wrapping_mul(31).wrapping_add(u32::from(*byte)));
    interval.mul_f64(f64::from(share % 1000) / 1000.0)
}

/// Since when the grace period of a check counts. Agents observe the grace period of their checks themselves.
fn running_since(instance: &Instance, check: &Check) -> Timestamp {
    if !is_probed_here(check) {
        return Timestamp::EPOCH;
    }
    instance.task.as_ref().and_then(|task| task.started_at).unwrap_or(instance.since)
}

/// Where a probe goes: the task's address if it was told, else its agent's host. `None`: the task has no such port.
fn target(check: &Check, task: &Task) -> Option<ProbeTarget> {
    let host = task.ip_addresses.first().map_or_else(|| task.host.clone(), IpAddr::to_string);
    let (scheme, path, port) = match &check.protocol {
        Protocol::Http { path, port } => ("http", path, port),
        Protocol::Https { path, port } => ("https", path, port),
        Protocol::Tcp { port } => return Some(ProbeTarget::Tcp { host, port: resolve(*port, task)? }),
        Protocol::Command { .. } => return None,
    };
    let port = resolve(*port, task)?;
    let host = if host.contains(':') { format!("[{host}]") } else { host };
    let path = path.as_deref().unwrap_or("/");
    let slash = if path.starts_with('/') { "" } else { "/" };
    Some(ProbeTarget::Http {
        url: format!("{scheme}://{host}:{port}{slash}{path}"),
        ignore_http_1xx: check.ignore_http_1xx,
    })
}

fn resolve(port: PortRef, task: &Task) -> Option<u16> {
    match port {
        PortRef::Index(index) => task.ports.get(usize::try_from(index).ok()?).copied(),
        PortRef::Port(port) => Some(port),
    }
}
