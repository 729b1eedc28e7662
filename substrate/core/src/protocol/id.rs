//! Identifiers. Opaque texts to everybody but their maker; cheap to clone.

use std::{fmt, sync::Arc};

use serde::{Deserialize, Serialize};

macro_rules! ids {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {$(
        $(#[$doc])*
        #[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(Arc<str>);

        impl $name {
            /// Wraps a text that its maker vouches for.
            pub fn new(text: impl Into<Arc<str>>) -> Self {
                Self(text.into())
            }

            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
    )+};
}

ids! {
    /// An agent, for as long as its work directory lives: `<master id>-S<n>`.
    AgentId,
    /// A framework, over reconnects and failovers: `<master id>-<nnnn>`.
    FrameworkId,
    /// An outstanding offer: `<master id>-O<n>`.
    OfferId,
    /// A task, chosen by its framework; unique within it.
    TaskId,
    /// One run of a task on an agent: a UUID.
    ContainerId,
}
