//! Reading health checks out of request bodies.

use super::{Command, HealthCheck, HealthProtocol, IpProtocol};
use crate::read::Node;

/// What a health check may say it does; `None` is known but not supported.
const HEALTH_PROTOCOLS: [(&str, Option<HealthProtocol>); 7] = [
    ("HTTP", Some(HealthProtocol::Http)),
    ("HTTPS", Some(HealthProtocol::Https)),
    ("TCP", Some(HealthProtocol::Tcp)),
    ("COMMAND", Some(HealthProtocol::Command)),
    ("MESOS_HTTP", None),
    ("MESOS_HTTPS", None),
    ("MESOS_TCP", None),
];

/// One health check with its defaults, except the port that it takes when it names none.
pub(super) fn read_health_check(node: &Node<'_>) -> Option<HealthCheck> {
    if !node.is_object() {
        return None;
    }
    let seconds = |name, default| node.member(name).natural().unwrap_or(default);
    let protocol = read_health_protocol(node);
    let is_http = matches!(protocol, HealthProtocol::Http | HealthProtocol::Https);
    let is_command = protocol == HealthProtocol::Command;
    let path = node.member("path").text();
    let port = node.member("port").port();
    let port_index = node.member("portIndex").port();
    let ignore_http1xx = node.member("ignoreHttp1xx").boolean();
    let command = read_command(&node.member("command"));
    if is_command && (path.is_some() || port.is_some()) {
        node.nonsense("Invalid combination of HealthCheck parameters: COMMAND takes neither path nor port");
    }
    if is_command && command.is_none() {
        node.member("command").nonsense("not defined");
    }
    if !is_command && command.is_some() {
        node.nonsense("command is only allowed with the protocol COMMAND");
    }
    check_ip_protocol(node);
    Some(HealthCheck {
        protocol,
        path: path.filter(|_| is_http),
        port,
        port_index: port_index.filter(|_| !is_command),
        command,
        grace_period_seconds: seconds("gracePeriodSeconds", 300),
        interval_seconds: seconds("intervalSeconds", 60),
        timeout_seconds: seconds("timeoutSeconds", 20),
        max_consecutive_failures: seconds("maxConsecutiveFailures", 3),
        delay_seconds: seconds("delaySeconds", 15),
        ip_protocol: IpProtocol::IPv4,
        ignore_http1xx: is_http.then_some(ignore_http1xx.unwrap_or(false)),
    })
}

fn read_health_protocol(check: &Node<'_>) -> HealthProtocol {
    let node = check.member("protocol");
    match node.one_of(&HEALTH_PROTOCOLS) {
        Some(Some(protocol)) => protocol,
        Some(None) => {
            let name = node.raw().as_str().unwrap_or_default().to_ascii_uppercase();
            node.nonsense(format!("health check protocol {name} is not supported by this server"));
            HealthProtocol::Tcp
        }
        None => HealthProtocol::default(),
    }
}

fn read_command(node: &Node<'_>) -> Option<Command> {
    if !node.is_object() {
        return None;
    }
    Some(Command { value: node.required("value").text()? })
}

fn check_ip_protocol(check: &Node<'_>) {
    match check.member("ipProtocol").one_of(&[("IPv4", IpProtocol::IPv4), ("IPv6", IpProtocol::IPv6)]) {
        None | Some(IpProtocol::IPv4) => {}
        Some(IpProtocol::IPv6) => {
            check.nonsense("IPv6 can only be used for container type DOCKER and Mesos http/https/tcp health checks");
        }
    }
}
