//! Whole worlds drawn from a seed: many objects, users who edit and delete, other people in the same cloud,
//! faults on both sides, two replicas that die and take the lease from each other, for days.
//!
//! `WORLDS=2000` draws more of them. One world again: `PLAN='world/17' cargo test --test faults worlds`.
//! What happens is drawn by [`script`]; what must hold at the end is in [`check`].

mod check;
mod script;

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use itcare_sim::{ActionState, Config};
use tokio::time::{Instant, sleep};

use crate::draw::Draw;
use crate::plan::{Plan, on_paused_time, run};
use crate::support::{Replica, Setup, World};
use script::Story;

/// How many worlds, if not the ordinary number.
const WORLDS: &str = "WORLDS";

/// How many worlds each of the two tests runs in the ordinary run.
const ORDINARY: u64 = 100;

/// Longer than anything is held back before it is tried again by itself.
const QUIET: Duration = Duration::from_secs(3 * 3600);

/// What happened in all worlds, so that none of it can silently stop happening.
#[derive(Default)]
pub struct Tally(Mutex<BTreeMap<String, usize>>);

impl Tally {
    pub fn add(&self, what: impl Into<String>, count: usize) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(what.into()).or_default() += count;
    }
}

#[test]
fn worlds_of_even_seeds_come_to_rest_as_their_users_wish() {
    worlds(0);
}

#[test]
fn worlds_of_odd_seeds_come_to_rest_as_their_users_wish() {
    worlds(1);
}

#[test]
fn the_same_seed_gives_the_same_trace() {
    for seed in [3, 8] {
        let trace = || {
            on_paused_time(async {
                let (world, _) = live(seed, &Tally::default()).await;
                let calls = world.sim.journal().into_iter();
                calls
                    .map(|entry| format!("{} {} {} {}", entry.at, entry.method, entry.path, entry.body))
                    .collect::<Vec<_>>()
            })
        };
        let (first, second) = (trace(), trace());
        let differs = first.iter().zip(&second).position(|(one, other)| one != other);
        let at = differs.unwrap_or(first.len().min(second.len()));
        let around = |trace: &[String]| trace[at.saturating_sub(3)..trace.len().min(at + 3)].join("\n");
        assert!(first == second, "seed {seed}, call {at}:\n{}\nand\n{}", around(&first), around(&second));
        assert!(first.len() > 100, "hardly anything happened");
    }
}

fn worlds(parity: u64) {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let asked = std::env::var(WORLDS).ok().map(|text| text.parse::<u64>().expect("WORLDS is a number") / 2);
    let count = asked.unwrap_or(ORDINARY);
    let tally = Arc::new(Tally::default());
    let plans = (0..count).map(|index| {
        let seed = index * 2 + parity;
        let tally = Arc::clone(&tally);
        Plan {
            name: format!("world/{seed}"),
            run: Box::new(move || {
                let tally = Arc::clone(&tally);
                Box::pin(async move {
                    let (world, story) = live(seed, &tally).await;
                    check::all(&world, &story, &tally);
                })
            }),
        }
    });
    run(plans.collect(), count as usize);
    let tally = tally.0.lock().unwrap_or_else(PoisonError::into_inner).clone();
    println!("{tally:#?}");
    if asked.is_none() && tally.get("worlds") == Some(&(ORDINARY as usize)) {
        for what in script::EXPECTED {
            assert!(tally.get(*what).is_some_and(|count| *count >= 5), "hardly ever: {what} in {tally:#?}");
        }
    }
}

/// A world from its beginning to its rest.
async fn live(seed: u64, tally: &Tally) -> (World, Story) {
    let mut draw = Draw::seeded(seed);
    let mut world = World::with(Config::auto(Duration::from_secs(*draw.pick(&[2, 20, 90]))));
    world.sim.quirks(|quirks| {
        let protects = draw.one_in(2);
        quirks.unique_names = protects;
        quirks.single_slot = protects;
        quirks.resize_needs_stop = draw.one_in(2);
        quirks.visible_while_creating = draw.one_in(3);
        quirks.transitional_states = draw.one_in(3);
        quirks.removed_leftovers = draw.one_in(4);
        quirks.omit_storage = draw.one_in(4);
        quirks.names_match_prefix = draw.one_in(4);
    });
    world.setup = Setup {
        elect: true,
        lease: Duration::from_secs(120),
        settle: Duration::from_secs(180),
        observe_interval: Duration::from_secs(600),
        page_size: *draw.pick(&[3, 50, 200]),
        ..Setup::default()
    };
    let objects = match seed % 20 {
        0 => 60 + draw.below(141),
        _ => 10 + draw.below(21),
    };
    let mut story = Story::new(objects as usize, draw);
    let mut replicas = vec![Some(world.start()), Some(world.start())];
    for _ in 0..60 + objects * 2 {
        story.step(&world, &mut replicas).await;
    }
    story.heal(&world, &mut replicas).await;
    rest(&world).await;
    let mark = still(&world);
    sleep(Duration::from_secs(24 * 3600)).await;
    assert_eq!(mark, still(&world), "changed at rest:\n{}", world.tail());
    tally.add("worlds", 1);
    tally.add("objects", story.objects());
    for action in world.sim.actions() {
        if action.state == ActionState::Succeeded {
            tally.add(action.process, 1);
        }
    }
    drop::<Vec<Option<Replica>>>(replicas);
    (world, story)
}

/// What must not move at rest: every object's version, and what was ever begun in the cloud.
fn still(world: &World) -> (Vec<String>, usize) {
    let kinds = ["itcareinstances", "itcaresnapshots"];
    let versions = kinds.into_iter().flat_map(|kind| world.api.list(kind));
    let versions = versions.map(|object| object["metadata"]["resourceVersion"].to_string()).collect();
    (versions, world.sim.actions().len())
}

/// Lets time pass until nothing changes any more.
async fn rest(world: &World) {
    let begun = Instant::now();
    let (mut last, mut since) = (still(world), begun);
    while since.elapsed() < QUIET || !world.sim.running().is_empty() {
        assert!(
            begun.elapsed() < Duration::from_secs(5 * 24 * 3600),
            "no rest in five days:\n{}",
            world.tail()
        );
        sleep(Duration::from_secs(300)).await;
        let now = still(world);
        if now != last {
            (last, since) = (now, Instant::now());
        }
    }
}
