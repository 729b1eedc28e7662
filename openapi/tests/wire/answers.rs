//! The shapes of answers, and how they describe themselves.

use marathon_openapi::{
    app::{AppAnswer, AppInfo, AppList, AppSubtree, AppUpdate, VersionList, parse_create},
    deployment::{DeploymentResult, DeploymentStepInfo, DryRun},
    error::ErrorBody,
    event::Event,
    group::{GroupBody, GroupInfo},
    info::{Info, Leader, Message},
    queue::{ProcessedOffersSummary, Queue, RejectReason},
    task::{Task, TaskAnswer, TaskIds, TaskList},
};
use serde_json::{Value, json};
use utoipa::OpenApi;

#[derive(OpenApi)]
#[openapi(components(schemas(
    AppAnswer,
    AppList,
    AppSubtree,
    AppUpdate,
    VersionList,
    DeploymentResult,
    DeploymentStepInfo,
    DryRun,
    ErrorBody,
    Event,
    GroupBody,
    GroupInfo,
    Info,
    Leader,
    Message,
    Queue,
    TaskAnswer,
    TaskIds,
    TaskList
)))]
struct Document;

fn document() -> Value {
    serde_json::to_value(Document::openapi()).unwrap()
}

/// Calls `look` with every `$ref` in a document.
fn references(value: &Value, look: &mut impl FnMut(&str)) {
    match value {
        Value::Object(members) => {
            for (name, member) in members {
                match (name.as_str(), member) {
                    ("$ref", Value::String(target)) => look(target),
                    _ => references(member, look),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|item| references(item, look)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn every_shape_that_is_referred_to_is_described() {
    let document = document();
    let mut count = 0;
    references(&document, &mut |target| {
        count += 1;
        let pointer = target.trim_start_matches('#');
        assert!(document.pointer(pointer).is_some(), "{target}");
    });
    assert!(count > 40, "{count}");
}

#[test]
fn the_description_of_an_app_tells_what_is_always_there() {
    let document = document();
    let app = &document["components"]["schemas"]["App"];
    let required: Vec<&str> = app["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
    for name in ["id", "instances", "cpus", "labels", "portDefinitions", "networks", "role", "upgradeStrategy"] {
        assert!(required.contains(&name), "{name}");
    }
    for name in ["cmd", "args", "env", "fetch", "healthChecks", "versionInfo", "version"] {
        assert!(!required.contains(&name), "{name}");
    }
    assert_eq!(app["properties"]["cmd"]["type"], "string");
    assert_eq!(app["properties"]["version"]["format"], "date-time");
    assert!(app["properties"]["cmd"]["description"].as_str().unwrap().contains("Command line"));
    assert_eq!(app["properties"]["constraints"]["items"]["type"], "array");
}

#[test]
fn the_examples_in_the_description_are_true() {
    let document = document();
    let example = |name: &str| document["components"]["schemas"][name]["example"].clone();
    serde_json::from_value::<AppInfo>(example("App")).unwrap();
    serde_json::from_value::<Task>(example("Task")).unwrap();
    serde_json::from_value::<GroupInfo>(example("GroupInfo")).unwrap();
    serde_json::from_value::<DeploymentStepInfo>(example("DeploymentStepInfo")).unwrap();
    serde_json::from_value::<DeploymentResult>(example("DeploymentResult")).unwrap();
    serde_json::from_value::<ErrorBody>(example("ErrorBody")).unwrap();
    parse_create(example("AppBody").to_string().as_bytes()).unwrap();
    let body = example("GroupBody").to_string();
    marathon_openapi::group::parse_update(body.as_bytes(), "/").unwrap();
}

#[test]
fn a_task_prints_every_list_and_omits_what_is_not_known() {
    let task: Task = serde_json::from_value(json!({
        "id": "t", "appId": "/a", "host": "h", "state": "TASK_STAGING", "role": "*", "ports": [], "servicePorts": [],
        "ipAddresses": [], "healthCheckResults": [], "localVolumes": []
    }))
    .unwrap();
    let printed = serde_json::to_value(&task).unwrap();
    assert_eq!(printed.as_object().unwrap().len(), 10);
    assert_eq!(printed["ipAddresses"], json!([]));
}

#[test]
fn a_deployment_has_exactly_the_known_members() {
    let text = json!({
        "id": "9c9b2c0e-2b7e-4a44-9d55-000000000001", "version": "2020-03-01T12:00:00.000Z",
        "affectedApps": ["/demo/echo"], "affectedPods": [],
        "steps": [{ "actions": [{ "action": "StartApplication", "app": "/demo/echo" }] }],
        "currentActions": [{ "action": "ScaleApplication", "app": "/demo/echo", "readinessCheckResults": [] }],
        "currentStep": 2, "totalSteps": 2
    });
    let deployment: DeploymentStepInfo = serde_json::from_value(text.clone()).unwrap();
    assert_eq!(serde_json::to_value(deployment).unwrap(), text);
}

#[test]
fn info_prints_null_for_what_is_unset() {
    let printed = serde_json::to_value(Info::default()).unwrap();
    for pointer in
        ["/leader", "/frameworkId", "/marathon_config/webui_url", "/zookeeper_config/zk", "/http_config/https_port"]
    {
        assert_eq!(printed.pointer(pointer), Some(&Value::Null), "{pointer}");
    }
}

#[test]
fn the_queue_prints_all_ten_reasons_in_order() {
    let summary = ProcessedOffersSummary {
        processed_offers_count: 3,
        unused_offers_count: 3,
        reject_summary_last_offers: RejectReason::funnel(3, |_| 0),
        ..Default::default()
    };
    let printed = serde_json::to_value(&summary).unwrap();
    let rows = printed["rejectSummaryLastOffers"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[0]), (10, &json!({ "reason": "UnfulfilledRole", "declined": 0, "processed": 3 })));
    assert_eq!(rows[9]["reason"], "DeclinedScarceResources");
    assert!(printed.get("lastUsedOfferAt").is_none());
}

#[test]
fn the_members_of_shapes_are_described_under_the_names_they_have_on_the_wire() {
    let document = document();
    let event = &document["components"]["schemas"]["Event"]["oneOf"];
    assert_eq!(event[0]["required"], json!(["clientIp", "uri", "appDefinition"]));
    assert_eq!(event[1]["required"], json!(["frameworkId", "master"]));
    for variant in event.as_array().unwrap() {
        let names = variant["properties"].as_object().into_iter().flat_map(|members| members.keys());
        assert!(names.clone().all(|name| !name.contains('_')), "{variant}");
    }
    let body = &document["components"]["schemas"]["AppBody"];
    assert!(body["properties"].get("healthChecks").is_some() && body.get("required").is_none());
}
