//! Everything that can be typed. Names are those that operators know, in kebab case; underscores are accepted, too, and every
//! flag can be an environment variable. Durations are in milliseconds unless the text says otherwise, as in Marathon.

use std::{ffi::OsString, net::SocketAddr, path::PathBuf};

use clap::{Args, Parser, Subcommand, ValueEnum};

use super::servers::listen_address;
use crate::client;

/// Runs apps on a cluster of machines and keeps them running
#[derive(Debug, Parser)]
#[command(name = "marathon", version, max_term_width = 120)]
pub struct Flags {
    /// Logs.
    #[command(flatten)]
    pub logs: LogFlags,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// What is logged, and how.
#[derive(Debug, Args)]
pub struct LogFlags {
    /// What is logged to standard error, such as `info` or `warn,marathon=debug`
    #[arg(long, env = "MARATHON_LOG", global = true, value_name = "FILTER", help_heading = "Logs")]
    pub log: Option<String>,
    /// How log lines look
    #[arg(long, env = "MARATHON_LOG_FORMAT", global = true, value_enum, default_value = "text", help_heading = "Logs")]
    pub log_format: LogFormat,
}

/// How log lines look.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub enum LogFormat {
    /// For people.
    Text,
    /// One JSON object per line.
    Json,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Start everything in one process: master, agents, scheduler, DNS, dashboard
    Up(Box<UpFlags>),
    /// Stop the tasks that an `up` left running
    Down(DownFlags),
    /// Start a master
    Master(MasterFlags),
    /// Start an agent
    Agent(AgentFlags),
    /// Start a scheduler with a master of its own in the same process
    Scheduler(Box<SchedulerCommandFlags>),
    /// Start a DNS server for the tasks of a cluster
    Dns(DnsFlags),
    /// The client.
    #[command(flatten)]
    Client(client::Command),
}

impl Command {
    /// Whether this asks a server instead of being one.
    pub fn is_client(&self) -> bool {
        match self {
            Self::Client(_) => true,
            Self::Up(_) | Self::Down(_) | Self::Master(_) | Self::Agent(_) | Self::Scheduler(_) | Self::Dns(_) => false,
        }
    }
}

/// Flags of `up`.
#[derive(Debug, Args)]
pub struct UpFlags {
    /// The scheduler.
    #[command(flatten)]
    pub scheduler: SchedulerFlags,
    /// The master.
    #[command(flatten)]
    pub master: OwnMasterFlags,
    /// DNS.
    #[command(flatten)]
    pub dns: DnsServerFlags,
    /// Where state, sandboxes and logs are kept
    #[arg(long, env = "MARATHON_DATA_DIR", default_value = "./marathon-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Local agents. Each has an address of its own (127.0.0.1, 127.0.0.2 …) and ports of its own, all cores (so cores are
    /// overcommitted), and an equal share of memory and disk
    #[arg(long, env = "MARATHON_AGENTS", default_value_t = 3, value_parser = clap::value_parser!(u16).range(0..=200), help_heading = "Agents")]
    pub agents: u16,
    /// Port on which every local agent listens, each on its own address; 0: any
    #[arg(
        long,
        alias = "agent-port-base",
        env = "MARATHON_AGENT_PORT",
        default_value_t = 5051,
        help_heading = "Agents"
    )]
    pub agent_port: u16,
    /// What every local agent offers, instead of what is found: `cpus:4;mem:2048`. Ports are shared out among the agents
    #[arg(long, env = "MESOS_RESOURCES", help_heading = "Agents")]
    pub resources: Option<String>,
    /// Attributes of every local agent beside `rack:rack-N;zone:local`, which they may replace
    #[arg(long, env = "MESOS_ATTRIBUTES", help_heading = "Agents")]
    pub attributes: Option<String>,
    /// What runs tasks on local agents: `process` or `simulated`
    #[arg(long, env = "MESOS_CONTAINERIZERS", default_value = "process", help_heading = "Agents")]
    pub containerizers: String,
}

/// Flags of `down`.
#[derive(Debug, Args)]
pub struct DownFlags {
    /// Data directory of the `up`
    #[arg(long, env = "MARATHON_DATA_DIR", default_value = "./marathon-data", value_name = "DIR")]
    pub data_dir: PathBuf,
    /// Seconds from SIGTERM to SIGKILL
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u64).range(0..=86_400), value_name = "SECONDS")]
    pub grace: u64,
}

/// Flags of `master`.
#[derive(Debug, Args)]
pub struct MasterFlags {
    /// Where it listens
    #[arg(long, env = "MESOS_ADDRESS", default_value = "127.0.0.1:5050", value_parser = |text: &str| listen_address(text, 5050))]
    pub address: SocketAddr,
    /// Name told to frameworks instead of the address
    #[arg(long, env = "MESOS_HOSTNAME")]
    pub hostname: Option<String>,
    /// Name of the cluster, for people
    #[arg(long, env = "MESOS_CLUSTER")]
    pub cluster: Option<String>,
    /// Accepted and made if missing; this master keeps nothing on disk: it learns what runs from its agents
    #[arg(long, env = "MESOS_WORK_DIR")]
    pub work_dir: Option<PathBuf>,
}

/// Flags of `agent`.
#[derive(Debug, Args)]
pub struct AgentFlags {
    /// Masters, tried by turns: `http://HOST:5050[,HOST:5050…]`
    #[arg(long, env = "MESOS_MASTER")]
    pub master: String,
    /// Sandboxes, checkpoints and what supervisors say; one agent at a time
    #[arg(long, env = "MESOS_WORK_DIR", value_name = "DIR")]
    pub work_dir: PathBuf,
    /// What tasks are reached by; by default the address, or this machine's name if that is not a loopback address
    #[arg(long, env = "MESOS_HOSTNAME")]
    pub hostname: Option<String>,
    /// Address to listen on, told to the master and to tasks
    #[arg(long, env = "MESOS_IP", default_value = "127.0.0.1")]
    pub ip: std::net::IpAddr,
    /// Port to listen on; 0: any
    #[arg(long, env = "MESOS_PORT", default_value_t = 5051)]
    pub port: u16,
    /// What it offers: `cpus:4;mem:8192;disk:10240;ports:[31000-32000]`. What is not named is found out
    #[arg(long, env = "MESOS_RESOURCES")]
    pub resources: Option<String>,
    /// Its properties: `rack:a;zone:b`
    #[arg(long, env = "MESOS_ATTRIBUTES")]
    pub attributes: Option<String>,
    /// What runs tasks: `process` or `simulated`
    #[arg(long, env = "MESOS_CONTAINERIZERS", default_value = "process")]
    pub containerizers: String,
}

/// Flags of `scheduler`.
#[derive(Debug, Args)]
pub struct SchedulerCommandFlags {
    /// The scheduler.
    #[command(flatten)]
    pub scheduler: SchedulerFlags,
    /// Its master.
    #[command(flatten)]
    pub own_master: OwnMasterFlags,
    /// A master in another process
    #[arg(long, env = "MARATHON_MASTER")]
    pub master: Option<String>,
    /// Where state is kept unless `--store` says otherwise
    #[arg(long, env = "MARATHON_DATA_DIR", default_value = "./marathon-data", value_name = "DIR")]
    pub data_dir: PathBuf,
}

/// Flags of `dns`.
#[derive(Debug, Args)]
pub struct DnsFlags {
    /// The master whose tasks get names
    #[arg(long, env = "MARATHON_MASTER")]
    pub master: String,
    /// Where DNS is served
    #[arg(long, env = "MARATHON_DNS_ADDRESS", default_value = "127.0.0.1:8053")]
    pub address: String,
    /// Where the HTTP API is served
    #[arg(long, env = "MARATHON_DNS_HTTP_ADDRESS", default_value = "127.0.0.1:8123")]
    pub http_address: String,
    /// Domain of all names
    #[arg(long, env = "MARATHON_DOMAIN", default_value = "mesos")]
    pub domain: String,
}

/// A master in the scheduler's process.
#[derive(Debug, Args)]
pub struct OwnMasterFlags {
    /// Where the master listens: scheduler and operator API, agents
    #[arg(long, env = "MARATHON_MASTER_ADDRESS", default_value = "127.0.0.1:5050", value_parser = |text: &str| listen_address(text, 5050), help_heading = "Master")]
    pub master_address: SocketAddr,
    /// Name of the cluster, for people
    #[arg(long, env = "MESOS_CLUSTER", help_heading = "Master")]
    pub cluster: Option<String>,
}

/// DNS beside the scheduler.
#[derive(Debug, Args)]
pub struct DnsServerFlags {
    /// Where DNS is served, UDP and TCP
    #[arg(long, env = "MARATHON_DNS_ADDRESS", default_value = "127.0.0.1:8053", value_parser = |text: &str| listen_address(text, 53), help_heading = "DNS")]
    pub dns_address: SocketAddr,
    /// Where the HTTP API of DNS is served
    #[arg(long, env = "MARATHON_DNS_HTTP_ADDRESS", default_value = "127.0.0.1:8123", value_parser = |text: &str| listen_address(text, 8123), help_heading = "DNS")]
    pub dns_http_address: SocketAddr,
    /// Domain of all names
    #[arg(long, env = "MARATHON_DOMAIN", default_value = "mesos", help_heading = "DNS")]
    pub domain: String,
    /// Who is asked about names of other domains, as addresses; nobody if not given
    #[arg(long, env = "MARATHON_DNS_RESOLVERS", value_delimiter = ',', value_parser = |text: &str| listen_address(text, 53), help_heading = "DNS")]
    pub dns_resolvers: Vec<SocketAddr>,
}

/// Flags of the scheduler, wherever it runs.
#[derive(Debug, Args)]
#[command(next_help_heading = "Scheduler")]
pub struct SchedulerFlags {
    /// Where API, events and dashboard are served
    #[arg(long, env = "MARATHON_HTTP_ADDRESS", default_value = "127.0.0.1:8080", value_parser = |text: &str| listen_address(text, 8080))]
    pub http_address: SocketAddr,
    /// Port of `--http-address`, if that should be another
    #[arg(long, env = "MARATHON_HTTP_PORT")]
    pub http_port: Option<u16>,
    /// Where state is kept: sqlite:PATH (by default in the data directory) or postgres://USER@HOST/DATABASE
    #[arg(long, env = "MARATHON_STORE", hide_env_values = true, value_name = "URL")]
    pub store: Option<String>,
    /// Name at the master and in DNS
    #[arg(long, env = "MARATHON_FRAMEWORK_NAME", default_value = "marathon")]
    pub framework_name: String,
    /// Name by which others reach this scheduler; by default the HTTP address, or this machine's name if that is not a loopback address
    #[arg(long, env = "MARATHON_HOSTNAME")]
    pub hostname: Option<String>,
    /// User interface registered at the master
    #[arg(long, env = "MARATHON_WEBUI_URL")]
    pub webui_url: Option<String>,
    /// Unix user of tasks that name none; by default the one of this process
    #[arg(long, env = "MARATHON_MESOS_USER")]
    pub mesos_user: Option<String>,
    /// Seconds for which tasks are kept without a scheduler
    #[arg(long, env = "MARATHON_FAILOVER_TIMEOUT", default_value_t = 604_800, value_name = "SECONDS")]
    pub failover_timeout: u64,
    /// Prefix of the variables HOST and PORT… of tasks
    #[arg(long, env = "MARATHON_ENV_VARS_PREFIX", default_value = "", hide_default_value = true)]
    pub env_vars_prefix: String,
    /// First service port
    #[arg(long, env = "MARATHON_LOCAL_PORT_MIN", default_value_t = 10_000)]
    pub local_port_min: u16,
    /// Last service port
    #[arg(long, env = "MARATHON_LOCAL_PORT_MAX", default_value_t = 20_000)]
    pub local_port_max: u16,
    /// Deployments on their way; more are refused
    #[arg(long, env = "MARATHON_MAX_RUNNING_DEPLOYMENTS", default_value_t = 100)]
    pub max_running_deployments: usize,
    /// Versions kept of every app, and of the group tree
    #[arg(long, alias = "zk-max-versions", env = "MARATHON_MAX_VERSIONS", default_value_t = 50, value_parser = at_least_one)]
    pub max_versions: usize,
    /// Longest time from accepting an offer to the first word of the agent, in milliseconds
    #[arg(long, env = "MARATHON_TASK_LAUNCH_CONFIRM_TIMEOUT", default_value_t = 300_000, value_name = "MS")]
    pub task_launch_confirm_timeout: u64,
    /// Longest time from there to running, in milliseconds
    #[arg(long, env = "MARATHON_TASK_LAUNCH_TIMEOUT", default_value_t = 300_000, value_name = "MS")]
    pub task_launch_timeout: u64,
    /// How often tasks are compared with the master's, in milliseconds
    #[arg(long, env = "MARATHON_RECONCILIATION_INTERVAL", default_value_t = 600_000, value_name = "MS")]
    pub reconciliation_interval: u64,
    /// How often a kill without effect is repeated, in milliseconds
    #[arg(long, env = "MARATHON_KILL_RETRY_TIMEOUT", default_value_t = 30_000, value_name = "MS")]
    pub kill_retry_timeout: u64,
    /// For how long an offer that nothing could use is not wanted again, in milliseconds
    #[arg(long, env = "MARATHON_DECLINE_OFFER_DURATION", default_value_t = 120_000, value_name = "MS")]
    pub decline_offer_duration: u64,
    /// Launches from one offer
    #[arg(long, env = "MARATHON_MAX_INSTANCES_PER_OFFER", default_value_t = 100, value_parser = at_least_one)]
    pub max_instances_per_offer: usize,
    /// Shortest time between two requests for offers, in milliseconds
    #[arg(long, env = "MARATHON_MIN_REVIVE_OFFERS_INTERVAL", default_value_t = 500, value_name = "MS")]
    pub min_revive_offers_interval: u64,
    /// Health checks by HTTP, HTTPS and TCP on their way at once
    #[arg(long, env = "MARATHON_MAX_CONCURRENT_MARATHON_HEALTH_CHECKS", default_value_t = 256, value_parser = at_least_one)]
    pub max_concurrent_marathon_health_checks: usize,
    /// Events kept for subscribers that reconnect
    #[arg(long, env = "MARATHON_MAX_EVENTS", default_value_t = 100_000, value_parser = clap::value_parser!(u64).range(1..=100_000_000))]
    pub max_events: u64,
    /// Events older than this are dropped, in milliseconds
    #[arg(long, env = "MARATHON_MAX_EVENT_AGE", default_value_t = 604_800_000, value_name = "MS")]
    pub max_event_age: u64,
}

fn at_least_one(text: &str) -> Result<usize, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(error) => Err(format!("{error}")),
    }
}

/// Flags with underscores in their names as flags with dashes: `--task_launch_timeout=5` → `--task-launch-timeout=5`.
pub fn with_kebab_case_names(arguments: Vec<OsString>) -> Vec<OsString> {
    let mut only_values = false;
    let rename = |argument: OsString| {
        only_values |= argument == "--";
        let Some(text) = argument.to_str().filter(|text| !only_values && text.starts_with("--")) else {
            return argument;
        };
        let (name, value) = text.split_at(text.find('=').unwrap_or(text.len()));
        format!("{}{value}", name.replace('_', "-")).into()
    };
    arguments.into_iter().map(rename).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(line: &str) -> Result<Flags, clap::Error> {
        Flags::try_parse_from(with_kebab_case_names(line.split_whitespace().map(OsString::from).collect()))
    }

    fn up(line: &str) -> UpFlags {
        let command = parse(&format!("marathon up {line}")).unwrap().command;
        let Command::Up(flags) = command else { panic!("{command:?}") };
        *flags
    }

    #[test]
    fn the_definitions_of_all_flags_are_consistent() {
        use clap::CommandFactory;
        Flags::command().debug_assert();
    }

    #[test]
    fn every_flag_of_a_server_has_an_environment_variable() {
        use clap::CommandFactory;
        let command = Flags::command();
        for name in ["up", "master", "agent", "scheduler", "dns"] {
            let server = command.find_subcommand(name).unwrap();
            for flag in server.get_arguments().filter(|flag| flag.get_id() != "help" && flag.get_id() != "version") {
                let variable = flag.get_env().unwrap_or_else(|| panic!("--{} of {name}", flag.get_id()));
                let variable = variable.to_str().unwrap();
                assert!(variable.starts_with("MARATHON_") || variable.starts_with("MESOS_"), "{variable}");
            }
        }
    }

    #[test]
    fn names_may_be_written_with_underscores_but_values_are_left_alone() {
        let flags = up("--task_launch_timeout=7 --framework_name my_marathon --data_dir=/a_b");
        assert_eq!(flags.scheduler.task_launch_timeout, 7);
        assert_eq!(flags.scheduler.framework_name, "my_marathon");
        assert_eq!(flags.data_dir, PathBuf::from("/a_b"));
        let untouched: Vec<OsString> = ["marathon", "--", "--a_b"].map(OsString::from).into();
        assert_eq!(with_kebab_case_names(untouched.clone()), untouched);
    }

    #[test]
    fn up_without_flags_listens_on_loopback_only() {
        let flags = up("");
        let addresses = [
            flags.scheduler.http_address,
            flags.master.master_address,
            flags.dns.dns_address,
            flags.dns.dns_http_address,
        ];
        assert_eq!(
            addresses.map(|address| address.to_string()),
            ["127.0.0.1:8080", "127.0.0.1:5050", "127.0.0.1:8053", "127.0.0.1:8123"]
        );
        assert_eq!((flags.agents, flags.agent_port), (3, 5051));
    }

    #[test]
    fn a_bad_value_is_refused_with_the_flag_and_the_value() {
        for (line, flag, value) in [
            ("up --agents many", "--agents", "many"),
            ("up --agents 201", "--agents", "201"),
            ("up --http-address nowhere:x", "--http-address", "nowhere:x"),
            ("up --max_instances_per_offer 0", "--max-instances-per-offer", "0"),
            ("up --task-launch-timeout -1", "-1", "-1"),
            ("agent --master m:5050 --work-dir w --port 70000", "--port", "70000"),
            ("agent --master m:5050 --work-dir w --ip me", "--ip", "me"),
            ("down --grace soon", "--grace", "soon"),
            ("up --log-format xml", "--log-format", "xml"),
        ] {
            let text = parse(&format!("marathon {line}")).unwrap_err().to_string();
            assert!(text.contains(flag) && text.contains(value), "{line}: {text}");
        }
    }

    #[test]
    fn what_a_server_cannot_do_without_is_asked_for() {
        let text = parse("marathon agent --work-dir w").unwrap_err().to_string();
        assert!(text.contains("--master"), "{text}");
    }
}
