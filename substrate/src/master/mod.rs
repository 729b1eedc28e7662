//! The master's shell: agents by WebSocket, frameworks of this process by channels, readers by HTTP.

mod in_process;
mod link;
mod metrics;
mod routes;
mod service;
mod state;

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use substrate_core::{allocator::Settings, master::Master};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

pub use self::in_process::{Calls, Connector, Events, InProcess, MasterStopped};
use self::{
    link::Links,
    service::{INBOX, Service},
};
use crate::http::{self, BindError, VERSION};

/// How long a stopping master waits for its loop.
const STOP_LIMIT: Duration = Duration::from_secs(5);

/// What a master is started with.
#[derive(Clone, Debug)]
pub struct MasterConfig {
    /// `host:port` to listen on; a port of 0 means any.
    pub address: String,
    /// Told to clients as its name; `None`: the address that it listens on.
    pub hostname: Option<String>,
    /// Told by `/state`, for people.
    pub cluster: Option<String>,
    /// Offers that were not used for so long are rescinded; `None`: never.
    pub offer_timeout: Option<Duration>,
    /// An agent without a connection for so long is unreachable.
    pub agent_timeout: Duration,
    /// How resources are shared out.
    pub allocation: Settings,
}

impl MasterConfig {
    /// With the defaults of everything but the address.
    pub fn new(address: impl Into<String>) -> Self {
        Self {
            address: address.into(),
            hostname: None,
            cluster: None,
            offer_timeout: None,
            agent_timeout: substrate_core::master::MasterConfig::AGENT_TIMEOUT,
            allocation: Settings::default(),
        }
    }

    fn for_core(&self, address: SocketAddr) -> substrate_core::master::MasterConfig {
        let ip = address.ip().to_string();
        substrate_core::master::MasterConfig {
            id: uuid::Uuid::new_v4().to_string(),
            hostname: self.hostname.clone().unwrap_or_else(|| ip.clone()),
            ip,
            port: address.port(),
            version: VERSION.to_owned(),
            offer_timeout: self.offer_timeout,
            agent_timeout: self.agent_timeout,
            allocation: self.allocation.clone(),
        }
    }
}

/// What can be read of a master.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Reading {
    State,
    Summary,
    Slaves,
    Frameworks,
    Tasks,
    Metrics,
}

/// Why a master cannot be started.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The address is taken, or not one of this machine.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The HTTP server cannot be started.
    #[error("cannot start the master's HTTP server on {address}")]
    Server {
        /// Where it was to listen.
        address: SocketAddr,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// A running master. Dropping it stops the master, without waiting.
#[derive(Debug)]
pub struct MasterHandle {
    address: SocketAddr,
    connector: Connector,
    stop: CancellationToken,
    _stop_on_drop: DropGuard,
    service: JoinHandle<()>,
}

impl MasterHandle {
    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// A stream for a framework of this process, not subscribed yet.
    pub fn scheduler(&self) -> InProcess {
        self.connector.open()
    }

    /// Opens such streams without this handle.
    pub fn connector(&self) -> Connector {
        self.connector.clone()
    }

    /// Stops it: every connection and stream ends.
    pub async fn shutdown(mut self) {
        self.stop.cancel();
        if tokio::time::timeout(STOP_LIMIT, &mut self.service).await.is_err() {
            warn!("the master does not stop in time");
        }
    }
}

/// Starts a master. Returns when it listens. Must be called within a tokio runtime.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(config: MasterConfig) -> Result<MasterHandle, Error> {
    let (listener, address) = http::bind(&config.address)?;
    let core = config.for_core(address);
    let (sender, inbox) = mpsc::channel(INBOX);
    let context = routes::Context { info: core.info(), inbox: sender.clone() };
    let links = Links { inbox: sender.clone(), next: Arc::new(AtomicU64::new(1)) };
    let server = routes::start(listener, context, links).map_err(|source| Error::Server { address, source })?;
    let service = Service {
        master: Master::new(core),
        cluster: config.cluster,
        inbox,
        streams: BTreeMap::new(),
        links: BTreeMap::new(),
        lost: Vec::new(),
    };
    let stop = CancellationToken::new();
    let service = tokio::spawn({
        let stop = stop.clone();
        async move {
            service.run(stop).await;
            server.stop(false).await;
        }
    });
    info!(master.address = %address, "master started");
    let connector = Connector { inbox: sender, next_stream: Arc::new(AtomicU64::new(1)) };
    Ok(MasterHandle { address, connector, _stop_on_drop: stop.clone().drop_guard(), stop, service })
}
