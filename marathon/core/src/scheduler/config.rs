//! What an operator can set. Defaults are Marathon's unless said otherwise.

use std::time::Duration;

use substrate_core::protocol::scheduler::FrameworkInfo;

/// Settings of the scheduler's core.
#[derive(Clone, Debug)]
pub struct Config {
    /// How it introduces itself to the master (`id` is ignored: the stored one counts).
    pub framework: FrameworkInfo,
    /// Prefix of the generated variables `HOST` and `PORT…`.
    pub env_vars_prefix: String,
    /// Service ports are taken from this range, inclusive.
    pub local_ports: (u16, u16),
    /// More are refused unless forced.
    pub max_running_deployments: usize,
    /// Versions kept per app, and trees kept.
    pub max_versions: usize,
    /// Longest time from accepting an offer to the first word of the agent.
    pub task_launch_confirm_timeout: Duration,
    /// Longest time from there to running.
    pub task_launch_timeout: Duration,
    /// How often tasks are compared with the master's; also done at every subscription.
    pub reconciliation_interval: Duration,
    /// A kill without effect is repeated this often.
    pub kill_retry_timeout: Duration,
    /// Filter on offers that nothing could use.
    pub decline_offer_duration: Duration,
    /// Launches from one offer, so that instances spread.
    pub max_instances_per_offer: usize,
    /// Offers are not asked for more often than this. Marathon: 5 s; less here, as our master answers a revive at once.
    pub min_revive_offers_interval: Duration,
    /// Events kept in the log; older ones are dropped in steps of a tenth.
    pub max_events: u64,
    /// Events older than this are dropped, to within a tenth.
    pub max_event_age: Duration,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            framework: FrameworkInfo {
                id: None,
                name: "marathon".into(),
                user: "root".into(),
                hostname: "localhost".into(),
                webui_url: String::new(),
                failover_timeout: Duration::from_secs(604_800),
                roles: vec!["*".into()],
                partition_aware: true,
            },
            env_vars_prefix: String::new(),
            local_ports: (10_000, 20_000),
            max_running_deployments: 100,
            max_versions: 50,
            task_launch_confirm_timeout: Duration::from_secs(300),
            task_launch_timeout: Duration::from_secs(300),
            reconciliation_interval: Duration::from_secs(600),
            kill_retry_timeout: Duration::from_secs(30),
            decline_offer_duration: Duration::from_secs(120),
            max_instances_per_offer: 100,
            min_revive_offers_interval: Duration::from_millis(500),
            max_events: 100_000,
            max_event_age: Duration::from_secs(7 * 24 * 3600),
        }
    }
}
