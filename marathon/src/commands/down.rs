//! `marathon down`: ends what an `up` left running.

use std::time::Duration;

use anyhow::Context;
use substrate::containerizer::stop_all;
use tokio::task::spawn_blocking;

use super::{data_dir::DataDir, say};
use crate::config::DownFlags;

/// Stops every task of every local agent, all at the same time. Apps stay defined: the next `up` starts them again.
pub async fn run(flags: DownFlags) -> anyhow::Result<()> {
    let data_dir = DataDir::existing(&flags.data_dir)?;
    let grace = Duration::from_secs(flags.grace);
    let stopping: Vec<_> = data_dir
        .agents()
        .into_iter()
        .map(|agent| (agent.clone(), spawn_blocking(move || stop_all(&agent, grace))))
        .collect();
    let (mut stopped, mut failure) = (0, None);
    for (agent, stopping) in stopping {
        let outcome = stopping.await.context("cannot stop tasks")?;
        match outcome.with_context(|| format!("cannot stop the tasks in '{}'", agent.display())) {
            Ok(outcome) => stopped += outcome.tasks,
            Err(error) => failure = Some(error),
        }
    }
    match stopped {
        0 => say(format_args!("no tasks were running")),
        1 => say(format_args!("stopped 1 task; the next `marathon up` there starts it again")),
        _ => say(format_args!("stopped {stopped} tasks; the next `marathon up` there starts them again")),
    }
    failure.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn flags(data_dir: &std::path::Path) -> DownFlags {
        DownFlags { data_dir: data_dir.to_owned(), grace: 0 }
    }

    #[tokio::test]
    async fn down_is_refused_while_an_up_runs_there_and_does_nothing_where_nothing_runs() {
        let dir = tempfile::tempdir().unwrap();
        let data_dir = DataDir::create(dir.path()).unwrap();
        data_dir.agent(1).unwrap();
        let refusal = run(flags(dir.path())).await.unwrap_err().to_string();
        assert!(refusal.contains("is in use by process"), "{refusal}");
        drop(data_dir);
        run(flags(dir.path())).await.unwrap();
    }
}
