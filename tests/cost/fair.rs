//! One namespace does not make another wait.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::scene;

const ROUNDS: usize = 40;

/// How long each change of `calm` takes to its first call about that VM, among so many failing objects in that
/// namespace; the longest.
async fn longest(crowd: usize, of: &str) -> Duration {
    let world = scene::world(Duration::from_secs(2));
    let _operator = world.start();
    world.apply(scene::manifest("calm", "vm", json!({"monitoring": {"enabled": true, "alerting": false}})));
    scene::until_ready(&world, 1).await;
    let id = world.sim.instances().first().expect("it is made").id;
    // Every other creation fails in a way that proves nothing, and is tried and looked for again and again.
    world.sim.inject(Fault::always(Match::operation(Operation::Create), FaultKind::status(503, false)));
    for number in 0..crowd {
        world.apply(scene::manifest(of, &format!("vm{number:05}"), json!({})));
    }
    world.pass(Duration::from_secs(300)).await;
    let mut most = Duration::ZERO;
    for round in 0..ROUNDS {
        world.sim.clear_journal();
        let begun = world.sim.now();
        let spec = json!({"monitoring": {"enabled": true, "alerting": round % 2 == 0}});
        world.api.patch_spec("itcareinstances", "calm", "vm", spec).expect("it is there");
        world.pass(Duration::from_secs(30)).await;
        let journal = world.sim.journal();
        let first = journal.iter().find(|entry| entry.instance == Some(id)).unwrap_or_else(|| {
            panic!("no call about the changed VM within half a minute, round {round}:\n{}", world.tail())
        });
        most = most.max(first.at.duration_since(begun).unsigned_abs());
    }
    most
}

#[tokio::test(start_paused = true)]
async fn five_thousand_failing_objects_do_not_delay_another_namespaces_change() {
    let alone = longest(0, "loud").await;
    let crowded = longest(5_000, "loud").await;
    // Under paused time only waiting counts: a permit of the rate is a tenth of a second.
    assert!(crowded <= (alone * 2).max(Duration::from_millis(100)), "{crowded:?}, alone {alone:?}");
}

#[tokio::test(start_paused = true)]
async fn five_hundred_failing_objects_do_not_delay_a_change_in_their_own_namespace() {
    let crowded = longest(500, "calm").await;
    assert!(crowded <= Duration::from_millis(100), "{crowded:?}");
}
