//! How other tools read our objects: kstatus (Flux, Helm 4) and `kubectl wait`.
//!
//! Both are pure functions over the object as JSON, written after the rules that the Go libraries
//! follow, including the parts that surprise. Not here: rules for built-in kinds, Argo CD's scripts,
//! and any knowledge of our own conditions.

use serde_json::{Map, Value};

/// What kstatus makes of an object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// The object is as its spec asks, or says nothing at all.
    Current,
    /// Work is going on, or the newest generation was not seen yet.
    InProgress,
    /// `Stalled=True`: a person must act.
    Failed,
    /// A deletion timestamp is set, whatever the conditions say.
    Terminating,
}

/// A status with the text that the tools show beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verdict {
    /// The computed status.
    pub status: Status,
    /// The message of the condition that decided, or kstatus' own text.
    pub message: String,
}

/// A field has a type that the Go libraries refuse; they end the wait with an error.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{path}: {problem}")]
pub struct Malformed {
    path: String,
    problem: &'static str,
}

/// The kstatus rules for a custom resource, in their order.
///
/// The condition's own `observedGeneration` is never read; an object without status or without a
/// `Ready` condition counts as `Current`.
///
/// # Errors
///
/// When a field that the rules read has the wrong type, `null` included.
pub fn compute(object: &Value) -> Result<Verdict, Malformed> {
    if text(object, &["metadata", "deletionTimestamp"])?.is_some_and(|time| !time.is_empty()) {
        return verdict(Status::Terminating, "Resource scheduled for deletion");
    }
    let generation = number(object, &["metadata", "generation"])?;
    if let Some(generation) = generation
        && let Some(observed) = number(object, &["status", "observedGeneration"])?
        && observed != generation
    {
        let kind = object["kind"].as_str().unwrap_or_default();
        let message =
            format!("{kind} generation is {generation}, but latest observed generation is {observed}");
        return verdict(Status::InProgress, message);
    }
    let conditions = conditions(object)?;
    for condition in &conditions {
        match (field(condition, "type"), field(condition, "status")) {
            ("Reconciling", "True") => return verdict(Status::InProgress, field(condition, "message")),
            ("Stalled", "True") => return verdict(Status::Failed, field(condition, "message")),
            _ => {}
        }
    }
    for condition in conditions.iter().filter(|condition| field(condition, "type") == "Ready") {
        match field(condition, "status") {
            "True" => return verdict(Status::Current, "Resource is Ready"),
            "False" | "Unknown" => return verdict(Status::InProgress, field(condition, "message")),
            _ => {}
        }
    }
    verdict(Status::Current, "Resource is current")
}

/// The test of `kubectl wait --for=condition=<name>=<status>`; false means that it keeps waiting.
///
/// The first condition of that name decides. Its own `observedGeneration`, else that of the status,
/// must not be smaller than the generation.
pub fn kubectl_wait(object: &Value, name: &str, status: &str) -> bool {
    let Some(conditions) = object["status"]["conditions"].as_array() else { return false };
    let wanted = conditions.iter().find(|condition| {
        condition["type"].as_str().is_some_and(|found| found.eq_ignore_ascii_case(name))
            && condition["status"].is_string()
    });
    let Some(condition) = wanted else { return false };
    if let Some(generation) = object["metadata"]["generation"].as_i64() {
        let own = condition["observedGeneration"].as_i64();
        let observed = own.or_else(|| object["status"]["observedGeneration"].as_i64());
        if observed.is_some_and(|observed| observed < generation) {
            return false;
        }
    }
    condition["status"].as_str().is_some_and(|found| found.eq_ignore_ascii_case(status))
}

fn verdict(status: Status, message: impl Into<String>) -> Result<Verdict, Malformed> {
    Ok(Verdict { status, message: message.into() })
}

/// Missing steps are `None`; a `null` in the middle counts as missing, at the end it is a value.
fn lookup<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a Value>, Malformed> {
    let mut value = object;
    for step in path {
        match value {
            Value::Null => return Ok(None),
            Value::Object(map) => match map.get(*step) {
                Some(next) => value = next,
                None => return Ok(None),
            },
            _ => return Err(malformed(path, "a step on the way is not an object")),
        }
    }
    Ok(Some(value))
}

fn number(object: &Value, path: &[&str]) -> Result<Option<i64>, Malformed> {
    lookup(object, path)?
        .map(|value| value.as_i64().ok_or_else(|| malformed(path, "not an integer")))
        .transpose()
}

fn text<'a>(object: &'a Value, path: &[&str]) -> Result<Option<&'a str>, Malformed> {
    lookup(object, path)?.map(|value| value.as_str().ok_or_else(|| malformed(path, "not a text"))).transpose()
}

fn conditions(object: &Value) -> Result<Vec<&Map<String, Value>>, Malformed> {
    let path = ["status", "conditions"];
    match lookup(object, &path)? {
        None | Some(Value::Null) => Ok(Vec::new()),
        Some(Value::Array(items)) => items
            .iter()
            .map(|item| item.as_object().ok_or_else(|| malformed(&path, "an item is not an object")))
            .collect(),
        Some(_) => Err(malformed(&path, "not a list")),
    }
}

fn field<'a>(condition: &'a Map<String, Value>, name: &str) -> &'a str {
    condition.get(name).and_then(Value::as_str).unwrap_or_default()
}

fn malformed(path: &[&str], problem: &'static str) -> Malformed {
    Malformed { path: path.join("."), problem }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    /// One row per rule and per surprise: generation, deletion, status, kstatus, `kubectl wait`.
    fn table() -> Vec<(&'static str, Value, Status, bool)> {
        use Status::{Current, Failed, InProgress, Terminating};
        let ready = |status: &str| json!({"type": "Ready", "status": status, "message": "m"});
        let yes = |name: &str| json!({"type": name, "status": "True", "message": "m"});
        let object = |generation: i64, status: Value| json!({"kind": "K", "metadata": {"generation": generation}, "status": status});
        vec![
            ("no status", json!({"metadata": {"generation": 1}}), Current, false),
            ("null status", object(1, Value::Null), Current, false),
            ("only the default", object(1, json!({"observedGeneration": -1})), InProgress, false),
            (
                "stale",
                object(2, json!({"observedGeneration": 1, "conditions": [ready("True")]})),
                InProgress,
                false,
            ),
            (
                "observed is ahead",
                object(2, json!({"observedGeneration": 3, "conditions": [ready("True")]})),
                InProgress,
                true,
            ),
            ("stale but unsaid", object(2, json!({"conditions": [ready("True")]})), Current, true),
            (
                "own observed generation is stale",
                object(
                    2,
                    json!({"observedGeneration": 2, "conditions": [{"type": "Ready", "status": "True", "observedGeneration": 1}]}),
                ),
                Current,
                false,
            ),
            (
                "ready",
                object(2, json!({"observedGeneration": 2, "conditions": [ready("True")]})),
                Current,
                true,
            ),
            ("not ready", object(2, json!({"conditions": [ready("False")]})), InProgress, false),
            ("ready unknown", object(2, json!({"conditions": [ready("Unknown")]})), InProgress, false),
            ("misspelt status", object(2, json!({"conditions": [ready("false")]})), Current, false),
            (
                "case matters to kstatus only",
                object(2, json!({"conditions": [ready("true")]})),
                Current,
                true,
            ),
            (
                "stalled beats ready",
                object(1, json!({"conditions": [ready("True"), yes("Stalled")]})),
                Failed,
                true,
            ),
            (
                "reconciling first",
                object(1, json!({"conditions": [yes("Reconciling"), yes("Stalled")]})),
                InProgress,
                false,
            ),
            (
                "stalled first",
                object(1, json!({"conditions": [yes("Stalled"), yes("Reconciling")]})),
                Failed,
                false,
            ),
            (
                "deleted",
                json!({"metadata": {"generation": 2, "deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": {"observedGeneration": 1, "conditions": [yes("Stalled")]}}),
                Terminating,
                false,
            ),
        ]
    }

    #[test]
    fn kstatus_follows_the_table() {
        for (name, object, expected, _) in table() {
            assert_eq!(compute(&object).unwrap().status, expected, "{name}");
        }
    }

    #[test]
    fn kubectl_wait_follows_the_table() {
        for (name, object, _, expected) in table() {
            assert_eq!(kubectl_wait(&object, "ready", "True"), expected, "{name}");
        }
    }

    #[test]
    fn an_observed_generation_that_is_no_number_is_an_error() {
        for value in [Value::Null, json!("1"), json!(1.5)] {
            let object = json!({"metadata": {"generation": 1}, "status": {"observedGeneration": value}});
            assert_eq!(
                compute(&object).unwrap_err().to_string(),
                "status.observedGeneration: not an integer"
            );
        }
    }

    #[test]
    fn the_message_says_what_is_behind() {
        let object = json!({"kind": "K", "metadata": {"generation": 2}, "status": {"observedGeneration": 1}});
        assert_eq!(
            compute(&object).unwrap().message,
            "K generation is 2, but latest observed generation is 1"
        );
    }
}
