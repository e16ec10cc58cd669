//! In which state an object is deleted, once for each place of its life.

use futures::future::BoxFuture;
use itcare_sim::{Fault, FaultKind, Match, Operation, SeedInstance};
use serde_json::{Value, json};

use crate::support::{World, manifest};

type Step = for<'a> fn(&'a World) -> BoxFuture<'a, ()>;

/// What becomes of the VM.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum After {
    /// Deleted.
    Gone,
    /// Left alone: the object lets go of it (DESIGN 5.6).
    Kept,
}

/// One place in the life of the object `web`.
pub struct State {
    pub name: &'static str,
    pub prepare: Step,
    pub after: After,
    /// The snapshot object `before` is deleted with it.
    pub snapshot_too: bool,
}

macro_rules! state {
    ($name:literal, $prepare:expr, $after:expr) => {
        state!($name, $prepare, $after, false)
    };
    ($name:literal, $prepare:expr, $after:expr, $snapshot:expr) => {
        State {
            name: $name,
            prepare: |world| Box::pin(async move { $prepare(world).await }),
            after: $after,
            snapshot_too: $snapshot,
        }
    };
}

/// All of them.
pub const STATES: [State; 11] = [
    state!("running", async |world| created(world, json!({})).await, After::Gone),
    state!("stopped", async |world| created(world, json!({"powerState": "Stopped"})).await, After::Gone),
    state!("creating", creating, After::Gone),
    state!("resizing", resizing, After::Gone),
    state!("stopped-to-resize", stopped_to_resize, After::Gone),
    state!("with-snapshot", with_snapshot, After::Gone),
    state!("with-its-snapshot", with_snapshot, After::Gone, true),
    state!(
        "adopted-delete",
        async |world| adopted(world, json!({"deletionPolicy": "Delete"})).await,
        After::Gone
    ),
    state!("adopted", async |world| adopted(world, json!({})).await, After::Kept),
    state!(
        "observed",
        async |world| adopted(world, json!({"managementPolicy": "Observe"})).await,
        After::Kept
    ),
    state!("creation-failed", creation_failed, After::Gone),
];

async fn created(world: &World, more: Value) {
    world.apply(manifest::with("web", more));
    world.until("web", "ready", |seen| seen.is_ready()).await;
}

async fn creating(world: &World) {
    world.apply(manifest::instance("web"));
    runs(world, "vm_create").await;
}

async fn resizing(world: &World) {
    created(world, json!({})).await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    runs(world, "vm_resize").await;
}

async fn stopped_to_resize(world: &World) {
    world.sim.quirks(|quirks| quirks.resize_needs_stop = true);
    created(world, json!({"resizePolicy": "StopStart", "powerState": null})).await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    runs(world, "vm_stop").await;
}

async fn with_snapshot(world: &World) {
    created(world, json!({})).await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
}

async fn adopted(world: &World, more: Value) {
    world.sim.seed(SeedInstance::new("PWEB", 13));
    let mut spec = json!({"adoptionPolicy": "ByName"});
    for (name, value) in more.as_object().into_iter().flatten() {
        spec[name] = value.clone();
    }
    created(world, spec).await;
}

async fn creation_failed(world: &World) {
    world.sim.quirks(|quirks| quirks.failed_create_leaves = Some("INACTIVE".to_owned()));
    let fails = FaultKind::ActionFails("no more addresses".to_owned());
    world.sim.inject(Fault::once(Match::operation(Operation::Create), fails));
    world.apply(manifest::instance("web"));
    world.until("web", "failed", |seen| seen.is_stalled("CreateFailed")).await;
}

async fn runs(world: &World, process: &str) {
    world
        .wait(process, || {
            let runs = world.sim.running().iter().any(|action| action.process == process);
            if runs { Ok(()) } else { Err("it does not run".to_owned()) }
        })
        .await;
}
