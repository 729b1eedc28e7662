//! Tasks: what runs for the instances of an app.

use std::net::IpAddr;

use marathon_core::{
    instance::Instance,
    spec::App,
    state::{State, TaskFailure},
};
use marathon_openapi::{app::IpProtocol, task as wire};
use marathon_time::Timestamp;
use substrate_core::protocol::task::TaskState;

/// The task of an instance of `app`; `None` if it was never launched.
pub fn task(app: &App, instance: &Instance) -> Option<wire::Task> {
    let task = instance.task.as_ref()?;
    let is_active = instance.condition.is_active();
    Some(wire::Task {
        id: task.id.to_string(),
        app_id: instance.id.spec.to_string(),
        host: task.host.clone(),
        slave_id: Some(task.agent_id.to_string()),
        region: task.domain.as_ref().map(|domain| domain.region.clone()),
        zone: task.domain.as_ref().map(|domain| domain.zone.clone()),
        state: state(instance.condition.task_state()),
        staged_at: is_active.then_some(task.staged_at),
        started_at: task.started_at,
        version: is_active.then_some(instance.version),
        ports: if is_active { task.ports.clone() } else { Vec::new() },
        // Marathon leaves them out but in the list of all tasks; clients rely on having one for each port.
        service_ports: app.spec.ports.iter().map(|port| port.port).collect(),
        ip_addresses: task.ip_addresses.iter().map(address).collect(),
        health_check_results: health_results(instance),
        check_result: None,
        local_volumes: Vec::new(),
        role: "*".into(),
    })
}

/// The tasks of an app, in the order of their instances.
pub fn tasks_of(state: &State, app: &App) -> Vec<wire::Task> {
    instances(state, app).filter_map(|instance| task(app, instance)).collect()
}

/// Every instance of an app.
pub fn instances<'a>(state: &'a State, app: &App) -> impl Iterator<Item = &'a Instance> + use<'a> {
    state.instances.get(&app.spec.id).into_iter().flat_map(|instances| instances.values().map(AsRef::as_ref))
}

/// A state in the words of the REST API, which are those of Mesos.
pub fn state(state: TaskState) -> wire::TaskState {
    match state {
        TaskState::TaskStaging => wire::TaskState::TaskStaging,
        TaskState::TaskStarting => wire::TaskState::TaskStarting,
        TaskState::TaskRunning => wire::TaskState::TaskRunning,
        TaskState::TaskKilling => wire::TaskState::TaskKilling,
        TaskState::TaskFinished => wire::TaskState::TaskFinished,
        TaskState::TaskFailed => wire::TaskState::TaskFailed,
        TaskState::TaskKilled => wire::TaskState::TaskKilled,
        TaskState::TaskError => wire::TaskState::TaskError,
        TaskState::TaskLost => wire::TaskState::TaskLost,
        TaskState::TaskDropped => wire::TaskState::TaskDropped,
        TaskState::TaskUnreachable => wire::TaskState::TaskUnreachable,
        TaskState::TaskGone => wire::TaskState::TaskGone,
        TaskState::TaskGoneByOperator => wire::TaskState::TaskGoneByOperator,
        TaskState::TaskUnknown => wire::TaskState::TaskUnknown,
    }
}

/// An address with its family.
pub fn address(address: &IpAddr) -> wire::IpAddress {
    wire::IpAddress {
        ip_address: address.to_string(),
        protocol: match address {
            IpAddr::V4(_) => IpProtocol::IPv4,
            IpAddr::V6(_) => IpProtocol::IPv6,
        },
    }
}

/// The last failure of an app.
pub fn failure(failure: &TaskFailure) -> wire::TaskFailure {
    wire::TaskFailure {
        app_id: failure.app.to_string(),
        host: failure.host.clone(),
        message: failure.message.clone(),
        state: state(failure.state),
        task_id: failure.task.to_string(),
        timestamp: failure.at,
        version: failure.version,
        slave_id: failure.agent.as_ref().map(ToString::to_string),
    }
}

/// Checks that ran; one that did not has no result yet.
fn health_results(instance: &Instance) -> Vec<wire::HealthCheckResult> {
    let results = instance.health.iter().filter_map(|result| {
        Some(wire::HealthCheckResult {
            alive: result.alive()?,
            consecutive_failures: result.consecutive_failures,
            first_success: result.first_success,
            last_success: result.last_success,
            last_failure: result.last_failure,
            last_failure_cause: result.last_failure_cause.clone(),
            instance_id: instance.id.to_string(),
        })
    });
    results.collect()
}

/// How many instances are in which state (Marathon REST reference, counting rules). Those that wait for an offer do not count.
pub fn counts<'a>(instances: impl IntoIterator<Item = &'a Instance>) -> wire::TaskCounts {
    let mut counts = wire::TaskCounts::default();
    for instance in instances {
        let Some(task) = &instance.task else { continue };
        if instance.condition.is_active() {
            match task.state {
                None | Some(TaskState::TaskStaging) => counts.staged += 1,
                Some(TaskState::TaskRunning) => counts.running += 1,
                Some(_) => {}
            }
        }
        match instance.health() {
            Some(true) => counts.healthy += 1,
            Some(false) => counts.unhealthy += 1,
            // A check that failed says enough, whatever the others will say.
            None if instance.health.iter().any(|result| result.alive() == Some(false)) => counts.unhealthy += 1,
            None => {}
        }
    }
    counts
}

/// Counts and life times of an app's tasks, by class of version.
pub fn stats(state: &State, app: &App, now: Timestamp) -> wire::TasksStats {
    let launched: Vec<&Instance> = instances(state, app).filter(|instance| instance.task.is_some()).collect();
    let class = |belongs: &dyn Fn(&Instance) -> bool| {
        let members: Vec<&Instance> = launched.iter().copied().filter(|instance| belongs(instance)).collect();
        (!members.is_empty()).then(|| wire::StatsOfClass {
            stats: wire::Stats { counts: counts(members.iter().copied()), life_time: life_time(&members, now) },
        })
    };
    wire::TasksStats {
        started_after_last_scaling: class(&|instance| instance.version >= app.last_scaling_at),
        with_latest_config: class(&|instance| instance.version >= app.last_config_change_at),
        with_outdated_config: class(&|instance| instance.version < app.last_config_change_at),
        total_summary: class(&|_| true),
    }
}

fn life_time(instances: &[&Instance], now: Timestamp) -> Option<wire::LifeTime> {
    let started = instances.iter().filter_map(|instance| instance.task.as_ref()?.started_at);
    let mut ages: Vec<f64> = started.map(|started| now.since(started).as_secs_f64()).collect();
    ages.sort_by(f64::total_cmp);
    let middle = ages.len() / 2;
    let median = match ages.len() {
        0 => return None,
        even if even % 2 == 0 => f64::midpoint(ages[middle - 1], ages[middle]),
        _ => ages[middle],
    };
    Some(wire::LifeTime { average_seconds: ages.iter().sum::<f64>() / ages.len() as f64, median_seconds: median })
}
