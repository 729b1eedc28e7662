//! The zone: all that is known, and the records that follow.

use std::sync::Arc;

use arc_swap::ArcSwap;
use imbl::{OrdMap, OrdSet};

use crate::{
    entries::{of_agent, of_framework, of_masters, of_server, of_task},
    input::{Agent, Framework, Masters, Task},
    name::{Name, is_within},
    records::Records,
    settings::Settings,
    tree::{Entry, Tree},
};

/// All names of the domain. Its owner changes it; what is served is a published copy, which never changes.
///
/// A change costs the records of what changed (for an agent, those of its tasks); a copy costs nothing, as copies share all
/// that did not change. The methods say whether any record changed: if not, there is nothing to publish.
#[derive(Clone, Debug)]
pub struct Zone {
    settings: Arc<Settings>,
    serial: u32,
    tree: Tree,
    masters: Arc<[Entry]>,
    agents: OrdMap<Arc<str>, Known<Agent>>,
    frameworks: OrdMap<Arc<str>, Known<Framework>>,
    tasks: OrdMap<Arc<str>, Known<Task>>,
    /// Agent id → the tasks there, whether or not the agent is known.
    tasks_of_agent: OrdMap<Arc<str>, OrdSet<Arc<str>>>,
}

/// What was told, and the records that stand in the tree for it.
#[derive(Clone, Debug)]
struct Known<T> {
    told: Arc<T>,
    entries: Arc<[Entry]>,
}

/// What there is under a name.
#[derive(Clone, Copy, Debug)]
pub enum Found<'a> {
    /// The name is not in this zone's domain.
    Outside,
    /// There is no such name.
    Nothing,
    /// The name exists, perhaps only because there are names below it.
    Records(&'a Records),
}

impl Zone {
    /// A zone with the server's own name only.
    ///
    /// Its serial number begins at `unix_seconds`, so that it grows from one run of the server to the next.
    pub fn new(settings: Settings, unix_seconds: u32) -> Self {
        let mut tree = Tree::new(settings.domain.clone());
        for entry in of_server(&settings) {
            tree.add(&entry);
        }
        Self {
            settings: Arc::new(settings),
            serial: unix_seconds,
            tree,
            masters: Arc::new([]),
            agents: OrdMap::new(),
            frameworks: OrdMap::new(),
            tasks: OrdMap::new(),
            tasks_of_agent: OrdMap::new(),
        }
    }

    /// What shapes the records.
    pub fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Serial number, for the SOA record.
    pub fn serial(&self) -> u32 {
        self.serial
    }

    /// Takes on a new serial number, greater than any before and at least `unix_seconds`, and puts a copy in service.
    pub fn publish(&mut self, served: &ArcSwap<Self>, unix_seconds: u32) {
        self.serial = self.serial.wrapping_add(1).max(unix_seconds);
        served.store(Arc::new(self.clone()));
    }

    /// Replaces the masters.
    pub fn set_masters(&mut self, masters: &Masters) -> bool {
        let entries = of_masters(masters, &self.settings).into();
        let before = std::mem::replace(&mut self.masters, entries);
        exchange(&mut self.tree, &before, &self.masters)
    }

    /// Adds an agent or changes a known one; its tasks follow.
    pub fn set_agent(&mut self, agent: Agent) -> bool {
        let id: Arc<str> = agent.id.as_str().into();
        let entries: Arc<[Entry]> = of_agent(&agent, &self.settings).into();
        let known = Known { told: Arc::new(agent), entries: Arc::clone(&entries) };
        let before = self.agents.insert(Arc::clone(&id), known);
        let changed = exchange(&mut self.tree, entries_of(&before), &entries);
        self.refresh_tasks_of(&id) || changed
    }

    /// Forgets an agent. The records of its tasks go with it, and come back with it.
    pub fn remove_agent(&mut self, agent_id: &str) -> bool {
        let before = self.agents.remove(agent_id);
        let changed = exchange(&mut self.tree, entries_of(&before), &[]);
        self.refresh_tasks_of(agent_id) || changed
    }

    /// Adds a framework or changes a known one.
    pub fn set_framework(&mut self, framework: Framework) -> bool {
        let entries: Arc<[Entry]> = of_framework(&framework, &self.settings).into();
        let known = Known { entries: Arc::clone(&entries), told: Arc::new(framework) };
        let before = self.frameworks.insert(known.told.id.as_str().into(), known);
        exchange(&mut self.tree, entries_of(&before), &entries)
    }

    /// Forgets a framework; its tasks stay until they are removed themselves.
    pub fn remove_framework(&mut self, framework_id: &str) -> bool {
        let before = self.frameworks.remove(framework_id);
        exchange(&mut self.tree, entries_of(&before), &[])
    }

    /// Adds a task or changes a known one.
    pub fn set_task(&mut self, task: Task) -> bool {
        let id: Arc<str> = task.id.as_str().into();
        let moved_from =
            self.tasks.get(&id).map(|known| known.told.agent_id.clone()).filter(|agent| *agent != task.agent_id);
        if let Some(agent_id) = moved_from {
            self.unlist(&agent_id, &id);
        }
        self.tasks_of_agent.entry(task.agent_id.as_str().into()).or_default().insert(Arc::clone(&id));
        let entries: Arc<[Entry]> = self.entries_of_task(&task).into();
        let known = Known { told: Arc::new(task), entries: Arc::clone(&entries) };
        let before = self.tasks.insert(id, known);
        exchange(&mut self.tree, entries_of(&before), &entries)
    }

    /// Forgets a task.
    pub fn remove_task(&mut self, task_id: &str) -> bool {
        let before = self.tasks.remove(task_id);
        if let Some(known) = &before {
            self.unlist(&known.told.agent_id, task_id);
        }
        exchange(&mut self.tree, entries_of(&before), &[])
    }

    /// What there is under `name`: lower case, without the dot at the end.
    pub fn look_up(&self, name: &str) -> Found<'_> {
        if !is_within(name, self.settings.domain.as_str()) {
            return Found::Outside;
        }
        self.tree.get(name).map_or(Found::Nothing, Found::Records)
    }

    /// Every name that has records, in order.
    pub fn names(&self) -> impl Iterator<Item = (&Name, &Records)> {
        self.tree.iter()
    }

    /// The frameworks, by id.
    pub fn frameworks(&self) -> impl Iterator<Item = &Framework> {
        self.frameworks.values().map(|known| &*known.told)
    }

    /// The tasks, by id, each with the records that it asks for.
    pub fn tasks(&self) -> impl Iterator<Item = (&Task, &[Entry])> {
        self.tasks.values().map(|known| (&*known.told, &*known.entries))
    }

    fn entries_of_task(&self, task: &Task) -> Vec<Entry> {
        match self.agents.get(task.agent_id.as_str()) {
            Some(agent) => of_task(task, &agent.told, &self.settings),
            None => Vec::new(),
        }
    }

    fn refresh_tasks_of(&mut self, agent_id: &str) -> bool {
        let mut changed = false;
        let ids = self.tasks_of_agent.get(agent_id).cloned().unwrap_or_default();
        for id in ids {
            let Some(known) = self.tasks.get(&id) else { continue };
            let entries: Arc<[Entry]> = self.entries_of_task(&known.told).into();
            let known = Known { told: Arc::clone(&known.told), entries: Arc::clone(&entries) };
            let before = self.tasks.insert(id, known);
            changed |= exchange(&mut self.tree, entries_of(&before), &entries);
        }
        changed
    }

    fn unlist(&mut self, agent_id: &str, task_id: &str) {
        if let Some(tasks) = self.tasks_of_agent.get_mut(agent_id) {
            tasks.remove(task_id);
            if tasks.is_empty() {
                self.tasks_of_agent.remove(agent_id);
            }
        }
    }
}

fn entries_of<T>(known: &Option<Known<T>>) -> &[Entry] {
    known.as_ref().map_or(&[], |known| &known.entries)
}

/// Puts `after` in the place of `before`; false if they are the same.
fn exchange(tree: &mut Tree, before: &[Entry], after: &[Entry]) -> bool {
    if before == after {
        return false;
    }
    for entry in after {
        tree.add(entry);
    }
    for entry in before {
        tree.remove(entry);
    }
    true
}

#[cfg(test)]
pub(crate) mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::input::{Discovery, DiscoveryPort};

    pub(crate) fn agent(number: u8) -> Agent {
        Agent { id: format!("c0ffee-S{number}"), addresses: vec![[10, 0, 0, number + 1].into()], port: 5051 }
    }

    /// A task of Marathon's app `/prod/web/api`.
    pub(crate) fn task(id: &str, agent_number: u8, ports: [u16; 2]) -> Task {
        let port = |number, name: &str, protocol: &str| DiscoveryPort {
            number,
            name: Some(name.to_owned()),
            protocol: Some(protocol.to_owned()),
        };
        Task {
            id: id.into(),
            name: "api.web.prod".into(),
            framework: "marathon".into(),
            agent_id: agent(agent_number).id,
            running: true,
            host_ports: ports.to_vec(),
            discovery: Some(Discovery {
                name: "api.web.prod".into(),
                ports: vec![port(ports[0], "http", "tcp"), port(ports[1], "admin", "udp")],
            }),
            ..Task::default()
        }
    }

    fn marathon() -> Framework {
        Framework { id: "f".into(), name: "marathon".into(), addresses: vec![[10, 0, 0, 1].into()], port: None }
    }

    fn lines(zone: &Zone) -> Vec<String> {
        let line = |(name, records): (&Name, &Records)| {
            records.iter().map(|data| format!("{name} {} {data}", data.record_type())).collect::<Vec<_>>()
        };
        zone.names().flat_map(line).collect()
    }

    #[test]
    fn two_tasks_of_an_app_have_the_names_of_the_worked_example() {
        let mut zone = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
        let (one, two) = ("prod_web_api.instance-1", "prod_web_api.instance-2");
        let (h1, h2) = (crate::label::task_hash(one), crate::label::task_hash(two));
        zone.set_agent(agent(0));
        zone.set_agent(agent(1));
        zone.set_framework(marathon());
        zone.set_task(task(one, 0, [31001, 31101]));
        zone.set_task(task(two, 1, [31002, 31102]));
        let mut expected = vec![
            "marathon.mesos. A 10.0.0.1".to_owned(),
            "slave.mesos. A 10.0.0.1".to_owned(),
            "slave.mesos. A 10.0.0.2".to_owned(),
            "_slave._tcp.mesos. SRV slave.mesos.:5051".to_owned(),
        ];
        for name in ["api-web-prod", "api.web.prod"] {
            for (hash, agent, ports) in [(&h1, 0, [31001, 31101]), (&h2, 1, [31002, 31102])] {
                let address = format!("A 10.0.0.{}", agent + 1);
                let canonical = format!("{name}-{hash}-s{agent}");
                for base in ["marathon.mesos.", "marathon.slave.mesos."] {
                    expected.push(format!("{name}.{base} {address}"));
                    expected.push(format!("{canonical}.{base} {address}"));
                }
                for (protocol, port_name, port) in [("tcp", "http", ports[0]), ("udp", "admin", ports[1])] {
                    let target = format!("SRV {canonical}.marathon.mesos.:{port}");
                    expected.push(format!("_{name}._{protocol}.marathon.mesos. {target}"));
                    expected.push(format!("_{port_name}._{name}._{protocol}.marathon.mesos. {target}"));
                    for port in ports {
                        let target = format!("SRV {canonical}.marathon.slave.mesos.:{port}");
                        expected.push(format!("_{name}._{protocol}.marathon.slave.mesos. {target}"));
                    }
                }
            }
        }
        let mut found = lines(&zone);
        expected.sort();
        found.sort();
        assert_eq!(found, expected);
    }

    #[test]
    fn two_tasks_on_one_agent_share_an_address_until_the_last_is_gone() {
        let mut zone = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
        zone.set_agent(agent(0));
        zone.set_task(task("one", 0, [31001, 31101]));
        zone.set_task(task("two", 0, [31002, 31102]));
        let shared =
            |zone: &Zone| lines(zone).iter().filter(|line| line.starts_with("api-web-prod.marathon.mesos.")).count();
        assert_eq!(shared(&zone), 1);
        assert!(zone.remove_task("one"));
        assert_eq!(shared(&zone), 1);
        assert!(zone.remove_task("two"));
        assert_eq!(shared(&zone), 0);
        assert!(matches!(zone.look_up("marathon.mesos"), Found::Nothing));
        assert!(!zone.remove_task("two"));
    }

    #[test]
    fn tasks_follow_their_agent() {
        let mut zone = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
        assert!(!zone.set_task(task("one", 0, [31001, 31101])), "its agent is not known yet");
        assert!(zone.set_agent(agent(0)));
        assert!(lines(&zone).contains(&"api-web-prod.marathon.mesos. A 10.0.0.1".to_owned()));
        assert!(!zone.set_agent(agent(0)), "nothing new");
        assert!(zone.set_agent(Agent { addresses: vec![[10, 9, 9, 9].into()], ..agent(0) }));
        assert!(lines(&zone).contains(&"api-web-prod.marathon.mesos. A 10.9.9.9".to_owned()));
        assert!(zone.remove_agent(&agent(0).id));
        assert_eq!(lines(&zone), Vec::<String>::new());
    }

    #[test]
    fn a_published_zone_does_not_change_and_serials_only_grow() {
        let mut zone = Zone::new(Settings::for_domain("mesos").unwrap(), 100);
        let served = ArcSwap::from_pointee(zone.clone());
        let before = served.load_full();
        zone.set_agent(agent(0));
        assert!(lines(&served.load()).is_empty(), "not published yet");
        zone.publish(&served, 100);
        assert_eq!(served.load().serial(), 101);
        assert_eq!(lines(&served.load()).len(), 2);
        assert!(lines(&before).is_empty());
        zone.publish(&served, 500);
        assert_eq!(served.load().serial(), 500);
        zone.publish(&served, 400);
        assert_eq!(served.load().serial(), 501);
    }

    #[test]
    fn the_server_has_a_name_if_it_is_within_the_domain() {
        let settings =
            Settings { server_addresses: vec![[127, 0, 0, 1].into()], ..Settings::for_domain("mesos").unwrap() };
        assert_eq!(lines(&Zone::new(settings.clone(), 0)), ["ns1.mesos. A 127.0.0.1"]);
        let elsewhere = Settings { soa_mname: Name::new("ns.example.com").unwrap(), ..settings };
        assert!(lines(&Zone::new(elsewhere, 0)).is_empty());
    }

    #[derive(Clone, Debug)]
    enum Step {
        Task(u8, u8, bool, Option<bool>),
        NoTask(u8),
        Agent(u8, u8),
        NoAgent(u8),
    }

    fn step() -> impl Strategy<Value = Step> {
        prop_oneof![
            (0..6u8, 0..3u8, any::<bool>(), any::<Option<bool>>()).prop_map(|(t, a, r, h)| Step::Task(t, a, r, h)),
            (0..6u8).prop_map(Step::NoTask),
            (0..3u8, 0..3u8).prop_map(|(a, ip)| Step::Agent(a, ip)),
            (0..3u8).prop_map(Step::NoAgent),
        ]
    }

    proptest! {
        /// However it came about, the zone is that of what is known.
        #[test]
        fn a_zone_changed_step_by_step_equals_one_built_at_once(steps in proptest::collection::vec(step(), 0..60)) {
            let mut zone = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
            for step in steps {
                let before = lines(&zone);
                let changed = match step {
                    Step::Task(t, a, running, healthy) => {
                        let ports = [31000 + u16::from(t), 31100 + u16::from(t)];
                        zone.set_task(Task { running, healthy, ..task(&format!("task-{t}"), a, ports) })
                    }
                    Step::NoTask(t) => zone.remove_task(&format!("task-{t}")),
                    Step::Agent(a, ip) => zone.set_agent(Agent { addresses: vec![[10, 1, 1, ip].into()], ..agent(a) }),
                    Step::NoAgent(a) => zone.remove_agent(&agent(a).id),
                };
                prop_assert!(changed || lines(&zone) == before, "a change that was not told");
            }
            let mut fresh = Zone::new(Settings::for_domain("mesos").unwrap(), 0);
            for (task, _) in zone.tasks() {
                fresh.set_task(task.clone());
            }
            for agent in zone.agents.values() {
                fresh.set_agent((*agent.told).clone());
            }
            prop_assert_eq!(lines(&zone), lines(&fresh));
            prop_assert!(zone.tasks_of_agent.values().map(OrdSet::len).sum::<usize>() == zone.tasks.len());
        }
    }
}
