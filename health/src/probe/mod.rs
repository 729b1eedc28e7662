//! One module per way to probe.

pub mod command;
pub mod http;
pub mod tcp;

use std::time::Duration;

use health_core::Outcome;

/// The outcome of `probe`, or a failure if it takes longer than `timeout`; what it held is released either way.
async fn limited(timeout: Duration, probe: impl Future<Output = Outcome>) -> Outcome {
    tokio::time::timeout(timeout, probe).await.unwrap_or_else(|_| Outcome::unhealthy(no_answer(timeout)))
}

fn no_answer(timeout: Duration) -> String {
    format!("no answer within {} s", timeout.as_secs_f64())
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    /// Long enough for anything that is meant to succeed on a busy machine.
    pub(crate) const AMPLE: Duration = Duration::from_secs(30);

    pub(crate) fn cause(outcome: Outcome) -> String {
        match outcome {
            Outcome::Unhealthy { cause } => cause,
            Outcome::Healthy | Outcome::Ignored => panic!("{outcome:?} is not a failure"),
        }
    }
}
