//! Reading app definitions out of request bodies.

use std::{ops::RangeInclusive, sync::LazyLock};

use regex::Regex;
use serde_json::Value;

use super::{
    App, AppChange, AppUpdate, Artifact, KillSelection, PortDefinition, PortProtocol, UnreachableDelays,
    UnreachableStrategy, UpgradeStrategy,
    health_check::read_health_check,
    validate::{INVALID_URI, is_uri},
};
use crate::{
    error::Refusal,
    path,
    read::{MAX_AMOUNT, Node, document},
};

/// The app that a POST of `body` creates; a relative id is taken from the root.
///
/// # Errors
/// 400 or 422 with everything that is wrong.
pub fn parse_create(body: &[u8]) -> Result<App, Refusal> {
    document(body, |node| {
        let update = read_app(node);
        complete(node, update, |id| path::resolve(id, "/"))
    })
}

/// The complete definition in `body` for the app with the canonical id `id`; an id in the body is ignored.
///
/// # Errors
/// 400 or 422 with everything that is wrong.
pub fn parse_replace(body: &[u8], id: &str) -> Result<App, Refusal> {
    document(body, |node| {
        let mut update = read_members(node);
        update.id = Some(id.to_owned());
        complete(node, update, str::to_owned)
    })
}

/// What `body` asks to change in an existing app; an id in the body is to be ignored.
///
/// # Errors
/// 400 or 422 with everything that is wrong with the body. The resulting definition is checked by [`AppUpdate::merge_into`].
pub fn parse_update(body: &[u8]) -> Result<AppChange, Refusal> {
    document(body, |node| {
        let update = read_members(node);
        Some(as_change(node, update))
    })
}

/// What an array of partial updates asks for: canonical ids with their changes, in the order of the body.
///
/// # Errors
/// 400 or 422 with everything that is wrong with the body.
pub fn parse_updates(body: &[u8]) -> Result<Vec<(String, AppChange)>, Refusal> {
    let updates = document(body, |node| {
        node.list(|item| {
            let update = read_members(item);
            Some((update.id.as_ref().map(|id| path::resolve(id, "/")), as_change(item, update)))
        })
    })?;
    let with_id = |(id, change): (Option<String>, AppChange)| id.map(|id| (id, change));
    let with_ids: Option<Vec<_>> = updates.into_iter().map(with_id).collect();
    with_ids.ok_or_else(|| Refusal::unprocessable("requirement failed: App Update must have app id set"))
}

/// An array of complete definitions, in the order of the body.
///
/// # Errors
/// 400 or 422 with everything that is wrong.
pub fn parse_replacements(body: &[u8]) -> Result<Vec<App>, Refusal> {
    document(body, |node| {
        node.list(|item| {
            let update = read_app(item);
            complete(item, update, |id| path::resolve(id, "/"))
        })
    })
}

fn complete(node: &Node<'_>, update: AppUpdate, resolve: impl FnOnce(&str) -> String) -> Option<App> {
    let id = resolve(update.id.as_deref()?);
    update.complete(&id).map_err(|violations| node.all_nonsense(violations)).ok()
}

fn as_change(node: &Node<'_>, update: AppUpdate) -> AppChange {
    let Some(version) = update.version else {
        return AppChange::Update(Box::new(update));
    };
    let alone = AppUpdate { id: update.id.clone(), version: update.version, ..AppUpdate::default() };
    if update != alone {
        node.nonsense("The 'version' field may only be combined with the 'id' field.");
    }
    AppChange::Rollback(version)
}

/// A complete definition: its id must be there.
pub(crate) fn read_app(node: &Node<'_>) -> AppUpdate {
    let update = read_members(node);
    if node.raw().is_object() {
        node.required("id");
    }
    update
}

fn read_members(node: &Node<'_>) -> AppUpdate {
    if !node.is_object() {
        return AppUpdate::default();
    }
    refuse_unsupported(node);
    AppUpdate {
        id: node.member("id").path_id(),
        cmd: node.member("cmd").text_of(1..=usize::MAX),
        args: node.member("args").list(|item| item.text()),
        user: node.member("user").text(),
        env: node.member("env").map(read_variable),
        instances: node.member("instances").natural(),
        cpus: node.member("cpus").number(0.001..=MAX_AMOUNT),
        mem: node.member("mem").number(0.0..=MAX_AMOUNT),
        disk: node.member("disk").number(0.0..=MAX_AMOUNT),
        constraints: node.member("constraints").list(read_constraint),
        fetch: read_fetch(node),
        port_definitions: read_ports(node),
        require_ports: node.member("requirePorts").boolean(),
        health_checks: node.member("healthChecks").list(read_health_check),
        backoff_seconds: node.member("backoffSeconds").natural(),
        backoff_factor: node.member("backoffFactor").number(1.0..=MAX_AMOUNT),
        max_launch_delay_seconds: node.member("maxLaunchDelaySeconds").natural(),
        task_kill_grace_period_seconds: node.member("taskKillGracePeriodSeconds").natural(),
        dependencies: node.member("dependencies").list(|item| item.path_id()),
        upgrade_strategy: read_upgrade_strategy(&node.member("upgradeStrategy")),
        labels: node.member("labels").map(|item| item.text()),
        accepted_resource_roles: node.member("acceptedResourceRoles").list(|item| item.text()),
        unreachable_strategy: read_unreachable_strategy(&node.member("unreachableStrategy")),
        kill_selection: node
            .member("killSelection")
            .one_of(&[("YOUNGEST_FIRST", KillSelection::YoungestFirst), ("OLDEST_FIRST", KillSelection::OldestFirst)]),
        version: node.member("version").timestamp(),
    }
}

/// Members that this API knows and this server does not support pass only with a value that asks for nothing.
fn refuse_unsupported(node: &Node<'_>) {
    for name in ["container", "ipAddress", "check"] {
        node.member(name).unsupported(|_| false);
    }
    for name in ["secrets", "readinessChecks", "executorResources", "resourceLimits", "residency", "storeUrls"] {
        node.member(name).unsupported(is_empty);
    }
    node.member("gpus").unsupported(|value| value.as_f64() == Some(0.0));
    node.member("executor").unsupported(|value| value == "");
    node.member("tty").unsupported(|value| value == false);
    let role = node.member("role");
    if let Some(name) = role.text_of(1..=usize::MAX)
        && name != super::DEFAULT_ROLE
    {
        role.nonsense(format!("got {name}, expected one of: [{}]", super::DEFAULT_ROLE));
    }
    check_networks(&node.member("networks"));
}

fn is_empty(value: &Value) -> bool {
    value.as_object().is_some_and(|members| members.is_empty())
        || value.as_array().is_some_and(|items| items.is_empty())
}

/// Only the host's own network is supported, which is also what an empty list means.
fn check_networks(networks: &Node<'_>) {
    let modes = networks.list(|network| {
        if !network.is_object() {
            return None;
        }
        let mode = network.member("mode");
        let names = ["host", "container", "container/bridge"];
        let is_host = match mode.one_of(&names.map(|name| (name, name))) {
            Some(name) if name == names[0] => true,
            Some(name) => {
                mode.nonsense(format!("network mode '{name}' is not supported by this server"));
                false
            }
            None if !mode.is_present() => {
                mode.nonsense("network mode 'container' is not supported by this server");
                false
            }
            None => false,
        };
        let has_labels = network.member("labels").map(|item| item.text()).is_some_and(|labels| !labels.is_empty());
        if is_host && (network.member("name").text().is_some() || has_labels) {
            networks.nonsense("Host networks may not have names or labels");
        }
        Some(())
    });
    if modes.is_some_and(|modes| modes.len() > 1) {
        networks
            .nonsense("May specify a single host network, single bridge network, or else 1-to-n container networks");
    }
}

fn read_variable(node: &Node<'_>) -> Option<String> {
    if node.raw().is_object() {
        node.required("secret").text();
        node.nonsense("secret references are not supported by this server");
        return None;
    }
    node.text()
}

fn read_constraint(node: &Node<'_>) -> Option<Vec<String>> {
    let parts = node.list(|item| item.text())?;
    match node.raw().as_array().map_or(0, Vec::len) {
        0 | 1 => node.fault("error.minLength"),
        2 | 3 => {}
        _ => node.fault("error.maxLength"),
    }
    Some(parts)
}

/// `fetch`, or what the deprecated `uris` mean in its place.
fn read_fetch(node: &Node<'_>) -> Option<Vec<Artifact>> {
    let fetch = node.member("fetch").list(read_artifact);
    let uris = node.member("uris").list(|uri| {
        let text = uri.text()?;
        if !is_uri(&text) {
            uri.nonsense(INVALID_URI);
        }
        Some(text)
    });
    let Some(uris) = uris else { return fetch };
    match fetch {
        Some(fetch) if !fetch.is_empty() => {
            if !uris.is_empty() {
                node.member("uris").nonsense("may not be set in conjunction with fetch");
            }
            Some(fetch)
        }
        Some(_) | None => Some(uris.into_iter().map(artifact_of).collect()),
    }
}

fn artifact_of(uri: String) -> Artifact {
    const ARCHIVES: [&str; 9] = [".tgz", ".tar.gz", ".tbz2", ".tar.bz2", ".txz", ".tar.xz", ".zip", ".tar", ".gz"];
    let extract = ARCHIVES.iter().any(|suffix| uri.ends_with(suffix));
    Artifact { uri, extract, executable: false, cache: false, dest_path: None }
}

const ARTIFACT_TEXT: RangeInclusive<usize> = 1..=1024;

fn read_artifact(node: &Node<'_>) -> Option<Artifact> {
    if !node.is_object() {
        return None;
    }
    Some(Artifact {
        uri: node.required("uri").text_of(ARTIFACT_TEXT)?,
        extract: node.member("extract").boolean().unwrap_or(true),
        executable: node.member("executable").boolean().unwrap_or(false),
        cache: node.member("cache").boolean().unwrap_or(false),
        dest_path: node.member("destPath").text_of(ARTIFACT_TEXT),
    })
}

/// `portDefinitions`, or what the deprecated `ports` mean in their place.
fn read_ports(node: &Node<'_>) -> Option<Vec<PortDefinition>> {
    let definitions = node.member("portDefinitions").list(read_port_definition);
    let Some(ports) = node.member("ports").list(|item| item.port()) else {
        return definitions;
    };
    let mut numbers: Vec<u16> = ports.iter().copied().filter(|port| *port != 0).collect();
    numbers.sort_unstable();
    if numbers.windows(2).any(|pair| pair[0] == pair[1]) {
        node.nonsense("ports must be unique");
    }
    match definitions {
        Some(definitions) => {
            if !definitions.iter().map(|definition| definition.port).eq(ports) {
                node.nonsense("cannot specify both ports and port definitions");
            }
            Some(definitions)
        }
        None => Some(ports.into_iter().map(plain_port).collect()),
    }
}

fn plain_port(port: u16) -> PortDefinition {
    PortDefinition { port, protocol: PortProtocol::Tcp, name: None, labels: Default::default() }
}

static PORT_NAME: LazyLock<Regex> =
    LazyLock::new(|| Regex::new("^[a-z0-9]([-a-z0-9]*[a-z0-9])?$").expect("the pattern is well-formed"));

fn read_port_definition(node: &Node<'_>) -> Option<PortDefinition> {
    if !node.is_object() {
        return None;
    }
    let protocols = [
        ("tcp", PortProtocol::Tcp),
        ("udp", PortProtocol::Udp),
        ("udp,tcp", PortProtocol::UdpTcp),
        ("tcp,udp", PortProtocol::UdpTcp),
    ];
    let name = node.member("name").text();
    if name.as_ref().is_some_and(|name| !PORT_NAME.is_match(name)) {
        node.member("name").fault("error.pattern");
    }
    Some(PortDefinition {
        port: node.member("port").port().unwrap_or(0),
        protocol: node.member("protocol").one_of(&protocols).unwrap_or_default(),
        name,
        labels: node.member("labels").map(|item| item.text()).unwrap_or_default(),
    })
}

fn read_upgrade_strategy(node: &Node<'_>) -> Option<UpgradeStrategy> {
    if !node.is_object() {
        return None;
    }
    let (minimum, maximum) = (node.required("minimumHealthCapacity"), node.required("maximumOverCapacity"));
    Some(UpgradeStrategy {
        minimum_health_capacity: minimum.number(0.0..=1.0)?,
        maximum_over_capacity: maximum.number(0.0..=1.0)?,
    })
}

/// Any text means `disabled`, as it always did.
fn read_unreachable_strategy(node: &Node<'_>) -> Option<UnreachableStrategy> {
    if node.raw().is_string() {
        return Some(UnreachableStrategy::DISABLED);
    }
    if !node.is_object() {
        return None;
    }
    Some(UnreachableStrategy::Delays(UnreachableDelays {
        inactive_after_seconds: node.member("inactiveAfterSeconds").long().unwrap_or(0),
        expunge_after_seconds: node.member("expungeAfterSeconds").long().unwrap_or(0),
    }))
}
