//! Where servers listen, and what they are called.

use std::net::{IpAddr, SocketAddr, ToSocketAddrs};

use dns::Settings;

use super::{InvalidFlag, flags::DnsServerFlags};

/// Reads `ADDRESS:PORT`, or an address alone, which then gets `default_port`. `localhost` is an address, too.
pub fn listen_address(text: &str, default_port: u16) -> Result<SocketAddr, String> {
    if let Ok(ip) = text.trim_matches(['[', ']']).parse::<IpAddr>() {
        return Ok(SocketAddr::new(ip, default_port));
    }
    if let Ok(address) = text.parse() {
        return Ok(address);
    }
    let named = match text.contains(':') {
        true => text.to_owned(),
        false => format!("{text}:{default_port}"),
    };
    let mut found = named.to_socket_addrs().map_err(|error| format!("expected ADDRESS:PORT ({error})"))?;
    found.next().ok_or_else(|| "the name has no address".to_owned())
}

/// The name by which others reach a server that listens on `ip`: as given, else the address, unless it is reachable from outside
/// and this machine has a name.
pub fn advertised_name(given: Option<String>, ip: IpAddr) -> String {
    let own_name = || nix::unistd::gethostname().ok().and_then(|name| name.into_string().ok());
    match given {
        Some(name) => name,
        None if ip.is_loopback() => ip.to_string(),
        None => own_name().filter(|name| !name.is_empty()).unwrap_or_else(|| ip.to_string()),
    }
}

/// DNS beside the scheduler, checked.
#[derive(Clone, Debug)]
pub struct DnsConfig {
    /// Where DNS is served.
    pub address: SocketAddr,
    /// Where its HTTP API is served.
    pub http_address: SocketAddr,
    /// What shapes the records.
    pub settings: Settings,
    /// Who is asked about other names.
    pub resolvers: Vec<SocketAddr>,
}

impl DnsServerFlags {
    /// Checks what was typed.
    pub fn check(self) -> Result<DnsConfig, InvalidFlag> {
        let mut settings =
            Settings::for_domain(&self.domain).map_err(|error| InvalidFlag::new("domain", &self.domain, error))?;
        if !self.dns_address.ip().is_unspecified() {
            settings.server_addresses = vec![self.dns_address.ip()];
        }
        Ok(DnsConfig {
            address: self.dns_address,
            http_address: self.dns_http_address,
            settings,
            resolvers: self.dns_resolvers,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_may_come_without_its_port() {
        for (text, expected) in [
            ("127.0.0.1:9", "127.0.0.1:9"),
            ("127.0.0.1", "127.0.0.1:53"),
            ("::1", "[::1]:53"),
            ("[::1]", "[::1]:53"),
            ("[::1]:9", "[::1]:9"),
            ("0.0.0.0:0", "0.0.0.0:0"),
        ] {
            assert_eq!(listen_address(text, 53).unwrap().to_string(), expected);
        }
        assert!(listen_address("localhost:9", 53).unwrap().ip().is_loopback());
        for text in ["", ":", "127.0.0.1:", "127.0.0.1:70000", "a b:1"] {
            assert!(listen_address(text, 53).is_err(), "{text}");
        }
    }

    #[test]
    fn a_loopback_server_is_known_by_its_address_and_any_by_the_name_it_was_given() {
        let ip = "127.0.0.3".parse().unwrap();
        assert_eq!(advertised_name(None, ip), "127.0.0.3");
        assert_eq!(advertised_name(Some("me".into()), ip), "me");
    }
}
