//! One call to ITCare: which method with what body, and what its answer means. Not here: whether and when it may be
//! sent; see `act`.

use super::Context;
use crate::api::{ApiError, CreateInstance, PatchParty, Permit, SendGuard};
use crate::crd::instance::ITCareInstanceSpec;
use crate::decide::Outcome;
use crate::decide::decision::{Call, CallAction, GuardedCall};
use crate::decide::snapshot::mark;
use crate::model::{Action, AttemptId, Failure, FailureClass, Size};

/// Asked right before the request leaves.
struct StillLeading<'a>(&'a Context);

impl SendGuard for StillLeading<'_> {
    fn may_send(&self) -> bool {
        self.0.may_act()
    }
}

/// What the answer means, and what is learned from it.
pub fn outcome(
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

/// Sends a call that must not run twice. Once.
///
/// # Errors
/// As the client's; whether it took effect is a question of the class.
pub async fn guarded(
    context: &Context,
    guarded: &GuardedCall,
    attempt: &AttemptId,
    permit: Permit,
) -> Result<Action, ApiError> {
    let guard = StillLeading(context);
    let itcare = &context.itcare;
    let accepted = match guarded {
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

/// Sends any other call.
///
/// # Errors
/// As the client's; whether it took effect is a question of the class.
pub async fn call(context: &Context, call: &Call, permit: Permit) -> Result<Action, ApiError> {
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
