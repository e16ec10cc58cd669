//! One pass, for both kinds: gather → validate → decide → act → record.

use std::time::Duration;

use super::act::{self, Acted, Tried};
use super::subject::{Gathered, Machine, Subject};
use super::{Context, gather, record};
use crate::crd::{Fetched, Reason, Record};
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

/// Looks at one object. When the next look is due, on the monotonic clock; `None` = when something happens.
pub async fn reconcile<K: Subject>(key: &ObjectKey, context: &Context) -> Option<Duration> {
    if !context.may_act() {
        return None;
    }
    let newest = K::objects(context).newest(key)?;
    if let Some(until) = K::objects(context).resting(&newest, context.now().mono) {
        return until;
    }
    let span =
        tracing::info_span!("object", kind = %K::kind(&()), namespace = &*key.namespace, name = &*key.name);
    tracing::Instrument::instrument(measured::<K>(context, newest), span).await
}

async fn measured<K: Subject>(context: &Context, newest: Record<K>) -> Option<Duration> {
    let (key, uid) = (newest.key.clone(), newest.uid.clone());
    let objects = K::objects(context);
    let started = context.now().mono;
    let result = pass::<K>(context, newest).await;
    let word = match &result {
        Ok(_) => "ok",
        Err(_) => "error",
    };
    let now = context.now().mono;
    context.meter.pass(record::controller::<K>(), word, now.saturating_sub(started));
    let Ended { wake, stands } = match result {
        Ok(ended) => ended,
        Err(error) => return Some(now + retry::<K>(context, (&key, &uid), PassError::Kube(Box::new(error)))),
    };
    objects.succeeded(&key, &uid);
    let until = match wake {
        Wake::OnChange => None,
        Wake::After(wait) => {
            let wait = objects.cool(&key, &uid, wait);
            // Short waits follow actions and must be prompt; long ones are spread.
            let long = wait > Duration::from_secs(20);
            Some(now + if long { context.chance.jitter(wait) } else { wait })
        }
    };
    if let Some((basis, wakes)) = stands {
        objects.rest(&key, &uid, wakes, (basis, until));
    }
    until
}

/// How a pass ended: when to look again, and what it decided upon, with how often the object had been woken by then
/// (`None` = it must be decided anew).
struct Ended {
    wake: Wake,
    stands: Option<(u64, u32)>,
}

impl Ended {
    fn undecided(wake: Wake) -> Self {
        Self { wake, stands: None }
    }
}

/// When to try again after the API server failed.
fn retry<K: Subject>(context: &Context, (key, uid): (&ObjectKey, &str), error: PassError) -> Duration {
    let failures = K::objects(context).failed(key, uid);
    tracing::warn!(reason = error.reason(), error = %error, source = ?std::error::Error::source(&error).map(ToString::to_string), failures, "pass failed");
    context.chance.jitter(crate::decide::retry::backoff(failures))
}

async fn pass<K: Subject>(context: &Context, newest: Record<K>) -> Result<Ended, kube::Error> {
    let key = newest.key.clone();
    let key = &key;
    let spec = match newest.spec() {
        Ok(spec) => spec,
        Err(why) => return undecodable(context, &newest, &why).await,
    };
    // Both controllers take the VM's lock, so its facts cannot change under a pass of ours.
    let locked = gather::machine::<K>(context, &newest, &spec);
    let lock = locked.as_ref().map(|machine| context.machines.lock(machine.service, &machine.name));
    let _locked = match &lock {
        Some(lock) => Some(lock.lock().await),
        None => None,
    };
    let Some(newest) = K::objects(context).newest(key) else { return Ok(Ended::undecided(Wake::OnChange)) };
    let Some((mut gathered, machine)) = gather::start::<K>(context, newest) else {
        return Ok(Ended::undecided(Wake::OnChange));
    };
    let locked_for = machine_name(locked.as_ref());
    if locked_for != machine_name(machine.as_ref()) {
        // Which VM it is about has changed while we waited for the lock of another one.
        return Ok(Ended::undecided(Wake::After(Duration::ZERO)));
    }
    let mut gate = context.gate.clone();
    let decided = tokio::select! {
        decision = decide(context, &mut gathered, machine.as_ref()) => Some(decision),
        // Reads change nothing: they may be dropped at any point, also while they wait out a pause.
        () = context.stop.cancelled() => None,
        // Reads that began in another reign decide nothing.
        () = gate.closed() => None,
    };
    let Some(decision) = decided else { return Ok(Ended::undecided(Wake::OnChange)) };
    if let Step::Observe(need) = &decision.step {
        tracing::warn!(need = ?need, "a pass asked for too many reads; it goes on later");
        K::objects(context).remember(key, &gathered.object.uid, decision.memory);
        return Ok(Ended::undecided(Wake::After(context.settings.action_interval)));
    }
    let acted = act::act(context, &gathered, machine.as_ref(), &decision.step).await?;
    // Until the end of the pass, which writes down what was done.
    let mut _untold = None;
    let decision = match acted {
        Acted::Done => decision,
        Acted::Tried(tried) => {
            let Tried { outcome, ledger, untold } = *tried;
            _untold = untold;
            gathered.memory = decision.memory.clone();
            K::after(&gathered, &decision, &outcome, ledger, context.now())
        }
        Acted::Lost => {
            K::objects(context).remember(key, &gathered.object.uid, decision.memory);
            return Ok(Ended::undecided(Wake::After(Duration::ZERO)));
        }
        Acted::NotLeading => return Ok(Ended::undecided(Wake::OnChange)),
    };
    // What was decided upon is the object as it was gathered, with our own writes on top. The status write
    // that follows may return somebody else's change with it, which no decision has seen yet: of what it
    // returns, only the status counts.
    let decided = K::objects(context).written(&gathered.record);
    if K::followed(&gathered.status).is_some() && K::followed(&decision.status).is_none() {
        K::operation_ended(context, &gathered, machine.as_ref());
    }
    let gone = matches!(decision.step, Step::RemoveFinalizer) && gathered.object.deleting;
    let Some(wake) = conclude(context, key, &gathered, decision).await? else {
        return Ok(Ended::undecided(Wake::OnChange));
    };
    let objects = K::objects(context);
    let written = objects.written(&decided);
    // Whatever wakes it from now on does not concern what is let go.
    let wakes = if gone { objects.wakes(key, &gathered.object.uid) } else { gathered.wakes };
    Ok(Ended { wake, stands: Some((decided.basis(&written), wakes)) })
}

fn machine_name(machine: Option<&Machine>) -> Option<(crate::model::ServiceId, String)> {
    machine.map(|machine| (machine.service, machine.name.folded()))
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

/// Writes down what a pass came to. `None` = the lease was lost meanwhile: whoever leads now may know more, and
/// looks at what we did.
async fn conclude<K: Subject>(
    context: &Context,
    key: &ObjectKey,
    gathered: &Gathered<K>,
    decision: Decision<K::Status>,
) -> Result<Option<Wake>, kube::Error> {
    let remember = |unsaid| {
        let mut memory = decision.memory.clone();
        memory.unsaid = unsaid;
        K::objects(context).remember(key, &gathered.object.uid, memory);
    };
    remember(true);
    if !context.may_record() {
        return Ok(None);
    }
    let gone = matches!(decision.step, Step::RemoveFinalizer) && gathered.object.deleting;
    if gone {
        K::objects(context).release(key, &gathered.object.uid);
    } else {
        match record::status(context, gathered, &decision.status).await? {
            record::Written::Done => remember(false),
            record::Written::Moved => return Ok(Some(Wake::After(Duration::ZERO))),
        }
    }
    record::measure(context, gathered, &decision.status);
    record::tell(context, gathered, &decision).await;
    Ok(Some(decision.wake))
}

/// An object whose spec cannot be decoded: it says so, and nothing is done with its VM.
async fn undecodable<K: Subject>(
    context: &Context,
    record: &Record<K>,
    why: &str,
) -> Result<Ended, kube::Error> {
    let wakes = K::objects(context).wakes(&record.key, &record.uid);
    let old = record.status();
    let (key, generation) = (&record.key, record.generation.unwrap_or_default());
    let message = format!(
        "spec cannot be decoded: {why}; correct the field, or apply the CRDs of this operator's version"
    );
    let verdict = Verdict::Stalled(Reason::InvalidSpec, message);
    let conditions = conditions::build(K::conditions(&old), &verdict, &[], generation, context.now().wall);
    let status = K::undecodable(&old, conditions, generation);
    if status != old && !context.may_record() {
        return Ok(Ended::undecided(Wake::OnChange));
    }
    if status != old {
        let body = serde_json::json!({
            "apiVersion": K::api_version(&()),
            "kind": K::kind(&()),
            "metadata": {"name": key.name, "namespace": key.namespace},
            "status": status,
        });
        let api: kube::Api<Fetched<K>> = kube::Api::namespaced(context.kube.clone(), &key.namespace);
        let parameters = kube::api::PatchParams::apply(crate::crd::FIELD_MANAGER).force();
        let written = api.patch_status(&key.name, &parameters, &kube::api::Patch::Apply(&body)).await?;
        K::wrote(context, written.record);
    }
    let written = K::objects(context).written(record);
    Ok(Ended { wake: Wake::OnChange, stands: Some((record.basis(&written), wakes)) })
}
