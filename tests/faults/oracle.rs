//! How a world looks once it is quiet, apart from ids and times; and what must be so.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{Seen, World};

/// What remains when all is done.
#[derive(Debug, Clone, PartialEq)]
pub struct End {
    /// The live VMs.
    pub vms: Vec<Value>,
    /// The objects.
    pub objects: Vec<Value>,
    /// Per process, how many actions of ours took effect, or still may.
    pub effects: BTreeMap<String, usize>,
    /// How many VMs there ever were.
    pub made: usize,
}

impl End {
    pub fn of(world: &World) -> Self {
        let all = world.sim.instances();
        let vms = all.iter().filter(|vm| vm.live).map(|vm| {
            json!({
                "name": vm.name.to_uppercase(),
                "service": vm.service_id,
                "status": vm.status,
                "size": [vm.cpu, vm.ram],
                "switches": [vm.monitoring, vm.alerting, vm.backup, vm.replication, vm.patch_excluded],
                "patchGroup": vm.patch_group,
                "snapshots": vm.snapshots.len(),
                "resets": vm.resets,
                "recoveries": vm.recoveries,
            })
        });
        let mut effects = BTreeMap::new();
        for action in world.sim.actions() {
            if !matches!(action.state, itcare_sim::ActionState::Failed(_)) {
                *effects.entry(action.process).or_default() += 1;
            }
        }
        let kinds = ["itcareinstances", "itcaresnapshots"];
        let objects =
            kinds.into_iter().flat_map(|kind| world.api.list(kind)).map(|object| shape(&Seen(object)));
        Self { vms: vms.collect(), objects: objects.collect(), effects, made: all.len() }
    }

    /// The same but for how a one-shot ended.
    pub fn without_receipts(mut self) -> Self {
        for object in &mut self.objects {
            object["receipts"] = Value::Null;
        }
        for vm in &mut self.vms {
            vm["resets"] = Value::Null;
            vm["recoveries"] = Value::Null;
        }
        self.effects.clear();
        self
    }
}

fn shape(seen: &Seen) -> Value {
    let ledger = seen.ledger();
    let conditions = seen.status()["conditions"].as_array().cloned().unwrap_or_default();
    let conditions: BTreeMap<String, String> = conditions
        .iter()
        .map(|condition| {
            let text = |field: &str| condition[field].as_str().unwrap_or_default().to_owned();
            (text("type"), format!("{} {}", text("status"), text("reason")))
        })
        .collect();
    let receipts: BTreeMap<String, Value> = seen.status()["handledRequests"]
        .as_object()
        .map(|all| all.iter().map(|(kind, receipt)| (kind.clone(), receipt["result"].clone())).collect())
        .unwrap_or_default();
    json!({
        "name": seen.0["metadata"]["name"],
        "conditions": conditions,
        "finalizer": seen.has_finalizer(),
        "origin": ledger["origin"],
        "bound": !ledger["instance"].is_null(),
        "intent": ledger["intent"],
        "resume": ledger["resume"],
        "operation": seen.status()["operation"],
        "drift": seen.status()["drift"],
        "receipts": receipts,
    })
}
