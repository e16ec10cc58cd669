//! After acting: status if it changed, Events on transition, metrics.

use kube::Api;
use kube::api::{Patch, PatchParams};
use kube::runtime::events::{Event, EventType};
use serde_json::{Value, json};

use super::subject::{Gathered, Subject};
use super::{Context, gather};
use crate::crd::{Condition, ConditionType, FIELD_MANAGER, Fetched, Reason, Record, condition};
use crate::decide::{Decision, Note};

/// Whether a status stands in the object now.
#[must_use]
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Written {
    /// It does, or nobody needs it any more.
    Done,
    /// The object's status is not the one that was decided upon: decide anew.
    Moved,
}

/// How often somebody else's change of the object may come between.
const ATTEMPTS: usize = 5;

/// Writes the status if it differs from what is there: server-side apply, everything in one write, onto the
/// version that was decided upon. A process with an old view must not write over what a newer one told; a
/// user's edit in between is no reason to forget what was done.
///
/// # Errors
/// When the API server fails.
pub async fn status<K: Subject>(
    context: &Context,
    gathered: &Gathered<K>,
    status: &K::Status,
) -> Result<Written, kube::Error> {
    if *status == gathered.status {
        return Ok(Written::Done);
    }
    let key = &gathered.object.key;
    let api: Api<Fetched<K>> = Api::namespaced(context.kube.clone(), &key.namespace);
    let parameters = PatchParams::apply(FIELD_MANAGER).force();
    // Read again or written by this very pass, it may be newer than what was decided upon.
    let mut base = K::objects(context).written(&gathered.record);
    if !base.is_same_status(&gathered.record) {
        return Ok(Written::Moved);
    }
    for _ in 0..ATTEMPTS {
        let body = json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": gathered.object.uid,
                "resourceVersion": base.version,
            },
            "status": status,
        });
        match api.patch_status(&key.name, &parameters, &Patch::Apply(&body)).await {
            Ok(Fetched { record, .. }) => {
                context.meter.wrote(controller::<K>(), "status");
                K::wrote(context, clear(&api, record, status).await?);
                return Ok(Written::Done);
            }
            // Gone, or replaced by another object of that name: nothing to tell.
            Err(kube::Error::Api(error))
                if error.is_not_found() || error.code == 422 && error.message.contains("uid") =>
            {
                return Ok(Written::Done);
            }
            Err(kube::Error::Api(error)) if error.is_conflict() => {}
            Err(error) => return Err(error),
        }
        let Some(live) = gather::get::<K>(context, key).await? else {
            return Ok(Written::Done);
        };
        if live.uid != base.uid {
            return Ok(Written::Done);
        }
        K::wrote(context, live.clone());
        // The ledger is not compared: where somebody wiped the annotation, this status brings the other copy.
        if !live.is_same_status(&base) {
            return Ok(Written::Moved);
        }
        base = live;
    }
    Ok(Written::Moved)
}

/// Removes what an apply leaves standing: fields that somebody else wrote, as a restore with its status does. A
/// merge that only removes makes nobody their owner. The text is compared: parts of a condition do not decode.
async fn clear<K: Subject>(
    api: &Api<Fetched<K>>,
    record: Record<K>,
    wished: &K::Status,
) -> Result<Record<K>, kube::Error> {
    let written = record.status_tree();
    let wished = serde_json::to_value(wished).unwrap_or_default();
    if written == wished {
        return Ok(record);
    }
    let body = json!({
        "metadata": {"resourceVersion": record.version},
        "status": difference(&written, &wished),
    });
    let parameters = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch_status(&record.key.name, &parameters, &Patch::Merge(&body)).await {
        // Somebody wrote in between: the next pass sees what they left.
        Err(kube::Error::Api(error)) if error.is_conflict() || error.is_not_found() => Ok(record),
        result => result.map(|fetched| fetched.record),
    }
}

/// The merge patch that makes the one the other.
fn difference(from: &Value, to: &Value) -> Value {
    let (Some(old), Some(new)) = (from.as_object(), to.as_object()) else { return to.clone() };
    let gone = old.keys().filter(|key| !new.contains_key(*key)).map(|key| (key.clone(), Value::Null));
    let changed = new.iter().filter(|(key, value)| old.get(*key) != Some(value));
    let changed = changed.map(|(key, value)| {
        let value = old.get(key).map_or_else(|| value.clone(), |before| difference(before, value));
        (key.clone(), value)
    });
    Value::Object(gone.chain(changed).collect())
}

/// The controller's name in metrics and logs.
#[must_use]
pub fn controller<K: Subject>() -> &'static str {
    match K::kind(&()).as_ref() {
        "ITCareInstance" => "instance",
        _ => "snapshot",
    }
}

/// Measures the action that this pass saw end, from the moment in which it was sent.
pub fn measure<K: Subject>(context: &Context, gathered: &Gathered<K>, status: &K::Status) {
    let (before, after) = (K::ended(&gathered.status), K::ended(status));
    let (Some(operation), Some(last)) = (K::followed(&gathered.status), after) else { return };
    if after != before && last.kind == operation.kind {
        let took = last.finished_at.duration_since(operation.submitted_at);
        context.meter.ended(last.kind, last.result, took.unsigned_abs());
    }
}

/// Tells transitions and notes as Events; a failure to tell is no failure of the pass.
pub async fn tell<K: Subject>(context: &Context, gathered: &Gathered<K>, decision: &Decision<K::Status>) {
    let reference = gathered.record.reference();
    let mut events: Vec<(bool, Reason, String)> = Vec::new();
    if let Some((warning, reason, message)) =
        transition(K::conditions(&gathered.status), K::conditions(&decision.status))
    {
        context.meter.transition(controller::<K>(), reason);
        tracing::info!(reason = reason.as_str(), message = %message, "transition");
        events.push((warning, reason, message));
    }
    for Note { warning, reason, message } in &decision.notes {
        if K::objects(context).tell(&gathered.object.key, &gathered.object.uid, message) {
            tracing::info!(reason = reason.as_str(), message = %message, "note");
            events.push((*warning, *reason, message.clone()));
        }
    }
    for (warning, reason, message) in events {
        let event = Event {
            type_: if warning { EventType::Warning } else { EventType::Normal },
            reason: reason.as_str().to_owned(),
            note: Some(crate::crd::status::bounded(&message, 1000)),
            action: "Reconcile".to_owned(),
            secondary: None,
        };
        if let Err(error) = context.events.publish(&event, &reference).await {
            tracing::debug!(error = %error, "an Event could not be published");
        }
    }
}

/// The new reason of `Ready`, if it or its status changed.
fn transition(old: &[Condition], new: &[Condition]) -> Option<(bool, Reason, String)> {
    let after = condition::find(new, ConditionType::Ready)?;
    let before = condition::find(old, ConditionType::Ready);
    if before.is_some_and(|before| before.reason == after.reason && before.status == after.status) {
        return None;
    }
    let reason = Reason::ALL.iter().copied().find(|reason| reason.as_str() == after.reason)?;
    Some((condition::is_true(new, ConditionType::Stalled), reason, after.message.clone()))
}
