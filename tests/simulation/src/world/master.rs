//! The master: nothing durable, a new one after every crash.

use std::time::Duration;

use substrate_core::master::{Effect, Input, Master, MasterConfig, Output};

use super::{Happening, Key, World};

/// Where the master runs, or does not.
#[derive(Debug, Default)]
pub(super) struct MasterSite {
    core: Option<Master>,
    boot: u64,
    wake: Option<Key>,
}

impl MasterSite {
    pub fn is_up(&self) -> bool {
        self.core.is_some()
    }
}

impl World {
    pub(super) fn start_master(&mut self) {
        self.master.boot += 1;
        let mut config = MasterConfig::new(format!("m{}", self.master.boot), "master", "10.0.1.1", 5050);
        config.agent_timeout = Duration::from_secs(30);
        config.offer_timeout = Some(Duration::from_secs(60));
        self.note(format_args!("master {} starts", config.id));
        self.master.core = Some(Master::new(config));
        self.step_master(Input::Wakeup);
    }

    pub(super) fn crash_master(&mut self) {
        if self.master.core.take().is_none() {
            return;
        }
        self.note(format_args!("master crashes"));
        self.count("master crash");
        let wake = self.master.wake.take();
        self.cancel(wake);
        self.break_everything();
        self.later(200, 25_000, Happening::StartMaster);
    }

    pub(super) fn wake_master(&mut self) {
        self.master.wake = None;
        self.step_master(Input::Wakeup);
    }

    pub(super) fn step_master(&mut self, input: Input) {
        let Some(core) = &mut self.master.core else { return };
        let mut out = Output::default();
        core.step(self.now, input, &mut out);
        let next = core.next_wakeup();
        self.steps += 1;
        for effect in out.effects {
            self.perform_for_master(effect);
        }
        let wake = self.master.wake.take();
        self.cancel(wake);
        self.master.wake = next.map(|at| self.at(at, Happening::WakeMaster));
    }

    fn perform_for_master(&mut self, effect: Effect) {
        match effect {
            Effect::Tell(stream, event) => self.send_event(stream, event),
            Effect::CloseStream(stream) => {
                self.note(format_args!("master ends stream {stream}"));
                self.end_stream(stream);
            }
            Effect::Send(link, message) => self.send_down(link, message),
            Effect::CloseLink(link) => {
                self.note(format_args!("master ends link {link}"));
                self.end_link(link);
            }
            Effect::Subscribed(stream, framework) => {
                self.note(format_args!("master has framework {framework} on stream {stream}"));
            }
        }
    }
}
