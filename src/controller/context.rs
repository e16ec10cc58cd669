//! Everything that a pass may use.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};
use tokio_util::sync::CancellationToken;

use super::census::Census;
use super::events::Events;
use super::memory::{Learned, Machines};
use super::meter::Meter;
use super::objects::Objects;
use super::queue::Queue;
use super::registry::Registry;
use crate::api;
use crate::crd::{ITCareInstance, ITCareSnapshot};
use crate::decide::Site;
use crate::inventory::Inventory;
use crate::model::{ClusterId, Moment, ServiceId};
use crate::platform::{Chance, Clock, Gate};

/// How the controllers are set.
#[derive(Debug, Clone)]
pub struct Settings {
    /// This cluster.
    pub cluster: ClusterId,
    /// Clusters whose ledgers are ours too.
    pub previous_clusters: Vec<ClusterId>,
    /// How long ITCare may take to show what a call did.
    pub settle: Duration,
    /// How old the list may be.
    pub observe_interval: Duration,
    /// How often running actions are looked at.
    pub action_interval: Duration,
    /// How old a detail may be.
    pub detail_interval: Duration,
    /// Time-out of a reply plus lease.
    pub send_window: Duration,
    /// Services per namespace; `None` = no restriction.
    pub allowed_services: Option<BTreeMap<String, BTreeSet<ServiceId>>>,
    /// Passes at once.
    pub passes: usize,
}

/// Shared by all passes.
pub struct Context {
    /// The API server, for single calls.
    pub kube: kube::Client,
    /// ITCare.
    pub itcare: api::Client,
    /// The bulk view of ITCare.
    pub inventory: Inventory,
    /// Who claims what.
    pub registry: Registry,
    /// Both clocks.
    pub clock: Clock,
    /// Attempts and jitter.
    pub chance: Chance,
    /// Whether we lead.
    pub gate: Gate,
    /// Events.
    pub events: Events,
    /// Metrics.
    pub meter: Meter,
    /// How all objects stand, for the metrics.
    pub census: Census,
    /// How the controllers are set.
    pub settings: Settings,
    /// The instance objects.
    pub instances: Objects<ITCareInstance>,
    /// The snapshot objects.
    pub snapshots: Objects<ITCareSnapshot>,
    /// What is remembered of VMs.
    pub machines: Machines,
    /// Which objects are looked at next.
    pub queue: Queue,
    /// One deletion at a time may be in flight that its object does not tell of.
    pub untold: Arc<Semaphore>,
    /// The index of claims may have changed.
    pub touched: Notify,
    /// No new effect once cancelled.
    pub stop: CancellationToken,
}

impl Context {
    /// Now.
    #[must_use]
    pub fn now(&self) -> Moment {
        let reading = self.clock.now();
        Moment { wall: reading.wall, mono: reading.mono }
    }

    /// Whether an effect may start.
    #[must_use]
    pub fn may_act(&self) -> bool {
        self.gate.is_open() && !self.stop.is_cancelled()
    }

    /// Whether what a pass came to may be written: only while nobody else can lead. An effect that is in flight
    /// when we are asked to stop ends, and is written, inside our lease.
    #[must_use]
    pub fn may_record(&self) -> bool {
        self.gate.is_held()
    }

    /// Where we run, as the decision sees it.
    #[must_use]
    pub fn site(&self) -> Site {
        let Learned { processes, submitter, creator } = self.machines.learned();
        Site {
            cluster: self.settings.cluster.clone(),
            previous_clusters: self.settings.previous_clusters.clone(),
            account: self.itcare.account(),
            submitter,
            creator,
            processes: processes.into_iter().filter_map(|(word, kind)| Some((word, kind?))).collect(),
            settle: self.settings.settle,
            observe_interval: self.settings.observe_interval,
            action_interval: self.settings.action_interval,
            detail_interval: self.settings.detail_interval,
            send_window: self.settings.send_window,
        }
    }

    /// Whether a namespace may use a service.
    #[must_use]
    pub fn allows(&self, namespace: &str, service: ServiceId) -> bool {
        self.settings
            .allowed_services
            .as_ref()
            .is_none_or(|allowed| allowed.get(namespace).is_some_and(|services| services.contains(&service)))
    }
}
