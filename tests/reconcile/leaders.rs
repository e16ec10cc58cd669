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

/// What creations wrote down before they were sent: the newest action that was known.
fn fences(world: &World, name: &str) -> Vec<i64> {
    let writes = world.api.writes().into_iter().filter(|write| write.name == name);
    let ledgers = writes.filter_map(|write| {
        let text = write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"].as_str()?.to_owned();
        serde_json::from_str::<serde_json::Value>(&text).ok()
    });
    let intents = ledgers.filter(|ledger| ledger["intent"].is_object());
    intents.map(|ledger| ledger["intent"]["fence"]["action"].as_i64().unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_permit_is_waited_for_lies_before_the_fence() {
    let mut world = World::new();
    (world.setup.rate, world.setup.burst) = (0.2, 1);
    let names = ["one", "two", "three"];
    for name in names {
        world.apply(manifest::instance(name));
    }
    let _operator = world.start();
    for name in names {
        world.until_reason(name, "Running").await;
    }
    let mut made: Vec<(i64, i64)> = names
        .iter()
        .map(|name| {
            let id = world.instance(name).id();
            let vms = world.sim.instances();
            let vm = vms.iter().find(|vm| vm.id == id).expect("it is there");
            (vm.created_by_action.expect("it was made"), fences(&world, name)[0])
        })
        .collect();
    made.sort_unstable();
    for pair in made.windows(2) {
        assert!(
            pair[1].1 >= pair[0].0,
            "an action that was answered before is newer than the fence: {made:?}"
        );
    }
}
