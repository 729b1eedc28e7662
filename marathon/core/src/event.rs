//! Every event of `/v2/events`, in domain terms. The service around this crate renders them.

use std::{net::IpAddr, sync::Arc};

use health_core::Check;
use marathon_time::Timestamp;
use substrate_core::protocol::{AgentId, FrameworkId, TaskId, task::TaskState};

use crate::{
    deployment::{Plan, Step},
    id::{InstanceId, PathId},
    instance::Condition,
    spec::App,
};

/// An event with its place in the log.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// Position in the log: 1 for the first event ever, no gaps. The SSE `id:`.
    pub seq: u64,
    /// When it happened.
    pub at: Timestamp,
    /// What.
    pub event: Event,
}

/// What happened. Names and fields are those of the event reference.
#[derive(Clone, Debug, PartialEq)]
pub enum Event {
    /// `api_post_event`
    ApiPost {
        /// Address of the TCP peer.
        client_ip: String,
        /// Request path.
        uri: String,
        /// The app as accepted.
        app: Arc<App>,
    },
    /// `scheduler_registered_event`
    SchedulerRegistered {
        /// Ours.
        framework_id: FrameworkId,
        /// Host name of the master.
        master: String,
    },
    /// `scheduler_reregistered_event`
    SchedulerReregistered {
        /// Host name of the master.
        master: String,
    },
    /// `scheduler_disconnected_event`
    SchedulerDisconnected,
    /// `event_stream_attached`
    StreamAttached {
        /// Of the subscriber.
        remote_address: String,
    },
    /// `event_stream_detached`
    StreamDetached {
        /// Of the subscriber.
        remote_address: String,
    },
    /// `group_change_success`
    GroupChangeSuccess {
        /// Group that was changed (for an app: its parent).
        group: PathId,
        /// Of the change.
        version: Timestamp,
    },
    /// `group_change_failed`
    GroupChangeFailed {
        /// Group that was to be changed.
        group: PathId,
        /// Of the attempt.
        version: Timestamp,
        /// The whole error message.
        reason: String,
    },
    /// `deployment_info`: a step starts.
    DeploymentInfo {
        /// The deployment.
        plan: Arc<Plan>,
        /// The step.
        step: Step,
    },
    /// `deployment_step_success`
    DeploymentStepSuccess {
        /// The deployment.
        plan: Arc<Plan>,
        /// The step.
        step: Step,
    },
    /// `deployment_success`
    DeploymentSuccess {
        /// The deployment.
        plan: Arc<Plan>,
    },
    /// `deployment_failed`
    DeploymentFailed {
        /// The deployment.
        plan: Arc<Plan>,
        /// Why.
        reason: String,
    },
    /// `app_terminated_event`
    AppTerminated {
        /// Which.
        app: PathId,
    },
    /// `status_update_event`
    StatusUpdate {
        /// Empty if unknown.
        agent: Option<AgentId>,
        /// Task.
        task: TaskId,
        /// New state.
        state: TaskState,
        /// At most 10,000 characters.
        message: String,
        /// Whose.
        app: PathId,
        /// Host of the agent.
        host: String,
        /// Once known.
        ip_addresses: Vec<IpAddr>,
        /// Host ports.
        ports: Vec<u16>,
        /// Of the instance.
        version: Timestamp,
    },
    /// `instance_changed_event`
    InstanceChanged {
        /// Which.
        instance: InstanceId,
        /// What it is now.
        condition: Condition,
        /// `None` before an agent is chosen.
        agent: Option<AgentId>,
        /// Likewise.
        host: Option<String>,
        /// Of the instance.
        version: Timestamp,
    },
    /// `unknown_instance_terminated_event`
    UnknownInstanceTerminated {
        /// Which.
        instance: InstanceId,
        /// How.
        condition: Condition,
    },
    /// `instance_health_changed_event`
    InstanceHealthChanged {
        /// Which.
        instance: InstanceId,
        /// Aggregate; `None`: unknown.
        healthy: Option<bool>,
        /// Of the instance.
        version: Timestamp,
    },
    /// `add_health_check_event`
    HealthCheckAdded {
        /// Whose.
        app: PathId,
        /// Which.
        check: Check,
        /// Of the app.
        version: Timestamp,
    },
    /// `remove_health_check_event`
    HealthCheckRemoved {
        /// Whose.
        app: PathId,
    },
    /// `failed_health_check_event`: one counted failure.
    HealthCheckFailed {
        /// Whose.
        app: PathId,
        /// Printed as `taskId`, as Marathon does.
        instance: InstanceId,
        /// Which.
        check: Check,
    },
    /// `health_status_changed_event`: one check of one instance.
    HealthStatusChanged {
        /// Whose.
        app: PathId,
        /// Which.
        instance: InstanceId,
        /// Of the instance.
        version: Timestamp,
        /// New value.
        alive: bool,
    },
    /// `unhealthy_instance_kill_event`: right before the kill.
    UnhealthyInstanceKill {
        /// Whose.
        app: PathId,
        /// The task that is killed.
        task: TaskId,
        /// Its instance.
        instance: InstanceId,
        /// Of the instance.
        version: Timestamp,
        /// Cause of the last failure.
        reason: String,
        /// Host of the agent.
        host: String,
        /// The agent.
        agent: AgentId,
    },
}
