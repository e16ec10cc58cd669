//! The harness held against the real programs: users, tokens, faults and clean-up.

use std::time::Duration;

use itcare_lab::apply::apply_yaml;
use itcare_lab::controlplane::{ADMIN, Component, ControlPlane, Namespace, Options, User};
use itcare_lab::eventually::{eventually, expect_that};
use k8s_openapi::api::core::v1::{ConfigMap, Namespace as NamespaceObject};
use kube::Api;
use kube::api::{DeleteParams, PostParams};
use serde_json::json;

const LONG: Duration = Duration::from_secs(60);

fn config_map(name: &str) -> ConfigMap {
    serde_json::from_value(json!({"metadata": {"name": name}})).unwrap()
}

#[tokio::test]
async fn a_user_may_do_what_rbac_says_and_the_audit_log_shows_it() {
    let plane = ControlPlane::start(Options {
        users: vec![User::new("alice-token", "alice")],
        controller_manager: true,
        ..Options::default()
    })
    .await
    .unwrap();
    let admin = plane.admin().unwrap();
    let alice: Api<ConfigMap> = Api::namespaced(plane.client("alice-token").unwrap(), "shop");

    apply_yaml(&admin, include_str!("fixtures/rbac.yaml"), "test").await.unwrap();
    alice.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let refused = alice.delete("a", &DeleteParams::default()).await.unwrap_err();
    assert!(matches!(refused, kube::Error::Api(status) if status.is_forbidden()));

    let token = plane.service_account_token("shop", "robot").await.unwrap();
    let robot: Api<ConfigMap> = Api::namespaced(plane.client(&token).unwrap(), "shop");
    robot.get("a").await.unwrap();

    let seen = eventually(LONG, "the robot's read in the audit log", || async {
        let all = plane.audit().unwrap();
        let found =
            all.iter().any(|event| event.user == "system:serviceaccount:shop:robot" && event.verb == "get");
        if found { Ok(all) } else { Err(all.len()) }
    })
    .await;
    let codes: Vec<_> = seen
        .iter()
        .filter(|event| event.user == "alice")
        .map(|event| (event.verb.as_str(), event.code))
        .collect();
    assert_eq!(codes, [("create", 201), ("delete", 403)]);

    let output = plane.kubectl(&["get", "configmap", "-n", "shop", "-o", "name"]).await.unwrap();
    assert_eq!((output.success, output.stdout.trim()), (true, "configmap/a"), "{output:?}");
    let output = plane.kubectl_as("alice-token", &["get", "nodes"], "").await.unwrap();
    assert!(!output.success && output.stderr.contains("forbidden"), "{output:?}");

    // Only with the controller-manager does a namespace ever go.
    let namespaces: Api<NamespaceObject> = Api::all(admin);
    namespaces.delete("shop", &DeleteParams::default()).await.unwrap();
    eventually(LONG, "the namespace is gone", || async {
        expect_that(namespaces.get_opt("shop").await.unwrap(), Option::is_none)
    })
    .await;

    let directory = plane.directory().to_owned();
    plane.stop().await.unwrap();
    drop(plane);
    assert!(!directory.exists());
}

#[tokio::test]
async fn the_server_and_its_store_survive_what_is_done_to_them() {
    let plane = ControlPlane::start(Options::default()).await.unwrap();
    let maps: Api<ConfigMap> = Api::namespaced(plane.client(ADMIN).unwrap(), "default");
    maps.create(&PostParams::default(), &config_map("kept")).await.unwrap();

    plane.kill_apiserver().unwrap();
    assert!(maps.get("kept").await.is_err());
    plane.start_apiserver().await.unwrap();
    maps.get("kept").await.unwrap();

    plane.stop_apiserver().await.unwrap();
    plane.start_apiserver().await.unwrap();
    plane.restart_etcd().await.unwrap();
    maps.get("kept").await.unwrap();

    plane.pause(Component::ApiServer).await.unwrap();
    assert!(tokio::time::timeout(Duration::from_millis(500), maps.get("kept")).await.is_err());
    plane.resume(Component::ApiServer).await.unwrap();
    eventually(LONG, "an answer after the pause", || async {
        maps.get("kept").await.map_err(|e| e.to_string())
    })
    .await;
}

#[tokio::test]
async fn tests_of_one_process_share_a_server_and_not_a_namespace() {
    let (first, second) = tokio::join!(Namespace::fresh("share"), Namespace::fresh("share"));
    assert_ne!(first.name(), second.name());
    assert_eq!(first.plane().url(), second.plane().url());
    let maps: Api<ConfigMap> = Api::namespaced(first.client(), first.name());
    maps.create(&PostParams::default(), &config_map("a")).await.unwrap();
    let others: Api<ConfigMap> = Api::namespaced(second.client(), second.name());
    assert!(others.get_opt("a").await.unwrap().is_none());
}
