//! What the buttons must be and do, written apart from the scripts: which are offered for which object, and the
//! whole objects that come out.
//!
//! Not here: running them (see [`crate::actions`]).

use serde_json::{Value, json};

use crate::kit::NOW;

/// Which buttons an object shows.
pub struct Discovery {
    pub input: &'static str,
    pub buttons: Vec<Value>,
}

/// One click.
pub struct Case {
    pub action: &'static str,
    pub input: &'static str,
    pub output: &'static str,
    pub parameters: Value,
    /// From the input to what Argo CD's tests expect: the changed object, or a list of new ones.
    pub expected: fn(Value) -> Value,
}

/// Name, title and icon of a button, and its parameter with the default.
type Title = (&'static str, &'static str, &'static str, Option<(&'static str, &'static str)>);

/// All buttons of a kind, those named enabled, as Argo CD's tests write them.
fn buttons(kind: &str, enabled: &[&str]) -> Vec<Value> {
    let titles: &[Title] = match kind {
        "ITCareInstance" => &[
            ("reset", "Hard reset (data loss is possible)", "bolt", Some(("comment", "Reset in Argo CD"))),
            ("resume", "Resume the operator", "forward", None),
            ("snapshot", "Take a snapshot", "camera", Some(("description", "Taken in Argo CD"))),
            ("start", "Start", "play", None),
            ("stop", "Stop", "stop", None),
            ("suspend", "Suspend the operator", "pause", None),
        ],
        _ => &[
            ("recover", "Go back to this snapshot (what changed since is lost)", "history", None),
            ("resume", "Resume the operator", "forward", None),
            ("suspend", "Suspend the operator", "pause", None),
        ],
    };
    let button = |(name, title, icon, parameter): &Title| {
        let mut button = json!({
            "name": name,
            "displayName": title,
            "iconClass": format!("fa fa-fw fa-{icon}"),
            "disabled": !enabled.contains(name),
        });
        if let Some((name, default)) = parameter {
            button["params"] = json!([{"name": name, "default": default}]);
        }
        button
    };
    titles.iter().map(button).collect()
}

/// The buttons of every scene that decides one of them.
pub fn discoveries(kind: &str) -> Vec<Discovery> {
    let scenes: &[(&str, &[&str])] = match kind {
        "ITCareInstance" => &[
            ("healthy_running", &["stop", "reset", "snapshot", "suspend"]),
            ("healthy_stopped", &["start", "snapshot", "suspend"]),
            ("healthy_power_left_alone", &["start", "snapshot", "suspend"]),
            ("healthy_slot_taken", &["stop", "reset", "suspend"]),
            ("healthy_observed", &["suspend"]),
            ("suspended", &["resume"]),
            ("suspended_deleting", &["resume"]),
            ("progressing_deleting", &["suspend"]),
            ("progressing_no_status", &["stop", "suspend"]),
            ("degraded_rejected", &["stop", "suspend"]),
        ],
        _ => &[
            ("healthy_available", &["recover", "suspend"]),
            ("healthy_expired", &["suspend"]),
            ("healthy_skipped", &["suspend"]),
            ("progressing_default", &["suspend"]),
            ("progressing_deleting", &["suspend"]),
            ("suspended", &["resume"]),
        ],
    };
    scenes.iter().map(|(input, enabled)| Discovery { input, buttons: buttons(kind, enabled) }).collect()
}

fn with_spec(mut object: Value, field: &str, value: Value) -> Value {
    object["spec"][field] = value;
    object
}

/// A list of what is created, in the words of Argo CD's tests.
fn snapshot(description: &str) -> Value {
    let resource = json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": "ITCareSnapshot",
        "metadata": {
            "generateName": "web-",
            "namespace": "shop",
            "labels": {"itcare.cegedim.cloud/instance": "web"},
        },
        "spec": {"instanceRef": {"name": "web"}, "description": description, "onSlotTaken": "Fail"},
    });
    json!([{"k8sOperation": "create", "unstructuredObj": resource}])
}

/// Every click that is tested.
pub fn cases(kind: &str) -> Vec<Case> {
    let case =
        |action, input, output, parameters, expected| Case { action, input, output, parameters, expected };
    match kind {
        "ITCareInstance" => vec![
            case("start", "healthy_stopped", "started", Value::Null, |object| {
                with_spec(object, "powerState", json!("Running"))
            }),
            case("start", "healthy_power_left_alone", "started_from_nothing", Value::Null, |object| {
                with_spec(object, "powerState", json!("Running"))
            }),
            case("stop", "healthy_running", "stopped", Value::Null, |object| {
                with_spec(object, "powerState", json!("Stopped"))
            }),
            case("reset", "healthy_running", "reset", Value::Null, |object| {
                with_spec(object, "reset", json!({"requestedAt": NOW, "comment": "Reset in Argo CD"}))
            }),
            case(
                "reset",
                "healthy_running",
                "reset_with_comment",
                json!({"comment": "it hangs"}),
                |object| with_spec(object, "reset", json!({"requestedAt": NOW, "comment": "it hangs"})),
            ),
            case("snapshot", "healthy_running", "snapshot", Value::Null, |_| snapshot("Taken in Argo CD")),
            case(
                "snapshot",
                "healthy_running",
                "snapshot_with_description",
                json!({"description": "before 2.0"}),
                |_| snapshot("before 2.0"),
            ),
            case("suspend", "healthy_running", "suspended", Value::Null, |object| {
                with_spec(object, "suspend", json!(true))
            }),
            case("resume", "suspended", "resumed", Value::Null, |object| {
                with_spec(object, "suspend", json!(false))
            }),
        ],
        _ => vec![
            case("recover", "healthy_available", "recovered", Value::Null, |object| {
                with_spec(object, "recover", json!({"requestedAt": NOW}))
            }),
            case("suspend", "healthy_available", "suspended", Value::Null, |object| {
                with_spec(object, "suspend", json!(true))
            }),
            case("resume", "suspended", "resumed", Value::Null, |object| {
                with_spec(object, "suspend", json!(false))
            }),
        ],
    }
}
