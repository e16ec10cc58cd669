//! What is measured. Labels come from closed lists only: no object names.

use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::{Histogram, exponential_buckets};

use crate::api::Observer;
use crate::crd::Reason;
use crate::model::{FailureClass, OperationKind};
use crate::platform::metrics::Metrics;

/// Labels of a pass.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct PassLabels {
    controller: &'static str,
    result: &'static str,
}

/// Labels of one of ITCare's calls.
#[derive(Clone, Debug, Hash, PartialEq, Eq, EncodeLabelSet)]
struct RequestLabels {
    operation: &'static str,
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
    tokens: Family<RequestLabels, Counter>,
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
            throttled: Counter::default(),
            leading: Gauge::default(),
            last_success: Gauge::default(),
        };
        metrics.register(|registry| {
            let registry = registry.sub_registry_with_prefix("itcare_operator");
            registry.register("reconciles", "Passes, by controller and result", inner.passes.clone());
            registry.register("reconcile_seconds", "Duration of a pass", inner.pass_seconds.clone());
            registry.register(
                "api_requests",
                "Calls to ITCare, by operation and outcome",
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
        _status: Option<u16>,
        class: Option<FailureClass>,
        elapsed: Duration,
    ) {
        let outcome = class.map_or("ok", FailureClass::as_str);
        self.meter.0.requests.get_or_create(&RequestLabels { operation, outcome }).inc();
        self.meter.0.request_seconds.observe(elapsed.as_secs_f64());
        if class.is_none() {
            #[expect(clippy::cast_precision_loss, reason = "seconds since 1970 fit a double")]
            self.meter.0.last_success.set(self.clock.now().wall.as_second() as f64);
        }
    }

    fn token(&self, ok: bool) {
        let outcome = if ok { "ok" } else { "failed" };
        self.meter.0.tokens.get_or_create(&RequestLabels { operation: "token", outcome }).inc();
    }

    fn throttled(&self) {
        self.meter.0.throttled.inc();
    }
}
