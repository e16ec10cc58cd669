//! What holds after every test, whatever it did: the rules of conditions, and of the cloud.

use std::collections::BTreeMap;

use itcare_lab::kstatus;
use itcare_lab::memory::{Recorded, Verb};
use serde_json::{Value, json};

use super::World;

impl World {
    /// Checks every status that was ever written, and what is left in the cloud.
    #[track_caller]
    pub fn audit(&self) {
        let early = self.early.lock().unwrap_or_else(std::sync::PoisonError::into_inner).clone();
        assert!(early.is_empty(), "calls before the time that ITCare asked for: {early:#?}");
        let mut last: BTreeMap<(String, String), Value> = BTreeMap::new();
        let mut copies = Copies::default();
        for write in self.api.writes() {
            self.check_write(&write);
            copies.check(&write);
            // Another object of that name has a life of its own.
            let uid = write.body["metadata"]["uid"].as_str().unwrap_or_default();
            let key = (format!("{}/{uid}", write.resource), format!("{}/{}", write.namespace, write.name));
            if write.code.is_none() {
                // Whether it took effect is not known here, so the next one is compared with nothing.
                last.remove(&key);
            }
            // A merge only removes what somebody else had put into the status.
            if write.subresource == "status" && write.apply && write.code == Some(200) {
                check_status(&write.body["status"], last.get(&key), &key.1);
                last.insert(key, write.body["status"].clone());
            }
        }
        let missing = |ledger: &&Value| {
            let objects =
                ["itcareinstances", "itcaresnapshots"].map(|resource| self.api.list(resource)).concat();
            objects.iter().any(|object| object["metadata"]["uid"] == ledger["uid"])
        };
        let ahead: Vec<&Value> = copies.ahead.values().filter(missing).collect();
        assert!(ahead.is_empty(), "only a status tells it: {ahead:#?}");
        let mut live: BTreeMap<i64, Vec<String>> = BTreeMap::new();
        for object in self.api.list("itcareinstances") {
            let recorded = super::Seen(object.clone()).ledger()["instance"].as_i64();
            if let Some(id) = recorded.filter(|id| self.sim.instance(*id).is_some_and(|vm| vm.live)) {
                live.entry(id).or_default().push(object["metadata"]["name"].to_string());
            }
        }
        assert!(live.values().all(|owners| owners.len() == 1), "a VM that two objects record: {live:?}");
    }

    /// Only our fields are written, and `spec` never.
    #[track_caller]
    fn check_write(&self, write: &Recorded) {
        let ours = write.resource == "itcareinstances" || write.resource == "itcaresnapshots";
        if !ours {
            return;
        }
        assert!(write.body.get("spec").is_none(), "spec was written: {write:?}");
        assert_eq!(write.verb, Verb::Patch, "objects are patched, never put: {write:?}");
    }
}

/// The ledger as its two copies have it, by the object that it names.
#[derive(Default)]
struct Copies {
    /// As the annotation was written last.
    annotated: BTreeMap<String, Value>,
    /// As a status told it before the annotation: that must follow.
    ahead: BTreeMap<String, Value>,
}

impl Copies {
    /// A status carries what the annotation says; where it is ahead, the annotation comes next.
    #[track_caller]
    fn check(&mut self, write: &Recorded) {
        let read = |text: &Value| serde_json::from_str::<Value>(text.as_str()?).ok();
        let owner = |ledger: &Value| ledger["uid"].as_str().unwrap_or_default().to_owned();
        let seq = |ledger: &Value| ledger["seq"].as_u64();
        if let Some(ledger) = read(&write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"]) {
            match write.code {
                Some(200) => {
                    self.ahead.retain(|_, ahead| owner(ahead) != owner(&ledger) || seq(ahead) > seq(&ledger));
                    self.annotated.insert(owner(&ledger), ledger);
                }
                // Whether it took effect is not known here.
                None => drop(self.annotated.remove(&owner(&ledger))),
                Some(_) => {}
            }
        }
        let Some(copy) = read(&write.body["status"]["ledger"]).filter(|_| write.code == Some(200)) else {
            return;
        };
        let Some(ledger) = self.annotated.get(&owner(&copy)) else { return };
        if seq(&copy) > seq(ledger) {
            self.ahead.insert(owner(&copy), copy);
        } else {
            assert_eq!(&copy, ledger, "{}/{}: the two copies differ", write.namespace, write.name);
        }
    }
}

/// The rules of one status, and of its step from the one before.
#[track_caller]
pub fn check_status(status: &Value, before: Option<&Value>, name: &str) {
    let find = |status: &Value, kind: &str| -> Option<Value> {
        status["conditions"].as_array()?.iter().find(|condition| condition["type"] == kind).cloned()
    };
    let ready = find(status, "Ready").unwrap_or_else(|| panic!("{name}: a status without Ready: {status:#}"));
    for kind in ["Reconciling", "Stalled", "Drifted"] {
        if let Some(condition) = find(status, kind) {
            assert_eq!(
                condition["status"], "True",
                "{name}: {kind} is only ever present as True: {status:#}"
            );
        }
    }
    let reconciling = find(status, "Reconciling").is_some();
    let stalled = find(status, "Stalled").is_some();
    assert!(!(reconciling && stalled), "{name}: Reconciling and Stalled together: {status:#}");
    if ready["status"] == "True" {
        assert!(!reconciling && !stalled, "{name}: Ready with Reconciling or Stalled: {status:#}");
    }
    if stalled {
        let message = ready["message"].as_str().unwrap_or_default();
        assert!(message.len() > 20, "{name}: Stalled without a cure: {status:#}");
    }
    let generation = status["observedGeneration"].as_i64();
    assert!(generation.is_some(), "{name}: no observedGeneration: {status:#}");
    for condition in status["conditions"].as_array().into_iter().flatten() {
        assert_eq!(condition["observedGeneration"].as_i64(), generation, "{name}: {condition:#}");
        assert!(!condition["reason"].as_str().unwrap_or_default().is_empty(), "{name}: {condition:#}");
        assert!(!condition["message"].as_str().unwrap_or_default().is_empty(), "{name}: {condition:#}");
    }
    let object = json!({"metadata": {"generation": generation}, "status": status});
    let verdict = kstatus::compute(&object).unwrap_or_else(|error| panic!("{name}: {error}: {status:#}"));
    let expected = match (ready["status"].as_str(), stalled) {
        (_, true) => kstatus::Status::Failed,
        (Some("True"), false) => kstatus::Status::Current,
        _ => kstatus::Status::InProgress,
    };
    assert_eq!(verdict.status, expected, "{name}: {status:#}");
    let Some(before) = before else { return };
    assert_ne!(before, status, "{name}: a status was written that had not changed");
    for condition in status["conditions"].as_array().into_iter().flatten() {
        let old = find(before, condition["type"].as_str().unwrap_or_default());
        if let Some(old) = old.filter(|old| old["status"] == condition["status"]) {
            assert_eq!(
                old["lastTransitionTime"], condition["lastTransitionTime"],
                "{name}: a transition time moved without a transition: {condition:#}"
            );
        }
    }
}
