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
        self.replace(true, state);
    }

    /// Keeps the last state for readers, but says that it is not current.
    pub(super) fn step_down(&self) {
        let last = self.load();
        if last.leading {
            self.replace(false, last.state.clone());
        }
    }

    fn replace(&self, leading: bool, state: State) {
        let revision = self.load().revision + 1;
        self.published.store(Arc::new(Published { revision, leading, state }));
        self.revision.send_replace(revision);
    }
}
