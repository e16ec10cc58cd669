//! One pass, for both kinds: gather → validate → decide → act → record.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::controller::Action;

use super::act::{self, Acted};
use super::registry::key_of;
use super::subject::{Gathered, Machine, Subject};
use super::{Context, gather, record};
use crate::crd::{Reason, Record};
use crate::decide::{Decision, Step, Verdict, Wake, conditions};
use crate::model::ObjectKey;

/// Reads that one pass may make: more than any path needs, few enough to stop a circle.
const READS: usize = 16;

/// What went wrong in a pass. Everything that ITCare can do is a condition; only the API server is left.
#[derive(Debug, thiserror::Error)]
pub enum PassError {
    /// The API server failed.
    #[error("the API server failed")]
    Kube(#[source] Box<kube::Error>),
}

impl PassError {
    /// The stable word.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Kube(_) => "ApiServer",
        }
    }
}

/// Reconciles one object.
///
/// # Errors
/// When the API server fails; the runtime asks [`retry`] when to try again.
pub async fn reconcile<K: Subject>(cached: Arc<Record<K>>, context: Arc<Context>) -> Result<Action, PassError> {
    let Some(key) = key_of(cached.metadata.namespace.as_deref(), cached.metadata.name.as_deref()) else {
        return Ok(Action::await_change());
    };
    if !context.may_act() {
        return Ok(Action::await_change());
    }
    let _slot = tokio::select! {
        slot = Arc::clone(&context.slots).acquire_owned() => slot,
        () = context.stop.cancelled() => return Ok(Action::await_change()),
    };
    let started = context.now().mono;
    let uid = cached.metadata.uid.clone().unwrap_or_default();
    let result = pass::<K>(&context, &key, cached).await;
    let word = match &result {
        Ok(_) => "ok",
        Err(_) => "error",
    };
    context.meter.pass(record::controller::<K>(), word, context.now().mono.saturating_sub(started));
    let wake = result.map_err(|error| PassError::Kube(Box::new(error)))?;
    K::objects(&context).succeeded(&key, &uid);
    Ok(match wake {
        Wake::OnChange => Action::await_change(),
        Wake::After(wait) => {
            let wait = K::objects(&context).cool(&key, &uid, wait);
            // Short waits follow actions and must be prompt; long ones are spread.
            let long = wait > Duration::from_secs(20);
            Action::requeue(if long { context.chance.jitter(wait) } else { wait })
        }
    })
}

/// When to try again after the API server failed.
pub fn retry<K: Subject>(record: Arc<Record<K>>, error: &PassError, context: Arc<Context>) -> Action {
    let key = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref());
    let uid = record.metadata.uid.clone().unwrap_or_default();
    let failures = key.map_or(1, |key| K::objects(&context).failed(&key, &uid));
    tracing::warn!(reason = error.reason(), error = %error, source = ?std::error::Error::source(error).map(ToString::to_string), failures, "pass failed");
    Action::requeue(context.chance.jitter(crate::decide::retry::backoff(failures)))
}

async fn pass<K: Subject>(context: &Context, key: &ObjectKey, cached: Arc<Record<K>>) -> Result<Wake, kube::Error> {
    let newest = K::objects(context).newest(key, Arc::clone(&cached));
    if let Err(why) = &newest.spec {
        return undecodable(context, key, &newest, why).await;
    }
    // Both controllers take the VM's lock, so its facts cannot change under a pass of ours.
    let Some((_, machine)) = gather::start::<K>(context, Arc::clone(&newest)) else { return Ok(Wake::OnChange) };
    let lock = machine.as_ref().map(|machine| context.machines.lock(machine.service, &machine.name));
    let _locked = match &lock {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    let newest = K::objects(context).newest(key, cached);
    let Some((mut gathered, machine)) = gather::start::<K>(context, newest) else { return Ok(Wake::OnChange) };
    let decided = tokio::select! {
        decision = decide(context, &mut gathered, machine.as_ref()) => Some(decision),
        // Reads change nothing: they may be dropped at any point, also while they wait out a pause.
        () = context.stop.cancelled() => None,
    };
    let Some(decision) = decided else { return Ok(Wake::OnChange) };
    if let Step::Observe(need) = &decision.step {
        tracing::warn!(need = ?need, "a pass asked for too many reads; it goes on later");
        K::objects(context).remember(key, &gathered.object.uid, decision.memory);
        return Ok(Wake::After(context.settings.action_interval));
    }
    let acted = act::act(context, &gathered, machine.as_ref(), &decision.step).await?;
    let decision = match acted {
        Acted::Done => decision,
        Acted::Tried(tried) => {
            let (outcome, ledger) = *tried;
            gathered.memory = decision.memory.clone();
            K::after(&gathered, &decision.step, &outcome, ledger, context.now())
        }
        Acted::Lost => {
            K::objects(context).remember(key, &gathered.object.uid, decision.memory);
            return Ok(Wake::After(Duration::ZERO));
        }
        Acted::NotLeading => return Ok(Wake::OnChange),
    };
    conclude(context, key, &gathered, decision).await
}

/// Asks the core, and reads what it lacks, until it has decided.
async fn decide<K: Subject>(
    context: &Context,
    gathered: &mut Gathered<K>,
    machine: Option<&Machine>,
) -> Decision<K::Status> {
    let mut decision = K::decide(gathered, context.now());
    for _ in 0..READS {
        let Step::Observe(need) = &decision.step else { break };
        let need = need.clone();
        gathered.memory = decision.memory;
        let machine = with_id(machine, gathered);
        gather::read(context, gathered, machine.as_ref(), need).await;
        decision = K::decide(gathered, context.now());
    }
    decision
}

/// The VM's id may have been found by this very pass.
fn with_id<K: Subject>(machine: Option<&Machine>, gathered: &Gathered<K>) -> Option<Machine> {
    let machine = machine?.clone();
    let found = gathered.cloud.detail.as_ref().value().map(|detail| detail.id);
    Some(Machine { id: machine.id.or(found), ..machine })
}

async fn conclude<K: Subject>(
    context: &Context,
    key: &ObjectKey,
    gathered: &Gathered<K>,
    decision: Decision<K::Status>,
) -> Result<Wake, kube::Error> {
    K::objects(context).remember(key, &gathered.object.uid, decision.memory.clone());
    let gone = matches!(decision.step, Step::RemoveFinalizer) && gathered.object.deleting;
    if gone {
        K::objects(context).forget(key);
    } else {
        record::status(context, gathered, &decision.status).await?;
    }
    record::tell(context, gathered, &decision).await;
    Ok(decision.wake)
}

/// An object whose spec cannot be decoded: it says so, and nothing is done with its VM.
async fn undecodable<K: Subject>(
    context: &Context,
    key: &ObjectKey,
    record: &Arc<Record<K>>,
    why: &str,
) -> Result<Wake, kube::Error> {
    let old = record.status();
    let generation = record.metadata.generation.unwrap_or_default();
    let message = format!("spec cannot be decoded: {why}; correct the field, or apply the CRDs of this operator's version");
    let verdict = Verdict::Stalled(Reason::InvalidSpec, message);
    let conditions =
        conditions::build(K::conditions(&old), &verdict, &[], generation, context.now().wall);
    let status = K::undecodable(&old, conditions, generation);
    if status != old {
        let body = serde_json::json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status,
        });
        let api: kube::Api<Record<K>> = kube::Api::namespaced(context.kube.clone(), &key.namespace);
        let parameters = kube::api::PatchParams::apply(crate::crd::FIELD_MANAGER).force();
        let written = api.patch_status(&key.name, &parameters, &kube::api::Patch::Apply(&body)).await?;
        K::objects(context).wrote(key, Arc::new(written));
    }
    Ok(Wake::OnChange)
}
