//! What holds of every status that a decision produces: the rules of conditions (DESIGN 4.4) and the
//! bounds of the schema, read from the CRD itself.

use std::sync::OnceLock;

use itcare_operator::crd::{
    Condition, ConditionType, ITCareInstance, ITCareSnapshot, InstanceStatus, Reason, SnapshotStatus,
    condition,
};
use kube::CustomResourceExt;
use serde_json::Value;

/// Checks an instance's status; `before` is the one that it replaces.
#[track_caller]
pub fn instance(before: &InstanceStatus, status: &InstanceStatus, generation: i64) {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| status_schema(&ITCareInstance::crd()));
    let faults = faults(
        (&before.conditions, before.observed_generation),
        (&status.conditions, status.observed_generation),
        generation,
        false,
    );
    assert!(faults.is_empty(), "{faults:#?}\n{status:#?}");
    conforms(schema, status);
}

/// Checks a snapshot's status.
#[track_caller]
pub fn snapshot(before: &SnapshotStatus, status: &SnapshotStatus, generation: i64) {
    static SCHEMA: OnceLock<Value> = OnceLock::new();
    let schema = SCHEMA.get_or_init(|| status_schema(&ITCareSnapshot::crd()));
    let faults = faults(
        (&before.conditions, before.observed_generation),
        (&status.conditions, status.observed_generation),
        generation,
        true,
    );
    assert!(faults.is_empty(), "{faults:#?}\n{status:#?}");
    conforms(schema, status);
}

fn faults(
    (before, old): (&[Condition], Option<i64>),
    (conditions, observed): (&[Condition], Option<i64>),
    generation: i64,
    snapshot: bool,
) -> Vec<String> {
    let mut faults = Vec::new();
    let mut when = |fault: bool, text: &str| {
        if fault {
            faults.push(text.to_owned());
        }
    };
    let has = |type_| condition::find(conditions, type_);
    let ready = has(ConditionType::Ready);
    when(!conditions.is_empty() && ready.is_none(), "conditions without Ready");
    when(
        before != conditions && observed != Some(generation),
        "conditions were built without acknowledging the generation",
    );
    when(observed != Some(generation) && observed != old, "an observedGeneration from nowhere");
    for type_ in [ConditionType::Reconciling, ConditionType::Stalled, ConditionType::Drifted] {
        when(has(type_).is_some_and(|found| found.status != "True"), "present, but not True");
    }
    let both = has(ConditionType::Reconciling).is_some() && has(ConditionType::Stalled).is_some();
    when(both, "Reconciling and Stalled together");
    let working = has(ConditionType::Reconciling).or(has(ConditionType::Stalled));
    when(ready.is_some_and(|ready| ready.status == "True") && working.is_some(), "Ready and not ready");
    when(
        ready.is_some_and(|ready| ready.status == "False") && working.is_none() && before != conditions,
        "not Ready, and neither Reconciling nor Stalled says why",
    );
    when(!snapshot && has(ConditionType::Available).is_some(), "Available on an instance");
    when(snapshot && has(ConditionType::Drifted).is_some(), "Drifted on a snapshot");
    for found in conditions {
        let kind = &found.type_;
        when(found.observed_generation != observed, &format!("{kind}: another observedGeneration"));
        when(found.message.is_empty(), &format!("{kind}: no message"));
        when(
            !Reason::ALL.iter().any(|reason| reason.as_str() == found.reason),
            &format!("{kind}: no such reason"),
        );
        when(
            conditions.iter().filter(|other| other.type_ == *kind).count() > 1,
            &format!("{kind}: more than once"),
        );
        let same = before.iter().find(|old| old.type_ == *kind && old.status == found.status);
        when(
            same.is_some_and(|old| old.last_transition_time != found.last_transition_time),
            &format!("{kind}: a transition time that moved without a transition"),
        );
    }
    if let (Some(stalled), Some(ready)) = (has(ConditionType::Stalled), ready) {
        when(stalled.reason != ready.reason, "Stalled and Ready give different reasons");
        when(
            !is_helpful(&stalled.message),
            &format!("Stalled without words for a person: {:?}", stalled.message),
        );
    }
    faults
}

/// Whether there are words for a person at all. That they name the thing and the cure is a table of its own,
/// in `conditions`.
fn is_helpful(message: &str) -> bool {
    message.chars().count() >= 25 && message.contains(' ')
}

fn status_schema(crd: &impl serde::Serialize) -> Value {
    let crd = serde_json::to_value(crd).expect("a CRD");
    crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"].clone()
}

#[track_caller]
fn conforms(schema: &Value, status: &impl serde::Serialize) {
    let status = serde_json::to_value(status).expect("a status");
    let mut faults = Vec::new();
    walk(schema, &status, "status", &mut faults);
    assert!(faults.is_empty(), "{faults:#?}\n{status:#}");
}

/// The part of OpenAPI that our schemas use.
fn walk(schema: &Value, value: &Value, path: &str, faults: &mut Vec<String>) {
    let bound = |name: &str| schema[name].as_u64().map(|bound| usize::try_from(bound).unwrap_or(usize::MAX));
    match value {
        Value::Object(fields) => {
            if bound("maxProperties").is_some_and(|most| fields.len() > most) {
                faults.push(format!("{path}: too many entries"));
            }
            for name in schema["required"].as_array().into_iter().flatten().filter_map(Value::as_str) {
                if !fields.contains_key(name) {
                    faults.push(format!("{path}: {name} is missing"));
                }
            }
            for (name, field) in fields {
                let below = schema["properties"].get(name).or(schema.get("additionalProperties"));
                match below {
                    Some(below) => walk(below, field, &format!("{path}.{name}"), faults),
                    None => faults.push(format!("{path}.{name}: not in the schema")),
                }
            }
        }
        Value::Array(items) => {
            if bound("maxItems").is_some_and(|most| items.len() > most) {
                faults.push(format!("{path}: too many items"));
            }
            for (index, item) in items.iter().enumerate() {
                walk(&schema["items"], item, &format!("{path}[{index}]"), faults);
                let keys = schema["x-kubernetes-list-map-keys"].as_array();
                let key = |item: &Value| -> Vec<Value> {
                    keys.into_iter()
                        .flatten()
                        .filter_map(Value::as_str)
                        .map(|key| item[key].clone())
                        .collect()
                };
                if keys.is_some() && items[..index].iter().any(|other| key(other) == key(item)) {
                    faults.push(format!("{path}[{index}]: its key is there twice"));
                }
            }
        }
        Value::String(text) => {
            let length = text.chars().count();
            if bound("maxLength").is_some_and(|most| length > most) {
                faults.push(format!("{path}: {length} characters"));
            }
            if bound("minLength").is_some_and(|least| length < least) {
                faults.push(format!("{path}: too short"));
            }
            let words = schema["enum"].as_array();
            if words.is_some_and(|words| !words.contains(value)) {
                faults.push(format!("{path}: {text:?} is none of the words"));
            }
        }
        Value::Null => faults.push(format!("{path}: null")),
        Value::Bool(_) | Value::Number(_) => {}
    }
    let kind = match value {
        Value::Object(_) => "object",
        Value::Array(_) => "array",
        Value::String(_) => "string",
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Null => "null",
    };
    if schema["type"].as_str().is_some_and(|wanted| wanted != kind) {
        faults.push(format!("{path}: {kind} instead of {}", schema["type"]));
    }
}

#[test]
fn the_checker_sees_a_status_that_breaks_the_rules() {
    let long = InstanceStatus { state: Some("x".repeat(65)), ..InstanceStatus::default() };
    let caught = std::panic::catch_unwind(|| instance(&InstanceStatus::default(), &long, 1));
    assert!(caught.is_err(), "a state of 65 characters is refused by the schema");
    let made = |type_: &str, status: &str| Condition {
        type_: type_.to_owned(),
        status: status.to_owned(),
        observed_generation: Some(1),
        last_transition_time: crate::fixture::wall(),
        reason: "Running".to_owned(),
        message: "words".to_owned(),
    };
    for (conditions, fault) in [
        (vec![made("Reconciling", "True")], "without Ready"),
        (vec![made("Ready", "False"), made("Reconciling", "True"), made("Stalled", "True")], "together"),
        (vec![made("Ready", "True"), made("Stalled", "True")], "Ready and not ready"),
        (vec![made("Ready", "True"), made("Drifted", "False")], "not True"),
        (vec![made("Ready", "False"), made("Stalled", "True")], "without words"),
        (vec![made("Ready", "False")], "says why"),
        (vec![made("Ready", "True"), made("Ready", "True")], "more than once"),
    ] {
        let found = faults((&[], None), (&conditions, Some(1)), 1, false);
        assert!(found.iter().any(|found| found.contains(fault)), "{fault}: {found:?}");
    }
}
