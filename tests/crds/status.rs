//! The status that the operator writes: accepted in full, bounded by the server, lost in no field.
//!
//! The cases come from the schema itself: each bound of each field is broken once.

use itcare_operator::crd::{InstanceStatus, SnapshotStatus};
use serde_json::{Map, Value, json};

use crate::manifests::{letters, minimal_instance, put, snapshot};
use crate::refused::of_another_type;
use crate::schema::walk;
use crate::server::{Keep, Project, schema};

const NOW: &str = "2026-01-02T03:04:05Z";

/// What both kinds report.
fn common() -> Map<String, Value> {
    let operation = json!({
        "kind": "Recover",
        "attempt": "0123456789abcdef",
        "actionId": 1333,
        "process": "vm_recover",
        "submittedAt": NOW,
        "generation": 2,
    });
    let last = json!({
        "kind": "Start",
        "actionId": 1332,
        "result": "Succeeded",
        "finishedAt": NOW,
        "message": "done",
        "attempt": "0123456789abcdef",
        "state": "ACTIVE",
        "failures": 1,
        "generation": 1,
    });
    let receipt = json!({"requestedAt": NOW, "result": "Expired", "actionId": 1331, "finishedAt": NOW, "message": "late", "earlierActionIds": [1329, 1330]});
    let condition = json!({
        "type": "Ready",
        "status": "True",
        "observedGeneration": 2,
        "lastTransitionTime": NOW,
        "reason": "Running",
        "message": "as asked",
    });
    let status = json!({
        "observedGeneration": 2,
        "conditions": [condition],
        "operation": operation,
        "lastOperation": last,
        "handledRequests": {"reset": receipt},
        "lastHandledReconcileAt": "one",
        "ledger": "{}",
    });
    status.as_object().expect("it is one").clone()
}

fn full_instance_status() -> Value {
    let mut status = json!({
        "id": 4711,
        "state": "ACTIVE",
        "powerState": "Running",
        "size": "2cpu4gb",
        "cpu": 2,
        "memoryGb": 4,
        "storageGb": 60,
        "fileSystems": [{"mountPoint": "/", "type": "ext4", "sizeGb": 60}],
        "ipAddress": "10.59.1.2",
        "network": {"id": 1125, "cidr": "10.59.0.0/16", "gateway": "10.59.0.1", "dns": ["pweb01.example.org"]},
        "location": {"region": "EB", "area": "EB-STD", "availabilityZone": "EB-A"},
        "os": "Debian 12",
        "environment": "PRODUCTION",
        "serviceName": "SHOP",
        "monitoring": {"enabled": true, "alerting": true, "onCall": true},
        "patching": {"excluded": true, "exclusionReason": "old", "group": 1},
        "replication": {"enabled": true},
        "backup": {"enabled": true},
        "snapshot": {"id": "123-snap-42", "createdAt": NOW, "expiresAt": NOW, "managedBy": "first"},
        "createdAt": NOW,
        "createdBy": "someone",
        "drift": [{"field": "size", "desired": "2cpu4gb", "observed": "1cpu4gb", "since": NOW}],
    });
    status.as_object_mut().expect("it is one").extend(common());
    status
}

fn full_snapshot_status() -> Value {
    let mut status = json!({
        "id": "123-snap-42",
        "instanceId": 4711,
        "createdAt": NOW,
        "createdBy": "someone",
        "expiresAt": NOW,
        "recoveredAt": NOW,
        "sizeGb": 60,
    });
    status.as_object_mut().expect("it is one").extend(common());
    status
}

fn objects() -> [(Value, Value); 2] {
    let first = snapshot("first", &json!({"instanceRef": {"name": "web"}}));
    [(minimal_instance("web"), full_instance_status()), (first, full_snapshot_status())]
}

#[tokio::test]
async fn a_full_status_is_kept_and_the_same_again_writes_nothing() {
    let project = Project::fresh("status").await;
    for (object, status) in objects() {
        project.create(&object, Keep::Yes).await.expect("it is valid");
        let first = project.report(&object, &status, Keep::Yes).await.expect("it is within its bounds");
        assert_eq!(first["status"], status);
        let second = project.report(&object, &status, Keep::Yes).await.expect("it is the same");
        assert_eq!(first["metadata"]["resourceVersion"], second["metadata"]["resourceVersion"]);
        assert_eq!(second["metadata"]["generation"], 1, "a status is no new generation");
    }
}

/// A full status holds every field of the schema, and the code reads and writes each.
#[test]
fn the_code_loses_no_field_of_a_status() {
    for (object, status) in objects() {
        let whole = json!({"status": status});
        let kind = object["kind"].as_str().expect("it has a kind");
        walk(&schema(kind)["properties"]["status"], "status", &mut |path, _| {
            let pointer = format!("/{}", concrete(path).replace(['.', '['], "/").replace(']', ""));
            assert!(whole.pointer(&pointer).is_some(), "{kind} {path} is not set");
        });
    }
    // One kind has one of the two requests only; both words must be known to both.
    let read: InstanceStatus =
        serde_json::from_value(full_instance_status()).expect("the code knows each field");
    assert_eq!(serde_json::to_value(read).expect("it can be written"), full_instance_status());
    let read: SnapshotStatus =
        serde_json::from_value(full_snapshot_status()).expect("the code knows each field");
    assert_eq!(serde_json::to_value(read).expect("it can be written"), full_snapshot_status());
}

/// The path of the first entry of each list and map.
fn concrete(path: &str) -> String {
    path.replace("[]", "[0]").replace(".*", ".reset")
}

/// More entries than fit, each with a key of its own.
fn too_many(node: &Value, entry: &Value) -> Value {
    let keys: Vec<_> = node["x-kubernetes-list-map-keys"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect();
    let number = node["maxItems"].as_u64().expect("the list is bounded") + 1;
    (0..number)
        .map(|number| {
            let mut entry = entry.clone();
            keys.iter().for_each(|key| entry[key] = json!(format!("entry{number}")));
            entry
        })
        .collect()
}

/// Each way to break the schema of one node: the path, the value (or none), what the server says.
fn violations(path: &str, node: &Value, status: &Value) -> Vec<(String, Option<Value>, &'static str)> {
    let at = concrete(path);
    let present = || {
        let pointer = format!("/{}", at.replace(['.', '['], "/").replace(']', ""));
        json!({"status": status}).pointer(&pointer).cloned().expect("a full status has it")
    };
    let mut found = vec![(at.clone(), Some(of_another_type(node)), "must be of type")];
    if let Some(most) = node["maxLength"].as_u64() {
        found.push((at.clone(), Some(letters(most as usize + 1)), "Too long: may not be more than"));
    }
    if node["minLength"].is_u64() {
        found.push((at.clone(), Some(json!("")), "should be at least"));
    }
    if node["pattern"].is_string() {
        found.push((at.clone(), Some(json!("Maybe")), "should match"));
    }
    if node["enum"].is_array() {
        found.push((at.clone(), Some(json!("Maybe")), "Unsupported value"));
    }
    if node["format"] == "date-time" {
        found.push((at.clone(), Some(json!("yesterday")), "must be of type date-time"));
    }
    if node["type"] == "array" {
        found.push((at.clone(), Some(too_many(node, &present()[0])), "must have at most"));
    }
    if node["x-kubernetes-list-type"] == "map" {
        found.push((at.clone(), Some(json!([present()[0], present()[0]])), "Duplicate value"));
    }
    if let Some(most) = node["maxProperties"].as_u64() {
        let entry = present()["reset"].clone();
        let all: Map<_, _> = (0..=most).map(|number| (format!("Request{number}"), entry.clone())).collect();
        found.push((at.clone(), Some(Value::Object(all)), "must have at most"));
    }
    for field in node["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
        found.push((format!("{at}.{field}"), None, "Required value"));
    }
    found
}

#[tokio::test]
async fn a_status_out_of_bounds_is_refused_by_its_field() {
    let project = Project::fresh("status").await;
    let (mut failures, mut count) = (Vec::new(), 0);
    for (object, status) in objects() {
        project.create(&object, Keep::Yes).await.expect("it is valid");
        let mut cases = Vec::new();
        let kind = object["kind"].as_str().expect("it has a kind");
        walk(&schema(kind)["properties"]["status"], "status", &mut |path, node| {
            if path != "status" {
                cases.extend(violations(path, node, &status));
            }
        });
        count += cases.len();
        for (field, value, words) in cases {
            let mut whole = json!({"status": status});
            put(&mut whole, &field, value);
            match project.report(&object, &whole["status"], Keep::DryRun).await {
                // Maps print as `status.handledRequests.reset`, whatever the key.
                Err(refusal) if refusal.message.contains(&field) && refusal.message.contains(words) => {}
                Err(refusal) => failures.push(format!("{kind} {field} ({words}): {}", refusal.message)),
                Ok(_) => failures.push(format!("{kind} {field} ({words}): accepted")),
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
    assert!(count > 150, "only {count} cases came from the schemas");
}
