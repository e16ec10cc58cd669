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
        let mut annotated = BTreeMap::new();
        for write in self.api.writes() {
            self.check_write(&write);
            check_copies(&write, &mut annotated);
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

/// A status carries the text of the annotation, as we wrote it last for the object that the ledger names.
#[track_caller]
fn check_copies(write: &Recorded, annotated: &mut BTreeMap<String, String>) {
    let owner = |text: &str| {
        let ledger: Value = serde_json::from_str(text).ok()?;
        ledger["uid"].as_str().map(str::to_owned)
    };
    let metadata = &write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"];
    if let Some((text, owner)) = metadata.as_str().and_then(|text| Some((text, owner(text)?))) {
        match write.code {
            Some(200) => drop(annotated.insert(owner, text.to_owned())),
            // Whether it took effect is not known here.
            None => drop(annotated.remove(&owner)),
            Some(_) => {}
        }
    }
    let copy = write.body["status"]["ledger"].as_str().filter(|_| write.code == Some(200));
    if let Some((copy, text)) = copy.and_then(|copy| Some((copy, annotated.get(&owner(copy)?)?))) {
        assert_eq!(copy, text, "{}/{}: the two copies of the ledger differ", write.namespace, write.name);
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
