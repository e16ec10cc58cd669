//! The whole operator on its two seams, without a socket and under paused time: an API server in memory
//! and the simulator's router, called in process.
//!
//! A *replica* is one process; dropping it is a SIGKILL. Not here: what the tests assert, but for the
//! rules that hold after every one of them (see [`audit`]).

#![allow(dead_code, reason = "each suite uses its own part of this")]

pub mod audit;
pub mod manifest;
mod seen;
pub mod transport;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, LazyLock};
use std::time::Duration;

use itcare_lab::memory::MemoryApi;
use itcare_operator::api::{self, ClientCredentials, ClientOptions, Credentials};
use itcare_operator::cli::assemble::{Parts, operate};
use itcare_operator::controller::Settings;
use itcare_operator::controller::meter::Meter;
use itcare_operator::model::{ClusterId, ServiceId};
use itcare_operator::platform::metrics::Metrics;
use itcare_operator::platform::{Chance, Clock, Gate, Health, lease};
use itcare_sim::{Config, Entry, Operation, Sim};
use jiff::{SignedDuration, Timestamp};
use kube::Api;
pub use seen::Seen;
use serde_json::Value;
use tokio::task::JoinHandle;
use tokio::time::sleep;
use tokio_util::sync::CancellationToken;
use transport::{Early, SimTransport};

/// Both worlds begin here.
pub const START: &str = "2026-01-02T03:04:05Z";

/// Made once: a quarter of the time of the fault matrices went into making them for each world.
static DEFINITIONS: LazyLock<Vec<Value>> = LazyLock::new(itcare_operator::crd::print::all);

/// How long a pass of quiet must last before the world counts as quiet.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// Settings that a test may change before it starts a replica.
#[derive(Clone)]
pub struct Setup {
    pub settle: Duration,
    pub observe_interval: Duration,
    pub action_interval: Duration,
    pub detail_interval: Duration,
    pub timeout: Duration,
    pub rate: f64,
    pub burst: u32,
    pub page_size: u32,
    pub cluster: String,
    pub previous_clusters: Vec<String>,
    pub allowed_services: Option<BTreeMap<String, BTreeSet<i64>>>,
    pub client_id: String,
    pub secret: Arc<std::sync::Mutex<Result<String, String>>>,
    pub namespaces: Vec<String>,
    /// A lease, or a gate that is always open.
    pub elect: bool,
    /// How long a lease stands without renewal.
    pub lease: Duration,
    /// How far this process's wall clock is ahead of the API server's.
    pub skew: SignedDuration,
    /// What the attempts and waits of all replicas are drawn from.
    pub seed: u64,
}

impl Default for Setup {
    fn default() -> Self {
        Self {
            settle: Duration::from_secs(120),
            observe_interval: Duration::from_secs(60),
            action_interval: Duration::from_secs(5),
            detail_interval: Duration::from_secs(6 * 3600),
            timeout: Duration::from_secs(30),
            rate: 10.0,
            burst: 20,
            page_size: 200,
            cluster: "cluster-one".to_owned(),
            previous_clusters: Vec::new(),
            allowed_services: None,
            client_id: "demo-sa-operator".to_owned(),
            secret: Arc::new(std::sync::Mutex::new(Ok("secret".to_owned()))),
            namespaces: Vec::new(),
            elect: false,
            lease: Duration::from_secs(15),
            skew: SignedDuration::ZERO,
            seed: 0,
        }
    }
}

struct Secret {
    id: String,
    value: Arc<std::sync::Mutex<Result<String, String>>>,
}

impl Credentials for Secret {
    fn read(&self) -> Result<ClientCredentials, String> {
        let secret = self.value.lock().expect("no test panics while it holds the secret").clone()?;
        Ok(ClientCredentials { id: self.id.clone(), secret: secret.into() })
    }

    fn client_id(&self) -> String {
        self.id.clone()
    }
}

/// A cluster and a cloud.
pub struct World {
    pub sim: Sim,
    pub api: MemoryApi,
    pub setup: Setup,
    /// Calls that came before the time that ITCare had asked for.
    pub early: Early,
    replicas: AtomicU64,
}

/// A running operator. Dropping it is a SIGKILL.
pub struct Replica {
    pub stop: CancellationToken,
    pub health: Health,
    pub metrics: Metrics,
    pub gate: Gate,
    pub transport: SimTransport,
    task: JoinHandle<()>,
}

impl Replica {
    /// SIGTERM: returns when the process has ended.
    pub async fn terminate(mut self) {
        self.stop.cancel();
        (&mut self.task).await.expect("the operator does not panic");
    }

    /// SIGKILL.
    pub fn kill(self) {}

    /// Whether it has ended by itself.
    pub fn has_ended(&self) -> bool {
        self.task.is_finished()
    }
}

impl Drop for Replica {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// An API server that knows our definitions, on a clock that begins then.
fn cluster_at(start: Timestamp) -> MemoryApi {
    let clock = Clock::starting_at(start);
    let api = MemoryApi::with_clock(move || clock.now().wall);
    for definition in DEFINITIONS.iter() {
        api.define(definition);
    }
    api
}

impl World {
    /// Actions take two seconds.
    pub fn new() -> Self {
        Self::with(Config::auto(Duration::from_secs(2)))
    }

    /// With a cloud of another set-up.
    pub fn with(config: Config) -> Self {
        // RUST_LOG=debug shows what the operator says; by default it says nothing, which saves a fifth of the time.
        let filter = tracing_subscriber::EnvFilter::builder()
            .with_default_directive(tracing_subscriber::filter::LevelFilter::OFF.into())
            .from_env_lossy();
        let _ = tracing_subscriber::fmt().with_env_filter(filter).with_test_writer().try_init();
        Self {
            sim: Sim::new(config),
            // The shell must not be able to tell the two clocks apart.
            api: cluster_at(START.parse().expect("a time")),
            setup: Setup::default(),
            early: Early::default(),
            replicas: AtomicU64::new(0),
        }
    }

    /// Another cluster, with its own API server and cluster id, on the same account of the same cloud.
    pub fn beside(&self, cluster: &str) -> Self {
        let setup = Setup { cluster: cluster.to_owned(), ..self.setup.clone() };
        // Two processes never draw the same attempt.
        Self {
            sim: self.sim.clone(),
            api: cluster_at(self.now()),
            setup,
            early: Arc::clone(&self.early),
            replicas: AtomicU64::new(1_000),
        }
    }

    /// A cloud that does not protect us: names are not unique, the snapshot slot is not single.
    pub fn lax() -> Self {
        let world = Self::new();
        world.sim.quirks(|quirks| {
            quirks.unique_names = false;
            quirks.single_slot = false;
        });
        world
    }

    /// Starts a replica.
    pub fn start(&self) -> Replica {
        self.start_with(&self.setup)
    }

    /// Starts a replica with settings of its own.
    pub fn start_with(&self, setup: &Setup) -> Replica {
        let number = self.replicas.fetch_add(1, Ordering::Relaxed) + 1;
        let transport = SimTransport::new(self.sim.clone()).telling(Arc::clone(&self.early));
        let clock = Clock::starting_at(self.api.now() + setup.skew);
        let metrics = Metrics::default();
        let health = Health::default();
        let stop = CancellationToken::new();
        let options = ClientOptions {
            root: "http://itcare/itcare".parse().expect("a URL"),
            token_url: "http://itcare/auth/realms/cloud/protocol/openid-connect/token"
                .parse()
                .expect("a URL"),
            scope: None,
            rate: setup.rate,
            burst: setup.burst,
            timeout: setup.timeout,
        };
        let credentials = Secret { id: setup.client_id.clone(), value: Arc::clone(&setup.secret) };
        let itcare =
            api::Client::new(options, Arc::new(transport.clone()), Arc::new(credentials), Arc::new(()));
        let identity = format!("replica-{number}");
        let drained = CancellationToken::new();
        let (gate, elector) = if setup.elect {
            let settings = lease::Settings {
                name: "itcare-operator".to_owned(),
                identity: identity.clone(),
                duration: setup.lease,
            };
            let (elector, gate) =
                lease::Elector::new(Api::namespaced(self.api.client(), "default"), settings, clock.clone());
            (gate, Some(elector))
        } else {
            (Gate::open(), None)
        };
        let parts = Parts {
            calls: self.api.client(),
            watches: self.api.client(),
            itcare,
            clock,
            chance: Chance::seeded((number * 7919) ^ setup.seed),
            gate: gate.clone(),
            health: health.clone(),
            meter: Meter::new(&metrics),
            settings: Settings {
                cluster: ClusterId::new(setup.cluster.clone()),
                previous_clusters: setup.previous_clusters.iter().cloned().map(ClusterId::new).collect(),
                settle: setup.settle,
                observe_interval: setup.observe_interval,
                action_interval: setup.action_interval,
                detail_interval: setup.detail_interval,
                send_window: setup.timeout + setup.lease,
                allowed_services: setup.allowed_services.as_ref().map(|allowed| {
                    let ids = |ids: &BTreeSet<i64>| ids.iter().copied().map(ServiceId::new).collect();
                    allowed.iter().map(|(namespace, services)| (namespace.clone(), ids(services))).collect()
                }),
                passes: 512,
            },
            namespaces: setup.namespaces.clone(),
            page_size: setup.page_size,
            identity,
        };
        let ending = stop.clone();
        let task = tokio::spawn(async move {
            let operated = async {
                operate(parts, ending.clone()).await;
                drained.cancel();
            };
            match elector {
                None => operated.await,
                Some(elector) => {
                    tokio::join!(operated, elector.run(ending.clone(), drained.clone()));
                }
            }
        });
        Replica { stop, health, metrics, gate, transport, task }
    }

    /// The time, as both worlds see it.
    pub fn now(&self) -> Timestamp {
        self.api.now()
    }

    /// Applies a manifest as a user does.
    #[track_caller]
    pub fn apply(&self, manifest: Value) {
        self.api.apply(manifest).expect("the manifest is accepted");
    }

    /// The instance object of that name in `shop`.
    #[track_caller]
    pub fn instance(&self, name: &str) -> Seen {
        Seen(
            self.api
                .get("itcareinstances", "shop", name)
                .unwrap_or_else(|| panic!("there is no instance {name}")),
        )
    }

    /// The snapshot object of that name in `shop`.
    #[track_caller]
    pub fn snapshot(&self, name: &str) -> Seen {
        Seen(
            self.api
                .get("itcaresnapshots", "shop", name)
                .unwrap_or_else(|| panic!("there is no snapshot {name}")),
        )
    }

    /// Whether the object is gone.
    pub fn is_gone(&self, resource: &str, name: &str) -> bool {
        self.api.get(resource, "shop", name).is_none()
    }

    /// Asks for the deletion of an instance object.
    #[track_caller]
    pub fn delete(&self, name: &str) {
        self.api.delete("itcareinstances", "shop", name).expect("the object is there");
    }

    /// Changes the spec of an instance object.
    #[track_caller]
    pub fn patch(&self, name: &str, spec: Value) {
        self.api.patch_spec("itcareinstances", "shop", name, spec).expect("the object is there");
    }

    /// Sets the annotation that asks for a fresh look, to the time of now.
    #[track_caller]
    pub fn ask_for_a_look(&self, name: &str) {
        let now = self.now().to_string();
        let ask = |object: &mut Value| {
            object["metadata"]["annotations"]["itcare.cegedim.cloud/reconcile-requested-at"] =
                now.clone().into();
        };
        self.api.edit("itcareinstances", "shop", name, ask).expect("the object is there");
    }

    /// The requests that were meant to change something, in order.
    pub fn changes(&self) -> Vec<Entry> {
        self.sim.journal().into_iter().filter(|entry| entry.operation.is_mutating()).collect()
    }

    /// How many requests of that operation came.
    pub fn count(&self, operation: Operation) -> usize {
        self.sim.count(|entry| entry.operation == operation)
    }

    /// The changes as words, for comparison with what was expected.
    pub fn change_words(&self) -> Vec<Operation> {
        self.changes().into_iter().map(|entry| entry.operation).collect()
    }

    /// Waits until the instance's `Ready` has that reason.
    pub async fn until_reason(&self, name: &str, reason: &str) {
        self.until(name, &format!("Ready has reason {reason}"), |seen| seen.reason() == reason).await;
    }

    /// Waits, at most two virtual hours, until the instance is as wished.
    pub async fn until(&self, name: &str, what: &str, wish: impl Fn(&Seen) -> bool) {
        self.wait(&format!("instance {name}: {what}"), || {
            let seen = self.api.get("itcareinstances", "shop", name).map(Seen);
            if seen.as_ref().is_some_and(&wish) { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Waits until the snapshot is as wished.
    pub async fn until_snapshot(&self, name: &str, what: &str, wish: impl Fn(&Seen) -> bool) {
        self.wait(&format!("snapshot {name}: {what}"), || {
            let seen = self.api.get("itcaresnapshots", "shop", name).map(Seen);
            if seen.as_ref().is_some_and(&wish) { Ok(()) } else { Err(seen) }
        })
        .await;
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, resource: &str, name: &str) {
        self.wait(&format!("{resource} {name} is gone"), || {
            let seen = self.api.get(resource, "shop", name).map(Seen);
            seen.map_or(Ok(()), Err)
        })
        .await;
    }

    /// Waits, at most for that long, until it is so.
    pub async fn wait_for(&self, limit: Duration, what: &str, condition: impl Fn() -> bool) {
        let begun = tokio::time::Instant::now();
        while !condition() {
            assert!(begun.elapsed() < limit, "not within {limit:?}: {what}; calls:\n{}", self.tail());
            sleep(Duration::from_millis(250)).await;
        }
    }

    /// Waits, at most two virtual hours, for a condition; prints what was seen and called when it fails.
    pub async fn wait<E: std::fmt::Debug>(&self, what: &str, condition: impl Fn() -> Result<(), E>) {
        let begun = tokio::time::Instant::now();
        loop {
            match condition() {
                Ok(()) => return,
                Err(_) if begun.elapsed() < Duration::from_secs(2 * 3600) => {
                    sleep(Duration::from_millis(250)).await
                }
                Err(seen) => panic!("not within two hours: {what}; seen: {seen:#?}\ncalls:\n{}", self.tail()),
            }
        }
    }

    /// Lets time pass.
    pub async fn pass(&self, span: Duration) {
        sleep(span).await;
    }

    /// Lets time pass until nothing has been changed for a while.
    pub async fn quiet(&self) {
        // The Lease moves all the time, and Events are told, not done.
        let ours = |request: &itcare_lab::memory::Recorded| {
            request.is_write() && request.resource != "leases" && request.resource != "events"
        };
        let changes = |entry: &Entry| entry.operation.is_mutating();
        let mark = |world: &Self| (world.sim.count(changes), world.api.count(ours));
        let mut last = mark(self);
        let mut since = tokio::time::Instant::now();
        let begun = since;
        while since.elapsed() < QUIET {
            assert!(
                begun.elapsed() < Duration::from_secs(24 * 3600),
                "no quiet within a day; calls:\n{}",
                self.tail()
            );
            sleep(Duration::from_secs(5)).await;
            let now = mark(self);
            if now != last {
                (last, since) = (now, tokio::time::Instant::now());
            }
        }
    }

    /// The last requests, a line each.
    pub fn tail(&self) -> String {
        let journal = self.sim.journal();
        let skip = journal.len().saturating_sub(40);
        let lines = journal.iter().skip(skip).map(|entry| {
            format!(
                "  {} {} {}?{} → {:?} {}",
                entry.at, entry.method, entry.path, entry.query, entry.answer, entry.body
            )
        });
        lines.collect::<Vec<_>>().join("\n")
    }
}
