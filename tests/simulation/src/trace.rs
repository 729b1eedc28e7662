//! What happened, in lines.

use std::{collections::VecDeque, fmt};

/// So many lines are shown with a violation.
const TAIL: usize = 60;

/// The last lines, or all, and a hash over all.
#[derive(Debug)]
pub struct Trace {
    lines: VecDeque<String>,
    all: bool,
    hash: u64,
}

impl Trace {
    /// `all`: keep every line.
    pub fn new(all: bool) -> Self {
        Self { lines: VecDeque::new(), all, hash: 0xcbf2_9ce4_8422_2325 }
    }

    /// One more line.
    pub fn line(&mut self, line: fmt::Arguments<'_>) {
        let text = if !self.all && self.lines.len() >= TAIL {
            let mut old = self.lines.pop_front().unwrap_or_default();
            old.clear();
            let _ = fmt::write(&mut old, line);
            old
        } else {
            line.to_string()
        };
        for byte in text.bytes() {
            self.hash = (self.hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
        self.lines.push_back(text);
    }

    /// Over all lines: two runs with one hash went the same way.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The lines that were kept.
    pub fn lines(self) -> Vec<String> {
        self.lines.into()
    }
}
