//! What holds for every body.

use marathon_openapi::{
    app::{self, App},
    error::{ErrorDetails, Refusal},
    group, path,
    selector::LabelSelector,
    task,
};
use proptest::{collection, option, prelude::*, sample};
use serde_json::{Map, Value, json};

/// Names of members that are known, so that a random object often has some.
const NAMES: [&str; 34] = [
    "id",
    "cmd",
    "args",
    "user",
    "env",
    "instances",
    "cpus",
    "mem",
    "disk",
    "gpus",
    "executor",
    "constraints",
    "fetch",
    "uris",
    "ports",
    "portDefinitions",
    "requirePorts",
    "networks",
    "container",
    "healthChecks",
    "backoffSeconds",
    "dependencies",
    "upgradeStrategy",
    "labels",
    "acceptedResourceRoles",
    "role",
    "unreachableStrategy",
    "killSelection",
    "version",
    "apps",
    "groups",
    "scaleBy",
    "ids",
    "path",
];

fn any_json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        (-3i64..70_000).prop_map(Value::from),
        any::<f64>().prop_map(Value::from),
        "[a-zA-Z0-9/._* -]{0,12}".prop_map(Value::from),
        any::<String>().prop_map(Value::from),
        Just(Value::from("2020-03-01T12:00:00Z")),
    ];
    leaf.prop_recursive(6, 80, 8, |inner| {
        let name = prop_oneof![4 => sample::select(&NAMES[..]).prop_map(str::to_owned), 1 => any::<String>()];
        prop_oneof![
            collection::vec(inner.clone(), 0..6).prop_map(Value::from),
            collection::vec((name, inner), 0..8)
                .prop_map(|members| Value::from(members.into_iter().collect::<Map<_, _>>())),
        ]
    })
}

fn is_well_told(refusal: &Refusal) -> bool {
    let is_told = match &refusal.body.details {
        None => true,
        Some(ErrorDetails::Text(text)) => !text.is_empty(),
        Some(ErrorDetails::Fields(fields)) => !fields.is_empty() && fields.iter().all(|field| !field.errors.is_empty()),
    };
    is_told && (refusal.status == 422 || refusal.status == 400) && !refusal.body.message.is_empty()
}

/// A right app as somebody might post it, though with every member of the canonical form spelled in some way.
fn right_app() -> impl Strategy<Value = Value> {
    let id = "[a-z0-9]{1,5}(/[a-z][a-z0-9]{0,4}(-[0-9])?){0,3}/[a-q][a-z0-9]{0,3}(\\.[a-z])?";
    let word = "[A-Za-z0-9_ ]{0,8}";
    let map = || collection::btree_map("[A-Z_]{1,6}", word, 0..4);
    let amounts = (1u32..64_000, 0u32..1_000_000, 0u32..1_000_000, 0u32..50);
    let constraint = prop_oneof![
        Just(json!(["hostname", "UNIQUE"])),
        Just(json!(["rack", "CLUSTER"])),
        Just(json!(["rack", "GROUP_BY", "3"])),
        Just(json!(["rack", "LIKE", "a|b"])),
        Just(json!(["@zone", "IS", "b-1"])),
        Just(json!(["x", "MAX_PER", "2"])),
        Just(json!(["x", "UNLIKE", "[0-9]+"])),
    ];
    let health_check = prop_oneof![
        (0u32..100).prop_map(|interval| json!({ "path": "/", "portIndex": 0, "intervalSeconds": interval })),
        (1u16..9999).prop_map(|port| json!({ "protocol": "TCP", "port": port, "delaySeconds": 1 })),
        Just(json!({ "protocol": "COMMAND", "command": { "value": "true" } })),
        Just(json!({ "protocol": "HTTPS", "ignoreHttp1xx": true })),
    ];
    let lists = (
        collection::vec(constraint, 0..4),
        collection::vec(health_check, 0..4),
        collection::vec(id, 0..3),
        collection::btree_set(1u16..=65535, 1..4),
        collection::vec("[a-z]{1,6}://[a-z]{1,5}/[a-z.]{0,6}", 0..3),
    );
    let strategy = (0u32..=100, 0u32..=100, option::of(0u32..1000), any::<bool>(), any::<bool>());
    (id, any::<bool>(), map(), map(), amounts, lists, strategy).prop_map(
        |(id, as_args, env, labels, amounts, (constraints, checks, dependencies, ports, uris), strategy)| {
            let mut app = json!({
                "id": id, "env": env, "labels": labels, "cpus": f64::from(amounts.0) / 1000.0, "mem": f64::from(amounts.1) / 8.0,
                "disk": amounts.2, "instances": amounts.3, "constraints": constraints, "healthChecks": checks,
                "dependencies": dependencies, "uris": uris,
                "portDefinitions": ports.iter().map(|port| json!({ "port": port, "protocol": "udp,tcp" })).collect::<Vec<_>>(),
                "upgradeStrategy": {
                    "minimumHealthCapacity": f64::from(strategy.0) / 100.0, "maximumOverCapacity": f64::from(strategy.1) / 100.0
                },
                "taskKillGracePeriodSeconds": strategy.2, "requirePorts": strategy.3,
            });
            if strategy.4 {
                app["unreachableStrategy"] = "disabled".into();
            }
            let command = if as_args { ("args", json!(["ls", "-l"])) } else { ("cmd", json!("ls -l")) };
            app[command.0] = command.1;
            app
        },
    )
}

fn parse(value: &Value) -> Result<App, Refusal> {
    app::parse_create(value.to_string().as_bytes())
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_json_makes_a_parser_panic_and_every_refusal_says_why(value in any_json()) {
        let body = value.to_string().into_bytes();
        let refusals = [
            app::parse_create(&body).err(),
            app::parse_replace(&body, "/a").err(),
            app::parse_update(&body).err(),
            app::parse_updates(&body).err(),
            app::parse_replacements(&body).err(),
            group::parse_update(&body, "/g").err(),
            group::parse_patch(&body).err(),
            task::parse_delete(&body).err(),
        ];
        for refusal in refusals.into_iter().flatten() {
            prop_assert!(is_well_told(&refusal), "{refusal:?}");
        }
    }

    #[test]
    fn no_bytes_make_a_parser_panic(body in collection::vec(any::<u8>(), 0..64)) {
        for refusal in [app::parse_create(&body).err(), group::parse_update(&body, "/").err()].into_iter().flatten() {
            prop_assert!(is_well_told(&refusal), "{refusal:?}");
        }
    }

    #[test]
    fn what_is_printed_reads_as_the_same_app(value in right_app()) {
        let app = parse(&value).map_err(|refusal| TestCaseError::fail(format!("{value}: {:?}", refusal.body)))?;
        let printed = serde_json::to_value(&app).unwrap();
        prop_assert_eq!(parse(&printed), Ok(app.clone()));
        prop_assert_eq!(serde_json::from_str::<App>(&serde_json::to_string(&app).unwrap()).unwrap(), app.clone());
        let unchanged = app::AppUpdate::default().merge_into(&app);
        prop_assert_eq!(unchanged.as_ref(), Ok(&app));
    }

    #[test]
    fn a_member_of_the_wrong_type_is_named_by_its_path(
        value in right_app(), name in sample::select(&NAMES[..29])
    ) {
        let mut value = value;
        value[name] = json!([[]]);
        let Err(refusal) = parse(&value) else {
            return Err(TestCaseError::fail(format!("{value} was accepted")));
        };
        let Some(ErrorDetails::Fields(fields)) = refusal.body.details else {
            return Err(TestCaseError::fail("no details"));
        };
        let prefix = format!("/{name}");
        prop_assert!(fields.iter().any(|field| field.path.starts_with(&prefix)), "{name}: {fields:?}");
    }

    #[test]
    fn a_canonical_id_stays_as_it_is(id in "[a-z0-9/.]{0,20}", base in "(/[a-z]{1,3}){1,3}") {
        let canonical = path::resolve(&id, &base);
        prop_assert!(canonical.starts_with('/') && !canonical.contains("//"));
        prop_assert_eq!(path::resolve(&canonical, &base), canonical.clone());
        prop_assert!(canonical == "/" || path::is_child(&canonical, path::parent(&canonical)));
    }

    #[test]
    fn no_text_makes_the_selector_parser_panic(text in "[a-c=!(), \\\\ni\u{e4}]{0,16}") {
        if let Err(error) = LabelSelector::parse(&text) {
            prop_assert!(error.position <= text.chars().count() + 1);
        }
    }
}
