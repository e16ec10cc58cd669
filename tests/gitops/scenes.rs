//! The objects of the kit's test data, as the operator writes them: each scene is a world in which it ran.
//!
//! A file is named after the health that Argo CD must show. Not here: files, and the health itself.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_sim::{Account, Fault, FaultKind, Match};
use serde_json::{Value, json};

use crate::support::{Replica, Seen, World, manifest};

const SNAPSHOT: &str = "itcaresnapshots";

/// Kind and file name of a scene.
pub type Name = (&'static str, &'static str);

/// All scenes, each with its object.
pub async fn all() -> BTreeMap<Name, Value> {
    let mut scenes = BTreeMap::new();
    life(&mut scenes).await;
    trouble(&mut scenes).await;
    deletion(&mut scenes).await;
    snapshots(&mut scenes).await;
    slots(&mut scenes).await;
    scenes
}

/// Without what the API server keeps for itself.
fn plain(Seen(mut object): Seen) -> Value {
    let metadata = object["metadata"].as_object_mut().expect("an object has metadata");
    for field in ["managedFields", "resourceVersion", "uid"] {
        metadata.remove(field);
    }
    object
}

fn vm(scenes: &mut BTreeMap<Name, Value>, file: &'static str, world: &World) {
    scenes.insert(("ITCareInstance", file), plain(world.instance("web")));
}

fn snapshot(scenes: &mut BTreeMap<Name, Value>, file: &'static str, world: &World) {
    scenes.insert(("ITCareSnapshot", file), plain(world.snapshot("before")));
}

async fn running() -> (World, Replica) {
    let world = World::new();
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    (world, operator)
}

async fn life(scenes: &mut BTreeMap<Name, Value>) {
    let world = World::new();
    world.apply(manifest::with("web", json!({"resizePolicy": "StopStart"})));
    vm(scenes, "progressing_default", &world);
    let mut bare = world.instance("web");
    bare.0.as_object_mut().expect("an object").remove("status");
    scenes.insert(("ITCareInstance", "progressing_no_status"), plain(bare));
    let _operator = world.start();
    world.until_reason("web", "Creating").await;
    vm(scenes, "progressing_creating", &world);
    world.until_reason("web", "Running").await;
    world.quiet().await;
    vm(scenes, "healthy_running", &world);
    world.patch("web", json!({"size": "4cpu8gb"}));
    vm(scenes, "progressing_stale", &world);
    world.until_reason("web", "Resizing").await;
    vm(scenes, "progressing_resizing", &world);
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "Stopped").await;
    world.quiet().await;
    vm(scenes, "healthy_stopped", &world);
    world.patch("web", json!({"suspend": true}));
    world.quiet().await;
    vm(scenes, "suspended", &world);
    world.delete("web");
    world.until("web", "waits", |seen| seen.reason() == "Deleting").await;
    vm(scenes, "suspended_deleting", &world);
}

async fn trouble(scenes: &mut BTreeMap<Name, Value>) {
    let (world, _operator) = running().await;
    world.patch("web", json!({"managementPolicy": "Observe"}));
    world.quiet().await;
    vm(scenes, "healthy_observed", &world);
    world.patch("web", json!({"managementPolicy": "Manage", "powerState": "Stopped"}));
    let down = FaultKind::status(503, false);
    let calls = Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() };
    world.sim.inject(Fault::always(calls, down));
    world.until_reason("web", "ProgressingWithRetry").await;
    vm(scenes, "progressing_retry", &world);
    world.sim.clear_faults();
    world.until_reason("web", "Stopped").await;
    world.patch("web", json!({"powerState": null}));
    world.quiet().await;
    vm(scenes, "healthy_power_left_alone", &world);
    world.sim.edit(world.instance("web").id(), |vm| vm.live = false);
    world.until("web", "missing", |seen| seen.is_stalled("InstanceMissing")).await;
    vm(scenes, "degraded_missing", &world);

    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"platform": "amiga"})));
    world.until("web", "rejected", |seen| seen.is_stalled("Rejected")).await;
    vm(scenes, "degraded_rejected", &world);
}

async fn deletion(scenes: &mut BTreeMap<Name, Value>) {
    let (world, operator) = running().await;
    world.delete("web");
    vm(scenes, "progressing_deletion_not_seen", &world);
    world.until_reason("web", "Deleting").await;
    vm(scenes, "progressing_deleting", &world);
    drop(operator);

    let (world, operator) = running().await;
    let other = Account {
        client_id: "other-sa".to_owned(),
        services: Some([15].into_iter().collect()),
        ..Account::default()
    };
    world.sim.accounts(|accounts| accounts.list.push(other));
    operator.kill();
    let mut setup = world.setup.clone();
    setup.client_id = "other-sa".to_owned();
    let _operator = world.start_with(&setup);
    world.delete("web");
    world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
    vm(scenes, "degraded_deletion_blocked", &world);
}

async fn snapshots(scenes: &mut BTreeMap<Name, Value>) {
    let (world, _operator) = running().await;
    world.apply(manifest::snapshot("before", "web", json!({"description": "before the upgrade"})));
    snapshot(scenes, "progressing_default", &world);
    world.until_snapshot("before", "being taken", |seen| seen.reason() == "TakingSnapshot").await;
    snapshot(scenes, "progressing_taking", &world);
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.quiet().await;
    snapshot(scenes, "healthy_available", &world);
    vm(scenes, "healthy_slot_taken", &world);
    let recover = |spec: Value| world.api.patch_spec(SNAPSHOT, "shop", "before", spec).expect("it is there");
    recover(json!({"recover": {"requestedAt": world.now().to_string()}}));
    world.until_snapshot("before", "recovering", |seen| seen.reason() == "Recovering").await;
    snapshot(scenes, "progressing_recovering", &world);
    world.until_snapshot("before", "recovered", Seen::is_ready).await;
    recover(json!({"suspend": true}));
    world.quiet().await;
    snapshot(scenes, "suspended", &world);
    recover(json!({"suspend": false}));
    world.pass(Duration::from_secs(3 * 24 * 3600 + 300)).await;
    world.until_snapshot("before", "expired", |seen| seen.is_ready() && seen.reason() == "Expired").await;
    snapshot(scenes, "healthy_expired", &world);
    world.api.delete(SNAPSHOT, "shop", "before").expect("it is there");
    world.until_gone(SNAPSHOT, "before").await;

    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.sim.edit(world.instance("web").id(), |vm| vm.snapshots.clear());
    world.pass(Duration::from_secs(8 * 3600)).await;
    world.until_snapshot("before", "missing", |seen| seen.is_stalled("SnapshotMissing")).await;
    snapshot(scenes, "degraded_missing", &world);
}

async fn slots(scenes: &mut BTreeMap<Name, Value>) {
    let (world, _operator) = running().await;
    world.sim.seed_snapshot(world.instance("web").id(), "by hand", "alice");
    world.apply(manifest::snapshot("before", "web", json!({"onSlotTaken": "Fail"})));
    world.until_snapshot("before", "no room", |seen| seen.is_stalled("SlotTaken")).await;
    snapshot(scenes, "degraded_slot_taken", &world);

    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::snapshot("before", "web", json!({"onMissingInstance": "Skip"})));
    world.until_snapshot("before", "skipped", |seen| seen.is_ready() && seen.reason() == "Skipped").await;
    snapshot(scenes, "healthy_skipped", &world);

    let (world, _operator) = running().await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.api.delete(SNAPSHOT, "shop", "before").expect("it is there");
    world.until_snapshot("before", "being removed", |seen| seen.reason() == "RemovingSnapshot").await;
    snapshot(scenes, "progressing_deleting", &world);
}
