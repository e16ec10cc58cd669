//! The API server of this suite, with both definitions installed, and plain calls to it.

use std::sync::LazyLock;

use itcare_lab::apply::wait_established;
use itcare_lab::controlplane::{ADMIN, ControlPlane, Namespace, Output, shared};
use itcare_operator::crd::print;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Status;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

static INSTALLED: OnceCell<Output> = OnceCell::const_new();
static FILES: LazyLock<Vec<(String, String)>> =
    LazyLock::new(|| print::files().expect("a definition is YAML"));

/// Name and text of both definitions as the code gives them.
pub fn files() -> &'static [(String, String)] {
    &FILES
}

/// The definition of that kind.
pub fn definition(kind: &str) -> Value {
    let mut all = print::all().into_iter();
    all.find(|definition| definition["spec"]["names"]["kind"] == kind).expect("there is one of each kind")
}

/// The schema of that kind.
pub fn schema(kind: &str) -> Value {
    definition(kind)["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone()
}

/// Applies both definitions as a user would.
pub async fn apply_definitions(plane: &ControlPlane) -> Output {
    let text: String = files().iter().map(|(_, text)| format!("---\n{text}")).collect();
    let arguments = ["apply", "--server-side", "--field-manager=suite", "-f", "-"];
    plane.kubectl_as(ADMIN, &arguments, &text).await.expect("kubectl runs")
}

/// The control plane with both definitions served, and what kubectl said when they were applied.
pub async fn installed() -> (&'static ControlPlane, &'static Output) {
    let plane = shared().await;
    let output = INSTALLED
        .get_or_init(|| async {
            let output = apply_definitions(plane).await;
            assert!(output.success, "{}", output.stderr);
            let client = plane.admin().expect("a client can be made");
            for (file, _) in files() {
                let name = file.strip_suffix(".yaml").expect("files are YAML");
                let served = wait_established(&client, name, std::time::Duration::from_secs(60)).await;
                served.expect("an accepted definition is served");
            }
            output
        })
        .await;
    (plane, output)
}

/// What the server said instead of doing it.
#[derive(Debug)]
pub struct Refusal {
    /// Its words.
    pub message: String,
    /// The fields at fault. A schema error also hides the rules, which the server reports for no field.
    pub fields: Vec<String>,
}

/// A namespace of its own in the shared control plane.
pub struct Project {
    namespace: Namespace,
    client: Client,
}

/// Whether a change is kept.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Keep {
    /// It is.
    Yes,
    /// Only its checks run.
    DryRun,
}

impl Project {
    /// An empty one.
    pub async fn fresh(prefix: &str) -> Self {
        installed().await;
        let namespace = Namespace::fresh(prefix).await;
        let client = namespace.client();
        Self { namespace, client }
    }

    /// The name of the namespace.
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// Runs kubectl in the namespace.
    pub async fn kubectl(&self, arguments: &[&str]) -> Output {
        let arguments = [&["-n", self.name()], arguments].concat();
        self.namespace.plane().kubectl(&arguments).await.expect("kubectl runs")
    }

    /// `POST`, as `kubectl create`.
    pub async fn create(&self, object: &Value, keep: Keep) -> Result<Value, Refusal> {
        let path = self.path(object, "", keep);
        self.call("POST", &path, "application/json", object).await
    }

    /// Server-side apply.
    pub async fn apply(&self, object: &Value) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().expect("an object has a name");
        let path = self.path(object, &format!("/{name}"), Keep::Yes);
        self.call(
            "PATCH",
            &format!("{path}&fieldManager=user&force=true"),
            "application/apply-patch+yaml",
            object,
        )
        .await
    }

    /// A merge patch of an existing object.
    pub async fn change(&self, object: &Value, patch: &Value, keep: Keep) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().expect("an object has a name");
        let path = self.path(object, &format!("/{name}"), keep);
        self.call("PATCH", &path, "application/merge-patch+json", patch).await
    }

    /// A merge patch of the status, as the operator writes it.
    pub async fn report(&self, object: &Value, status: &Value, keep: Keep) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().expect("an object has a name");
        let path = self.path(object, &format!("/{name}/status"), keep);
        self.call("PATCH", &path, "application/merge-patch+json", &json!({"status": status})).await
    }

    /// Puts `status` in place of the one that is there.
    pub async fn replace_status(&self, object: &Value, status: &Value) -> Result<Value, Refusal> {
        let name = object["metadata"]["name"].as_str().expect("an object has a name");
        let path = self.path(object, &format!("/{name}/status"), Keep::Yes);
        let patch = json!([{"op": "replace", "path": "/status", "value": status}]);
        self.call("PATCH", &path, "application/json-patch+json", &patch).await
    }

    fn path(&self, object: &Value, tail: &str, keep: Keep) -> String {
        let kind = object["kind"].as_str().expect("an object has a kind").to_lowercase();
        let dry_run = if keep == Keep::DryRun { "&dryRun=All" } else { "" };
        format!(
            "/apis/itcare.cegedim.cloud/v1alpha1/namespaces/{}/{kind}s{tail}?fieldValidation=Strict{dry_run}",
            self.name()
        )
    }

    async fn call(&self, method: &str, path: &str, content: &str, body: &Value) -> Result<Value, Refusal> {
        let request = http::Request::builder().method(method).uri(path).header("content-type", content);
        let request = request.body(body.to_string().into_bytes()).expect("the parts are well-formed");
        match self.client.request::<Value>(request).await {
            Ok(object) => Ok(object),
            Err(kube::Error::Api(status)) => Err(refusal(&serde_json::to_value(*status).unwrap_or_default())),
            Err(error) => panic!("the API server did not answer: {error}"),
        }
    }
}

fn refusal(status: &Value) -> Refusal {
    let status: Status = serde_json::from_value(status.clone()).unwrap_or_default();
    let causes = status.details.and_then(|details| details.causes).unwrap_or_default();
    let fields =
        causes.into_iter().filter_map(|cause| cause.field).filter(|field| field != "<nil>").collect();
    Refusal { message: status.message.unwrap_or_default(), fields }
}
