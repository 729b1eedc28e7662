//! What `/v2/events` tells.

use marathon_time::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    app::{App, HealthCheck},
    deployment::{DeploymentPlan, DeploymentStep},
    task::{IpAddress, TaskState},
};

/// One event, without the two members that all have: `eventType` and `timestamp`.
#[derive(Clone, Debug, PartialEq, Serialize, ToSchema)]
#[serde(untagged)]
#[expect(missing_docs, reason = "the members are called as in every other place of this API")]
pub enum Event {
    /// An app was posted, put or patched by itself, and that was accepted.
    #[serde(rename_all = "camelCase")]
    ApiPost { client_ip: String, uri: String, app_definition: Box<App> },
    /// The scheduler got its framework id from a master.
    #[serde(rename_all = "camelCase")]
    SchedulerRegistered { framework_id: String, master: String },
    /// The scheduler found a master again, or another one.
    #[serde(rename_all = "camelCase")]
    SchedulerReregistered { master: String },
    /// The scheduler lost the master.
    SchedulerDisconnected {},
    /// A custom executor said something; the bytes as signed numbers.
    #[serde(rename_all = "camelCase")]
    FrameworkMessage { executor_id: String, slave_id: String, message: Vec<i8> },
    /// Somebody started to listen to the events.
    #[serde(rename_all = "camelCase")]
    EventStreamAttached { remote_address: String },
    /// Somebody stopped listening.
    #[serde(rename_all = "camelCase")]
    EventStreamDetached { remote_address: String },
    /// A change of the tree was accepted.
    #[serde(rename_all = "camelCase")]
    GroupChangeSuccess {
        group_id: String,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
    },
    /// A change of the tree was refused.
    #[serde(rename_all = "camelCase")]
    GroupChangeFailed {
        group_id: String,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
        reason: String,
    },
    /// A step of a deployment starts.
    #[serde(rename_all = "camelCase")]
    DeploymentInfo { plan: DeploymentPlan, current_step: DeploymentStep },
    /// A step of a deployment is done.
    #[serde(rename_all = "camelCase")]
    DeploymentStepSuccess { plan: DeploymentPlan, current_step: DeploymentStep },
    /// A step of a deployment failed.
    #[serde(rename_all = "camelCase")]
    DeploymentStepFailure { plan: DeploymentPlan, current_step: DeploymentStep },
    /// A deployment is done.
    #[serde(rename_all = "camelCase")]
    DeploymentSuccess { id: String, plan: DeploymentPlan },
    /// A deployment was cancelled, replaced or refused.
    #[serde(rename_all = "camelCase")]
    DeploymentFailed {
        id: String,
        plan: DeploymentPlan,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        reason: Option<String>,
    },
    /// The last instance of a deleted app is gone.
    #[serde(rename_all = "camelCase")]
    AppTerminated { app_id: String },
    /// A task changed its state.
    #[serde(rename_all = "camelCase")]
    StatusUpdate {
        slave_id: String,
        task_id: String,
        task_status: TaskState,
        message: String,
        app_id: String,
        /// `unknown` if it is not known.
        host: String,
        ip_addresses: Vec<IpAddress>,
        ports: Vec<u16>,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
    },
    /// An instance changed its condition, or its goal. What is not known is `null`.
    #[serde(rename_all = "camelCase")]
    InstanceChanged {
        instance_id: String,
        condition: Condition,
        run_spec_id: String,
        #[schema(required)]
        agent_id: Option<String>,
        #[schema(required)]
        host: Option<String>,
        #[schema(value_type = String, format = DateTime)]
        run_spec_version: Timestamp,
    },
    /// An instance that nobody knew ended.
    #[serde(rename_all = "camelCase")]
    UnknownInstanceTerminated { instance_id: String, run_spec_id: String, condition: Condition },
    /// An instance became healthy, unhealthy, or (`null`) unknown.
    #[serde(rename_all = "camelCase")]
    InstanceHealthChanged {
        instance_id: String,
        run_spec_id: String,
        #[schema(required)]
        healthy: Option<bool>,
        #[schema(value_type = String, format = DateTime)]
        run_spec_version: Timestamp,
    },
    /// A health check of a version became active.
    #[serde(rename_all = "camelCase")]
    AddHealthCheck {
        app_id: String,
        health_check: HealthCheck,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
    },
    /// A health check of a version is active no more.
    #[serde(rename_all = "camelCase")]
    RemoveHealthCheck { app_id: String },
    /// A health check failed, and that counts. `taskId` is the id of the instance, as it has always been.
    #[serde(rename_all = "camelCase")]
    FailedHealthCheck { app_id: String, health_check: HealthCheck, task_id: String },
    /// A health check of an instance changed between success and failure.
    #[serde(rename_all = "camelCase")]
    HealthStatusChanged {
        app_id: String,
        instance_id: String,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
        alive: bool,
    },
    /// An instance is about to be killed because of failed health checks.
    #[serde(rename_all = "camelCase")]
    UnhealthyInstanceKill {
        app_id: String,
        task_id: String,
        instance_id: String,
        #[schema(value_type = String, format = DateTime)]
        version: Timestamp,
        reason: String,
        /// `unknown` if it is not known.
        host: String,
        #[serde(skip_serializing_if = "Option::is_none")]
        #[schema(nullable = false)]
        slave_id: Option<String>,
    },
}

/// What an instance is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, ToSchema)]
#[expect(missing_docs, reason = "the words are those of the API")]
pub enum Condition {
    Scheduled,
    Provisioned,
    Staging,
    Starting,
    Running,
    Killing,
    Killed,
    Finished,
    Failed,
    Error,
    Gone,
    Dropped,
    Unknown,
    Unreachable,
    UnreachableInactive,
}

impl Event {
    /// Every event type there is.
    pub const TYPES: [&'static str; 24] = [
        "api_post_event",
        "scheduler_registered_event",
        "scheduler_reregistered_event",
        "scheduler_disconnected_event",
        "framework_message_event",
        "event_stream_attached",
        "event_stream_detached",
        "group_change_success",
        "group_change_failed",
        "deployment_info",
        "deployment_step_success",
        "deployment_step_failure",
        "deployment_success",
        "deployment_failed",
        "app_terminated_event",
        "status_update_event",
        "instance_changed_event",
        "unknown_instance_terminated_event",
        "instance_health_changed_event",
        "add_health_check_event",
        "remove_health_check_event",
        "failed_health_check_event",
        "health_status_changed_event",
        "unhealthy_instance_kill_event",
    ];

    /// The type: what stands behind `event:` on the stream, and in `eventType`.
    pub fn event_type(&self) -> &'static str {
        match self {
            Self::ApiPost { .. } => "api_post_event",
            Self::SchedulerRegistered { .. } => "scheduler_registered_event",
            Self::SchedulerReregistered { .. } => "scheduler_reregistered_event",
            Self::SchedulerDisconnected {} => "scheduler_disconnected_event",
            Self::FrameworkMessage { .. } => "framework_message_event",
            Self::EventStreamAttached { .. } => "event_stream_attached",
            Self::EventStreamDetached { .. } => "event_stream_detached",
            Self::GroupChangeSuccess { .. } => "group_change_success",
            Self::GroupChangeFailed { .. } => "group_change_failed",
            Self::DeploymentInfo { .. } => "deployment_info",
            Self::DeploymentStepSuccess { .. } => "deployment_step_success",
            Self::DeploymentStepFailure { .. } => "deployment_step_failure",
            Self::DeploymentSuccess { .. } => "deployment_success",
            Self::DeploymentFailed { .. } => "deployment_failed",
            Self::AppTerminated { .. } => "app_terminated_event",
            Self::StatusUpdate { .. } => "status_update_event",
            Self::InstanceChanged { .. } => "instance_changed_event",
            Self::UnknownInstanceTerminated { .. } => "unknown_instance_terminated_event",
            Self::InstanceHealthChanged { .. } => "instance_health_changed_event",
            Self::AddHealthCheck { .. } => "add_health_check_event",
            Self::RemoveHealthCheck { .. } => "remove_health_check_event",
            Self::FailedHealthCheck { .. } => "failed_health_check_event",
            Self::HealthStatusChanged { .. } => "health_status_changed_event",
            Self::UnhealthyInstanceKill { .. } => "unhealthy_instance_kill_event",
        }
    }

    /// The JSON of this event at `timestamp`, on one line.
    pub fn to_json(&self, timestamp: Timestamp) -> String {
        let envelope = Envelope { event: self, event_type: self.event_type(), timestamp };
        serde_json::to_string(&envelope).expect("an event has text keys only and nothing in it can fail")
    }
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Envelope<'a> {
    #[serde(flatten)]
    event: &'a Event,
    event_type: &'static str,
    timestamp: Timestamp,
}
