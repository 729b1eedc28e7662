//! Events: from what the core records to the line of JSON that is kept in the log and sent to everybody.

use std::net::IpAddr;

use marathon_core::{
    event::{Event, Record},
    instance::Condition,
};
use marathon_openapi::event as wire;

use super::{app, deployment, task};
use crate::store::EventRow;

/// What stands for a host that is not known.
const UNKNOWN_HOST: &str = "unknown";

/// The event as it is kept and sent: rendered once.
pub fn row(record: &Record) -> EventRow {
    let event = event(&record.event);
    EventRow {
        seq: record.seq,
        at_ms: record.at.as_millis(),
        kind: event.event_type().into(),
        body: event.to_json(record.at).into(),
    }
}

/// One arm per event: long, but a table.
fn event(event: &Event) -> wire::Event {
    match event {
        Event::ApiPost { client_ip, uri, app } => wire::Event::ApiPost {
            client_ip: client_ip.clone(),
            uri: uri.clone(),
            app_definition: Box::new(app::definition(app)),
        },
        Event::SchedulerRegistered { framework_id, master } => {
            wire::Event::SchedulerRegistered { framework_id: framework_id.to_string(), master: master.clone() }
        }
        Event::SchedulerReregistered { master } => wire::Event::SchedulerReregistered { master: master.clone() },
        Event::SchedulerDisconnected => wire::Event::SchedulerDisconnected {},
        Event::StreamAttached { remote_address } => {
            wire::Event::EventStreamAttached { remote_address: remote_address.clone() }
        }
        Event::StreamDetached { remote_address } => {
            wire::Event::EventStreamDetached { remote_address: remote_address.clone() }
        }
        Event::GroupChangeSuccess { group, version } => {
            wire::Event::GroupChangeSuccess { group_id: group.to_string(), version: *version }
        }
        Event::GroupChangeFailed { group, version, reason } => {
            wire::Event::GroupChangeFailed { group_id: group.to_string(), version: *version, reason: reason.clone() }
        }
        Event::DeploymentInfo { plan, step } => {
            wire::Event::DeploymentInfo { plan: deployment::plan(plan), current_step: deployment::step(step) }
        }
        Event::DeploymentStepSuccess { plan, step } => {
            wire::Event::DeploymentStepSuccess { plan: deployment::plan(plan), current_step: deployment::step(step) }
        }
        Event::DeploymentSuccess { plan } => {
            wire::Event::DeploymentSuccess { id: plan.id.to_string(), plan: deployment::plan(plan) }
        }
        Event::DeploymentFailed { plan, reason } => wire::Event::DeploymentFailed {
            id: plan.id.to_string(),
            plan: deployment::plan(plan),
            reason: Some(reason.clone()),
        },
        Event::AppTerminated { app } => wire::Event::AppTerminated { app_id: app.to_string() },
        Event::StatusUpdate { agent, task, state, message, app, host, ip_addresses, ports, version } => {
            wire::Event::StatusUpdate {
                slave_id: agent.as_ref().map(ToString::to_string).unwrap_or_default(),
                task_id: task.to_string(),
                task_status: task::state(*state),
                message: message.clone(),
                app_id: app.to_string(),
                host: host_or_unknown(host),
                ip_addresses: addresses(ip_addresses),
                ports: ports.clone(),
                version: *version,
            }
        }
        Event::InstanceChanged { instance, condition: changed, agent, host, version } => wire::Event::InstanceChanged {
            instance_id: instance.to_string(),
            condition: condition(*changed),
            run_spec_id: instance.spec.to_string(),
            agent_id: agent.as_ref().map(ToString::to_string),
            host: host.clone(),
            run_spec_version: *version,
        },
        Event::UnknownInstanceTerminated { instance, condition: changed } => wire::Event::UnknownInstanceTerminated {
            instance_id: instance.to_string(),
            run_spec_id: instance.spec.to_string(),
            condition: condition(*changed),
        },
        Event::InstanceHealthChanged { instance, healthy, version } => wire::Event::InstanceHealthChanged {
            instance_id: instance.to_string(),
            run_spec_id: instance.spec.to_string(),
            healthy: *healthy,
            run_spec_version: *version,
        },
        Event::HealthCheckAdded { app, check, version } => wire::Event::AddHealthCheck {
            app_id: app.to_string(),
            health_check: app::health_check(check),
            version: *version,
        },
        Event::HealthCheckRemoved { app } => wire::Event::RemoveHealthCheck { app_id: app.to_string() },
        Event::HealthCheckFailed { app, instance, check } => wire::Event::FailedHealthCheck {
            app_id: app.to_string(),
            health_check: app::health_check(check),
            task_id: instance.to_string(),
        },
        Event::HealthStatusChanged { app, instance, version, alive } => wire::Event::HealthStatusChanged {
            app_id: app.to_string(),
            instance_id: instance.to_string(),
            version: *version,
            alive: *alive,
        },
        Event::UnhealthyInstanceKill { app, task, instance, version, reason, host, agent } => {
            wire::Event::UnhealthyInstanceKill {
                app_id: app.to_string(),
                task_id: task.to_string(),
                instance_id: instance.to_string(),
                version: *version,
                reason: reason.clone(),
                host: host_or_unknown(host),
                slave_id: Some(agent.to_string()),
            }
        }
    }
}

fn host_or_unknown(host: &str) -> String {
    if host.is_empty() { UNKNOWN_HOST.to_owned() } else { host.to_owned() }
}

fn addresses(addresses: &[IpAddr]) -> Vec<marathon_openapi::task::IpAddress> {
    addresses.iter().map(task::address).collect()
}

fn condition(condition: Condition) -> wire::Condition {
    match condition {
        Condition::Scheduled => wire::Condition::Scheduled,
        Condition::Provisioned => wire::Condition::Provisioned,
        Condition::Staging => wire::Condition::Staging,
        Condition::Starting => wire::Condition::Starting,
        Condition::Running => wire::Condition::Running,
        Condition::Killing => wire::Condition::Killing,
        Condition::Finished => wire::Condition::Finished,
        Condition::Killed => wire::Condition::Killed,
        Condition::Failed => wire::Condition::Failed,
        Condition::Error => wire::Condition::Error,
        Condition::Gone => wire::Condition::Gone,
        Condition::Dropped => wire::Condition::Dropped,
        Condition::Unknown => wire::Condition::Unknown,
        Condition::Unreachable => wire::Condition::Unreachable,
        Condition::UnreachableInactive => wire::Condition::UnreachableInactive,
    }
}
