//! Bodies that are refused: status, path and message of each.

use marathon_openapi::{
    app,
    error::{ErrorDetails, Refusal},
    group, task,
};

/// `details` as `path: error | error`, in order.
fn told(refusal: &Refusal) -> Vec<String> {
    match &refusal.body.details {
        None => vec![refusal.body.message.clone()],
        Some(ErrorDetails::Text(_)) => vec!["(text)".to_owned()],
        Some(ErrorDetails::Fields(fields)) => {
            fields.iter().map(|field| format!("{}: {}", field.path, field.errors.join(" | "))).collect()
        }
    }
}

fn message_of(status: u16, kind: &str) -> (u16, String) {
    (status, kind.to_owned())
}

const NEITHER: &str = "/: AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.";
const INDICES: &str =
    "Health check port indices must address an element of the ports array or container port mappings.";
const RESERVED: &str = "must not end with any of the following reserved keywords: restart, tasks, versions, ., ..";
const OPERATORS: &str = "operator must be one of the following UNIQUE, CLUSTER, GROUP_BY, LIKE, MAX_PER, UNLIKE or IS";

#[test]
fn a_body_that_is_not_json_is_refused_with_400() {
    for (body, message) in [
        (&b""[..], "Please specify data in JSON format"),
        (b" \n\t", "Please specify data in JSON format"),
        (b"{", "Invalid JSON"),
        (b"{\"id\":\"/a\",}", "Invalid JSON"),
        (b"{\"id\":\"/a\"} x", "Invalid JSON"),
        (b"{'id':'/a'}", "Invalid JSON"),
        (b"id: /a", "Invalid JSON"),
        (b"{\"cpus\":1e999}", "Invalid JSON"),
        (b"{\"cpus\":NaN}", "Invalid JSON"),
        (b"\xff\xfe", "Invalid JSON"),
        (b"{\"id\":\"\xff\"}", "Invalid JSON"),
    ] {
        let refusals = [
            app::parse_create(body).unwrap_err(),
            app::parse_replace(body, "/a").unwrap_err(),
            app::parse_update(body).unwrap_err(),
            app::parse_updates(body).unwrap_err(),
            app::parse_replacements(body).unwrap_err(),
            group::parse_update(body, "/").unwrap_err(),
            group::parse_patch(body).unwrap_err(),
            task::parse_delete(body).unwrap_err(),
        ];
        for refusal in refusals {
            assert_eq!((refusal.status, refusal.body.message.as_str()), (400, message), "{body:?}");
            assert!(matches!(refusal.body.details, Some(ErrorDetails::Text(_))), "{body:?}");
        }
    }
    let deep = format!("{}{}", "[".repeat(100_000), "]".repeat(100_000));
    assert_eq!(app::parse_create(deep.as_bytes()).unwrap_err().status, 400);
}

/// Every member beside a right `id` and `cmd`, and what is said about it.
#[test]
fn an_app_of_wrong_types_or_bounds_is_refused_as_invalid_json() {
    for (members, expected) in [
        (r#""cmd": 5"#, "/cmd: error.expected.jsstring"),
        (r#""cmd": """#, "/cmd: error.minLength"),
        (r#""args": "ls""#, "/args: error.expected.jsarray"),
        (r#""args": ["a", 1]"#, "/args(1): error.expected.jsstring"),
        (r#""args": [null]"#, "/args(0): error.expected.jsstring"),
        (r#""user": true"#, "/user: error.expected.jsstring"),
        (r#""env": ["A=1"]"#, "/env: error.expected.jsobject"),
        (r#""env": {"A": 1}"#, "/env/A: error.expected.jsstring"),
        (r#""env": {"A": {"secret": 1}}"#, "/env/A/secret: error.expected.jsstring"),
        (r#""env": {"A": {}}"#, "/env/A/secret: 'secret' is undefined on object: {}"),
        (r#""instances": "3""#, "/instances: error.expected.jsnumber"),
        (r#""instances": -1"#, "/instances: error.min"),
        (r#""instances": 1.5"#, "/instances: error.expected.int"),
        (r#""instances": 2147483648"#, "/instances: error.expected.int"),
        (r#""instances": 18446744073709551615"#, "/instances: error.expected.int"),
        (r#""cpus": "1""#, "/cpus: error.expected.jsnumber"),
        (r#""cpus": 0"#, "/cpus: error.min"),
        (r#""cpus": 0.0009"#, "/cpus: error.min"),
        (r#""cpus": -1"#, "/cpus: error.min"),
        (r#""cpus": 1e300"#, "/cpus: error.max"),
        (r#""mem": -0.5"#, "/mem: error.min"),
        (r#""mem": [128]"#, "/mem: error.expected.jsnumber"),
        (r#""disk": {}"#, "/disk: error.expected.jsnumber"),
        (r#""constraints": {}"#, "/constraints: error.expected.jsarray"),
        (r#""constraints": ["hostname"]"#, "/constraints(0): error.expected.jsarray"),
        (r#""constraints": [["hostname"]]"#, "/constraints(0): error.minLength"),
        (r#""constraints": [[]]"#, "/constraints(0): error.minLength"),
        (r#""constraints": [["a","IS","b","c"]]"#, "/constraints(0): error.maxLength"),
        (r#""constraints": [["a","MAX_PER",2]]"#, "/constraints(0)(2): error.expected.jsstring"),
        (r#""fetch": [{}]"#, "/fetch(0)/uri: 'uri' is undefined on object: {}"),
        (r#""fetch": ["http://x/y"]"#, "/fetch(0): error.expected.jsobject"),
        (r#""fetch": [{"uri": ""}]"#, "/fetch(0)/uri: error.minLength"),
        (r#""fetch": [{"uri": "http://x", "extract": "yes"}]"#, "/fetch(0)/extract: error.expected.jsboolean"),
        (r#""fetch": [{"uri": "http://x", "destPath": ""}]"#, "/fetch(0)/destPath: error.minLength"),
        (r#""uris": "http://x""#, "/uris: error.expected.jsarray"),
        (r#""uris": [1]"#, "/uris(0): error.expected.jsstring"),
        (r#""portDefinitions": {"port": 1}"#, "/portDefinitions: error.expected.jsarray"),
        (r#""portDefinitions": [80]"#, "/portDefinitions(0): error.expected.jsobject"),
        (r#""portDefinitions": [{"port": 65536}]"#, "/portDefinitions(0)/port: error.max"),
        (r#""portDefinitions": [{"port": -1}]"#, "/portDefinitions(0)/port: error.min"),
        (r#""portDefinitions": [{"port": "80"}]"#, "/portDefinitions(0)/port: error.expected.jsnumber"),
        (r#""portDefinitions": [{"protocol": "sctp"}]"#, "/portDefinitions(0)/protocol: error.unknown.enum.literal"),
        (r#""portDefinitions": [{"name": "HTTP"}]"#, "/portDefinitions(0)/name: error.pattern"),
        (r#""portDefinitions": [{"name": "a-"}]"#, "/portDefinitions(0)/name: error.pattern"),
        (r#""portDefinitions": [{"labels": {"a": 1}}]"#, "/portDefinitions(0)/labels/a: error.expected.jsstring"),
        (r#""ports": [80, "81"]"#, "/ports(1): error.expected.jsnumber"),
        (r#""ports": [70000]"#, "/ports(0): error.max"),
        (r#""requirePorts": "true""#, "/requirePorts: error.expected.jsboolean"),
        (r#""healthChecks": {}"#, "/healthChecks: error.expected.jsarray"),
        (r#""healthChecks": ["HTTP"]"#, "/healthChecks(0): error.expected.jsobject"),
        (r#""healthChecks": [{"protocol": "UDP"}]"#, "/healthChecks(0)/protocol: error.unknown.enum.literal"),
        (r#""healthChecks": [{"port": 70000}]"#, "/healthChecks(0)/port: error.max"),
        (r#""healthChecks": [{"portIndex": -1}]"#, "/healthChecks(0)/portIndex: error.min"),
        (r#""healthChecks": [{"intervalSeconds": 1.5}]"#, "/healthChecks(0)/intervalSeconds: error.expected.int"),
        (r#""healthChecks": [{"timeoutSeconds": -1}]"#, "/healthChecks(0)/timeoutSeconds: error.min"),
        (
            r#""healthChecks": [{"protocol": "COMMAND", "command": "ls"}]"#,
            "/healthChecks(0)/command: error.expected.jsobject",
        ),
        (
            r#""healthChecks": [{"protocol": "COMMAND", "command": {}}]"#,
            "/healthChecks(0)/command/value: 'value' is undefined on object: {}",
        ),
        (r#""healthChecks": [{"ipProtocol": "IPv5"}]"#, "/healthChecks(0)/ipProtocol: error.unknown.enum.literal"),
        (r#""backoffSeconds": -1"#, "/backoffSeconds: error.min"),
        (r#""backoffSeconds": 0.5"#, "/backoffSeconds: error.expected.int"),
        (r#""backoffFactor": 0.9"#, "/backoffFactor: error.min"),
        (r#""maxLaunchDelaySeconds": "1h""#, "/maxLaunchDelaySeconds: error.expected.jsnumber"),
        (r#""taskKillGracePeriodSeconds": -3"#, "/taskKillGracePeriodSeconds: error.min"),
        (r#""dependencies": "/db""#, "/dependencies: error.expected.jsarray"),
        (r#""dependencies": ["/DB"]"#, "/dependencies(0): error.pattern"),
        (r#""dependencies": ["/db", ""]"#, "/dependencies(1): error.minLength"),
        (
            r#""upgradeStrategy": {"maximumOverCapacity": 1}"#,
            "/upgradeStrategy/minimumHealthCapacity: 'minimumHealthCapacity' is undefined on object: {\"maximumOverCapacity\":1}",
        ),
        (
            r#""upgradeStrategy": {"minimumHealthCapacity": 1.1, "maximumOverCapacity": 1}"#,
            "/upgradeStrategy/minimumHealthCapacity: error.max",
        ),
        (
            r#""upgradeStrategy": {"minimumHealthCapacity": 1, "maximumOverCapacity": -0.1}"#,
            "/upgradeStrategy/maximumOverCapacity: error.min",
        ),
        (r#""labels": {"a": true}"#, "/labels/a: error.expected.jsstring"),
        (r#""labels": []"#, "/labels: error.expected.jsobject"),
        (r#""acceptedResourceRoles": "*""#, "/acceptedResourceRoles: error.expected.jsarray"),
        (r#""unreachableStrategy": 5"#, "/unreachableStrategy: error.expected.jsobject"),
        (
            r#""unreachableStrategy": {"expungeAfterSeconds": 1e30}"#,
            "/unreachableStrategy/expungeAfterSeconds: error.expected.long",
        ),
        (r#""killSelection": "RANDOM""#, "/killSelection: error.unknown.enum.literal"),
        (r#""version": "yesterday""#, "/version: error.expected.date.isoformat"),
        (r#""role": """#, "/role: error.minLength"),
        (r#""networks": {"mode": "host"}"#, "/networks: error.expected.jsarray"),
        (r#""networks": [{"mode": "overlay"}]"#, "/networks(0)/mode: error.unknown.enum.literal"),
    ] {
        let command = if members.starts_with(r#""cmd""#) { "" } else { r#""cmd": "sleep 1","# };
        let body = format!(r#"{{"id": "/a", {command} {members}}}"#);
        let refusal = app::parse_create(body.as_bytes()).expect_err(&body);
        assert_eq!((refusal.status, refusal.body.message.clone()), message_of(422, "Invalid JSON"), "{body}");
        assert_eq!(told(&refusal), [expected], "{body}");
        let refusal = app::parse_update(body.as_bytes()).expect_err(&body);
        assert_eq!(told(&refusal), [expected], "as an update: {body}");
    }
}

#[test]
fn an_app_that_makes_no_sense_is_refused_as_not_valid() {
    let sane = r#""cmd": "sleep 1""#;
    for (members, expected) in [
        (String::new(), NEITHER.to_owned()),
        (r#""args": []"#.to_owned(), NEITHER.to_owned()),
        (r#""cmd": "ls", "args": ["ls"]"#.to_owned(), NEITHER.to_owned()),
        (format!(r#"{sane}, "dependencies": ["/a/tasks"]"#), format!("/dependencies(0): {RESERVED}")),
        (format!(r#"{sane}, "env": {{"": "x"}}"#), "/env/keys(0): must not be empty".to_owned()),
        (format!(r#"{sane}, "env": {{"A": "1", "B=C": "x"}}"#), "/env/keys(1): must not contain '=' or a null character".to_owned()),
        (r#""cmd": "a\u0000b""#.to_owned(), "/cmd: must not contain a null character".to_owned()),
        (r#""args": ["a", "\u0000"]"#.to_owned(), "/args(1): must not contain a null character".to_owned()),
        (format!(r#"{sane}, "env": {{"A": {{"secret": "s"}}}}"#), "/env/A: secret references are not supported by this server".to_owned()),
        (format!(r#"{sane}, "constraints": [["a", "unique"]]"#), format!("/constraints(0): {OPERATORS}")),
        (format!(r#"{sane}, "constraints": [["a", "IS"], ["", "UNIQUE"]]"#), "/constraints(1): illegal constraint specification".to_owned()),
        (format!(r#"{sane}, "constraints": [["a", "UNIQUE", "b"]]"#), "/constraints(0): UNIQUE does not accept a value".to_owned()),
        (format!(r#"{sane}, "constraints": [["a", "LIKE", "("]]"#), "/constraints(0): is not a valid regular expression".to_owned()),
        (format!(r#"{sane}, "constraints": [["a", "MAX_PER"]]"#), "/constraints(0): MAX_PER requires an integer value".to_owned()),
        (format!(r#"{sane}, "fetch": [{{"uri": "not a uri"}}]"#), "/fetch(0)/uri: URI has invalid syntax.".to_owned()),
        (format!(r#"{sane}, "uris": ["http://a", "::"]"#), "/fetch(1)/uri: URI has invalid syntax.; /uris(1): URI has invalid syntax.".to_owned()),
        (
            format!(r#"{sane}, "uris": ["http://a"], "fetch": [{{"uri": "http://b"}}]"#),
            "/uris: may not be set in conjunction with fetch".to_owned(),
        ),
        (format!(r#"{sane}, "portDefinitions": [{{"port": 80}}, {{"port": 80}}]"#), "/portDefinitions: Ports must be unique.".to_owned()),
        (
            format!(r#"{sane}, "portDefinitions": [{{"name": "a"}}, {{"name": "a"}}]"#),
            "/portDefinitions: Port names must be unique.".to_owned(),
        ),
        (format!(r#"{sane}, "ports": [80, 0, 80]"#), "/: ports must be unique; /portDefinitions: Ports must be unique.".to_owned()),
        (
            format!(r#"{sane}, "ports": [80], "portDefinitions": [{{"port": 81}}]"#),
            "/: cannot specify both ports and port definitions".to_owned(),
        ),
        (format!(r#"{sane}, "healthChecks": [{{"portIndex": 1}}]"#), format!("/healthChecks(0): {INDICES}")),
        (format!(r#"{sane}, "healthChecks": [{{}}], "portDefinitions": []"#), format!("/healthChecks(0): {INDICES}")),
        (
            format!(r#"{sane}, "healthChecks": [{{"port": 80, "portIndex": 0}}]"#),
            "/healthChecks(0): port and portIndex must not be used together".to_owned(),
        ),
        (format!(r#"{sane}, "healthChecks": [{{"protocol": "COMMAND"}}]"#), "/healthChecks(0)/command: not defined".to_owned()),
        (
            format!(r#"{sane}, "healthChecks": [{{"command": {{"value": "ls"}}}}]"#),
            "/healthChecks(0): command is only allowed with the protocol COMMAND".to_owned(),
        ),
        (
            format!(r#"{sane}, "healthChecks": [{{"protocol": "COMMAND", "command": {{"value": "ls"}}, "path": "/"}}]"#),
            "/healthChecks(0): Invalid combination of HealthCheck parameters: COMMAND takes neither path nor port".to_owned(),
        ),
        (
            format!(r#"{sane}, "healthChecks": [{{"protocol": "MESOS_HTTP"}}]"#),
            "/healthChecks(0)/protocol: health check protocol MESOS_HTTP is not supported by this server".to_owned(),
        ),
        (
            format!(r#"{sane}, "healthChecks": [{{"ipProtocol": "IPv6"}}]"#),
            "/healthChecks(0): IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks".to_owned(),
        ),
        (
            format!(r#"{sane}, "unreachableStrategy": {{"inactiveAfterSeconds": 60}}"#),
            "/unreachableStrategy/inactiveAfterSeconds: inactiveAfterSeconds (60) must be less or equal to expungeAfterSeconds, which is 0"
                .to_owned(),
        ),
        (
            format!(r#"{sane}, "labels": {{"MARATHON_SINGLE_INSTANCE_APP": "true"}}"#),
            "/upgradeStrategy/maximumOverCapacity: got 1.0, expected 0.0; /upgradeStrategy/minimumHealthCapacity: got 1.0, expected 0.0"
                .to_owned(),
        ),
        (
            format!(
                r#"{sane}, "labels": {{"MARATHON_SINGLE_INSTANCE_APP": "true"}}, "instances": 2,
                   "upgradeStrategy": {{"minimumHealthCapacity": 0, "maximumOverCapacity": 0}}"#
            ),
            "/: Single instance app may only have one instance".to_owned(),
        ),
        (
            format!(r#"{sane}, "labels": {{"DCOS_MIGRATION_API_VERSION": "v2"}}"#),
            "/: DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION".to_owned(),
        ),
        (format!(r#"{sane}, "acceptedResourceRoles": []"#), "/acceptedResourceRoles: must not be empty".to_owned()),
        (
            format!(r#"{sane}, "acceptedResourceRoles": ["*", "prod"]"#),
            "/acceptedResourceRoles: acceptedResourceRoles can only contain * and *".to_owned(),
        ),
        (format!(r#"{sane}, "role": "prod""#), "/role: got prod, expected one of: [*]".to_owned()),
        (format!(r#"{sane}, "container": {{}}"#), "/container: container is not supported by this server".to_owned()),
        (
            format!(r#"{sane}, "container": {{"type": "DOCKER", "docker": {{"image": "nginx"}}}}"#),
            "/container: container is not supported by this server".to_owned(),
        ),
        (format!(r#"{sane}, "gpus": 1"#), "/gpus: gpus is not supported by this server".to_owned()),
        (format!(r#"{sane}, "executor": "/bin/exec""#), "/executor: executor is not supported by this server".to_owned()),
        (format!(r#"{sane}, "executorResources": {{"cpus": 1}}"#), "/executorResources: executorResources is not supported by this server".to_owned()),
        (format!(r#"{sane}, "resourceLimits": {{"mem": 1}}"#), "/resourceLimits: resourceLimits is not supported by this server".to_owned()),
        (format!(r#"{sane}, "residency": {{"taskLostBehavior": "WAIT_FOREVER"}}"#), "/residency: residency is not supported by this server".to_owned()),
        (format!(r#"{sane}, "secrets": {{"s": {{"source": "x"}}}}"#), "/secrets: secrets is not supported by this server".to_owned()),
        (format!(r#"{sane}, "readinessChecks": [{{}}]"#), "/readinessChecks: readinessChecks is not supported by this server".to_owned()),
        (format!(r#"{sane}, "check": {{"tcp": {{}}}}"#), "/check: check is not supported by this server".to_owned()),
        (format!(r#"{sane}, "ipAddress": {{}}"#), "/ipAddress: ipAddress is not supported by this server".to_owned()),
        (format!(r#"{sane}, "storeUrls": ["http://a"]"#), "/storeUrls: storeUrls is not supported by this server".to_owned()),
        (format!(r#"{sane}, "tty": true"#), "/tty: tty is not supported by this server".to_owned()),
        (
            format!(r#"{sane}, "networks": [{{"mode": "container", "name": "dcos"}}]"#),
            "/networks(0)/mode: network mode 'container' is not supported by this server".to_owned(),
        ),
        (
            format!(r#"{sane}, "networks": [{{"mode": "container/bridge"}}]"#),
            "/networks(0)/mode: network mode 'container/bridge' is not supported by this server".to_owned(),
        ),
        (
            format!(r#"{sane}, "networks": [{{"mode": "host", "name": "x"}}]"#),
            "/networks: Host networks may not have names or labels".to_owned(),
        ),
        (
            format!(r#"{sane}, "networks": [{{"mode": "host"}}, {{"mode": "host"}}]"#),
            "/networks: May specify a single host network, single bridge network, or else 1-to-n container networks".to_owned(),
        ),
    ] {
        let separator = if members.is_empty() { "" } else { "," };
        let body = format!(r#"{{"id": "/a"{separator} {members}}}"#);
        let refusal = app::parse_create(body.as_bytes()).expect_err(&body);
        assert_eq!((refusal.status, refusal.body.message.clone()), message_of(422, "Object is not valid"), "{body}");
        assert_eq!(told(&refusal).join("; "), expected, "{body}");
    }
}

#[test]
fn the_id_of_a_new_app_must_be_there_and_be_right() {
    let syntax = [
        (r#"{"cmd":"ls"}"#, r#"/id: 'id' is undefined on object: {"cmd":"ls"}"#),
        (r#"{"cmd":"ls","id":null}"#, r#"/id: 'id' is undefined on object: {"cmd":"ls","id":null}"#),
        (r#"{"cmd":"ls","id":7}"#, "/id: error.expected.jsstring"),
        (r#"{"cmd":"ls","id":""}"#, "/id: error.minLength"),
        (r#"{"cmd":"ls","id":"/A"}"#, "/id: error.pattern"),
        (r#"{"cmd":"ls","id":"a_b"}"#, "/id: error.pattern"),
        (r#"{"cmd":"ls","id":"/a/*"}"#, "/id: error.pattern"),
        (r#"{"cmd":"ls","id":"/-a"}"#, "/id: error.pattern"),
        ("5", ": error.expected.jsobject"),
        ("null", ": error.expected.jsobject"),
        ("[]", ": error.expected.jsobject"),
        (r#""{}""#, ": error.expected.jsobject"),
    ];
    for (body, expected) in syntax {
        let refusal = app::parse_create(body.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, refusal.body.message.clone()), message_of(422, "Invalid JSON"), "{body}");
        assert_eq!(told(&refusal), [expected], "{body}");
    }
    let root = ["/: must not be root", "/id: Path must contain at least one path element"];
    let reserved = format!("/id: {RESERVED}");
    let sense: [(&str, &[&str]); 5] = [
        ("/", &root),
        ("..", &root),
        ("/a/restart", &[&reserved]),
        ("tasks/", &[&reserved]),
        ("/a/x/../versions", &[&reserved]),
    ];
    for (id, expected) in sense {
        let body = format!(r#"{{"cmd":"ls","id":"{id}"}}"#);
        let refusal = app::parse_create(body.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, refusal.body.message.clone()), message_of(422, "Object is not valid"), "{body}");
        assert_eq!(told(&refusal), expected, "{body}");
    }
}

#[test]
fn all_faults_are_told_at_once_and_those_of_syntax_first() {
    let body = br#"{"cmd": 1, "instances": -1, "container": {}, "healthChecks": [{}, {"port": "x"}], "cpus": 0}"#;
    let refusal = app::parse_create(body).unwrap_err();
    let paths: Vec<String> =
        told(&refusal).into_iter().map(|line| line.split(": ").next().unwrap().to_owned()).collect();
    assert_eq!(paths, ["/cmd", "/cpus", "/healthChecks(1)/port", "/id", "/instances"]);
}

#[test]
fn a_long_object_is_not_repeated_whole() {
    let body = format!(r#"{{"cmd": "{}"}}"#, "ä".repeat(5000));
    let refusal = app::parse_create(body.as_bytes()).unwrap_err();
    assert!(told(&refusal)[0].chars().count() < 1100);
}

#[test]
fn a_definition_is_refused_when_its_json_is_too_large() {
    let body = |label: usize| format!(r#"{{"id": "/a", "cmd": "x y", "labels": {{"l": "{}"}}}}"#, "x".repeat(label));
    let refusal = app::parse_create(body(1 << 20).as_bytes()).unwrap_err();
    assert!(
        told(&refusal)[0].starts_with("/: must not be larger than 1048576 bytes, but has 1049"),
        "{:?}",
        told(&refusal)
    );
    assert_eq!(refusal.status, 422);
    assert!(app::parse_create(body((1 << 20) - 4096).as_bytes()).is_ok());
}

#[test]
fn a_rollback_of_an_app_stands_alone() {
    let refusal = app::parse_update(br#"{"version": "2020-03-01T12:00:00.000Z", "cmd": "ls"}"#).unwrap_err();
    assert_eq!(
        (refusal.status, told(&refusal)),
        (422, vec!["/: The 'version' field may only be combined with the 'id' field.".to_owned()])
    );
}

#[test]
fn arrays_of_updates_are_refused_with_the_place_in_the_array() {
    for (body, expected) in [
        ("{}", ": error.expected.jsarray"),
        ("[1]", "(0): error.expected.jsobject"),
        (r#"[{"id":"a"},{"id":"b","instances":-1}]"#, "(1)/instances: error.min"),
        (r#"[{"id":"a","container":{}}]"#, "/(0)/container: container is not supported by this server"),
        (
            r#"[{"id":"a","version":"2020-03-01T12:00:00Z","cmd":"x"}]"#,
            "/(0): The 'version' field may only be combined with the 'id' field.",
        ),
        (r#"[{"cmd":"ls"}]"#, "requirement failed: App Update must have app id set"),
    ] {
        let refusal = app::parse_updates(body.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, told(&refusal)), (422, vec![expected.to_owned()]), "{body}");
    }
    let refusal = app::parse_replacements(br#"[{"cmd":"ls"}]"#).unwrap_err();
    assert_eq!(told(&refusal), [r#"(0)/id: 'id' is undefined on object: {"cmd":"ls"}"#]);
    let refusal = app::parse_replacements(br#"[{"id":"/a"}]"#).unwrap_err();
    assert_eq!(told(&refusal), [NEITHER.replacen("/:", "/(0):", 1)]);
}

#[test]
fn a_group_is_refused_with_the_way_to_the_fault() {
    let alone = "not allowed in conjunction with other properties.";
    for (body, base, kind, expected) in [
        ("[]", "/", "Invalid JSON", vec![": error.expected.jsobject".to_owned()]),
        ("null", "/", "Invalid JSON", vec![": error.expected.jsobject".to_owned()]),
        (r#"{"id": 5}"#, "/", "Invalid JSON", vec!["/id: error.expected.jsstring".to_owned()]),
        (r#"{"id": "A"}"#, "/", "Invalid JSON", vec!["/id: error.pattern".to_owned()]),
        (r#"{"apps": {}}"#, "/", "Invalid JSON", vec!["/apps: error.expected.jsarray".to_owned()]),
        (r#"{"apps": [1]}"#, "/", "Invalid JSON", vec!["/apps(0): error.expected.jsobject".to_owned()]),
        (r#"{"groups": "x"}"#, "/", "Invalid JSON", vec!["/groups: error.expected.jsarray".to_owned()]),
        (r#"{"groups": [null]}"#, "/", "Invalid JSON", vec!["/groups(0): error.expected.jsobject".to_owned()]),
        (r#"{"groups": [{}]}"#, "/", "Invalid JSON", vec!["/groups(0)/id: 'id' is undefined on object: {}".to_owned()]),
        (r#"{"dependencies": [1]}"#, "/", "Invalid JSON", vec!["/dependencies(0): error.expected.jsstring".to_owned()]),
        (r#"{"scaleBy": -1}"#, "/", "Invalid JSON", vec!["/scaleBy: error.min".to_owned()]),
        (r#"{"scaleBy": "2"}"#, "/", "Invalid JSON", vec!["/scaleBy: error.expected.jsnumber".to_owned()]),
        (r#"{"version": "1"}"#, "/", "Invalid JSON", vec!["/version: error.expected.date.isoformat".to_owned()]),
        (r#"{"enforceRole": "no"}"#, "/", "Invalid JSON", vec!["/enforceRole: error.expected.jsboolean".to_owned()]),
        (
            r#"{"id": "/g", "apps": [{"cmd": "x"}, {"id": "a", "cmd": "x", "instances": -2}]}"#,
            "/",
            "Invalid JSON",
            vec![
                r#"/apps(0)/id: 'id' is undefined on object: {"cmd":"x"}"#.to_owned(),
                "/apps(1)/instances: error.min".to_owned(),
            ],
        ),
        (
            r#"{"groups": [{"id": "a"}, {"id": "b", "apps": [{"id": "c", "cmd": "x", "healthChecks": [{"port": -1}]}]}]}"#,
            "/",
            "Invalid JSON",
            vec!["/groups(1)/apps(0)/healthChecks(0)/port: error.min".to_owned()],
        ),
        (r#"{"id": "/g", "scaleBy": 2}"#, "/", "Object is not valid", vec![format!("/scaleBy: {alone}")]),
        (
            r#"{"pods": [], "groups": [{"id": "a", "pods": [{"id": "p"}]}]}"#,
            "/",
            "Object is not valid",
            vec!["/groups(0)/pods: pods is not supported by this server".to_owned()],
        ),
        (
            r#"{"version": "2020-03-01T12:00:00Z", "scaleBy": 2}"#,
            "/",
            "Object is not valid",
            vec![format!("/scaleBy: {alone}"), format!("/version: {alone}")],
        ),
        (
            r#"{"version": "2020-03-01T12:00:00Z", "apps": []}"#,
            "/",
            "Object is not valid",
            vec![format!("/version: {alone}")],
        ),
        (r#"{"id": "/g/tasks"}"#, "/", "Object is not valid", vec![format!("/id: {RESERVED}")]),
        (
            r#"{"dependencies": ["/a/versions"]}"#,
            "/g",
            "Object is not valid",
            vec![format!("/dependencies(0): {RESERVED}")],
        ),
        (
            r#"{"apps": [{"id": "/other/a", "cmd": "x"}]}"#,
            "/g",
            "Object is not valid",
            vec!["/apps(0)/id: Identifier is not child of '/g'".to_owned()],
        ),
        (
            r#"{"apps": [{"id": "sub/a", "cmd": "x"}]}"#,
            "/g",
            "Object is not valid",
            vec!["/apps(0)/id: Identifier is not child of '/g'".to_owned()],
        ),
        (
            r#"{"groups": [{"id": "s", "groups": [{"id": "/x"}]}]}"#,
            "/g",
            "Object is not valid",
            vec!["/groups(0)/groups(0)/id: Identifier is not child of '/g/s'".to_owned()],
        ),
        (
            r#"{"groups": [{"id": "s", "apps": [{"id": "a"}]}]}"#,
            "/g",
            "Object is not valid",
            vec![NEITHER.replacen("/:", "/groups(0)/apps(0):", 1)],
        ),
        (
            r#"{"apps": [{"id": "a", "cmd": "x"}, {"id": "b", "cmd": "x", "container": {}}]}"#,
            "/g",
            "Object is not valid",
            vec!["/apps(1)/container: container is not supported by this server".to_owned()],
        ),
        (
            r#"{"apps": [{"id": "a", "cmd": "x"}, {"id": "/g/a", "cmd": "y"}]}"#,
            "/g",
            "Object is not valid",
            vec!["/apps: /g/a is given more than once".to_owned()],
        ),
        (
            r#"{"groups": [{"id": "s", "scaleBy": 2}]}"#,
            "/g",
            "Object is not valid",
            vec!["/groups(0)/scaleBy: scaleBy is only allowed in the outermost group, and alone".to_owned()],
        ),
        (
            r#"{"enforceRole": true, "groups": [{"id": "s", "enforceRole": true}]}"#,
            "/g",
            "Object is not valid",
            vec![
                "/enforceRole: enforceRole is not supported by this server".to_owned(),
                "/groups(0)/enforceRole: enforceRole can only be set for top-level groups, and /g/s is not top-level"
                    .to_owned(),
            ],
        ),
    ] {
        let refusal = group::parse_update(body.as_bytes(), base).expect_err(body);
        assert_eq!((refusal.status, refusal.body.message.clone()), message_of(422, kind), "{body}");
        assert_eq!(told(&refusal), expected, "{body}");
    }
}

#[test]
fn other_bodies_are_refused_likewise() {
    for (body, expected) in [
        ("{}", "/ids: 'ids' is undefined on object: {}"),
        (r#"{"ids": "a"}"#, "/ids: error.expected.jsarray"),
        (r#"{"ids": ["a", 1]}"#, "/ids(1): error.expected.jsstring"),
        ("[]", ": error.expected.jsobject"),
    ] {
        let refusal = task::parse_delete(body.as_bytes()).unwrap_err();
        assert_eq!((refusal.status, told(&refusal)), (422, vec![expected.to_owned()]), "{body}");
    }
    assert_eq!(task::parse_delete(br#"{"ids": ["a", "b"]}"#).unwrap().ids, ["a", "b"]);
    assert_eq!(told(&group::parse_patch(b"[]").unwrap_err()), [": error.expected.jsobject"]);
    assert_eq!(
        told(&group::parse_patch(br#"{"enforceRole": true}"#).unwrap_err()),
        ["/enforceRole: enforceRole is not supported by this server"]
    );
    assert_eq!(group::parse_patch(br#"{"enforceRole": false}"#), Ok(Some(false)));
    assert_eq!(group::parse_patch(b"{}"), Ok(None));
}
