//! `marathon master`.

use anyhow::Context;
use substrate::master::MasterConfig;

use super::{say_where, signals::Signals};
use crate::config::MasterFlags;

/// Runs a master until told to stop. Tasks go on running meanwhile.
pub async fn run(flags: MasterFlags) -> anyhow::Result<()> {
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    if let Some(dir) = &flags.work_dir {
        std::fs::create_dir_all(dir).with_context(|| format!("--work-dir {}", dir.display()))?;
    }
    let (hostname, cluster) = (flags.hostname, flags.cluster);
    let config = MasterConfig { hostname, cluster, ..MasterConfig::new(flags.address.to_string()) };
    let master = substrate::master::serve(config).await.with_context(|| format!("--address {}", flags.address))?;
    say_where("master", format_args!("http://{}", master.address()));
    signals.stop_asked().await;
    signals.while_stopping(master.shutdown()).await;
    Ok(())
}
