//! Runs seeds and tells which of them break a promise.

use std::{
    collections::BTreeMap,
    process::ExitCode,
    sync::{
        Mutex,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant},
};

use clap::Parser;
use simulation::{Options, Outcome, Sabotage, run};

/// Simulates clusters with faults, one per seed, and checks what must always hold
#[derive(Debug, Parser)]
struct Flags {
    /// How many seeds to run
    #[arg(long, default_value_t = 100)]
    seeds: u64,
    /// The first of them
    #[arg(long, default_value_t = 0)]
    from: u64,
    /// Run this seed alone
    #[arg(long)]
    seed: Option<u64>,
    /// Print everything that happens
    #[arg(long)]
    trace: bool,
    /// Plant a fault, which is to be found
    #[arg(long)]
    sabotage: Option<Sabotage>,
    /// Seeds at a time
    #[arg(long, default_value_t = 2)]
    jobs: u64,
    /// Stop after this many failures
    #[arg(long, default_value_t = 10)]
    failures: u64,
}

#[derive(Debug, Default)]
struct Total {
    passed: u64,
    failed: u64,
    steps: u64,
    simulated: Duration,
    slowest: (Duration, u64),
    tally: BTreeMap<&'static str, u64>,
}

fn main() -> ExitCode {
    let flags = Flags::parse();
    let (first, end) = match flags.seed {
        Some(seed) => (seed, seed.saturating_add(1)),
        None => (flags.from, flags.from.saturating_add(flags.seeds)),
    };
    let started = Instant::now();
    let next = AtomicU64::new(first);
    let total = Mutex::new(Total::default());
    std::thread::scope(|scope| {
        for _ in 0..flags.jobs.max(1) {
            scope.spawn(|| work(&flags, &next, end, &total, started));
        }
    });
    let total = total.into_inner().unwrap_or_else(std::sync::PoisonError::into_inner);
    report(&total, started.elapsed());
    if total.failed == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

fn work(flags: &Flags, next: &AtomicU64, end: u64, total: &Mutex<Total>, started: Instant) {
    loop {
        let seed = next.fetch_add(1, Ordering::Relaxed);
        if seed >= end {
            return;
        }
        let outcome = run(Options { seed, trace: flags.trace, sabotage: flags.sabotage });
        let mut total = total.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        total.count(&outcome);
        tell(&outcome, flags.trace);
        let done = total.passed + total.failed;
        if done.is_multiple_of(100) {
            let rate = done as f64 / started.elapsed().as_secs_f64();
            eprintln!("{done} seeds, {} failed, {rate:.1} seeds/s", total.failed);
        }
        if total.failed >= flags.failures {
            next.store(end, Ordering::Relaxed);
            return;
        }
    }
}

impl Total {
    fn count(&mut self, outcome: &Outcome) {
        if outcome.violation.is_some() {
            self.failed += 1;
        } else {
            self.passed += 1;
        }
        self.steps += outcome.steps;
        self.simulated += outcome.simulated;
        self.slowest = self.slowest.max((outcome.healed_after.unwrap_or_default(), outcome.seed));
        for (what, times) in &outcome.tally {
            *self.tally.entry(what).or_default() += times;
        }
    }
}

fn tell(outcome: &Outcome, all: bool) {
    if all || outcome.violation.is_some() {
        for line in &outcome.trace {
            println!("{line}");
        }
    }
    let Some(violation) = &outcome.violation else { return };
    println!(
        "seed {} broke invariant {} at step {}, {:.3} s\n  {}\n",
        outcome.seed,
        violation.invariant,
        outcome.steps,
        outcome.simulated.as_secs_f64(),
        violation.explanation
    );
}

fn report(total: &Total, elapsed: Duration) {
    for (what, times) in &total.tally {
        println!("{times:>9} × {what}");
    }
    println!("longest from the last fault to all well: {} s (seed {})", total.slowest.0.as_secs(), total.slowest.1);
    let seeds = total.passed + total.failed;
    println!(
        "{} seeds passed, {} failed; {:.1} seeds/s, {:.1} simulated hours, {} steps",
        total.passed,
        total.failed,
        seeds as f64 / elapsed.as_secs_f64().max(0.001),
        total.simulated.as_secs_f64() / 3600.0,
        total.steps
    );
}
