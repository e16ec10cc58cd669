//! The buttons, by the files that Argo CD's own tests read, and harder than those: answers are compared whole,
//! so that nothing is added, left out or forgotten.

use serde_json::{Value, json};

use crate::kit::{Impact, KINDS, NOW, act, actions_of, discover, folder, yaml};

fn file(kind: &str) -> Value {
    yaml(&folder(kind).join("actions/action_test.yaml"))
}

fn list<'a>(value: &'a Value, field: &str) -> &'a Vec<Value> {
    value[field].as_array().unwrap_or_else(|| panic!("{field} is a list"))
}

fn path<'a>(test: &'a Value, field: &str) -> &'a str {
    test[field].as_str().unwrap_or_else(|| panic!("{field} is a text"))
}

#[test]
fn every_object_shows_exactly_the_buttons_of_the_file() {
    for kind in KINDS {
        for test in list(&file(kind), "discoveryTests") {
            let input = path(test, "inputPath");
            let object = yaml(&folder(kind).join("actions").join(input));
            let shown = discover(kind, &object).unwrap_or_else(|error| panic!("{kind} {input}: {error}"));
            assert_eq!(&shown, list(test, "result"), "{kind} {input}");
        }
    }
}

#[test]
fn every_click_gives_exactly_the_objects_of_the_file() {
    for kind in KINDS {
        for test in list(&file(kind), "actionTests") {
            let (action, input) = (path(test, "action"), path(test, "inputPath"));
            let object = yaml(&folder(kind).join("actions").join(input));
            let impacts = act(kind, action, &object, &test["parameters"])
                .unwrap_or_else(|error| panic!("{kind} {action} {input}: {error}"));
            let expected = yaml_of(kind, path(test, "expectedOutputPath"));
            let wanted: Vec<_> = match expected {
                Value::Array(all) => all
                    .iter()
                    .map(|one| impact(path(one, "k8sOperation"), one["unstructuredObj"].clone()))
                    .collect(),
                changed => vec![impact("patch", changed)],
            };
            assert_eq!(impacts, wanted, "{kind} {action} {input}");
        }
    }
}

fn impact(operation: &str, resource: Value) -> Impact {
    Impact { operation: operation.to_owned(), resource }
}

/// A file of expected output, which may be a list of objects.
fn yaml_of(kind: &str, output: &str) -> Value {
    let path = folder(kind).join("actions").join(output);
    let text = crate::kit::text(&path);
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

#[test]
fn every_action_has_a_button_and_a_test_and_every_button_an_action() {
    for kind in KINDS {
        let object = yaml(&folder(kind).join("testdata/progressing_default.yaml"));
        let shown: Vec<_> = discover(kind, &object)
            .expect("buttons")
            .iter()
            .map(|button| button["name"].as_str().expect("a name").to_owned())
            .collect();
        assert_eq!(shown, actions_of(kind), "{kind}");
        let file = file(kind);
        for name in actions_of(kind) {
            assert!(list(&file, "actionTests").iter().any(|test| test["action"] == *name), "{kind} {name}");
        }
    }
}

#[test]
fn a_click_that_does_nothing_is_not_offered() {
    for kind in KINDS {
        for entry in std::fs::read_dir(folder(kind).join("testdata")).expect("there are test data") {
            let object = yaml(&entry.expect("an entry").path());
            for button in discover(kind, &object).expect("buttons") {
                let name = button["name"].as_str().expect("a name");
                let impacts = act(kind, name, &object, &Value::Null).expect("an answer");
                let changes = impacts.iter().any(|impact| impact.resource != object);
                assert!(changes || button["disabled"] == true, "{kind} {name}: {object:#}");
            }
        }
    }
}

#[test]
fn an_earlier_request_leaves_nothing_behind_in_a_new_one() {
    let old = json!({"requestedAt": "2026-01-01T00:00:00Z", "notAfter": "2026-01-01T01:00:00Z"});
    for (kind, scene, action, field) in [
        ("ITCareInstance", "healthy_running", "reset", "reset"),
        ("ITCareSnapshot", "healthy_available", "recover", "recover"),
    ] {
        let mut object = yaml(&folder(kind).join(format!("testdata/{scene}.yaml")));
        object["spec"][field] = old.clone();
        let asked = &act(kind, action, &object, &Value::Null).expect("an answer")[0].resource["spec"][field];
        assert_eq!(asked["requestedAt"], NOW, "UTC, and of now");
        assert!(asked.get("notAfter").is_none(), "{asked}");
    }
}

#[test]
fn a_snapshot_copies_nothing_that_binds_it_to_an_application_or_to_the_object() {
    let mut object = yaml(&folder("ITCareInstance").join("testdata/healthy_running.yaml"));
    object["metadata"]["labels"] = json!({"app.kubernetes.io/instance": "shop", "helm.sh/chart": "x"});
    object["metadata"]["annotations"]["argocd.argoproj.io/tracking-id"] = json!("shop:x/y:shop/web");
    object["spec"]["changeReference"] = json!("CHG1");
    let impacts = act("ITCareInstance", "snapshot", &object, &Value::Null).expect("an answer");
    assert_eq!(impacts.len(), 1);
    let metadata = json!({
        "generateName": "web-",
        "namespace": "shop",
        "labels": {"itcare.cegedim.cloud/instance": "web"},
    });
    assert_eq!(impacts[0].resource["metadata"], metadata);
    assert_eq!(impacts[0].resource["spec"]["changeReference"], "CHG1");
}

#[test]
fn a_long_name_is_no_label_and_still_a_prefix() {
    for (length, labelled, prefix) in [(63, true, 64), (64, false, 65), (252, false, 253), (253, false, 253)]
    {
        let mut object = yaml(&folder("ITCareInstance").join("testdata/healthy_running.yaml"));
        object["metadata"]["name"] = json!("w".repeat(length));
        let made = &act("ITCareInstance", "snapshot", &object, &Value::Null).expect("an answer")[0].resource;
        assert_eq!(made["metadata"].get("labels").is_some(), labelled, "{length}");
        assert_eq!(made["metadata"]["generateName"].as_str().map(str::len), Some(prefix), "{length}");
    }
}
