//! Health: the files that Argo CD's own tests read, and every row of the phases that our kinds go through.

use itcare_lab::kstatus;
use serde_json::{Value, json};

use crate::kit::{Health, KINDS, folder, health, text, yaml};

#[test]
fn every_test_datum_has_the_health_of_the_file() {
    for kind in KINDS {
        let file = yaml(&folder(kind).join("health_test.yaml"));
        for test in file["tests"].as_array().expect("a list") {
            let input = test["inputPath"].as_str().expect("a path");
            let found = health(kind, &yaml(&folder(kind).join(input)))
                .unwrap_or_else(|error| panic!("{kind} {input}: {error}"));
            let wanted = &test["healthStatus"];
            let words = |field: &str| wanted[field].as_str().map(str::to_owned);
            let wanted = Health {
                status: words("status").expect("a status"),
                message: words("message").expect("a message"),
                deletion_message: words("deletionMessage"),
            };
            assert_eq!(found, wanted, "{kind} {input}");
        }
    }
}

#[test]
fn both_kinds_are_read_by_the_same_text() {
    let texts = KINDS.map(|kind| text(&folder(kind).join("health.lua")));
    assert_eq!(texts[0], texts[1], "change both health.lua alike");
}

/// An object at generation 2.
fn object(spec: Value, status: Value) -> Value {
    json!({
        "apiVersion": "itcare.cegedim.cloud/v1alpha1",
        "kind": "ITCareInstance",
        "metadata": {"name": "web", "namespace": "shop", "generation": 2},
        "spec": spec,
        "status": status,
    })
}

fn condition(kind: &str, status: &str, message: &str) -> Value {
    json!({"type": kind, "status": status, "reason": "R", "message": message, "observedGeneration": 2})
}

/// Name, object, health and its message, of each phase.
fn phases() -> Vec<(&'static str, Value, &'static str, &'static str)> {
    let at = |generation: i64, conditions: Vec<Value>| json!({"observedGeneration": generation, "conditions": conditions});
    let ready = || condition("Ready", "True", "it runs");
    let held = |status: Value| object(json!({"suspend": true}), status);
    let plain = |status: Value| object(json!({}), status);
    let unready = |status: &str| condition("Ready", status, "not ready");
    let working = || condition("Reconciling", "True", "it works");
    let stuck = || condition("Stalled", "True", "it is stuck");
    let deleted = |mut object: Value| {
        object["metadata"]["deletionTimestamp"] = json!("2026-01-01T00:00:00Z");
        object
    };
    let newest = "Waiting for the operator to look at the newest spec";
    let suspended = "Suspended by spec.suspend: the operator makes no call";
    vec![
        ("created, not seen", plain(json!({"observedGeneration": -1})), "Progressing", newest),
        ("created, no default", plain(Value::Null), "Progressing", newest),
        ("creating", plain(at(2, vec![unready("Unknown"), working()])), "Progressing", "it works"),
        ("as asked", plain(at(2, vec![ready()])), "Healthy", "it runs"),
        (
            "as asked, drifted",
            plain(at(2, vec![ready(), condition("Drifted", "True", "x")])),
            "Healthy",
            "it runs",
        ),
        ("changed, not seen", plain(at(1, vec![ready()])), "Progressing", newest),
        ("stalled before the change", plain(at(1, vec![unready("False"), stuck()])), "Progressing", newest),
        ("ahead of itself", plain(at(3, vec![ready()])), "Progressing", newest),
        ("an action runs", plain(at(2, vec![unready("False"), working()])), "Progressing", "it works"),
        ("work goes on though ready", plain(at(2, vec![ready(), working()])), "Progressing", "it works"),
        ("the API is away", plain(at(2, vec![unready("Unknown")])), "Progressing", "not ready"),
        ("a person must act", plain(at(2, vec![unready("False"), stuck()])), "Degraded", "it is stuck"),
        ("stuck though ready", plain(at(2, vec![ready(), stuck()])), "Degraded", "it is stuck"),
        ("suspended", held(at(2, vec![ready()])), "Suspended", suspended),
        ("suspended, not seen", held(at(1, vec![ready()])), "Suspended", suspended),
        ("suspended while stuck", held(at(2, vec![unready("False"), stuck()])), "Suspended", suspended),
        ("deleting", deleted(plain(at(2, vec![unready("False"), working()]))), "Progressing", "it works"),
        ("deleting, not seen", deleted(plain(at(1, vec![ready()]))), "Progressing", "Pending deletion"),
        ("deleting, stuck before", deleted(plain(at(1, vec![stuck()]))), "Progressing", "Pending deletion"),
        ("deletion blocked", deleted(plain(at(2, vec![stuck()]))), "Degraded", "it is stuck"),
        ("deletion held", deleted(held(at(2, vec![working()]))), "Suspended", "it works"),
        ("deletion held, not seen", deleted(held(at(1, vec![ready()]))), "Suspended", suspended),
        ("no conditions", plain(at(2, vec![])), "Progressing", "Waiting for the condition Ready"),
    ]
}

#[test]
fn every_phase_has_its_health() {
    for (name, object, status, message) in phases() {
        for kind in KINDS {
            let deletion = object["metadata"].get("deletionTimestamp").map(|_| message.to_owned());
            let wanted =
                Health { status: status.to_owned(), message: message.to_owned(), deletion_message: deletion };
            assert_eq!(health(kind, &object), Ok(wanted), "{name}");
        }
    }
}

#[test]
fn every_phase_reads_as_kstatus_reads_it() {
    for (name, object, status, _) in phases() {
        use kstatus::Status::{Current, Failed, InProgress, Terminating};
        let seen = kstatus::compute(&object).expect("kstatus reads it").status;
        let agrees = match (seen, status) {
            (Terminating, "Progressing" | "Degraded" | "Suspended") => true,
            (Current, "Healthy") | (InProgress, "Progressing") | (Failed, "Degraded") => true,
            (Current | Failed | InProgress, "Suspended") => object["spec"]["suspend"] == true,
            // kstatus calls it done where nothing is said at all; the definitions' default prevents that.
            (Current, "Progressing") => {
                object["status"].get("conditions").is_none_or(|all| all == &json!([]))
            }
            _ => false,
        };
        assert!(agrees, "{name}: {seen:?} and {status}");
    }
}
