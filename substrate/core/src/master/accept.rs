//! Accepting offers: what is wrong with them, what is wrong with a task, and the launch.

use std::collections::BTreeSet;

use super::{
    LinkId, Master, Output,
    agents::Agent,
    tasks::{Task, master_status},
};
use crate::{
    allocator::Return,
    clock::Now,
    protocol::{
        AgentId, FrameworkId, OfferId,
        agent::ToAgent,
        is_valid_id,
        scheduler::{Filters, Operation},
        task::{Reason, Run, TaskInfo, TaskState},
    },
    resources::Resources,
};
use health_core::Protocol;

/// The offers of one call, put together.
struct Accepted {
    agent_id: AgentId,
    link: LinkId,
    role: String,
    /// What no task uses yet.
    left: Resources,
}

impl Master {
    pub(super) fn accept(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        offers: Vec<OfferId>,
        operations: Vec<Operation>,
        filters: Filters,
        out: &mut Output,
    ) {
        let mut accepted = match self.check_offers(framework, &offers) {
            Ok(accepted) => accepted,
            Err(error) => return self.accept_nothing(now, framework, &offers, operations, &error, out),
        };
        for id in &offers {
            self.take_offer(id); // the resources stay allocated: to tasks, or until they are given back below
        }
        for operation in operations {
            match operation {
                Operation::Launch { tasks } => {
                    for task in tasks {
                        self.launch(now, framework, task, &mut accepted, out);
                    }
                }
            }
        }
        let Accepted { agent_id, role, left, .. } = accepted;
        if !left.is_empty() {
            let how = Return::Refused(filters.refuse);
            self.allocator.recover(now.tick, &agent_id, framework, &role, &left, how);
        }
    }

    /// Puts the offers together if they can be used together. The texts are those of Mesos.
    fn check_offers(&self, framework: &FrameworkId, ids: &[OfferId]) -> Result<Accepted, String> {
        let mut seen = BTreeSet::new();
        let mut accepted: Option<Accepted> = None;
        for id in ids {
            if !seen.insert(id) {
                return Err(format!("Duplicate offer {id} in offer list"));
            }
            let Some(offer) = self.offers.get(id).filter(|offer| offer.framework_id == *framework) else {
                return Err(format!("Offer {id} is no longer valid"));
            };
            let Some(link) = self.agents.get(&offer.agent_id).and_then(Agent::link) else {
                return Err(format!("Offer {id} is no longer valid"));
            };
            match &mut accepted {
                Some(first) if first.agent_id != offer.agent_id => {
                    return Err(format!(
                        "Aggregated offers must belong to one single agent. Offer {id} uses agent {} and agent {}",
                        offer.agent_id, first.agent_id
                    ));
                }
                Some(first) if first.role != offer.role => {
                    return Err(format!(
                        "Aggregated offers must be allocated to the same role. Offer {id} uses role {} but another is using role {}",
                        offer.role, first.role
                    ));
                }
                Some(first) => first.left.add(&offer.resources),
                None => {
                    let (agent_id, role) = (offer.agent_id.clone(), offer.role.clone());
                    accepted = Some(Accepted { agent_id, link, role, left: offer.resources.clone() });
                }
            }
        }
        accepted.ok_or_else(|| "No offers specified".to_owned())
    }

    /// The offers cannot be used: those that are valid are given back, and every task is dropped.
    fn accept_nothing(
        &mut self,
        now: Now,
        framework: &FrameworkId,
        offers: &[OfferId],
        operations: Vec<Operation>,
        error: &str,
        out: &mut Output,
    ) {
        for id in offers {
            if self.offers.get(id).is_some_and(|offer| offer.framework_id == *framework) {
                self.give_back(now, id, Return::Freed);
            }
        }
        let launches = operations.into_iter().map(|Operation::Launch { tasks }| tasks);
        for task in launches.flatten() {
            if self.task(framework, &task.id).is_some() {
                continue; // the call came twice: this task was launched by the first
            }
            let mut status = master_status(now, &task.id, Some(&task.agent_id), TaskState::TaskDropped);
            status.reason = Some(Reason::ReasonInvalidOffers);
            status.message = format!("Task launched with invalid offers: {error}");
            self.tell_status(framework, status, out);
        }
    }

    fn launch(
        &mut self,
        now: Now,
        framework_id: &FrameworkId,
        task: TaskInfo,
        accepted: &mut Accepted,
        out: &mut Output,
    ) {
        let left = match self.check_task(framework_id, &task, accepted) {
            Ok(left) => left,
            Err(error) => {
                let mut status = master_status(now, &task.id, Some(&accepted.agent_id), TaskState::TaskError);
                status.reason = Some(Reason::ReasonTaskInvalid);
                status.message = error;
                return self.tell_status(framework_id, status, out);
            }
        };
        accepted.left = left;
        let (agent_id, role) = (&accepted.agent_id, &accepted.role);
        let Some(framework) = self.frameworks.get_mut(framework_id) else { return };
        let Some(agent) = self.agents.get_mut(agent_id) else { return };
        agent.tasks.insert((framework_id.clone(), task.id.clone()));
        framework.tasks.insert(task.id.clone(), Task::launched(now, task.clone(), role.clone(), accepted.link));
        let (framework_id, role) = (framework_id.clone(), role.clone());
        self.links.send(accepted.link, ToAgent::Launch { framework_id, role, task: Box::new(task) }, out);
    }

    /// What is left of the offers when the task has its part, or why it cannot be launched.
    fn check_task(&self, framework: &FrameworkId, task: &TaskInfo, accepted: &Accepted) -> Result<Resources, String> {
        if !is_valid_id(task.id.as_str()) {
            return Err(format!("Task ID {:?} is invalid", task.id.as_str()));
        }
        if self.task(framework, &task.id).is_some() {
            return Err(format!("Task has duplicate ID: {}", task.id));
        }
        if task.agent_id != accepted.agent_id {
            return Err(format!(
                "Task uses invalid agent {} while agent {} is expected",
                task.agent_id, accepted.agent_id
            ));
        }
        check_health_check(task)?;
        if task.resources.is_empty() {
            return Err("Task uses no resources".to_owned());
        }
        check_command(task)?;
        accepted
            .left
            .try_subtract(&task.resources)
            .map_err(|_| format!("Task uses more resources {} than available {}", task.resources, accepted.left))
    }
}

fn check_health_check(task: &TaskInfo) -> Result<(), String> {
    match task.health_check.as_ref().map(|check| &check.protocol) {
        None => Ok(()),
        Some(Protocol::Command { command }) if !command.is_empty() => Ok(()),
        Some(Protocol::Command { .. }) => Err("Task uses invalid health check: the command is empty".to_owned()),
        Some(Protocol::Http { .. } | Protocol::Https { .. } | Protocol::Tcp { .. }) => {
            Err("Task uses invalid health check: agents run commands only".to_owned())
        }
    }
}

fn check_command(task: &TaskInfo) -> Result<(), String> {
    let words: Vec<&str> = match &task.command.run {
        Run::Shell(text) => vec![text],
        Run::Exec(words) => words.iter().map(String::as_str).collect(),
    };
    if words.first().is_none_or(|program| program.is_empty()) {
        return Err("Task uses invalid command: it is empty".to_owned());
    }
    if words.iter().any(|word| word.contains('\0')) {
        return Err("Task uses invalid command: it contains a NUL byte".to_owned());
    }
    for (name, value) in &task.command.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            return Err(format!("Task uses invalid command: environment variable {name:?} has an invalid name"));
        }
        if value.contains('\0') {
            return Err(format!("Task uses invalid command: environment variable {name:?} contains a NUL byte"));
        }
    }
    Ok(())
}
