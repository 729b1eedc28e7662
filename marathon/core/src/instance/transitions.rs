//! What a status makes of an instance.

use marathon_time::Timestamp;
use substrate_core::protocol::task::{Reason, Source, TaskState, TaskStatus};

use super::{Condition, Goal, Instance, Task};
use crate::spec::UnreachableStrategy;

/// What a status of an instance's present task led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Hearing {
    /// Nothing new.
    Nothing,
    /// The task lives although it was believed to have ended for good: it must be ended.
    Stray,
    /// The instance was changed.
    News {
        /// `condition` is another.
        condition_changed: bool,
        /// The agent's health check said something else than before.
        health_told: Option<bool>,
    },
}

/// The condition of a task in this state.
///
/// `TASK_LOST` is what agents and masters say that know no better; its reason and message tell which of the newer states is meant (Marathon
/// behaviour reference, conditions).
pub fn condition_of(status: &TaskStatus) -> Condition {
    match status.state {
        TaskState::TaskStaging => Condition::Staging,
        TaskState::TaskStarting => Condition::Starting,
        TaskState::TaskRunning => Condition::Running,
        TaskState::TaskKilling => Condition::Killing,
        TaskState::TaskFinished => Condition::Finished,
        TaskState::TaskFailed => Condition::Failed,
        TaskState::TaskKilled => Condition::Killed,
        TaskState::TaskError => Condition::Error,
        TaskState::TaskLost => lost(status),
        TaskState::TaskDropped => Condition::Dropped,
        TaskState::TaskUnreachable => Condition::Unreachable,
        TaskState::TaskGone | TaskState::TaskGoneByOperator => Condition::Gone,
        TaskState::TaskUnknown => Condition::Unknown,
    }
}

fn lost(status: &TaskStatus) -> Condition {
    if status.message.starts_with("Reconciliation: Task is unknown to the") {
        return Condition::Unknown;
    }
    match status.reason {
        Some(Reason::ReasonReconciliation | Reason::ReasonAgentDisconnected | Reason::ReasonAgentRemoved) => {
            Condition::Unreachable
        }
        Some(
            Reason::ReasonAgentReregistered
            | Reason::ReasonAgentRestarted
            | Reason::ReasonContainerLaunchFailed
            | Reason::ReasonContainerLimitationMemory
            | Reason::ReasonExecutorTerminated
            | Reason::ReasonInvalidOffers
            | Reason::ReasonTaskHealthCheckStatusUpdated
            | Reason::ReasonTaskInvalid
            | Reason::ReasonTaskKilledDuringLaunch,
        )
        | None => Condition::Gone,
    }
}

/// Whether nobody runs the task any more, as far as the teller can know: what a status about an unknown instance must say not to get
/// the task killed.
pub fn is_over(condition: Condition) -> bool {
    condition.is_considered_terminal()
}

/// Whether a task that ends like this was never given a chance: the offer was gone, or the agent, before the launch arrived. That is no
/// fault of the app and adds no delay. (Marathon counts it as a failure.)
///
/// Only where the master says so about a task of which nothing was heard, so that an agent that drops task after task is not asked
/// again and again without a pause.
pub fn never_had_a_chance(task: &Task, status: &TaskStatus) -> bool {
    let by_circumstance = match status.reason {
        Some(
            Reason::ReasonInvalidOffers
            | Reason::ReasonAgentRemoved
            | Reason::ReasonAgentDisconnected
            | Reason::ReasonReconciliation,
        ) => true,
        Some(
            Reason::ReasonAgentReregistered
            | Reason::ReasonAgentRestarted
            | Reason::ReasonContainerLaunchFailed
            | Reason::ReasonContainerLimitationMemory
            | Reason::ReasonExecutorTerminated
            | Reason::ReasonTaskHealthCheckStatusUpdated
            | Reason::ReasonTaskInvalid
            | Reason::ReasonTaskKilledDuringLaunch,
        )
        | None => false,
    };
    let told_by_master = match status.source {
        Source::SourceMaster => true,
        Source::SourceAgent | Source::SourceExecutor => false,
    };
    by_circumstance && told_by_master && task.state.is_none()
}

impl Instance {
    /// A new slot that wants its first launch.
    pub fn scheduled(id: crate::id::InstanceId, version: Timestamp, now: Timestamp) -> Self {
        Self {
            id,
            goal: Goal::Running,
            version,
            incarnation: 0,
            condition: Condition::Scheduled,
            since: now,
            scheduled_at: now,
            task: None,
            health: Vec::new(),
        }
    }

    /// Takes in what was said about its present task. `checks`: how many health checks its version has.
    ///
    /// A task that ended for good ignores everything after that, with one exception: where the end was only inferred (nobody knew the
    /// task) and nothing was launched instead yet, a task that turns out to live is taken back.
    pub fn hear(&mut self, status: &TaskStatus, checks: usize, now: Timestamp) -> Hearing {
        let heard = condition_of(status);
        let Some(task) = self.task.as_mut() else { return Hearing::Nothing };
        if self.condition.is_terminal() && !returns(self.condition, heard) {
            return if is_over(heard) { Hearing::Nothing } else { Hearing::Stray };
        }
        if goes_back(self.condition, heard) {
            return Hearing::Nothing;
        }
        let state_changed = task.state != Some(status.state) && !same_reach(self.condition, heard);
        let health_told = status.healthy.filter(|healthy| task.agent_health != Some(*healthy));
        if !state_changed && health_told.is_none() {
            return Hearing::Nothing;
        }
        task.state = Some(status.state);
        task.agent_health = status.healthy.or(task.agent_health);
        if heard == Condition::Running {
            task.started_at.get_or_insert(now);
            if !status.ip_addresses.is_empty() {
                task.ip_addresses.clone_from(&status.ip_addresses);
            }
            self.health.resize_with(checks, health_core::State::default);
        }
        task.unreachable_since = (heard == Condition::Unreachable).then(|| {
            let told = status.unreachable_time.unwrap_or(status.timestamp);
            task.unreachable_since.unwrap_or(told).min(now)
        });
        let condition_changed = self.condition != heard;
        if condition_changed {
            self.condition = heard;
            self.since = now;
        }
        if heard.is_terminal() {
            self.health.clear();
            self.scheduled_at = now;
        }
        Hearing::News { condition_changed, health_told }
    }

    /// Moves what is said to have happened after `now` to `now`: the clock was set back, and whatever is counted from then (a grace
    /// period, how long it has been out of reach) would otherwise wait until the clock has caught up. Returns whether anything moved.
    pub fn happened_until(&mut self, now: Timestamp) -> bool {
        let mut moved = false;
        let mut pull_back = |moment: &mut Timestamp| {
            if *moment > now {
                (*moment, moved) = (now, true);
            }
        };
        pull_back(&mut self.since);
        pull_back(&mut self.scheduled_at);
        if let Some(task) = self.task.as_mut() {
            pull_back(&mut task.staged_at);
            let moments = [&mut task.started_at, &mut task.unreachable_since, &mut task.kill_requested_at];
            moments.into_iter().flatten().for_each(&mut pull_back);
        }
        for result in &mut self.health {
            let moments = [&mut result.first_success, &mut result.last_success, &mut result.last_failure];
            moments.into_iter().flatten().for_each(&mut pull_back);
        }
        moved
    }

    /// When an instance that cannot be reached is replaced, and when it is forgotten. `None`: it can be reached, or nobody gives it up.
    pub fn given_up_at(&self, strategy: UnreachableStrategy) -> Option<(Timestamp, Timestamp)> {
        let since = self.task.as_ref()?.unreachable_since?;
        match strategy {
            UnreachableStrategy::Disabled => None,
            UnreachableStrategy::After { inactive, expunge } => Some((since + inactive, since + expunge)),
        }
    }

    /// Whether its task may be alive within reach, so that ending it takes a kill.
    pub fn has_live_task(&self) -> bool {
        match self.condition {
            Condition::Provisioned
            | Condition::Staging
            | Condition::Starting
            | Condition::Running
            | Condition::Killing => true,
            Condition::Scheduled
            | Condition::Finished
            | Condition::Killed
            | Condition::Failed
            | Condition::Error
            | Condition::Gone
            | Condition::Dropped
            | Condition::Unknown
            | Condition::Unreachable
            | Condition::UnreachableInactive => false,
        }
    }

    /// Whether its task must be killed now.
    pub fn wants_kill(&self) -> bool {
        let asked = self.task.as_ref().is_some_and(|task| task.kill_requested_at.is_some());
        self.has_live_task() && (self.goal != Goal::Running || asked)
    }
}

/// A task that was given up because nobody knew it, and lives after all.
fn returns(believed: Condition, heard: Condition) -> bool {
    matches!(believed, Condition::Unknown | Condition::Gone | Condition::Dropped)
        && matches!(heard, Condition::Staging | Condition::Starting | Condition::Running)
}

/// An older word that arrives after a newer one.
fn goes_back(believed: Condition, heard: Condition) -> bool {
    let order = |condition| match condition {
        Condition::Staging => Some(1),
        Condition::Starting => Some(2),
        Condition::Running => Some(3),
        Condition::Killing => Some(4),
        Condition::Scheduled
        | Condition::Provisioned
        | Condition::Finished
        | Condition::Killed
        | Condition::Failed
        | Condition::Error
        | Condition::Gone
        | Condition::Dropped
        | Condition::Unknown
        | Condition::Unreachable
        | Condition::UnreachableInactive => None,
    };
    matches!((order(believed), order(heard)), (Some(believed), Some(heard)) if heard < believed)
}

/// Out of reach, told again: when it began counts.
fn same_reach(believed: Condition, heard: Condition) -> bool {
    heard == Condition::Unreachable && believed.is_out_of_reach()
}

#[cfg(test)]
mod tests {
    use std::{net::IpAddr, time::Duration};

    use substrate_core::protocol::{AgentId, TaskId, offer::AgentAddress};

    use super::*;

    fn at(millis: i64) -> Timestamp {
        Timestamp::from_millis(millis)
    }

    fn status(state: TaskState) -> TaskStatus {
        TaskStatus {
            task_id: TaskId::new("t"),
            state,
            agent_id: None,
            timestamp: at(5),
            source: Source::SourceAgent,
            reason: None,
            message: String::new(),
            uuid: None,
            healthy: None,
            container_id: None,
            ip_addresses: Vec::new(),
            unreachable_time: None,
        }
    }

    fn instance(condition: Condition) -> Instance {
        let id = "a.instance-7c2a1e60-0f6d-11ea-8f5e-70b3d5800001".parse().unwrap();
        let mut instance = Instance::scheduled(id, at(1), at(1));
        instance.incarnation = 1;
        instance.condition = condition;
        instance.task = Some(Task {
            id: TaskId::new("t"),
            agent_id: AgentId::new("S1"),
            host: "h".into(),
            agent_address: AgentAddress { ip: "127.0.0.1".into(), port: 5051 },
            domain: None,
            attributes: Vec::new(),
            ports: Vec::new(),
            ip_addresses: Vec::new(),
            staged_at: at(1),
            started_at: None,
            state: None,
            agent_health: None,
            unreachable_since: None,
            kill_requested_at: None,
        });
        instance
    }

    fn news(condition_changed: bool) -> Hearing {
        Hearing::News { condition_changed, health_told: None }
    }

    #[test]
    fn nothing_happened_after_a_clock_that_was_set_back() {
        let mut running = instance(Condition::Running);
        running.since = at(50);
        running.task.as_mut().unwrap().started_at = Some(at(60));
        running.task.as_mut().unwrap().unreachable_since = Some(at(7));
        running.health = vec![health_core::State { last_success: Some(at(70)), ..Default::default() }];
        assert!(!running.clone().happened_until(at(70)));
        assert!(running.happened_until(at(10)));
        let task = running.task.as_ref().unwrap();
        assert_eq!((running.since, task.started_at, task.unreachable_since), (at(10), Some(at(10)), Some(at(7))));
        assert_eq!(running.health[0].last_success, Some(at(10)));
    }

    #[test]
    fn a_task_that_ended_ignores_the_rest_and_is_not_left_alone_if_it_lives() {
        let mut ended = instance(Condition::Failed);
        assert_eq!(ended.hear(&status(TaskState::TaskKilled), 0, at(9)), Hearing::Nothing);
        assert_eq!(ended.hear(&status(TaskState::TaskRunning), 0, at(9)), Hearing::Stray);
        assert_eq!(ended.condition, Condition::Failed);
    }

    #[test]
    fn a_task_that_nobody_knew_is_taken_back_when_it_shows_up() {
        let mut unknown = instance(Condition::Unknown);
        assert_eq!(unknown.hear(&status(TaskState::TaskRunning), 2, at(9)), news(true));
        assert_eq!((unknown.condition, unknown.health.len(), unknown.since), (Condition::Running, 2, at(9)));
    }

    #[test]
    fn an_older_word_after_a_newer_one_changes_nothing() {
        let mut running = instance(Condition::Running);
        for state in [TaskState::TaskStaging, TaskState::TaskStarting] {
            assert_eq!(running.hear(&status(state), 0, at(9)), Hearing::Nothing);
        }
        let mut killing = instance(Condition::Killing);
        assert_eq!(killing.hear(&status(TaskState::TaskRunning), 0, at(9)), Hearing::Nothing);
    }

    #[test]
    fn the_same_word_twice_is_news_once() {
        let mut provisioned = instance(Condition::Provisioned);
        let mut running = status(TaskState::TaskRunning);
        running.ip_addresses = vec![IpAddr::from([10, 0, 0, 1])];
        assert_eq!(provisioned.hear(&running, 1, at(9)), news(true));
        assert_eq!(provisioned.hear(&running, 1, at(10)), Hearing::Nothing);
        running.healthy = Some(false);
        let told = Hearing::News { condition_changed: false, health_told: Some(false) };
        assert_eq!(provisioned.hear(&running, 1, at(11)), told);
        let task = provisioned.task.unwrap();
        assert_eq!((task.started_at, task.ip_addresses.len(), task.agent_health), (Some(at(9)), 1, Some(false)));
    }

    #[test]
    fn out_of_reach_counts_from_the_first_word_and_never_from_the_future() {
        let mut lost = instance(Condition::Running);
        let mut word = status(TaskState::TaskUnreachable);
        word.unreachable_time = Some(at(100));
        assert_eq!(lost.hear(&word, 0, at(9)), news(true));
        word.unreachable_time = Some(at(20));
        assert_eq!(lost.hear(&word, 0, at(30)), Hearing::Nothing);
        let strategy = UnreachableStrategy::After { inactive: Duration::ZERO, expunge: Duration::from_millis(5) };
        assert_eq!(lost.given_up_at(strategy), Some((at(9), at(14))));
        assert_eq!(lost.given_up_at(UnreachableStrategy::Disabled), None);
        assert_eq!(lost.hear(&status(TaskState::TaskRunning), 0, at(40)), news(true));
        assert_eq!(lost.given_up_at(strategy), None);
    }

    #[test]
    fn a_lost_task_is_what_its_reason_says() {
        for (reason, message, condition) in [
            (None, "", Condition::Gone),
            (Some(Reason::ReasonExecutorTerminated), "", Condition::Gone),
            (Some(Reason::ReasonReconciliation), "", Condition::Unreachable),
            (Some(Reason::ReasonAgentRemoved), "", Condition::Unreachable),
            (Some(Reason::ReasonReconciliation), "Reconciliation: Task is unknown to the agent", Condition::Unknown),
        ] {
            let lost = TaskStatus { reason, message: message.into(), ..status(TaskState::TaskLost) };
            assert_eq!(condition_of(&lost), condition, "{reason:?} {message}");
        }
    }
}
