//! Watches, queues and wakes: from streams to passes.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use tokio::sync::{Notify, mpsc};
use tokio_util::sync::CancellationToken;

use super::registry::Affected;
use super::subject::Subject;
use super::wake::Wakes;
use super::watch::{Follower, watch};
use super::{Context, pass};
use crate::crd::{ITCareInstance, ITCareSnapshot, Record};
use crate::inventory::Changed;
use crate::model::ObjectKey;
use crate::platform::Health;

/// Runs both controllers until `stop`, and until the passes in flight ended.
pub async fn run(
    context: Arc<Context>,
    namespaces: Vec<String>,
    watches: kube::Client,
    wakes: Wakes,
    changes: mpsc::UnboundedReceiver<Changed>,
    health: Health,
    stop: CancellationToken,
) {
    health.wait_for("caches", "waiting for the API server to list the objects");
    let Wakes { instances, snapshots } = wakes;
    // Nothing is decided before the index of claims is complete.
    let synced = CancellationToken::new();
    let (instance_store, instance_events) = cache::<ITCareInstance>(&context, &watches, &namespaces, &health);
    let (snapshot_store, snapshot_events) = cache::<ITCareSnapshot>(&context, &watches, &namespaces, &health);
    let passes = async {
        tokio::join!(
            drive::<ITCareInstance>(
                &context,
                instance_store.clone(),
                instance_events,
                instances,
                &synced,
                &stop
            ),
            drive::<ITCareSnapshot>(
                &context,
                snapshot_store.clone(),
                snapshot_events,
                snapshots,
                &synced,
                &stop
            ),
        )
    };
    let sync = async {
        // A store whose writer is gone never gets ready; the process ends then anyway.
        let _ = tokio::join!(instance_store.wait_until_ready(), snapshot_store.wait_until_ready());
        context.inventory.set_in_use(context.registry.in_use());
        health.ready("caches");
        synced.cancel();
        tracing::info!(
            instances = instance_store.len(),
            snapshots = snapshot_store.len(),
            "caches are synced"
        );
        std::future::pending::<()>().await;
    };
    tokio::select! {
        _ = passes => {}
        () = sync => {}
        () = follow(&context, changes) => {}
        () = census(&context, &health) => {}
        () = reigns(&context) => {}
    }
}

/// Between two signs of life.
const BEAT: Duration = Duration::from_secs(20);

/// Changes of the index come in crowds, and all objects are counted each time.
const CROWD: Duration = Duration::from_secs(1);

/// Tells the inventory which services are in use, and `/livez` that we run.
async fn census(context: &Context, health: &Health) {
    let mut last = None;
    loop {
        // Ten thousand ids are not gathered each second for nothing.
        let now = context.registry.changes();
        if last != Some(now) {
            context.inventory.set_in_use(context.registry.in_use());
            last = Some(now);
        }
        context.census.age(context.now().wall);
        health.beat("controllers", BEAT * 3);
        if tokio::time::timeout(BEAT, context.waker.touched()).await.is_ok() {
            tokio::time::sleep(CROWD).await;
        }
    }
}

/// Tells who leads, and forgets what was seen of the cloud when a reign ends: whoever leads next may change
/// anything.
async fn reigns(context: &Context) {
    let mut gate = context.gate.clone();
    loop {
        context.meter.leading(false);
        gate.opened().await;
        context.meter.leading(true);
        gate.closed().await;
        context.inventory.forget();
        context.machines.forget_details();
    }
}

/// From changes in the cloud to passes of the objects that care.
async fn follow(context: &Context, mut changes: mpsc::UnboundedReceiver<Changed>) {
    while let Some(changed) = changes.recv().await {
        let registry = &context.registry;
        context.wake(match changed {
            Changed::Service { service, items: None } => {
                Affected { instances: registry.of_service(service), snapshots: Vec::new() }
            }
            Changed::Service { service, items: Some(items) } => {
                let instances =
                    items.iter().flat_map(|(id, name)| registry.interested(service, *id, name)).collect();
                Affected { instances, snapshots: Vec::new() }
            }
            Changed::Ended(names) => registry.waiting_on(&names),
        });
    }
    std::future::pending::<()>().await;
}

/// The objects of a kind as they come, and the store that follows them.
fn cache<K: Subject>(
    context: &Arc<Context>,
    watches: &kube::Client,
    namespaces: &[String],
    health: &Health,
) -> (Store<Record<K>>, Touched<K>) {
    let (store, writer) = reflector::store();
    let relisted = Arc::new(Notify::new());
    let mut follower = Follower::<K>::new(Arc::clone(context), health.clone(), Arc::clone(&relisted));
    let known = store.clone();
    let events = watch::<K>(watches, namespaces)
        .map_ok(move |event| share(&known, event))
        .inspect(move |event| follower.follow(event))
        .reflect(writer)
        .touched_objects()
        .boxed();
    (store, Touched { events, relisted })
}

/// While a list comes in, the store holds the old objects beside the new ones: those that have not changed are
/// held once.
fn share<K: Subject>(
    known: &Store<Record<K>>,
    event: watcher::Event<Record<K>>,
) -> watcher::Event<Record<K>> {
    match event {
        watcher::Event::InitApply(record) => {
            let old = known.get(&ObjectRef::from_obj(&record)).filter(|old| old.is_same_version(&record));
            watcher::Event::InitApply(old.map_or(record, |old| old.as_ref().clone()))
        }
        watcher::Event::Apply(_)
        | watcher::Event::Delete(_)
        | watcher::Event::Init
        | watcher::Event::InitDone => event,
    }
}

struct Touched<K: Subject> {
    events: futures::stream::BoxStream<'static, Result<Record<K>, watcher::Error>>,
    /// A list is complete, and the store holds it.
    relisted: Arc<Notify>,
}

/// One controller.
async fn drive<K: Subject>(
    context: &Arc<Context>,
    store: Store<Record<K>>,
    touched: Touched<K>,
    wakes: mpsc::UnboundedReceiver<ObjectKey>,
    synced: &CancellationToken,
    stop: &CancellationToken,
) {
    let Touched { events, relisted } = touched;
    let woken = futures::stream::unfold(wakes, |mut wakes| async move {
        let key = wakes.recv().await?;
        Some((ObjectRef::<Record<K>>::new(&key.name).within(&key.namespace), wakes))
    });
    // Becoming the leader, and the caches being complete, are reasons to look at everything once.
    let reigns = (context.gate.clone(), synced.clone(), Arc::clone(context), true);
    let begin = futures::stream::unfold(reigns, |(mut gate, synced, context, first)| async move {
        synced.cancelled().await;
        if !first {
            gate.closed().await;
        }
        gate.opened().await;
        K::objects(&context).wake_all();
        Some(((), (gate, synced, context, false)))
    });
    // While a long list comes in, its first pages are touched before the store shows them. Whoever rests and has
    // not changed rests on.
    let again = futures::stream::unfold(relisted, |relisted| async move {
        relisted.notified().await;
        Some(((), relisted))
    });
    let predicate = changed_for_us::<K>();
    let triggers = events.filter(move |event| {
        let keep = match event {
            Ok(record) => predicate(record),
            Err(_) => false,
        };
        std::future::ready(keep)
    });
    let (ready, stop) = (synced.clone(), stop.clone());
    Controller::for_stream(triggers, store)
        .with_config(kube::runtime::Config::default())
        .reconcile_on(woken)
        .reconcile_all_on(begin)
        .reconcile_all_on(again)
        .graceful_shutdown_on(async move { stop.cancelled().await })
        .run(
            move |record, context: Arc<Context>| {
                let ready = ready.clone();
                async move {
                    if !ready.is_cancelled() {
                        return Ok(kube::runtime::controller::Action::await_change());
                    }
                    let span = tracing::info_span!(
                        "object",
                        kind = %K::kind(&()),
                        namespace = record.metadata.namespace.as_deref().unwrap_or_default(),
                        name = record.metadata.name.as_deref().unwrap_or_default(),
                    );
                    tracing::Instrument::instrument(pass::reconcile::<K>(record, context), span).await
                }
            },
            |record, error, context| pass::retry::<K>(record, error, context),
            Arc::clone(context),
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Whether an event changes something that a decision depends on: a bookmark or a relist does not.
fn changed_for_us<K: Subject>() -> impl Fn(&Record<K>) -> bool + Send + 'static {
    let seen: Mutex<HashMap<ObjectKey, u64>> = Mutex::default();
    move |record| {
        let Some(key) = record.key() else {
            return false;
        };
        let digest = pass::basis(record, record.status_text());
        let mut seen = seen.lock().unwrap_or_else(PoisonError::into_inner);
        seen.insert(key, digest) != Some(digest)
    }
}
