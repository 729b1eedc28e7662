//! Bodies that are accepted, and what they become.

use marathon_openapi::{
    app::{self, App, AppChange, AppInfo},
    group::{self, GroupChange, GroupUpdate},
};
use marathon_time::Timestamp;
use serde_json::{Value, json};

fn create(body: Value) -> App {
    app::parse_create(body.to_string().as_bytes()).unwrap_or_else(|refusal| panic!("{body}: {:?}", refusal.body))
}

fn change(body: Value) -> AppChange {
    app::parse_update(body.to_string().as_bytes()).unwrap_or_else(|refusal| panic!("{body}: {:?}", refusal.body))
}

fn update(current: &App, body: Value) -> App {
    match change(body) {
        AppChange::Update(update) => update.merge_into(current).unwrap(),
        AppChange::Rollback(_) => panic!("not a rollback"),
    }
}

fn update_group(body: Value, base: &str) -> GroupUpdate {
    match group::parse_update(body.to_string().as_bytes(), base).unwrap() {
        GroupChange::Update(update) => update,
        other @ (GroupChange::ScaleBy(_) | GroupChange::Rollback(_)) => panic!("{other:?}"),
    }
}

#[test]
fn a_small_app_gets_every_default() {
    let mut app = create(json!({ "id": "/demo/echo", "cmd": "sleep 1000", "cpus": 0.1, "mem": 32, "instances": 1 }));
    app.version = Some("2020-03-01T12:00:00.000Z".parse().unwrap());
    let info = AppInfo {
        tasks_staged: Some(0),
        tasks_running: Some(0),
        tasks_healthy: Some(0),
        tasks_unhealthy: Some(0),
        deployments: Some(vec![]),
        ..AppInfo::from(app)
    };
    let text = serde_json::to_string(&info).unwrap();
    let expected = json!({
        "id": "/demo/echo", "cmd": "sleep 1000", "backoffFactor": 1.15, "backoffSeconds": 1,
        "cpus": 0.1, "disk": 0.0, "executor": "", "instances": 1, "labels": {}, "maxLaunchDelaySeconds": 300,
        "mem": 32.0, "gpus": 0, "networks": [{ "mode": "host" }],
        "portDefinitions": [{ "port": 0, "name": "default", "protocol": "tcp" }],
        "requirePorts": false, "upgradeStrategy": { "maximumOverCapacity": 1.0, "minimumHealthCapacity": 1.0 },
        "version": "2020-03-01T12:00:00.000Z", "killSelection": "YOUNGEST_FIRST",
        "unreachableStrategy": { "inactiveAfterSeconds": 0, "expungeAfterSeconds": 0 }, "role": "*",
        "tasksStaged": 0, "tasksRunning": 0, "tasksHealthy": 0, "tasksUnhealthy": 0, "deployments": []
    });
    assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), expected);
    for exact in [r#""mem":32.0"#, r#""instances":1,"#, r#""backoffSeconds":1,"#, r#""maxLaunchDelaySeconds":300,"#] {
        assert!(text.contains(exact), "{exact} in {text}");
    }
}

#[test]
fn deprecated_members_are_translated() {
    let app = create(json!({
        "id": "web", "cmd": "ls", "ports": [8080, 0],
        "uris": ["http://repo.example/x.tgz", "http://repo.example/x.jar"]
    }));
    let printed = serde_json::to_value(&app).unwrap();
    assert_eq!(printed["id"], "/web");
    assert_eq!(
        printed["portDefinitions"],
        json!([{ "port": 8080, "protocol": "tcp" }, { "port": 0, "protocol": "tcp" }])
    );
    assert_eq!(
        printed["fetch"],
        json!([
            { "uri": "http://repo.example/x.tgz", "extract": true, "executable": false, "cache": false },
            { "uri": "http://repo.example/x.jar", "extract": false, "executable": false, "cache": false }
        ])
    );
    for absent in ["ports", "uris"] {
        assert!(printed.get(absent).is_none());
    }
    assert_eq!(create(json!({ "id": "a", "cmd": "ls", "ports": [] })).port_definitions, []);
    let same = json!({ "id": "a", "cmd": "ls", "ports": [80], "portDefinitions": [{ "port": 80, "name": "http" }] });
    assert_eq!(create(same).port_definitions[0].name.as_deref(), Some("http"));
}

#[test]
fn health_checks_get_their_defaults_and_keep_what_they_say() {
    let app = create(json!({ "id": "a", "cmd": "ls", "healthChecks": [
        { "path": "/" },
        { "protocol": "https", "portIndex": 0, "delaySeconds": 2, "ignoreHttp1xx": true, "timeoutSeconds": 5 },
        { "protocol": "TCP", "port": 99, "path": "/ignored" },
        { "protocol": "COMMAND", "command": { "value": "true" }, "portIndex": 0 },
        { "path": "/" }
    ] }));
    let common = json!({ "gracePeriodSeconds": 300, "intervalSeconds": 60, "timeoutSeconds": 20, "maxConsecutiveFailures": 3,
        "delaySeconds": 15, "ipProtocol": "IPv4" });
    let check = |own: Value| {
        let mut check = common.clone();
        check.as_object_mut().unwrap().extend(own.as_object().unwrap().clone());
        check
    };
    assert_eq!(
        serde_json::to_value(&app.health_checks).unwrap(),
        json!([
            check(json!({ "protocol": "HTTP", "path": "/", "portIndex": 0, "ignoreHttp1xx": false })),
            check(
                json!({ "protocol": "HTTPS", "portIndex": 0, "delaySeconds": 2, "ignoreHttp1xx": true, "timeoutSeconds": 5 })
            ),
            check(json!({ "protocol": "TCP", "port": 99 })),
            check(json!({ "protocol": "COMMAND", "command": { "value": "true" } })),
        ])
    );
}

#[test]
fn ids_and_dependencies_become_absolute_and_sets_hold_everything_once() {
    let app = create(json!({
        "id": "shop//backend/api/", "cmd": "x", "dependencies": ["../db/pg", "/shop/db/pg", "cache", "/infra"],
        "constraints": [["hostname", "UNIQUE"], ["hostname", "UNIQUE"], ["rack", "LIKE", "a.*"]],
        "acceptedResourceRoles": ["*", "*"], "unreachableStrategy": "whatever", "killSelection": "oldest_first"
    }));
    assert_eq!(app.id, "/shop/backend/api");
    assert_eq!(app.dependencies, ["/shop/db/pg", "/shop/backend/cache", "/infra"]);
    let printed = serde_json::to_value(&app).unwrap();
    assert_eq!(printed["constraints"], json!([["hostname", "UNIQUE"], ["rack", "LIKE", "a.*"]]));
    assert_eq!(printed["acceptedResourceRoles"], json!(["*"]));
    assert_eq!(printed["unreachableStrategy"], "disabled");
    assert_eq!(printed["killSelection"], "OLDEST_FIRST");
}

#[test]
fn null_means_absent_and_unknown_members_mean_nothing() {
    let plain = create(json!({ "id": "a", "cmd": "ls" }));
    let nulls = create(json!({
        "id": "a", "cmd": "ls", "args": null, "user": null, "env": null, "instances": null, "cpus": null, "mem": null,
        "disk": null, "gpus": null, "executor": null, "constraints": null, "fetch": null, "uris": null, "storeUrls": null,
        "ports": null, "portDefinitions": null, "requirePorts": null, "networks": null, "ipAddress": null, "container": null,
        "healthChecks": null, "check": null, "readinessChecks": null, "backoffSeconds": null, "backoffFactor": null,
        "maxLaunchDelaySeconds": null, "taskKillGracePeriodSeconds": null, "dependencies": null, "upgradeStrategy": null,
        "labels": null, "acceptedResourceRoles": null, "role": null, "residency": null, "secrets": null, "tty": null,
        "unreachableStrategy": null, "killSelection": null, "version": null, "versionInfo": null,
        "executorResources": null, "resourceLimits": null
    }));
    assert_eq!(nulls, plain);
    let others = create(json!({
        "id": "a", "cmd": "ls", "tasksRunning": 3, "deployments": [{ "id": "x" }], "versionInfo": 5, "maxInstances": "many",
        "networks": [], "gpus": 0.0, "executor": "", "secrets": {}, "readinessChecks": [], "tty": false, "role": "*",
        "labels": { "gone": null }
    }));
    assert_eq!(others, plain);
}

#[test]
fn a_command_of_one_letter_is_a_command() {
    assert_eq!(create(json!({ "id": "a", "cmd": "w" })).cmd.as_deref(), Some("w"));
}

#[test]
fn an_integer_may_be_written_with_a_fraction_of_zero() {
    assert_eq!(create(json!({ "id": "a", "cmd": "w", "instances": 3.0 })).instances, 3);
}

#[test]
fn a_partial_update_replaces_the_members_that_are_there() {
    let current = create(json!({
        "id": "/g/a", "cmd": "ls", "env": { "A": "1", "B": "2" }, "labels": { "x": "y" }, "instances": 3,
        "dependencies": ["b"], "constraints": [["hostname", "UNIQUE"]], "healthChecks": [{ "path": "/x" }]
    }));
    assert_eq!(update(&current, json!({})), current);
    assert_eq!(update(&current, json!({ "id": "/other", "cmd": null })), current);
    let scaled = update(&current, json!({ "instances": 5 }));
    assert_eq!(scaled, App { instances: 5, ..current.clone() });
    let changed =
        update(&current, json!({ "env": { "C": "3" }, "ports": [80], "dependencies": ["c"], "healthChecks": [] }));
    assert_eq!(changed.env, [("C".to_owned(), "3".to_owned())].into());
    assert_eq!((changed.port_definitions[0].port, changed.port_definitions.len()), (80, 1));
    assert_eq!(changed.dependencies, ["/g/c"]);
    assert_eq!((changed.health_checks.len(), changed.constraints.len()), (0, 1));
    assert_eq!(changed.labels, current.labels);
}

#[test]
fn a_partial_update_is_checked_with_what_it_is_laid_over() {
    let current = create(json!({ "id": "/a", "cmd": "ls", "healthChecks": [{ "path": "/x" }] }));
    for (body, path) in [
        (json!({ "args": ["ls"] }), "/"),
        (json!({ "portDefinitions": [] }), "/healthChecks(0)"),
        (json!({ "constraints": [["a", "b"]] }), "/constraints(0)"),
    ] {
        let AppChange::Update(update) = change(body.clone()) else { panic!("{body}") };
        let refusal = update.merge_into(&current).unwrap_err();
        let details = serde_json::to_value(&refusal.body).unwrap();
        assert_eq!((refusal.status, details["details"][0]["path"].as_str()), (422, Some(path)), "{body}");
    }
}

#[test]
fn a_version_alone_or_with_the_id_is_a_rollback() {
    let version = "2020-03-01T12:00:00.000Z";
    for body in [json!({ "version": version }), json!({ "id": "/a", "version": version })] {
        assert_eq!(change(body), AppChange::Rollback(version.parse().unwrap()));
    }
}

#[test]
fn a_complete_definition_for_a_known_id_ignores_the_id_and_version_of_the_body() {
    for body in [&br#"{"cmd": "ls"}"#[..], br#"{"cmd": "ls", "id": "/other", "version": "2020-03-01T12:00:00Z"}"#] {
        let app = app::parse_replace(body, "/g/a").unwrap();
        assert_eq!((app.id.as_str(), app.version), ("/g/a", None));
    }
}

#[test]
fn what_get_prints_may_be_put_back() {
    let mut app = create(
        json!({ "id": "/g/a", "cmd": "ls", "healthChecks": [{}], "acceptedResourceRoles": ["*"], "instances": 0 }),
    );
    let expected = app.clone();
    app.version = Some(Timestamp::EPOCH);
    app.version_info =
        Some(app::VersionInfo { last_scaling_at: Timestamp::EPOCH, last_config_change_at: Timestamp::EPOCH });
    let info = AppInfo { tasks: Some(vec![]), tasks_running: Some(0), deployments: Some(vec![]), ..AppInfo::from(app) };
    let body = serde_json::to_vec(&info).unwrap();
    assert_eq!(app::parse_replace(&body, "/g/a"), Ok(expected.clone()));
    assert_eq!(app::parse_create(&body), Ok(expected));
    assert_eq!(serde_json::from_slice::<AppInfo>(&body).unwrap(), info);
}

#[test]
fn arrays_of_updates_keep_their_order() {
    let body = br#"[{"id": "b", "instances": 2}, {"id": "/g//a", "version": "1970-01-01T00:00:00Z"}]"#;
    let changes = app::parse_updates(body).unwrap();
    assert_eq!(changes[0].0, "/b");
    assert_eq!(changes[1], ("/g/a".to_owned(), AppChange::Rollback(Timestamp::EPOCH)));
    let AppChange::Update(first) = changes[0].1.clone() else { panic!("not an update") };
    assert!(first.clone().create("/b").is_err(), "a new app needs a command");
    assert_eq!(first.instances, Some(2));
}

#[test]
fn a_group_is_read_as_a_tree_of_absolute_ids() {
    let body = json!({
        "id": "/shop", "dependencies": ["/infra", "../infra"],
        "groups": [{ "id": "backend", "dependencies": ["../db"], "apps": [
            { "id": "api", "cmd": "./api", "instances": 2, "dependencies": ["../db/pg", "cache"] },
            { "id": "/shop/backend/cache", "cmd": "x" },
            { "id": "cache", "cmd": "x" }
        ] }]
    });
    let group = update_group(body, "/");
    assert_eq!((group.id.as_str(), group.apps.as_deref()), ("/shop", None));
    assert_eq!(group.dependencies.as_deref(), Some(&["/infra".to_owned()][..]));
    let backend = &group.groups.as_ref().unwrap()[0];
    assert_eq!((backend.id.as_str(), backend.groups.as_deref()), ("/shop/backend", None));
    assert_eq!(backend.dependencies.as_deref(), Some(&["/shop/db".to_owned()][..]));
    let apps = backend.apps.as_ref().unwrap();
    let ids: Vec<&str> = apps.iter().map(|app| app.id.as_str()).collect();
    assert_eq!(ids, ["/shop/backend/api", "/shop/backend/cache"]);
    assert_eq!(apps[0].dependencies, ["/shop/db/pg", "/shop/backend/cache"]);
}

#[test]
fn the_url_and_the_body_name_a_group_together() {
    for (body, base, id) in [
        (json!({}), "/", "/"),
        (json!({}), "/g", "/g"),
        (json!({ "id": "x" }), "/", "/x"),
        (json!({ "id": "x" }), "/g", "/g/x"),
        (json!({ "id": "/x" }), "/g", "/x"),
        (json!({ "apps": [], "enforceRole": false }), "/g", "/g"),
    ] {
        assert_eq!(update_group(body, base).id, id);
    }
}

#[test]
fn a_group_may_be_scaled_or_rolled_back() {
    assert_eq!(group::parse_update(br#"{"scaleBy": 1.5, "id": null}"#, "/g"), Ok(GroupChange::ScaleBy(1.5)));
    assert_eq!(
        group::parse_update(br#"{"version": "1970-01-01T00:00:00.000Z"}"#, "/g"),
        Ok(GroupChange::Rollback(Timestamp::EPOCH))
    );
}
