//! `deploy/kustomize`: what kubectl builds of it is what the chart renders.

use std::path::PathBuf;
use std::process::Stdio;

use itcare_lab::controlplane::{Progress, Tool, pinned};
use serde_json::Value;
use tokio::process::Command;
use tokio::sync::OnceCell;

use crate::generated::COMPONENTS;
use crate::helm::{Generation, Helm, mode, objects, only, path, root};

static KUBECTL: OnceCell<PathBuf> = OnceCell::const_new();

/// Builds a folder below `deploy/kustomize`, or one outside that uses it.
async fn build(folder: &std::path::Path) -> Vec<Value> {
    // The pinned one: that of the user may be years old, with a kustomize that knows no components.
    let kubectl = KUBECTL
        .get_or_init(|| async {
            pinned(Tool::Kubectl, Progress::default()).await.expect("kubectl can be built")
        })
        .await;
    let output = Command::new(kubectl)
        .arg("kustomize")
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .await
        .expect("kubectl runs");
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).into_owned();
    assert!(output.status.success(), "{}", text(output.stderr));
    objects(&text(output.stdout))
}

async fn rendered(more: &str) -> Vec<Value> {
    let values = mode("install");
    let flags = ["--values", values.to_str().expect("text"), "--values", "-"];
    objects(&Helm::get(Generation::Four).await.text(&flags, more).await.expect("the chart renders"))
}

fn same(what: &str, built: &[Value], rendered: &[Value]) {
    let paths = |objects: &[Value]| objects.iter().map(path).collect::<Vec<_>>();
    assert_eq!(paths(built), paths(rendered), "{what}");
    for (built, rendered) in built.iter().zip(rendered) {
        assert_eq!(built, rendered, "{what}: {}", path(built));
    }
}

#[tokio::test]
async fn the_base_is_the_chart_with_the_values_of_the_installation() {
    let base = build(&root().join("deploy/kustomize/base")).await;
    same("the base", &base, &rendered("{}").await);
    let read = std::fs::read_to_string(root().join("deploy/install.yaml")).expect("it is there");
    same("install.yaml", &base, &objects(&read));
}

#[tokio::test]
async fn the_definitions_can_be_had_apart() {
    let definitions = build(&root().join("deploy/kustomize/crds")).await;
    let read = std::fs::read_to_string(root().join("deploy/crds.yaml")).expect("it is there");
    same("the definitions", &definitions, &objects(&read));
    assert!(definitions.iter().all(|object| object["kind"] == "CustomResourceDefinition"));
}

#[tokio::test]
async fn each_component_makes_what_its_values_make() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    // Kustomize takes no absolute paths.
    let link = folder.path().join("kustomize");
    copy(&root().join("deploy/kustomize"), &link);
    for (component, values) in COMPONENTS {
        let overlay = folder.path().join(component);
        std::fs::create_dir(&overlay).expect("a folder can be made");
        let text =
            format!("resources: [../kustomize/base]\ncomponents: [../kustomize/components/{component}]\n");
        std::fs::write(overlay.join("kustomization.yaml"), text).expect("a file can be written");
        same(component, &build(&overlay).await, &rendered(values).await);
    }
}

#[tokio::test]
async fn the_example_has_all_components_and_another_image() {
    let example = build(&root().join("deploy/kustomize/overlays/example")).await;
    let container = &only(&example, "Deployment")["spec"]["template"]["spec"]["containers"][0];
    let image = format!("registry.example.com/platform/itcare-operator:{}", env!("CARGO_PKG_VERSION"));
    assert_eq!(container["image"], image);
    for kind in [
        "PodDisruptionBudget",
        "ServiceMonitor",
        "PrometheusRule",
        "NetworkPolicy",
        "ValidatingAdmissionPolicy",
    ] {
        only(&example, kind);
    }
}

fn copy(from: &std::path::Path, to: &std::path::Path) {
    std::fs::create_dir(to).expect("a folder can be made");
    for entry in std::fs::read_dir(from).expect("it is a folder").map(|entry| entry.expect("an entry")) {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).expect("a file can be copied");
        }
    }
}
