//! Objects that nobody should write: whatever a field holds, a script answers, and never "done" by mistake.

use itcare_lab::kstatus;
use serde_json::{Value, json};

use crate::kit::{act, actions_of, discover, folder, health, yaml};

/// Where something odd is put.
const PLACES: [&str; 17] = [
    "/metadata/generation",
    "/metadata/deletionTimestamp",
    "/metadata/labels",
    "/metadata/annotations",
    "/spec",
    "/spec/suspend",
    "/spec/powerState",
    "/spec/managementPolicy",
    "/spec/changeReference",
    "/status",
    "/status/observedGeneration",
    "/status/conditions",
    "/status/conditions/0",
    "/status/conditions/0/type",
    "/status/conditions/0/status",
    "/status/conditions/0/message",
    "/status/powerState",
];

fn oddities() -> Vec<Value> {
    vec![
        Value::Null,
        json!(true),
        json!(-1),
        json!(2.5),
        json!(""),
        json!("True"),
        json!([]),
        json!({}),
        json!([null, {"type": "Stalled", "status": "True", "message": 3}]),
        json!([[1], "x", {"type": {}, "status": []}]),
        json!({"a": {"type": "Ready", "status": "True"}}),
    ]
}

/// Puts a value where a path leads; paths that lead nowhere change nothing.
fn put(object: &mut Value, place: &str, value: &Value) {
    let (parent, last) = place.rsplit_once('/').expect("a path has a slash");
    match object.pointer_mut(parent) {
        Some(Value::Object(fields)) => {
            fields.insert(last.to_owned(), value.clone());
        }
        Some(Value::Array(items)) => {
            if let Some(item) = last.parse::<usize>().ok().and_then(|index| items.get_mut(index)) {
                *item = value.clone();
            }
        }
        Some(_) | None => {}
    }
}

/// Each object with one or two odd fields.
fn objects(kind: &str, scene: &str) -> Vec<Value> {
    let good = yaml(&folder(kind).join(format!("testdata/{scene}.yaml")));
    let mut all = Vec::new();
    for (index, place) in PLACES.iter().enumerate() {
        for value in oddities() {
            let mut once = good.clone();
            put(&mut once, place, &value);
            for other in &PLACES[index + 1..] {
                for value in [json!([]), json!("x"), Value::Null] {
                    let mut twice = once.clone();
                    put(&mut twice, other, &value);
                    all.push(twice);
                }
            }
            all.push(once);
        }
    }
    all
}

#[test]
fn odd_objects_have_a_health_with_words_and_are_never_done_by_mistake() {
    for (kind, scene) in [
        ("ITCareInstance", "healthy_running"),
        ("ITCareInstance", "degraded_deletion_blocked"),
        ("ITCareInstance", "progressing_resizing"),
        ("ITCareSnapshot", "healthy_available"),
    ] {
        for object in objects(kind, scene) {
            let seen = health(kind, &object).unwrap_or_else(|error| panic!("{error}: {object:#}"));
            if seen.status == "Healthy" {
                let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
                let says_so = conditions
                    .into_iter()
                    .any(|condition| condition["type"] == "Ready" && condition["status"] == "True");
                let newest = object["status"]["observedGeneration"] == object["metadata"]["generation"];
                assert!(says_so && newest, "{object:#}");
                // What kstatus cannot read it cannot contradict.
                let done = kstatus::compute(&object).map(|verdict| verdict.status);
                assert!(done.is_err() || done == Ok(kstatus::Status::Current), "{done:?}: {object:#}");
            }
        }
    }
}

#[test]
fn odd_objects_have_all_their_buttons() {
    for (kind, scene) in [("ITCareInstance", "healthy_running"), ("ITCareSnapshot", "healthy_available")] {
        for object in objects(kind, scene) {
            let shown = discover(kind, &object).unwrap_or_else(|error| panic!("{error}: {object:#}"));
            let names: Vec<_> = shown.iter().filter_map(|button| button["name"].as_str()).collect();
            assert_eq!(names, actions_of(kind));
            assert!(shown.iter().all(|button| button["disabled"].is_boolean()), "{shown:?}");
        }
    }
}

#[test]
fn an_odd_spec_or_odd_parameters_do_not_stop_a_click() {
    for (kind, scene) in [("ITCareInstance", "healthy_running"), ("ITCareSnapshot", "healthy_available")] {
        let good = yaml(&folder(kind).join(format!("testdata/{scene}.yaml")));
        for action in actions_of(kind) {
            for odd in oddities() {
                assert_eq!(
                    act(kind, &action, &good, &odd).map(|all| all.len()),
                    Ok(1),
                    "{kind} {action}: {odd}"
                );
                // Lua cannot tell a list from a map, so one with items is kept; no API server lets it in.
                if odd.as_array().is_none_or(Vec::is_empty) {
                    let mut object = good.clone();
                    object["spec"] = odd.clone();
                    let made = act(kind, &action, &object, &Value::Null);
                    assert_eq!(made.map(|all| all.len()), Ok(1), "{kind} {action}: {odd}");
                }
            }
            for odd in oddities() {
                let parameters = json!({"comment": odd, "description": odd});
                let made = act(kind, &action, &good, &parameters).expect("an answer");
                let text = &made[0].resource["spec"][if action == "reset" { "reset" } else { "description" }];
                match action.as_str() {
                    "reset" => assert!(text["comment"].as_str().is_some_and(|comment| !comment.is_empty())),
                    "snapshot" => assert!(text.as_str().is_some_and(|description| !description.is_empty())),
                    _ => {}
                }
            }
        }
    }
}
