//! What is measured. Labels come from closed lists only: no object names.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};
use prometheus_client::metrics::info::Info;

use crate::api::Observer;
use crate::crd::{ConditionType, Reason};
use crate::model::{FailureClass, OperationKind, OperationResult};
use crate::platform::metrics::Metrics;

/// Labels of a pass.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PassLabels {
    controller: &'static str,
    result: &'static str,
}

/// Labels of one of ITCare's calls. The code is the HTTP status, or `none` where no reply came.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
    outcome: &'static str,
    code: String,
}

/// Labels of a token request.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct TokenLabels {
    outcome: &'static str,
}

/// Labels of a change that was sent.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct SentLabels {
    operation: &'static str,
    outcome: &'static str,
}

/// Labels of a transition.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ReasonLabels {
    controller: &'static str,
    reason: &'static str,
}

/// Labels of what is known of all objects of a kind.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ControllerLabels {
    controller: &'static str,
}

/// Labels of a condition that objects have.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ConditionLabels {
    controller: &'static str,
    condition: &'static str,
    status: &'static str,
    reason: &'static str,
}

/// Labels of an action that ended.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct ActionLabels {
    operation: &'static str,
    result: &'static str,
}

/// Labels of the build.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct BuildLabels {
    version: &'static str,
}

/// Labels of a write to the API server.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct WriteLabels {
    controller: &'static str,
    what: &'static str,
}

/// The operator's metrics; cheap to clone.
#[derive(Clone)]
pub struct Meter(Arc<Inner>);

struct Inner {
    passes: Family<PassLabels, Counter>,
    pass_seconds: Histogram,
    requests: Family<RequestLabels, Counter>,
    request_seconds: Histogram,
    sent: Family<SentLabels, Counter>,
    reasons: Family<ReasonLabels, Counter>,
    writes: Family<WriteLabels, Counter>,
    tokens: Family<TokenLabels, Counter>,
    actions: Family<ActionLabels, Histogram, fn() -> Histogram>,
    objects: Family<ControllerLabels, Gauge>,
    conditions: Family<ConditionLabels, Gauge>,
    deletion_wait: Family<ControllerLabels, Gauge<f64, AtomicU64>>,
    reconciling: Family<ControllerLabels, Gauge<f64, AtomicU64>>,
    snapshot_age: Gauge<f64, AtomicU64>,
    credentials: Gauge,
    throttled: Counter,
    leading: Gauge,
    last_success: Gauge<f64, AtomicU64>,
}

impl Meter {
    /// Registers everything.
    #[must_use]
    pub fn new(metrics: &Metrics) -> Self {
        let inner = Inner {
            passes: Family::default(),
            pass_seconds: Histogram::new(exponential_buckets(0.000_05, 3.0, 14)),
            requests: Family::default(),
            request_seconds: Histogram::new(exponential_buckets(0.005, 2.0, 14)),
            sent: Family::default(),
            reasons: Family::default(),
            writes: Family::default(),
            tokens: Family::default(),
            // From the seconds of a start to the hours of a creation that waits for a person.
            actions: Family::new_with_constructor(|| Histogram::new(exponential_buckets(1.0, 2.0, 14))),
            objects: Family::default(),
            conditions: Family::default(),
            deletion_wait: Family::default(),
            reconciling: Family::default(),
            snapshot_age: Gauge::default(),
            credentials: Gauge::default(),
            throttled: Counter::default(),
            leading: Gauge::default(),
            last_success: Gauge::default(),
        };
        let version = env!("CARGO_PKG_VERSION");
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("itcare_operator");
            registry.register("reconciles", "Passes, by controller and result", inner.passes.clone());
            registry.register("reconcile_seconds", "Duration of a pass", inner.pass_seconds.clone());
            registry.register(
                "api_requests",
                "Calls to ITCare, by operation, outcome and HTTP status",
                inner.requests.clone(),
            );
            registry.register(
                "api_request_seconds",
                "Duration of a call to ITCare",
                inner.request_seconds.clone(),
            );
            registry.register(
                "operations",
                "Changes sent to ITCare, by operation and outcome",
                inner.sent.clone(),
            );
            registry.register(
                "action_seconds",
                "From sending a change to the end of its action, by operation and result",
                inner.actions.clone(),
            );
            registry.register("objects", "Objects in the cluster", inner.objects.clone());
            registry.register(
                "conditions",
                "Objects that have this condition with this status and reason",
                inner.conditions.clone(),
            );
            registry.register(
                "deletion_wait_seconds",
                "How long the deletion that waits longest has waited; 0 when none does",
                inner.deletion_wait.clone(),
            );
            registry.register(
                "reconciling_seconds",
                "How long the object that has been worked on longest has been; 0 when none is",
                inner.reconciling.clone(),
            );
            registry.register(
                "oldest_snapshot_age_seconds",
                "Age of the oldest snapshot that can be recovered; 0 when there is none",
                inner.snapshot_age.clone(),
            );
            registry.register(
                "credentials_valid",
                "1 once ITCare gave a token, 0 while it does not; only the leader asks",
                inner.credentials.clone(),
            );
            registry.register("build", "The version that runs", Info::new(BuildLabels { version }));
            registry.register(
                "transitions",
                "Changes of the Ready condition, by new reason",
                inner.reasons.clone(),
            );
            registry.register("writes", "Writes to the Kubernetes API server", inner.writes.clone());
            registry.register("token_requests", "Token requests, by outcome", inner.tokens.clone());
            registry.register("throttled", "Times that ITCare asked to slow down", inner.throttled.clone());
            registry.register("leading", "1 while this replica leads", inner.leading.clone());
            registry.register(
                "api_last_success_timestamp_seconds",
                "When ITCare last answered well",
                inner.last_success.clone(),
            );
        });
        Self(Arc::new(inner))
    }

    /// A pass ended.
    pub fn pass(&self, controller: &'static str, result: &'static str, elapsed: Duration) {
        self.0.passes.get_or_create(&PassLabels { controller, result }).inc();
        self.0.pass_seconds.observe(elapsed.as_secs_f64());
    }

    /// A change was sent, or could not be.
    pub fn sent(&self, kind: OperationKind, outcome: &'static str) {
        self.0.sent.get_or_create(&SentLabels { operation: kind.as_str(), outcome }).inc();
    }

    /// The `Ready` condition has a new reason.
    pub fn transition(&self, controller: &'static str, reason: Reason) {
        self.0.reasons.get_or_create(&ReasonLabels { controller, reason: reason.as_str() }).inc();
    }

    /// A write to the API server.
    pub fn wrote(&self, controller: &'static str, what: &'static str) {
        self.0.writes.get_or_create(&WriteLabels { controller, what }).inc();
    }

    /// An action of ours ended, so long after it was sent.
    pub fn ended(&self, kind: OperationKind, result: OperationResult, after: Duration) {
        let labels = ActionLabels { operation: kind.as_str(), result: result.as_str() };
        self.0.actions.get_or_create(&labels).observe(after.as_secs_f64());
    }

    /// So many more objects of that kind, or fewer.
    pub(super) fn objects(&self, controller: &'static str, change: i64) {
        self.0.objects.get_or_create(&ControllerLabels { controller }).inc_by(change);
    }

    /// So many more objects with that condition, or fewer.
    pub(super) fn condition(
        &self,
        controller: &'static str,
        (condition, status, reason): (ConditionType, &'static str, Reason),
        change: i64,
    ) {
        let labels =
            ConditionLabels { controller, condition: condition.as_str(), status, reason: reason.as_str() };
        self.0.conditions.get_or_create(&labels).inc_by(change);
    }

    /// How long the deletion that waits longest has waited, and for how long work on one object has gone on.
    pub(super) fn waits(&self, controller: &'static str, deletion: f64, reconciling: f64) {
        let labels = ControllerLabels { controller };
        self.0.deletion_wait.get_or_create(&labels).set(deletion);
        self.0.reconciling.get_or_create(&labels).set(reconciling);
    }

    /// The age of the oldest snapshot that can be recovered.
    pub(super) fn snapshot_age(&self, seconds: f64) {
        self.0.snapshot_age.set(seconds);
    }

    /// Whether ITCare gave a token when it was last asked for one.
    pub fn credentials(&self, valid: bool) {
        self.0.credentials.set(i64::from(valid));
    }

    /// Whether this replica leads.
    pub fn leading(&self, leads: bool) {
        self.0.leading.set(i64::from(leads));
    }
}

/// The client's observer: it knows nothing of metrics, and the metrics nothing of requests.
pub struct ApiMeter {
    meter: Meter,
    clock: crate::platform::Clock,
}

impl ApiMeter {
    /// For the client.
    #[must_use]
    pub fn new(meter: Meter, clock: crate::platform::Clock) -> Self {
        Self { meter, clock }
    }
}

impl Observer for ApiMeter {
    fn request(
        &self,
        operation: &'static str,
        status: Option<u16>,
        class: Option<FailureClass>,
        elapsed: Duration,
    ) {
        let outcome = class.map_or("ok", FailureClass::as_str);
        let code = status.map_or_else(|| "none".to_owned(), |status| status.to_string());
        self.meter.0.requests.get_or_create(&RequestLabels { operation, outcome, code }).inc();
        self.meter.0.request_seconds.observe(elapsed.as_secs_f64());
        if class.is_none() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
            self.meter.0.last_success.set(self.clock.now().wall.as_second() as f64);
        }
    }

    fn token(&self, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        self.meter.0.tokens.get_or_create(&TokenLabels { outcome }).inc();
    }

    fn throttled(&self) {
        self.meter.0.throttled.inc();
    }
}
