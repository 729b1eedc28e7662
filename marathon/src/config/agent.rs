//! Agents, checked.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    path::{Path, PathBuf},
};

use reqwest::Url;
use substrate::agent::{AgentConfig, ContainerizerKind};
use substrate_core::{
    protocol::offer::{Attribute, AttributeValue},
    resources::{Resources, parse_attributes},
};

use super::{
    AgentFlags, InvalidFlag,
    machine::{Machine, overlay},
    servers::advertised_name,
};

/// This very program, even after its file was replaced.
const OWN_PROGRAM: &str = "/proc/self/exe";

/// What runs tasks.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Containerizer {
    /// Processes of this machine.
    Process,
    /// Nothing, for measurements.
    Simulated,
}

impl Containerizer {
    /// Reads the value of `--containerizers`.
    pub fn parse(text: &str) -> Result<Self, InvalidFlag> {
        match text.trim() {
            "process" => Ok(Self::Process),
            "simulated" => Ok(Self::Simulated),
            _ => {
                let reason = "expected 'process' or 'simulated'; several at once and 'docker' are not supported yet";
                Err(InvalidFlag::new("containerizers", text, reason))
            }
        }
    }

    fn kind(self) -> ContainerizerKind {
        match self {
            Self::Process => ContainerizerKind::Process { program: PathBuf::from(OWN_PROGRAM) },
            Self::Simulated => ContainerizerKind::Simulated,
        }
    }
}

/// The local agents of `up`, checked.
#[derive(Clone, Debug)]
pub struct LocalAgents {
    /// How many.
    pub count: u16,
    /// Port of each, on its own address.
    pub port: u16,
    /// What they offer instead of what is found.
    pub resources: Resources,
    /// What they are, beside the usual.
    pub attributes: Vec<Attribute>,
    /// What runs their tasks.
    pub containerizer: Containerizer,
}

impl LocalAgents {
    /// Checks what was typed.
    pub fn check(
        count: u16,
        port: u16,
        resources: Option<&str>,
        attributes: Option<&str>,
        containerizers: &str,
    ) -> Result<Self, InvalidFlag> {
        let resources = given_resources(resources)?;
        let ports = resources.ports();
        if !ports.is_empty() && ports.count() < u64::from(count) {
            let reason = format!("{} ports cannot be shared out among {count} agents", ports.count());
            return Err(InvalidFlag::new("resources", &resources, reason));
        }
        Ok(Self {
            count,
            port,
            resources,
            attributes: given_attributes(attributes)?,
            containerizer: Containerizer::parse(containerizers)?,
        })
    }

    /// Local agent `number`, counted from 1, of the master at `master`; `work_dir` exists. Its address is that many above the
    /// first loopback address.
    pub fn agent(&self, number: u16, work_dir: &Path, master: SocketAddr) -> AgentConfig {
        let ip = Ipv4Addr::from(u32::from(Ipv4Addr::LOCALHOST) + u32::from(number - 1)).to_string();
        let machine = Machine::discover(work_dir);
        AgentConfig {
            masters: vec![local_url(master)],
            work_dir: work_dir.to_owned(),
            hostname: ip.clone(),
            ip,
            port: self.port,
            resources: machine.part(number.into(), self.count.into(), &self.resources),
            attributes: self.attributes_of(number),
            domain: None,
            containerizer: self.containerizer.kind(),
        }
    }

    fn attributes_of(&self, number: u16) -> Vec<Attribute> {
        let text = |name: &str, value: String| Attribute { name: name.to_owned(), value: AttributeValue::Text(value) };
        let usual = [text("rack", format!("rack-{number}")), text("zone", "local".to_owned())];
        let is_given = |name: &str| self.attributes.iter().any(|given| given.name == name);
        usual.into_iter().filter(|usual| !is_given(&usual.name)).chain(self.attributes.clone()).collect()
    }
}

/// A lone agent, checked except for what its work directory decides.
#[derive(Clone, Debug)]
pub struct AgentSetup {
    masters: Vec<Url>,
    hostname: String,
    ip: IpAddr,
    port: u16,
    resources: Resources,
    attributes: Vec<Attribute>,
    containerizer: Containerizer,
    /// Where it keeps everything.
    pub work_dir: PathBuf,
}

impl AgentFlags {
    /// Checks what was typed.
    pub fn check(self) -> Result<AgentSetup, InvalidFlag> {
        Ok(AgentSetup {
            masters: master_urls(&self.master)?,
            hostname: advertised_name(self.hostname, self.ip),
            ip: self.ip,
            port: self.port,
            resources: given_resources(self.resources.as_deref())?,
            attributes: given_attributes(self.attributes.as_deref())?,
            containerizer: Containerizer::parse(&self.containerizers)?,
            work_dir: self.work_dir,
        })
    }
}

impl AgentSetup {
    /// The agent; its work directory exists.
    pub fn agent(self) -> AgentConfig {
        let machine = Machine::discover(&self.work_dir);
        AgentConfig {
            masters: self.masters,
            work_dir: self.work_dir,
            hostname: self.hostname,
            ip: self.ip.to_string(),
            port: self.port,
            resources: overlay(machine.whole(), &self.resources),
            attributes: self.attributes,
            domain: None,
            containerizer: self.containerizer.kind(),
        }
    }
}

/// Reads `http://HOST:5050[,HOST:5050…]`.
fn master_urls(text: &str) -> Result<Vec<Url>, InvalidFlag> {
    let refused = |reason: &str| InvalidFlag::new("master", text, reason);
    if text.starts_with("zk://") {
        return Err(refused("ZooKeeper is not used here; expected http://HOST:PORT[,HOST:PORT…]"));
    }
    let with_scheme = |item: &str| if item.contains("://") { item.to_owned() } else { format!("http://{item}") };
    let parse = |item: &str| match Url::parse(&with_scheme(item)) {
        Ok(url) if url.scheme() == "http" && url.has_host() => Ok(url),
        Ok(_) => Err(refused("expected http://HOST:PORT[,HOST:PORT…]")),
        Err(error) => Err(refused(&error.to_string())),
    };
    text.split(',').map(|item| parse(item.trim())).collect()
}

/// How a process of this machine reaches a master that listens on `address`.
fn local_url(address: SocketAddr) -> Url {
    let ip = match address.ip() {
        ip if !ip.is_unspecified() => ip,
        IpAddr::V4(_) => Ipv4Addr::LOCALHOST.into(),
        IpAddr::V6(_) => Ipv6Addr::LOCALHOST.into(),
    };
    let text = format!("http://{}", SocketAddr::new(ip, address.port()));
    Url::parse(&text).expect("a socket address is a host and a port")
}

fn given_resources(text: Option<&str>) -> Result<Resources, InvalidFlag> {
    let text = text.unwrap_or_default();
    text.parse().map_err(|error| InvalidFlag::new("resources", text, error))
}

fn given_attributes(text: Option<&str>) -> Result<Vec<Attribute>, InvalidFlag> {
    let text = text.unwrap_or_default();
    parse_attributes(text).map_err(|error| InvalidFlag::new("attributes", text, error))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn agents(count: u16, resources: &str, attributes: &str) -> LocalAgents {
        LocalAgents::check(count, 5051, Some(resources), Some(attributes), "process").unwrap()
    }

    #[test]
    fn local_agents_have_addresses_racks_and_ports_of_their_own() {
        let agents = agents(3, "", "");
        let master = "0.0.0.0:5050".parse().unwrap();
        let all: Vec<AgentConfig> = (1..=3).map(|number| agents.agent(number, Path::new("/"), master)).collect();
        for (number, agent) in (1..).zip(&all) {
            let ip = format!("127.0.0.{number}");
            assert_eq!((&agent.ip, &agent.hostname, agent.port), (&ip, &ip, 5051));
            assert_eq!(agent.masters[0].as_str(), "http://127.0.0.1:5050/");
            let attributes: Vec<_> = agent.attributes.iter().map(|attribute| attribute.name.as_str()).collect();
            assert_eq!(attributes, ["rack", "zone"]);
            assert_eq!(agent.attributes[0].value, AttributeValue::Text(format!("rack-{number}")));
        }
        assert!(!all[0].resources.overlaps(&Resources::new().with_ports(all[1].resources.ports())));
    }

    #[test]
    fn given_attributes_come_on_top_of_the_usual_ones_or_replace_them() {
        let agents = agents(1, "", "zone:z;ssd:true");
        let attributes = agents.attributes_of(1);
        let names: Vec<_> = attributes.iter().map(|attribute| attribute.name.as_str()).collect();
        assert_eq!(names, ["rack", "zone", "ssd"]);
        assert_eq!(attributes[1].value, AttributeValue::Text("z".into()));
    }

    #[test]
    fn what_makes_no_sense_is_refused_with_the_flag_and_the_value() {
        let check = |resources, attributes, containerizers| {
            LocalAgents::check(3, 5051, Some(resources), Some(attributes), containerizers).unwrap_err().to_string()
        };
        let text = check("cpus:many", "", "process");
        assert!(text.starts_with("invalid value 'cpus:many' for '--resources': 'cpus' has the value 'many'"), "{text}");
        let text = check("ports:[1-2]", "", "process");
        assert!(text.ends_with("2 ports cannot be shared out among 3 agents"), "{text}");
        let text = check("", "rack", "process");
        assert!(text.starts_with("invalid value 'rack' for '--attributes'"), "{text}");
        for containerizers in ["docker", "process,docker", ""] {
            let text = check("", "", containerizers);
            assert!(text.starts_with(&format!("invalid value '{containerizers}' for '--containerizers'")), "{text}");
        }
    }

    #[test]
    fn masters_are_urls_or_hosts_with_ports() {
        let urls = master_urls("http://a:5050, b:5051").unwrap();
        assert_eq!(urls.iter().map(Url::as_str).collect::<Vec<_>>(), ["http://a:5050/", "http://b:5051/"]);
        for text in ["", "zk://a:2181/mesos", "https://a:5050", "http://", "a:b"] {
            let error = master_urls(text).unwrap_err().to_string();
            assert!(error.starts_with(&format!("invalid value '{text}' for '--master'")), "{error}");
        }
    }
}
