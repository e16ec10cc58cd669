//! P12: ITCare is away for an hour while everything is changed.

use std::time::Duration;

use serde_json::json;

use crate::scene;

#[tokio::test(start_paused = true)]
async fn after_an_hour_away_a_thousand_changes_are_made_near_the_floor_and_never_above_the_rate() {
    const COUNT: usize = 1_000;
    const ACTION: Duration = Duration::from_secs(60);
    let world = scene::world(Duration::from_secs(2));
    let fast = crate::support::Setup { rate: 1_000.0, burst: 1_000, ..world.setup.clone() };
    let operator = world.start_with(&fast);
    scene::apply(&world, COUNT);
    scene::until_ready(&world, COUNT).await;
    operator.terminate().await;
    world.sim.config(|config| config.time = itcare_sim::Config::auto(ACTION).time);
    let operator = world.start();
    world.pass(Duration::from_secs(120)).await;
    operator.transport.set_unreachable(true);
    for number in 0..COUNT {
        world.patch(&format!("vm{number:05}"), json!({"monitoring": {"enabled": true, "alerting": true}}));
    }
    world.pass(Duration::from_secs(3600)).await;
    world.sim.clear_journal();
    operator.transport.set_unreachable(false);
    let took = scene::until_ready(&world, COUNT).await;
    // Each change reads the detail before it, is sent, and is confirmed by another detail.
    let floor = Duration::from_secs_f64((3.0 * COUNT as f64 - 20.0) / 10.0) + ACTION;
    let journal = world.sim.journal();
    let calls = scene::calls(&journal);
    assert!(took <= floor.mul_f64(1.1), "{took:?}, floor {floor:?}: {calls:?}");
    let busiest = scene::busiest(&journal, Duration::from_secs(60));
    assert!(busiest <= 60 * 10 + 20, "{busiest} calls in a minute");
}
