//! What one story needs for itself: a namespace, a cloud, and operators one after the other.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use itcare_lab::apply::{api_of, apply_yaml};
use itcare_lab::controlplane::{ADMIN, ControlPlane, Options};
use itcare_lab::eventually::{eventually, expect_that};
use k8s_openapi::api::coordination::v1::Lease;
use kube::api::{DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::sync::OnceCell;

use crate::SOON;
use crate::cloud::{Cloud, SECRET};
use crate::operator::Operator;

pub const VM: &str = "ITCareInstance";
pub const SNAPSHOT: &str = "ITCareSnapshot";

static PLANE: OnceCell<Arc<ControlPlane>> = OnceCell::const_new();

/// The control plane of all stories that do it no harm. It has the namespace controller.
pub async fn plane() -> Arc<ControlPlane> {
    Arc::clone(PLANE.get_or_init(fresh_plane).await)
}

/// A control plane with our definitions.
pub async fn fresh_plane() -> Arc<ControlPlane> {
    let options = Options { controller_manager: true, ..Options::default() };
    let plane = ControlPlane::start(options).await.expect("a control plane");
    let text = itcare_operator::crd::print::yaml().expect("definitions are YAML");
    let client = plane.admin().expect("a client");
    apply_yaml(&client, &text, "suite").await.expect("the definitions are accepted");
    Arc::new(plane)
}

/// The story's world.
pub struct Shop {
    pub plane: Arc<ControlPlane>,
    pub cloud: Cloud,
    pub name: String,
    client: Client,
    /// Its namespaces.
    namespaces: RefCell<Vec<String>>,
    folder: TempDir,
    flags: Vec<String>,
    logs: RefCell<Vec<PathBuf>>,
    /// How far the audit log was read for the sake of waiting.
    position: Cell<u64>,
}

impl Shop {
    /// A namespace with a cloud of its own, and operators with these flags that watch it.
    pub async fn open(plane: Arc<ControlPlane>, name: &str, flags: &[&str]) -> Self {
        let client = plane.admin().expect("a client");
        let folder = TempDir::new().expect("a folder can be made");
        std::fs::write(folder.path().join("secret"), SECRET).expect("a file can be written");
        let cloud = Cloud::start(folder.path()).await;
        let own = [format!("--watch-namespace={name}"), format!("--lease-namespace={name}")];
        let flags = own.into_iter().chain(flags.iter().map(|flag| (*flag).to_owned())).collect();
        let shop = Self {
            plane,
            cloud,
            name: name.to_owned(),
            client,
            namespaces: RefCell::default(),
            folder,
            flags,
            logs: RefCell::default(),
            position: Cell::new(0),
        };
        shop.add_namespace(name).await;
        shop
    }

    /// One more namespace, for operators that watch it too.
    pub async fn add_namespace(&self, name: &str) {
        let object = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
        apply_yaml(&self.client, &object.to_string(), "suite").await.expect("a namespace");
        self.namespaces.borrow_mut().push(name.to_owned());
    }

    /// Starts an operator.
    pub fn operator(&self) -> Operator {
        let mut logs = self.logs.borrow_mut();
        let log = self.folder.path().join(format!("operator-{}.log", logs.len()));
        logs.push(log.clone());
        let kubeconfig = self.plane.kubeconfig(ADMIN).expect("a kubeconfig can be written");
        let secret = self.folder.path().join("secret");
        Operator::start(&self.cloud.address, &secret, &kubeconfig, log, &self.flags)
    }

    /// What all of them printed.
    pub fn logs(&self) -> String {
        let read = |path: &PathBuf| std::fs::read(path).unwrap_or_default();
        let all: Vec<u8> = self.logs.borrow().iter().flat_map(read).collect();
        String::from_utf8_lossy(&all).into_owned()
    }

    /// Our kind, in this namespace or another.
    pub fn api(&self, namespace: &str, kind: &str) -> Api<DynamicObject> {
        let object = json!({
            "apiVersion": "itcare.cegedim.cloud/v1alpha1",
            "kind": kind,
            "metadata": {"namespace": namespace},
        });
        api_of(&self.client, &object).expect("our kinds are namespaced")
    }

    /// `kubectl apply`.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        self.apply_in(&self.name, kind, name, spec).await;
    }

    /// The same in another namespace.
    pub async fn apply_in(&self, namespace: &str, kind: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "itcare.cegedim.cloud/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": namespace},
            "spec": spec,
        });
        let parameters = PatchParams::apply("kubectl").force();
        let applied = self.api(namespace, kind).patch(name, &parameters, &Patch::Apply(&object)).await;
        applied.expect("the manifest is accepted");
    }

    /// Merges into the spec.
    pub async fn patch(&self, kind: &str, name: &str, spec: Value) {
        let patch = Patch::Merge(json!({"spec": spec}));
        let patched = self.api(&self.name, kind).patch(name, &PatchParams::default(), &patch).await;
        patched.expect("the change is accepted");
    }

    /// `kubectl delete --wait=false`.
    pub async fn delete(&self, kind: &str, name: &str) {
        let deleted = self.api(&self.name, kind).delete(name, &DeleteParams::default()).await;
        deleted.expect("it is there");
    }

    /// The object, if it is there.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(&self.name, kind).get_opt(name).await.expect("the API server answers");
        found.map(|object| serde_json::to_value(object).expect("an object is JSON"))
    }

    /// All objects of the kind, in this namespace.
    pub async fn list(&self, kind: &str) -> Result<Vec<Value>, kube::Error> {
        let list = self.api(&self.name, kind).list(&ListParams::default()).await?;
        Ok(list.items.iter().map(|object| serde_json::to_value(object).expect("an object is JSON")).collect())
    }

    /// Waits until the object is as wished.
    pub async fn until(&self, kind: &str, name: &str, what: &str, wish: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, format!("{kind} {name}: {what}"), || async {
            expect_that(self.get(kind, name).await.unwrap_or_default(), &wish)
        })
        .await
    }

    /// Waits until its spec was carried out.
    pub async fn until_ready(&self, kind: &str, name: &str) -> Value {
        self.until(kind, name, "ready", is_ready).await
    }

    /// Waits until someone but `not` holds the lease, and tells who.
    pub async fn until_led(&self, not: Option<&str>) -> String {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), &self.name);
        eventually(SOON, "a leader", || async {
            let lease = leases.get_opt("itcare-operator").await.map_err(|error| error.to_string())?;
            let holder = lease.and_then(|lease| lease.spec?.holder_identity).unwrap_or_default();
            if holder.is_empty() || Some(holder.as_str()) == not { Err(holder) } else { Ok(holder) }
        })
        .await
    }

    /// How many writes to our kinds in these namespaces were answered since the last look. Only operators' count.
    pub fn new_writes(&self) -> usize {
        let mut position = self.position.get();
        let events = self.plane.audit_after(&mut position).expect("there is an audit log");
        self.position.set(position);
        let ours = events.iter().filter(|event| {
            self.namespaces.borrow().contains(&event.namespace)
                && ["itcareinstances", "itcaresnapshots"].contains(&event.resource.as_str())
                && ["create", "update", "patch", "delete"].contains(&event.verb.as_str())
                && event.uri.contains("fieldManager=itcare-operator")
        });
        ours.count()
    }

    /// Waits until a call of this kind came that a fault holds back.
    pub async fn until_held(&self) {
        eventually(SOON, "a call that is held", || async {
            let calls = self.cloud.calls().await;
            if calls.iter().any(|call| call.fault.is_some()) { Ok(()) } else { Err(calls.len()) }
        })
        .await;
    }
}

/// Whether an object says `Ready`, and says so of its present spec.
pub fn is_ready(object: &Value) -> bool {
    itcare_lab::kstatus::kubectl_wait(object, "Ready", "True")
        && object["status"]["observedGeneration"] == object["metadata"]["generation"]
}

/// A short pause between two looks at a moment that must not be missed.
pub const BLINK: Duration = Duration::from_millis(8);
