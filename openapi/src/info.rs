//! What the server says about itself. Unlike elsewhere, what is unset is printed as `null` here.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Answer of `GET /v2/info`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Info {
    /// Always `marathon`.
    pub name: String,
    /// Version of this server.
    pub version: String,
    /// What it was built from.
    pub buildref: String,
    /// Whether the answering process leads.
    pub elected: bool,
    /// Who leads, `host:port`.
    #[schema(required)]
    pub leader: Option<String>,
    /// Id that the master gave the scheduler.
    #[serde(rename = "frameworkId")]
    #[schema(required)]
    pub framework_id: Option<String>,
    /// Settings of the scheduler.
    pub marathon_config: MarathonConfig,
    /// Settings of ZooKeeper, of which there is none.
    pub zookeeper_config: ZookeeperConfig,
    /// Where it listens.
    pub http_config: HttpConfig,
}

/// Settings of the scheduler. Durations are in milliseconds unless the member says otherwise.
///
/// The default is what clients know as the default of every setting; who answers fills in what is true here.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the members are called like the flags that set them")]
pub struct MarathonConfig {
    #[schema(required)]
    pub access_control_allow_origin: Option<Vec<String>>,
    pub checkpoint: bool,
    pub decline_offer_duration: u64,
    #[schema(required)]
    pub default_network_name: Option<String>,
    #[schema(required)]
    pub env_vars_prefix: Option<String>,
    pub executor: String,
    /// In seconds.
    pub failover_timeout: u64,
    pub features: Vec<String>,
    pub framework_name: String,
    pub ha: bool,
    pub hostname: String,
    pub launch_token: u64,
    pub launch_token_refresh_interval: u64,
    pub leader_proxy_connection_timeout_ms: u64,
    pub leader_proxy_read_timeout_ms: u64,
    pub local_port_max: u16,
    pub local_port_min: u16,
    pub maintenance_mode: bool,
    pub master: String,
    pub max_instances_per_offer: u32,
    pub mesos_bridge_name: String,
    pub mesos_heartbeat_failure_threshold: u32,
    pub mesos_heartbeat_interval: u64,
    #[schema(required)]
    pub mesos_leader_ui_url: Option<String>,
    pub mesos_role: String,
    pub mesos_user: String,
    pub min_revive_offers_interval: u64,
    pub new_group_enforce_role: String,
    pub offer_matching_timeout: u64,
    pub on_elected_prepare_timeout: u64,
    pub reconciliation_initial_delay: u64,
    pub reconciliation_interval: u64,
    pub scale_apps_initial_delay: u64,
    pub scale_apps_interval: u64,
    pub store_cache: bool,
    pub task_launch_confirm_timeout: u64,
    pub task_launch_timeout: u64,
    pub task_lost_expunge_initial_delay: u64,
    pub task_lost_expunge_interval: u64,
    pub task_reservation_timeout: u64,
    #[schema(required)]
    pub webui_url: Option<String>,
}

impl Default for MarathonConfig {
    fn default() -> Self {
        Self {
            access_control_allow_origin: None,
            checkpoint: true,
            decline_offer_duration: 120_000,
            default_network_name: None,
            env_vars_prefix: None,
            executor: "//cmd".to_owned(),
            failover_timeout: 604_800,
            features: Vec::new(),
            framework_name: "marathon".to_owned(),
            ha: true,
            hostname: String::new(),
            launch_token: 100,
            launch_token_refresh_interval: 30_000,
            leader_proxy_connection_timeout_ms: 5_000,
            leader_proxy_read_timeout_ms: 10_000,
            local_port_max: 20_000,
            local_port_min: 10_000,
            maintenance_mode: false,
            master: String::new(),
            max_instances_per_offer: 5,
            mesos_bridge_name: "mesos-bridge".to_owned(),
            mesos_heartbeat_failure_threshold: 5,
            mesos_heartbeat_interval: 15_000,
            mesos_leader_ui_url: None,
            mesos_role: "*".to_owned(),
            mesos_user: String::new(),
            min_revive_offers_interval: 5_000,
            new_group_enforce_role: "Off".to_owned(),
            offer_matching_timeout: 3_000,
            on_elected_prepare_timeout: 180_000,
            reconciliation_initial_delay: 15_000,
            reconciliation_interval: 600_000,
            scale_apps_initial_delay: 15_000,
            scale_apps_interval: 300_000,
            store_cache: true,
            task_launch_confirm_timeout: 300_000,
            task_launch_timeout: 300_000,
            task_lost_expunge_initial_delay: 300_000,
            task_lost_expunge_interval: 30_000,
            task_reservation_timeout: 20_000,
            webui_url: None,
        }
    }
}

/// Settings of ZooKeeper: all `null`, as nothing is kept there.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[expect(missing_docs, reason = "the members are called like the flags that set them")]
pub struct ZookeeperConfig {
    #[schema(required)]
    pub zk: Option<String>,
    #[schema(required)]
    pub zk_compression: Option<bool>,
    #[schema(required)]
    pub zk_compression_threshold: Option<u64>,
    #[schema(required)]
    pub zk_connection_timeout: Option<u64>,
    #[schema(required)]
    pub zk_max_node_size: Option<u64>,
    #[schema(required)]
    pub zk_max_versions: Option<u64>,
    #[schema(required)]
    pub zk_session_timeout: Option<u64>,
    #[schema(required)]
    pub zk_timeout: Option<u64>,
}

/// Where the server listens.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HttpConfig {
    /// Port for HTTP.
    #[schema(required)]
    pub http_port: Option<u16>,
    /// Port for HTTPS.
    #[schema(required)]
    pub https_port: Option<u16>,
}

/// Answer of `GET /v2/leader`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Leader {
    /// Who leads, `host:port`.
    #[schema(example = "10.0.0.5:8080")]
    pub leader: String,
}

/// Answer that is a sentence and no error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Message {
    /// The sentence.
    pub message: String,
}
