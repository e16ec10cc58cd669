//! The installed operator at work, and its rights held against what it asked for: whatever is granted is used, and
//! whatever is used is granted.

use std::collections::BTreeSet;

use itcare_lab::eventually::{eventually, expect_that};
use serde_json::{Value, json};

use crate::cluster::{Cluster, SOON, merged, vm};
use crate::helm::{Generation, NAMESPACE};
use crate::pod::Pod;

const VM: &str = "ITCareInstance";
const SNAPSHOT: &str = "ITCareSnapshot";
const USER: &str = "system:serviceaccount:itcare-system:itcare-operator";

/// Where (a namespace, or empty = everywhere), API group, resource with subresource, name if named, verb.
type Right = (String, String, String, String, String);

/// The rights of the operator's account, by its bindings in the cluster.
async fn granted(cluster: &Cluster) -> BTreeSet<Right> {
    let text = cluster
        .kubectl(&["get", "roles,rolebindings,clusterroles,clusterrolebindings", "-A", "-o", "json"])
        .await;
    let all = serde_json::from_str::<Value>(&text).expect("JSON");
    let all = all["items"].as_array().expect("a list");
    let mut rights = BTreeSet::new();
    let ours = |binding: &&Value| {
        let mut subjects = binding["subjects"].as_array().into_iter().flatten();
        subjects.any(|subject| subject["name"] == "itcare-operator" && subject["namespace"] == NAMESPACE)
    };
    for binding in all.iter().filter(ours) {
        let namespace = &binding["metadata"]["namespace"];
        let role = all.iter().find(|role| {
            role["kind"] == binding["roleRef"]["kind"]
                && role["metadata"]["name"] == binding["roleRef"]["name"]
                && (role["kind"] == "ClusterRole" || &role["metadata"]["namespace"] == namespace)
        });
        let words = |list: &Value| -> Vec<String> {
            list.as_array()
                .into_iter()
                .flatten()
                .map(|word| word.as_str().expect("text").to_owned())
                .collect()
        };
        for rule in role.expect("the role is there")["rules"].as_array().expect("rules") {
            let names = if rule["resourceNames"].is_null() {
                vec![String::new()]
            } else {
                words(&rule["resourceNames"])
            };
            for group in words(&rule["apiGroups"]) {
                for resource in words(&rule["resources"]) {
                    for (name, verb) in names
                        .iter()
                        .flat_map(|name| words(&rule["verbs"]).into_iter().map(move |verb| (name, verb)))
                    {
                        let place = namespace.as_str().unwrap_or_default().to_owned();
                        rights.insert((place, group.clone(), resource.clone(), name.clone(), verb));
                    }
                }
            }
        }
    }
    rights
}

/// Whether a right covers a request, by the rules of RBAC.
fn covers((place, group, resource, name, verb): &Right, request: &Right) -> bool {
    (place.is_empty() || *place == request.0)
        && *group == request.1
        && *resource == request.2
        && (name.is_empty() || *name == request.3)
        && *verb == request.4
}

/// What the account asked for, and what was refused.
fn used(cluster: &Cluster) -> (BTreeSet<Right>, Vec<String>) {
    let events = cluster.plane.audit().expect("there is an audit log");
    let ours = events.into_iter().filter(|event| event.user == USER && !event.resource.is_empty());
    let (mut requests, mut refused) = (BTreeSet::new(), Vec::new());
    for event in ours {
        if event.code == 403 {
            refused.push(format!("{event:?}"));
        }
        let resource = match event.subresource.as_str() {
            "" => event.resource,
            below => format!("{}/{below}", event.resource),
        };
        requests.insert((event.namespace, event.group, resource, event.name, event.verb));
    }
    (requests, refused)
}

/// A whole life: two objects, changes, a snapshot, a restart, the end.
async fn live(cluster: &Cluster, namespace: &str) {
    let pod = Pod::start(cluster, NAMESPACE).await;
    cluster.apply(VM, namespace, "web", vm("DWEB")).await;
    cluster.until_true(VM, namespace, "web", "Ready").await;
    // The second time of a transition is told by a patch of the first Event.
    for power in ["Stopped", "Running", "Stopped", "Running"] {
        cluster.patch(VM, namespace, "web", json!({"spec": {"powerState": power}})).await;
        cluster.until_true(VM, namespace, "web", "Ready").await;
    }
    assert!(pod.metrics().await.contains("itcare_operator_leading 1"), "{}", pod.metrics().await);
    cluster.apply(SNAPSHOT, namespace, "before", json!({"instanceRef": {"name": "web"}})).await;
    cluster.until_true(SNAPSHOT, namespace, "before", "Available").await;
    pod.until_probed("livenessProbe").await;
    let log = pod.log();
    assert!(pod.terminate().await.success(), "{log}");
    let pod = Pod::start(cluster, NAMESPACE).await;
    cluster.delete(SNAPSHOT, namespace, "before").await.expect("it is there");
    cluster.until_gone(SNAPSHOT, namespace, "before").await;
    cluster.delete(VM, namespace, "web").await.expect("it is there");
    cluster.until_gone(VM, namespace, "web").await;
    assert!(pod.terminate().await.success());
    let report = cluster.sim.report();
    assert_eq!((report.created, report.duplicates.len(), report.leftovers.len()), (1, 0, 0));
}

/// Compares, once the last request is in the log.
async fn rights_are_used_and_enough(cluster: &Cluster) {
    let granted = granted(cluster).await;
    assert!(granted.len() > 10, "{granted:#?}");
    eventually(SOON, "every right was used", || async {
        let (requests, _) = used(cluster);
        let unused: Vec<_> = granted
            .iter()
            .filter(|right| !requests.iter().any(|request| covers(right, request)))
            .cloned()
            .collect();
        expect_that(unused, Vec::is_empty)
    })
    .await;
    let (requests, refused) = used(cluster);
    assert!(refused.is_empty(), "{refused:#?}");
    for request in &requests {
        assert!(
            granted.iter().any(|right| covers(right, request)),
            "used without a right of the chart: {request:?}"
        );
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_installed_operator_works_in_all_namespaces_with_the_rights_that_it_uses() {
    let cluster = Cluster::start(Generation::Four).await;
    cluster.namespace("shop").await;
    cluster.install("itcare-operator", NAMESPACE, &cluster.pace(), &[]).await;
    cluster.account(NAMESPACE).await;
    live(&cluster, "shop").await;
    rights_are_used_and_enough(&cluster).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_installed_operator_works_in_some_namespaces_with_the_rights_that_it_uses() {
    let cluster = Cluster::start(Generation::Three).await;
    for name in ["shop", "billing"] {
        cluster.namespace(name).await;
    }
    let values = merged(&cluster.pace(), "{watchNamespaces: [shop], allowServices: {shop: [14]}}");
    cluster.install("itcare-operator", NAMESPACE, &values, &[]).await;
    cluster.account(NAMESPACE).await;
    // Nobody watches there.
    cluster.apply(VM, "billing", "ledger", vm("DLEDGER")).await;
    live(&cluster, "shop").await;
    rights_are_used_and_enough(&cluster).await;
    let granted = granted(&cluster).await;
    assert!(
        granted.iter().all(|(place, _, resource, ..)| !place.is_empty() || resource == "namespaces"),
        "{granted:#?}"
    );
    let ledger =
        cluster.until(VM, "billing", "ledger", "is as it was applied", |seen| seen.is_object()).await;
    assert!(ledger["status"]["conditions"].is_null(), "{ledger:#}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rotated_secret_is_taken_up_without_a_restart() {
    let cluster = Cluster::start(Generation::Four).await;
    cluster.namespace("shop").await;
    let values = merged(&cluster.pace(), "{watchNamespaces: [shop], clusterId: test}");
    cluster.install("itcare-operator", NAMESPACE, &values, &[]).await;
    cluster.account(NAMESPACE).await;
    cluster.sim.accounts(|accounts| accounts.token_lifetime = std::time::Duration::from_secs(2));
    let pod = Pod::start(&cluster, NAMESPACE).await;
    cluster.apply(VM, "shop", "web", vm("DWEB")).await;
    cluster.until_true(VM, "shop", "web", "Ready").await;
    cluster.sim.accounts(|accounts| accounts.list[0].secret = "another".to_owned());
    let secret = json!({"stringData": {"client-secret": "another"}}).to_string();
    cluster
        .kubectl(&["patch", "secret", "itcare-credentials", "-n", NAMESPACE, "--type=merge", "-p", &secret])
        .await;
    pod.sync().await;
    // Only a new token can end the VM.
    cluster.delete(VM, "shop", "web").await.expect("it is there");
    cluster.until_gone(VM, "shop", "web").await;
    let all = used(&cluster).0;
    assert!(
        all.iter().all(|(_, _, resource, ..)| resource != "namespaces"),
        "clusterId is given, so nothing is asked"
    );
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn proxy_and_roots_of_the_values_are_used() {
    let cluster = Cluster::start(Generation::Four).await;
    cluster.namespace("shop").await;
    let roots = cluster.plane.directory().join("tls.crt");
    // A plain proxy gets the whole address in the request; the simulator looks at its path only, and so is one.
    let values = json!({
        "itcare": {
            "url": "http://itcare.example/itcare",
            "tokenUrl": "http://itcare.example/auth/realms/cloud/protocol/openid-connect/token",
            "allowHttp": true,
            "ca": {"configMap": "company-roots", "key": "roots.pem"},
        },
        "proxy": {"http": format!("http://{}", cluster.address())},
    });
    cluster.install("itcare-operator", NAMESPACE, &merged(&cluster.pace(), &values.to_string()), &[]).await;
    cluster.account(NAMESPACE).await;
    let from = format!("--from-file=roots.pem={}", roots.display());
    cluster.kubectl(&["create", "configmap", "company-roots", "-n", NAMESPACE, &from]).await;
    let _pod = Pod::start(&cluster, NAMESPACE).await;
    cluster.apply(VM, "shop", "web", vm("DWEB")).await;
    cluster.until_true(VM, "shop", "web", "Ready").await;
    assert_eq!(cluster.sim.report().created, 1);
}
