//! Effects: at most one a pass, exhaustive over `Step`, only while we lead.

use std::sync::Arc;
use std::time::Duration;

use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use super::Context;
use super::gather;
use super::subject::{Gathered, Machine, Subject};
use crate::api::{ApiError, CreateInstance, PatchParty, Permit, Priority, SendGuard};
use crate::crd::instance::ITCareInstanceSpec;
use crate::crd::{FINALIZER, LEDGER_ANNOTATION, Record};
use crate::decide::decision::{Call, CallAction, Guarded, GuardedCall};
use crate::decide::snapshot::mark;
use crate::decide::{Outcome, Step};
use crate::model::{Action, AttemptId, Failure, FailureClass, Intent, Ledger, ObjectKey, Size};

/// What acting came to.
pub enum Acted {
    /// Nothing was to be done, or a write to the API server is done; the ledger as it is now.
    Done,
    /// A call to ITCare was tried; the ledger as it is now.
    Tried(Box<(Outcome, Option<Ledger>)>),
    /// Somebody else wrote the object: decide anew.
    Lost,
    /// We do not lead any more: nothing was done.
    NotLeading,
}

/// Asked right before the request leaves.
struct StillLeading<'a>(&'a Context);

impl SendGuard for StillLeading<'_> {
    fn may_send(&self) -> bool {
        self.0.may_act()
    }
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
                "resourceVersion": record.metadata.resource_version,
                "annotations": {LEDGER_ANNOTATION: null},
            }});
            written(context, patch_metadata(context, record, &patch).await?)
        }
        Step::RemoveFinalizer => {
            let finalizers: Vec<&String> =
                record.metadata.finalizers.iter().flatten().filter(|name| *name != FINALIZER).collect();
            let patch = json!({"metadata": {
                "resourceVersion": record.metadata.resource_version,
                "finalizers": finalizers,
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
            let deletes = matches!(call.action, CallAction::Delete);
            let mut ledger = current(gathered);
            if let Some(before) = ledger.clone().filter(|before| deletes && !before.deletes) {
                // Written down before the call: after a crash its VM is missing because we had it deleted, and not
                // because the account lost its sight. The write loses against any other, like the read below.
                let next = Ledger { deletes: true, ..before.next() };
                let Some(written) = write_ledger(context, record, &next, false).await? else {
                    return Ok(Acted::Lost);
                };
                K::wrote(context, Arc::new(written));
                ledger = Some(next);
            } else {
                // What was decided upon is read once more: the wait for the permit may have been long.
                match gather::unchanged(context, record).await {
                    Ok(true) => {}
                    Ok(false) => return Ok(Acted::Lost),
                    Err(failure) => return Ok(tried(Outcome::NotExecuted(failure), ledger)),
                }
            }
            if deletes {
                context.inventory.deletes(call.id, true);
            }
            let result = send(context, call, permit).await;
            ended(context, machine);
            let outcome = outcome(context, call.action.kind(), result);
            if deletes && matches!(outcome, Outcome::NotExecuted(_) | Outcome::Refused(_)) {
                context.inventory.deletes(call.id, false);
            }
            Ok(tried(outcome, ledger))
        }
    }
}

fn tried(outcome: Outcome, ledger: Option<Ledger>) -> Acted {
    Acted::Tried(Box::new((outcome, ledger)))
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
    let permit = tokio::select! {
        permit = context.itcare.permit(Priority::User) => permit,
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
    K::wrote(context, Arc::new(record));
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
        "resourceVersion": record.metadata.resource_version,
        "annotations": {LEDGER_ANNOTATION: ledger.to_text()},
    });
    if finalizer && !record.has_finalizer() {
        let mut all: Vec<&str> = record.metadata.finalizers.iter().flatten().map(String::as_str).collect();
        all.push(FINALIZER);
        metadata["finalizers"] = json!(all);
    }
    patch_metadata(context, record, &json!({"metadata": metadata})).await
}

async fn patch_metadata<K: Subject>(
    context: &Context,
    record: &Record<K>,
    patch: &serde_json::Value,
) -> Result<Option<Record<K>>, kube::Error> {
    let Some(key) =
        super::registry::key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref())
    else {
        return Ok(None);
    };
    let api: Api<Record<K>> = Api::namespaced(context.kube.clone(), &key.namespace);
    let parameters =
        PatchParams { field_manager: Some(crate::crd::FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match api.patch(&key.name, &parameters, &Patch::Merge(patch)).await {
        Ok(record) => Ok(Some(record)),
        Err(kube::Error::Api(status)) if status.is_conflict() || status.is_not_found() => {
            refresh::<K>(context, &key).await?;
            Ok(None)
        }
        Err(error) => Err(error),
    }
}

/// After a lost race: the next pass must see the winner's write.
async fn refresh<K: Subject>(context: &Context, key: &ObjectKey) -> Result<(), kube::Error> {
    if let Some(live) = gather::get::<K>(context, key).await? {
        K::wrote(context, Arc::new(live));
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
        if let Err(failure) = context.inventory.running_since(now).await {
            return Ok(tried(Outcome::NotExecuted(failure), current(gathered)));
        }
    }
    if let (GuardedCall::TakeSnapshot { .. }, Some(machine)) = (&guarded.call, machine)
        && let Err(failure) = gather::earlier_actions(context, &machine.name).await
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
    let written = Arc::new(written);
    K::wrote(context, Arc::clone(&written));
    let result = send_guarded(context, &guarded.call, &attempt, permit).await;
    ended(context, machine);
    let outcome = outcome(context, kind, result);
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
async fn clear_intent<K: Subject>(
    context: &Context,
    written: Arc<Record<K>>,
    ledger: &Ledger,
) -> Option<Ledger> {
    let mut cleared = ledger.next();
    cleared.intent = None;
    let mut on = written;
    for _ in 0..3 {
        if !context.may_record() {
            return None;
        }
        match write_ledger(context, &on, &cleared, true).await {
            Ok(Some(record)) => {
                K::wrote(context, Arc::new(record));
                return Some(cleared);
            }
            Ok(None) => {
                let key =
                    super::registry::key_of(on.metadata.namespace.as_deref(), on.metadata.name.as_deref())?;
                let live = gather::get::<K>(context, &key).await.ok()??;
                if live.metadata.uid != on.metadata.uid
                    || live.annotation(LEDGER_ANNOTATION) != Some(&ledger.to_text())
                {
                    return None;
                }
                on = Arc::new(live);
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

fn outcome(
    context: &Context,
    kind: crate::model::OperationKind,
    result: Result<Action, ApiError>,
) -> Outcome {
    match result {
        Ok(action) => {
            context.machines.replied(action.id);
            context.machines.learn(
                action.process.as_deref().map(|process| (process, kind)),
                action.submitted_by.as_deref(),
            );
            context.meter.sent(kind, "accepted");
            Outcome::Accepted(action)
        }
        Err(error) => {
            let failure: Failure = error.failure();
            context.meter.sent(kind, failure.class.as_str());
            tracing::warn!(operation = kind.as_str(), class = failure.class.as_str(), message = %failure.message, "call failed");
            match failure.class {
                FailureClass::Ambiguous(_) | FailureClass::Garbled => Outcome::Ambiguous(failure),
                FailureClass::Rejected | FailureClass::Missing => Outcome::Refused(failure),
                FailureClass::Transient
                | FailureClass::Throttled(_)
                | FailureClass::Unauthenticated
                | FailureClass::NoCredentials
                | FailureClass::Forbidden => Outcome::NotExecuted(failure),
            }
        }
    }
}

async fn send_guarded(
    context: &Context,
    call: &GuardedCall,
    attempt: &AttemptId,
    permit: Permit,
) -> Result<Action, ApiError> {
    let guard = StillLeading(context);
    let itcare = &context.itcare;
    let accepted = match call {
        GuardedCall::Create(request) => itcare.create(&create_body(&request.spec), permit, &guard).await?,
        GuardedCall::Reset { id, comment } => itcare.reset(*id, comment.as_deref(), permit, &guard).await?,
        GuardedCall::TakeSnapshot { id, description, change_reference } => {
            let description = mark(description.as_deref(), attempt);
            itcare.take_snapshot(*id, Some(&description), change_reference.as_deref(), permit, &guard).await?
        }
        GuardedCall::Recover { id } => itcare.recover_snapshot(*id, permit, &guard).await?,
    };
    Ok(accepted.action)
}

async fn send(context: &Context, call: &Call, permit: Permit) -> Result<Action, ApiError> {
    let guard = StillLeading(context);
    let itcare = &context.itcare;
    let Call { id, change_reference, action } = call;
    let reference = change_reference.as_deref();
    let accepted = match action {
        CallAction::Start => itcare.start(*id, reference, permit, &guard).await?,
        CallAction::Stop => itcare.stop(*id, reference, permit, &guard).await?,
        CallAction::Resize(size) => itcare.resize(*id, *size, reference, permit, &guard).await?,
        CallAction::UpdateMonitoring { enabled, alerting } => {
            itcare.update_monitoring(*id, *enabled, *alerting, permit, &guard).await?
        }
        CallAction::UpdatePatching { excluded: true, reason, group: _ } => {
            let party = PatchParty::Excluded { reason: reason.clone().unwrap_or_default() };
            itcare.update_patch_party(*id, &party, permit, &guard).await?
        }
        CallAction::UpdatePatching { excluded: false, reason: _, group } => {
            let party = PatchParty::Included { group: *group };
            itcare.update_patch_party(*id, &party, permit, &guard).await?
        }
        CallAction::UpdateReplication { enabled, reason } => {
            itcare.update_storage_replication(*id, *enabled, reason.as_deref(), permit, &guard).await?
        }
        CallAction::UpdateBackup { enabled, reason } => {
            itcare.update_backup(*id, *enabled, reason.as_deref(), permit, &guard).await?
        }
        CallAction::Delete => itcare.delete(*id, reference, permit, &guard).await?,
        CallAction::RemoveSnapshot(snapshot) => itcare.remove_snapshot(*id, snapshot, permit, &guard).await?,
    };
    Ok(accepted.action)
}

/// The creation's body: every field of the API's page that the spec can say.
fn create_body(spec: &ITCareInstanceSpec) -> CreateInstance {
    let monitoring = spec.monitoring.as_ref();
    let backup = spec.backup.as_ref();
    let replication = spec.replication.as_ref();
    CreateInstance {
        name: spec.name.clone(),
        service_id: spec.service_id,
        region: spec.region.clone().unwrap_or_default(),
        platform: spec.platform.clone().unwrap_or_default(),
        resource_id: spec
            .size
            .as_deref()
            .and_then(|size| size.parse::<Size>().ok())
            .map(|size| size.to_string())
            .unwrap_or_default(),
        area: spec.area.clone(),
        availability_zone: spec.availability_zone.clone(),
        network_id: spec.network_id,
        cloud_id: spec.cloud_id,
        regulation: spec.regulation.map(|regulation| regulation.as_str().to_owned()),
        authentication_domain_id: spec.authentication_domain_id.clone(),
        product_code: spec.product_code.clone(),
        storage_pool: spec.storage_pool.clone(),
        specific_request: spec.specific_request.clone(),
        monitoring_enabled: monitoring.map(|wish| wish.enabled),
        monitoring_alerting: monitoring.and_then(|wish| wish.alerting),
        on_call_supervision: monitoring.and_then(|wish| wish.on_call),
        no_monitoring_prod_reason: monitoring
            .filter(|wish| !wish.enabled)
            .and_then(|wish| wish.disabled_reason.clone()),
        backup_enabled: backup.map(|wish| wish.enabled),
        backup_off_site_enabled: backup.and_then(|wish| wish.off_site),
        server_backup_policy_id: backup.and_then(|wish| wish.server_policy_id.clone()),
        db_backup_policy_id: backup.and_then(|wish| wish.database_policy_id.clone()),
        no_backup_prod_reason: backup
            .filter(|wish| !wish.enabled)
            .and_then(|wish| wish.disabled_reason.clone()),
        replication_enabled: replication.map(|wish| wish.enabled),
        no_replication_prod_reason: replication
            .filter(|wish| !wish.enabled)
            .and_then(|wish| wish.disabled_reason.clone()),
        properties: spec
            .properties
            .iter()
            .map(|property| (property.key.clone(), property.value.clone()))
            .collect(),
        volumes: spec
            .volumes
            .iter()
            .map(|volume| crate::api::Volume {
                id: volume.id.clone(),
                size_gb: volume.size_gb,
                order: volume.order,
                exclude_from_snapshots: volume.exclude_from_snapshots,
            })
            .collect(),
    }
}
