//! Store, master and scheduler in one process.

use std::{net::SocketAddr, path::Path, sync::Arc, time::Duration};

use anyhow::Context;
use substrate::master::{MasterConfig, MasterHandle};
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::{
    config::SchedulerConfig,
    driver::InProcess,
    service::{Handle, Service, ServiceError},
    store::SqlStore,
};

/// How long a scheduler that is told to stop may take for its last commit.
const LAST_COMMIT: Duration = Duration::from_secs(10);

/// A master, and a scheduler that is subscribed to it.
pub struct ControlPlane {
    master: MasterHandle,
    scheduler: Arc<Handle>,
    service: JoinHandle<Result<(), ServiceError>>,
    stop: CancellationToken,
}

impl ControlPlane {
    /// Opens the store, starts a master on `master_address`, then the scheduler.
    pub async fn start(
        config: &SchedulerConfig,
        master_address: SocketAddr,
        cluster: Option<String>,
        data_dir: &Path,
    ) -> anyhow::Result<Self> {
        let store = Arc::new(SqlStore::open(&config.store_url(data_dir)).await?);
        let master = MasterConfig { cluster, ..MasterConfig::new(master_address.to_string()) };
        let master =
            substrate::master::serve(master).await.with_context(|| format!("--master-address {master_address}"))?;
        let service = Service {
            config: config.core.clone(),
            leader: config.leader(),
            store,
            driver: Arc::new(InProcess::new(master.connector())),
            prober: Arc::new(health::Prober::new(config.probes)),
        };
        let (scheduler, inbox) = service.channel();
        let stop = CancellationToken::new();
        let service = tokio::spawn(service.run(inbox, stop.clone()));
        Ok(Self { master, scheduler, service, stop })
    }

    /// Where the master listens.
    pub fn master_address(&self) -> SocketAddr {
        self.master.address()
    }

    /// The scheduler.
    pub fn scheduler(&self) -> &Arc<Handle> {
        &self.scheduler
    }

    /// Waits until the scheduler leads, but no longer than `limit`: with PostgreSQL another one may lead. Whether it does.
    pub async fn leads(&self, limit: Duration) -> bool {
        let mut changes = self.scheduler.watch();
        let leading = async {
            while !self.scheduler.view().leading {
                if changes.changed().await.is_err() {
                    return;
                }
            }
        };
        tokio::time::timeout(limit, leading).await.is_ok() && self.scheduler.view().leading
    }

    /// Returns only if the scheduler ends by itself.
    pub async fn failed(&mut self) -> anyhow::Error {
        match (&mut self.service).await {
            Ok(Ok(())) => anyhow::anyhow!("the scheduler ended without being asked"),
            Ok(Err(error)) => anyhow::Error::new(error).context("the scheduler ended"),
            Err(error) => anyhow::Error::new(error).context("the scheduler failed"),
        }
    }

    /// Stops the scheduler after its last commit; then the master.
    pub async fn stop(mut self) {
        self.stop.cancel();
        if !self.service.is_finished() && tokio::time::timeout(LAST_COMMIT, &mut self.service).await.is_err() {
            tracing::warn!("the scheduler does not stop in time");
        }
        self.master.shutdown().await;
    }
}
