//! Snapshots: taken, waited for, expired, removed; and the one slot that everybody shares. Not here: `recovery`.

use std::time::Duration;

use itcare_sim::{Config, Fault, FaultKind, Latencies, Match, Operation, Time};
use serde_json::json;

use crate::support::{World, manifest};

pub async fn with_vm(world: &World) {
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
}

pub async fn taken(world: &World) {
    with_vm(world).await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world
        .until_snapshot("before", "available", |seen| seen.has("Available", "True") && seen.is_ready())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_shown_and_removed() {
    let world = World::new();
    let _operator = world.start();
    taken(&world).await;
    let snapshot = world.snapshot("before");
    let id = world.instance("web").id();
    let slot = world.sim.snapshot(id).expect("it was taken");
    assert_eq!(snapshot.status()["id"], slot.id.as_str());
    assert_eq!(snapshot.status()["instanceId"], id);
    assert!(snapshot.status()["expiresAt"].is_string());
    assert_eq!(snapshot.reason(), "Available");
    world.until("web", "the slot", |seen| seen.status()["snapshot"]["managedBy"] == "before").await;
    world.quiet().await;
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.until_gone("itcaresnapshots", "before").await;
    assert!(world.sim.snapshot(id).is_none());
    assert_eq!(
        world.change_words(),
        [Operation::Create, Operation::SnapshotCreate, Operation::SnapshotDelete]
    );
    world.until("web", "an empty slot", |seen| seen.status().get("snapshot").is_none()).await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn any_answer_to_taking_a_snapshot_makes_one() {
    let status = FaultKind::status;
    for single in [true, false] {
        for (name, kind, effects) in [
            ("lost reply", FaultKind::DropAfter, 1),
            ("reset before", FaultKind::DropBefore, 1),
            ("time-out with effect", FaultKind::HangForever { effect: true }, 1),
            ("time-out without", FaultKind::HangForever { effect: false }, 1),
            ("late effect", FaultKind::DelayedEffect { after: Duration::from_secs(50), hang: true }, 1),
            ("500 with effect", status(500, true), 1),
            ("500 without", status(500, false), 1),
            ("truncated", FaultKind::Truncate, 1),
            ("wrong types", FaultKind::WrongTypes, 1),
            ("vanishing action", FaultKind::ActionVanishes, 1),
            ("failing action", FaultKind::ActionFails("no".to_owned()), 2),
            ("403 once", status(403, false), 1),
        ] {
            let world = if single { World::new() } else { World::lax() };
            let _operator = world.start();
            with_vm(&world).await;
            world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), kind));
            world.apply(manifest::snapshot("before", "web", json!({"description": "x".repeat(80)})));
            world
                .until_snapshot("before", &format!("available after {name}"), |seen| {
                    seen.has("Available", "True")
                })
                .await;
            world.quiet().await;
            let started = world
                .sim
                .journal()
                .iter()
                .filter(|entry| entry.operation == Operation::SnapshotCreate && entry.effect)
                .count();
            assert_eq!(started, effects, "{name}:\n{}", world.tail());
            let vm = world.sim.instance(world.instance("web").id()).expect("it is there");
            assert_eq!(vm.snapshots.len(), 1, "{name}");
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_takes_one_snapshot() {
    for moment in (0..4000).step_by(40) {
        let world = World::lax();
        let operator = world.start();
        with_vm(&world).await;
        world.apply(manifest::snapshot("before", "web", json!({})));
        world.pass(Duration::from_millis(moment)).await;
        operator.kill();
        let _operator = world.start();
        world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
        world.quiet().await;
        assert_eq!(
            world.sim.instance(world.instance("web").id()).expect("it is there").snapshots.len(),
            1,
            "killed after {moment} ms"
        );
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_expires_as_its_normal_end() {
    let world = World::new();
    let _operator = world.start();
    taken(&world).await;
    world.pass(Duration::from_secs(3 * 24 * 3600 + 120)).await;
    let snapshot = world.snapshot("before");
    assert_eq!(snapshot.reason(), "Expired", "{snapshot:?}");
    assert!(snapshot.is_ready() && snapshot.has("Available", "False"));
    its_deletion_needs_no_call(&world).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_is_lost_before_its_end_is_told() {
    let world = World::new();
    let _operator = world.start();
    taken(&world).await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.snapshots.clear());
    world.pass(Duration::from_secs(8 * 3600)).await;
    let snapshot = world.snapshot("before");
    assert!(snapshot.is_stalled("SnapshotMissing"), "{snapshot:?}");
    assert!(snapshot.has("Available", "False"));
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.until_gone("itcaresnapshots", "before").await;
    world.audit();
}

/// It has expired: there is nothing left to remove.
async fn its_deletion_needs_no_call(world: &World) {
    world.sim.clear_journal();
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.until_gone("itcaresnapshots", "before").await;
    assert_eq!(world.changes().len(), 0, "an expired snapshot needs no call");
    world.audit();
}

/// The snapshot is being taken, its reply is lost with the operator, and nobody looks for that long.
async fn taken_while_nobody_looks(world: &World, hours: u64) {
    let operator = world.start();
    with_vm(world).await;
    let lost = FaultKind::HangForever { effect: true };
    world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), lost));
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.pass(Duration::from_secs(10)).await;
    operator.kill();
    world.pass(Duration::from_secs(hours * 3600)).await;
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_expired_before_it_was_seen_ended_normally_and_is_not_taken_again() {
    let world = World::lax();
    taken_while_nobody_looks(&world, 73).await;
    let _operator = world.start();
    world.until_snapshot("before", "expired", |seen| seen.reason() == "Expired").await;
    let snapshot = world.snapshot("before");
    assert!(snapshot.is_ready() && snapshot.has("Available", "False"), "{snapshot:?}");
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "Stopped").await;
    world.pass(Duration::from_secs(8 * 3600)).await;
    assert_eq!(world.snapshot("before").reason(), "Expired");
    assert_eq!(world.count(Operation::SnapshotCreate), 1);
    its_deletion_needs_no_call(&world).await;
}

#[tokio::test(start_paused = true)]
async fn the_deletion_of_a_snapshot_that_expired_unseen_comes_to_its_end() {
    let world = World::lax();
    taken_while_nobody_looks(&world, 73).await;
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    let _operator = world.start();
    world.until_gone("itcaresnapshots", "before").await;
    assert_eq!(world.count(Operation::SnapshotCreate), 1);
    assert_eq!(world.count(Operation::SnapshotDelete), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_was_removed_before_it_was_seen_is_missing_until_it_would_have_expired() {
    let world = World::new();
    taken_while_nobody_looks(&world, 1).await;
    world.sim.edit(world.instance("web").id(), |vm| vm.snapshots.clear());
    let _operator = world.start();
    world.until_snapshot("before", "missing", |seen| seen.is_stalled("SnapshotMissing")).await;
    world.pass(Duration::from_secs(70 * 3600)).await;
    assert!(world.snapshot("before").is_stalled("SnapshotMissing"), "{:?}", world.snapshot("before"));
    world.pass(Duration::from_secs(3 * 3600)).await;
    assert_eq!(world.snapshot("before").reason(), "Expired");
    assert_eq!(world.count(Operation::SnapshotCreate), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_taken_is_waited_for_or_told() {
    let world = World::lax();
    let _operator = world.start();
    with_vm(&world).await;
    let id = world.instance("web").id();
    let foreign = world.sim.seed_snapshot(id, "by hand", "alice");
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.apply(manifest::snapshot("impatient", "web", json!({"onSlotTaken": "Fail"})));
    world.until_snapshot("before", "waiting", |seen| seen.reason() == "WaitingForSlot").await;
    world.until_snapshot("impatient", "failed", |seen| seen.is_stalled("SlotTaken")).await;
    assert!(world.snapshot("impatient").message().contains(&foreign));
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create], "somebody else's snapshot is not touched");
    world.ask_for_a_look("web");
    world.until("web", "the slot", |seen| seen.status()["snapshot"]["id"] == foreign.as_str()).await;
    assert!(world.instance("web").status()["snapshot"].get("managedBy").is_none());
    world.api.delete("itcaresnapshots", "shop", "impatient").expect("it is there");
    world.sim.edit(id, |vm| vm.snapshots.clear());
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn waiting_for_a_slot_ends_at_its_time_out() {
    let world = World::new();
    let _operator = world.start();
    with_vm(&world).await;
    world.sim.seed_snapshot(world.instance("web").id(), "by hand", "alice");
    world.apply(manifest::snapshot("before", "web", json!({"slotTimeout": "10m"})));
    world.until_snapshot("before", "waiting", |seen| seen.reason() == "WaitingForSlot").await;
    world.pass(Duration::from_secs(660)).await;
    assert!(world.snapshot("before").is_stalled("SlotTaken"), "{:?}", world.snapshot("before"));
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_waits_for_its_instance_or_is_skipped() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.apply(manifest::snapshot("optional", "web", json!({"onMissingInstance": "Skip"})));
    world.until_snapshot("before", "waiting", |seen| seen.reason() == "WaitingForInstance").await;
    world.until_snapshot("optional", "skipped", |seen| seen.is_ready() && seen.reason() == "Skipped").await;
    with_vm(&world).await;
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    assert_eq!(world.count(Operation::SnapshotCreate), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_not_taken_of_an_observed_or_suspended_instance() {
    for spec in [json!({"managementPolicy": "Observe"}), json!({"suspend": true})] {
        let world = World::new();
        let _operator = world.start();
        with_vm(&world).await;
        world.patch("web", spec.clone());
        world.pass(Duration::from_secs(5)).await;
        world.apply(manifest::snapshot("before", "web", json!({})));
        world.until_snapshot("before", "waiting", |seen| seen.reason() == "WaitingForInstance").await;
        world.quiet().await;
        assert_eq!(world.count(Operation::SnapshotCreate), 0, "{spec}");
        world.patch("web", json!({"managementPolicy": null, "suspend": null}));
        world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_removed_though_its_instance_object_is_gone() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"deletionPolicy": "Retain"})));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.snapshot(id).is_some());
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.until_gone("itcaresnapshots", "before").await;
    assert!(world.sim.snapshot(id).is_none());
    assert!(world.sim.instance(id).expect("retained").live);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn instance_and_snapshot_go_together_in_any_order() {
    for moment in (0..6000).step_by(500) {
        for snapshot_first in [false, true] {
            let world = World::new();
            let _operator = world.start();
            with_vm(&world).await;
            world.apply(manifest::snapshot("before", "web", json!({})));
            world.pass(Duration::from_millis(moment)).await;
            if snapshot_first {
                world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
                world.delete("web");
            } else {
                world.delete("web");
                world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
            }
            world.until_gone("itcareinstances", "web").await;
            world.until_gone("itcaresnapshots", "before").await;
            world.quiet().await;
            assert!(world.sim.report().leftovers.is_empty(), "after {moment} ms");
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_of_a_removal_removes_it() {
    for moment in (0..4000).step_by(250) {
        let world = World::new();
        let operator = world.start();
        taken(&world).await;
        world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
        world.pass(Duration::from_millis(moment)).await;
        operator.kill();
        let _operator = world.start();
        world.until_gone("itcaresnapshots", "before").await;
        assert!(world.sim.snapshot(world.instance("web").id()).is_none(), "killed after {moment} ms");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_earlier_change_of_the_vm_is_not_taken_for_a_snapshot_that_was_lost() {
    let latencies = Latencies {
        default: Duration::from_secs(2),
        by_process: [("maintenance".to_owned(), Duration::from_secs(7200))].into(),
    };
    let world = World::with(Config { time: Time::Auto { latencies }, ..Config::default() });
    let first = world.start();
    world.apply(manifest::instance("web"));
    world.apply(manifest::instance("db"));
    world.until("web", "ready", |seen| seen.is_ready()).await;
    world.until("db", "ready", |seen| seen.is_ready()).await;
    let db = world.instance("db").status()["id"].as_i64().expect("an id");
    world.sim.start_foreign_action(db, "maintenance", "somebody");
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    // The next process has never seen that change; the action that it has seen is older.
    first.kill();
    let _operator = world.start();
    world.pass(Duration::from_secs(10)).await;
    let lost = FaultKind::HangForever { effect: false };
    world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), lost));
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    assert_eq!(world.count(Operation::SnapshotCreate), 2);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_that_a_failed_action_left_is_ours_and_goes_with_its_object() {
    let world = World::new();
    let _operator = world.start();
    with_vm(&world).await;
    let id = world.instance("web").id();
    let fails = FaultKind::ActionFails("the copy was not verified".to_owned());
    world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), fails));
    world.apply(manifest::snapshot("before", "web", json!({})));
    while world.sim.running().is_empty() {
        world.pass(Duration::from_millis(50)).await;
    }
    let attempt = world.snapshot("before").ledger()["intent"]["attempt"].as_str().expect("one").to_owned();
    world.sim.seed_snapshot(id, &format!("before [{attempt}]"), "demo-sa-operator");
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.quiet().await;
    assert_eq!(world.count(Operation::SnapshotCreate), 1, "{}", world.tail());
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.until_gone("itcaresnapshots", "before").await;
    assert!(world.sim.snapshot(id).is_none(), "it stays behind");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_slot_that_is_empty_and_refused_as_taken_is_not_asked_for_without_end() {
    for policy in ["Wait", "Fail"] {
        let world = World::new();
        let _operator = world.start();
        with_vm(&world).await;
        let refuse = FaultKind::status(409, false);
        world.sim.inject(Fault::always(Match::operation(Operation::SnapshotCreate), refuse));
        world.apply(manifest::snapshot("before", "web", json!({"onSlotTaken": policy})));
        if policy == "Wait" {
            world.until_snapshot("before", "waiting", |seen| seen.reason() == "WaitingForSlot").await;
            world.pass(Duration::from_secs(50 * 60)).await;
            assert_eq!(world.snapshot("before").reason(), "WaitingForSlot");
        }
        world.until_snapshot("before", "taken", |seen| seen.is_stalled("SlotTaken")).await;
        let sent = world.count(Operation::SnapshotCreate);
        world.pass(Duration::from_secs(2 * 3600)).await;
        assert!(world.snapshot("before").is_stalled("SlotTaken"), "{policy}: {:?}", world.snapshot("before"));
        let tried = world.count(Operation::SnapshotCreate) - sent;
        assert!((6..=14).contains(&tried), "{policy}: tried {tried} times in two hours");
        world.sim.clear_faults();
        world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
        world.audit();
    }
}
