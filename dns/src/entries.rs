//! Which records follow from a task, an agent, a framework and the masters.
//!
//! What DNS could not carry is left out, record by record.

use std::net::{IpAddr, SocketAddr};

use crate::{
    input::{Agent, Discovery, Framework, Masters, Task},
    label::{MAX_LABEL, agent_suffix, dotted, label, task_hash},
    name::Name,
    records::Data,
    settings::{IpSource, Settings},
    tree::Entry,
};

const PROTOCOLS: [&str; 2] = ["tcp", "udp"];

/// The server's own name.
pub(crate) fn of_server(settings: &Settings) -> Vec<Entry> {
    let mut list = List::default();
    list.addresses(Some(&settings.soa_mname), &settings.server_addresses);
    list.0
}

/// `leader`, `master`, `master0`, `master1`…, and SRV records of leader and masters.
pub(crate) fn of_masters(masters: &Masters, settings: &Settings) -> Vec<Entry> {
    let domain = settings.domain.as_str();
    let mut list = List::default();
    if let Some(leader) = masters.leader {
        let name = Name::new(&format!("leader.{domain}"));
        list.addresses(name.as_ref(), &[leader.ip()]);
        for protocol in PROTOCOLS {
            list.service(&format!("_leader._{protocol}.{domain}"), name.as_ref(), leader.port());
        }
    }
    let all = Name::new(&format!("master.{domain}"));
    for (index, master) in distinct(masters).into_iter().enumerate() {
        let name = Name::new(&format!("master{index}.{domain}"));
        list.addresses(all.as_ref(), &[master.ip()]);
        list.addresses(name.as_ref(), &[master.ip()]);
        for protocol in PROTOCOLS {
            list.service(&format!("_master._{protocol}.{domain}"), name.as_ref(), master.port());
        }
    }
    list.0
}

/// The known masters, each once, and the leader after them unless its address is among them.
fn distinct(masters: &Masters) -> Vec<SocketAddr> {
    let mut distinct: Vec<SocketAddr> = Vec::new();
    for master in masters.known.iter().chain(&masters.leader) {
        if !distinct.iter().any(|known| known.ip() == master.ip()) {
            distinct.push(*master);
        }
    }
    distinct
}

/// `slave` and `_slave._tcp`.
pub(crate) fn of_agent(agent: &Agent, settings: &Settings) -> Vec<Entry> {
    let domain = settings.domain.as_str();
    let name = Name::new(&format!("slave.{domain}"));
    let mut list = List::default();
    list.addresses(name.as_ref(), &agent.addresses);
    list.service(&format!("_slave._tcp.{domain}"), name.as_ref(), agent.port);
    list.0
}

/// The framework's name, and `_framework._tcp` below it if it listens for messages.
pub(crate) fn of_framework(framework: &Framework, settings: &Settings) -> Vec<Entry> {
    let mut list = List::default();
    let label = dotted(&framework.name, settings.rule);
    let name = Name::new(&format!("{label}.{}", settings.domain.as_str()));
    list.addresses(name.as_ref(), &framework.addresses);
    if let (Some(name), Some(port)) = (&name, framework.port) {
        list.service(&format!("_framework._tcp.{}", name.as_str()), Some(name), port);
    }
    list.0
}

/// Everything under the names of a task, `agent` being the one it runs on.
pub(crate) fn of_task(task: &Task, agent: &Agent, settings: &Settings) -> Vec<Entry> {
    let mut list = List::default();
    let framework = dotted(&task.framework, settings.rule);
    let unhealthy = settings.omit_unhealthy && task.healthy == Some(false);
    if !task.running || unhealthy || framework.is_empty() {
        return list.0;
    }
    let discovery = task.discovery.as_ref().filter(|discovery| !discovery.name.is_empty());
    let spelled = discovery.map_or(task.name.as_str(), |discovery| discovery.name.as_str());
    let clean = label(spelled, settings.rule);
    let mut names = vec![clean];
    if discovery.is_some() {
        // A second set under the name as it was spelled, dots and all: an old form that Mesos-DNS still serves. Lower case, or
        // nobody could ask for it.
        let raw = spelled.to_ascii_lowercase();
        if raw != names[0] {
            names.push(raw);
        }
    }
    for name in names.iter().filter(|name| !name.is_empty()) {
        let forms = Forms::new(name, &framework, task, settings);
        list.addresses(forms.plain.name.as_ref(), task_addresses(task, agent, settings));
        list.addresses(forms.plain.canonical.as_ref(), task_addresses(task, agent, settings));
        list.addresses(forms.on_agent.name.as_ref(), &agent.addresses);
        list.addresses(forms.on_agent.canonical.as_ref(), &agent.addresses);
        match discovery {
            Some(discovery) => services_of_discovery(&mut list, name, &forms, task, discovery, settings),
            None => services_of_ports(&mut list, name, &[&forms.plain, &forms.on_agent], &forms, task),
        }
    }
    list.0
}

/// The names of one task in one tree.
struct Form {
    /// What the tree's names end in: `marathon.mesos` or `marathon.slave.mesos`.
    base: String,
    /// Shared by all tasks of the name.
    name: Option<Name>,
    /// Of this task alone.
    canonical: Option<Name>,
}

/// The names of one task in both trees.
struct Forms {
    plain: Form,
    on_agent: Form,
}

impl Forms {
    fn new(name: &str, framework: &str, task: &Task, settings: &Settings) -> Self {
        let canonical =
            canonical_label(name, &task_hash(&task.id), &label(&agent_suffix(&task.agent_id), settings.rule));
        let form = |base: String| Form {
            name: Name::new(&format!("{name}.{base}")),
            canonical: Name::new(&format!("{canonical}.{base}")),
            base,
        };
        let domain = settings.domain.as_str();
        Self { plain: form(format!("{framework}.{domain}")), on_agent: form(format!("{framework}.slave.{domain}")) }
    }
}

/// `name-hash-suffix`, the name cut where its last label would become too long: then the others still tell the task.
fn canonical_label(name: &str, hash: &str, suffix: &str) -> String {
    let (head, last) = name.rsplit_once('.').map_or(("", name), |(head, last)| (head, last));
    let room = MAX_LABEL.saturating_sub(hash.len() + suffix.len() + 2);
    let last = last[..last.floor_char_boundary(room)].trim_end_matches('-');
    let dot = if head.is_empty() { "" } else { "." };
    format!("{head}{dot}{last}-{hash}-{suffix}")
}

/// The addresses of the first source that has any.
fn task_addresses<'a>(task: &'a Task, agent: &'a Agent, settings: &Settings) -> &'a [IpAddr] {
    let from = |source: &IpSource| match source {
        IpSource::NetInfo => task.addresses.net_info.as_slice(),
        IpSource::Mesos => task.addresses.mesos.as_slice(),
        IpSource::Docker => task.addresses.docker.as_slice(),
        IpSource::Host => agent.addresses.as_slice(),
    };
    settings.ip_sources.iter().map(from).find(|addresses| !addresses.is_empty()).unwrap_or_default()
}

/// One SRV record per host port and protocol in each of `trees`, all leading to the agent.
fn services_of_ports(list: &mut List, name: &str, trees: &[&Form], forms: &Forms, task: &Task) {
    for tree in trees {
        for protocol in PROTOCOLS {
            let owner = format!("_{name}._{protocol}.{}", tree.base);
            for port in &task.host_ports {
                list.service(&owner, forms.on_agent.canonical.as_ref(), *port);
            }
        }
    }
}

/// Host ports in the tree of the agents, discovery ports, named ones also by name, in the plain one.
fn services_of_discovery(
    list: &mut List,
    name: &str,
    forms: &Forms,
    task: &Task,
    discovery: &Discovery,
    settings: &Settings,
) {
    services_of_ports(list, name, &[&forms.on_agent], forms, task);
    for port in &discovery.ports {
        let spelled = port.protocol.as_deref().unwrap_or_default();
        let one = [label(spelled, settings.rule)];
        let protocols: Vec<&str> = if one[0].is_empty() { PROTOCOLS.to_vec() } else { vec![&one[0]] };
        let port_name = label(port.name.as_deref().unwrap_or_default(), settings.rule);
        for protocol in protocols {
            let owner = format!("_{name}._{protocol}.{}", forms.plain.base);
            list.service(&owner, forms.plain.canonical.as_ref(), port.number);
            if !port_name.is_empty() {
                list.service(&format!("_{port_name}.{owner}"), forms.plain.canonical.as_ref(), port.number);
            }
        }
    }
}

#[derive(Default)]
struct List(Vec<Entry>);

impl List {
    fn addresses(&mut self, name: Option<&Name>, addresses: &[IpAddr]) {
        if let Some(name) = name {
            self.0.extend(addresses.iter().map(|address| (name.clone(), Data::Address(*address))));
        }
    }

    fn service(&mut self, owner: &str, target: Option<&Name>, port: u16) {
        if let (Some(owner), Some(target)) = (Name::new(owner), target) {
            self.0.push((owner, Data::Service { target: target.clone(), port }));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::input::{DiscoveryPort, TaskAddresses};

    fn settings() -> Settings {
        Settings::for_domain("mesos").unwrap()
    }

    fn agent() -> Agent {
        Agent { id: "f00-S0".into(), addresses: vec!["10.0.0.1".parse().unwrap()], port: 5051 }
    }

    fn task(name: &str) -> Task {
        Task {
            id: "test".into(),
            name: name.into(),
            framework: "marathon".into(),
            agent_id: "f00-S0".into(),
            running: true,
            host_ports: vec![31001],
            ..Task::default()
        }
    }

    /// One line per record, in order.
    fn lines(mut entries: Vec<Entry>) -> Vec<String> {
        entries.sort();
        entries.dedup();
        entries.iter().map(|(name, data)| format!("{name} {} {data}", data.record_type())).collect()
    }

    #[test]
    fn a_task_without_discovery_is_found_by_its_host_ports_in_both_trees() {
        assert_eq!(
            lines(of_task(&task("Web"), &agent(), &settings())),
            [
                "_web._tcp.marathon.mesos. SRV web-iffe9-s0.marathon.slave.mesos.:31001",
                "_web._tcp.marathon.slave.mesos. SRV web-iffe9-s0.marathon.slave.mesos.:31001",
                "_web._udp.marathon.mesos. SRV web-iffe9-s0.marathon.slave.mesos.:31001",
                "_web._udp.marathon.slave.mesos. SRV web-iffe9-s0.marathon.slave.mesos.:31001",
                "web-iffe9-s0.marathon.mesos. A 10.0.0.1",
                "web-iffe9-s0.marathon.slave.mesos. A 10.0.0.1",
                "web.marathon.mesos. A 10.0.0.1",
                "web.marathon.slave.mesos. A 10.0.0.1",
            ]
        );
    }

    #[test]
    fn a_discovery_port_without_protocol_stands_for_both_and_its_name_is_made_a_label() {
        let port = DiscoveryPort { number: 8080, name: Some("HTTP Port".into()), protocol: None };
        let discovery = Discovery { name: "web".into(), ports: vec![port] };
        let task = Task { discovery: Some(discovery), host_ports: vec![], ..task("ignored") };
        let services: Vec<String> =
            lines(of_task(&task, &agent(), &settings())).into_iter().filter(|line| line.contains("SRV")).collect();
        assert_eq!(
            services,
            [
                "_httpport._web._tcp.marathon.mesos. SRV web-iffe9-s0.marathon.mesos.:8080",
                "_httpport._web._udp.marathon.mesos. SRV web-iffe9-s0.marathon.mesos.:8080",
                "_web._tcp.marathon.mesos. SRV web-iffe9-s0.marathon.mesos.:8080",
                "_web._udp.marathon.mesos. SRV web-iffe9-s0.marathon.mesos.:8080",
            ]
        );
    }

    #[test]
    fn the_first_source_with_an_address_gives_all_of_them() {
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        let addresses = TaskAddresses {
            net_info: vec![],
            mesos: vec![ip("172.16.0.2"), ip("fd00::2")],
            docker: vec![ip("172.17.0.2")],
        };
        let task = Task { addresses, ..task("web") };
        for (sources, expected) in [
            (
                vec![IpSource::NetInfo, IpSource::Mesos, IpSource::Host],
                "web.marathon.mesos. A 172.16.0.2|web.marathon.mesos. AAAA fd00::2",
            ),
            (vec![IpSource::Docker, IpSource::Mesos], "web.marathon.mesos. A 172.17.0.2"),
            (vec![IpSource::Host, IpSource::NetInfo], "web.marathon.mesos. A 10.0.0.1"),
            (vec![IpSource::NetInfo], ""),
        ] {
            let settings = Settings { ip_sources: sources, ..settings() };
            let lines = lines(of_task(&task, &agent(), &settings));
            let shared: Vec<&str> =
                lines.iter().map(String::as_str).filter(|line| line.starts_with("web.marathon.mesos.")).collect();
            assert_eq!(shared.join("|"), expected);
            assert!(lines.contains(&"web.marathon.slave.mesos. A 10.0.0.1".to_owned()));
        }
    }

    #[test]
    fn only_running_tasks_not_known_to_be_unhealthy_have_records() {
        let there = |task: &Task, settings: &Settings| !of_task(task, &agent(), settings).is_empty();
        let settings = settings();
        assert!(there(&Task { healthy: Some(true), ..task("web") }, &settings));
        assert!(there(&Task { healthy: None, ..task("web") }, &settings));
        assert!(!there(&Task { healthy: Some(false), ..task("web") }, &settings));
        assert!(there(
            &Task { healthy: Some(false), ..task("web") },
            &Settings { omit_unhealthy: false, ..settings.clone() }
        ));
        assert!(!there(&Task { running: false, ..task("web") }, &settings));
        assert!(!there(&Task { framework: "%".into(), ..task("web") }, &settings));
        assert!(!there(&task("%"), &settings));
    }

    #[test]
    fn a_name_too_long_for_its_canonical_label_is_cut_there_and_nowhere_else() {
        let name = "x".repeat(60);
        let lines = lines(of_task(&task(&name), &agent(), &settings()));
        let canonical = format!("{}-iffe9-s0.marathon.slave.mesos.", "x".repeat(54));
        assert!(lines.contains(&format!("{canonical} A 10.0.0.1")), "{lines:?}");
        assert!(lines.contains(&format!("_{name}._tcp.marathon.mesos. SRV {canonical}:31001")), "{lines:?}");
        assert!(lines.contains(&format!("{name}.marathon.mesos. A 10.0.0.1")), "{lines:?}");
    }

    #[test]
    fn a_name_of_63_characters_has_addresses_but_no_service() {
        let name = "x".repeat(63);
        let lines = lines(of_task(&task(&name), &agent(), &settings()));
        assert!(lines.contains(&format!("{name}.marathon.mesos. A 10.0.0.1")));
        assert!(!lines.iter().any(|line| line.contains("SRV")));
    }

    #[test]
    fn names_that_dns_cannot_carry_are_left_out_and_the_rest_is_kept() {
        let discovery = Discovery { name: "my app..ä".into(), ports: vec![] };
        let lines = lines(of_task(&Task { discovery: Some(discovery), ..task("x") }, &agent(), &settings()));
        assert!(lines.contains(&"myapp.marathon.mesos. A 10.0.0.1".to_owned()), "{lines:?}");
        assert!(lines.iter().all(|line| !line.contains("..")), "{lines:?}");
    }

    #[test]
    fn masters_are_numbered_in_the_order_of_the_list_and_the_leader_keeps_its_place() {
        let at = |text: &str| text.parse::<SocketAddr>().unwrap();
        let known = vec![at("10.0.0.1:5050"), at("10.0.0.2:5050"), at("10.0.0.1:5050")];
        let masters = Masters { leader: Some(at("10.0.0.2:5050")), known: known.clone() };
        assert_eq!(
            lines(of_masters(&masters, &settings())),
            [
                "_leader._tcp.mesos. SRV leader.mesos.:5050",
                "_leader._udp.mesos. SRV leader.mesos.:5050",
                "_master._tcp.mesos. SRV master0.mesos.:5050",
                "_master._tcp.mesos. SRV master1.mesos.:5050",
                "_master._udp.mesos. SRV master0.mesos.:5050",
                "_master._udp.mesos. SRV master1.mesos.:5050",
                "leader.mesos. A 10.0.0.2",
                "master.mesos. A 10.0.0.1",
                "master.mesos. A 10.0.0.2",
                "master0.mesos. A 10.0.0.1",
                "master1.mesos. A 10.0.0.2",
            ]
        );
        let masters = Masters { leader: Some(at("[fd00::1]:5050")), known };
        assert!(lines(of_masters(&masters, &settings())).contains(&"master2.mesos. AAAA fd00::1".to_owned()));
    }

    #[test]
    fn a_framework_has_a_service_only_if_it_listens() {
        let framework =
            Framework { id: "f".into(), name: "Chronos 2.4_x".into(), addresses: agent().addresses, port: None };
        assert_eq!(lines(of_framework(&framework, &settings())), ["chronos2.4-x.mesos. A 10.0.0.1"]);
        let lines = lines(of_framework(&Framework { port: Some(9090), ..framework }, &settings()));
        assert!(lines.contains(&"_framework._tcp.chronos2.4-x.mesos. SRV chronos2.4-x.mesos.:9090".to_owned()));
    }
}
