//! Several objects for one VM: whose it is (DESIGN 5.4).

use std::time::Duration;

use itcare_lab::memory::{Fault as ApiFault, Verb};
use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::support::{World, manifest};

/// An object of another name for the same VM.
fn second(name: &str, more: serde_json::Value) -> serde_json::Value {
    let mut manifest = manifest::with(name, more);
    manifest["spec"]["name"] = json!("PWEB");
    manifest
}

#[tokio::test(start_paused = true)]
async fn the_object_that_records_a_vm_keeps_it_against_an_older_one() {
    let world = World::lax();
    let _operator = world.start();
    // The older one only observes: that holds no claim, and the younger one may create.
    world.apply(second("older", json!({"managementPolicy": "Observe"})));
    world.until("older", "without a VM", |seen| seen.is_stalled("InstanceMissing")).await;
    world.pass(Duration::from_secs(5)).await;
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("older", json!({"managementPolicy": "Manage", "adoptionPolicy": "ByName"}));
    world.until("older", "without the claim", |seen| seen.is_stalled("Conflict")).await;
    world.quiet().await;
    assert!(world.instance("web").is_ready(), "{:?}", world.instance("web"));
    assert_eq!(world.change_words(), [Operation::Create]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn the_object_whose_call_may_be_in_flight_keeps_the_name_against_an_older_one() {
    for kind in [
        FaultKind::DropAfter,
        FaultKind::HangForever { effect: true },
        FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: true },
    ] {
        let world = World::lax();
        let _operator = world.start();
        world.apply(second("older", json!({"managementPolicy": "Observe"})));
        world.until("older", "without a VM", |seen| seen.is_stalled("InstanceMissing")).await;
        world.pass(Duration::from_secs(5)).await;
        world.sim.inject(Fault::once(Match::operation(Operation::Create), kind.clone()));
        world.apply(manifest::instance("web"));
        world.until("web", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
        world.patch("older", json!({"managementPolicy": "Manage"}));
        world.until("older", "without the claim", |seen| seen.is_stalled("Conflict")).await;
        world.until_reason("web", "Running").await;
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "{kind:?}:\n{}", world.tail());
        assert!(world.instance("older").is_stalled("Conflict"));
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_only_observes_holds_nobody_back() {
    let world = World::new();
    let _operator = world.start();
    world.apply(second("watcher", json!({"managementPolicy": "Observe"})));
    world.until("watcher", "without a VM", |seen| seen.is_stalled("InstanceMissing")).await;
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.until_reason("watcher", "Running").await;
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "Stopped").await;
    world.until_reason("watcher", "Stopped").await;
    world.delete("watcher");
    world.until_gone("itcareinstances", "watcher").await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop]);
    assert!(world.instance("web").is_ready());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn of_two_objects_made_in_the_same_second_one_creates_and_a_restart_changes_nothing() {
    let world = World::lax();
    world.apply(manifest::instance("web"));
    world.apply(second("twin", json!({})));
    let created = |name: &str| world.instance(name).0["metadata"]["creationTimestamp"].clone();
    assert_eq!(created("web"), created("twin"));
    let operator = world.start();
    let one_is_ready = || match ["web", "twin"].iter().filter(|name| world.instance(name).is_ready()).count()
    {
        1 => Ok(()),
        count => Err(format!("{count} are ready")),
    };
    world.wait("one of them is ready", one_is_ready).await;
    world.quiet().await;
    operator.kill();
    let _operator = world.start();
    world.quiet().await;
    assert_eq!(world.sim.report().created, 1, "{}", world.tail());
    let standings = ["web", "twin"].map(|name| world.instance(name).is_stalled("Conflict"));
    assert_eq!(standings.iter().filter(|conflict| **conflict).count(), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn nothing_is_decided_before_both_kinds_were_listed_to_their_ends() {
    for late in ["itcareinstances", "itcaresnapshots"] {
        let world = World::lax();
        world.apply(manifest::instance("web"));
        world.apply(second("twin", json!({})));
        // Whichever list is missing, and whatever the other one shows.
        world.api.inject(ApiFault::delay_reply(Duration::from_secs(600)).verb(Verb::List).resource(late));
        let _operator = world.start();
        world.pass(Duration::from_secs(590)).await;
        assert_eq!(world.changes().len(), 0, "without {late}:\n{}", world.tail());
        let written = world.api.writes().into_iter().filter(|write| write.resource.starts_with("itcare"));
        assert_eq!(written.count(), 0, "without {late}");
        world.quiet().await;
        assert_eq!(world.change_words(), [Operation::Create], "{late}:\n{}", world.tail());
        world.audit();
    }
}
