//! The kit's folders: scripts, test files, objects; and what Argo CD makes of a script's answer.
//!
//! Not here: the Lua itself, and what the answers should be.

use std::path::{Path, PathBuf};

use itcare_lab::apply::documents;
use jiff::Timestamp;
use serde_json::Value;

use crate::lua::run;

/// Both kinds, as their folders are called.
pub const KINDS: [&str; 2] = ["ITCareInstance", "ITCareSnapshot"];

/// When scripts of these tests are run.
pub const NOW: &str = "2026-03-04T05:06:07Z";

/// The repository.
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf()
}

/// The folder of a kind's scripts.
pub fn folder(kind: &str) -> PathBuf {
    root().join("deploy/argocd/resource_customizations/itcare.cegedim.cloud").join(kind)
}

/// A text of the kit.
#[track_caller]
pub fn text(path: &Path) -> String {
    std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The only document of a YAML file.
#[track_caller]
pub fn yaml(path: &Path) -> Value {
    let mut all = documents(&text(path)).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
    assert_eq!(all.len(), 1, "{}: one document", path.display());
    all.remove(0)
}

/// Set `UPDATE_GITOPS=1` to write what is generated instead of comparing it.
#[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
pub fn updating() -> bool {
    std::env::var_os("UPDATE_GITOPS").is_some_and(|value| value == "1")
}

/// The names of the folders below `actions`.
pub fn actions_of(kind: &str) -> Vec<String> {
    let entries = std::fs::read_dir(folder(kind).join("actions")).expect("there are actions");
    let mut names: Vec<_> = entries
        .map(|entry| entry.expect("an entry").path())
        .filter(|path| path.join("action.lua").is_file())
        .map(|path| path.file_name().expect("a name").to_string_lossy().into_owned())
        .collect();
    names.sort();
    names
}

/// What Argo CD shows for an object: status, message, and the message at a deletion.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    pub status: String,
    pub message: String,
    pub deletion_message: Option<String>,
}

/// Runs `health.lua`. Whatever Argo CD would show as no health is an error here.
pub fn health(kind: &str, object: &Value) -> Result<Health, String> {
    let script = text(&folder(kind).join("health.lua"));
    let answer = run(&script, object, &Value::Null, now())?;
    let fields = answer.as_object().ok_or("the answer is no map")?;
    let part = |name: &str| match fields.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Ok(Some(text.clone())),
        None => Ok(None),
        Some(other) => Err(format!("{name} is {other}, which Argo CD does not read")),
    };
    let known = ["status", "message", "deletionMessage"];
    if let Some(unknown) = fields.keys().find(|key| !known.contains(&key.as_str())) {
        return Err(format!("{unknown} is no part of a health"));
    }
    let status = part("status")?.ok_or("no status")?;
    if !["Healthy", "Progressing", "Degraded", "Suspended"].contains(&status.as_str()) {
        return Err(format!("{status} is no health"));
    }
    Ok(Health {
        status,
        message: part("message")?.ok_or("no message")?,
        deletion_message: part("deletionMessage")?,
    })
}

/// Runs `discovery.lua`: the buttons as a list, by name.
pub fn discover(kind: &str, object: &Value) -> Result<Vec<Value>, String> {
    let script = text(&folder(kind).join("actions/discovery.lua"));
    let answer = run(&script, object, &Value::Null, now())?;
    let buttons = answer.as_object().ok_or("the answer is no map")?;
    let mut list = Vec::new();
    for (name, button) in buttons {
        let mut button = button.clone();
        button.as_object_mut().ok_or("a button is no map")?.insert("name".to_owned(), name.as_str().into());
        list.push(button);
    }
    list.sort_by_key(|button| button["name"].to_string());
    Ok(list)
}

/// One resource that an action asks for.
#[derive(Debug, Clone, PartialEq)]
pub struct Impact {
    pub operation: String,
    pub resource: Value,
}

/// Runs an action: a map is the changed object, a list names its operations.
pub fn act(kind: &str, action: &str, object: &Value, parameters: &Value) -> Result<Vec<Impact>, String> {
    let script = text(&folder(kind).join("actions").join(action).join("action.lua"));
    let impacts = match run(&script, object, parameters, now())? {
        Value::Array(all) => all
            .into_iter()
            .map(|entry| {
                let operation = entry["operation"].as_str().ok_or("an entry without operation is ignored")?;
                Ok(Impact { operation: operation.to_owned(), resource: entry["resource"].clone() })
            })
            .collect::<Result<Vec<_>, String>>()?,
        changed => vec![Impact { operation: "patch".to_owned(), resource: changed }],
    };
    Ok(impacts
        .into_iter()
        .map(|Impact { operation, resource }| {
            let resource = if operation == "patch" { restored(resource, object) } else { resource };
            Impact { operation, resource }
        })
        .collect())
}

/// Argo CD gives empty maps back that Lua turned into empty lists, but only in the source object.
fn restored(mut changed: Value, original: &Value) -> Value {
    match (&mut changed, original) {
        (Value::Object(fields), Value::Object(before)) => {
            for (key, value) in fields.iter_mut() {
                if let Some(old) = before.get(key) {
                    *value = restored(value.take(), old);
                }
            }
        }
        (Value::Array(items), Value::Array(before)) => {
            for (item, old) in items.iter_mut().zip(before) {
                *item = restored(item.take(), old);
            }
        }
        (Value::Array(items), Value::Object(_)) if items.is_empty() => return original.clone(),
        _ => {}
    }
    changed
}

/// [`NOW`] as a time.
pub fn now() -> Timestamp {
    NOW.parse().expect("a time")
}
