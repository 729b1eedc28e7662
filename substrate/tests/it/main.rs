//! The shells with real processes, sockets and files.

mod containers;
mod supervision;
mod support;
