//! A world with a bystander in it, and the object in it that is about to be damaged.

use std::time::Duration;

use itcare_lab::memory;
use itcare_sim::{InstanceRecord, SeedInstance};
use serde_json::{Value, json};
use tokio::time::sleep;

use super::damage::LEDGER;
use crate::oracle::End;
use crate::plan::{settle, world_of};
use crate::support::{Replica, Seen, World, manifest};
use crate::workload::Workload;

/// Which object is damaged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Target {
    pub resource: &'static str,
    pub name: &'static str,
}

pub const INSTANCE: Target = Target { resource: "itcareinstances", name: "web" };
pub const SNAPSHOT: Target = Target { resource: "itcaresnapshots", name: "before" };

impl Target {
    /// The object of the same kind that has nothing to do with it.
    pub fn bystander(self) -> Self {
        Self { name: if self == SNAPSHOT { "vault" } else { "bank" }, ..self }
    }
}

/// A world, in which the damage is about to be done.
pub struct Scene<'a> {
    pub world: &'a World,
    pub target: Target,
    /// The object before the user acted, as a backup of an older time keeps it.
    pub earlier: Value,
    /// The object at the moment of the damage.
    pub saved: Value,
    /// A VM that nobody here manages.
    pub stranger: i64,
    /// A VM that another object manages.
    pub bystander: i64,
    /// Its snapshot, which another object owns.
    pub bystander_snapshot: String,
}

/// The name of a VM that somebody else made.
pub const STRANGER: &str = "PSTRANGER";

/// A world at rest with a bystander: an instance object, and a snapshot of it.
pub async fn prepared(workload: &Workload, cloud: &str) -> (World, Replica) {
    let world = world_of(cloud);
    let replica = world.start();
    (workload.prepare)(&world).await;
    world.apply(manifest::instance("bank"));
    world.apply(manifest::snapshot("vault", "bank", json!({})));
    world.until_snapshot("vault", "available", |seen| seen.has("Available", "True")).await;
    world.until("bank", "ready", |seen| seen.is_ready()).await;
    world.sim.seed(SeedInstance::new(STRANGER, 13));
    sleep(Duration::from_secs(21)).await;
    world.sim.clear_journal();
    (world, replica)
}

/// The end of the good run, and the annotation as it was after each write on the target.
pub async fn good(workload: &Workload, cloud: &str, target: Target) -> (End, Vec<Value>) {
    let (world, _replica) = prepared(workload, cloud).await;
    let before = world.api.get(target.resource, "shop", target.name).map(Seen);
    let mut ledger = before.map(|seen| seen.ledger()).unwrap_or_default();
    world.api.clear_journal();
    (workload.act)(&world).await;
    settle(&world, None).await;
    world.audit();
    let ours = |write: &memory::Recorded| write.resource == target.resource && write.name == target.name;
    let mut ledgers = Vec::new();
    for write in world.api.writes().into_iter().filter(ours) {
        if let Some(text) = write.body["metadata"]["annotations"][LEDGER].as_str() {
            ledger = serde_json::from_str(text).unwrap_or_default();
        }
        ledgers.push(ledger.clone());
    }
    (End::of(&world), ledgers)
}

impl Scene<'_> {
    pub fn seen(&self) -> Option<Seen> {
        self.world.api.get(self.target.resource, "shop", self.target.name).map(Seen)
    }

    /// The VM of the target's name, while it lives.
    pub fn own(&self) -> Option<InstanceRecord> {
        self.world.sim.instances().into_iter().find(|vm| vm.live && vm.name == "PWEB")
    }

    /// What was seen, written and called last: for whoever reads a failure.
    pub fn tail(&self) -> String {
        let writes = self.world.api.writes();
        let last = writes.iter().rev().take(8).rev().map(|write| {
            format!(
                "  {} {} apply={} {:?} {}",
                write.name, write.subresource, write.apply, write.code, write.body
            )
        });
        let last: Vec<String> = last.collect();
        format!("{:#?}\n{}\n{}", self.seen(), last.join("\n"), self.world.tail())
    }

    pub fn ledger(&self) -> Value {
        self.seen().map(|seen| seen.ledger()).unwrap_or_default()
    }

    /// A hand that edits the object; an object that is gone cannot be edited.
    pub fn edit(&self, change: impl FnOnce(&mut Value)) {
        let _ = self.world.api.edit(self.target.resource, "shop", self.target.name, change);
    }

    /// Each of two objects gets the other's annotation.
    pub fn swap(&self) {
        let other = self.target.bystander();
        let Some(mine) = self.seen() else { return };
        let theirs = self.world.api.get(other.resource, "shop", other.name).expect("it is there");
        let annotation = |object: &Value| object["metadata"]["annotations"][LEDGER].clone();
        let (mine, theirs) = (annotation(&mine.0), annotation(&theirs));
        if mine.is_null() {
            return;
        }
        self.edit(|object| object["metadata"]["annotations"][LEDGER] = theirs);
        let give = |object: &mut Value| object["metadata"]["annotations"][LEDGER] = mine;
        self.world.api.edit(other.resource, "shop", other.name, give).expect("it is there");
    }

    /// The object is lost and comes back with a new uid, as a backup tool or Git applies it.
    pub fn restore(&self, annotations: bool, status: bool) {
        let Some(lost) = self.world.api.erase(self.target.resource, "shop", self.target.name) else { return };
        self.world.api.create(self.manifest(&lost, "shop", annotations)).expect("it is accepted");
        if status {
            self.edit(|object| object["status"] = lost["status"].clone());
        }
    }

    /// `kubectl get -o yaml`, another namespace, `kubectl apply`.
    pub fn copy(&self, annotations: bool) {
        let Some(object) = self.seen() else { return };
        self.world.api.create(self.manifest(&object.0, "other", annotations)).expect("it is accepted");
    }

    fn manifest(&self, object: &Value, namespace: &str, annotations: bool) -> Value {
        let mut metadata = json!({"name": self.target.name, "namespace": namespace});
        if annotations {
            metadata["annotations"] = object["metadata"]["annotations"].clone();
        }
        json!({
            "apiVersion": object["apiVersion"],
            "kind": object["kind"],
            "metadata": metadata,
            "spec": object["spec"],
        })
    }
}
