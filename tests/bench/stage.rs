//! One namespace with a simulated cloud, and many objects in it.
//!
//! The bench of the `operator` suite with what a thousand objects need: one client, and requests side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use futures::StreamExt;
use itcare_sim::Entry;
use jiff::Timestamp;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, ListParams, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use crate::bench::{Bench, Operator};

/// The operator's own pace: the defaults of its flags.
pub const DEFAULTS: [&str; 8] = [
    "--itcare-timeout=30s",
    "--settle-time=2m",
    "--lease-duration=15s",
    "--observe-interval=60s",
    "--action-interval=5s",
    "--itcare-rate=10",
    "--log-format=json",
    "--log-level=info",
];

/// Requests at once.
const ABREAST: usize = 24;

pub struct Stage {
    pub bench: Bench,
    pub api: Api<DynamicObject>,
    /// The simulator's clock and tokio's, read together.
    clocks: (Timestamp, Instant),
}

impl Stage {
    pub async fn new(prefix: &str, actions: Duration) -> Self {
        let bench = Bench::with_actions_of(prefix, actions).await;
        let client = bench.plane().admin().expect("the control plane made a client before");
        let kind = GroupVersionKind::gvk("itcare.cegedim.cloud", "v1alpha1", "ITCareInstance");
        let resource = ApiResource::from_gvk_with_plural(&kind, "itcareinstances");
        let api = Api::namespaced_with(client, bench.name(), &resource);
        let clocks = (bench.sim.now(), Instant::now());
        Self { bench, api, clocks }
    }

    /// An operator with its default flags, but for these.
    pub fn operator(&self, flags: &[&str]) -> Operator {
        let name = |flag: &str| flag.split('=').next().unwrap_or_default().to_owned();
        let given: Vec<String> = flags.iter().map(|flag| name(flag)).collect();
        let mut all: Vec<&str> =
            DEFAULTS.iter().copied().filter(|flag| !given.contains(&name(flag))).collect();
        all.extend_from_slice(flags);
        self.bench.operator(&all)
    }

    /// An instance object, and more fields for its spec.
    pub fn manifest(&self, name: &str, more: &Value) -> Value {
        let mut spec = json!({
            "name": self.bench.host(name), "serviceId": 14, "region": "EB", "platform": "deb12",
            "size": "2cpu4gb", "powerState": "Running", "monitoring": {"enabled": true, "alerting": false},
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            spec[key] = value.clone();
        }
        json!({
            "apiVersion": "itcare.cegedim.cloud/v1alpha1", "kind": "ITCareInstance",
            "metadata": {
                "name": name, "namespace": self.bench.name(), "labels": {"app": "bench", "team": "platform"},
            },
            "spec": spec,
        })
    }

    /// Applies so many objects, side by side.
    pub async fn fill(&self, names: impl Iterator<Item = String>, more: &Value) {
        futures::stream::iter(names)
            .map(|name| async move {
                let object = self.manifest(&name, more);
                let parameters = PatchParams::apply("kubectl").force();
                self.api.patch(&name, &parameters, &Patch::Apply(&object)).await.expect("it is accepted");
            })
            .buffer_unordered(ABREAST)
            .collect::<()>()
            .await;
    }

    /// Merges into a spec; returns when the API server has accepted it.
    pub async fn change(&self, name: &str, spec: &Value) -> Instant {
        let patch = json!({ "spec": spec });
        let parameters = PatchParams::default();
        self.api.patch(name, &parameters, &Patch::Merge(&patch)).await.expect("the change is accepted");
        Instant::now()
    }

    /// How many objects are `Ready` at their newest generation, and the version of each.
    pub async fn ready(&self) -> (usize, BTreeMap<String, String>) {
        let mut versions = BTreeMap::new();
        let mut ready = 0;
        let mut parameters = ListParams::default().limit(500);
        loop {
            // Its cache may lag behind its store on a busy machine, and says so.
            let Ok(list) = self.api.list(&parameters).await else {
                sleep(Duration::from_secs(1)).await;
                (ready, parameters) = (0, ListParams::default().limit(500));
                continue;
            };
            for object in list.items {
                let status = &object.data["status"];
                let conditions = status["conditions"].as_array().into_iter().flatten();
                let is_ready =
                    conditions.filter(|one| one["type"] == "Ready").any(|one| one["status"] == "True");
                if is_ready && status["observedGeneration"].as_i64() == object.metadata.generation {
                    ready += 1;
                }
                let name = object.metadata.name.unwrap_or_default();
                versions.insert(name, object.metadata.resource_version.unwrap_or_default());
            }
            match list.metadata.continue_.filter(|token| !token.is_empty()) {
                None => return (ready, versions),
                Some(token) => parameters = parameters.continue_token(&token),
            }
        }
    }

    /// Waits until so many are `Ready`; shows how far it is.
    pub async fn until_ready(&self, count: usize, patience: Duration) -> Duration {
        let begun = Instant::now();
        let mut told = Instant::now();
        loop {
            // Asking the simulator costs the API server nothing.
            let (made, running) = (self.bench.sim.instances().len(), self.bench.sim.running().len());
            let ready = if made < count || running > 0 { 0 } else { self.ready().await.0 };
            if ready >= count {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < patience, "{made} made, {ready} of {count} Ready after {patience:?}");
            if told.elapsed() > Duration::from_secs(15) {
                println!("    … {made} of {count} made, {running} actions running");
                told = Instant::now();
            }
            sleep(if count > 1_000 { Duration::from_secs(2) } else { Duration::from_millis(200) }).await;
        }
    }

    /// When a request came, on the clock of this program.
    pub fn came(&self, entry: &Entry) -> Instant {
        let (there, here) = self.clocks;
        let since = entry.at.duration_since(there);
        here + Duration::try_from(since).unwrap_or_default()
    }

    /// The first request about that VM at or after `since`.
    pub async fn first_call(&self, id: i64, since: Instant, patience: Duration) -> Option<Instant> {
        let end = Instant::now() + patience;
        let mut seen = 0;
        loop {
            let journal = self.bench.sim.journal();
            let skip = seen.min(journal.len());
            seen = journal.len();
            let about = |entry: &&Entry| entry.instance == Some(id);
            let found = journal.iter().skip(skip).filter(about).map(|entry| self.came(entry));
            if let Some(at) = found.filter(|at| *at >= since).min() {
                return Some(at);
            }
            if Instant::now() > end {
                return None;
            }
            sleep(Duration::from_millis(1)).await;
        }
    }

    /// The VM of each object, by the object's name.
    pub fn ids(&self) -> BTreeMap<String, i64> {
        let instances = self.bench.sim.instances().into_iter();
        instances.map(|vm| (vm.name.trim_start_matches('D').to_lowercase(), vm.id)).collect()
    }
}

/// As a number of milliseconds.
pub fn milliseconds(span: Duration) -> f64 {
    span.as_secs_f64() * 1e3
}
