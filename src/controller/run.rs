//! Watches, queues and wakes: from streams to passes.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::queue::Item;
use super::registry::Affected;
use super::watch::follow;
use super::{Context, pass};
use crate::crd::{ITCareInstance, ITCareSnapshot};
use crate::inventory::Changed;
use crate::model::ObjectKey;
use crate::platform::Health;

/// Runs both controllers until `stop`, and until the passes in flight ended.
pub async fn run(
    context: Arc<Context>,
    namespaces: Vec<String>,
    watches: kube::Client,
    changes: mpsc::UnboundedReceiver<Changed>,
    health: Health,
    stop: CancellationToken,
) {
    health.wait_for("caches", "waiting for the API server to list the objects");
    // Nothing is decided before the index of claims is complete.
    let (instances, snapshots) = (CancellationToken::new(), CancellationToken::new());
    let synced = async {
        instances.cancelled().await;
        snapshots.cancelled().await;
        tell_in_use(&context);
        health.ready("caches");
        tracing::info!(
            instances = context.instances.count(),
            snapshots = context.snapshots.count(),
            "caches are synced"
        );
    };
    let passes = async {
        tokio::select! {
            () = synced => drive(&context, &stop).await,
            () = stop.cancelled() => {}
        }
    };
    tokio::select! {
        // What changed in the cloud wakes its objects before a pass goes on that sees it anyway.
        biased;
        () = hear(&context, changes) => {}
        () = follow::<ITCareInstance>(&context, &watches, &namespaces, &health, &instances) => {}
        () = follow::<ITCareSnapshot>(&context, &watches, &namespaces, &health, &snapshots) => {}
        () = census(&context, &health) => {}
        () = reigns(&context) => {}
        () = passes => {}
    }
}

/// Passes, as many at once as there are places, until `stop`; those in flight then end.
async fn drive(context: &Context, stop: &CancellationToken) {
    let mut passes = FuturesUnordered::new();
    // Becoming the leader, and the caches being complete, are reasons to look at everything once.
    let begin = async {
        let mut gate = context.gate.clone();
        loop {
            gate.opened().await;
            context.machines.begin(context.now().mono);
            context.wake_all();
            gate.closed().await;
        }
    };
    tokio::pin!(begin);
    loop {
        tokio::select! {
            biased;
            () = stop.cancelled() => break,
            () = &mut begin => {}
            Some(()) = passes.next() => {}
            item = context.queue.next(|| context.now().mono, |item| is_unseen(context, item)) => {
                passes.push(look(context, item));
            }
        }
    }
    while passes.next().await.is_some() {}
}

async fn look(context: &Context, item: Item) {
    let due = match &item {
        Item::Instance(key) => pass::reconcile::<ITCareInstance>(key, context).await,
        Item::Snapshot(key) => pass::reconcile::<ITCareSnapshot>(key, context).await,
    };
    context.queue.done(item, due);
}

fn is_unseen(context: &Context, item: &Item) -> bool {
    match item {
        Item::Instance(key) => context.instances.is_unseen(key),
        Item::Snapshot(key) => context.snapshots.is_unseen(key),
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
            tell_in_use(context);
            last = Some(now);
        }
        context.census.age(context.now().wall);
        health.beat("controllers", BEAT * 3);
        if tokio::time::timeout(BEAT, context.touched.notified()).await.is_ok() {
            tokio::time::sleep(CROWD).await;
        }
    }
}

fn tell_in_use(context: &Context) {
    let allowed = |key: &ObjectKey, service| context.allows(&key.namespace, service);
    context.inventory.set_in_use(context.registry.in_use(allowed));
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
async fn hear(context: &Context, mut changes: mpsc::UnboundedReceiver<Changed>) {
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
