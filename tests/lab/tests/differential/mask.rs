//! What of two servers' answers must be the same: all but uids, times and version numbers, and of those what
//! an operator may rely on.
//!
//! A uid is known by the order of its first appearance, a resourceVersion by its rank among all that were
//! seen. Of `managedFields`, each manager's set of leaves counts. Of a refusal, code and reason count, and
//! whether it speaks of a uid: the operator reads that.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use crate::replay::Seen;

/// The answers of one run, comparable with another run's.
pub fn masked(seen: &[Seen]) -> Vec<(String, Value)> {
    let mut mask = Mask::default();
    for answer in seen {
        mask.learn(&answer.body);
    }
    seen.iter().map(|answer| (answer.what.clone(), mask.answer(answer.code, &answer.body))).collect()
}

#[derive(Default)]
struct Mask {
    versions: BTreeSet<u64>,
    uids: Vec<String>,
}

impl Mask {
    fn learn(&mut self, body: &Value) {
        match body {
            Value::Object(fields) => {
                if let Some(uid) = body["metadata"]["uid"].as_str() {
                    self.versions.extend(number(&body["metadata"]["resourceVersion"]));
                    if !self.uids.iter().any(|known| known == uid) {
                        self.uids.push(uid.to_owned());
                    }
                }
                fields.values().for_each(|value| self.learn(value));
            }
            Value::Array(items) => items.iter().for_each(|item| self.learn(item)),
            _ => {}
        }
    }

    fn answer(&self, code: u16, body: &Value) -> Value {
        if body["kind"] == "Status" {
            let text = body["message"].as_str().unwrap_or_default();
            let mut status = json!({"status": body["status"], "reason": body["reason"]});
            if code == 422 {
                status["speaks of a uid"] = json!(text.contains("uid"));
            }
            return json!({"code": code, "body": status});
        }
        if let Some(items) = body["items"].as_array() {
            let highest = items.iter().filter_map(|item| number(&item["metadata"]["resourceVersion"])).max();
            return json!({
                "code": code,
                "items": items.iter().map(|item| self.object(item)).collect::<Vec<_>>(),
                "more": body["metadata"]["continue"].as_str().is_some_and(|token| !token.is_empty()),
                "left": body["metadata"]["remainingItemCount"],
                "covers its items": highest <= number(&body["metadata"]["resourceVersion"]),
            });
        }
        if let Some(events) = body["events"].as_array() {
            let events: Vec<_> = events
                .iter()
                .map(|event| json!({"type": event["type"], "code": event["code"], "object": self.object(&event["object"])}))
                .collect();
            return json!({"complete": body["complete"], "events": events});
        }
        json!({"code": code, "object": self.object(body)})
    }

    fn object(&self, object: &Value) -> Value {
        let mut object = object.clone();
        let ours = object["apiVersion"] == "itcare.cegedim.cloud/v1alpha1";
        // Written by the server into every event, empty.
        if let Value::Object(fields) = &mut object {
            fields.retain(|name, _| !name.starts_with("deprecated"));
        }
        let Some(metadata) = object["metadata"].as_object_mut() else { return object };
        for field in ["creationTimestamp", "deletionTimestamp", "namespace"] {
            if let Some(value) = metadata.get_mut(field) {
                *value = json!("set");
            }
        }
        if let Some(version) = metadata.get("resourceVersion").and_then(number) {
            let rank = self.versions.range(..version).count();
            metadata.insert("resourceVersion".into(), json!(format!("version {rank}")));
        }
        if let Some(uid) = metadata.get("uid").and_then(Value::as_str) {
            let rank = self.uids.iter().position(|known| known == uid);
            metadata.insert("uid".into(), json!(format!("uid {rank:?}")));
        }
        // Nobody reads who owns what of the kinds that are only ever written whole.
        if let Some(fields) = metadata.remove("managedFields").filter(|_| ours) {
            let managers = managers(&fields, &object);
            object["metadata"]["managers"] = managers;
        }
        object
    }
}

fn number(version: &Value) -> Option<u64> {
    version.as_str()?.parse().ok()
}

fn managers(fields: &Value, object: &Value) -> Value {
    let mut managers: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for entry in fields.as_array().into_iter().flatten() {
        let text = |field: &str| entry[field].as_str().unwrap_or_default();
        let who = format!("{} {} {}", text("manager"), text("operation"), text("subresource"));
        leaves(&entry["fieldsV1"], object, "", managers.entry(who).or_default());
    }
    json!(managers)
}

/// Who made a map or a list of items, rather than what is in it, is left out: nothing that the operator writes depends on it.
fn leaves(fields: &Value, value: &Value, path: &str, found: &mut BTreeSet<String>) {
    let fields = fields.as_object().cloned().unwrap_or_default();
    let items = value.as_array().is_some_and(|items| items.iter().any(Value::is_object));
    if fields.is_empty() && !path.is_empty() && !value.is_object() && !items {
        found.insert(path.to_owned());
    }
    for (name, inner) in &fields {
        let within = match (name.split_once(':'), value) {
            (Some(("f", field)), _) => value[field].clone(),
            // Of an item, only what is in it counts.
            (Some(("k", keys)), Value::Array(items)) => {
                let keys: Value = serde_json::from_str(keys).unwrap_or_default();
                let keys = keys.as_object().cloned().unwrap_or_default();
                let is = |item: &&Value| keys.iter().all(|(key, value)| item[key] == *value);
                items.iter().find(is).cloned().unwrap_or_default()
            }
            (Some(_) | None, _) => Value::Null,
        };
        if name != "." || path.rsplit('/').next().is_some_and(|last| last.starts_with("k:")) {
            leaves(inner, &within, &format!("{path}/{name}"), found);
        }
    }
}
