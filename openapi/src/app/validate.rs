//! The rules that a complete app definition obeys.

use std::collections::HashSet;

use super::{App, DEFAULT_ROLE, HealthCheck, HealthProtocol, PortDefinition, UnreachableStrategy};
use crate::{error::Violations, path};

/// Everything wrong with a complete definition, each with the path of its member. Empty when all is well.
pub fn validate(app: &App) -> Violations {
    let mut violations = Violations::new();
    identity(app, &mut violations);
    command(app, &mut violations);
    ports(&app.port_definitions, &mut violations);
    for (index, check) in app.health_checks.iter().enumerate() {
        if let Some(message) = health_check_fault(check, app.port_definitions.len()) {
            violations.add(format!("/healthChecks({index})"), message);
        }
    }
    for (index, artifact) in app.fetch.iter().enumerate() {
        if !is_uri(&artifact.uri) {
            violations.add(format!("/fetch({index})/uri"), INVALID_URI);
        }
    }
    environment(app, &mut violations);
    roles(app, &mut violations);
    strategies(app, &mut violations);
    labels(app, &mut violations);
    size(app, &mut violations);
    violations
}

/// Largest definition, in bytes of its JSON: Marathon's limit for one node of ZooKeeper, rounded. Every task carries most of it to
/// its agent, every event of a change to every subscriber, and an agent repeats it for all its tasks when it registers.
pub const MAX_DEFINITION_BYTES: usize = 1 << 20;

fn size(app: &App, violations: &mut Violations) {
    let bytes = serde_json::to_vec(app).map_or(0, |json| json.len());
    if bytes > MAX_DEFINITION_BYTES {
        violations.add("/", format!("must not be larger than {MAX_DEFINITION_BYTES} bytes, but has {bytes}"));
    }
}

fn identity(app: &App, violations: &mut Violations) {
    if app.id == "/" {
        violations.add("/", "must not be root");
    }
    if let Some(message) = path::problem(&app.id) {
        violations.add("/id", message);
    }
    for (index, dependency) in app.dependencies.iter().enumerate() {
        if let Some(message) = path::group_problem(dependency) {
            violations.add(format!("/dependencies({index})"), message);
        }
    }
}

fn command(app: &App, violations: &mut Violations) {
    let (has_cmd, has_args) = (app.cmd.is_some(), !app.args.is_empty());
    if has_cmd == has_args {
        violations.add("/", "AppDefinition must either contain one of 'cmd' or 'args', and/or a 'container'.");
    }
}

fn ports(definitions: &[PortDefinition], violations: &mut Violations) {
    let mut seen = HashSet::new();
    if !definitions.iter().filter(|definition| definition.port != 0).all(|definition| seen.insert(definition.port)) {
        violations.add("/portDefinitions", "Ports must be unique.");
    }
    let mut seen = HashSet::new();
    if !definitions.iter().filter_map(|definition| definition.name.as_ref()).all(|name| seen.insert(name)) {
        violations.add("/portDefinitions", "Port names must be unique.");
    }
}

fn health_check_fault(check: &HealthCheck, ports: usize) -> Option<&'static str> {
    let by_index = match (check.protocol, check.port, check.port_index) {
        (HealthProtocol::Command, _, _) | (_, Some(_), None) => return None,
        (_, Some(_), Some(_)) => return Some("port and portIndex must not be used together"),
        (_, None, Some(index)) => usize::from(index) < ports,
        (_, None, None) => ports == 1,
    };
    let message = "Health check port indices must address an element of the ports array or container port mappings.";
    (!by_index).then_some(message)
}

fn environment(app: &App, violations: &mut Violations) {
    for (index, (name, value)) in app.env.iter().enumerate() {
        if name.is_empty() {
            violations.add(format!("/env/keys({index})"), "must not be empty");
        } else if name.contains(['=', '\0']) {
            violations.add(format!("/env/keys({index})"), "must not contain '=' or a null character");
        }
        if value.contains('\0') {
            violations.add(format!("/env/{name}"), NULL_CHARACTER);
        }
    }
    for (member, text) in [("/cmd", &app.cmd), ("/user", &app.user)] {
        if text.as_ref().is_some_and(|text| text.contains('\0')) {
            violations.add(member, NULL_CHARACTER);
        }
    }
    for (index, argument) in app.args.iter().enumerate() {
        if argument.contains('\0') {
            violations.add(format!("/args({index})"), NULL_CHARACTER);
        }
    }
}

/// No operating system starts a program with such an argument or variable: refused here rather than failing at each launch.
const NULL_CHARACTER: &str = "must not contain a null character";

fn roles(app: &App, violations: &mut Violations) {
    if app.role != DEFAULT_ROLE {
        violations.add("/role", format!("got {}, expected one of: [{DEFAULT_ROLE}]", app.role));
    }
    if app.accepted_resource_roles.iter().any(|role| role != DEFAULT_ROLE) {
        let message = format!("acceptedResourceRoles can only contain * and {}", app.role);
        violations.add("/acceptedResourceRoles", message);
    }
}

fn strategies(app: &App, violations: &mut Violations) {
    match app.unreachable_strategy {
        UnreachableStrategy::Disabled(_) => {}
        UnreachableStrategy::Delays(delays) => {
            let (inactive, expunge) = (delays.inactive_after_seconds, delays.expunge_after_seconds);
            if inactive > expunge {
                violations.add(
                    "/unreachableStrategy/inactiveAfterSeconds",
                    format!(
                        "inactiveAfterSeconds ({inactive}) must be less or equal to expungeAfterSeconds, which is {expunge}"
                    ),
                );
            }
        }
    }
    let strategy = app.upgrade_strategy;
    for (member, share) in [
        ("minimumHealthCapacity", strategy.minimum_health_capacity),
        ("maximumOverCapacity", strategy.maximum_over_capacity),
    ] {
        let path = format!("/upgradeStrategy/{member}");
        if !(0.0..=1.0).contains(&share) {
            violations.add(path, format!("got {share:?}, expected between 0.0 and 1.0"));
        } else if is_single_instance(app) && share != 0.0 {
            violations.add(path, format!("got {share:?}, expected 0.0"));
        }
    }
}

fn is_single_instance(app: &App) -> bool {
    app.labels.get("MARATHON_SINGLE_INSTANCE_APP").is_some_and(|value| value == "true")
}

fn labels(app: &App, violations: &mut Violations) {
    if is_single_instance(app) && app.instances > 1 {
        violations.add("/", "Single instance app may only have one instance");
    }
    let label = |name: &str| app.labels.get(name).map_or("", String::as_str);
    let api_version = label("DCOS_MIGRATION_API_VERSION");
    let is_named = !label("DCOS_PACKAGE_FRAMEWORK_NAME").is_empty() && !label("DCOS_MIGRATION_API_PATH").is_empty();
    let is_known = api_version == "v1" && is_named;
    if !(api_version.is_empty() || is_known) {
        violations.add(
            "/",
            "DCOS_PACKAGE_FRAMEWORK_NAME and DCOS_MIGRATION_API_PATH must be defined when using DCOS_MIGRATION_API_VERSION",
        );
    }
}

pub(super) const INVALID_URI: &str = "URI has invalid syntax.";

/// Whether a text is a URI or a relative reference in the sense of RFC 2396, characters beyond ASCII being allowed.
pub(super) fn is_uri(text: &str) -> bool {
    if text.is_empty() || text.chars().any(|c| c.is_whitespace() || c.is_control() || "\"<>\\^`{|}".contains(c)) {
        return false;
    }
    let is_escape = |rest: &str| rest.len() >= 2 && rest.bytes().take(2).all(|byte| byte.is_ascii_hexdigit());
    if !text.split('%').skip(1).all(is_escape) || text.matches('#').count() > 1 {
        return false;
    }
    let head = text.split(['/', '?', '#']).next().unwrap_or_default();
    let Some((scheme, _)) = head.split_once(':') else {
        return text != "//";
    };
    let rest = &text[scheme.len() + 1..];
    let is_scheme_character = |byte: u8| byte.is_ascii_alphanumeric() || b"+-.".contains(&byte);
    scheme.starts_with(|first: char| first.is_ascii_alphabetic())
        && scheme.bytes().all(is_scheme_character)
        && !matches!(rest, "" | "//")
}

#[cfg(test)]
mod tests {
    use super::is_uri;

    #[test]
    fn uris_are_told_from_other_texts() {
        for text in [
            "http://repo.example/x.tgz",
            "file:///etc/docker.tar.gz",
            "hdfs://name:9000/a%20b",
            "s3://bucket/key?x=1#part",
            "/local/file",
            "file",
            "http://host/ü",
            "http://[::1]:80/x",
        ] {
            assert!(is_uri(text), "{text}");
        }
        for text in
            ["", "not a uri", "http://", "://x", "1http://x", "http:", "http://x/%zz", "http://x/%2", "a\\b", "x#y#z"]
        {
            assert!(!is_uri(text), "{text}");
        }
    }
}
