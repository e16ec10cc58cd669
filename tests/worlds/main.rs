//! Whole worlds drawn from a seed: many objects, users who edit and delete, other people in the same cloud, faults on
//! both seams, two replicas that die and take the lease from each other, for days.
//!
//! `WORLD=17 cargo test --test worlds -- --nocapture` lives one world again and tells its story; `WORLDS=2000` draws
//! more. Each world has a process of its own, in which even the system's randomness comes from the seed (`alone`), so
//! that the same seed gives the same trace. What happens is in `story` and beside it, what must hold in `check` (at
//! the end) and `past` (ever). Not here: one or two troubles at a time, on every boundary; that is `faults`.

#[path = "../support/mod.rs"]
mod support;

#[path = "../faults/draw.rs"]
mod draw;

mod alone;
mod check;
mod life;
mod outside;
mod past;
mod replicas;
mod rest;
mod secrets;
mod story;
mod tally;
mod trace;
mod trouble;
mod users;
mod world;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use alone::{Child, Ended};
use tally::Tally;

/// A fifth of a world's time is memory that comes and goes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

/// How many worlds, if not the ordinary number.
const WORLDS: &str = "WORLDS";

/// Only the world of this seed, with its story.
const WORLD: &str = "WORLD";

/// How many worlds the ordinary run has.
const ORDINARY: u64 = 200;

#[test]
fn every_world_comes_to_rest_as_its_users_wish() {
    if let Some(seed) = alone::number(alone::SEED) {
        alone::live(seed, world::all);
        return;
    }
    if let Some(seed) = alone::number(WORLD) {
        let Ended { told, failed, .. } = Child::of(seed).telling().run();
        println!("{told}");
        assert!(!failed, "{WORLD}={seed} failed");
        return;
    }
    let count = alone::number(WORLDS).unwrap_or(ORDINARY);
    let (tally, next, failed) = (Mutex::new(Tally::default()), AtomicU64::new(0), Mutex::new(Vec::new()));
    let work = || {
        while let Some(seed) = Some(next.fetch_add(1, Ordering::Relaxed)).filter(|seed| *seed < count) {
            let ended = Child::of(seed).run();
            if ended.failed {
                eprintln!("FAILED: {WORLD}={seed}\n{}", ended.told);
                failed.lock().expect("nobody panics with it").push(seed);
            } else {
                tally.lock().expect("nobody panics with it").add_all(&ended.tally);
            }
        }
    };
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().map_or(2, usize::from) {
            scope.spawn(work);
        }
    });
    let tally = tally.into_inner().expect("nobody panics with it");
    println!("{tally:#?}");
    let mut failed = failed.into_inner().expect("nobody panics with it");
    failed.sort_unstable();
    assert!(failed.is_empty(), "{} of {count} worlds failed: {failed:?}", failed.len());
    tally.has_teeth(count);
}

#[test]
fn the_same_seed_gives_the_same_trace_and_another_seed_another_one() {
    if alone::number(alone::SEED).is_some() {
        return;
    }
    let mut others: Vec<String> = Vec::new();
    for seed in [3, 8, 21, 40] {
        let (first, second) = (Child::of(seed).traced(), Child::of(seed).traced());
        let lines = || first.lines().zip(second.lines()).enumerate();
        if let Some((at, (one, other))) = lines().find(|(_, (one, other))| one != other) {
            panic!("seed {seed}, line {at}:\n{one}\nand\n{other}");
        }
        assert!(first == second, "seed {seed}: {} and {} bytes", first.len(), second.len());
        assert!(first.lines().count() > 1000, "hardly anything happened with seed {seed}");
        assert!(!others.contains(&first), "seed {seed} gives the trace of another one");
        others.push(first);
    }
}
