//! A task on its agent.

use std::{collections::VecDeque, time::Duration};

use health_core::{ProbeNumber, Schedule};
use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};

use super::io::{Change, Checkpoint};
use crate::{
    clock::Now,
    protocol::{
        ContainerId, FrameworkId, TaskId,
        task::{TaskInfo, TaskStatus},
    },
};

/// Where a task is; what an agent must still know of it after a restart, besides what the task is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Progress {
    /// The role that its resources are allocated to.
    pub(super) role: String,
    pub(super) phase: Phase,
    pub(super) kill: Option<Kill>,
    /// Newest status, acknowledged or not.
    pub(super) status: TaskStatus,
    /// Statuses that were not acknowledged, the oldest first; only that one is told.
    pub(super) unacknowledged: VecDeque<TaskStatus>,
    /// What the health check found so far.
    pub(super) health: health_core::State,
}

/// What is known of the container.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Phase {
    /// Asked for; no word of it yet.
    Launching,
    /// Its process exists since then.
    Running { since: Timestamp },
    /// Gone; what is left is to have that acknowledged.
    Over,
}

/// The task is to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Kill {
    /// When it will be killed for good.
    pub deadline: Timestamp,
    /// The grace period that led to it, a bound for what is left of it after a restart.
    pub grace: Duration,
    /// Because its health check failed too often.
    pub unhealthy: bool,
}

impl Kill {
    pub fn grace_left(&self, now: Now) -> Duration {
        self.deadline.since(now.tick).min(self.grace)
    }
}

#[derive(Clone, Debug)]
pub(super) struct Task {
    pub container_id: ContainerId,
    pub framework_id: FrameworkId,
    pub info: TaskInfo,
    pub progress: Progress,
    /// How long to wait before the oldest status is told once more.
    pub retry_delay: Duration,
    /// Present while the task runs, is not being killed and has a health check.
    pub probing: Option<Probing>,
}

#[derive(Clone, Debug)]
pub(super) struct Probing {
    pub schedule: Schedule,
    /// The last probe that was sent out.
    pub number: ProbeNumber,
}

impl Task {
    /// One that was written down before a restart. Whether its container still exists the containerizer tells.
    pub fn recovered(checkpoint: Checkpoint, now: Now) -> Self {
        let Checkpoint { container_id, framework_id, info, mut progress } = checkpoint;
        if let Phase::Running { since } = &mut progress.phase {
            *since = (*since).min(now.tick); // the clock may have been set back meanwhile
        }
        let retry_delay = Duration::ZERO;
        Self { container_id, framework_id, info, progress, retry_delay, probing: None }
    }

    pub fn key(&self) -> (FrameworkId, TaskId) {
        (self.framework_id.clone(), self.info.id.clone())
    }

    pub fn is_over(&self) -> bool {
        self.progress.phase == Phase::Over
    }

    /// All that is to be written down.
    pub fn put(&self) -> Change {
        Change::Put(Box::new(Checkpoint {
            container_id: self.container_id.clone(),
            framework_id: self.framework_id.clone(),
            info: self.info.clone(),
            progress: self.progress.clone(),
        }))
    }
}
