//! Watches, queues and wakes: from streams to passes.

use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt};
use kube::Api;
use kube::runtime::reflector::{self, ObjectRef, Store};
use kube::runtime::{Controller, WatchStreamExt, watcher};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::registry::{Affected, key_of};
use super::subject::Subject;
use super::{Context, pass};
use crate::crd::{ITCareInstance, ITCareSnapshot, Kind, Record};
use crate::inventory::Changed;
use crate::model::ObjectKey;
use crate::platform::Health;

/// Asks for passes.
#[derive(Clone)]
pub struct Waker {
    instances: mpsc::UnboundedSender<ObjectKey>,
    snapshots: mpsc::UnboundedSender<ObjectKey>,
}

/// The other end.
pub struct Wakes {
    instances: mpsc::UnboundedReceiver<ObjectKey>,
    snapshots: mpsc::UnboundedReceiver<ObjectKey>,
}

/// A connected pair.
#[must_use]
pub fn wakes() -> (Waker, Wakes) {
    let (instances, instance_wakes) = mpsc::unbounded_channel();
    let (snapshots, snapshot_wakes) = mpsc::unbounded_channel();
    (Waker { instances, snapshots }, Wakes { instances: instance_wakes, snapshots: snapshot_wakes })
}

impl Waker {
    fn wake(&self, context: &Context, affected: Affected) {
        // A closed channel means shutdown.
        for key in affected.instances {
            context.instances.wake(&key);
            let _ = self.instances.send(key);
        }
        for key in affected.snapshots {
            context.snapshots.wake(&key);
            let _ = self.snapshots.send(key);
        }
    }
}

/// Runs both controllers until `stop`.
pub async fn run(
    context: Arc<Context>,
    namespaces: Vec<String>,
    watches: kube::Client,
    changes: mpsc::UnboundedReceiver<Changed>,
    health: Health,
    stop: CancellationToken,
) {
    let (waker, wakes) = wakes();
    let on_instance = {
        let (context, waker) = (Arc::clone(&context), waker.clone());
        move |event: &watcher::Event<Record<ITCareInstance>>| match event {
            watcher::Event::Apply(record) | watcher::Event::InitApply(record) => {
                waker.wake(&context, context.registry.apply_instance(record));
            }
            watcher::Event::Delete(record) => {
                if let Some(key) = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref()) {
                    waker.wake(&context, context.registry.forget_instance(&key));
                    context.instances.forget(&key);
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    };
    let on_snapshot = {
        let (context, waker) = (Arc::clone(&context), waker.clone());
        move |event: &watcher::Event<Record<ITCareSnapshot>>| match event {
            watcher::Event::Apply(record) | watcher::Event::InitApply(record) => {
                waker.wake(&context, context.registry.apply_snapshot(record));
            }
            watcher::Event::Delete(record) => {
                if let Some(key) = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref()) {
                    waker.wake(&context, context.registry.forget_snapshot(&key));
                    context.snapshots.forget(&key);
                }
            }
            watcher::Event::Init | watcher::Event::InitDone => {}
        }
    };
    health.wait_for("caches", "waiting for the API server to list the objects");
    let (instance_store, instance_writer) = reflector::store();
    let (snapshot_store, snapshot_writer) = reflector::store();
    let instance_events = watch_all::<ITCareInstance, _>(&watches, &namespaces, instance_writer, on_instance);
    let snapshot_events = watch_all::<ITCareSnapshot, _>(&watches, &namespaces, snapshot_writer, on_snapshot);
    // Nothing is decided before the index of claims is complete.
    let synced = CancellationToken::new();
    let passes = async {
        let both = async {
            let _ = instance_store.wait_until_ready().await;
            let _ = snapshot_store.wait_until_ready().await;
        };
        tokio::select! {
            () = both => {}
            () = stop.cancelled() => return,
        }
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
    let Wakes { instances, snapshots } = wakes;
    let instance_passes = drive::<ITCareInstance>(&context, instance_store.clone(), instance_events, instances, &synced, &stop);
    let snapshot_passes = drive::<ITCareSnapshot>(&context, snapshot_store.clone(), snapshot_events, snapshots, &synced, &stop);
    let follow_changes = follow(Arc::clone(&context), waker, changes);
    let drained = async { tokio::join!(instance_passes, snapshot_passes) };
    tokio::select! {
        _ = drained => {}
        () = passes => {}
        () = follow_changes => {}
        () = census(&context, &health) => {}
    }
}

/// Tells the inventory which services are in use, and `/livez` that we run.
async fn census(context: &Context, health: &Health) {
    let mut last = None;
    loop {
        let now = context.registry.in_use();
        if last.as_ref() != Some(&now) {
            context.inventory.set_in_use(now.clone());
            last = Some(now);
        }
        context.meter.leading(context.gate.is_open());
        health.beat("controllers", Duration::from_secs(60));
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// From changes in the cloud to passes of the objects that care.
async fn follow(context: Arc<Context>, waker: Waker, mut changes: mpsc::UnboundedReceiver<Changed>) {
    while let Some(Changed { service, items }) = changes.recv().await {
        let keys: Vec<ObjectKey> = match items {
            None => context.registry.of_service(service),
            Some(items) => {
                items.iter().flat_map(|(id, name)| context.registry.interested(service, *id, name)).collect()
            }
        };
        waker.wake(&context, Affected { instances: keys, snapshots: Vec::new() });
    }
    std::future::pending::<()>().await;
}

/// One watch per namespace, or one for all; each event goes through `on` before anything is decided.
fn watch_all<K: Kind, F: FnMut(&watcher::Event<Record<K>>) + Send + 'static>(
    client: &kube::Client,
    namespaces: &[String],
    writer: reflector::store::Writer<Record<K>>,
    mut on: F,
) -> impl Stream<Item = Result<Record<K>, watcher::Error>> + Send + use<K, F> {
    let config = || watcher::Config::default().page_size(500);
    let events = match namespaces {
        [] => watcher(Api::<Record<K>>::all(client.clone()), config()).default_backoff().boxed(),
        [only] => watcher(Api::<Record<K>>::namespaced(client.clone(), only), config()).default_backoff().boxed(),
        several => join(
            several
                .iter()
                .map(|namespace| {
                    watcher(Api::<Record<K>>::namespaced(client.clone(), namespace), config()).default_backoff().boxed()
                })
                .collect(),
        ),
    };
    events
        .inspect(move |event| match event {
            Ok(event) => on(event),
            Err(error) => tracing::warn!(error = %error, "watch"),
        })
        .reflect(writer)
        .touched_objects()
}

type Events<K> = futures::stream::BoxStream<'static, Result<watcher::Event<Record<K>>, watcher::Error>>;

/// Several namespaces as one stream: `Init` once, `InitDone` when the last one is done. A later relist of
/// one namespace must not clear the others, so its objects are applied one by one instead.
fn join<K: Kind>(streams: Vec<Events<K>>) -> Events<K> {
    let count = streams.len();
    let mut done = 0;
    let mut begun = false;
    let tagged = streams.into_iter().enumerate().map(|(index, stream)| stream.map(move |event| (index, event)));
    let mut finished = vec![false; count];
    futures::stream::select_all(tagged)
        .filter_map(move |(index, event)| {
            let event = match event {
                Ok(watcher::Event::Init) if !begun => {
                    begun = true;
                    Some(Ok(watcher::Event::Init))
                }
                Ok(watcher::Event::Init) => None,
                Ok(watcher::Event::InitDone) if finished[index] => None,
                Ok(watcher::Event::InitDone) => {
                    finished[index] = true;
                    done += 1;
                    (done == count).then_some(Ok(watcher::Event::InitDone))
                }
                Ok(watcher::Event::InitApply(record)) if finished[index] => Some(Ok(watcher::Event::Apply(record))),
                other => Some(other),
            };
            std::future::ready(event)
        })
        .boxed()
}

/// One controller.
async fn drive<K: Subject>(
    context: &Arc<Context>,
    store: Store<Record<K>>,
    events: impl Stream<Item = Result<Record<K>, watcher::Error>> + Send + 'static,
    wakes: mpsc::UnboundedReceiver<ObjectKey>,
    synced: &CancellationToken,
    stop: &CancellationToken,
) where
    Record<K>: kube::Resource<DynamicType = ()>,
{
    let woken = futures::stream::unfold(wakes, |mut wakes| async move {
        let key = wakes.recv().await?;
        Some((ObjectRef::<Record<K>>::new(&key.name).within(&key.namespace), wakes))
    });
    // Becoming the leader, and the caches being complete, are reasons to look at everything once.
    let ready = synced.clone();
    let reigns = (context.gate.clone(), ready.clone(), Arc::clone(context), true);
    let begin = futures::stream::unfold(reigns, |(mut gate, ready, context, first)| async move {
        ready.cancelled().await;
        if !first {
            gate.closed().await;
        }
        gate.opened().await;
        // Whoever led meanwhile may have changed anything.
        context.machines.forget_details();
        K::objects(&context).wake_all();
        Some(((), (gate, ready, context, false)))
    });
    let predicate = changed_for_us::<K>();
    let triggers = events.filter(move |event| {
        let keep = match event {
            Ok(record) => predicate(record),
            Err(_) => false,
        };
        std::future::ready(keep)
    });
    let gated = Arc::clone(context);
    let stop = stop.clone();
    Controller::for_stream(triggers, store)
        .with_config(kube::runtime::Config::default())
        .reconcile_on(woken)
        .reconcile_all_on(begin)
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
            gated,
        )
        .for_each(|_| std::future::ready(()))
        .await;
}

/// Whether an event changes something that a decision depends on: our own status writes do not.
fn changed_for_us<K: Kind>() -> impl Fn(&Record<K>) -> bool + Send + 'static {
    let seen: std::sync::Mutex<std::collections::HashMap<ObjectKey, u64>> = std::sync::Mutex::default();
    move |record| {
        let Some(key) = key_of(record.metadata.namespace.as_deref(), record.metadata.name.as_deref()) else {
            return false;
        };
        let mut hasher = std::hash::DefaultHasher::new();
        let metadata = &record.metadata;
        std::hash::Hash::hash(
            &(
                &metadata.uid,
                metadata.generation,
                metadata.deletion_timestamp.as_ref().map(|time| time.0.as_nanosecond()),
                &metadata.finalizers,
                &metadata.annotations,
            ),
            &mut hasher,
        );
        let digest = std::hash::Hasher::finish(&hasher);
        let mut seen = seen.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        seen.insert(key, digest) != Some(digest)
    }
}
