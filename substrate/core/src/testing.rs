//! Values that tests are made of.

use std::{collections::BTreeMap, time::Duration};

use health_core::{Check, Protocol};
use marathon_time::Timestamp;

use crate::{
    protocol::{
        AgentId, FrameworkId, TaskId,
        agent::AgentInfo,
        offer::AgentAddress,
        scheduler::FrameworkInfo,
        task::{CommandInfo, Run, TaskInfo, TaskStatus},
    },
    resources::Resources,
};

pub fn at(seconds: i64) -> Timestamp {
    Timestamp::from_millis(seconds * 1000)
}

pub fn resources(text: &str) -> Resources {
    text.parse().unwrap()
}

/// An agent of that host name.
pub fn agent_info(hostname: &str, has: &str) -> AgentInfo {
    AgentInfo {
        hostname: hostname.into(),
        address: AgentAddress { ip: "10.0.0.7".into(), port: 5051 },
        resources: resources(has),
        attributes: Vec::new(),
        domain: None,
    }
}

pub fn framework_info(id: Option<&str>) -> FrameworkInfo {
    FrameworkInfo {
        id: id.map(FrameworkId::new),
        name: "test".into(),
        user: "nobody".into(),
        hostname: "scheduler".into(),
        webui_url: String::new(),
        failover_timeout: Duration::from_secs(60),
        roles: vec!["*".into()],
        partition_aware: true,
    }
}

pub fn task_info(id: &str, agent: &str, uses: &str) -> TaskInfo {
    TaskInfo {
        name: id.into(),
        id: TaskId::new(id),
        agent_id: AgentId::new(agent),
        resources: resources(uses),
        command: CommandInfo {
            run: Run::Shell("sleep 100".into()),
            environment: BTreeMap::new(),
            user: None,
            uris: Vec::new(),
        },
        kill_grace: None,
        health_check: None,
        discovery: None,
        labels: BTreeMap::new(),
    }
}

/// Every ten seconds from the start, unhealthy at once, to be killed at the third failure in a row.
pub fn command_check() -> Check {
    Check {
        protocol: Protocol::Command { command: "true".into() },
        grace_period: Duration::ZERO,
        interval: Duration::from_secs(10),
        timeout: Duration::from_secs(5),
        delay: Duration::ZERO,
        max_consecutive_failures: 3,
        ignore_http_1xx: false,
    }
}

/// `web.1 TASK_RUNNING`, then what else there is to say: health, reason, message, and `!` if it is to be acknowledged.
pub fn status_line(status: &TaskStatus) -> String {
    let mut line = format!("{} {}", status.task_id, status.state.as_str());
    if let Some(healthy) = status.healthy {
        line.push_str(if healthy { " healthy" } else { " unhealthy" });
    }
    if let Some(reason) = &status.reason {
        line.push_str(&format!(" {reason:?}"));
    }
    if !status.message.is_empty() {
        line.push_str(&format!(" '{}'", status.message));
    }
    if status.uuid.is_some() {
        line.push_str(" !");
    }
    line
}
