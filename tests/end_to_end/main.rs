//! End-to-end tests: the real binary, real processes, real sockets.
//!
//! `MARATHON_BIN` names the binary (default: `target/release/marathon`); `MARATHON_TEST_POSTGRES` the URL of a database in a
//! PostgreSQL server where these tests may create databases. `make test` sets both.

#![allow(clippy::unwrap_used, reason = "a failed expectation fails the test")]

mod support;

mod bad_input;
mod command_line;
mod deployments;
mod events;
mod garbage;
mod health;
mod postgres;
mod recovery;
mod rest;
mod shop;
mod tasks;
mod up;
mod upgrade;
