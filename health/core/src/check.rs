//! What a health check asks for.

use std::time::Duration;

use serde::{Deserialize, Serialize};

/// Probes of one instance never come faster than this, whatever the check says: an interval of zero would be a busy loop.
pub const SHORTEST_INTERVAL: Duration = Duration::from_millis(100);

/// A probe without a time limit of its own (`timeout` zero, as Mesos allows) is given up after this long: ten minutes.
pub const LONGEST_PROBE: Duration = Duration::from_secs(600);

/// One health check of a run spec, already validated and with every default filled in.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Check {
    /// How to probe.
    pub protocol: Protocol,
    /// After the instance began to run, failures within this time do not count until the first success.
    pub grace_period: Duration,
    /// From the start of one probe to the start of the next. Read it through [`Check::pace`].
    pub interval: Duration,
    /// How long one probe may take; zero means no limit of its own. Read it through [`Check::time_limit`].
    pub timeout: Duration,
    /// From the start of the instance to its first probe; zero for checks that the scheduler executes.
    pub delay: Duration,
    /// The instance is to be killed at this many failures in a row; 0 means never.
    pub max_consecutive_failures: u32,
    /// Whether an HTTP answer of 100 to 199 leaves everything as it is instead of counting as a failure.
    pub ignore_http_1xx: bool,
}

impl Check {
    /// The interval, at least [`SHORTEST_INTERVAL`].
    pub fn pace(&self) -> Duration {
        self.interval.max(SHORTEST_INTERVAL)
    }

    /// How long a prober should wait for one answer: the timeout, at most [`LONGEST_PROBE`], which also stands in for zero.
    pub fn time_limit(&self) -> Duration {
        if self.timeout.is_zero() { LONGEST_PROBE } else { self.timeout.min(LONGEST_PROBE) }
    }
}

/// How to probe.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Protocol {
    /// `GET` over plain HTTP; 200 to 399 is healthy.
    Http {
        /// Path and query; none means `/`.
        path: Option<String>,
        /// Where the task listens.
        port: PortRef,
    },
    /// `GET` over TLS; neither certificate nor host name is verified.
    Https {
        /// Path and query; none means `/`.
        path: Option<String>,
        /// Where the task listens.
        port: PortRef,
    },
    /// A connection that is accepted is healthy.
    Tcp {
        /// Where the task listens.
        port: PortRef,
    },
    /// A shell command that runs beside the task; exit status 0 is healthy.
    Command {
        /// Text for `/bin/sh -c`.
        command: String,
    },
}

/// Which port of the task to probe.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum PortRef {
    /// Index into the ports that the task was given, from 0.
    Index(u32),
    /// This very port, whatever the task was given.
    Port(u16),
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_check_of_zeroes_neither_spins_nor_waits_for_ever() {
        let check = Check {
            protocol: Protocol::Tcp { port: PortRef::Index(0) },
            grace_period: Duration::ZERO,
            interval: Duration::ZERO,
            timeout: Duration::ZERO,
            delay: Duration::ZERO,
            max_consecutive_failures: 0,
            ignore_http_1xx: false,
        };
        assert_eq!(check.pace(), SHORTEST_INTERVAL);
        assert_eq!(check.time_limit(), LONGEST_PROBE);
    }

    #[test]
    fn a_check_survives_being_written_down() {
        for protocol in [
            Protocol::Http { path: Some("/health?x=1".into()), port: PortRef::Index(1) },
            Protocol::Https { path: None, port: PortRef::Port(8443) },
            Protocol::Tcp { port: PortRef::Port(1) },
            Protocol::Command { command: "test -f ready".into() },
        ] {
            let check = Check {
                protocol,
                grace_period: Duration::from_secs(300),
                interval: Duration::from_millis(1500),
                timeout: Duration::from_secs(20),
                delay: Duration::from_secs(15),
                max_consecutive_failures: 3,
                ignore_http_1xx: true,
            };
            let text = serde_json::to_string(&check).unwrap();
            assert_eq!(serde_json::from_str::<Check>(&text).unwrap(), check);
        }
    }
}
