//! Tasks: what runs for the instances of an app.

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::{error::Refusal, read::document};

/// What runs for one instance.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "id": "demo_echo.instance-7c2a1e60-0f6d-11ea-8f5e-70b3d5800001._app.1", "appId": "/demo/echo",
    "host": "10.1.2.3", "slaveId": "a1-S3", "state": "TASK_RUNNING", "role": "*",
    "stagedAt": "2020-03-01T12:00:01.000Z", "startedAt": "2020-03-01T12:00:03.000Z", "version": "2020-03-01T12:00:00.000Z",
    "ports": [31045], "servicePorts": [], "ipAddresses": [{ "ipAddress": "10.1.2.3", "protocol": "IPv4" }],
    "healthCheckResults": [], "localVolumes": []
}))]
pub struct Task {
    /// Task id: instance id, `_app`, and the count of launches.
    pub id: String,
    /// App that it runs for.
    pub app_id: String,
    /// Host name of the agent.
    pub host: String,
    /// Id of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub slave_id: Option<String>,
    /// Region of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub region: Option<String>,
    /// Zone of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub zone: Option<String>,
    /// State as last reported.
    pub state: TaskState,
    /// When it was launched.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub staged_at: Option<Timestamp>,
    /// When it was first seen running.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub started_at: Option<Timestamp>,
    /// Version of the app that it runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub version: Option<Timestamp>,
    /// Host ports, in the order of their definitions.
    pub ports: Vec<u16>,
    /// Service ports of the app, in the same order.
    pub service_ports: Vec<u16>,
    /// Addresses as reported.
    pub ip_addresses: Vec<IpAddress>,
    /// Results of the health checks, one per check that ran.
    pub health_check_results: Vec<HealthCheckResult>,
    /// Result of the check that the agent does, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Object)]
    pub check_result: Option<serde_json::Value>,
    /// Local volumes: none.
    #[schema(value_type = Vec<Object>)]
    pub local_volumes: Vec<serde_json::Value>,
    /// Role whose resources it uses.
    pub role: String,
}

/// State of a task, in the words of Mesos.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
#[expect(missing_docs, reason = "the words are those of Mesos")]
pub enum TaskState {
    TaskStaging,
    TaskStarting,
    TaskRunning,
    TaskKilling,
    TaskFinished,
    TaskFailed,
    TaskKilled,
    TaskError,
    TaskLost,
    TaskUnreachable,
    TaskGone,
    TaskGoneByOperator,
    TaskDropped,
    TaskUnknown,
}

/// An address of a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct IpAddress {
    /// The address.
    pub ip_address: String,
    /// `IPv4` or `IPv6`.
    pub protocol: crate::app::IpProtocol,
}

/// What one health check found out about one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct HealthCheckResult {
    /// Whether the last result that counts was a success.
    pub alive: bool,
    /// Failures in a row.
    pub consecutive_failures: u32,
    /// The first success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub first_success: Option<Timestamp>,
    /// The last success.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub last_success: Option<Timestamp>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, format = DateTime)]
    pub last_failure: Option<Timestamp>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_failure_cause: Option<String>,
    /// The instance.
    pub instance_id: String,
}

/// How an instance of an app failed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TaskFailure {
    /// The app.
    pub app_id: String,
    /// Host name of the agent.
    pub host: String,
    /// What was reported.
    pub message: String,
    /// The last state.
    pub state: TaskState,
    /// The task.
    pub task_id: String,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub timestamp: Timestamp,
    /// Version of the app that it ran.
    #[schema(value_type = String, format = DateTime)]
    pub version: Timestamp,
    /// Id of the agent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub slave_id: Option<String>,
}

/// What a readiness check found out about a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessCheckResult {
    /// Name of the check.
    pub name: String,
    /// The task.
    pub task_id: String,
    /// Whether it is ready.
    pub ready: bool,
    /// What it answered, if that is to be kept.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub last_response: Option<ReadinessResponse>,
}

/// What a task answered to its readiness check.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReadinessResponse {
    /// HTTP status.
    pub status: u16,
    /// Type of the body.
    pub content_type: String,
    /// The body.
    pub body: String,
}

/// Counts and life times of tasks by class of version. A class without tasks is absent.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct TasksStats {
    /// Tasks of versions since the last scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub started_after_last_scaling: Option<StatsOfClass>,
    /// Tasks of versions since the last change other than scaling.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub with_latest_config: Option<StatsOfClass>,
    /// Tasks of versions before that.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub with_outdated_config: Option<StatsOfClass>,
    /// All tasks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub total_summary: Option<StatsOfClass>,
}

/// Figures of one class of tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct StatsOfClass {
    /// The figures.
    pub stats: Stats,
}

/// Counts and life times.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Stats {
    /// How many.
    pub counts: TaskCounts,
    /// How long; absent when none was started.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub life_time: Option<LifeTime>,
}

/// How many tasks are in which state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskCounts {
    /// Launched but not running yet.
    pub staged: u32,
    /// Running.
    pub running: u32,
    /// With all known health checks successful.
    pub healthy: u32,
    /// With a failed health check.
    pub unhealthy: u32,
}

/// How long tasks have been running.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct LifeTime {
    /// Average.
    pub average_seconds: f64,
    /// Median.
    pub median_seconds: f64,
}

/// Answer with several tasks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskList {
    /// The tasks.
    pub tasks: Vec<Task>,
}

/// Answer with one task.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct TaskAnswer {
    /// The task.
    pub task: Task,
}

/// Body of `POST /v2/tasks/delete`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskIds {
    /// Tasks to kill.
    pub ids: Vec<String>,
}

/// The tasks that a body of `POST /v2/tasks/delete` names. Whether they are task ids at all is for others to say.
///
/// # Errors
/// 400 or 422 with everything that is wrong.
pub fn parse_delete(body: &[u8]) -> Result<TaskIds, Refusal> {
    document(body, |node| {
        if !node.is_object() {
            return None;
        }
        let ids = node.required("ids").list(|id| id.text())?;
        Some(TaskIds { ids })
    })
}
