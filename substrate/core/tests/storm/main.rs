//! A master, agents and a framework on a bad day: messages lost and doubled, connections half open, processes that die at any
//! moment. Whatever happens, no agent is overcommitted and no task runs that its framework was told is over; and when the
//! weather clears, everybody agrees again.
#![expect(clippy::unwrap_used, reason = "this is a test")]

mod framework;
mod node;
mod world;

use world::World;

fn survive(seed: u64) {
    let mut world = World::new(seed);
    for _ in 0..1500 {
        world.storm();
    }
    world.calm();
    world.assert_agreement();
}

#[test]
fn everybody_agrees_after_a_storm() {
    let seeds = std::env::var("STORM_SEEDS").ok().and_then(|text| text.parse().ok()).unwrap_or(25);
    let first = std::env::var("STORM_FIRST").ok().and_then(|text| text.parse().ok()).unwrap_or(0);
    for seed in first..first + seeds {
        if let Err(panic) = std::panic::catch_unwind(|| survive(seed)) {
            eprintln!("STORM_FIRST={seed} STORM_SEEDS=1 plays this again");
            std::panic::resume_unwind(panic);
        }
    }
}
