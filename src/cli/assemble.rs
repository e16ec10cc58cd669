//! The operator out of its parts. Production gives it sockets and the system's clock; tests give it an
//! API server in memory, the simulator's router and a paused clock. Nothing else differs.

use std::sync::Arc;
use std::time::Duration;

use kube::runtime::events::Reporter;
use tokio::sync::{Notify, Semaphore, mpsc};
use tokio_util::sync::CancellationToken;

use crate::api;
use crate::controller::census::Census;
use crate::controller::events::Events;
use crate::controller::memory::Machines;
use crate::controller::meter::Meter;
use crate::controller::objects::Objects;
use crate::controller::queue::Queue;
use crate::controller::{Context, Registry, Settings, run};
use crate::crd::FIELD_MANAGER;
use crate::inventory::{self, Inventory};
use crate::platform::{Chance, Clock, Gate, Health};

/// What an operator is made of.
pub struct Parts {
    /// The API server, for single calls.
    pub calls: kube::Client,
    /// The API server, for watches.
    pub watches: kube::Client,
    /// ITCare.
    pub itcare: api::Client,
    /// Both clocks.
    pub clock: Clock,
    /// Attempts and jitter.
    pub chance: Chance,
    /// Whether this process leads.
    pub gate: Gate,
    /// What `/livez` and `/readyz` say.
    pub health: Health,
    /// What is counted.
    pub meter: Meter,
    /// How the controllers are set.
    pub settings: Settings,
    /// Namespaces to watch; empty = all.
    pub namespaces: Vec<String>,
    /// Items per page of ITCare's list.
    pub page_size: u32,
    /// This process, as Events name it.
    pub identity: String,
}

/// Runs the operator until `stop`: then no new effect starts, and it returns once those in flight ended.
pub async fn operate(parts: Parts, stop: CancellationToken) {
    let Parts {
        calls,
        watches,
        itcare,
        clock,
        chance,
        gate,
        health,
        meter,
        settings,
        namespaces,
        page_size,
        identity,
    } = parts;
    let (changed, changes) = mpsc::unbounded_channel();
    let inventory = Inventory::new(
        itcare.clone(),
        clock.clone(),
        inventory::Settings { observe_interval: settings.observe_interval, page_size },
        changed,
    );
    let clusters = std::iter::once(&settings.cluster).chain(&settings.previous_clusters).cloned().collect();
    let reporter = Reporter { controller: FIELD_MANAGER.to_owned(), instance: Some(identity) };
    let context = Arc::new(Context {
        events: Events::new(calls.clone(), reporter),
        kube: calls,
        itcare: itcare.clone(),
        inventory: inventory.clone(),
        registry: Registry::new(clusters),
        clock,
        chance,
        gate: gate.clone(),
        census: Census::new(meter.clone()),
        meter: meter.clone(),
        queue: Queue::new(settings.passes),
        untold: Arc::new(Semaphore::new(1)),
        settings,
        instances: Objects::default(),
        snapshots: Objects::default(),
        machines: Machines::default(),
        touched: Notify::new(),
        stop: stop.clone(),
    });
    let observed = inventory.run(gate.clone(), health.clone(), stop.clone());
    let controlled = run::run(context, namespaces, watches, changes, health.clone(), stop.clone());
    let watched = credentials(&itcare, gate, &health, &meter, &stop);
    tokio::join!(observed, controlled, watched);
}

/// Between two tries of bad credentials.
const WHILE_BAD: Duration = Duration::from_secs(15);

/// Tells on `/readyz` and in the log when there is no token. At the start of each reign the holder asks for
/// one, so that bad credentials show before the first object needs them.
async fn credentials(
    itcare: &api::Client,
    mut gate: Gate,
    health: &Health,
    meter: &Meter,
    stop: &CancellationToken,
) {
    let watch = async {
        gate.opened().await;
        let mut known = itcare.watch_credentials();
        let mut told = None;
        let mut asked = false;
        loop {
            if gate.is_open() && (!asked || known.borrow().is_some()) {
                // Its failure is what `credentials_trouble` tells.
                let _ = itcare.log_in().await;
                asked = true;
            }
            let trouble = known.borrow_and_update().clone();
            meter.credentials(trouble.is_none());
            if trouble != told {
                match &trouble {
                    Some(why) => {
                        tracing::error!(why = %why, "no token for ITCare: nothing can be done there; trying again")
                    }
                    None => tracing::info!("ITCare accepts the credentials"),
                }
                health.note("itcare-credentials", trouble.clone());
                told.clone_from(&trouble);
            }
            match trouble {
                Some(_) => tokio::time::sleep(WHILE_BAD).await,
                // The sender is the client's, which outlives this.
                None => known.changed().await.unwrap_or_default(),
            }
        }
    };
    tokio::select! {
        () = stop.cancelled() => {}
        () = watch => {}
    }
}
