//! Why a deployment's present step is not done yet, in words and numbers.

use std::fmt;

use marathon_time::Timestamp;

use super::{Action, ActionKind, Deployment};
use crate::{
    id::PathId,
    instance::{Condition, Goal, Instance},
    queue::Reason,
    spec::App,
    state::State,
};

/// Reasons named per app; the queue has all.
const MAX_REASONS: usize = 3;

/// What one app of the present step waits for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Blocker {
    /// Which app.
    pub app: PathId,
    /// What is done to it.
    pub action: ActionKind,
    /// All that stands in the way, what comes first in the life of an instance first; never empty.
    pub causes: Vec<Cause>,
}

/// Something that stands in the way.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Cause {
    /// There is no master: no offers, no kills, no statuses.
    NoMaster,
    /// Nothing that was offered fits.
    Offers {
        /// So many instances wait.
        instances: usize,
        /// Offers that were looked at.
        processed: u64,
        /// Most frequent first reasons, with the number of offers.
        reasons: Vec<(Reason, u64)>,
    },
    /// Launches are delayed after failures.
    Backoff {
        /// So many instances wait.
        instances: usize,
        /// Until then.
        until: Timestamp,
        /// How the last task failed.
        last_failure: Option<String>,
    },
    /// Tasks are on their way to running.
    Starting {
        /// So many.
        instances: usize,
    },
    /// Tasks run, but are not healthy.
    Health {
        /// So many.
        instances: usize,
        /// Of these, so many have failed a check; the others have no result yet.
        unhealthy: usize,
        /// Last cause of a failure.
        last_cause: Option<String>,
    },
    /// Agents cannot be reached.
    Unreachable {
        /// So many instances.
        instances: usize,
        /// Hosts of the agents, at most three.
        hosts: Vec<String>,
    },
    /// Tasks were asked to stop.
    Kills {
        /// So many.
        instances: usize,
    },
    /// Instances of earlier configurations stay until enough new ones are ready.
    Replacement {
        /// So many are left.
        instances: usize,
    },
}

/// What keeps the present step from being done. Empty only if everything is done and the next step is about to begin.
pub fn blockers(state: &State, deployment: &Deployment) -> Vec<Blocker> {
    let Some(step) = deployment.plan.steps.get(deployment.step) else { return Vec::new() };
    step.actions.iter().filter_map(|action| blocker(state, action)).collect()
}

fn blocker(state: &State, action: &Action) -> Option<Blocker> {
    let mut tally = Tally::default();
    let app = state.root.apps.get(&action.app);
    for instance in state.instances.get(&action.app).into_iter().flat_map(|of_spec| of_spec.values()) {
        tally.count(state, action.kind, app.map(|app| &**app), instance);
    }
    let mut causes = tally.causes(state, &action.app);
    if causes.is_empty() {
        return None;
    }
    if state.master.is_none() {
        causes.insert(0, Cause::NoMaster);
    }
    Some(Blocker { app: action.app.clone(), action: action.kind, causes })
}

#[derive(Default)]
struct Tally {
    waiting: usize,
    delayed: usize,
    delayed_until: Option<Timestamp>,
    starting: usize,
    unknown_health: usize,
    unhealthy: usize,
    last_cause: Option<(Timestamp, String)>,
    unreachable: usize,
    hosts: Vec<String>,
    ending: usize,
    old: usize,
}

impl Tally {
    fn count(&mut self, state: &State, kind: ActionKind, app: Option<&App>, instance: &Instance) {
        if instance.goal != Goal::Running {
            self.ending += 1;
            return;
        }
        let version = state.versions.get(&instance.id.spec).and_then(|versions| versions.get(&instance.version));
        let (Some(app), Some(version)) = (app, version) else { return };
        let judged = match kind {
            ActionKind::Restart => version.last_config_change_at == app.last_config_change_at,
            ActionKind::Scale => instance.version == app.version,
            ActionKind::Start | ActionKind::Stop => false,
        };
        if !judged {
            self.old += usize::from(kind == ActionKind::Restart);
            return;
        }
        match instance.condition {
            Condition::Provisioned | Condition::Staging | Condition::Starting => self.starting += 1,
            Condition::Killing => self.ending += 1,
            Condition::Running => self.count_health(version, instance),
            Condition::Unreachable => self.count_unreachable(instance),
            Condition::UnreachableInactive => {}
            Condition::Scheduled
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown => match state.queue.delay_until(version) {
                Some(until) if until > instance.since => {
                    self.delayed += 1;
                    self.delayed_until = self.delayed_until.max(Some(until));
                }
                Some(_) | None => self.waiting += 1,
            },
        }
    }

    fn count_health(&mut self, version: &App, instance: &Instance) {
        if !version.spec.has_health_checks() {
            return;
        }
        match instance.health() {
            Some(true) => return,
            Some(false) => self.unhealthy += 1,
            None => self.unknown_health += 1,
        }
        let failures = instance
            .health
            .iter()
            .filter_map(|record| Some((record.last_failure?, record.last_failure_cause.clone()?)));
        self.last_cause = failures.chain(self.last_cause.take()).max();
    }

    fn count_unreachable(&mut self, instance: &Instance) {
        self.unreachable += 1;
        let host = instance.task.as_ref().map(|task| task.host.clone()).unwrap_or_default();
        if self.hosts.len() < MAX_REASONS && !self.hosts.contains(&host) {
            self.hosts.push(host);
        }
    }

    fn causes(self, state: &State, app: &PathId) -> Vec<Cause> {
        let mut causes = Vec::new();
        if self.waiting > 0 {
            causes.push(offers(state, app, self.waiting));
        }
        if let Some(until) = self.delayed_until {
            let last_failure =
                state.failures.get(app).map(|failure| format!("{}: {}", failure.state.as_str(), failure.message));
            causes.push(Cause::Backoff { instances: self.delayed, until, last_failure });
        }
        if self.starting > 0 {
            causes.push(Cause::Starting { instances: self.starting });
        }
        if self.unhealthy + self.unknown_health > 0 {
            causes.push(Cause::Health {
                instances: self.unhealthy + self.unknown_health,
                unhealthy: self.unhealthy,
                last_cause: self.last_cause.map(|(_, cause)| cause),
            });
        }
        if self.unreachable > 0 {
            causes.push(Cause::Unreachable { instances: self.unreachable, hosts: self.hosts });
        }
        if self.ending > 0 {
            causes.push(Cause::Kills { instances: self.ending });
        }
        if self.old > 0 {
            causes.push(Cause::Replacement { instances: self.old });
        }
        causes
    }
}

fn offers(state: &State, app: &PathId, instances: usize) -> Cause {
    let Some(statistics) = state.queue.statistics.get(app) else {
        return Cause::Offers { instances, processed: 0, reasons: Vec::new() };
    };
    let counted = Reason::ALL.into_iter().zip(statistics.declined).filter(|(_, count)| *count > 0);
    let mut reasons: Vec<(Reason, u64)> = counted.collect();
    reasons.sort_by_key(|(_, count)| std::cmp::Reverse(*count));
    reasons.truncate(MAX_REASONS);
    Cause::Offers { instances, processed: statistics.processed, reasons }
}

impl fmt::Display for Blocker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} waits", self.app)?;
        for (index, cause) in self.causes.iter().enumerate() {
            write!(f, "{}{cause}", if index == 0 { " " } else { "; " })?;
        }
        Ok(())
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NoMaster => f.write_str("for a master: none is connected"),
            Self::Offers { instances, processed: 0, .. } => {
                write!(f, "for an offer for {}: none came yet", counted(*instances))
            }
            Self::Offers { instances, processed, reasons } => {
                let reasons: Vec<String> =
                    reasons.iter().map(|(reason, count)| format!("{count} × {}", reason.as_str())).collect();
                let why = if reasons.is_empty() { "all in use".into() } else { reasons.join(", ") };
                write!(f, "for an offer for {}: of {processed} looked at, {why}", counted(*instances))
            }
            Self::Backoff { instances, until, last_failure } => {
                write!(f, "for the back-off of {} until {until}", counted(*instances))?;
                last_failure.iter().try_for_each(|failure| write!(f, " after {failure}"))
            }
            Self::Starting { instances } => write!(f, "for {} to start", counted(*instances)),
            Self::Health { instances, unhealthy, last_cause } => {
                write!(f, "for {} to become healthy: {unhealthy} failed a check", counted(*instances))?;
                last_cause.iter().try_for_each(|cause| write!(f, ", last: {cause}"))
            }
            Self::Unreachable { instances, hosts } => {
                write!(f, "for {} whose agent cannot be reached ({})", counted(*instances), hosts.join(", "))
            }
            Self::Kills { instances } => write!(f, "for {} to end", counted(*instances)),
            Self::Replacement { instances } => {
                write!(f, "for {} of an earlier configuration to be replaced", counted(*instances))
            }
        }
    }
}

fn counted(instances: usize) -> String {
    if instances == 1 { "1 instance".into() } else { format!("{instances} instances") }
}
