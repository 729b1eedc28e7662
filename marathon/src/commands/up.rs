//! `marathon up`: everything in one process.

use std::{path::Path, time::Duration};

use anyhow::Context;
use futures::{StreamExt, stream::FuturesUnordered};
use marathon_core::state::State;
use substrate::agent::AgentHandle;
use tracing::info;

use super::{
    control_plane::ControlPlane,
    data_dir::DataDir,
    front::{Front, reserve},
    say, say_where,
    signals::Signals,
};
use crate::config::{LocalAgents, UpFlags};

/// How long to wait for leadership before saying that everything listens: with PostgreSQL another scheduler may lead.
const LEADERSHIP: Duration = Duration::from_secs(5);

/// Starts everything, says where, and runs until told to stop or until a part fails. Tasks go on running either way.
pub async fn run(flags: UpFlags) -> anyhow::Result<()> {
    let config = flags.scheduler.check()?;
    let dns = flags.dns.check()?;
    let (resources, attributes) = (flags.resources.as_deref(), flags.attributes.as_deref());
    let agents = LocalAgents::check(flags.agents, flags.agent_port, resources, attributes, &flags.containerizers)?;
    let mut signals = Signals::listen().context("cannot listen for signals")?;
    let data_dir = DataDir::create(&flags.data_dir)?;
    let http_address = reserve(config.http_address)?;
    let config = config.listening_on(http_address);

    let master = flags.master;
    let control_plane = ControlPlane::start(&config, master.master_address, master.cluster, data_dir.path()).await?;
    let agents = start_agents(&agents, &data_dir, &control_plane).await?;
    let front = Front::start(&config, Some(dns), control_plane.scheduler(), control_plane.master_address()).await?;
    let mut parts = Parts { front, control_plane, agents };
    let asked = tokio::select! {
        () = signals.stop_asked() => Ok(()),
        error = parts.run() => Err(error),
    };
    let running = running_tasks(&parts.control_plane.scheduler().view().state);
    signals.while_stopping(parts.stop()).await;
    info!(tasks.running = running, "stopped");
    say_what_is_left(running, data_dir.given());
    asked
}

async fn start_agents(
    agents: &LocalAgents,
    data_dir: &DataDir,
    control_plane: &ControlPlane,
) -> anyhow::Result<Vec<AgentHandle>> {
    let mut started = Vec::with_capacity(agents.count.into());
    for number in 1..=agents.count {
        let config = agents.agent(number, &data_dir.agent(number)?, control_plane.master_address());
        let what = format!("agent {number} on {}:{} (--agent-port)", config.ip, config.port);
        started.push(substrate::agent::serve(config).await.context(what)?);
    }
    Ok(started)
}

struct Parts {
    front: Front,
    control_plane: ControlPlane,
    agents: Vec<AgentHandle>,
}

impl Parts {
    /// Says where everything listens, then returns only if a part fails.
    async fn run(&mut self) -> anyhow::Error {
        let leads = self.control_plane.leads(LEADERSHIP).await;
        self.front.announce(self.control_plane.master_address());
        for (number, agent) in (1..).zip(&self.agents) {
            say_where(&format!("agent {number}"), format_args!("http://{}", agent.address()));
        }
        if !leads {
            say(format_args!("another scheduler leads; this one waits for its turn"));
        }
        let ended = self.agents.iter().map(AgentHandle::wait).collect::<FuturesUnordered<_>>();
        let mut refused = ended.filter_map(|ended| std::future::ready(ended.err()));
        let agent_failed = async {
            match refused.next().await {
                Some(error) => anyhow::Error::new(error).context("an agent ended"),
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            error = self.control_plane.failed() => error,
            error = self.front.failed() => error,
            error = agent_failed => error,
        }
    }

    /// In order: nobody is answered any more, what was begun is committed, then master and agents.
    async fn stop(self) {
        self.front.stop().await;
        self.control_plane.stop().await;
        futures::future::join_all(self.agents.into_iter().map(AgentHandle::shutdown)).await;
    }
}

/// Tasks that hold resources, as far as the scheduler knows.
fn running_tasks(state: &State) -> usize {
    let instances = state.instances.values().flat_map(|instances| instances.values());
    instances.filter(|instance| instance.task.is_some() && instance.condition.is_active()).count()
}

fn say_what_is_left(running: usize, data_dir: &Path) {
    let data_dir = data_dir.display();
    match running {
        0 => say(format_args!("stopped; no tasks are running")),
        1 => say(format_args!("stopped; 1 task goes on running. To end it: marathon down --data-dir {data_dir}")),
        _ => say(format_args!(
            "stopped; {running} tasks go on running. To end them: marathon down --data-dir {data_dir}"
        )),
    }
}
