//! The one source of chance of a run.

use std::time::Duration;

use rand_chacha::{
    ChaCha8Rng,
    rand_core::{RngCore, SeedableRng},
};

/// What [`Dice::one_in`] takes for "never".
pub const NEVER: u64 = 0;

/// A generator that is seeded once per run; whatever happens by chance in a run is drawn from it.
#[derive(Clone, Debug)]
pub struct Dice(ChaCha8Rng);

impl Dice {
    /// The same seed draws the same.
    pub fn new(seed: u64) -> Self {
        Self(ChaCha8Rng::seed_from_u64(seed))
    }

    /// Any number.
    pub fn number(&mut self) -> u64 {
        self.0.next_u64()
    }

    /// A number from `low` to `high`, both included.
    pub fn between(&mut self, low: u64, high: u64) -> u64 {
        low + self.number() % (high - low + 1)
    }

    /// A time from `low` to `high` milliseconds.
    pub fn millis(&mut self, low: u64, high: u64) -> Duration {
        Duration::from_millis(self.between(low, high))
    }

    /// True once in `odds` times; never for [`NEVER`].
    pub fn one_in(&mut self, odds: u64) -> bool {
        odds != NEVER && self.number().is_multiple_of(odds)
    }

    /// One of them.
    pub fn pick<'a, T>(&mut self, among: &'a [T]) -> &'a T {
        let index = self.between(0, among.len() as u64 - 1);
        &among[index as usize]
    }

    /// A seed for a generator inside a core.
    pub fn seed(&mut self) -> [u8; 32] {
        let mut seed = [0; 32];
        self.0.fill_bytes(&mut seed);
        seed
    }
}
