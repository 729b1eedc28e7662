//! SIGTERM and SIGINT: the first asks for an orderly stop, the second ends the process at once.

use std::{future::Future, io};

use tokio::signal::unix::{Signal, SignalKind, signal};
use tracing::{info, warn};

/// Conventional exit status of a process that a signal ended: 128 and the signal's number.
const BY_SIGNAL: i32 = 128;

/// The signals that ask for an end.
pub struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    /// From here on they do not end the process by themselves.
    pub fn listen() -> io::Result<Self> {
        Ok(Self { terminate: signal(SignalKind::terminate())?, interrupt: signal(SignalKind::interrupt())? })
    }

    /// Waits for the first one.
    pub async fn stop_asked(&mut self) {
        let kind = self.next().await;
        info!(signal.number = kind.as_raw_value(), "asked to stop");
    }

    /// Carries out an orderly stop, unless another signal ends the process first.
    pub async fn while_stopping(mut self, stopping: impl Future<Output = ()>) {
        tokio::select! {
            () = stopping => {}
            kind = self.next() => {
                warn!("asked to stop again: ending at once");
                std::process::exit(BY_SIGNAL + kind.as_raw_value());
            }
        }
    }

    async fn next(&mut self) -> SignalKind {
        tokio::select! {
            _ = self.terminate.recv() => SignalKind::terminate(),
            _ = self.interrupt.recv() => SignalKind::interrupt(),
        }
    }
}
