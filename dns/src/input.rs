//! What the zone is told: the parts of a master's state that names are made of.

use std::net::{IpAddr, SocketAddr};

/// The masters of the cluster.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Masters {
    /// The one that leads, if that is known.
    pub leader: Option<SocketAddr>,
    /// All that are known, in the operator's order; the leader is added at the end if it is not among them.
    pub known: Vec<SocketAddr>,
}

/// An agent. Tasks have records only while their agent is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Agent {
    /// Id given by the master.
    pub id: String,
    /// Where it can be reached; the caller resolves host names.
    pub addresses: Vec<IpAddr>,
    /// Its own port.
    pub port: u16,
}

/// A framework.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Framework {
    /// Id given by the master.
    pub id: String,
    /// Its name; frameworks of one name share their names in DNS.
    pub name: String,
    /// Where its scheduler runs; the caller resolves host names.
    pub addresses: Vec<IpAddr>,
    /// Port of a scheduler that is driven by messages (it has a `pid`); none for those on the HTTP API.
    pub port: Option<u16>,
}

/// A task.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Task {
    /// Id, unique over all frameworks.
    pub id: String,
    /// Its own name, used if discovery gives none.
    pub name: String,
    /// Name of its framework.
    pub framework: String,
    /// Where it runs.
    pub agent_id: String,
    /// Whether its state is exactly `TASK_RUNNING`; others have no records.
    pub running: bool,
    /// Result of its health checks, if there is one.
    pub healthy: Option<bool>,
    /// Ports of the agent that were given to it.
    pub host_ports: Vec<u16>,
    /// How it wants to be found.
    pub discovery: Option<Discovery>,
    /// Addresses it was given, by where they were learnt.
    pub addresses: TaskAddresses,
}

/// Discovery information of a task. Without a name it counts as none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Discovery {
    /// Takes the place of the task's name. Marathon sends the app's path reversed: `api.web.prod`.
    pub name: String,
    /// Ports to be found by.
    pub ports: Vec<DiscoveryPort>,
}

/// One port to be found by.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct DiscoveryPort {
    /// The port.
    pub number: u16,
    /// Its name, if it has one.
    pub name: Option<String>,
    /// `tcp`, `udp`; none stands for both.
    pub protocol: Option<String>,
}

/// Addresses of a task by where they were learnt; the agent's own are not repeated here.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct TaskAddresses {
    /// From `container_status.network_infos` of the latest running status.
    pub net_info: Vec<IpAddr>,
    /// From its label `MesosContainerizer.NetworkSettings.IPAddress`.
    pub mesos: Vec<IpAddr>,
    /// From its label `Docker.NetworkSettings.IPAddress`.
    pub docker: Vec<IpAddr>,
}
