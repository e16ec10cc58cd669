//! What objects say that nobody can see any more, though nothing is due: `reference/gitops.md` 1.3, DESIGN 7 and 8.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};

use crate::support::{Replica, World, manifest};

/// A VM at rest, and the next process, which has seen no detail of it.
async fn at_rest() -> (World, Replica) {
    let world = World::new();
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    operator.kill();
    let operator = world.start();
    world.quiet().await;
    (world, operator)
}

fn all(kind: FaultKind) -> Fault {
    Fault::always(Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() }, kind)
}

fn ready(world: &World) -> Value {
    world.instance("web").condition("Ready").expect("it has one").clone()
}

#[tokio::test(start_paused = true)]
async fn a_long_outage_is_told_and_its_end_costs_no_detail() {
    let (world, _operator) = at_rest().await;
    let before = ready(&world);
    let details = world.count(Operation::Detail);
    world.sim.inject(all(FaultKind::DropBefore));
    world.pass(Duration::from_secs(100)).await;
    assert_eq!(ready(&world), before, "what was known a minute ago is still good");
    world.until("web", "out of sight", |seen| seen.has("Ready", "Unknown")).await;
    let web = world.instance("web");
    assert_eq!((web.reason(), web.condition("Reconciling")), ("ProgressingWithRetry", None), "{web:?}");
    world.pass(Duration::from_secs(3600)).await;
    assert!(world.instance("web").has("Ready", "Unknown"));
    world.sim.clear_faults();
    world.until("web", "seen again", |seen| seen.is_ready()).await;
    world.quiet().await;
    assert_eq!(ready(&world)["message"], before["message"]);
    assert_eq!(world.count(Operation::Detail), details, "the list shows what was known:\n{}", world.tail());
    assert_eq!(world.change_words(), [Operation::Create]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn what_happened_in_an_outage_is_seen_at_its_end() {
    let (world, _operator) = at_rest().await;
    world.sim.inject(all(FaultKind::status(503, false)));
    world.until("web", "out of sight", |seen| seen.has("Ready", "Unknown")).await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.sim.clear_faults();
    world.until("web", "seen again", |seen| seen.is_ready()).await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Start]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_right_that_is_taken_away_is_told_by_objects_at_rest() {
    for (code, reason) in [(403, "PermissionDenied"), (401, "CredentialsRejected")] {
        let (world, _operator) = at_rest().await;
        let before = ready(&world);
        let details = world.count(Operation::Detail);
        world.sim.inject(all(FaultKind::status(code, false)));
        world.until("web", reason, |seen| seen.is_stalled(reason)).await;
        world.pass(Duration::from_secs(3600)).await;
        assert!(world.instance("web").is_stalled(reason), "{:?}", world.instance("web"));
        world.sim.clear_faults();
        world.until("web", "seen again", |seen| seen.is_ready()).await;
        world.quiet().await;
        assert_eq!(ready(&world)["message"], before["message"], "{code}");
        assert_eq!(world.count(Operation::Detail), details, "{code}:\n{}", world.tail());
        assert_eq!(world.change_words(), [Operation::Create], "{code}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn an_object_that_only_observes_is_quiet_for_a_while_and_then_says_so() {
    let (world, _operator) = at_rest().await;
    let watcher = manifest::with("watcher", json!({"name": "PWEB", "managementPolicy": "Observe"}));
    world.apply(watcher);
    world.until_reason("watcher", "Running").await;
    world.sim.inject(all(FaultKind::status(503, false)));
    world.pass(Duration::from_secs(100)).await;
    assert!(world.instance("watcher").is_ready());
    world.until("watcher", "out of sight", |seen| seen.has("Ready", "Unknown")).await;
    world.sim.clear_faults();
    world.until_reason("watcher", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_available_snapshot_stays_ready_through_a_failed_look_until_it_has_lasted() {
    let (world, _operator) = at_rest().await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    let slots = Match::operation(Operation::SnapshotGet);
    world.sim.inject(Fault::always(slots, FaultKind::status(503, false)));
    // Its look comes within the detail interval.
    world
        .wait_for(Duration::from_secs(7 * 3600), "a failed look", || world.count(Operation::SnapshotGet) > 2)
        .await;
    assert!(world.snapshot("before").is_ready(), "{:?}", world.snapshot("before"));
    world.until_snapshot("before", "out of sight", |seen| seen.has("Ready", "Unknown")).await;
    assert!(world.snapshot("before").has("Available", "True"));
    world.pass(Duration::from_secs(3 * 24 * 3600)).await;
    let snapshot = world.snapshot("before");
    assert!(snapshot.has("Available", "False"), "it has expired, whoever can be asked: {snapshot:?}");
    world.sim.clear_faults();
    world.until_snapshot("before", "expired", |seen| seen.reason() == "Expired").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_not_shown_on_its_instance_beyond_its_end() {
    let (world, _operator) = at_rest().await;
    let id = world.instance("web").id();
    world.sim.seed_snapshot(id, "by hand", "alice");
    world.ask_for_a_look("web");
    world.until("web", "the slot", |seen| seen.status()["snapshot"].is_object()).await;
    let end = world.instance("web").status()["snapshot"]["expiresAt"].as_str().expect("a time").to_owned();
    let end: jiff::Timestamp = end.parse().expect("a time");
    let left = end.duration_since(world.now()).as_secs();
    world.pass(Duration::from_secs(u64::try_from(left).expect("it lies ahead") - 5)).await;
    assert!(world.instance("web").status()["snapshot"].is_object());
    world.pass(Duration::from_secs(15)).await;
    assert!(world.instance("web").status().get("snapshot").is_none(), "{:?}", world.instance("web"));
    assert!(world.instance("web").is_ready());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_service_that_nobody_may_use_or_wants_to_use_is_not_listed() {
    for (why, spec, allowed) in [
        ("suspended", json!({"suspend": true}), None),
        ("not allowed", json!({}), Some([("shop".to_owned(), BTreeSet::from([14]))])),
    ] {
        let mut world = World::new();
        world.setup.allowed_services = allowed.map(BTreeMap::from);
        world.apply(manifest::with("web", spec));
        let _operator = world.start();
        world.pass(Duration::from_secs(3600)).await;
        let calls = world.sim.journal().into_iter().filter(|entry| entry.operation != Operation::Token);
        assert_eq!(calls.count(), 0, "{why}:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_left_of_a_vm_that_was_only_watched() {
    let world = World::new();
    let id = world.sim.seed(itcare_sim::SeedInstance::new("PWEB", 13));
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"managementPolicy": "Observe"})));
    world.until_reason("web", "Running").await;
    assert_eq!(world.instance("web").id(), id);
    world.sim.edit(id, |vm| vm.live = false);
    world.until("web", "missing", |seen| seen.is_stalled("InstanceMissing")).await;
    let status = world.instance("web").status().clone();
    for field in ["id", "state", "powerState", "size", "ipAddress"] {
        assert!(status.get(field).is_none(), "{field}: {status:#}");
    }
    // A request for a look is served all the same.
    world.ask_for_a_look("web");
    world.until("web", "a receipt", |seen| seen.status()["lastHandledReconcileAt"].is_string()).await;
    // Nothing locks the spec: a wrong platform is corrected before the VM is made.
    world.patch("web", json!({"managementPolicy": "Manage", "platform": "amiga"}));
    world.until("web", "refused", |seen| seen.is_stalled("Rejected")).await;
    assert!(world.instance("web").status().get("id").is_none(), "{:?}", world.instance("web"));
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn drift_ends_with_the_comparison_when_an_object_only_observes() {
    let (world, _operator) = at_rest().await;
    world.patch("web", json!({"driftPolicy": "Report"}));
    world.until_reason("web", "Running").await;
    world.sim.edit(world.instance("web").id(), |vm| vm.status = "INACTIVE".to_owned());
    world.until("web", "drift", |seen| seen.has("Drifted", "True")).await;
    world.patch("web", json!({"managementPolicy": "Observe"}));
    world.until("web", "no drift", |seen| seen.condition("Drifted").is_none()).await;
    assert!(world.instance("web").status().get("drift").is_none(), "{:?}", world.instance("web"));
    world.audit();
}
