//! What one value or a few change in the rendered objects.

use serde_json::{Value, json};

use crate::helm::{Generation, Helm, NAMESPACE, chart, kinds, mode, only, path};

async fn rendered(name: &str) -> Vec<Value> {
    Helm::get(Generation::Four).await.mode(&mode(name)).await
}

fn pod(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]
}

fn by_path<'a>(objects: &'a [Value], wanted: &str) -> &'a Value {
    let found = objects.iter().find(|object| path(object) == wanted);
    found
        .unwrap_or_else(|| panic!("no {wanted}; there is {:?}", objects.iter().map(path).collect::<Vec<_>>()))
}

#[tokio::test]
async fn several_replicas_are_spread_and_a_drain_takes_one_at_a_time() {
    let objects = rendered("ha").await;
    let budget = &only(&objects, "PodDisruptionBudget")["spec"];
    assert_eq!(budget["maxUnavailable"], 1);
    assert_eq!(budget["unhealthyPodEvictionPolicy"], "AlwaysAllow");
    let deployment = only(&objects, "Deployment");
    assert_eq!(budget["selector"], deployment["spec"]["selector"]);
    let spread = pod(&objects)["topologySpreadConstraints"].as_array().expect("a spread");
    for constraint in spread {
        assert_eq!(constraint["whenUnsatisfiable"], "ScheduleAnyway", "a small cluster must still run it");
        assert_eq!(constraint["labelSelector"], deployment["spec"]["selector"]);
    }
    assert_eq!(spread.len(), 2);
    let helm = Helm::get(Generation::Four).await;
    for values in [
        "{replicas: 1, podDisruptionBudget: {enabled: true}}",
        "{replicas: 2, podDisruptionBudget: {enabled: false}}",
    ] {
        let objects = helm.values(values).await.expect("it renders");
        assert!(!kinds(&objects).contains(&"PodDisruptionBudget"), "{values}");
    }
}

#[tokio::test]
async fn without_a_lease_the_old_replica_ends_before_the_new_one_starts() {
    let objects = rendered("single").await;
    assert_eq!(only(&objects, "Deployment")["spec"]["strategy"], json!({"type": "Recreate"}));
    assert!(!kinds(&objects).contains(&"Role"), "no Lease, no right on it");
    assert_eq!(only(&rendered("default").await, "Deployment")["spec"]["strategy"]["type"], "RollingUpdate");
}

#[tokio::test]
async fn some_namespaces_need_nothing_cluster_wide_but_the_clusters_id() {
    let objects = rendered("namespaced").await;
    let wide: Vec<_> =
        objects.iter().filter(|object| object["metadata"]["namespace"].is_null()).map(path).collect();
    assert!(wide.is_empty(), "{wide:?}");
    for namespace in ["shop", "billing"] {
        let name = format!("{namespace}/itcare-operator-{NAMESPACE}");
        let rules = &by_path(&objects, &format!("Role {name}"))["rules"];
        assert_eq!(rules[0]["verbs"], json!(["get", "list", "watch", "patch"]));
        let binding = by_path(&objects, &format!("RoleBinding {name}"));
        assert_eq!(binding["subjects"][0]["namespace"], NAMESPACE);
    }
    let objects = rendered("watch").await;
    let role = by_path(&objects, &format!("ClusterRole /itcare-operator-{NAMESPACE}"));
    assert_eq!(
        role["rules"],
        json!([{"apiGroups": [""], "resources": ["namespaces"], "resourceNames": ["kube-system"], "verbs": ["get"]}])
    );
}

#[tokio::test]
async fn the_image_is_named_by_registry_repository_tag_and_digest() {
    let helm = Helm::get(Generation::Four).await;
    let digest = format!("sha256:{}", "a".repeat(64));
    for (values, image) in [
        ("image: {tag: v9}".to_owned(), "itcare-operator:v9".to_owned()),
        (
            "image: {registry: registry.example/team/}".to_owned(),
            format!("registry.example/team/itcare-operator:{}", env!("CARGO_PKG_VERSION")),
        ),
        (format!("image: {{tag: v9, digest: '{digest}'}}"), format!("itcare-operator@{digest}")),
        (
            "{image: {registry: one.example, tag: v9}, global: {imageRegistry: two.example}}".to_owned(),
            "two.example/itcare-operator:v9".to_owned(),
        ),
    ] {
        let objects = helm.values(&values).await.expect("it renders");
        assert_eq!(pod(&objects)["containers"][0]["image"], image, "{values}");
    }
}

#[tokio::test]
async fn openshift_chooses_user_and_groups() {
    let context = pod(&rendered("openshift").await)["securityContext"].clone();
    assert_eq!(context, json!({"runAsNonRoot": true, "seccompProfile": {"type": "RuntimeDefault"}}));
}

#[tokio::test]
async fn the_account_of_the_values_is_kept_to_the_letter_and_restarts_the_pod() {
    use base64::Engine as _;
    let objects = rendered("credentials").await;
    let secret = only(&objects, "Secret");
    let decoded = base64::engine::general_purpose::STANDARD
        .decode(secret["data"]["client-secret"].as_str().expect("text"))
        .expect("base64");
    assert_eq!(decoded, b"p@ss: 'word' {{ not a template }}");
    assert_eq!(pod(&objects)["volumes"][0]["secret"]["secretName"], secret["metadata"]["name"]);
    let checksum = |objects: &[Value]| {
        only(objects, "Deployment")["spec"]["template"]["metadata"]["annotations"]["checksum/credentials"]
            .clone()
    };
    let other = Helm::get(Generation::Four).await;
    let other = other
        .values("credentials: {existingSecret: '', clientId: robot, clientSecret: other}")
        .await
        .expect("it renders");
    assert!(checksum(&objects).is_string());
    assert_ne!(checksum(&objects), checksum(&other));
}

#[tokio::test]
async fn proxy_and_roots_reach_the_operator_and_the_api_server_is_never_behind_the_proxy() {
    let objects = rendered("proxy-ca").await;
    let container = &pod(&objects)["containers"][0];
    let environment = container["env"].as_array().expect("an environment");
    let value = |name: &str| {
        environment.iter().find(|variable| variable["name"] == name).map(|variable| variable["value"].clone())
    };
    assert_eq!(value("HTTPS_PROXY"), Some(json!("http://proxy.example:3128")));
    assert_eq!(value("HTTP_PROXY"), None);
    assert_eq!(value("NO_PROXY"), Some(json!(".cluster.local,192.0.2.0/24,$(KUBERNETES_SERVICE_HOST)")));
    assert_eq!(
        pod(&objects)["volumes"][1]["configMap"],
        json!({"name": "company-roots", "items": [{"key": "roots.pem", "path": "ca.crt"}]})
    );
    assert!(
        container["args"]
            .as_array()
            .expect("arguments")
            .contains(&json!("--itcare-ca-file=/var/run/itcare-ca/ca.crt"))
    );
    let objects = rendered("ca-secret").await;
    assert_eq!(pod(&objects)["volumes"][1]["secret"]["secretName"], "company-roots");
}

#[tokio::test]
async fn the_monitors_find_the_pods_and_alerts_and_dashboard_are_those_of_the_files() {
    let objects = rendered("monitoring").await;
    let service = only(&objects, "Service");
    let monitor = only(&objects, "ServiceMonitor");
    let selects = |selector: &Value, labels: &Value| {
        selector.as_object().expect("a selector").iter().all(|(key, value)| &labels[key] == value)
    };
    assert!(selects(&monitor["spec"]["selector"]["matchLabels"], &service["metadata"]["labels"]));
    assert!(selects(
        &service["spec"]["selector"],
        &only(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    ));
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    let read =
        |name: &str| std::fs::read_to_string(chart().join("files").join(name)).expect("the file is there");
    let alerts = itcare_lab::apply::documents(&read("alerts.yaml")).expect("YAML").remove(0);
    assert_eq!(only(&objects, "PrometheusRule")["spec"], alerts);
    let wiki = "metrics: {prometheusRule: {enabled: true, runbookUrl: 'https://wiki.example/itcare'}}";
    let published = Helm::get(Generation::Four).await.values(wiki).await.expect("it renders");
    let rules = |alerts: &Value| -> Vec<Value> {
        let groups = alerts["groups"].as_array().expect("groups");
        groups.iter().flat_map(|group| group["rules"].as_array().expect("rules").clone()).collect()
    };
    let (meant, published) = (rules(&alerts), rules(&only(&published, "PrometheusRule")["spec"]));
    assert_eq!(meant.len(), published.len());
    for (meant, published) in meant.iter().zip(&published) {
        let path = meant["annotations"]["runbook"].as_str().expect("a run-book");
        let address = path.replace("deploy/docs/runbooks.md", "https://wiki.example/itcare");
        assert_eq!(published["annotations"]["runbook_url"], address);
    }
    let dashboard = only(&objects, "ConfigMap");
    assert_eq!(dashboard["metadata"]["labels"]["grafana_dashboard"], "1");
    let text = dashboard["data"]["itcare-operator.json"].as_str().expect("text");
    let parse = |text: &str| serde_json::from_str::<Value>(text).expect("JSON");
    assert_eq!(parse(text), parse(&read("dashboard.json")));
    let objects = rendered("podmonitor").await;
    let monitor = only(&objects, "PodMonitor");
    assert!(selects(
        &monitor["spec"]["selector"]["matchLabels"],
        &only(&objects, "Deployment")["spec"]["template"]["metadata"]["labels"]
    ));
    assert!(!kinds(&objects).contains(&"Service"));
}

#[tokio::test]
async fn the_definitions_are_those_of_the_operator_with_the_annotations_of_the_values() {
    let helm = Helm::get(Generation::Four).await;
    for (values, annotations) in [
        ("{}", json!({"helm.sh/resource-policy": "keep"})),
        ("crds: {keep: false}", json!(null)),
        ("crds: {keep: false, annotations: {a: b}}", json!({"a": "b"})),
    ] {
        let objects = helm.values(values).await.expect("it renders");
        let rendered: Vec<_> =
            objects.iter().filter(|object| object["kind"] == "CustomResourceDefinition").collect();
        let mut meant = itcare_operator::crd::print::all();
        meant.sort_by_key(path);
        assert_eq!(rendered.len(), meant.len());
        for (rendered, meant) in rendered.into_iter().zip(meant) {
            assert_eq!(rendered["spec"], meant["spec"]);
            assert_eq!(rendered["metadata"]["name"], meant["metadata"]["name"]);
            assert_eq!(rendered["metadata"]["annotations"], annotations, "{values}");
        }
    }
    let objects = helm.values("crds: {install: false}").await.expect("it renders");
    assert!(!kinds(&objects).contains(&"CustomResourceDefinition"));
}
