//! Every mode before a real kube-apiserver: accepted to the last field, in a namespace that enforces the Pod Security
//! Standard `restricted`.

use itcare_lab::apply::{api_of, apply_yaml};
use itcare_lab::controlplane::{prometheus_definitions, shared};
use kube::Client;
use kube::api::{Patch, PatchParams, ValidationDirective};
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::helm::{Generation, Helm, NAMESPACE, modes, only, path};

static FURNISHED: OnceCell<()> = OnceCell::const_new();

/// The shared control plane with the namespaces that the modes name.
async fn client() -> Client {
    let client = shared().await.admin().expect("a client can be made");
    FURNISHED
        .get_or_init(|| async {
            for name in [NAMESPACE, "shop", "billing", "leases", "monitoring", "1e3"] {
                let labels = json!({"pod-security.kubernetes.io/enforce": "restricted"});
                let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": labels}});
                apply_yaml(&client, &namespace.to_string(), "suite").await.expect("a namespace is accepted");
            }
            let definitions = tokio::task::spawn_blocking(prometheus_definitions).await.expect("no panic");
            for text in definitions.unwrap_or_else(|error| panic!("{error}")) {
                apply_yaml(&client, &text, "suite").await.expect("a definition is accepted");
            }
        })
        .await;
    client
}

/// Server-side apply that is not kept, with unknown fields refused.
async fn accepted(client: &Client, object: &Value) -> Result<(), String> {
    let mut parameters = PatchParams::apply("suite").dry_run().force();
    parameters.field_validation = Some(ValidationDirective::Strict);
    let api = api_of(client, object).expect("an object has a kind");
    let name = object["metadata"]["name"].as_str().expect("an object has a name");
    api.patch(name, &parameters, &Patch::Apply(object)).await.map(drop).map_err(|error| error.to_string())
}

/// The Pod that the Deployment would make.
fn pod(deployment: &Value) -> Value {
    let template = &deployment["spec"]["template"];
    let mut metadata = template["metadata"].clone();
    metadata["name"] = json!("itcare-operator-0");
    metadata["namespace"] = json!(NAMESPACE);
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": template["spec"]})
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_object_of_every_mode_is_accepted_and_the_pod_is_restricted() {
    let client = client().await;
    let helm = Helm::get(Generation::Four).await;
    let mut count = 0;
    for (name, values) in modes() {
        let objects = helm.mode(&values).await;
        for object in &objects {
            accepted(&client, object)
                .await
                .unwrap_or_else(|refusal| panic!("{name}: {}: {refusal}", path(object)));
            count += 1;
        }
        let pod = pod(only(&objects, "Deployment"));
        accepted(&client, &pod).await.unwrap_or_else(|refusal| panic!("{name}: the Pod: {refusal}"));
    }
    assert!(count > 150, "only {count} objects were tried");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_server_would_refuse_a_wrong_field_and_an_unrestricted_pod() {
    let client = client().await;
    let objects = Helm::get(Generation::Four).await.values("{}").await.expect("it renders");
    let mut deployment = only(&objects, "Deployment").clone();
    deployment["spec"]["template"]["spec"]["containers"][0]["readOnlyRootFilesystem"] = json!(true);
    let refusal = accepted(&client, &deployment).await.expect_err("there is no such field");
    assert!(refusal.contains("readOnlyRootFilesystem"), "{refusal}");
    for (field, word) in [("seccompProfile", "seccompProfile"), ("runAsNonRoot", "runAsNonRoot")] {
        let mut pod = pod(only(&objects, "Deployment"));
        pod["spec"]["securityContext"].as_object_mut().expect("a context").remove(field);
        let refusal = accepted(&client, &pod).await.expect_err("the namespace is restricted");
        assert!(refusal.contains(word), "{refusal}");
    }
}
