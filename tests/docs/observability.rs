//! Alerts and dashboard against the running operator: whatever they name, it exposes.

use std::collections::{BTreeMap, BTreeSet};

use itcare_lab::eventually::eventually;
use itcare_operator::crd::{ConditionType, Reason};
use itcare_operator::model::{FailureClass, OperationKind};
use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};

use crate::bench::{Bench, SOON};
use crate::markdown::{Document, anchor, root};
use crate::page::{Family, read};
use crate::promql::{self, Query};

const ALERTS: &str = "charts/itcare-operator/files/alerts.yaml";
const DASHBOARD: &str = "charts/itcare-operator/files/dashboard.json";
const RUNBOOKS: &str = "deploy/docs/runbooks.md";

/// Labels that a scrape adds.
const OF_THE_TARGET: &[&str] = &["namespace", "job", "pod", "instance"];

fn text(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn groups() -> Value {
    serde_saphyr::from_str(&text(ALERTS)).expect("the alerts are YAML")
}

fn alerts() -> Vec<Value> {
    let groups = groups();
    let groups = groups["groups"].as_array().expect("groups").clone();
    groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
}

/// The alerts as an object for clusters with the Prometheus operator.
pub fn rule() -> String {
    let object = json!({
        "apiVersion": "monitoring.coreos.com/v1",
        "kind": "PrometheusRule",
        "metadata": {"name": "itcare-operator", "labels": {"app.kubernetes.io/name": "itcare-operator"}},
        "spec": groups(),
    });
    let object = serde_saphyr::to_string(&object).expect("it is YAML");
    format!("# Generated from {ALERTS}: UPDATE_DOCS=1 cargo test --test docs generated\n{object}")
}

/// The dashboard, for those who do not use the chart.
pub fn dashboard() -> String {
    text(DASHBOARD)
}

/// Every expression, with where it stands.
fn expressions() -> Vec<(String, String)> {
    let rules = alerts().into_iter().map(|rule| {
        let word = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
        (format!("alert {}", word("alert")), word("expr"))
    });
    let dashboard: Value = serde_json::from_str(&dashboard()).expect("the dashboard is JSON");
    let mut all: Vec<(String, String)> = rules.collect();
    for panel in dashboard["panels"].as_array().expect("panels") {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = panel["title"].as_str().unwrap_or_default();
            all.push((format!("panel {title}"), target["expr"].as_str().unwrap_or_default().to_owned()));
        }
    }
    for variable in dashboard["templating"]["list"].as_array().into_iter().flatten() {
        if variable["type"] == "query" {
            all.push(("a variable".to_owned(), variable["query"].as_str().unwrap_or_default().to_owned()));
        }
    }
    all
}

/// Values that a life need not show, from the lists that they come from.
fn vocabulary(label: &str) -> Vec<String> {
    let words = |all: &[&str]| all.iter().map(|word| (*word).to_owned()).collect();
    match label {
        "reason" => Reason::ALL.iter().map(ToString::to_string).collect(),
        "condition" => ConditionType::ALL.iter().map(|one| one.as_str().to_owned()).collect(),
        "operation" => OperationKind::ALL.iter().map(ToString::to_string).collect(),
        "status" => words(&["True", "False", "Unknown"]),
        "result" => words(&["ok", "error", "Succeeded", "Failed", "Refused", "OutcomeUnknown", "Expired"]),
        "code" => words(&["429", "503"]),
        "outcome" => {
            let classes = [
                FailureClass::Transient,
                FailureClass::Throttled(None),
                FailureClass::Ambiguous(None),
                FailureClass::Forbidden,
                FailureClass::Garbled,
            ];
            classes.map(|class| class.as_str().to_owned()).to_vec()
        }
        _ => Vec::new(),
    }
}

/// What an expression names that is not exposed.
fn unknown(query: &Query, families: &BTreeMap<String, Family>) -> Vec<String> {
    let family = |metric: &str| families.values().find(|family| family.series.contains(metric));
    let mut wrong = Vec::new();
    let mut labels: BTreeSet<&str> = OF_THE_TARGET.iter().copied().collect();
    for metric in &query.metrics {
        match family(metric) {
            Some(family) => labels.extend(family.labels.keys().map(String::as_str)),
            None => {
                // A template variable is `label_values(metric, label)`.
                if !OF_THE_TARGET.contains(&metric.as_str()) {
                    wrong.push(format!("no metric {metric}"));
                }
            }
        }
    }
    for (metric, label, value) in &query.matches {
        if OF_THE_TARGET.contains(&label.as_str()) {
            continue;
        }
        let seen = family(metric).and_then(|family| family.labels.get(label));
        match seen {
            None => wrong.push(format!("{metric} has no label {label}")),
            Some(seen) if !seen.contains(value) && !vocabulary(label).contains(value) => {
                wrong.push(format!("{metric}: {label} is never {value}"));
            }
            Some(_) => {}
        }
    }
    wrong.extend(
        query
            .grouped
            .iter()
            .filter(|label| !labels.contains(label.as_str()))
            .map(|label| format!("no label {label}")),
    );
    wrong
}

#[test]
fn each_alert_says_what_is_wrong_and_has_its_run_book() {
    let runbooks = Document::read(&root().join(RUNBOOKS));
    let anchors = runbooks.anchors();
    let mut named = BTreeSet::new();
    for rule in alerts() {
        let name = rule["alert"].as_str().expect("an alert has a name").to_owned();
        let severity = rule["labels"]["severity"].as_str().unwrap_or_default();
        assert!(["critical", "warning", "info"].contains(&severity), "{name}: {severity}");
        for part in ["summary", "description"] {
            assert!(rule["annotations"][part].as_str().is_some_and(|text| text.len() > 15), "{name}: {part}");
        }
        assert_eq!(rule["annotations"]["runbook"], format!("{RUNBOOKS}#{}", anchor(&name)), "{name}");
        assert!(anchors.contains(&anchor(&name)), "{RUNBOOKS} has no heading {name}");
        assert!(named.insert(anchor(&name)), "{name} is there twice");
    }
    // One heading is the title.
    let without: Vec<_> = anchors.iter().skip(1).filter(|heading| !named.contains(*heading)).collect();
    assert!(without.is_empty(), "run-books without an alert: {without:?}");
}

#[test]
fn a_name_a_label_or_a_value_that_is_not_exposed_is_noticed() {
    let families = crate::metrics::families();
    let of = |expression: &str| unknown(&promql::read(expression), &families);
    assert_eq!(of(r#"max(itcare_operator_objects{controller="instance"})"#), Vec::<String>::new());
    assert_eq!(of("sum(itcare_operator_reconcile_total)"), ["no metric itcare_operator_reconcile_total"]);
    assert_eq!(of(r#"itcare_operator_objects{kind="x"}"#), ["itcare_operator_objects has no label kind"]);
    assert_eq!(of("sum by (code) (itcare_operator_leading)"), ["no label code"]);
    let value = r#"itcare_operator_conditions{reason="Sleeping"}"#;
    assert_eq!(of(value), ["itcare_operator_conditions: reason is never Sleeping"]);
}

/// The texts of every list of fields: of `path`, `labelsFromPath` and `valueFrom`.
fn paths(value: &Value, inside: &[Value], into: &mut Vec<Vec<String>>) {
    let list = |value: &Value| -> Option<Vec<Value>> { value.as_array().cloned() };
    let words = |parts: &[Value]| parts.iter().filter_map(Value::as_str).map(str::to_owned).collect();
    for (key, value) in value.as_object().into_iter().flatten() {
        match (key.as_str(), list(value)) {
            ("path", Some(parts)) => into.push(words(&parts)),
            ("valueFrom", Some(parts)) => into.push(words(&[inside, parts.as_slice()].concat())),
            ("labelsFromPath", None) => {
                for parts in value.as_object().into_iter().flatten().filter_map(|(_, parts)| list(parts)) {
                    into.push(words(&[inside, parts.as_slice()].concat()));
                }
            }
            _ => {
                let below = value["path"].as_array().filter(|_| value.is_object()).cloned();
                paths(value, below.as_deref().unwrap_or(inside), into);
            }
        }
    }
    value.as_array().into_iter().flatten().for_each(|item| paths(item, inside, into));
}

#[test]
fn what_kube_state_metrics_is_told_to_read_is_in_the_definitions() {
    let config: Value =
        serde_saphyr::from_str(&text("deploy/monitoring/kube-state-metrics.yaml")).expect("it is YAML");
    let definitions = itcare_operator::crd::print::all();
    let mut read = 0;
    for resource in config["spec"]["resources"].as_array().expect("resources") {
        let kind = &resource["groupVersionKind"];
        let definition = definitions.iter().find(|one| one["spec"]["names"]["kind"] == kind["kind"]);
        let definition = definition.unwrap_or_else(|| panic!("there is no kind {kind}"));
        let version = &definition["spec"]["versions"][0];
        assert_eq!((&definition["spec"]["group"], &version["name"]), (&kind["group"], &kind["version"]));
        let mut all = Vec::new();
        paths(resource, &[], &mut all);
        for path in all {
            read += 1;
            if ["namespace", "name", "deletionTimestamp"].iter().any(|field| path == ["metadata", field]) {
                continue;
            }
            let mut schema = &version["schema"]["openAPIV3Schema"];
            for part in &path {
                let inside = if schema["type"] == "array" { &schema["items"] } else { schema };
                schema = &inside["properties"][part];
            }
            assert!(!schema.is_null(), "{}: there is no field {path:?}", kind["kind"]);
        }
    }
    assert!(read > 20, "only {read} fields were looked up");
    let words = |value: &Value| value.as_array().expect("a list").clone();
    let power = &config["spec"]["resources"][0]["metrics"][1]["each"]["stateSet"];
    let status = &definitions[0]["spec"]["versions"][0]["schema"]["openAPIV3Schema"]["properties"]["status"];
    assert_eq!(words(&power["list"]), words(&status["properties"]["powerState"]["enum"]));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_alerts_and_dashboard_name_the_running_operator_exposes() {
    let bench = Bench::new("observed").await;
    let operator = bench.operator(&["--detail-interval=3s"]);
    operator.ready().await;
    let status = |code| FaultKind::status(code, false);
    // A life with its troubles: a server error, a request to slow down, a right that lacks, a refusal.
    bench.sim.inject(Fault::once(Match::operation(Operation::List), status(500)));
    bench.sim.inject(Fault::once(Match::operation(Operation::Start), status(429)));
    bench.sim.inject(Fault::once(Match::operation(Operation::Storage), status(403)));
    bench.instance("web", json!({"powerState": "Stopped"})).await;
    bench.until_true("ITCareInstance", "web", "Ready").await;
    bench.apply("ITCareSnapshot", "before", json!({"instanceRef": {"name": "web"}})).await;
    bench.until_true("ITCareSnapshot", "before", "Available").await;
    bench.patch("ITCareInstance", "web", json!({"spec": {"powerState": "Running"}})).await;
    bench.until_true("ITCareInstance", "web", "Ready").await;
    bench.instance("taken", json!({"name": bench.host("web")})).await;
    bench.until_true("ITCareInstance", "taken", "Stalled").await;
    bench.patch("ITCareInstance", "web", json!({"spec": {"driftPolicy": "Report"}})).await;
    let web = bench.until_true("ITCareInstance", "web", "Ready").await;
    let id = web["status"]["id"].as_i64().expect("it has an id");
    bench.sim.edit(id, |vm| vm.monitoring = !vm.monitoring);
    bench.patch("ITCareInstance", "web", json!({"spec": {"monitoring": {"enabled": false}}})).await;
    bench.until_true("ITCareInstance", "web", "Ready").await;

    let stalled = r#"itcare_operator_conditions{controller="instance",condition="Stalled",status="True",reason="Conflict"}"#;
    eventually(SOON, "the objects are counted", || async {
        let page = operator.metrics().await;
        let counted = operator.metric(stalled).await == Some(1.0)
            && operator
                .metric("itcare_operator_oldest_snapshot_age_seconds")
                .await
                .is_some_and(|age| age > 0.0)
            && operator.metric("itcare_operator_credentials_valid").await == Some(1.0)
            && page.contains(r#"itcare_operator_objects{controller="instance"} 2"#)
            && page.contains(r#"code="429""#);
        if counted { Ok(()) } else { Err(page) }
    })
    .await;
    let families = read(&operator.metrics().await);
    let mut wrong = Vec::new();
    for (place, expression) in expressions() {
        let query = promql::read(&expression);
        assert!(!query.metrics.is_empty(), "{place} names no metric: {expression}");
        wrong.extend(unknown(&query, &families).into_iter().map(|what| format!("{place}: {what}")));
    }
    assert!(wrong.is_empty(), "{wrong:#?}");

    // The reference tells the same metrics, with the same labels.
    let shape = |all: &BTreeMap<String, Family>| {
        let of = |family: &Family| (family.kind.clone(), family.labels.keys().cloned().collect::<Vec<_>>());
        all.iter().map(|(name, family)| (name.clone(), of(family))).collect::<BTreeMap<_, _>>()
    };
    let (exposed, told) = (shape(&families), shape(&crate::metrics::families()));
    assert_eq!(exposed, told);
    let made = families["itcare_operator_api_requests"].labels["operation"].clone();
    let strange: Vec<_> = made.iter().filter(|name| !crate::calls::names().contains(name.as_str())).collect();
    assert!(strange.is_empty(), "calls that the reference does not tell: {strange:?}");

    // Gone objects are not counted any more.
    for name in ["taken", "web"] {
        bench.patch("ITCareInstance", name, json!({"spec": {"deletionPolicy": "Retain"}})).await;
        bench.delete("ITCareInstance", name).await;
        bench.until_gone("ITCareInstance", name).await;
    }
    eventually(SOON, "none is counted", || async {
        let page = operator.metrics().await;
        if page.contains(r#"itcare_operator_objects{controller="instance"} 0"#) { Ok(()) } else { Err(page) }
    })
    .await;
}
