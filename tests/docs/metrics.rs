//! The metrics as the registry tells them, once each of them has counted something.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_operator::api::Observer as _;
use itcare_operator::controller::census::Census;
use itcare_operator::controller::meter::{ApiMeter, Meter};
use itcare_operator::crd::{Fetched, ITCareInstance, Reason};
use itcare_operator::model::{OperationKind, OperationResult};
use itcare_operator::platform::Clock;
use itcare_operator::platform::metrics::Metrics;
use serde_json::json;

use crate::page::{Family, read};

/// What a label tells.
fn label(name: &str) -> &'static str {
    match name {
        "controller" => "`instance` or `snapshot`: the kind of object",
        "result" => {
            "of a pass `ok` or `error`; of an action `Succeeded`, `Failed`, `Refused`, `OutcomeUnknown`"
        }
        "operation" => {
            "of a call the name in [the list of calls](api-calls.md); of a change or action its kind there"
        }
        "outcome" => {
            "`ok` (of a change `accepted`; of a token `ok` or `failed`), or the class of the failure: `Transient`, \
             `Throttled`, `Ambiguous`, `Rejected`, `Unauthenticated`, `NoCredentials`, `Forbidden`, `Missing`, `Garbled`"
        }
        "code" => "the HTTP status, or `none` where no reply came",
        "condition" => "`Ready`, `Reconciling`, `Stalled`, `Drifted` or `Available`",
        "status" => "`True`, `False` or `Unknown`",
        "reason" => "one of [the reasons](conditions.md)",
        "what" => "what was written",
        "version" => "the operator's version",
        "le" => "the upper bound of the bucket, in seconds",
        other => panic!("the label {other} is not described"),
    }
}

/// A registry in which everything has counted once.
pub fn families() -> BTreeMap<String, Family> {
    let metrics = Metrics::default();
    let meter = Meter::new(&metrics);
    meter.pass("instance", "ok", Duration::from_millis(1));
    meter.sent(OperationKind::Create, "accepted");
    meter.ended(OperationKind::Create, OperationResult::Succeeded, Duration::from_secs(1));
    meter.transition("instance", Reason::Running);
    meter.wrote("instance", "status");
    meter.leading(true);
    meter.credentials(true);
    let api = ApiMeter::new(meter.clone(), Clock::system());
    api.request("listInstances", Some(200), None, Duration::from_millis(1));
    api.token(true);
    api.throttled();
    let census = Census::new(meter);
    let object = json!({
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {},
        "status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Running"}]},
    });
    let fetched: Fetched<ITCareInstance> = serde_json::from_value(object).expect("a record is lenient");
    census.saw(&fetched.record);
    census.age(Clock::system().now().wall);
    read(&metrics.text())
}

/// The reference of the metrics.
pub fn page() -> String {
    let mut text = String::from(
        "<!-- Generated from the registry: UPDATE_DOCS=1 cargo test --test docs generated -->\n\
         # Metrics\n\n\
         Served on `/metrics` of `--metrics-address`, as OpenMetrics text. No label holds a name, an id or a message. \
         All replicas count objects alike, so take the `max` over them; calls, passes and changes are counted by the \
         replica that made them, so take the `sum`.\n\n\
         | Metric | Type | Labels | Meaning |\n| --- | --- | --- | --- |\n",
    );
    let families = families();
    let mut labels: BTreeMap<String, &'static str> = BTreeMap::new();
    for (name, family) in families.iter().filter(|(_, family)| !family.kind.is_empty()) {
        let series = match family.kind.as_str() {
            "counter" => format!("{name}_total"),
            "info" => format!("{name}_info"),
            _ => name.clone(),
        };
        let own: Vec<String> =
            family.labels.keys().filter(|label| *label != "le").map(|label| format!("`{label}`")).collect();
        for name in family.labels.keys() {
            labels.insert(name.clone(), label(name));
        }
        text.push_str(&format!("| `{series}` | {} | {} | {} |\n", family.kind, own.join(", "), family.help));
    }
    text.push_str("\n## Labels\n\n| Label | Values |\n| --- | --- |\n");
    for (name, meaning) in labels {
        text.push_str(&format!("| `{name}` | {meaning} |\n"));
    }
    text.push_str(
        "\nA histogram has `_bucket`, `_sum` and `_count`; a bucket's bound is in `le`. Alerts on these are in \
         `charts/itcare-operator/files/alerts.yaml`, with [a run-book for each](../runbooks.md).\n",
    );
    text
}
