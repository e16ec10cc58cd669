//! What is generated from the scripts and the scenes, committed, and proved current: test data, test files, and
//! the patch of `argocd-cm`.
//!
//! The operator decides what the test data hold; what the tests expect of them is written here and in
//! [`crate::buttons`], apart from the scripts. Objects are compared in their shape, their words and their spec,
//! since ids and times are those of one run.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::kit::{KINDS, actions_of, folder, root, text, updating, yaml};
use crate::scenes;

const CURE: &str = "run this suite with UPDATE_GITOPS=1 and look at the difference";

/// Writes a file, or compares it.
#[track_caller]
fn hold(path: &Path, wanted: &str) {
    if updating() {
        std::fs::create_dir_all(path.parent().expect("a file has a folder")).expect("a folder can be made");
        std::fs::write(path, wanted).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    }
    let found = std::fs::read_to_string(path).unwrap_or_default();
    let differs = found.lines().zip(wanted.lines()).position(|(old, new)| old != new);
    let line = differs.unwrap_or_else(|| found.lines().count().min(wanted.lines().count())) + 1;
    assert!(found == wanted, "{} is not current at line {line}: {CURE}", path.display());
}

/// The folder holds these files and no others.
#[track_caller]
fn hold_names(folder: &Path, mut wanted: Vec<String>) {
    let entries = std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut found: Vec<_> =
        entries.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    found.sort();
    wanted.sort();
    assert_eq!(found, wanted, "{}: {CURE}", folder.display());
}

fn written(value: &Value) -> String {
    serde_saphyr::to_string(value).expect("JSON is YAML")
}

/// Every leaf that is of one run alone becomes the name of its type.
fn shape(value: &Value, path: &str) -> Value {
    let fixed = path.starts_with(".spec")
        || path.starts_with(".metadata.finalizers")
        || ["kind", "apiVersion", "type", "status", "reason", "powerState", "state", "size"]
            .iter()
            .any(|name| path.ends_with(&format!(".{name}")));
    match value {
        Value::Object(fields) => {
            let entries =
                fields.iter().map(|(key, value)| (key.clone(), shape(value, &format!("{path}.{key}"))));
            Value::Object(entries.collect::<Map<_, _>>())
        }
        Value::Array(items) => {
            Value::Array(items.iter().map(|item| shape(item, &format!("{path}[]"))).collect())
        }
        leaf if fixed && !path.ends_with("requestedAt") => leaf.clone(),
        Value::String(_) => json!("a text"),
        Value::Number(_) => json!("a number"),
        Value::Bool(_) | Value::Null => value.clone(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_test_data_and_test_files_are_of_what_the_operator_writes() {
    let scenes = scenes::all().await;
    for ((kind, file), object) in &scenes {
        let path = folder(kind).join("testdata").join(format!("{file}.yaml"));
        if updating() {
            std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder can be made");
            std::fs::write(&path, written(object)).expect("test data can be written");
        }
        assert_eq!(shape(&yaml(&path), ""), shape(object, ""), "{}: {CURE}", path.display());
    }
    for kind in KINDS {
        let files: Vec<_> = scenes.keys().filter(|(of, _)| *of == kind).map(|(_, file)| *file).collect();
        hold_names(&folder(kind).join("testdata"), files.iter().map(|file| format!("{file}.yaml")).collect());
        let tests: Vec<_> = files
            .iter()
            .map(|file| {
                let inputs = format!("testdata/{file}.yaml");
                json!({"inputPath": inputs, "healthStatus": expected(file, &yaml(&folder(kind).join(&inputs)))})
            })
            .collect();
        hold(&folder(kind).join("health_test.yaml"), &written(&json!({"tests": tests})));
    }
    hold_buttons();
}

/// The health that a scene's name promises, with the message that says why.
fn expected(file: &str, object: &Value) -> Value {
    let message = |name: &str| {
        let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
        let found = conditions.into_iter().find(|condition| condition["type"] == name);
        found.unwrap_or_else(|| panic!("{file} has no condition {name}"))["message"].clone()
    };
    let waiting = || json!("Waiting for the operator to look at the newest spec");
    let (status, message) = match file {
        "progressing_default" | "progressing_no_status" | "progressing_stale" => ("Progressing", waiting()),
        "progressing_deletion_not_seen" => ("Progressing", json!("Pending deletion")),
        "suspended" => ("Suspended", json!("Suspended by spec.suspend: the operator makes no call")),
        "suspended_deleting" => ("Suspended", message("Reconciling")),
        _ if file.starts_with("healthy_") => ("Healthy", message("Ready")),
        _ if file.starts_with("degraded_") => ("Degraded", message("Stalled")),
        _ => ("Progressing", message("Reconciling")),
    };
    let mut health = json!({"status": status, "message": message});
    if !object["metadata"]["deletionTimestamp"].is_null() {
        health["deletionMessage"] = health["message"].clone();
    }
    health
}

/// After the test data, which it reads.
fn hold_buttons() {
    for kind in KINDS {
        let actions = folder(kind).join("actions");
        let mut names = Vec::new();
        let mut discoveries = Vec::new();
        let mut tests = Vec::new();
        for case in crate::buttons::discoveries(kind) {
            let input = format!("../testdata/{}.yaml", case.input);
            discoveries.push(json!({"inputPath": input, "result": case.buttons}));
        }
        for case in crate::buttons::cases(kind) {
            let object = yaml(&folder(kind).join("testdata").join(format!("{}.yaml", case.input)));
            let output = format!("{}.yaml", case.output);
            hold(&actions.join("testdata").join(&output), &written(&(case.expected)(object)));
            let mut test = json!({
                "action": case.action,
                "inputPath": format!("../testdata/{}.yaml", case.input),
                "expectedOutputPath": format!("testdata/{output}"),
            });
            if !case.parameters.is_null() {
                test["parameters"] = case.parameters;
            }
            tests.push(test);
            names.push(output);
        }
        hold_names(&actions.join("testdata"), names);
        let all = json!({"discoveryTests": discoveries, "actionTests": tests});
        hold(&actions.join("action_test.yaml"), &written(&all));
    }
}

#[test]
fn the_patch_of_argocd_cm_is_made_of_the_scripts() {
    hold(&patch_path(), &patch());
    let data = yaml(&patch_path())["data"].clone();
    for kind in KINDS {
        let key = |part: &str| format!("resource.customizations.{part}.itcare.cegedim.cloud_{kind}");
        assert_eq!(data[key("health")], text(&folder(kind).join("health.lua")), "{kind}");
        let inner = data[key("actions")].as_str().expect("a text").to_owned();
        let inner = itcare_lab::apply::documents(&inner).expect("it is YAML").remove(0);
        assert_eq!(inner["discovery.lua"], text(&folder(kind).join("actions/discovery.lua")), "{kind}");
        let definitions: BTreeMap<_, _> = inner["definitions"]
            .as_array()
            .expect("a list")
            .iter()
            .map(|one| (one["name"].as_str().expect("a name").to_owned(), one["action.lua"].clone()))
            .collect();
        assert_eq!(definitions.keys().cloned().collect::<Vec<_>>(), actions_of(kind), "{kind}");
        for (name, script) in definitions {
            assert_eq!(script, text(&folder(kind).join("actions").join(name).join("action.lua")), "{kind}");
        }
    }
}

fn patch_path() -> PathBuf {
    root().join("deploy/argocd/argocd-cm-patch.yaml")
}

/// Written by hand rather than by a YAML writer, so that the scripts stay readable.
fn patch() -> String {
    let mut patch = String::from(
        "# Health and buttons for Argo CD. Generated from resource_customizations by the suite gitops\n\
         # (UPDATE_GITOPS=1); change the scripts, never this file. Use:\n\
         #   kubectl patch configmap argocd-cm --namespace argocd --type merge --patch-file argocd-cm-patch.yaml\n\
         apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: argocd-cm\n  namespace: argocd\n  labels:\n    \
         app.kubernetes.io/name: argocd-cm\n    app.kubernetes.io/part-of: argocd\ndata:\n",
    );
    let block = |script: &str, spaces: usize| {
        let line = |line: &str| {
            if line.is_empty() { "\n".to_owned() } else { format!("{}{line}\n", " ".repeat(spaces)) }
        };
        script.lines().map(line).collect::<String>()
    };
    for kind in KINDS {
        let script = |path: &str| text(&folder(kind).join(path));
        let key = |part: &str| format!("  resource.customizations.{part}.itcare.cegedim.cloud_{kind}: |\n");
        patch += &key("health");
        patch += &block(&script("health.lua"), 4);
        patch += &key("actions");
        patch += "    mergeBuiltinActions: true\n    discovery.lua: |\n";
        patch += &block(&script("actions/discovery.lua"), 6);
        patch += "    definitions:\n";
        for name in actions_of(kind) {
            patch += &format!("      - name: {name}\n        action.lua: |\n");
            patch += &block(&script(&format!("actions/{name}/action.lua")), 10);
        }
    }
    patch
}
