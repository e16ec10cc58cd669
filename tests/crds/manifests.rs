//! Valid objects that the tables start from, and changes to them.

use serde_json::{Map, Value, json};

/// An instance with every field set; its VM would have the id 4711.
pub fn full_instance(name: &str) -> Value {
    instance(
        name,
        &json!({
            "name": "PWEB01",
            "serviceId": 13,
            "region": "EB",
            "platform": "deb12",
            "area": "EB-STD",
            "availabilityZone": "EB-A",
            "regulation": "STANDARD",
            "networkId": 1125,
            "cloudId": 42,
            "authenticationDomainId": "CGDM-EMEA",
            "productCode": "rmq11",
            "storagePool": "gold",
            "specificRequest": "please",
            "volumes": [{"id": "data", "sizeGb": 10, "order": 0, "excludeFromSnapshots": true}],
            "properties": [{"key": "colour", "value": "blue"}],
            "size": "2cpu4gb",
            "resizePolicy": "StopStart",
            "powerState": "Running",
            "monitoring": {"enabled": false, "alerting": false, "onCall": false, "disabledReason": "quiet"},
            "patching": {"excluded": true, "exclusionReason": "old", "group": 1},
            "replication": {"enabled": false, "disabledReason": "cheap"},
            "backup": {
                "enabled": false,
                "disabledReason": "cheap",
                "offSite": true,
                "serverPolicyId": "daily",
                "databasePolicyId": "hourly",
            },
            "changeReference": "CHG0042",
            "reset": {
                "requestedAt": "2026-01-02T03:04:05Z",
                "comment": "hangs",
                "notAfter": "2026-01-02T04:04:05Z",
            },
            "instanceId": 4711,
            "adoptionPolicy": "ByName",
            "managementPolicy": "Manage",
            "driftPolicy": "Report",
            "deletionPolicy": "Retain",
            "suspend": true,
        }),
    )
}

/// An instance with what a creation needs, and nothing else.
pub fn minimal_instance(name: &str) -> Value {
    let spec =
        json!({"name": "PWEB01", "serviceId": 13, "region": "EB", "platform": "deb12", "size": "2cpu4gb"});
    instance(name, &spec)
}

/// An instance of that spec.
pub fn instance(name: &str, spec: &Value) -> Value {
    object("ITCareInstance", name, spec)
}

/// A snapshot with every field set.
pub fn full_snapshot(name: &str) -> Value {
    snapshot(
        name,
        &json!({
            "instanceRef": {"name": "web"},
            "description": "before the upgrade",
            "changeReference": "CHG0042",
            "deletionPolicy": "Retain",
            "recover": {"requestedAt": "2026-01-02T03:04:05Z", "notAfter": "2026-01-02T04:04:05Z"},
            "onSlotTaken": "Fail",
            "slotTimeout": "30m",
            "onMissingInstance": "Skip",
            "suspend": true,
        }),
    )
}

/// A snapshot of that spec.
pub fn snapshot(name: &str, spec: &Value) -> Value {
    object("ITCareSnapshot", name, spec)
}

fn object(kind: &str, name: &str, spec: &Value) -> Value {
    json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": spec,
    })
}

/// Puts a value at a path such as `spec.volumes[0].id`, or takes away what is there.
pub fn put(object: &mut Value, path: &str, value: Option<Value>) {
    let (parent, last) = path.rsplit_once('.').expect("a path has a parent");
    let pointer = format!("/{}", parent.replace(['.', '['], "/").replace(']', ""));
    let parent = object.pointer_mut(&pointer).expect("the parent is there");
    if let Some((list, index)) = last.strip_suffix(']').and_then(|entry| entry.split_once('[')) {
        let index: usize = index.parse().expect("an index is a number");
        parent[list][index] = value.expect("an entry is replaced, not removed");
        return;
    }
    let parent = parent.as_object_mut().expect("the parent is an object");
    match value {
        Some(value) => parent.insert(last.to_owned(), value),
        None => parent.remove(last),
    };
}

/// The merge patch that sets one field, or removes it with `null`.
pub fn patch(path: &str, value: Value) -> Value {
    path.rsplit('.').fold(value, |inner, key| Value::Object(Map::from_iter([(key.to_owned(), inner)])))
}

/// A text of `length` letters.
pub fn letters(length: usize) -> Value {
    Value::String("a".repeat(length))
}
