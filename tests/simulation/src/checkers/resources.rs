//! (1) The live containers of a machine never use more than it really has, and no port twice. Looked at whenever one is started, by
//! what the machine has, not by what its agent says.

use substrate_core::resources::Resources;

use crate::{violation::Invariant, world::World};

impl World {
    pub(crate) fn check_resources(&mut self, agent: usize) {
        let site = &self.agents[agent];
        let mut used = Resources::new();
        let mut wrong = None;
        let live = site.containers.values().filter(|container| {
            self.truths
                .get(container.task())
                .is_some_and(|truth| truth.live && truth.container == container.launch.container_id)
        });
        for container in live {
            let task = &container.launch.task;
            if used.overlaps(&task.resources) {
                wrong = Some(format!("a{agent}: {} gets a port that another task has: {}", task.id, task.resources));
            }
            used.add(&task.resources);
        }
        if !site.resources.contains(&used) {
            wrong = Some(format!("a{agent} has {}, and its tasks use {used}", site.resources));
        }
        if let Some(wrong) = wrong {
            self.violate(Invariant::Resources, wrong);
        }
    }
}
