//! Amounts of what agents have and tasks use, added and compared exactly.
//!
//! - [`Scalar`]: amounts in thousandths (cpus, mem in MiB, disk in MiB, gpus);
//! - [`Ranges`]: sets of integers (ports);
//! - [`Resources`]: a collection of both and of sets of texts, by name and reservation.

mod bundle;
mod parse;
mod ranges;
mod scalar;

pub use bundle::{Insufficient, Kind, Quantity, Resources};
pub use parse::{ParseError, parse_attributes};
pub use ranges::Ranges;
pub use scalar::Scalar;
