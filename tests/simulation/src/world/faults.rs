//! What goes wrong out of the blue.

use substrate_core::{
    agent::{ContainerEvent, Exit},
    protocol::ContainerId,
};

use super::{Container, Happening, Turn, World};
use crate::weather::Stroke;

impl World {
    pub(super) fn stroke(&mut self) {
        if self.is_calm() || self.weather.strokes.is_empty() {
            return;
        }
        let stroke = *self.dice.pick(&self.weather.strokes.clone());
        let agent = self.dice.between(0, self.agents.len() as u64 - 1) as usize;
        match stroke {
            Stroke::SchedulerCrash => self.crash_scheduler("is killed"),
            Stroke::MasterCrash => self.crash_master(),
            Stroke::AgentCrash => self.crash_agent(agent),
            Stroke::Reboot => self.reboot(agent),
            Stroke::Replacement => {
                self.reboot(agent);
                self.wipe_agent(agent);
            }
            Stroke::Partition => self.partition(agent),
            Stroke::StreamBreak => {
                if let Some(stream) = self.scheduler.stream {
                    self.note(format_args!("stream {stream} breaks"));
                    self.break_stream(stream);
                }
            }
            Stroke::StreamMute => {
                if let Some(stream) = self.scheduler.stream {
                    self.note(format_args!("stream {stream} falls silent"));
                    self.mute_stream(stream);
                }
            }
            Stroke::LinkBreak => {
                self.note(format_args!("the link of a{agent} breaks"));
                self.break_link(agent);
            }
            Stroke::ClockJump => self.jump(agent),
            Stroke::ContainerCrash => self.crash_a_container(agent),
            Stroke::Sickness => self.make_a_container_sick(agent),
        }
        let longest = self.weather.calm_millis;
        self.later(200, longest, Happening::Stroke);
    }

    fn jump(&mut self, agent: usize) {
        let far = *self.dice.pick(&[1_000, 10_000, 120_000, 3_600_000]);
        let skew = self.dice.between(0, 2 * far) as i64 - far as i64;
        if self.dice.one_in(3) {
            self.note(format_args!("the clock of a{agent} is {skew} ms ahead now"));
            self.set_agent_clock(agent, skew);
        } else {
            self.note(format_args!("the clock of the scheduler is {skew} ms ahead now"));
            self.scheduler.skew = skew;
        }
        self.count("clock jump");
    }

    fn running(&self, agent: usize) -> Vec<ContainerId> {
        let containers = self.agents[agent].containers.iter();
        containers.filter(|(_, container)| container.is_running()).map(|(id, _)| id.clone()).collect()
    }

    /// The machine starts again. Nobody saw how its containers ended.
    fn reboot(&mut self, agent: usize) {
        self.note(format_args!("machine a{agent} starts again"));
        self.count("reboot");
        self.crash_agent(agent);
        let all: Vec<ContainerId> = self.agents[agent]
            .containers
            .iter()
            .filter(|(_, container)| container.told().is_none() || container.is_running())
            .map(|(id, _)| id.clone())
            .collect();
        for id in all {
            self.end_container(agent, &id, ContainerEvent::Exited(Exit::Unknown), false);
        }
    }

    fn crash_a_container(&mut self, agent: usize) {
        let running = self.running(agent);
        if !running.is_empty() {
            let id = self.dice.pick(&running).clone();
            let exit = self.dice.pick(&[Exit::Status(0), Exit::Status(1), Exit::Signal(11), Exit::OutOfMemory]).clone();
            self.count("container crash");
            self.end_container(agent, &id, ContainerEvent::Exited(exit), false);
        }
    }

    fn make_a_container_sick(&mut self, agent: usize) {
        let running = self.running(agent);
        if running.is_empty() {
            return;
        }
        let id = self.dice.pick(&running).clone();
        let Some(task) = self.agents[agent].containers.get(&id).map(Container::task).cloned() else { return };
        self.note(format_args!("{task} is sick"));
        self.count("sickness");
        self.truth(&task, |truth| truth.sick = true);
        if self.dice.one_in(2) {
            self.later(2_000, 60_000, Happening::Container(agent, id, Turn::Recovers));
        }
    }
}
