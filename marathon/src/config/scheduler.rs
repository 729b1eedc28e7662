//! The scheduler, checked.

use std::{net::SocketAddr, path::Path, time::Duration};

use marathon_core::scheduler::Config;
use marathon_openapi::info::{HttpConfig, Info, MarathonConfig};
use substrate_core::protocol::scheduler::FrameworkInfo;

use super::{InvalidFlag, flags::SchedulerFlags, servers::advertised_name};

/// A scheduler's settings. Its HTTP address is still what was asked for; a port of 0 becomes a real one by [`Self::listening_on`].
#[derive(Clone, Debug)]
pub struct SchedulerConfig {
    /// Settings of the core.
    pub core: Config,
    /// Where API and dashboard are served.
    pub http_address: SocketAddr,
    /// URL of the store; `None`: in the data directory.
    pub store: Option<String>,
    /// Health checks on their way at once.
    pub probes: usize,
    webui_url: Option<String>,
}

impl SchedulerFlags {
    /// Checks what was typed.
    pub fn check(self) -> Result<SchedulerConfig, InvalidFlag> {
        let (first, last) = (self.local_port_min, self.local_port_max);
        if first == 0 || first > last {
            return Err(InvalidFlag::new(
                "local-port-min",
                first,
                format!("expected 1 to --local-port-max, which is {last}"),
            ));
        }
        check_store(self.store.as_deref())?;
        if self.framework_name.trim().is_empty() {
            return Err(InvalidFlag::new("framework-name", &self.framework_name, "a framework needs a name"));
        }
        check_prefix(&self.env_vars_prefix)?;
        let mut http_address = self.http_address;
        if let Some(port) = self.http_port {
            http_address.set_port(port);
        }
        let framework = FrameworkInfo {
            id: None,
            name: self.framework_name,
            user: self.mesos_user.unwrap_or_else(own_user),
            hostname: advertised_name(self.hostname, http_address.ip()),
            webui_url: String::new(),
            failover_timeout: Duration::from_secs(self.failover_timeout),
            roles: vec!["*".to_owned()],
            partition_aware: true,
        };
        let core = Config {
            framework,
            env_vars_prefix: self.env_vars_prefix,
            local_ports: (first, last),
            max_running_deployments: self.max_running_deployments,
            max_versions: self.max_versions,
            task_launch_confirm_timeout: Duration::from_millis(self.task_launch_confirm_timeout),
            task_launch_timeout: Duration::from_millis(self.task_launch_timeout),
            reconciliation_interval: Duration::from_millis(self.reconciliation_interval),
            kill_retry_timeout: Duration::from_millis(self.kill_retry_timeout),
            decline_offer_duration: Duration::from_millis(self.decline_offer_duration),
            max_instances_per_offer: self.max_instances_per_offer,
            min_revive_offers_interval: Duration::from_millis(self.min_revive_offers_interval),
            max_events: self.max_events,
            max_event_age: Duration::from_millis(self.max_event_age),
        };
        let probes = self.max_concurrent_marathon_health_checks;
        Ok(SchedulerConfig { core, http_address, store: self.store, probes, webui_url: self.webui_url })
    }
}

impl SchedulerConfig {
    /// The same with the address that it really listens on.
    pub fn listening_on(mut self, address: SocketAddr) -> Self {
        self.http_address = address;
        self.core.framework.webui_url = self.webui_url.clone().unwrap_or_else(|| format!("http://{}", self.leader()));
        self
    }

    /// `host:port` under which others reach it.
    pub fn leader(&self) -> String {
        let (host, port) = (&self.core.framework.hostname, self.http_address.port());
        if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
    }

    /// The store's URL, with its default in `data_dir`.
    pub fn store_url(&self, data_dir: &Path) -> String {
        self.store.clone().unwrap_or_else(|| format!("sqlite:{}", data_dir.join("marathon.db").display()))
    }

    /// What `/v2/info` says that does not change while it runs; `master` is where the master listens.
    pub fn info(&self, master: SocketAddr) -> Info {
        let core = &self.core;
        let millis = |duration: Duration| u64::try_from(duration.as_millis()).unwrap_or(u64::MAX);
        let marathon_config = MarathonConfig {
            decline_offer_duration: millis(core.decline_offer_duration),
            env_vars_prefix: Some(core.env_vars_prefix.clone()).filter(|prefix| !prefix.is_empty()),
            failover_timeout: core.framework.failover_timeout.as_secs(),
            framework_name: core.framework.name.clone(),
            ha: self.store.as_deref().is_some_and(|url| !url.starts_with("sqlite:")),
            hostname: core.framework.hostname.clone(),
            local_port_min: core.local_ports.0,
            local_port_max: core.local_ports.1,
            master: format!("http://{master}"),
            max_instances_per_offer: u32::try_from(core.max_instances_per_offer).unwrap_or(u32::MAX),
            mesos_user: core.framework.user.clone(),
            min_revive_offers_interval: millis(core.min_revive_offers_interval),
            reconciliation_interval: millis(core.reconciliation_interval),
            task_launch_confirm_timeout: millis(core.task_launch_confirm_timeout),
            task_launch_timeout: millis(core.task_launch_timeout),
            webui_url: Some(core.framework.webui_url.clone()).filter(|url| !url.is_empty()),
            ..MarathonConfig::default()
        };
        Info {
            name: "marathon".to_owned(),
            version: env!("CARGO_PKG_VERSION").to_owned(),
            buildref: "unknown".to_owned(),
            marathon_config,
            http_config: HttpConfig { http_port: Some(self.http_address.port()), https_port: None },
            ..Info::default()
        }
    }
}

fn check_store(url: Option<&str>) -> Result<(), InvalidFlag> {
    let Some(url) = url else { return Ok(()) };
    let schemes = ["sqlite:", "postgres://", "postgresql://"];
    if schemes.iter().any(|scheme| url.len() > scheme.len() && url.starts_with(scheme)) {
        return Ok(());
    }
    // The rest may hold a password.
    let shown = url.split_inclusive(':').next().unwrap_or_default();
    Err(InvalidFlag::new("store", format!("{shown}…"), "expected sqlite:PATH or postgres://USER@HOST/DATABASE"))
}

fn check_prefix(prefix: &str) -> Result<(), InvalidFlag> {
    if prefix.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_') {
        return Ok(());
    }
    Err(InvalidFlag::new("env-vars-prefix", prefix, "expected ASCII letters, digits and underscores"))
}

/// Name of the user that this process runs as, or its number if it has none.
fn own_user() -> String {
    let id = nix::unistd::geteuid();
    let user = nix::unistd::User::from_uid(id).ok().flatten();
    user.map_or_else(|| id.to_string(), |user| user.name)
}

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::config::{Command, Flags};

    fn check(line: &str) -> Result<SchedulerConfig, InvalidFlag> {
        let arguments = format!("marathon scheduler {line}");
        let flags = Flags::try_parse_from(arguments.split_whitespace()).unwrap();
        let Command::Scheduler(flags) = flags.command else { panic!("{:?}", flags.command) };
        flags.scheduler.check()
    }

    #[test]
    fn without_flags_the_core_gets_its_own_defaults() {
        let config = check("").unwrap().listening_on("127.0.0.1:8080".parse().unwrap());
        let mut expected = Config::default();
        expected.framework.user = own_user();
        expected.framework.hostname = "127.0.0.1".to_owned();
        expected.framework.webui_url = "http://127.0.0.1:8080".to_owned();
        assert_eq!(format!("{:?}", config.core), format!("{expected:?}"));
        assert_eq!(config.store_url(Path::new("/data")), "sqlite:/data/marathon.db");
    }

    #[test]
    fn flags_reach_the_core_and_the_info() {
        let line = "--hostname h --http-port 0 --task-launch-timeout 7000 --local-port-min 5 --local-port-max 6 \
                    --store postgres://u:p@h/d --env-vars-prefix X_ --failover-timeout 9 --webui-url http://ui";
        let config = check(line).unwrap();
        assert_eq!(config.http_address.port(), 0);
        let config = config.listening_on("127.0.0.1:777".parse().unwrap());
        assert_eq!((config.leader(), config.core.local_ports), ("h:777".to_owned(), (5, 6)));
        let info = config.info("127.0.0.1:5050".parse().unwrap());
        let said = &info.marathon_config;
        assert_eq!((said.task_launch_timeout, said.failover_timeout, said.ha), (7000, 9, true));
        assert_eq!((said.webui_url.as_deref(), said.env_vars_prefix.as_deref()), (Some("http://ui"), Some("X_")));
        assert_eq!((info.http_config.http_port, said.master.as_str()), (Some(777), "http://127.0.0.1:5050"));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_flag_and_without_passwords() {
        for (line, expected) in [
            ("--local-port-min 9 --local-port-max 8", "invalid value '9' for '--local-port-min'"),
            ("--local-port-min 0", "invalid value '0' for '--local-port-min'"),
            ("--store mysql://u:secret@h/d", "invalid value 'mysql:…' for '--store'"),
            ("--store sqlite:", "invalid value 'sqlite:…' for '--store'"),
            ("--env-vars-prefix a-b", "invalid value 'a-b' for '--env-vars-prefix'"),
            ("--framework-name=", "invalid value '' for '--framework-name'"),
        ] {
            let text = check(line).unwrap_err().to_string();
            assert!(text.starts_with(expected) && !text.contains("secret"), "{text}");
        }
    }

    #[test]
    fn an_ipv6_host_is_bracketed_in_the_leaders_name() {
        let config = check("--http-address [::1]:8080").unwrap();
        assert_eq!(config.leader(), "[::1]:8080");
    }
}
