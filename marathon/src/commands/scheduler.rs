//! `marathon scheduler`: for now with a master of its own in the same process, for agents elsewhere.

use std::time::Duration;

use anyhow::{Context, bail};

use super::{
    control_plane::ControlPlane,
    data_dir::DataDir,
    front::{Front, reserve},
    say,
    signals::Signals,
};
use crate::config::{InvalidFlag, SchedulerCommandFlags};

const LEADERSHIP: Duration = Duration::from_secs(5);

/// Runs a scheduler and its master until told to stop, or until a part fails.
pub async fn run(flags: SchedulerCommandFlags) -> anyhow::Result<()> {
    if let Some(master) = flags.master {
        let reason = "a master in another process is not supported yet; without this flag the scheduler has its own, on \
                      --master-address";
        bail!(InvalidFlag::new("master", master, reason));
    }
    let config = flags.scheduler.check()?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let data_dir = DataDir::create(&flags.data_dir)?;
    let config = config.clone().listening_on(reserve(config.http_address)?);
    let master = flags.own_master;
    let mut control_plane =
        ControlPlane::start(&config, master.master_address, master.cluster, data_dir.path()).await?;
    let mut front = Front::start(&config, None, control_plane.scheduler(), control_plane.master_address()).await?;
    let leads = control_plane.leads(LEADERSHIP).await;
    front.announce(control_plane.master_address());
    if !leads {
        say(format_args!("another scheduler leads; this one waits for its turn"));
    }
    let asked = tokio::select! {
        () = signals.stop_asked() => Ok(()),
        error = control_plane.failed() => Err(error),
        error = front.failed() => Err(error),
    };
    let stopping = async {
        front.stop().await;
        control_plane.stop().await;
    };
    signals.while_stopping(stopping).await;
    say(format_args!("stopped; tasks go on running"));
    asked
}
