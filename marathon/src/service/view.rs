//! What every reader sees: the state as of the last commit.

use std::sync::Arc;

use arc_swap::ArcSwap;
use marathon_core::state::State;
use tokio::sync::watch;

/// A state, as it was published.
#[derive(Clone, Debug, Default)]
pub struct Published {
    /// Counts publications.
    pub revision: u64,
    /// Whether this scheduler leads, so that what it shows is current.
    pub leading: bool,
    /// Whether it is worth showing: not before anything was loaded, and not while somebody else leads.
    pub known: bool,
    /// All that the scheduler knew.
    pub state: State,
}

/// The place where states are published. Reading never waits for writing.
pub struct View {
    published: ArcSwap<Published>,
    revision: watch::Sender<u64>,
}

impl View {
    pub(super) fn new() -> Self {
        Self { published: ArcSwap::from_pointee(Published::default()), revision: watch::Sender::new(0) }
    }

    /// The last publication.
    pub fn load(&self) -> Arc<Published> {
        self.published.load_full()
    }

    /// Tells of publications by their revision; a slow watcher sees only the last.
    pub(super) fn watch(&self) -> watch::Receiver<u64> {
        self.revision.subscribe()
    }

    pub(super) fn publish(&self, state: State) {
        self.replace(Published { leading: true, known: true, revision: 0, state });
    }

    /// Keeps the last state for readers, but says that it is not current.
    pub(super) fn step_down(&self) {
        let last = self.load();
        if last.leading {
            self.replace(Published { leading: false, ..Published::clone(&last) });
        }
    }

    /// Says that somebody else leads, so that the last state is not true any more.
    pub(super) fn disown(&self) {
        let last = self.load();
        if last.known {
            self.replace(Published { leading: false, known: false, ..Published::clone(&last) });
        }
    }

    fn replace(&self, published: Published) {
        let revision = self.load().revision + 1;
        self.published.store(Arc::new(Published { revision, ..published }));
        self.revision.send_replace(revision);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_former_leader_shows_its_last_state_until_somebody_else_leads() {
        let view = View::new();
        let shown = || (view.load().leading, view.load().known);
        assert_eq!(shown(), (false, false), "nothing was loaded yet");
        view.publish(State::default());
        assert_eq!(shown(), (true, true));
        view.step_down();
        assert_eq!(shown(), (false, true), "the store may only be out of reach for a moment");
        view.disown();
        assert_eq!(shown(), (false, false));
        assert_eq!(view.load().revision, 3);
    }
}
