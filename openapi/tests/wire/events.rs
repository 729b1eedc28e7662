//! The members of every event.

use std::collections::BTreeSet;

use marathon_openapi::{
    app::{self, HealthCheck},
    deployment::{ActionName, DeploymentAction, DeploymentPlan, DeploymentStep},
    event::{Condition, Event},
    task::{IpAddress, TaskState},
};
use marathon_time::Timestamp;
use serde_json::{Value, json};

fn step() -> DeploymentStep {
    DeploymentStep {
        actions: vec![DeploymentAction {
            action: ActionName::RestartApplication,
            app: Some("/shop/web".to_owned()),
            pod: None,
        }],
    }
}

fn plan() -> DeploymentPlan {
    DeploymentPlan { id: "5f2c".to_owned(), version: Timestamp::EPOCH, steps: vec![step()] }
}

fn health_check() -> HealthCheck {
    app::parse_create(br#"{"id": "a", "cmd": "x", "healthChecks": [{"protocol": "TCP"}]}"#)
        .unwrap()
        .health_checks
        .remove(0)
}

fn text(text: &str) -> String {
    text.to_owned()
}

/// One of every kind, with the members that it must have besides `eventType` and `timestamp`.
fn events() -> Vec<(Event, Value)> {
    let at = Timestamp::EPOCH;
    let epoch = "1970-01-01T00:00:00.000Z";
    let step_json = json!({ "actions": [{ "action": "RestartApplication", "app": "/shop/web" }] });
    let plan_json = json!({ "id": "5f2c", "version": epoch, "steps": [step_json] });
    let app = app::parse_create(br#"{"id": "a", "cmd": "x"}"#).unwrap();
    let (app_json, check_json) = (serde_json::to_value(&app).unwrap(), serde_json::to_value(health_check()).unwrap());
    let progress = json!({ "plan": plan_json, "currentStep": step_json });
    vec![
        (
            Event::ApiPost { client_ip: text("10.0.0.1"), uri: text("/v2/apps"), app_definition: Box::new(app) },
            json!({ "clientIp": "10.0.0.1", "uri": "/v2/apps", "appDefinition": app_json }),
        ),
        (
            Event::SchedulerRegistered { framework_id: text("f"), master: text("m") },
            json!({ "frameworkId": "f", "master": "m" }),
        ),
        (Event::SchedulerReregistered { master: text("m") }, json!({ "master": "m" })),
        (Event::SchedulerDisconnected {}, json!({})),
        (
            Event::FrameworkMessage { executor_id: text("e"), slave_id: text("s"), message: vec![104, -61] },
            json!({ "executorId": "e", "slaveId": "s", "message": [104, -61] }),
        ),
        (Event::EventStreamAttached { remote_address: text("r") }, json!({ "remoteAddress": "r" })),
        (Event::EventStreamDetached { remote_address: text("r") }, json!({ "remoteAddress": "r" })),
        (Event::GroupChangeSuccess { group_id: text("/g"), version: at }, json!({ "groupId": "/g", "version": epoch })),
        (
            Event::GroupChangeFailed { group_id: text("/g"), version: at, reason: text("no") },
            json!({ "groupId": "/g", "version": epoch, "reason": "no" }),
        ),
        (Event::DeploymentInfo { plan: plan(), current_step: step() }, progress.clone()),
        (Event::DeploymentStepSuccess { plan: plan(), current_step: step() }, progress.clone()),
        (Event::DeploymentStepFailure { plan: plan(), current_step: step() }, progress),
        (Event::DeploymentSuccess { id: text("5f2c"), plan: plan() }, json!({ "id": "5f2c", "plan": plan_json })),
        (
            Event::DeploymentFailed { id: text("5f2c"), plan: plan(), reason: Some(text("cancelled")) },
            json!({ "id": "5f2c", "plan": plan_json, "reason": "cancelled" }),
        ),
        (
            Event::DeploymentFailed { id: text("5f2c"), plan: plan(), reason: None },
            json!({ "id": "5f2c", "plan": plan_json }),
        ),
        (Event::AppTerminated { app_id: text("/a") }, json!({ "appId": "/a" })),
        (
            Event::StatusUpdate {
                slave_id: text("s"),
                task_id: text("t"),
                task_status: TaskState::TaskGoneByOperator,
                message: text(""),
                app_id: text("/a"),
                host: text("h"),
                ip_addresses: vec![IpAddress { ip_address: text("10.1.4.4"), protocol: app::IpProtocol::IPv4 }],
                ports: vec![31007],
                version: at,
            },
            json!({
                "slaveId": "s", "taskId": "t", "taskStatus": "TASK_GONE_BY_OPERATOR", "message": "", "appId": "/a", "host": "h",
                "ipAddresses": [{ "ipAddress": "10.1.4.4", "protocol": "IPv4" }], "ports": [31007], "version": epoch
            }),
        ),
        (
            Event::InstanceChanged {
                instance_id: text("i"),
                condition: Condition::UnreachableInactive,
                run_spec_id: text("/a"),
                agent_id: None,
                host: None,
                run_spec_version: at,
            },
            json!({
                "instanceId": "i", "condition": "UnreachableInactive", "runSpecId": "/a", "agentId": null, "host": null,
                "runSpecVersion": epoch
            }),
        ),
        (
            Event::UnknownInstanceTerminated {
                instance_id: text("i"),
                run_spec_id: text("/a"),
                condition: Condition::Killed,
            },
            json!({ "instanceId": "i", "runSpecId": "/a", "condition": "Killed" }),
        ),
        (
            Event::InstanceHealthChanged {
                instance_id: text("i"),
                run_spec_id: text("/a"),
                healthy: None,
                run_spec_version: at,
            },
            json!({ "instanceId": "i", "runSpecId": "/a", "healthy": null, "runSpecVersion": epoch }),
        ),
        (
            Event::AddHealthCheck { app_id: text("/a"), health_check: health_check(), version: at },
            json!({ "appId": "/a", "healthCheck": check_json, "version": epoch }),
        ),
        (Event::RemoveHealthCheck { app_id: text("/a") }, json!({ "appId": "/a" })),
        (
            Event::FailedHealthCheck { app_id: text("/a"), health_check: health_check(), task_id: text("i") },
            json!({ "appId": "/a", "healthCheck": check_json, "taskId": "i" }),
        ),
        (
            Event::HealthStatusChanged { app_id: text("/a"), instance_id: text("i"), version: at, alive: true },
            json!({ "appId": "/a", "instanceId": "i", "version": epoch, "alive": true }),
        ),
        (
            Event::UnhealthyInstanceKill {
                app_id: text("/a"),
                task_id: text("t"),
                instance_id: text("i"),
                version: at,
                reason: text("503"),
                host: text("h"),
                slave_id: None,
            },
            json!({ "appId": "/a", "taskId": "t", "instanceId": "i", "version": epoch, "reason": "503", "host": "h" }),
        ),
    ]
}

#[test]
fn every_event_has_exactly_its_members() {
    for (event, mut expected) in events() {
        let printed = event.to_json(Timestamp::from_millis(1500));
        assert!(!printed.contains('\n'));
        expected["eventType"] = event.event_type().into();
        expected["timestamp"] = "1970-01-01T00:00:01.500Z".into();
        assert_eq!(serde_json::from_str::<Value>(&printed).unwrap(), expected);
    }
}

#[test]
fn every_event_type_is_listed_once() {
    let made: BTreeSet<&str> = events().iter().map(|(event, _)| event.event_type()).collect();
    assert_eq!(made, BTreeSet::from(Event::TYPES));
    assert_eq!(made.len(), Event::TYPES.len());
}
