//! What a person does once the damage is done: restore the annotation, name the VM, or delete the object. Each
//! plan does one of these, by its mode and cloud, so that each kind of damage meets all of them.

use serde_json::{Value, json};

use super::damage::{Ends, LEDGER};
use super::judge;
use super::matrix::{Cell, Mode};
use super::scene::{INSTANCE, SNAPSHOT, Scene, Target};
use crate::oracle::End;
use crate::plan::settle;
use crate::support::{Seen, World};
use crate::workload::Workload;

/// Does it, and judges what becomes of it.
pub async fn follow(cell: &Cell, workload: &Workload, scene: &Scene<'_>, good: &End) {
    // A person who sees nothing wrong does nothing; and an object that is gone cannot be mended.
    let Some(seen) = scene.seen() else { return };
    match (cell.mode, cell.cloud) {
        (Mode::Live, "strict") if seen.has("Stalled", "True") => restore(cell, workload, scene, good).await,
        (Mode::Live, _) if seen.has("Stalled", "True") => name(cell, workload, scene, good).await,
        (Mode::Live, _) => {}
        (Mode::Down, "strict") => delete(cell, scene, &seen).await,
        (Mode::Down, _) => retain(cell, scene).await,
    }
}

/// The annotation comes back from a backup, as it was just before the damage: all is well again.
async fn restore(cell: &Cell, workload: &Workload, scene: &Scene<'_>, good: &End) {
    let saved = scene.saved["metadata"]["annotations"][LEDGER].clone();
    // An intent of then says nothing of now; and what was replaced by a new object had another uid.
    let intent = saved.as_str().is_some_and(|text| text.contains("\"intent\""));
    if saved.is_null() || intent {
        return;
    }
    // Of two copies the larger `seq` counts: what is to be followed must not be the older one.
    let mut ledger: Value = serde_json::from_str(saved.as_str().unwrap_or_default()).unwrap_or_default();
    ledger["seq"] = json!(1_000);
    scene.edit(|object| object["metadata"]["annotations"][LEDGER] = json!(ledger.to_string()));
    settle(scene.world, Some(good)).await;
    judge::no_harm(cell, workload, scene, good);
    if workload.is_one_shot() || workload.name.starts_with("delete") {
        return;
    }
    let tail = || scene.tail();
    assert_eq!(judge::without_copy(cell, scene).0, *good, "the annotation was restored:\n{}", tail());
}

/// `spec.instanceId` names the VM: it is adopted, or claimed from another cluster.
async fn name(cell: &Cell, workload: &Workload, scene: &Scene<'_>, good: &End) {
    let Some(own) = scene.own().filter(|_| cell.target == INSTANCE) else { return };
    scene.world.patch("web", json!({"instanceId": own.id}));
    settle(scene.world, None).await;
    judge::no_harm(cell, workload, scene, good);
    let opens = match cell.damage.ends {
        Ends::Disowned => true,
        Ends::Held(reason) => reason == "ForeignLedger",
        Ends::Well | Ends::Safely | Ends::OtherAccount => false,
    };
    let ledger = scene.ledger();
    // A ledger of another cluster that has recorded no VM yet is not opened by naming one.
    let recorded = cell.damage.ends == Ends::Disowned || ledger["instance"] == json!(own.id);
    if opens && recorded && !workload.name.starts_with("delete") {
        let seen = scene.seen().expect("it is there");
        assert!(seen.is_ready(), "{seen:#?}\n{}", scene.world.tail());
        assert_eq!(ledger["instance"], json!(own.id), "{seen:#?}");
    }
}

/// The object is deleted: its VM goes if it is proven to be ours, and stays if not.
async fn delete(cell: &Cell, scene: &Scene<'_>, seen: &Seen) {
    let world = scene.world;
    let ledger = seen.ledger();
    let recorded = match cell.target {
        // Only what we took ourselves is ever recorded.
        SNAPSHOT => ledger["snapshot"].is_string() && cell.damage.name != "snapshot-changed",
        _ => ledger["origin"] == "Created",
    };
    let proven = recorded && !seen.has("Stalled", "True");
    let id = ledger["instance"].as_i64().or(scene.own().map(|vm| vm.id)).unwrap_or_default();
    let lives = |world: &World| {
        let vm = world.sim.instance(id).filter(|vm| vm.live);
        vm.is_some_and(|vm| cell.target == INSTANCE || !vm.snapshots.is_empty())
    };
    let before = lives(world);
    world.api.delete(cell.target.resource, "shop", cell.target.name).expect("it is there");
    settle(world, None).await;
    let after = lives(world);
    let tail = || scene.tail();
    match scene.seen() {
        None if proven => assert!(!after, "what is ours was left behind:\n{}", tail()),
        None => assert_eq!(after, before, "what is not known to be ours was deleted:\n{}", tail()),
        Some(waits) => {
            assert!(waits.has("Stalled", "True"), "it hangs without a word:\n{}", tail());
            assert_eq!(after, before, "{}", tail());
            judge::says_the_cure(&waits);
        }
    }
    world.audit();
}

/// The object is let go whatever is wrong with it, and nothing is deleted.
async fn retain(cell: &Cell, scene: &Scene<'_>) {
    let world = scene.world;
    let count = || {
        let kept = |process: &str| End::of(world).effects.get(process).copied().unwrap_or_default();
        (kept("vm_delete"), kept("vm_delete_snapshot"), world.sim.report().leftovers.len())
    };
    let before = count();
    let Target { resource, name } = cell.target;
    let policy = json!({"deletionPolicy": "Retain"});
    world.api.patch_spec(resource, "shop", name, policy).expect("it is there");
    if world.api.get(resource, "shop", name).is_some() {
        let _ = world.api.delete(resource, "shop", name);
    }
    settle(world, None).await;
    let tail = || scene.tail();
    assert!(scene.seen().is_none(), "Retain lets go in every state:\n{}", tail());
    assert_eq!(count(), before, "Retain deletes nothing:\n{}", tail());
    world.audit();
}
