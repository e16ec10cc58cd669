//! What users do: make, edit, ask for something once, delete, make again, change policies, and follow the cure that a
//! message names.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::life::{INSTANCES, SNAPSHOTS};
use crate::story::Story;
use crate::support::{Seen, World, manifest};

/// Names are unique in all of ITCare, and an object of a name that comes again is in the service of the first.
pub fn service(name: &str) -> i64 {
    if name.ends_with(['0', '2', '4', '6', '8']) { 13 } else { 14 }
}

/// The host name of that object's VM.
pub fn host(name: &str) -> String {
    format!("P{}", name.to_uppercase())
}

impl Story {
    /// A user makes an instance object.
    pub fn make(&mut self, world: &World, name: &str) {
        let draw = &mut self.draw;
        let mut spec = json!({
            "serviceId": service(name),
            "size": draw.pick(&["2cpu4gb", "4cpu8gb"]),
            "powerState": draw.pick(&[json!("Running"), json!("Running"), json!("Stopped"), Value::Null]),
            "resizePolicy": draw.pick(&["StopStart", "StopStart", "InPlace"]),
            "driftPolicy": draw.pick(&["Correct", "Correct", "Report"]),
            "adoptionPolicy": draw.pick(&["Never", "Never", "ByName"]),
            "managementPolicy": if draw.one_in(12) { "Observe" } else { "Manage" },
        });
        match draw.below(6) {
            0 => spec["deletionPolicy"] = json!("Retain"),
            1 => spec["deletionPolicy"] = json!("Delete"),
            _ => {}
        }
        if draw.one_in(3) {
            spec["backup"] = json!({"enabled": draw.one_in(2), "disabledReason": "not needed"});
        }
        if draw.one_in(4) {
            spec["properties"] = json!([{"key": "owner", "value": "shop"}]);
        }
        self.say(format!("user makes {name}: {spec}"));
        self.tally.add("user: make", 1);
        world.apply(manifest::with(name, spec));
        self.noted(world, INSTANCES, name);
    }

    fn noted(&mut self, world: &World, kind: &'static str, name: &str) {
        let now = self.now();
        self.lives.note(world, kind, name, now);
    }

    /// A user does something to an instance object, or makes it.
    pub fn user(&mut self, world: &World, name: &str) {
        let Some(object) = world.api.get(INSTANCES, "shop", name).map(Seen) else {
            return self.make(world, name);
        };
        if !object.0["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        if object.has("Stalled", "True") && self.draw.one_in(3) {
            return self.cure(world, name, &object);
        }
        let draw = &mut self.draw;
        let (what, edit) = match draw.below(16) {
            0 | 1 => ("size", json!({"size": draw.pick(&["2cpu4gb", "4cpu8gb", "8cpu16gb"])})),
            2 | 3 => (
                "power",
                json!({"powerState": draw.pick(&[json!("Running"), json!("Stopped"), Value::Null])}),
            ),
            4 => ("monitoring", json!({"monitoring": {"enabled": true, "alerting": draw.one_in(2)}})),
            5 => ("patching", json!({"patching": {"excluded": false, "group": draw.below(3) + 1}})),
            6 => (
                "replication",
                json!({"replication": {"enabled": draw.one_in(2), "disabledReason": "not needed"}}),
            ),
            7 => ("backup", json!({"backup": {"enabled": draw.one_in(2), "disabledReason": "not needed"}})),
            8 | 9 => ("reset", json!({"reset": {"requestedAt": world.now().to_string()}})),
            10 => ("suspend", json!({"suspend": object.0["spec"]["suspend"] != true})),
            11 => {
                let observes = object.0["spec"]["managementPolicy"] == "Observe";
                ("manage", json!({"managementPolicy": if observes { "Manage" } else { "Observe" }}))
            }
            12 => match draw.below(3) {
                0 => (
                    "retain",
                    json!({"deletionPolicy": draw.pick(&[json!("Retain"), json!("Delete"), Value::Null])}),
                ),
                1 => ("change reference", json!({"changeReference": format!("CHG{}", draw.below(1000))})),
                _ => ("resize policy", json!({"resizePolicy": draw.pick(&["StopStart", "InPlace"])})),
            },
            13 => {
                self.say(format!("user asks for a look at {name}"));
                self.tally.add("user: look", 1);
                return world.ask_for_a_look(name);
            }
            _ => {
                self.say(format!("user deletes {name}"));
                self.tally.add("user: delete", 1);
                world.delete(name);
                return self.noted(world, INSTANCES, name);
            }
        };
        self.edit(world, name, what, edit);
    }

    fn edit(&mut self, world: &World, name: &str, what: &str, edit: Value) {
        self.say(format!("user edits {name}: {edit}"));
        self.tally.add(format!("user: {what}"), 1);
        world.patch(name, edit);
        self.noted(world, INSTANCES, name);
    }

    /// A user edits an object so that something is sent for it soon, or makes it.
    pub fn user_asks_for_work(&mut self, world: &World, name: &str) {
        let Some(object) = world.api.get(INSTANCES, "shop", name) else { return self.make(world, name) };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        let draw = &mut self.draw;
        let edit = match draw.below(4) {
            0 => {
                json!({"powerState": if object["spec"]["powerState"] == "Stopped" { "Running" } else { "Stopped" }})
            }
            1 => json!({"size": if object["spec"]["size"] == "2cpu4gb" { "4cpu8gb" } else { "2cpu4gb" }}),
            2 => json!({"reset": {"requestedAt": world.now().to_string()}}),
            _ => {
                self.say(format!("user deletes {name}"));
                self.tally.add("user: delete", 1);
                world.delete(name);
                return self.noted(world, INSTANCES, name);
            }
        };
        self.edit(world, name, "work", edit);
    }

    /// A user asks for something, and takes it back while the last reads before the call are on their way.
    pub async fn changes_their_mind(&mut self, world: &World, name: &str) {
        let vm = world.api.get(INSTANCES, "shop", name).and_then(|object| object["status"]["id"].as_i64());
        let Some((vm, before)) = vm.zip(world.api.get(INSTANCES, "shop", name)) else {
            return self.user(world, name);
        };
        let reads = Match { instance: Some(vm), ..Match::operation(Operation::Detail) };
        let slow = Fault::once(reads, FaultKind::Delay(Duration::from_secs(20)));
        let slow = self.plan(world, "slow before a call", slow);
        self.user_asks_for_work(world, name);
        let mut left = 600;
        while !world.sim.is_spent(slow) && left > 0 {
            sleep(Duration::from_millis(100)).await;
            left -= 1;
        }
        let Some(object) = world.api.get(INSTANCES, "shop", name) else { return };
        let edit = match (object["metadata"]["deletionTimestamp"].is_null(), self.draw.below(4)) {
            (false, _) => json!({"deletionPolicy": "Retain"}),
            (true, 0) => json!({"suspend": true}),
            (true, 1) => json!({"managementPolicy": "Observe"}),
            (true, _) => {
                json!({"powerState": before["spec"]["powerState"], "size": before["spec"]["size"], "reset": before["spec"]["reset"]})
            }
        };
        self.edit(world, name, "changes their mind", edit);
    }

    /// What the message of a stalled object names as its cure, or one of them.
    fn cure(&mut self, world: &World, name: &str, object: &Seen) {
        let host = host(name);
        let live = world.sim.instances().into_iter().rfind(|vm| vm.live && vm.name == host);
        // Once a VM is recorded, the API server refuses any other id.
        let live = live.filter(|_| object.ledger()["instance"].is_null());
        match (object.reason_of("Stalled"), live) {
            ("NameTaken" | "Ambiguous" | "InstanceMissing" | "CreateFailed", Some(vm)) => {
                self.edit(world, name, "adopt by id", json!({"instanceId": vm.id}));
            }
            _ => {
                self.say(format!("user deletes {name}, which is stalled"));
                self.tally.add("user: delete", 1);
                world.delete(name);
                self.noted(world, INSTANCES, name);
            }
        }
    }

    /// A user does something about a snapshot of that instance.
    pub fn user_of_snapshots(&mut self, world: &World, name: &str) {
        let object = format!("{name}-{}", self.draw.pick(&["before", "before", "other"]));
        let Some(there) = world.api.get(SNAPSHOTS, "shop", &object) else {
            if world.api.get(INSTANCES, "shop", name).is_none() && !self.draw.one_in(6) {
                return;
            }
            return self.user_takes_snapshot(world, &object, name);
        };
        if !there["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        let available = Seen(there).has("Available", "True");
        if self.draw.one_in(if available { 3 } else { 2 }) {
            self.say(format!("user deletes {object}"));
            self.tally.add("user: delete snapshot", 1);
            let _ = world.api.delete(SNAPSHOTS, "shop", &object);
        } else {
            let recover = json!({"recover": {"requestedAt": world.now().to_string()}});
            self.say(format!("user recovers {object}: {recover}"));
            self.tally.add("user: recover", 1);
            world.api.patch_spec(SNAPSHOTS, "shop", &object, recover).expect("it is there");
        }
        self.noted(world, SNAPSHOTS, &object);
    }

    /// A user makes that snapshot object, unless it is there.
    pub fn user_takes_snapshot(&mut self, world: &World, object: &str, of: &str) {
        if world.api.get(SNAPSHOTS, "shop", object).is_some() {
            return;
        }
        self.snapshots += 1;
        let more = json!({
            "description": format!("number {} of {object}", self.snapshots),
            "onMissingInstance": self.draw.pick(&["Skip", "Wait"]),
            "onSlotTaken": self.draw.pick(&["Wait", "Wait", "Fail"]),
            "deletionPolicy": self.draw.pick(&["Delete", "Delete", "Retain"]),
        });
        self.say(format!("user takes {object}: {more}"));
        self.tally.add("user: snapshot", 1);
        world.apply(manifest::snapshot(object, of, more));
        self.noted(world, SNAPSHOTS, object);
    }

    /// Nothing stays suspended.
    pub fn resume(&mut self, world: &World, name: &str) {
        if world.api.get(INSTANCES, "shop", name).is_some_and(|object| object["spec"]["suspend"] == true) {
            self.edit(world, name, "resume", json!({"suspend": false}));
        }
    }
}
