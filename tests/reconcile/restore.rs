//! What a backup brings back: a status that another hand wrote. Whole matrices of this are in `faults`.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};

use crate::support::{World, manifest};

/// An apply removes only what its manager owns: what a restore wrote would stand beside it for ever, and a
/// `Reconciling` among it would keep the object in progress.
#[tokio::test(start_paused = true)]
async fn nothing_stays_of_a_status_that_another_hand_wrote() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Creating").await;
    let old = world.instance("web");
    let lost = world.api.erase("itcareinstances", "shop", "web").expect("it is there");
    let mut back = manifest::instance("web");
    back["metadata"]["annotations"] = lost["metadata"]["annotations"].clone();
    world.api.create(back).expect("it is accepted");
    let status = old.status().clone();
    let restore = |object: &mut Value| object["status"] = status;
    world.api.edit("itcareinstances", "shop", "web", restore).expect("it is there");
    world.quiet().await;
    let seen = world.instance("web");
    assert!(seen.is_ready(), "{seen:#?}");
    assert_eq!(seen.condition("Reconciling"), None, "{seen:#?}");
    assert_eq!(seen.status()["operation"], json!(null), "{seen:#?}");
    assert_eq!(world.change_words(), [Operation::Create]);
}

#[tokio::test(start_paused = true)]
async fn a_garbled_annotation_takes_no_claim_away() {
    let world = World::new();
    let _operator = world.start();
    // The other object is the older one: only the record speaks for the first.
    world.apply(manifest::with("copy", json!({"name": "PWEB", "managementPolicy": "Observe"})));
    world.pass(Duration::from_secs(60)).await;
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("copy", json!({"managementPolicy": "Manage", "adoptionPolicy": "ByName"}));
    world.until("copy", "in conflict", |seen| seen.is_stalled("Conflict")).await;
    world
        .api
        .edit("itcareinstances", "shop", "web", |object| {
            object["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"] = json!("{\"v\":1,");
        })
        .expect("it is there");
    world.pass(Duration::from_secs(600)).await;
    assert!(world.instance("web").is_stalled("LedgerUnreadable"), "{:?}", world.instance("web"));
    assert!(world.instance("copy").is_stalled("Conflict"), "{:?}", world.instance("copy"));
}

/// The schema locks these fields while the status says that there is a VM. A wiped status unlocks it.
#[tokio::test(start_paused = true)]
async fn what_a_vm_was_made_with_is_not_changed_behind_a_wiped_status() {
    for field in ["platform", "region", "area"] {
        let world = World::new();
        let operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        operator.kill();
        let wipe = |object: &mut Value| object["status"] = json!({"observedGeneration": -1});
        world.api.edit("itcareinstances", "shop", "web", wipe).expect("it is there");
        let before = world.instance("web").0["spec"][field].clone();
        world.patch("web", json!({field: "elsewhere"}));
        let _operator = world.start();
        world.until("web", field, |seen| seen.is_stalled("InvalidSpec")).await;
        let web = world.instance("web");
        assert!(web.message().contains(field) && web.message().contains("set it back"), "{web:?}");
        world.patch("web", json!({"powerState": "Stopped"}));
        world.quiet().await;
        assert_eq!(world.change_words(), [Operation::Create], "{field}");
        world.patch("web", json!({field: before}));
        world.until_reason("web", "Stopped").await;
        // Deleting needs no correct spec.
        world.patch("web", json!({field: "elsewhere"}));
        world.delete("web");
        world.until_gone("itcareinstances", "web").await;
        assert!(world.sim.report().leftovers.is_empty());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_creation_carried_is_compared_also_if_the_spec_changed_before_its_vm_was_found() {
    let world = World::lax();
    world.sim.inject(Fault::once(Match::operation(Operation::Create), FaultKind::DropAfter));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
    world.pass(Duration::from_millis(500)).await;
    world.patch("web", json!({"platform": "deb11"}));
    world.until("web", "untrue", |seen| seen.is_stalled("InvalidSpec")).await;
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create], "{}", world.tail());
    world.audit();
}
