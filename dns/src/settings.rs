//! What the operator chooses for the zone.

use std::net::IpAddr;

use crate::{label::LabelRule, name::Name};

/// Everything that shapes the records. [`Settings::for_domain`] gives Mesos-DNS's defaults.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Settings {
    /// The domain that all names are in: `mesos`.
    pub domain: Name,
    /// How labels are made.
    pub rule: LabelRule,
    /// Where the addresses of a task come from; the first source that has any gives all of them.
    pub ip_sources: Vec<IpSource>,
    /// Whether tasks known to be unhealthy have no records. Mesos-DNS never looks at health.
    pub omit_unhealthy: bool,
    /// Time to live of all records and of negative answers, in seconds.
    pub ttl: u32,
    /// Weight of SRV records.
    pub srv_weight: u16,
    /// The name server itself, as the SOA record names it.
    pub soa_mname: Name,
    /// Mailbox of who is responsible, in the form of a name.
    pub soa_rname: Name,
    /// SOA: seconds between looks of a secondary server.
    pub soa_refresh: i32,
    /// SOA: seconds until a failed look is repeated.
    pub soa_retry: i32,
    /// SOA: seconds until a secondary server gives up.
    pub soa_expire: i32,
    /// Addresses of this server, published under `soa_mname` if that name is within the domain.
    pub server_addresses: Vec<IpAddr>,
}

/// Where the addresses of a task come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum IpSource {
    /// What the containerizer reported: `container_status.network_infos`.
    NetInfo,
    /// The label `MesosContainerizer.NetworkSettings.IPAddress` of the latest running status.
    Mesos,
    /// The label `Docker.NetworkSettings.IPAddress` of the latest running status.
    Docker,
    /// The agent.
    Host,
}

impl IpSource {
    /// The name in the configuration.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::NetInfo => "netinfo",
            Self::Mesos => "mesos",
            Self::Docker => "docker",
            Self::Host => "host",
        }
    }
}

/// The text is not a domain that names can be put in.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("invalid domain '{0}': expected letters, digits and hyphens, with dots between labels of at most 63 of them")]
pub struct InvalidDomain(pub String);

impl Settings {
    /// Mesos-DNS's defaults under `domain`, the server being `ns1.` and the mailbox `root.ns1.` below it.
    pub fn for_domain(domain: &str) -> Result<Self, InvalidDomain> {
        let text = domain.strip_suffix('.').unwrap_or(domain);
        let invalid = || InvalidDomain(domain.to_owned());
        if !text.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'.') {
            return Err(invalid());
        }
        Ok(Self {
            domain: Name::new(text).ok_or_else(invalid)?,
            rule: LabelRule::Rfc1123,
            ip_sources: vec![IpSource::NetInfo, IpSource::Mesos, IpSource::Host],
            omit_unhealthy: true,
            ttl: 60,
            srv_weight: 1,
            soa_mname: Name::new(&format!("ns1.{text}")).ok_or_else(invalid)?,
            soa_rname: Name::new(&format!("root.ns1.{text}")).ok_or_else(invalid)?,
            soa_refresh: 60,
            soa_retry: 600,
            soa_expire: 86_400,
            server_addresses: Vec::new(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_domain_is_checked_and_gives_the_names_of_the_server() {
        let settings = Settings::for_domain("DC1.Mesos.").unwrap();
        assert_eq!(settings.domain.as_str(), "dc1.mesos");
        assert_eq!(settings.soa_rname.as_str(), "root.ns1.dc1.mesos");
        for text in ["", ".", "a..b", "a_b", "a b", "ä", &"x".repeat(64)] {
            assert_eq!(Settings::for_domain(text), Err(InvalidDomain(text.to_owned())));
        }
    }
}
