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

use actix_web::dev::ServerHandle;
use substrate_core::{master::Master, protocol::scheduler::MasterInfo};
use tokio::{sync::mpsc, task::JoinHandle};
use tokio_util::sync::{CancellationToken, DropGuard};
use tracing::{info, warn};

use self::{
    link::Links,
    service::{INBOX, Service},
};
pub use self::in_process::{Calls, Connector, Events, InProcess, MasterStopped};
use crate::{
    clock,
    http::{self, BindError, VERSION},
};

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
    server: ServerHandle,
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
        self.server.stop(false).await;
    }
}

/// Starts a master. Returns when it listens. Must be called within a tokio runtime.
///
/// # Errors
/// The address cannot be bound.
pub async fn serve(config: MasterConfig) -> Result<MasterHandle, Error> {
    let (listener, address) = http::bind(&config.address)?;
    let info = MasterInfo {
        id: uuid::Uuid::new_v4().to_string(),
        hostname: config.hostname.clone().unwrap_or_else(|| address.ip().to_string()),
        ip: address.ip().to_string(),
        port: address.port(),
        version: VERSION.to_owned(),
    };
    let (sender, inbox) = mpsc::channel(INBOX);
    let master = Master::new(substrate_core::master::MasterConfig { info: info.clone() });
    let context = routes::Context {
        info,
        cluster: config.cluster,
        started: clock::now(),
        inbox: sender.clone(),
    };
    let links = Links {
        inbox: sender.clone(),
        next: Arc::new(AtomicU64::new(1)),
    };
    let server = routes::start(listener, context, links).map_err(|source| Error::Server { address, source })?;
    let service = Service {
        master,
        inbox,
        streams: BTreeMap::new(),
        links: BTreeMap::new(),
        lost: Vec::new(),
    };
    let stop = CancellationToken::new();
    let service = tokio::spawn(service.run(stop.clone()));
    info!(master.address = %address, "master started");
    let connector = Connector {
        inbox: sender,
        next_stream: Arc::new(AtomicU64::new(1)),
    };
    Ok(MasterHandle {
        address,
        connector,
        _stop_on_drop: stop.clone().drop_guard(),
        stop,
        server,
        service,
    })
}
