//! Reads: the start of a pass, and the single facts that the decision asks for.

use std::time::Duration;

use kube::Api;

use super::Context;
use super::memory::KnownDetail;
use super::subject::{Gathered, Machine, Subject};
use crate::api::{self, ActionFilter, InstanceFilter, Priority};
use crate::crd::{Fetched, Record};
use crate::decide::instance::ObjectFacts;
use crate::decide::{Cloud, Look, Need};
use crate::model::{
    Action, ActionId, Failure, FailureClass, HostName, Ledger, Listed, ObjectKey, Observed, ServiceId,
};

/// The VM that an object is about, as far as its own words tell.
pub fn machine<K: Subject>(context: &Context, record: &Record<K>, spec: &K::Spec) -> Option<Machine> {
    let object = record.key.to_string();
    let ledger = Ledger::of(&object, record.ledger().as_deref(), record.ledger_copy().as_deref());
    let usable = ledger.ok().flatten().filter(|ledger| ledger.object == object);
    K::machine(context, &record.key, spec, usable.as_ref())
}

/// What the API server and this process know: no call is made.
pub fn start<K: Subject>(context: &Context, record: Record<K>) -> Option<(Gathered<K>, Option<Machine>)> {
    let key = record.key.clone();
    let uid = record.uid.to_string();
    let wakes = K::objects(context).wakes(&key, &uid);
    let spec = record.spec().ok()?;
    let status = record.status();
    let annotation = record.ledger();
    let copy = K::ledger_copy(&status);
    let ledger = Ledger::of(&key.to_string(), annotation.as_deref(), copy);
    let has_ledger = annotation.as_deref() == copy || Ledger::newest(annotation.as_deref(), None) == ledger;
    let object = ObjectFacts {
        key: key.clone(),
        uid: uid.clone(),
        generation: record.generation.unwrap_or_default(),
        created: record.created.unwrap_or_default(),
        deleting: record.deleted.is_some(),
        has_finalizer: record.has_finalizer,
        has_ledger,
        reconcile_requested: record.reconcile_requested().map(str::to_owned),
    };
    let now = context.now();
    let usable =
        ledger.as_ref().ok().and_then(Option::as_ref).filter(|ledger| ledger.object == key.to_string());
    let machine = K::machine(context, &key, &spec, usable);
    let mut memory = K::objects(context).memory(&key, &uid);
    let mut cloud = Cloud::default();
    let mut due = context.machines.reign() + spread(&uid, context.settings.detail_interval);
    if let Some(machine) = &machine {
        memory.effect_end =
            memory.effect_end.max(context.machines.effect_end(machine.service, &machine.name));
        refresh(context, &mut cloud, machine, usable);
        if let Some(known) = machine.id.and_then(|id| context.machines.detail(id)) {
            due = known.at + context.settings.detail_interval;
            cloud.detail = Observed::Present { value: known.detail, at: known.at };
            cloud.storage = known.storage;
            cloud.network = known.network;
        }
    }
    let ledger_fits = usable.is_some();
    let more = K::more(context, &key, &spec, machine.as_ref(), &cloud);
    let gathered = Gathered {
        record,
        spec,
        status,
        object,
        ledger,
        site: context.site(),
        cloud,
        memory,
        pass: now.mono,
        ledger_fits,
        wakes,
        due,
        more,
    };
    Some((gathered, machine))
}

/// Spreads first looks over the interval, so that whoever begins to lead does not read ten thousand details at once.
fn spread(uid: &str, interval: Duration) -> Duration {
    let hash = uid.bytes().fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    let part = u32::try_from(hash >> 40).unwrap_or_default() % 10_000;
    interval / 20 + (interval - interval / 20) / 10_000 * part
}

/// The shared view as it is now, and what a 404 is worth: a list that came in this very pass may say "nothing".
fn refresh(context: &Context, cloud: &mut Cloud, machine: &Machine, ledger: Option<&Ledger>) {
    let same_account = ledger.is_none_or(|ledger| ledger.account == context.itcare.account());
    if !same_account {
        context.inventory.question(machine.service);
    }
    cloud.missing_is_evidence = context.inventory.missing_is_evidence(machine.service, same_account);
    cloud.named = context.inventory.named(machine.service, &machine.name);
    cloud.arrived = context.inventory.arrived(machine.service, &machine.name);
    cloud.unlisted = context.inventory.unlisted(machine.service);
    cloud.running = context.inventory.running(&machine.name);
    if let Some(id) = machine.id {
        cloud.listed = context.inventory.listed(machine.service, id);
    }
}

/// Reads one fact into the view. A failure is kept there too: the decision says what it means.
pub async fn read<K: Subject>(
    context: &Context,
    gathered: &mut Gathered<K>,
    machine: Option<&Machine>,
    need: Need,
) {
    let result = fetch(context, gathered, machine, &need).await;
    if let Err(failure) = result {
        gathered.cloud.failures.push((need, failure));
    }
    if let Some(machine) = machine {
        gathered.wakes = K::objects(context).wakes(&gathered.object.key, &gathered.object.uid);
        let ledger = gathered.ledger.as_ref().ok().and_then(Option::as_ref).filter(|_| gathered.ledger_fits);
        refresh(context, &mut gathered.cloud, machine, ledger);
        learn(context, gathered);
    }
    gathered.more = K::more(context, &gathered.object.key, &gathered.spec, machine, &gathered.cloud);
    gathered.site = context.site();
}

/// How the calls of a pass queue: among those of its namespace, and first while nobody has seen the user's change.
pub fn caller<K: Subject>(context: &Context, record: &Record<K>) -> (api::Client, Priority) {
    let lane = &record.key.namespace;
    let priority = if record.is_unseen() { Priority::User } else { Priority::FollowUp };
    (context.itcare.in_lane(lane), priority)
}

async fn fetch<K: Subject>(
    context: &Context,
    gathered: &mut Gathered<K>,
    machine: Option<&Machine>,
    need: &Need,
) -> Result<(), Failure> {
    let (itcare, priority) = caller(context, &gathered.record);
    if !matches!(need, Need::Object) {
        not_paused(context)?;
    }
    // An answer is as new as its question, not as the wait for a permit: while a long queue is waited for, lists say
    // newer things, and an answer dated before them would be asked for again, for ever.
    let turn = async || {
        let permit = itcare.permit(priority).await;
        (permit, context.now().mono)
    };
    let cloud = &mut gathered.cloud;
    match need {
        Need::Object => {
            let same = unchanged(context, &gathered.record).await?;
            cloud.object_unchanged = Some(same);
        }
        Need::Detail(id) => {
            let (permit, at) = turn().await;
            match itcare.detail(*id, permit).await {
                Ok(detail) => {
                    let known = context.machines.detail(*id);
                    // Parts read on their own are asked again only when there is nothing yet.
                    cloud.storage = known.as_ref().and_then(|known| known.storage.clone());
                    cloud.network = known.and_then(|known| known.network);
                    let recorded = machine.is_some_and(|machine| {
                        machine.id == Some(*id)
                            && machine.name == detail.name
                            && detail.service.is_none_or(|service| service == machine.service)
                    });
                    if let Some(machine) = machine.filter(|_| recorded) {
                        context.inventory.reads_right(machine.service, at);
                    }
                    cloud.detail = Observed::Present { value: detail, at };
                    keep(context, cloud);
                }
                Err(error) if error.class() == FailureClass::Missing => {
                    context.machines.drop_detail(*id);
                    cloud.detail = Observed::Absent { at };
                }
                Err(error) => return Err(error.failure()),
            }
        }
        Need::Storage(id) => {
            cloud.storage = Some(itcare.storage(*id, turn().await.0).await.map_err(|error| error.failure())?);
            keep(context, cloud);
        }
        Need::Network(id) => {
            cloud.network = Some(itcare.network(*id, turn().await.0).await.map_err(|error| error.failure())?);
            keep(context, cloud);
        }
        Need::List { service, since } => context.inventory.list_since(*service, *since, priority).await?,
        Need::Arrivals { service, since } => {
            context.inventory.arrivals_since(*service, *since, priority).await?;
        }
        Need::Running { since } => context.inventory.running_since(*since, priority).await?,
        Need::Action(id) => {
            let (permit, at) = turn().await;
            match itcare.action(*id, permit).await {
                Ok(action) => cloud.action = Some((*id, Observed::Present { value: action, at })),
                Err(error) if error.class() == FailureClass::Missing => {
                    cloud.action = Some((*id, Observed::Absent { at }));
                }
                Err(error) => return Err(error.failure()),
            }
        }
        Need::Look(name) => {
            let service = machine.map(|machine| machine.service);
            // ITCare's own spelling, where it is known: its filter may tell upper from lower case.
            let known = cloud.detail.as_ref().value().map(|detail| &detail.name);
            let listed = cloud.listed.as_ref().value().map(|item| &item.name);
            let spelled =
                known.into_iter().chain(listed).find(|known| *known == name).unwrap_or(name).clone();
            cloud.look = Some(look(context, (&itcare, priority), &spelled, service).await?);
        }
        Need::Slot(id) => {
            let (permit, at) = turn().await;
            cloud.slot = match itcare.snapshot(*id, permit).await.map_err(|error| error.failure())? {
                Some(slot) => Observed::Present { value: slot, at },
                None => Observed::Absent { at },
            };
        }
    }
    Ok(())
}

fn keep(context: &Context, cloud: &Cloud) {
    if let Observed::Present { value, at } = &cloud.detail {
        context.machines.keep(&KnownDetail {
            detail: value.clone(),
            at: *at,
            storage: cloud.storage.clone(),
            network: cloud.network.clone(),
        });
    }
}

/// Reads the actions of a VM, so that the fence lies behind those of whoever led before us: with words that this
/// process has not learned, any of them could be taken for a call that was lost. A reset and a recovery have read
/// them already, and a name without a VM has hardly any.
///
/// # Errors
/// Why they could not be read.
pub async fn earlier_actions<K: Subject>(
    context: &Context,
    record: &Record<K>,
    name: &HostName,
) -> Result<(), Failure> {
    not_paused(context)?;
    let filter = ActionFilter { resource_name: Some(name.as_str().to_owned()), ..ActionFilter::default() };
    let (itcare, priority) = caller(context, record);
    itcare.actions(&filter, itcare.permit(priority).await).await.map(drop).map_err(|error| error.failure())
}

/// A pause that ITCare asked for is told, not slept through: a pass that waits for an hour keeps its place, its
/// VM's lock, and its object's silence.
pub fn not_paused(context: &Context) -> Result<(), Failure> {
    match context.itcare.paused_for() {
        Some(left) if left > SHORT_PAUSE => Err(Failure {
            class: FailureClass::Throttled(Some(left)),
            status: None,
            message: format!("ITCare asked the account to pause for {} s more", left.as_secs()),
        }),
        Some(_) | None => Ok(()),
    }
}

/// So much of a pause is waited for.
const SHORT_PAUSE: Duration = Duration::from_secs(2);

/// Actions first, instances second; both by name and in the shared lists, since a filter may be stricter than
/// we are. Names are compared here, without case.
async fn look(
    context: &Context,
    (itcare, priority): (&api::Client, Priority),
    name: &HostName,
    service: Option<ServiceId>,
) -> Result<Look, Failure> {
    let at = context.now().mono;
    context.inventory.running_since(at, priority).await?;
    let filter = ActionFilter { resource_name: Some(name.as_str().to_owned()), ..ActionFilter::default() };
    let actions =
        itcare.actions(&filter, itcare.permit(priority).await).await.map_err(|error| error.failure())?;
    if let Some(service) = service {
        context.inventory.list_since(service, at, priority).await?;
    }
    let filter = InstanceFilter { names: vec![name.as_str().to_owned()], ..InstanceFilter::default() };
    let listing = itcare.list_all(&filter, priority).await.map_err(|error| error.failure())?;
    if !listing.complete {
        return Err(Failure {
            class: FailureClass::Transient,
            status: None,
            message: "the list of instances changed while its pages were read".to_owned(),
        });
    }
    let same = |action: &Action| action.resource_name.as_deref().is_some_and(|other| name.matches(other));
    let mut all: Vec<Action> = actions.into_iter().filter(same).collect();
    if let Observed::Present { value, at: seen } = context.inventory.running(name)
        && seen >= at
    {
        for action in value {
            if !all.iter().any(|other| other.id == action.id) {
                all.push(action);
            }
        }
    }
    let mut instances: Vec<Listed> =
        listing.items.into_iter().filter(|item| item.is_live() && item.name == *name).collect();
    if let Some(service) = service {
        let listed = context.inventory.named(service, name).value().unwrap_or_default();
        for item in listed.into_iter().filter(Listed::is_live) {
            if !instances.iter().any(|other| other.id == item.id) {
                instances.push(item);
            }
        }
    }
    Ok(Look { actions: all, instances, at })
}

/// Whether the object is still the one that the decision saw.
pub async fn unchanged<K: Subject>(context: &Context, record: &Record<K>) -> Result<bool, Failure> {
    match get::<K>(context, &record.key).await {
        Ok(Some(live)) => {
            let same = live.uid == record.uid
                && live.generation == record.generation
                && live.deleted.is_some() == record.deleted.is_some()
                // What whoever led before us began may stand in either.
                && live.is_same_status(record)
                && live.is_same_ledger(record);
            K::wrote(context, live);
            Ok(same)
        }
        Ok(None) => Ok(false),
        Err(error) => Err(Failure {
            class: FailureClass::Transient,
            status: None,
            message: format!("the API server did not give the object: {error}"),
        }),
    }
}

/// The object as the API server has it now.
pub async fn get<K: Subject>(context: &Context, key: &ObjectKey) -> Result<Option<Record<K>>, kube::Error> {
    let api: Api<Fetched<K>> = Api::namespaced(context.kube.clone(), &key.namespace);
    Ok(api.get_opt(&key.name).await?.map(|fetched| fetched.record))
}

/// What our own action tells: its process word, and the name under which we are recorded.
/// One that was only found by looking teaches nothing.
fn learn<K: Subject>(context: &Context, gathered: &Gathered<K>) {
    let Some(operation) = K::followed(&gathered.status) else { return };
    let Some(id) = operation.action_id.filter(|id| context.machines.is_replied(ActionId::new(*id))) else {
        return;
    };
    let read = gathered.cloud.action.as_ref().and_then(|(_, action)| action.as_ref().value());
    let running = gathered.cloud.running.as_ref().value().into_iter().flatten();
    if let Some(action) = read.into_iter().chain(running).find(|action| action.id.get() == id) {
        let process = action.process.as_deref().map(|process| (process, operation.kind));
        context.machines.learn(process, action.submitted_by.as_deref());
    }
}
