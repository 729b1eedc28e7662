//! The result of one probe.

use serde::{Deserialize, Serialize};

/// A cause is cut at this many bytes: it comes from the probed task, and it is stored and repeated in events.
pub const MAX_CAUSE_BYTES: usize = 512;

/// What one probe found.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Outcome {
    /// The task answered as it should.
    Healthy,
    /// It did not. Make it with [`Outcome::unhealthy`], which bounds the cause.
    Unhealthy {
        /// Why, for people: a status line, an error, an exit status. At most [`MAX_CAUSE_BYTES`] bytes once recorded.
        cause: String,
    },
    /// An answer that says nothing: HTTP 100 to 199 with `ignore_http_1xx`.
    Ignored,
}

impl Outcome {
    /// A failure with its cause, cut at [`MAX_CAUSE_BYTES`].
    pub fn unhealthy(cause: impl Into<String>) -> Self {
        Self::Unhealthy { cause: bounded(cause.into()) }
    }
}

/// `cause` cut at the last character that ends within [`MAX_CAUSE_BYTES`].
pub(crate) fn bounded(mut cause: String) -> String {
    if cause.len() > MAX_CAUSE_BYTES {
        cause.truncate(cause.floor_char_boundary(MAX_CAUSE_BYTES));
    }
    cause
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_cause_is_cut_between_characters() {
        let cause = format!("{}äb", "x".repeat(MAX_CAUSE_BYTES - 1));
        assert_eq!(Outcome::unhealthy(cause), Outcome::Unhealthy { cause: "x".repeat(MAX_CAUSE_BYTES - 1) });
        assert_eq!(Outcome::unhealthy("short"), Outcome::Unhealthy { cause: "short".into() });
    }
}
