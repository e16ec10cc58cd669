//! Creations and deletions: P1, P5, P9.

use std::time::Duration;

use itcare_sim::{Operation, SeedInstance};
use serde_json::json;

use crate::scene;

#[tokio::test(start_paused = true)]
async fn a_thousand_creations_cost_at_most_two_point_three_calls_each_and_end_near_the_floor() {
    const COUNT: usize = 1_000;
    let world = scene::world(Duration::from_secs(60));
    let _operator = world.start();
    scene::apply(&world, COUNT);
    let took = scene::until_ready(&world, COUNT).await;
    let journal = world.sim.journal();
    let calls = scene::calls(&journal);
    let all: usize = calls.values().sum();
    assert!(all * 10 <= COUNT * 23, "{all} calls: {calls:?}");
    assert_eq!(calls[&Operation::Create], COUNT, "{calls:?}");
    // Nothing can be faster than the calls that were made, at the account's rate, and the last action.
    let floor = Duration::from_secs_f64((all as f64 - 20.0) / 10.0);
    assert!(took <= floor.mul_f64(1.1), "{took:?}, floor {floor:?}, {calls:?}");
}

#[tokio::test(start_paused = true)]
async fn five_hundred_creations_are_ready_within_a_tenth_of_the_floor() {
    const COUNT: usize = 500;
    let world = scene::world(Duration::from_secs(60));
    let _operator = world.start();
    scene::apply(&world, COUNT);
    let took = scene::until_ready(&world, COUNT).await;
    let journal = world.sim.journal();
    assert!(took <= Duration::from_secs(109).mul_f64(1.1), "{took:?}, {:?}", scene::calls(&journal));
    assert!(journal.iter().all(|entry| entry.status() != Some(429)));
}

#[tokio::test(start_paused = true)]
async fn a_creation_among_ten_thousand_vms_does_not_read_them_all() {
    let mut world = scene::world(Duration::from_secs(30));
    world.setup.observe_interval = Duration::from_secs(300);
    for number in 0..10_000 {
        world.sim.seed(SeedInstance::new(&format!("PELSEWHERE{number:05}"), 13));
    }
    let _operator = world.start();
    scene::apply(&world, 1);
    scene::until_ready(&world, 1).await;
    // The first object of a service asks for its whole list: fifty pages. What follows asks for its end only.
    world.sim.clear_journal();
    world.apply(scene::manifest("shop", "late", json!({})));
    scene::until_ready(&world, 2).await;
    let calls = scene::calls(&world.sim.journal());
    assert!(calls[&Operation::List] <= 3, "{calls:?}");
    assert!(calls.values().sum::<usize>() <= 14, "{calls:?}");
}

#[tokio::test(start_paused = true)]
async fn a_creation_costs_four_writes_and_a_deletion_three() {
    let world = scene::world(Duration::from_secs(60));
    let _operator = world.start();
    world.api.clear_journal();
    scene::apply(&world, 1);
    scene::until_ready(&world, 1).await;
    let created = scene::writes(&world);
    assert!(created <= 4, "{created}: {:#?}", world.api.writes());
    world.quiet().await;
    world.api.clear_journal();
    world.delete("vm00000");
    world.until_gone("itcareinstances", "vm00000").await;
    let deleted = scene::writes(&world);
    assert!(deleted <= 3, "{deleted}: {:#?}", world.api.writes());
}
