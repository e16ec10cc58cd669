//! The control routes, `/_sim/…`: what a test does to a [`Sim`](crate::Sim) in process, over HTTP.
//!
//! They need no token and are not in the journal. Anybody who reaches the socket may use them, which is
//! one of the reasons why the simulator is for tests and demonstrations only.

use bytes::Bytes;
use http::header::CONTENT_TYPE;
use http::{Response, StatusCode};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use crate::Sim;
use crate::fault::Fault;
use crate::record::{InstanceRecord, Outcome, SeedInstance};

/// Every path that begins with this is a control route.
pub(crate) const PREFIX: &str = "/_sim/";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignAction {
    instance: i64,
    process: String,
    #[serde(default = "somebody")]
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ForeignSnapshot {
    instance: i64,
    #[serde(default)]
    description: String,
    #[serde(default = "somebody")]
    by: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Completion {
    action: i64,
    outcome: Outcome,
}

fn somebody() -> String {
    "somebody".to_owned()
}

/// What a route refuses: HTTP status and reason.
struct Refusal(StatusCode, String);

impl Refusal {
    fn not_found(what: impl Into<String>) -> Refusal {
        Refusal(StatusCode::NOT_FOUND, what.into())
    }
}

/// Answers one control request.
pub(crate) fn respond(sim: &Sim, method: &str, path: &str, body: &[u8]) -> Response<Bytes> {
    let (status, value) = match route(sim, method, path, body) {
        Ok(value) => (StatusCode::OK, value),
        Err(Refusal(status, reason)) => (status, json!({ "error": reason })),
    };
    let mut response = Response::new(Bytes::from(value.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, http::HeaderValue::from_static("application/json"));
    response
}

fn route(sim: &Sim, method: &str, path: &str, body: &[u8]) -> Result<Value, Refusal> {
    let segments: Vec<&str> = path.trim_start_matches(PREFIX).split('/').collect();
    match (method, segments.as_slice()) {
        ("POST", ["seed"]) => Ok(json!({ "id": sim.seed(read::<SeedInstance>(body)?) })),
        ("POST", ["snapshots"]) => {
            let ForeignSnapshot { instance, description, by } = read(body)?;
            exists(sim, instance)?;
            Ok(json!({ "id": sim.seed_snapshot(instance, &description, &by) }))
        }
        ("POST", ["step"]) => Ok(json!({ "action": sim.step() })),
        ("POST", ["drain"]) => Ok(json!({ "actions": sim.drain() })),
        ("POST", ["complete"]) => {
            let Completion { action, outcome } = read(body)?;
            sim.complete(action, outcome);
            Ok(json!({ "action": action }))
        }
        ("POST", ["fault" | "faults"]) => Ok(json!({ "fault": sim.inject(read::<Fault>(body)?) })),
        ("DELETE", ["faults"]) => {
            sim.clear_faults();
            Ok(Value::Null)
        }
        ("GET", ["journal"]) => Ok(shown(sim.journal())),
        ("GET", ["journal", "after", seq]) => {
            let seq = seq.parse().map_err(|_| Refusal::not_found(format!("{seq} is not a number")))?;
            Ok(shown(sim.journal_after(seq)))
        }
        ("DELETE", ["journal"]) => {
            sim.clear_journal();
            Ok(Value::Null)
        }
        ("GET", ["report"]) => Ok(shown(sim.report())),
        ("GET", ["now"]) => Ok(json!({ "now": sim.now() })),
        ("GET", ["instances"]) => Ok(shown(sim.instances())),
        ("GET", ["instances", id]) => Ok(shown(instance(sim, id)?)),
        ("PATCH", ["instances", id]) => {
            let before = instance(sim, id)?;
            let after: InstanceRecord = merged(&before, body)?;
            sim.edit(before.id, |instance| *instance = InstanceRecord { id: before.id, ..after });
            Ok(shown(instance(sim, id)?))
        }
        ("GET", ["actions"]) => Ok(shown(sim.actions())),
        ("POST", ["actions"]) => {
            let ForeignAction { instance, process, by } = read(body)?;
            exists(sim, instance)?;
            Ok(json!({ "action": sim.start_foreign_action(instance, &process, &by) }))
        }
        ("POST", ["quirks"]) => {
            let mut result = Ok(Value::Null);
            sim.quirks(|quirks| result = merged(&*quirks, body).map(|after| replaced(quirks, after)));
            result
        }
        ("POST", ["accounts"]) => {
            let mut result = Ok(Value::Null);
            sim.accounts(|accounts| result = merged(&*accounts, body).map(|after| replaced(accounts, after)));
            result
        }
        _ => Err(Refusal::not_found(format!("there is no {method} {path}"))),
    }
}

fn replaced<T: Serialize>(place: &mut T, after: T) -> Value {
    *place = after;
    shown(place)
}

fn instance(sim: &Sim, id: &str) -> Result<InstanceRecord, Refusal> {
    let found = id.parse().ok().and_then(|id| sim.instance(id));
    found.ok_or_else(|| Refusal::not_found(format!("there is no instance {id}")))
}

fn exists(sim: &Sim, id: i64) -> Result<(), Refusal> {
    instance(sim, &id.to_string()).map(|_| ())
}

fn shown(value: impl Serialize) -> Value {
    serde_json::to_value(value).unwrap_or_default()
}

fn refused(error: &serde_json::Error) -> Refusal {
    Refusal(StatusCode::BAD_REQUEST, error.to_string())
}

fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Refusal> {
    serde_json::from_slice(body).map_err(|error| refused(&error))
}

/// The value with the fields of the body in place of its own.
fn merged<T: Serialize + DeserializeOwned>(before: &T, body: &[u8]) -> Result<T, Refusal> {
    let changes: serde_json::Map<String, Value> = read(body)?;
    let mut value = shown(before);
    if let Some(fields) = value.as_object_mut() {
        fields.extend(changes);
    }
    serde_json::from_value(value).map_err(|error| refused(&error))
}
