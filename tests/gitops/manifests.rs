//! Every manifest of the kits: readable, and accepted by a real API server where it knows the kind; and what the
//! buttons send, accepted too.
//!
//! Not here: Argo CD's and Flux's own kinds, whose definitions are theirs: only that they are what we think.

use std::path::{Path, PathBuf};

use itcare_lab::apply::documents;
use itcare_lab::controlplane::{Progress, Tool, pinned};
use itcare_lab::kstatus::{self, Status};
use serde_json::{Value, json};

use crate::kit::{act, actions_of, folder, root, text, yaml};
use crate::server::{Keep, Project};

/// All manifests below a folder, but for the objects in `testdata` and the test files.
fn files(folder: &Path, into: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display())) {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            if !path.ends_with("resource_customizations") {
                files(&path, into);
            }
        } else if path.extension().is_some_and(|end| end == "yaml") {
            into.push(path);
        }
    }
    into.sort();
}

fn manifests() -> Vec<(PathBuf, Value)> {
    let mut paths = Vec::new();
    for kit in ["deploy/argocd", "deploy/flux"] {
        files(&root().join(kit), &mut paths);
    }
    let read = |path: PathBuf| {
        let all = documents(&text(&path)).unwrap_or_else(|error| panic!("{}: {error:?}", path.display()));
        assert!(!all.is_empty(), "{} holds nothing", path.display());
        all.into_iter().map(move |one| (path.clone(), one)).collect::<Vec<_>>()
    };
    paths.into_iter().flat_map(read).collect()
}

/// Kinds whose definitions belong to the tools. Anything else has to be known to the API server.
fn is_of_a_tool(object: &Value) -> bool {
    let group =
        object["apiVersion"].as_str().and_then(|version| version.split('/').next()).unwrap_or_default();
    group == "argoproj.io" || group.ends_with(".toolkit.fluxcd.io") || group.ends_with(".config.k8s.io")
}

#[tokio::test]
async fn every_manifest_is_accepted_by_a_real_api_server() {
    let project = Project::fresh("kits").await;
    let mut asked = 0;
    for (path, mut object) in manifests() {
        for field in ["apiVersion", "kind"] {
            assert!(object[field].is_string(), "{}: no {field}", path.display());
        }
        if is_of_a_tool(&object) {
            continue;
        }
        if object["metadata"]["namespace"].is_string() {
            object["metadata"]["namespace"] = json!(project.name());
        }
        // What Flux fills in before it applies.
        let filled = object.to_string().replace("${UPGRADE}", "2-0-1");
        let file = tempfile::NamedTempFile::new().expect("a file can be made");
        std::fs::write(file.path(), &filled).expect("a file can be written");
        let name = file.path().to_string_lossy().into_owned();
        let output = project.kubectl(&["create", "--dry-run=server", "--validate=strict", "-f", &name]).await;
        assert!(output.success, "{}: {}{}", path.display(), output.stdout, output.stderr);
        asked += 1;
    }
    assert!(asked > 8, "only {asked} manifests were asked about");
}

#[test]
fn manifests_name_no_host_and_no_repository_of_anybody() {
    for (path, object) in manifests() {
        let text = object.to_string();
        for (at, _) in text.match_indices("://") {
            let host: String = text[at + 3..]
                .chars()
                .take_while(|letter| letter.is_alphanumeric() || ".-".contains(*letter))
                .collect();
            let ours = host.ends_with("example.com") || host == "kubernetes.default.svc";
            assert!(ours, "{}: {host}", path.display());
        }
    }
}

/// Every map in an object, so that nested templates are seen too.
fn maps<'a>(value: &'a Value, into: &mut Vec<&'a serde_json::Map<String, Value>>) {
    match value {
        Value::Object(fields) => {
            into.push(fields);
            fields.values().for_each(|field| maps(field, into));
        }
        Value::Array(items) => items.iter().for_each(|item| maps(item, into)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[test]
fn no_vm_in_the_kits_is_a_hook_or_can_be_pruned_without_a_word() {
    let mut seen = 0;
    for (path, object) in manifests() {
        if object["kind"] != "ITCareInstance" {
            continue;
        }
        seen += 1;
        let annotations = &object["metadata"]["annotations"];
        let mut all = Vec::new();
        maps(&object, &mut all);
        let hooked = all.iter().any(|map| map.keys().any(|key| key.contains("/hook")));
        assert!(!hooked, "{}: a hook is deleted and made anew", path.display());
        let guarded = if path.starts_with(root().join("deploy/argocd")) {
            annotations["argocd.argoproj.io/sync-options"].as_str().is_some_and(|options| {
                options.contains("Prune=confirm") && options.contains("Delete=confirm")
            })
        } else {
            annotations["kustomize.toolkit.fluxcd.io/prune"] == "disabled"
                || annotations["helm.sh/resource-policy"] == "keep"
        };
        assert!(guarded, "{}: {annotations}", path.display());
    }
    assert!(seen >= 2, "both kits show a VM");
}

#[test]
fn applications_and_kustomizations_wait_and_do_not_fight_the_buttons() {
    let manifests = manifests();
    let of = |kind: &str| -> Vec<&Value> {
        manifests.iter().map(|(_, object)| object).filter(|object| object["kind"] == kind).collect()
    };
    let applications = of("Application");
    assert!(applications.len() >= 3, "definitions, operator, machines");
    for application in &applications {
        let options = application["spec"]["syncPolicy"]["syncOptions"].as_array().expect("sync options");
        assert!(options.contains(&json!("ServerSideApply=true")), "{application:#}");
        let differences = &application["spec"]["ignoreDifferences"];
        if differences.is_array() {
            assert!(options.contains(&json!("RespectIgnoreDifferences=true")), "{application:#}");
        }
    }
    let waves: Vec<_> = applications
        .iter()
        .filter_map(|application| {
            application["metadata"]["annotations"]["argocd.argoproj.io/sync-wave"].as_str()
        })
        .collect();
    for wave in ["-2", "-1", "1"] {
        assert!(waves.contains(&wave), "{waves:?}");
    }
    let kustomizations = of("Kustomization");
    let flux = kustomizations.iter().filter(|one| {
        one["apiVersion"].as_str().is_some_and(|version| version.starts_with("kustomize.toolkit.fluxcd.io/"))
    });
    let names: Vec<_> = flux
        .map(|one| {
            let spec = &one["spec"];
            assert_eq!(spec["wait"], true, "{one:#}");
            assert!(spec["timeout"].is_string() && spec["deletionPolicy"].is_string(), "{one:#}");
            (one["metadata"]["name"].clone(), spec["dependsOn"].clone())
        })
        .collect();
    for (name, depends) in &names {
        for other in depends.as_array().into_iter().flatten() {
            assert!(names.iter().any(|(known, _)| *known == other["name"]), "{name} waits for {other}");
        }
    }
}

/// What kustomize-controller builds of a folder: where there is no `kustomization.yaml` it makes one that takes every
/// manifest, those in the folders below included.
async fn built(folder: &Path) -> Result<Vec<Value>, String> {
    let copy = tempfile::tempdir().expect("a folder can be made");
    let mut folder = folder.to_path_buf();
    if !folder.join("kustomization.yaml").exists() {
        let mut paths = Vec::new();
        files(&folder, &mut paths);
        let names: Vec<String> = (0..paths.len()).map(|number| format!("{number}.yaml")).collect();
        for (path, name) in paths.iter().zip(&names) {
            std::fs::copy(path, copy.path().join(name)).expect("a file can be copied");
        }
        let text = json!({"resources": names}).to_string();
        std::fs::write(copy.path().join("kustomization.yaml"), text).expect("a file can be written");
        folder = copy.path().to_path_buf();
    }
    let kubectl = pinned(Tool::Kubectl, Progress::default()).await.expect("kubectl can be built");
    let output = tokio::process::Command::new(kubectl).arg("kustomize").arg(folder).output().await;
    let output = output.expect("kubectl runs");
    if !output.status.success() {
        return Err(String::from_utf8_lossy(&output.stderr).into_owned());
    }
    Ok(documents(&String::from_utf8_lossy(&output.stdout)).expect("kubectl prints YAML"))
}

#[tokio::test]
async fn what_the_kits_take_from_this_repository_is_there_and_flux_can_build_it() {
    let mut followed = 0;
    for (path, object) in manifests() {
        let spec = &object["spec"];
        let kind = object["kind"].as_str().expect("a kind");
        let from = match kind {
            "Application" if spec["source"]["repoURL"].to_string().contains("/itcare-operator.git") => {
                &spec["source"]["path"]
            }
            "Kustomization" if spec["sourceRef"]["name"] == "itcare-operator" => &spec["path"],
            "HelmRelease" if spec["chart"]["spec"]["sourceRef"]["name"] == "itcare-operator" => {
                &spec["chart"]["spec"]["chart"]
            }
            _ => continue,
        };
        followed += 1;
        let from = from.as_str().unwrap_or_else(|| panic!("{}: {kind} has no path", path.display()));
        let folder = root().join(from.trim_start_matches("./"));
        assert!(folder.is_dir(), "{}: {kind}: there is no {from}", path.display());
        if kind == "Kustomization" {
            let objects = built(&folder).await.unwrap_or_else(|error| panic!("{from}: {error}"));
            let names: Vec<_> = objects.iter().map(|object| object["metadata"]["name"].as_str()).collect();
            let meant =
                ["itcareinstances.itcare.cegedim.cloud", "itcaresnapshots.itcare.cegedim.cloud"].map(Some);
            assert_eq!(names, meant, "{from}");
        }
    }
    assert_eq!(followed, 4, "definitions and operator, for both tools");
    let refusal = built(&root().join("crds")).await.expect_err("earlier definitions are in a folder below");
    assert!(refusal.contains("itcareinstances"), "{refusal}");
}

#[tokio::test]
async fn what_the_buttons_send_is_accepted() {
    for (kind, scenes) in [
        ("ITCareInstance", ["healthy_running", "healthy_stopped", "suspended"].as_slice()),
        ("ITCareSnapshot", ["healthy_available", "suspended"].as_slice()),
    ] {
        for scene in scenes {
            let project = Project::fresh("buttons").await;
            let mut object = yaml(&folder(kind).join(format!("testdata/{scene}.yaml")));
            object["metadata"] = json!({"name": object["metadata"]["name"], "namespace": project.name()});
            let stored = project.create(&object, Keep::Yes).await.expect("the test data are valid");
            let status = object["status"].clone();
            let stored_with_status =
                project.report(&stored, &status, Keep::Yes).await.expect("the status is valid");
            for action in actions_of(kind) {
                for impact in act(kind, &action, &stored_with_status, &Value::Null).expect("an answer") {
                    let accepted = match impact.operation.as_str() {
                        "create" => project.create(&impact.resource, Keep::DryRun).await,
                        _ => {
                            let patch = json!({"spec": impact.resource["spec"]});
                            project.change(&stored, &patch, Keep::DryRun).await
                        }
                    };
                    let made =
                        accepted.unwrap_or_else(|refusal| panic!("{kind} {action}: {}", refusal.message));
                    for (field, value) in impact.resource["spec"].as_object().expect("a spec") {
                        assert_eq!(made["spec"][field], *value, "{kind} {action}: {field}");
                    }
                }
            }
        }
    }
}

#[tokio::test]
async fn a_snapshot_of_an_object_with_any_name_gets_a_valid_one() {
    let project = Project::fresh("names").await;
    let long = format!("{}.{}", "a".repeat(56), "b".repeat(196));
    for name in ["w", "web.shop", &"w".repeat(63), &"w".repeat(64), &long] {
        let mut object = yaml(&folder("ITCareInstance").join("testdata/healthy_running.yaml"));
        object["metadata"] = json!({"name": name, "namespace": project.name()});
        let made = &act("ITCareInstance", "snapshot", &object, &Value::Null).expect("an answer")[0].resource;
        let stored =
            project.create(made, Keep::DryRun).await.unwrap_or_else(|no| panic!("{name}: {}", no.message));
        let given = stored["metadata"]["name"].as_str().expect("the server chose a name");
        assert!(given.len() <= 63 && given.starts_with(&name[..name.len().min(50)]), "{name}: {given}");
    }
}

/// `status.conditions.exists(c, c.type == 'T' && c.status == 'S')` and no more of CEL than that: anything else in
/// the kit fails here, and then needs a real evaluator.
fn holds(expression: &str, object: &Value) -> bool {
    let parts: Vec<&str> = expression.split('\'').collect();
    let form = ["status.conditions.exists(c, c.type == ", " && c.status == ", ")"];
    assert_eq!([parts[0], parts[2], parts[4]], form, "{expression}");
    let conditions = object["status"]["conditions"].as_array().into_iter().flatten();
    conditions.into_iter().any(|one| one["type"] == *parts[1] && one["status"] == *parts[3])
}

/// What Flux makes of expressions: the generation first, then the order of its documentation.
fn by_expressions(check: &Value, object: &Value) -> Status {
    let (generation, observed) = (&object["metadata"]["generation"], &object["status"]["observedGeneration"]);
    if !observed.is_null() && observed != generation {
        return Status::InProgress;
    }
    for (name, status) in
        [("inProgress", Status::InProgress), ("failed", Status::Failed), ("current", Status::Current)]
    {
        if check[name].as_str().is_some_and(|expression| holds(expression, object)) {
            return status;
        }
    }
    Status::InProgress
}

#[test]
fn the_health_expressions_say_the_same_as_kstatus() {
    let mut asked = 0;
    for (path, manifest) in manifests() {
        for check in manifest["spec"]["healthCheckExprs"].as_array().into_iter().flatten() {
            let kind = check["kind"].as_str().expect("a check names its kind");
            assert_eq!(check["apiVersion"], "itcare.cegedim.cloud/v1alpha1", "{}", path.display());
            for entry in std::fs::read_dir(folder(kind).join("testdata")).expect("there are test data") {
                let file = entry.expect("an entry").path();
                let object = yaml(&file);
                // A deletion is seen before any expression; without a status, expressions end in an error.
                if object["metadata"].get("deletionTimestamp").is_some() || object.get("status").is_none() {
                    continue;
                }
                let seen = kstatus::compute(&object).expect("kstatus reads it").status;
                assert_eq!(by_expressions(check, &object), seen, "{}", file.display());
                asked += 1;
            }
        }
    }
    assert!(asked > 12, "{asked}");
}
