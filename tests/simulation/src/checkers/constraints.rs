//! (9) `UNIQUE` and `MAX_PER` hold for every placement made, by the machine that a task really goes to: compared with the other
//! instances of the same configuration that hold a place, as far as the scheduler can know.

use std::collections::BTreeMap;

use marathon_core::{
    instance::{Condition, Instance},
    scheduler::Change,
    spec::Operator,
    state::State,
};
use substrate_core::protocol::{AgentId, offer::AttributeValue};

use super::{instance_of, instances_of, version_of};
use crate::{violation::Invariant, world::AgentSite};

pub(super) fn check(
    agents: &[AgentSite],
    before: &State,
    after: &State,
    changes: &[Change],
    found: &mut Vec<(Invariant, String)>,
) {
    for change in changes {
        let Change::PutInstance(instance) = change else { continue };
        let launched = instance_of(before, &instance.id).map_or(0, |old| old.incarnation) < instance.incarnation;
        if launched && let Some(explanation) = misplaced(agents, after, instance) {
            found.push((Invariant::Constraints, explanation));
        }
    }
}

fn misplaced(agents: &[AgentSite], state: &State, instance: &Instance) -> Option<String> {
    let app = version_of(state, instance)?;
    for constraint in &app.spec.constraints {
        let most = match &constraint.operator {
            Operator::Unique => 1,
            Operator::MaxPer(most) => *most,
            Operator::Cluster(_) | Operator::GroupBy(_) | Operator::Like(_) | Operator::Unlike(_) | Operator::Is(_) => {
                continue;
            }
        };
        let mut seen: BTreeMap<String, u32> = BTreeMap::new();
        let mine = value_at(agents, instance, &constraint.field)?;
        for other in instances_of(state, &instance.id.spec) {
            let same = version_of(state, other)
                .is_some_and(|version| version.last_config_change_at == app.last_config_change_at);
            if same && holds_a_place(other) {
                *seen.entry(value_at(agents, other, &constraint.field).unwrap_or_default()).or_default() += 1;
            }
        }
        let there = seen.get(&mine).copied().unwrap_or(0);
        if there > most {
            return Some(format!(
                "{} is the {there}th of its app with {} {mine}, and {most} may be",
                instance.id, constraint.field
            ));
        }
    }
    None
}

fn holds_a_place(instance: &Instance) -> bool {
    match instance.condition {
        Condition::Provisioned | Condition::Staging | Condition::Starting | Condition::Running | Condition::Killing => {
            true
        }
        Condition::Scheduled
        | Condition::Finished
        | Condition::Killed
        | Condition::Failed
        | Condition::Error
        | Condition::Gone
        | Condition::Dropped
        | Condition::Unknown
        | Condition::Unreachable
        | Condition::UnreachableInactive => false,
    }
}

fn value_at(agents: &[AgentSite], instance: &Instance, field: &str) -> Option<String> {
    let id = &instance.task.as_ref()?.agent_id;
    let site = agents.iter().find(|site| site.is_called(id))?;
    if field == "hostname" {
        return Some(site.info.hostname.clone());
    }
    let found = site.info.attributes.iter().find(|attribute| attribute.name == field)?;
    match &found.value {
        AttributeValue::Text(text) => Some(text.clone()),
        AttributeValue::Scalar(_) | AttributeValue::Ranges(_) | AttributeValue::Set(_) => None,
    }
}

impl AgentSite {
    fn is_called(&self, id: &AgentId) -> bool {
        self.names().contains(id)
    }
}
