//! Seeds that once broke a promise, named after what was wrong.

use super::{Options, run};

fn passes(seed: u64) {
    let outcome = run(Options { seed, ..Options::default() });
    assert!(outcome.violation.is_none(), "seed {seed}: {:?}\n{}", outcome.violation, outcome.trace.join("\n"));
}
