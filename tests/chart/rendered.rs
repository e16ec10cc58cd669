//! What each mode renders, by both Helms.

use serde_json::{Value, json};

use crate::helm::{BOTH, Generation, Helm, NAMESPACE, chart, kinds, mode, modes, objects, only, path};

async fn rendered(name: &str) -> Vec<Value> {
    Helm::get(Generation::Four).await.mode(&mode(name)).await
}

fn pod(objects: &[Value]) -> &Value {
    &only(objects, "Deployment")["spec"]["template"]["spec"]
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
            // Without Helm, nobody manages them in its name.
            assert_eq!(
                labels["app.kubernetes.io/managed-by"] == "Helm",
                name != "install",
                "{name}: {}",
                path(&object)
            );
            for label in ["name", "instance", "version"] {
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
