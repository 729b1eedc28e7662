//! Judges the product from outside: what lies in this package speaks HTTP, DNS and the command line to the real binary, and uses
//! none of its crates.
//!
//! - `end_to_end/`: scenarios against `marathon up` and its parts started apart;
//! - `benchmarks/`: the figures of `BENCHMARKS.md`;
//! - `browser/`: the dashboard in a real browser;
//! - `simulation/`: the pure cores in a simulated world, a package of its own.
