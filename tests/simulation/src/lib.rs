//! Whole clusters in simulated time: the real cores of scheduler, master and agents, joined by a simulated network, disks, clocks and
//! machines, all driven by one seed.
//!
//! A run has two parts. First users change apps while messages are lost, late or repeated, processes and machines crash at any
//! point, commits fail or are not heard of, and clocks jump. Then the faults stop, and everything must become as it should be
//! within [`world::CONVERGENCE_BOUND`]. The promises of the design are checked all the time ([`checkers`]). The same seed gives the same
//! run to the last line of its trace, so a seed that fails is a test.
//!
//! Where the cores meet the world, faults can be planted ([`sabotage`]) that the checkers must find.

pub mod checkers;
pub mod dice;
#[cfg(test)]
mod regressions;
pub mod sabotage;
#[cfg(test)]
mod tests;
mod trace;
pub mod violation;
pub mod weather;
pub mod workload;
pub mod world;

pub use sabotage::Sabotage;
pub use violation::{Invariant, Violation};
pub use world::{Options, Outcome, run};
