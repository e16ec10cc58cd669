//! What a user does to a world at rest, once for each kind of work that the operator has.

use futures::future::BoxFuture;
use itcare_sim::SeedInstance;
use serde_json::{Value, json};

use crate::support::{World, manifest};

type Step = for<'a> fn(&'a World) -> BoxFuture<'a, ()>;

/// One kind of work.
pub struct Workload {
    pub name: &'static str,
    /// Brings the world to where the user acts.
    pub prepare: Step,
    /// What the user does.
    pub act: Step,
}

impl Workload {
    /// Whether its call must never run twice, and is given up rather than sent again.
    pub fn is_one_shot(&self) -> bool {
        ["reset", "recover"].contains(&self.name)
    }
}

macro_rules! workload {
    ($name:literal, $prepare:expr, $act:expr) => {
        Workload {
            name: $name,
            prepare: |world| Box::pin(async move { $prepare(world).await }),
            act: |world| Box::pin(async move { $act(world).await }),
        }
    };
}

/// All of them.
pub fn all() -> Vec<Workload> {
    vec![
        workload!("create", nothing, async |world: &World| world.apply(manifest::instance("web"))),
        workload!("create-stopped", nothing, async |world: &World| {
            world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
        }),
        workload!("resize-in-place", running, async |world: &World| {
            world.patch("web", json!({"size": "4cpu8gb"}));
        }),
        workload!("resize-stop-start", stop_start, async |world: &World| {
            world.patch("web", json!({"size": "4cpu8gb"}));
        }),
        workload!("stop", running, async |world: &World| {
            world.patch("web", json!({"powerState": "Stopped"}));
        }),
        workload!("start", stopped, async |world: &World| {
            world.patch("web", json!({"powerState": "Running"}));
        }),
        workload!("reset", running, async |world: &World| {
            let now = world.now().to_string();
            world.patch("web", json!({"reset": {"requestedAt": now}}));
        }),
        workload!("monitoring", running, async |world: &World| {
            world.patch("web", json!({"monitoring": {"enabled": true, "alerting": true}}));
        }),
        workload!("patching", running, async |world: &World| {
            world.patch("web", json!({"patching": {"excluded": false, "group": 2}}));
        }),
        workload!("replication", running, async |world: &World| {
            world.patch("web", json!({"replication": {"enabled": true}}));
        }),
        workload!("backup", running, async |world: &World| {
            world.patch("web", json!({"backup": {"enabled": true}}));
        }),
        workload!("delete", running, async |world: &World| world.delete("web")),
        workload!("delete-stopped", stopped, async |world: &World| world.delete("web")),
        workload!("delete-during-create", nothing, async |world: &World| {
            world.apply(manifest::instance("web"));
            world.until("web", "tracked", |seen| seen.has_finalizer()).await;
            world.delete("web");
        }),
        workload!("adopt-by-name", seeded, async |world: &World| {
            world.apply(manifest::with("web", json!({"adoptionPolicy": "ByName"})));
        }),
        workload!("adopt-by-id", seeded, async |world: &World| {
            let all = world.sim.instances();
            let id = all.iter().find(|vm| vm.name == "PWEB").expect("it is seeded").id;
            world.apply(manifest::with("web", json!({"instanceId": id, "region": null, "platform": null})));
        }),
        workload!("snapshot", running, async |world: &World| {
            world.apply(manifest::snapshot("before", "web", json!({"description": "before the upgrade"})));
        }),
        workload!("recover", with_snapshot, async |world: &World| {
            let now = world.now().to_string();
            recover(world, json!({"recover": {"requestedAt": now}}));
        }),
        workload!("delete-snapshot", with_snapshot, async |world: &World| {
            world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
        }),
    ]
}

async fn nothing(_: &World) {}

async fn seeded(world: &World) {
    world.sim.seed(SeedInstance { cpu: 1, ram: 2, ..SeedInstance::new("PWEB", 13) }.stopped());
}

async fn created(world: &World, more: Value) {
    world.apply(manifest::with("web", more));
    world.until("web", "ready", |seen| seen.is_ready()).await;
}

async fn running(world: &World) {
    created(world, json!({})).await;
}

async fn stopped(world: &World) {
    created(world, json!({"powerState": "Stopped"})).await;
}

async fn stop_start(world: &World) {
    world.sim.quirks(|quirks| quirks.resize_needs_stop = true);
    created(world, json!({"resizePolicy": "StopStart", "powerState": null})).await;
}

async fn with_snapshot(world: &World) {
    running(world).await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world
        .until_snapshot("before", "available", |seen| seen.has("Available", "True") && seen.is_ready())
        .await;
}

fn recover(world: &World, spec: Value) {
    world.api.patch_spec("itcaresnapshots", "shop", "before", spec).expect("it is there");
}
