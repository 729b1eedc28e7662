//! How resources, attributes, states and times look in `/state` and its like.
//!
//! Source: Mesos documentation, "/master/state", and the readers of it: scalars are numbers, ranges and sets are texts, every
//! status has a timestamp.

use std::net::IpAddr;

use serde_json::{Map, Value, json};
use substrate_core::{
    protocol::{
        offer::{Attribute, AttributeValue, Domain, Labels},
        task::{DiscoveryInfo, TaskStatus},
    },
    resources::{Kind, Quantity, Resources},
};

/// Named even where there is none of them.
const ALWAYS: [&str; 4] = ["cpus", "gpus", "mem", "disk"];

/// A resources object: `{"cpus": 4.0, …, "ports": "[31000-32000]"}`, over all reservations.
pub(crate) fn resources(resources: &Resources) -> Value {
    let mut object: Map<String, Value> = ALWAYS.iter().map(|name| ((*name).to_owned(), json!(0.0))).collect();
    for name in resources.names() {
        let scalar = resources.scalar(name);
        let value = if !scalar.is_zero() {
            json!(scalar.as_f64())
        } else if !resources.set(name).is_empty() {
            let members: Vec<String> = resources.set(name).into_iter().collect();
            json!(format!("{{{}}}", members.join(", ")))
        } else {
            json!(ranges(resources.ranges(name).intervals().iter().copied()))
        };
        object.insert(name.to_owned(), value);
    }
    Value::Object(object)
}

/// The part of each role that has a part of its own.
pub(crate) fn reserved_resources(all: &Resources) -> Value {
    let mut by_role: std::collections::BTreeMap<String, Resources> = std::collections::BTreeMap::new();
    for (kind, quantity) in all.iter() {
        let Kind { name, role: Some(role) } = kind else { continue };
        let quantity: Quantity = quantity;
        by_role.entry(role.to_string()).or_default().insert(Kind::unreserved(&name), quantity);
    }
    by_role.iter().map(|(role, part)| (role.clone(), resources(part))).collect::<Map<_, _>>().into()
}

/// `[31000-31009, 31020-31020]`.
pub(crate) fn ranges(ranges: impl Iterator<Item = (u64, u64)>) -> String {
    let texts: Vec<String> = ranges.map(|(first, last)| format!("{first}-{last}")).collect();
    format!("[{}]", texts.join(", "))
}

/// Of attributes with the same name the first is told.
pub(crate) fn attributes(attributes: &[Attribute]) -> Value {
    let mut object = Map::new();
    for attribute in attributes {
        let value = match &attribute.value {
            AttributeValue::Text(text) => json!(text),
            AttributeValue::Scalar(scalar) => json!(scalar.as_f64()),
            AttributeValue::Ranges(values) => json!(ranges(values.iter().copied())),
            AttributeValue::Set(members) => json!(format!("{{{}}}", members.join(", "))),
        };
        object.entry(attribute.name.clone()).or_insert(value);
    }
    Value::Object(object)
}

/// A fault domain.
pub(crate) fn domain(domain: &Domain) -> Value {
    json!({"fault_domain": {"region": {"name": domain.region}, "zone": {"name": domain.zone}}})
}

/// Labels as a list of keys and values.
pub(crate) fn labels(labels: &Labels) -> Value {
    labels.iter().map(|(key, value)| json!({"key": key, "value": value})).collect()
}

/// One status. `default_ip` stands in for a task that has no addresses of its own.
pub(crate) fn status(status: &TaskStatus, default_ip: Option<&str>) -> Value {
    let mut object = json!({"state": status.state.as_str(), "timestamp": status.timestamp.as_secs_f64()});
    if let Some(healthy) = status.healthy {
        object["healthy"] = json!(healthy);
    }
    let own = status.ip_addresses.iter().copied();
    let fallback = default_ip.and_then(|ip| ip.parse::<IpAddr>().ok()).filter(|_| status.ip_addresses.is_empty());
    let addresses: Vec<Value> = own.chain(fallback).map(ip_address).collect();
    let mut container = Map::new();
    if let Some(id) = &status.container_id {
        container.insert("container_id".to_owned(), json!({"value": id.as_str()}));
    }
    if !addresses.is_empty() {
        container.insert("network_infos".to_owned(), json!([{"ip_addresses": addresses}]));
    }
    if !container.is_empty() {
        object["container_status"] = Value::Object(container);
    }
    object
}

fn ip_address(ip: IpAddr) -> Value {
    let protocol = if ip.is_ipv4() { "IPv4" } else { "IPv6" };
    json!({"protocol": protocol, "ip_address": ip.to_string()})
}

/// Discovery as protobuf prints it.
pub(crate) fn discovery(discovery: &DiscoveryInfo) -> Value {
    let ports: Vec<Value> = discovery
        .ports
        .iter()
        .map(|port| {
            let mut object = json!({"number": port.number, "protocol": port.protocol});
            if let Some(name) = &port.name {
                object["name"] = json!(name);
            }
            if !port.labels.is_empty() {
                object["labels"] = json!({"labels": labels(&port.labels)});
            }
            object
        })
        .collect();
    json!({"visibility": "FRAMEWORK", "name": discovery.name, "ports": {"ports": ports}})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn resources_look_as_mesos_prints_them() {
        let some: Resources = "cpus:4;mem(ops):512.5;ports:[31000-31009,31020-31020];disks:{a,b}".parse().unwrap();
        let expected = json!({
            "cpus": 4.0, "gpus": 0.0, "mem": 512.5, "disk": 0.0,
            "ports": "[31000-31009, 31020-31020]", "disks": "{a, b}",
        });
        assert_eq!(resources(&some), expected);
        let reserved = json!({"ops": {"cpus": 0.0, "gpus": 0.0, "mem": 512.5, "disk": 0.0}});
        assert_eq!(reserved_resources(&some), reserved);
        assert_eq!(resources(&Resources::new()), json!({"cpus": 0.0, "gpus": 0.0, "mem": 0.0, "disk": 0.0}));
    }

    #[test]
    fn attributes_are_numbers_or_texts_and_the_first_of_a_name_counts() {
        let some = substrate_core::resources::parse_attributes("rack:r1;ssd:1;rack:r2;v:[1-2];s:{x,y}").unwrap();
        assert_eq!(attributes(&some), json!({"rack": "r1", "ssd": 1.0, "v": "[1-2]", "s": "{x, y}"}));
    }
}
