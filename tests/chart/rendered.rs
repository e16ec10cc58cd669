//! What each mode renders, by both Helms.

use serde_json::{Value, json};

use crate::helm::{BOTH, Generation, Helm, NAMESPACE, chart, kinds, mode, modes, objects, only, path};

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
async fn both_helms_find_no_fault_and_render_the_same_in_every_mode() {
    let folder = chart();
    for generation in BOTH {
        let helm = Helm::get(generation).await;
        for (name, values) in modes() {
            let arguments = [
                "lint",
                "--strict",
                "--values",
                values.to_str().expect("text"),
                folder.to_str().expect("text"),
            ];
            let output = helm.run(None, &arguments, "").await;
            assert!(output.success, "{generation:?} {name}: {}{}", output.stdout, output.stderr);
        }
    }
    let (four, three) = (Helm::get(BOTH[0]).await, Helm::get(BOTH[1]).await);
    for (name, values) in modes() {
        assert_eq!(four.mode(&values).await, three.mode(&values).await, "{name}");
    }
}

#[tokio::test]
async fn the_packaged_chart_renders_the_same() {
    let folder = tempfile::TempDir::new().expect("a folder can be made");
    let target = folder.path().to_str().expect("the path is text");
    let (source, values) = (chart(), mode("monitoring"));
    for generation in BOTH {
        let helm = Helm::get(generation).await;
        let package = ["package", source.to_str().expect("text"), "--destination", target];
        let output = helm.run(None, &package, "").await;
        assert!(output.success, "{}", output.stderr);
        let package = format!("{target}/itcare-operator-{}.tgz", env!("CARGO_PKG_VERSION"));
        let arguments = ["template", "itcare-operator", &package, "--namespace", NAMESPACE, "--values", "-"];
        let values = std::fs::read_to_string(&values).expect("the mode is there");
        let output = helm.run(None, &arguments, &values).await;
        assert!(output.success, "{}", output.stderr);
        assert_eq!(
            objects(&output.stdout),
            helm.values(&values).await.expect("it renders"),
            "{generation:?}"
        );
    }
}

#[tokio::test]
async fn an_old_cluster_is_refused() {
    for generation in BOTH {
        let helm = Helm::get(generation).await;
        let refused = helm.text(&["--kube-version", "1.29.9"], "").await.expect_err("1.29 is too old");
        assert!(refused.contains(">=1.30.0-0"), "{refused}");
        helm.text(&["--kube-version", "1.30.0"], "").await.expect("1.30 is new enough");
        helm.text(&["--kube-version", "1.31.2-eks-1"], "")
            .await
            .expect("a provider's version is no prerelease");
    }
}

#[tokio::test]
async fn every_object_is_labelled_and_has_its_namespace() {
    let helm = Helm::get(Generation::Four).await;
    let cluster_wide = [
        "CustomResourceDefinition",
        "ClusterRole",
        "ClusterRoleBinding",
        "Namespace",
        "ValidatingAdmissionPolicy",
        "ValidatingAdmissionPolicyBinding",
    ];
    for (name, values) in modes() {
        for object in helm.mode(&values).await {
            let kind = object["kind"].as_str().expect("a kind");
            let metadata = &object["metadata"];
            assert_eq!(
                metadata["namespace"].is_null(),
                cluster_wide.contains(&kind),
                "{name}: {}",
                path(&object)
            );
            let more = ["-more", "-text", "itcare-system"];
            if more.iter().any(|end| metadata["name"].as_str().is_some_and(|name| name.ends_with(end)))
                && ["ConfigMap", "Namespace"].contains(&kind)
            {
                continue;
            }
            let labels = &metadata["labels"];
            for label in ["name", "instance", "version", "managed-by"] {
                assert!(
                    labels[format!("app.kubernetes.io/{label}")].is_string(),
                    "{name}: {}: {label}",
                    path(&object)
                );
            }
            if name == "full" {
                assert_eq!(labels["cost-centre"], "42", "{}", path(&object));
            }
        }
    }
}

#[tokio::test]
async fn the_default_is_one_restricted_replica_that_reads_its_secret_from_a_file() {
    let objects = rendered("default").await;
    let mut kinds = kinds(&objects);
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            "ClusterRole",
            "ClusterRoleBinding",
            "CustomResourceDefinition",
            "Deployment",
            "Role",
            "RoleBinding",
            "Service",
            "ServiceAccount"
        ]
    );
    let pod = pod(&objects);
    assert_eq!(
        pod["securityContext"],
        json!({"runAsNonRoot": true, "runAsUser": 65532, "runAsGroup": 65532, "fsGroup": 65532, "seccompProfile": {"type": "RuntimeDefault"}})
    );
    let container = &pod["containers"][0];
    assert_eq!(
        container["securityContext"],
        json!({"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true, "capabilities": {"drop": ["ALL"]}})
    );
    assert_eq!(container["image"], format!("itcare-operator:{}", env!("CARGO_PKG_VERSION")));
    let mount = &container["volumeMounts"][0];
    assert!(mount["subPath"].is_null(), "a file mounted by subPath is never updated");
    let variable = |name: &str| {
        let all = container["env"].as_array().expect("an environment");
        all.iter().find(|variable| variable["name"] == name).cloned().unwrap_or_default()
    };
    let folder = mount["mountPath"].as_str().expect("a path");
    assert_eq!(variable("ITCARE_CLIENT_SECRET_FILE")["value"], format!("{folder}/client-secret"));
    assert_eq!(
        variable("ITCARE_CLIENT_SECRET"),
        Value::Null,
        "the secret itself is never in the environment"
    );
    assert_eq!(
        variable("ITCARE_CLIENT_ID")["valueFrom"]["secretKeyRef"],
        json!({"name": "itcare-credentials", "key": "client-id"})
    );
    // Longer than the reply of a call in flight may take.
    assert!(pod["terminationGracePeriodSeconds"].as_i64().expect("seconds") > 30);
    for (probe, path) in
        [("startupProbe", "/livez"), ("livenessProbe", "/livez"), ("readinessProbe", "/readyz")]
    {
        assert_eq!(container[probe]["httpGet"], json!({"path": path, "port": "health"}), "{probe}");
    }
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
async fn no_right_is_a_wildcard_or_on_secrets() {
    let helm = Helm::get(Generation::Four).await;
    for (name, values) in modes() {
        for object in helm.mode(&values).await {
            for rule in object["rules"].as_array().into_iter().flatten() {
                for part in ["apiGroups", "resources", "verbs"] {
                    for word in rule[part].as_array().expect("a rule is complete") {
                        let word = word.as_str().expect("text");
                        assert!(
                            !word.contains('*') && word != "secrets",
                            "{name}: {}: {rule}",
                            path(&object)
                        );
                    }
                }
            }
        }
    }
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
