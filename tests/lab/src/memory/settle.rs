//! The pure part of a write: what of the proposed object counts, and what the server fills in.
//!
//! Not here: objects in store, revisions and owners (`store`).

use serde_json::{Map, Value, json};

use super::definition::Definition;
use super::failure::Failure;
use super::store::{Key, Part};

/// A resourceVersion in a body makes any write a compare-and-swap.
pub(super) fn check_version(
    definition: &Definition,
    key: &Key,
    live: &Value,
    proposed: &Value,
) -> Result<(), Failure> {
    match proposed["metadata"]["resourceVersion"].as_str() {
        Some(wanted) if !wanted.is_empty() && live["metadata"]["resourceVersion"] != wanted => {
            Err(Failure::stale(&definition.qualified(), &key.name))
        }
        _ => Ok(()),
    }
}

/// A uid in a body must be that of the object.
pub(super) fn check_uid(live: &Value, proposed: &Value) -> Result<(), Failure> {
    match proposed["metadata"]["uid"].as_str() {
        Some(wanted) if !wanted.is_empty() && live["metadata"]["uid"] != wanted => {
            Err(Failure::new(422, format!("metadata.uid: Invalid value: \"{wanted}\": field is immutable")))
        }
        _ => Ok(()),
    }
}

/// The live object with that part of the proposed one which this write may change.
pub(super) fn settle(
    definition: &Definition,
    part: Part,
    live: &Value,
    proposed: Value,
) -> Result<Value, Failure> {
    const SERVERS: [&str; 9] = [
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "resourceVersion",
        "managedFields",
    ];
    let mut settled;
    if part == Part::Status {
        settled = live.clone();
        set_or_remove(&mut settled, "status", proposed.get("status").cloned());
    } else {
        settled = proposed;
        if !settled["metadata"].is_object() {
            settled["metadata"] = json!({});
        }
        for field in SERVERS {
            set_or_remove(&mut settled["metadata"], field, live["metadata"].get(field).cloned());
        }
        if let Value::Object(metadata) = &mut settled["metadata"] {
            drop_empty(metadata);
        }
        for field in ["apiVersion", "kind"] {
            set_or_remove(&mut settled, field, live.get(field).cloned());
        }
        if definition.status && part == Part::Main {
            set_or_remove(&mut settled, "status", live.get("status").cloned());
        }
        if !live["metadata"]["deletionTimestamp"].is_null() && adds_finalizer(live, &settled) {
            let message = "metadata.finalizers: Forbidden: no new finalizers can be added if the object is being deleted";
            return Err(Failure::new(422, message));
        }
    }
    Ok(settled)
}

/// The part of an applied body that counts.
pub(super) fn only(definition: &Definition, part: Part, body: &Value) -> Value {
    let mut wanted = body.clone();
    if let Value::Object(fields) = &mut wanted {
        match part {
            Part::Status => fields.retain(|name, _| name == "status"),
            Part::Main if definition.status => {
                fields.remove("status");
            }
            Part::Main | Part::Whole => {}
        }
    }
    wanted
}

/// True when the default was needed.
pub(super) fn default_status(definition: &Definition, object: &mut Value) -> bool {
    let Some(default) = &definition.status_default else { return false };
    let needed = object.get("status").is_none_or(Value::is_null);
    if needed {
        object["status"] = default.clone();
    }
    needed
}

/// Anything but metadata, and but the status where that is apart.
pub(super) fn differs_in_spec(definition: &Definition, old: &Value, new: &Value) -> bool {
    let body = |object: &Value| {
        let mut fields = object.as_object().cloned().unwrap_or_default();
        fields.remove("metadata");
        if definition.status {
            fields.remove("status");
        }
        fields
    };
    body(old) != body(new)
}

pub(super) fn bump_generation(object: &mut Value) {
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        object["metadata"]["generation"] = json!(generation + 1);
    }
}

fn finalizers(object: &Value) -> &[Value] {
    object["metadata"]["finalizers"].as_array().map_or(&[], Vec::as_slice)
}

pub(super) fn has_finalizers(object: &Value) -> bool {
    !finalizers(object).is_empty()
}

fn adds_finalizer(old: &Value, new: &Value) -> bool {
    finalizers(new).iter().any(|finalizer| !finalizers(old).contains(finalizer))
}

pub(super) fn set_or_remove(object: &mut Value, field: &str, value: Option<Value>) {
    let Value::Object(fields) = object else { return };
    match value {
        Some(value) => {
            fields.insert(field.to_owned(), value);
        }
        None => {
            fields.remove(field);
        }
    }
}

/// Empty metadata fields do not survive the server's own types.
pub(super) fn drop_empty(metadata: &mut Map<String, Value>) {
    metadata.retain(|_, value| match value {
        Value::Null => false,
        Value::Object(fields) => !fields.is_empty(),
        Value::Array(items) => !items.is_empty(),
        _ => true,
    });
}
