//! What an app is made of.

use std::collections::BTreeMap;

use marathon_time::Timestamp;
use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Something to fetch into the sandbox.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Artifact {
    /// Where it is.
    #[schema(min_length = 1, max_length = 1024)]
    pub uri: String,
    /// Whether to unpack it if it is an archive.
    pub extract: bool,
    /// Whether to make it executable.
    pub executable: bool,
    /// Whether the agent may keep it for the next one who wants it.
    pub cache: bool,
    /// Name for it in the sandbox, if not the last part of the URI.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, min_length = 1, max_length = 1024)]
    pub dest_path: Option<String>,
}

/// One port of an instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PortDefinition {
    /// Service port, or with `requirePorts` the port on the host; 0 means that one will be assigned.
    pub port: u16,
    /// What is spoken there.
    pub protocol: PortProtocol,
    /// Name of the port, unique in the app.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false, pattern = "^[a-z0-9]([-a-z0-9]*[a-z0-9])?$")]
    pub name: Option<String>,
    /// Labels of the port.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,
}

/// Transport protocol of a port.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum PortProtocol {
    /// TCP.
    #[default]
    #[serde(rename = "tcp")]
    Tcp,
    /// UDP.
    #[serde(rename = "udp")]
    Udp,
    /// Both on the same number.
    #[serde(rename = "udp,tcp")]
    UdpTcp,
}

/// A network that instances are attached to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Network {
    /// Kind of network.
    pub mode: NetworkMode,
}

/// Kind of network.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum NetworkMode {
    /// The host's own network.
    #[serde(rename = "host")]
    Host,
}

/// How to find out whether an instance works.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
#[schema(example = json!({
    "protocol": "HTTP", "path": "/health", "portIndex": 0, "gracePeriodSeconds": 300, "intervalSeconds": 60,
    "timeoutSeconds": 20, "maxConsecutiveFailures": 3, "delaySeconds": 15, "ipProtocol": "IPv4", "ignoreHttp1xx": false
}))]
pub struct HealthCheck {
    /// What to do.
    pub protocol: HealthProtocol,
    /// Path to get; `/` if absent. HTTP and HTTPS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub path: Option<String>,
    /// Port to connect to, if not one of the instance's own.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub port: Option<u16>,
    /// Which of the instance's ports to connect to, counted from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub port_index: Option<u16>,
    /// What to run. COMMAND only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub command: Option<Command>,
    /// Failures do not count for so long after the start, in seconds, unless the check succeeded before.
    pub grace_period_seconds: u32,
    /// Time from one check to the next, in seconds.
    pub interval_seconds: u32,
    /// How long a check may take, in seconds.
    pub timeout_seconds: u32,
    /// After so many failures in a row the instance is replaced; 0 means never.
    pub max_consecutive_failures: u32,
    /// Time from the start to the first check, in seconds.
    pub delay_seconds: u32,
    /// Address family; always `IPv4`.
    pub ip_protocol: IpProtocol,
    /// Whether an answer of 100 to 199 leaves the state as it is. HTTP and HTTPS only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(nullable = false)]
    pub ignore_http1xx: Option<bool>,
}

/// A command line, run by a shell.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub struct Command {
    /// The command line.
    pub value: String,
}

/// What a health check does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "UPPERCASE")]
pub enum HealthProtocol {
    /// GET by HTTP; 200 to 399 is healthy.
    #[default]
    Http,
    /// GET by HTTPS, certificates not being verified; 200 to 399 is healthy.
    Https,
    /// Connecting is enough.
    Tcp,
    /// A command on the agent that ends with 0.
    Command,
}

/// Address family of a health check.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize, ToSchema)]
pub enum IpProtocol {
    /// IPv4.
    #[default]
    IPv4,
    /// IPv6. Only container networks may ask for it.
    IPv6,
}

/// Bounds within which instances are replaced.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UpgradeStrategy {
    /// Share of `instances` that must stay healthy all the time, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub minimum_health_capacity: f64,
    /// Share of `instances` that may run in addition, 0 to 1.
    #[schema(minimum = 0, maximum = 1)]
    pub maximum_over_capacity: f64,
}

impl Default for UpgradeStrategy {
    fn default() -> Self {
        Self { minimum_health_capacity: 1.0, maximum_over_capacity: 1.0 }
    }
}

/// What becomes of instances whose agent cannot be reached: `"disabled"`, or after how long they are given up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(untagged)]
pub enum UnreachableStrategy {
    /// They are replaced, and forgotten.
    Delays(UnreachableDelays),
    /// They are waited for without end.
    Disabled(Disabled),
}

impl UnreachableStrategy {
    /// Wait without end.
    pub const DISABLED: Self = Self::Disabled(Disabled::Disabled);
}

impl Default for UnreachableStrategy {
    fn default() -> Self {
        Self::Delays(UnreachableDelays::default())
    }
}

/// The word `disabled`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Disabled {
    /// That word.
    Disabled,
}

/// When unreachable instances are given up.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct UnreachableDelays {
    /// After so many seconds a replacement is launched.
    pub inactive_after_seconds: u64,
    /// After so many seconds the instance is forgotten, and killed if it comes back.
    pub expunge_after_seconds: u64,
}

/// Which instance is stopped first.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "SCREAMING_SNAKE_CASE")]
pub enum KillSelection {
    /// The one launched last.
    #[default]
    YoungestFirst,
    /// The one launched first.
    OldestFirst,
}

/// When an app was scaled and when it was changed otherwise.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct VersionInfo {
    /// Version in which `instances` changed last.
    #[schema(value_type = String, format = DateTime)]
    pub last_scaling_at: Timestamp,
    /// Version in which anything else changed last.
    #[schema(value_type = String, format = DateTime)]
    pub last_config_change_at: Timestamp,
}
