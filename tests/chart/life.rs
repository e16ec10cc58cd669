//! A release from its installation to its end, by both Helms, on a control plane of its own.

use itcare_lab::controlplane::ADMIN;
use itcare_lab::eventually::{eventually, expect_that};
use serde_json::{Value, json};

use crate::cluster::{Cluster, SOON, vm};
use crate::helm::{Generation, NAMESPACE};

const VM: &str = "ITCareInstance";
const DEFINITION: &str = "itcareinstances.itcare.cegedim.cloud";

/// Kind, namespace, name and version of every object of the release.
async fn versions(cluster: &Cluster, release: &str) -> Vec<String> {
    let kinds = "crd,clusterroles,clusterrolebindings,roles,rolebindings,deployments,services,serviceaccounts,poddisruptionbudgets,networkpolicies,validatingadmissionpolicies,validatingadmissionpolicybindings,secrets,configmaps";
    let selector = format!("app.kubernetes.io/instance={release}");
    let text = cluster.kubectl(&["get", kinds, "-A", "-l", &selector, "-o", "json"]).await;
    let list: Value = serde_json::from_str(&text).expect("JSON");
    let mut all: Vec<_> = list["items"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|object| format!("{} {}", crate::helm::path(object), object["metadata"]["resourceVersion"]))
        .collect();
    all.sort();
    all
}

async fn definition(cluster: &Cluster) -> Option<Value> {
    cluster.object("apiextensions.k8s.io/v1", "CustomResourceDefinition", "", DEFINITION).await
}

async fn from_installation_to_end(generation: Generation) {
    let cluster = Cluster::start(generation).await;
    let told = cluster.install("itcare-operator", NAMESPACE, "{}", &[]).await;
    for words in [
        "kubectl create secret generic itcare-credentials --namespace itcare-system",
        "kubectl apply",
        "helm uninstall itcare-operator",
    ] {
        assert!(told.contains(words), "{words} is not in {told}");
    }
    let (_, sample) = told.split_once("echo '").expect("the notes have a sample");
    let (sample, _) = sample.split_once('\'').expect("it ends");
    let applied =
        cluster.plane.kubectl_as(ADMIN, &["apply", "--namespace", "default", "-f", "-"], sample).await;
    let applied = applied.expect("kubectl runs");
    assert!(applied.success, "the sample of the notes: {}", applied.stderr);

    // The same again changes nothing.
    let before = versions(&cluster, "itcare-operator").await;
    assert!(before.len() >= 9, "{before:#?}");
    cluster.install("itcare-operator", NAMESPACE, "{}", &[]).await;
    assert_eq!(
        before,
        versions(&cluster, "itcare-operator").await,
        "{generation:?}: a second installation changed something"
    );

    // A user's object, and an update of the release, its definitions included.
    cluster.apply(VM, "default", "web", vm("DWEB")).await;
    let web = cluster.until(VM, "default", "web", "is there", Value::is_object).await;
    cluster
        .kubectl(&[
            "patch",
            "crd",
            DEFINITION,
            "--type=merge",
            "-p",
            r#"{"spec":{"names":{"categories":[]}}}"#,
        ])
        .await;
    let values = json!({"replicas": 2, "networkPolicy": {"enabled": true}, "crds": {"annotations": {"example.com/owner": "platform"}}}).to_string();
    // What an administrator changed by hand is theirs until they say otherwise.
    let force: &[&str] = if generation == Generation::Four { &["--force-conflicts"] } else { &[] };
    cluster.install("itcare-operator", NAMESPACE, &values, force).await;
    let deployment =
        cluster.object("apps/v1", "Deployment", NAMESPACE, "itcare-operator").await.expect("it stays");
    assert_eq!(deployment["spec"]["replicas"], 2);
    assert!(cluster.object("policy/v1", "PodDisruptionBudget", NAMESPACE, "itcare-operator").await.is_some());
    let updated = definition(&cluster).await.expect("it stays");
    assert_eq!(updated["metadata"]["annotations"]["example.com/owner"], "platform");
    // Not "{}": an update without any values keeps those before.
    cluster.install("itcare-operator", NAMESPACE, "replicas: 1", &[]).await;
    assert!(cluster.object("policy/v1", "PodDisruptionBudget", NAMESPACE, "itcare-operator").await.is_none());

    // The end of the release is not the end of the VMs.
    cluster.uninstall("itcare-operator", NAMESPACE).await;
    assert!(definition(&cluster).await.is_some(), "crds.keep");
    let kept = cluster.until(VM, "default", "web", "is there", Value::is_object).await;
    assert_eq!(web, kept, "an object was touched");
    let left = versions(&cluster, "itcare-operator").await;
    assert!(left.iter().all(|object| object.starts_with("CustomResourceDefinition")), "{left:#?}");

    // A new release takes up what was kept; one that keeps nothing removes all.
    cluster.install("itcare-operator", NAMESPACE, "replicas: 1", &[]).await;
    let told = cluster.install("itcare-operator", NAMESPACE, "crds: {keep: false}", &[]).await;
    assert!(told.contains("DELETES every ITCareInstance"), "{told}");
    let annotations = definition(&cluster).await.expect("it stays")["metadata"]["annotations"].clone();
    assert!(annotations["helm.sh/resource-policy"].is_null(), "{annotations}");
    cluster.uninstall("itcare-operator", NAMESPACE).await;
    eventually(SOON, "the definitions are gone", || async {
        expect_that(definition(&cluster).await, Option::is_none)
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_of_helm_4_lives_from_its_installation_to_its_end() {
    from_installation_to_end(Generation::Four).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_release_of_helm_3_lives_from_its_installation_to_its_end() {
    from_installation_to_end(Generation::Three).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_single_file_is_accepted_at_once_and_changes_nothing_the_second_time() {
    let cluster = Cluster::start(Generation::Four).await;
    let deploy = crate::helm::root().join("deploy");
    let file = |name: &str| deploy.join(name).to_str().expect("the path is text").to_owned();
    cluster.kubectl(&["apply", "--server-side", "-f", &file("install.yaml")]).await;
    let before = versions(&cluster, "itcare-operator").await;
    assert!(before.len() >= 9, "{before:#?}");
    cluster.kubectl(&["apply", "--server-side", "-f", &file("install.yaml")]).await;
    cluster.kubectl(&["apply", "--server-side", "-f", &file("crds.yaml")]).await;
    cluster.kubectl(&["apply", "--server-side", "-k", &file("kustomize/base")]).await;
    assert_eq!(before, versions(&cluster, "itcare-operator").await);
    // A release takes it over, and its definitions are taken over by the file again.
    cluster.install("itcare-operator", NAMESPACE, "replicas: 1", &["--take-ownership"]).await;
    cluster.uninstall("itcare-operator", NAMESPACE).await;
    cluster.kubectl(&["apply", "--server-side", "-f", &file("install.yaml")]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_releases_with_two_accounts_live_side_by_side() {
    let cluster = Cluster::start(Generation::Four).await;
    for name in ["shop", "billing"] {
        cluster.namespace(name).await;
    }
    cluster.install("itcare-operator", NAMESPACE, "watchNamespaces: [shop]", &[]).await;
    let second =
        "{watchNamespaces: [shop, billing], crds: {install: false}, deletionProtection: {enabled: true}}";
    cluster.install("itcare-operator", "second-account", second, &[]).await;
    let first = versions(&cluster, "itcare-operator").await;
    cluster.uninstall("itcare-operator", "second-account").await;
    let left = versions(&cluster, "itcare-operator").await;
    assert!(first.len() > left.len());
    let lost = |part: &str| !left.iter().any(|object| object.contains(part));
    for part in [
        "Role shop/itcare-operator-itcare-system",
        "ClusterRole /itcare-operator-itcare-system",
        "CustomResourceDefinition",
    ] {
        assert!(!lost(part), "the first release lost {part}: {left:#?}");
    }
    assert!(lost("second-account"), "{left:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_protected_object_cannot_be_deleted_until_its_annotation_is_removed() {
    let cluster = Cluster::start(Generation::Four).await;
    cluster.install("itcare-operator", NAMESPACE, "deletionProtection: {enabled: true}", &[]).await;
    let snapshot = json!({"instanceRef": {"name": "web"}});
    for (kind, name, spec) in
        [(VM, "web", vm("DWEB")), ("ITCareSnapshot", "before", snapshot), (VM, "open", vm("DOPEN"))]
    {
        cluster.apply(kind, "default", name, spec).await;
    }
    let protect = |value: Value| json!({"metadata": {"annotations": {"itcare.cegedim.cloud/deletion-protection": value}}});
    for (kind, name) in [(VM, "web"), ("ITCareSnapshot", "before")] {
        cluster.patch(kind, "default", name, protect(json!("true"))).await;
    }
    // A policy acts a moment after it was accepted.
    let dry_run = ["delete", "itcvm", "web", "-n", "default", "--dry-run=server"];
    eventually(SOON, "the policy acts", || async {
        let output = cluster.plane.kubectl(&dry_run).await.expect("kubectl runs");
        if output.success { Err(output.stdout) } else { Ok(()) }
    })
    .await;
    for (kind, name) in [(VM, "web"), ("ITCareSnapshot", "before")] {
        let message = cluster.delete(kind, "default", name).await.expect_err("it is protected");
        for word in [&format!("{kind} default/{name}"), "itcare.cegedim.cloud/deletion-protection"] {
            assert!(message.contains(word), "{word} is not in {message}");
        }
    }
    // Other changes go through, other objects can be deleted, and so can this one afterwards.
    cluster.patch(VM, "default", "web", json!({"spec": {"powerState": "Stopped"}})).await;
    cluster.delete(VM, "default", "open").await.expect("it is not protected");
    cluster.patch(VM, "default", "web", protect(json!("false"))).await;
    cluster.delete(VM, "default", "web").await.expect("it is no longer protected");
    cluster.patch("ITCareSnapshot", "default", "before", protect(Value::Null)).await;
    cluster.delete("ITCareSnapshot", "default", "before").await.expect("it is no longer protected");
}
