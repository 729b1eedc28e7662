//! `marathon agent`.

use anyhow::Context;

use super::{say, say_where, signals::Signals};
use crate::config::AgentFlags;

/// Runs an agent until told to stop, or until the master refuses it for good. Its tasks go on running.
pub async fn run(flags: AgentFlags) -> anyhow::Result<()> {
    let setup = flags.check()?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let dir = setup.work_dir.clone();
    std::fs::create_dir_all(&dir).with_context(|| format!("--work-dir {}", dir.display()))?;
    let config = setup.agent();
    let what = format!("--ip {} --port {}", config.ip, config.port);
    let agent = substrate::agent::serve(config).await.context(what)?;
    say_where("agent", format_args!("http://{}", agent.address()));
    let asked = tokio::select! {
        () = signals.stop_asked() => Ok(()),
        ended = agent.wait() => ended.context("the agent ended"),
    };
    signals.while_stopping(agent.shutdown()).await;
    say(format_args!("stopped; its tasks go on running"));
    asked
}
