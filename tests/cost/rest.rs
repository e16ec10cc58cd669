//! Nothing changes: P2, P2b, P8's and P9's zero writes, P13 in short.

use std::time::Duration;

use crate::scene;
use crate::support::World;

const HOUR: Duration = Duration::from_secs(3600);

/// So many VMs at rest, and the operator that watches them.
async fn at_rest(count: usize, page: u32, interval: Duration) -> (World, crate::support::Replica) {
    let mut world = scene::world(Duration::from_secs(2));
    world.setup.page_size = page;
    world.setup.observe_interval = interval;
    let fast = crate::support::Setup { rate: 1_000.0, burst: 1_000, ..world.setup.clone() };
    let operator = world.start_with(&fast);
    scene::apply(&world, count);
    scene::until_ready(&world, count).await;
    operator.terminate().await;
    let operator = world.start();
    world.pass(Duration::from_secs(600)).await;
    world.sim.clear_journal();
    world.api.clear_journal();
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn a_thousand_vms_at_rest_cost_660_calls_an_hour_and_no_write() {
    let (world, _operator) = at_rest(1_000, 100, Duration::from_secs(60)).await;
    world.pass(HOUR).await;
    let calls = scene::calls(&world.sim.journal());
    assert!(scene::without_details(&calls) <= 660, "{calls:?}");
    assert_eq!(scene::writes(&world), 0, "{:?}", world.api.writes().first());
}

#[tokio::test(start_paused = true)]
async fn ten_thousand_vms_every_five_minutes_cost_1320_calls_an_hour() {
    let (world, _operator) = at_rest(10_000, 100, Duration::from_secs(300)).await;
    world.pass(HOUR).await;
    let calls = scene::calls(&world.sim.journal());
    assert!(scene::without_details(&calls) <= 1_320, "{calls:?}");
    assert_eq!(scene::writes(&world), 0, "{:?}", world.api.writes().first());
}

#[tokio::test(start_paused = true)]
async fn a_restart_among_two_thousand_unchanged_objects_writes_nothing_and_reads_pages() {
    let (world, operator) = at_rest(2_000, 200, Duration::from_secs(60)).await;
    operator.terminate().await;
    world.sim.clear_journal();
    world.api.clear_journal();
    let _operator = world.start();
    world.pass(Duration::from_secs(30)).await;
    let calls = scene::calls(&world.sim.journal());
    assert!(calls.values().sum::<usize>() <= 12, "{calls:?}");
    assert_eq!(scene::writes(&world), 0, "{:?}", world.api.writes().first());
}

#[tokio::test(start_paused = true)]
async fn three_days_at_rest_change_nothing_and_each_day_costs_the_same() {
    let (world, operator) = at_rest(20, 100, Duration::from_secs(60)).await;
    let mut days = Vec::new();
    for _ in 0..3 {
        world.sim.clear_journal();
        world.pass(24 * HOUR).await;
        days.push(world.sim.journal().len());
    }
    let (least, most) = (days.iter().min().expect("three days"), days.iter().max().expect("three days"));
    assert!(most - least <= most / 20, "{days:?}");
    assert_eq!(scene::writes(&world), 0, "{:?}", world.api.writes().first());
    assert!(!operator.has_ended());
}
