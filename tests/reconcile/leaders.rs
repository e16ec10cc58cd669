//! Two processes that both act: a lease is no fence, the ledger is the last defence (DESIGN 5.2, 9).

use std::time::Duration;

use itcare_lab::memory::Fault as ApiFault;
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_both_think_they_lead_one_creates() {
    for apart in (0..60).step_by(4) {
        // No election: each holds itself for the leader. And no cloud that would refuse the second VM.
        let world = World::lax();
        world.apply(manifest::instance("web"));
        let _one = world.start();
        world.pass(Duration::from_millis(apart)).await;
        let two = world.start();
        world.until_reason("web", "Running").await;
        two.kill();
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "started {apart} ms apart:\n{}", world.tail());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_all_effects() {
    let mut world = World::new();
    world.setup.elect = true;
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.api.inject(ApiFault::hang().resource("leases").always());
    world.pass(Duration::from_secs(15)).await;
    let before = world.changes().len();
    world.patch("web", json!({"powerState": "Stopped"}));
    world.pass(Duration::from_secs(300)).await;
    assert!(!operator.gate.is_open() && world.changes().len() == before, "it still acts: {}", world.tail());
}
