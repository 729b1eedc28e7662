//! What users talk to: API and dashboard, and DNS fed by the scheduler's view.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener, ToSocketAddrs},
    sync::Arc,
};

use anyhow::Context;
use arc_swap::ArcSwap;
use dns::{Zone, server::ServerSettings};
use tokio::task::JoinHandle;

use super::say_where;
use crate::{
    api::{About, Server, ServerConfig},
    config::{DnsConfig, SchedulerConfig},
    dns_feed::{self, Feed},
    service::{Handle, clock},
};

/// The servers for users.
pub struct Front {
    api: Server,
    dns: Option<Dns>,
}

struct Dns {
    server: dns::server::Running,
    http: dns::http::Running,
    feed: JoinHandle<()>,
}

/// The address of the API is not free.
#[derive(Debug, thiserror::Error)]
#[error("--http-address {address}: cannot listen on it")]
pub struct Taken {
    address: SocketAddr,
    #[source]
    source: io::Error,
}

/// Finds out whether `address` can be listened on, before anything is started, and what a port of 0 becomes. The scheduler's name
/// contains that port, so it must be known before the server that will listen there exists.
pub fn reserve(address: SocketAddr) -> Result<SocketAddr, Taken> {
    let bound = TcpListener::bind(address).and_then(|listener| listener.local_addr());
    bound.map_err(|source| Taken { address, source })
}

impl Front {
    /// Starts DNS, if there is to be any, and the API.
    pub async fn start(
        config: &SchedulerConfig,
        dns: Option<DnsConfig>,
        scheduler: &Arc<Handle>,
        master: SocketAddr,
    ) -> anyhow::Result<Self> {
        let dns = match dns {
            Some(dns) => Some(Dns::start(config, dns, scheduler.clone()).await?),
            None => None,
        };
        let api = Server::start(ServerConfig {
            address: config.http_address,
            scheduler: scheduler.clone(),
            about: About { info: config.info(master) },
            http: reqwest::Client::new(),
        });
        let api = api.with_context(|| format!("--http-address {}", config.http_address))?;
        Ok(Self { api, dns })
    }

    /// Says where everything listens, one line per address; `master` is where the master does.
    pub fn announce(&self, master: SocketAddr) {
        say_where("dashboard and API", format_args!("http://{}", self.api.address()));
        say_where("master", format_args!("http://{master}"));
        if let Some(dns) = &self.dns {
            say_where("DNS", dns.server.address());
            say_where("DNS HTTP API", format_args!("http://{}", dns.http.address()));
        }
    }

    /// Returns only if a server ends by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        let Some(dns) = &mut self.dns else { return std::future::pending().await };
        tokio::select! {
            ended = dns.server.failed() => match ended {
                Ok(()) => anyhow::anyhow!("the DNS server ended without being asked"),
                Err(error) => anyhow::Error::new(error).context("the DNS server failed"),
            },
            ended = &mut dns.feed => match ended {
                Ok(()) => anyhow::anyhow!("the scheduler ended"),
                Err(error) => anyhow::Error::new(error).context("the DNS records cannot follow any more"),
            },
        }
    }

    /// Answers nothing more.
    pub async fn stop(self) {
        self.api.stop().await;
        if let Some(dns) = self.dns {
            dns.feed.abort();
            dns.http.shutdown().await;
            if let Err(error) = dns.server.shutdown().await {
                tracing::warn!(error = %error, "the DNS server did not stop in order");
            }
        }
    }
}

impl Dns {
    async fn start(config: &SchedulerConfig, dns: DnsConfig, scheduler: Arc<Handle>) -> anyhow::Result<Self> {
        let zone = Zone::new(dns.settings, dns_feed::unix_seconds(clock::now()));
        let served = Arc::new(ArcSwap::from_pointee(zone.clone()));
        let settings = ServerSettings { resolvers: dns.resolvers, ..ServerSettings::default() };
        let server = dns::server::serve(dns.address, served.clone(), settings.clone());
        let server = server.await.with_context(|| format!("--dns-address {}", dns.address))?;
        let http = dns::http::serve(dns::http::Api {
            zone: served.clone(),
            dns: settings,
            dns_address: server.address(),
            http_address: dns.http_address,
            version: env!("CARGO_PKG_VERSION"),
        });
        let http = http.with_context(|| format!("--dns-http-address {}", dns.http_address))?;
        let framework = &config.core.framework;
        let addresses = addresses_of(&framework.hostname, config.http_address.ip());
        let feed = Feed::new(zone, framework.name.clone(), addresses);
        Ok(Self { server, http, feed: tokio::spawn(dns_feed::run(feed, scheduler, served)) })
    }
}

/// Addresses of the scheduler for DNS: what its name stands for, else what it listens on.
fn addresses_of(hostname: &str, listening: IpAddr) -> Vec<IpAddr> {
    let mut found: Vec<IpAddr> = match (hostname, 0).to_socket_addrs() {
        Ok(found) => found.map(|address| address.ip()).collect(),
        Err(_) => Vec::new(),
    };
    found.sort();
    found.dedup();
    if found.is_empty() && !listening.is_unspecified() {
        found.push(listening);
    }
    found
}
