//! Effects: at most one a pass, exhaustive over `Step`, only while we lead.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;
use tokio::sync::OwnedSemaphorePermit;

use super::Context;
use super::gather;
use super::send;
use super::subject::{Gathered, Machine, Subject};
use crate::api::Permit;
use crate::crd::{FINALIZER, Fetched, LEDGER_ANNOTATION, Record};
use crate::decide::decision::{Call, CallAction, Guarded, GuardedCall};
use crate::decide::{Outcome, Step};
use crate::model::{AttemptId, Failure, InstanceId, Intent, Ledger, ObjectKey, Observed};

/// What acting came to.
pub enum Acted {
    /// Nothing was to be done, or a write to the API server is done; the ledger as it is now.
    Done,
    /// A call to ITCare was tried.
    Tried(Box<Tried>),
    /// Somebody else wrote the object: decide anew.
    Lost,
    /// We do not lead any more: nothing was done.
    NotLeading,
}

/// What trying a call came to.
pub struct Tried {
    /// How it ended.
    pub outcome: Outcome,
    /// The ledger as it is now.
    pub ledger: Option<Ledger>,
    /// Held by a deletion until its object tells of it; see `delete`.
    pub untold: Option<OwnedSemaphorePermit>,
}

/// Carries out one step.
///
/// # Errors
/// When the API server fails; the pass is tried again.
pub async fn act<K: Subject>(
    context: &Context,
    gathered: &Gathered<K>,
    machine: Option<&Machine>,
    step: &Step,
) -> Result<Acted, kube::Error> {
    if !context.may_act() {
        return Ok(Acted::NotLeading);
    }
    let record = &gathered.record;
    match step {
        Step::Nothing | Step::Observe(_) => Ok(Acted::Done),
        Step::SaveLedger { ledger, finalizer } => {
            written(context, write_ledger(context, record, ledger, *finalizer).await?)
        }
        Step::DropLedger => {
            let patch = json!({"metadata": {
                "resourceVersion": record.version,
                "annotations": {LEDGER_ANNOTATION: null},
            }});
            written(context, patch_metadata(context, record, &patch).await?)
        }
        Step::RemoveFinalizer => {
            let patch = json!({"metadata": {
                "resourceVersion": record.version,
                "finalizers": record.other_finalizers,
            }});
            written(context, patch_metadata(context, record, &patch).await?)
        }
        Step::Guarded(guarded) => guarded_call(context, gathered, machine, guarded).await,
        Step::Call(call) => {
            let permit = match permit(context, gathered).await {
                Turn::Ours(permit) => permit,
                Turn::Paused(failure) => return Ok(tried(Outcome::NotExecuted(failure), current(gathered))),
                Turn::TooLate => return Ok(Acted::Lost),
                Turn::NotLeading => return Ok(Acted::NotLeading),
            };
            if let (CallAction::Delete, Some(machine)) = (&call.action, machine) {
                return delete(context, gathered, machine, call, permit).await;
            }
            // What was decided upon is read once more: the wait for the permit may have been long.
            match gather::unchanged(context, record).await {
                Ok(true) => {}
                Ok(false) => return Ok(Acted::Lost),
                Err(failure) => return Ok(tried(Outcome::NotExecuted(failure), current(gathered))),
            }
            let result = send::call(context, call, permit).await;
            ended(context, machine);
            Ok(tried(send::outcome(context, call.action.kind(), result), current(gathered)))
        }
    }
}

/// Asks for the deletion of a VM. After a crash it is missing because we had it deleted; several that nothing tells
/// of would look like an account that lost its sight. So one at a time may be in flight untold, and any other is
/// written down before its call.
async fn delete<K: Subject>(
    context: &Context,
    gathered: &Gathered<K>,
    machine: &Machine,
    call: &Call,
    permit: Permit,
) -> Result<Acted, kube::Error> {
    let record = &gathered.record;
    let mut ledger = current(gathered);
    let missing =
        |id: &InstanceId| matches!(context.inventory.listed(machine.service, *id), Observed::Absent { .. });
    let others = context.registry.untold_deletions(machine.service, &gathered.object.key);
    let untold = match others.iter().any(missing) {
        true => None,
        false => Arc::clone(&context.untold).try_acquire_owned().ok(),
    };
    match ledger.clone().filter(|before| untold.is_none() && !before.deletes) {
        // The write loses against any other, like the read below.
        Some(before) => {
            let next = Ledger { deletes: true, ..before.next() };
            let Some(written) = write_ledger(context, record, &next, false).await? else {
                return Ok(Acted::Lost);
            };
            K::wrote(context, written);
            ledger = Some(next);
        }
        None => match gather::unchanged(context, record).await {
            Ok(true) => {}
            Ok(false) => return Ok(Acted::Lost),
            Err(failure) => return Ok(tried(Outcome::NotExecuted(failure), ledger)),
        },
    }
    context.inventory.deletes(call.id, true);
    let result = send::call(context, call, permit).await;
    ended(context, Some(machine));
    let outcome = send::outcome(context, call.action.kind(), result);
    if matches!(outcome, Outcome::NotExecuted(_) | Outcome::Refused(_)) {
        context.inventory.deletes(call.id, false);
    }
    Ok(Acted::Tried(Box::new(Tried { outcome, ledger, untold })))
}

fn tried(outcome: Outcome, ledger: Option<Ledger>) -> Acted {
    Acted::Tried(Box::new(Tried { outcome, ledger, untold: None }))
}

fn current<K: Subject>(gathered: &Gathered<K>) -> Option<Ledger> {
    gathered.ledger.clone().ok().flatten()
}

/// What waiting for a permit came to.
enum Turn {
    Ours(Permit),
    Paused(Failure),
    /// What was decided upon is too old by now.
    TooLate,
    NotLeading,
}

/// Facts older than this decide nothing: far more than a queue of a thousand changes takes.
const OLDEST_FACT: Duration = Duration::from_secs(300);

/// A permit for one change, unless there is a pause, or the operator stops or loses its lease first.
async fn permit<K: Subject>(context: &Context, gathered: &Gathered<K>) -> Turn {
    if let Err(failure) = gather::not_paused(context) {
        return Turn::Paused(failure);
    }
    let mut gate = context.gate.clone();
    let (itcare, priority) = gather::caller(context, &gathered.record);
    let permit = tokio::select! {
        permit = itcare.permit(priority) => permit,
        () = context.stop.cancelled() => return Turn::NotLeading,
        () = gate.closed() => return Turn::NotLeading,
    };
    if !context.may_act() {
        return Turn::NotLeading;
    }
    if context.now().mono.saturating_sub(gathered.pass) > OLDEST_FACT {
        return Turn::TooLate;
    }
    Turn::Ours(permit)
}

fn written<K: Subject>(context: &Context, record: Option<Record<K>>) -> Result<Acted, kube::Error> {
    let Some(record) = record else { return Ok(Acted::Lost) };
    K::wrote(context, record);
    Ok(Acted::Done)
}

/// Ledger and finalizer in one write, which loses against any other writer. `None` = lost.
async fn write_ledger<K: Subject>(
    context: &Context,
    record: &Record<K>,
    ledger: &Ledger,
    finalizer: bool,
) -> Result<Option<Record<K>>, kube::Error> {
    let mut metadata = json!({
        "resourceVersion": record.version,
        "annotations": {LEDGER_ANNOTATION: ledger.to_text()},
    });
    if finalizer && !record.has_finalizer {
        let all = record.other_finalizers.iter().map(String::as_str).chain([FINALIZER]);
        metadata["finalizers"] = json!(all.collect::<Vec<_>>());
    }
    patch_metadata(context, record, &json!({"metadata": metadata})).await
}

async fn patch_metadata<K: Subject>(
    context: &Context,
    record: &Record<K>,
    patch: &serde_json::Value,
) -> Result<Option<Record<K>>, kube::Error> {
    let key = &record.key;
    let api: Api<Fetched<K>> = Api::namespaced(context.kube.clone(), &key.namespace);
    let parameters =
        PatchParams { field_manager: Some(crate::crd::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&key.name, &parameters, &Patch::Merge(patch)).await {
        Ok(fetched) => Ok(Some(fetched.record)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            refresh::<K>(context, key).await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// After a lost race: the next pass must see the winner's write.
async fn refresh<K: Subject>(context: &Context, key: &ObjectKey) -> Result<(), kube::Error> {
    if let Some(live) = gather::get::<K>(context, key).await? {
        K::wrote(context, live);
    }
    Ok(())
}

/// The protocol of DESIGN 5.2: permit, fence, intent, check, one send.
async fn guarded_call<K: Subject>(
    context: &Context,
    gathered: &Gathered<K>,
    machine: Option<&Machine>,
    guarded: &Guarded,
) -> Result<Acted, kube::Error> {
    let kind = guarded.call.kind();
    if context.itcare.fence().date.is_none() {
        let now = context.now().mono;
        if let Err(failure) =
            context.inventory.running_since(now, gather::caller(context, &gathered.record).1).await
        {
            return Ok(tried(Outcome::NotExecuted(failure), current(gathered)));
        }
    }
    // Without a date only ids tell what is older: those of this name must be known.
    let undated = context.itcare.fence().date.is_none();
    let takes = matches!(guarded.call, GuardedCall::TakeSnapshot { .. });
    if let Some(machine) = machine.filter(|_| takes || undated)
        && let Err(failure) = gather::earlier_actions(context, &gathered.record, &machine.name).await
    {
        return Ok(tried(Outcome::NotExecuted(failure), current(gathered)));
    }
    // The permit comes before the fence: nothing that others do while we wait for it is newer than the fence.
    let permit = match permit(context, gathered).await {
        Turn::Ours(permit) => permit,
        Turn::Paused(failure) => return Ok(tried(Outcome::NotExecuted(failure), current(gathered))),
        Turn::TooLate => return Ok(Acted::Lost),
        Turn::NotLeading => return Ok(Acted::NotLeading),
    };
    if guarded.not_after.is_some_and(|end| context.now().wall > end) {
        return Ok(Acted::Lost);
    }
    let fence = context.itcare.fence();
    let attempt = AttemptId::from_bytes(context.chance.bytes());
    let mut ledger = guarded.ledger.next();
    ledger.intent =
        Some(Intent { kind, attempt: attempt.clone(), fence, request: guarded.request, done: None });
    let Some(written) = write_ledger(context, &gathered.record, &ledger, true).await? else {
        return Ok(Acted::Lost);
    };
    K::wrote(context, written.clone());
    let result = send::guarded(context, &guarded.call, &attempt, permit).await;
    ended(context, machine);
    let outcome = send::outcome(context, kind, result);
    if let Outcome::NotExecuted(_) = &outcome {
        // Certainly nothing happened: the intent goes, and the next try is a first one.
        if let Some(cleared) = clear_intent(context, written, &ledger).await {
            return Ok(tried(outcome, Some(cleared)));
        }
    }
    Ok(tried(outcome, Some(ledger)))
}

/// Takes back the intent of a call that was not sent. Whoever wrote the object in between (a user, most likely)
/// did not touch the ledger, so it is tried on top of theirs. Failing costs time only: the intent is then
/// resolved by looking, and so is that of a leader that was deposed.
async fn clear_intent<K: Subject>(context: &Context, written: Record<K>, ledger: &Ledger) -> Option<Ledger> {
    let mut cleared = ledger.next();
    cleared.intent = None;
    let mut on = written;
    for _ in 0..3 {
        if !context.may_record() {
            return None;
        }
        match write_ledger(context, &on, &cleared, true).await {
            Ok(Some(record)) => {
                K::wrote(context, record);
                return Some(cleared);
            }
            Ok(None) => {
                let live = gather::get::<K>(context, &on.key).await.ok()??;
                if live.uid != on.uid || live.ledger() != Some(ledger.to_text()) {
                    return None;
                }
                on = live;
            }
            Err(_) => return None,
        }
    }
    None
}

fn ended(context: &Context, machine: Option<&Machine>) {
    if let Some(machine) = machine {
        context.machines.effect_ended(machine.service, &machine.name, context.now().mono);
    }
}
