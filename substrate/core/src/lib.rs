//! The decisions of the resource-offer substrate: who has what, who gets it, what runs where.
//!
//! Two state machines without IO, [`master::Master`] and [`agent::Agent`], the values that they exchange with each other and
//! with frameworks ([`protocol`]), exact [`resources`] arithmetic and the [`allocator`].
//!
//! This crate never opens a socket, reads a clock, spawns anything or draws randomness that it was not given. Everything that
//! may come late, twice, out of order or never is an input; whatever follows from it is in the output.

pub mod agent;
pub mod allocator;
mod clock;
pub mod master;
pub mod protocol;
pub mod resources;
#[cfg(test)]
mod testing;
