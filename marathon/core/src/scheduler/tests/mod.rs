//! The scheduler against a small world: a master, agents and tasks that do as they are told, a store and a clock.

mod commands;
mod deploying;
mod faults;
mod health;
mod restarts;
mod tasks;
mod world;
