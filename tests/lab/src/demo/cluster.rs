//! The Kubernetes side: a control plane of our own, or a cluster that the user names; the namespace of
//! the demo, the definitions, and the removal of both.
//!
//! A cluster that already has the definitions is refused: an operator may run there, with a real ITCare
//! account, and would take the samples at their word.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, bail};
use itcare_lab::apply::{api_of, apply_yaml, resource_of};
use itcare_lab::controlplane::{ADMIN, ControlPlane, Options};
use kube::api::{Api, DeleteParams, DynamicObject, ListParams, Patch, PatchParams};
use kube::config::{KubeConfigOptions, Kubeconfig};
use kube::{Client, Config};
use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

/// Everything happens in this namespace.
pub const NAMESPACE: &str = "itcare-demo";

/// The kinds of the samples.
pub const KINDS: [&str; 2] = ["ITCareInstance", "ITCareSnapshot"];

const GROUP_VERSION: &str = "itcare.cegedim.cloud/v1alpha1";
const DEFINITIONS: [&str; 2] =
    ["itcareinstances.itcare.cegedim.cloud", "itcaresnapshots.itcare.cegedim.cloud"];

/// The cluster's own controllers empty a namespace within seconds; a busy cluster may take longer.
const GONE_WITHIN: Duration = Duration::from_secs(60);

/// A cluster with a namespace for us.
pub struct Cluster {
    client: Client,
    kubeconfig: PathBuf,
    plane: Option<ControlPlane>,
    definitions: bool,
}

impl Cluster {
    /// Starts a control plane.
    ///
    /// # Errors
    ///
    /// When its programs are missing and cannot be built, or it does not come up.
    pub async fn local(folder: &Path) -> anyhow::Result<Self> {
        let plane = ControlPlane::start(Options::default()).await?;
        let client = plane.admin()?;
        let config = Kubeconfig::read_from(plane.kubeconfig(ADMIN)?)?;
        let kubeconfig = write_kubeconfig(config, "lab", folder)?;
        Ok(Self { client, kubeconfig, plane: Some(plane), definitions: false })
    }

    /// Uses the cluster behind a context of the user's kubeconfig.
    ///
    /// # Errors
    ///
    /// When there is no such context, the cluster does not answer, or something of the name of ours is
    /// there already.
    pub async fn existing(context: &str, folder: &Path) -> anyhow::Result<Self> {
        // No provider is chosen when several are linked in.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let config = Kubeconfig::read().context("there is no kubeconfig for --context; set KUBECONFIG")?;
        if !config.contexts.iter().any(|known| known.name == context) {
            let known: Vec<_> = config.contexts.iter().map(|known| known.name.as_str()).collect();
            bail!("--context {context}: the kubeconfig has no such context; it has {}", known.join(", "));
        }
        let options = KubeConfigOptions { context: Some(context.to_owned()), ..KubeConfigOptions::default() };
        let client =
            Config::from_custom_kubeconfig(config.clone(), &options).await.map(Client::try_from)??;
        let version = client.apiserver_version().await;
        version.with_context(|| format!("--context {context}: the cluster does not answer"))?;
        let kubeconfig = write_kubeconfig(config, context, folder)?;
        let cluster = Self { client, kubeconfig, plane: None, definitions: false };
        cluster.refuse_if_used(context).await?;
        Ok(cluster)
    }

    /// A kubeconfig whose namespace is that of the demo.
    pub fn kubeconfig(&self) -> &Path {
        &self.kubeconfig
    }

    /// Whether the control plane is our own.
    pub fn is_local(&self) -> bool {
        self.plane.is_some()
    }

    /// Makes the namespace, installs the definitions and waits until they are served.
    ///
    /// # Errors
    ///
    /// When the server refuses them.
    pub async fn furnish(&mut self, definitions: &str) -> anyhow::Result<()> {
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
        apply_yaml(&self.client, &namespace.to_string(), "itcare-demo").await?;
        self.definitions = true;
        apply_yaml(&self.client, definitions, "itcare-demo").await.map(drop).map_err(Into::into)
    }

    /// Applies one object in the namespace, as `kubectl apply` does.
    ///
    /// # Errors
    ///
    /// When the server refuses it.
    pub async fn apply(&self, object: &Value) -> anyhow::Result<()> {
        let mut object = object.clone();
        object["metadata"]["namespace"] = json!(NAMESPACE);
        let name = object["metadata"]["name"].as_str().unwrap_or_default().to_owned();
        let api = api_of(&self.client, &object).context("a sample has no kind")?;
        let parameters = PatchParams::apply("itcare-demo").force();
        let answer = api.patch(&name, &parameters, &Patch::Apply(&object)).await;
        answer.map(drop).with_context(|| format!("the API server refuses {name}"))
    }

    /// The objects of one kind.
    pub fn api(&self, kind: &str) -> Api<DynamicObject> {
        Api::namespaced_with(self.client.clone(), NAMESPACE, &resource_of(GROUP_VERSION, kind))
    }

    /// All our objects, as JSON.
    ///
    /// # Errors
    ///
    /// When the server does not answer.
    pub async fn objects(&self) -> anyhow::Result<Vec<Value>> {
        let mut objects = Vec::new();
        for kind in KINDS {
            for object in self.api(kind).list(&ListParams::default()).await? {
                let mut object = serde_json::to_value(object)?;
                // Items of a list have none.
                object["kind"] = json!(kind);
                objects.push(object);
            }
        }
        Ok(objects)
    }

    /// Takes away what was made in a cluster of the user's; says what is left if that fails. A control
    /// plane of our own just ends, when this is dropped.
    ///
    /// # Errors
    ///
    /// When something cannot be removed.
    pub async fn remove(&self) -> anyhow::Result<()> {
        if self.is_local() {
            return Ok(());
        }
        if self.definitions {
            self.release().await?;
            for name in DEFINITIONS {
                self.delete("apiextensions.k8s.io/v1", "CustomResourceDefinition", name).await?;
            }
        }
        self.delete("v1", "Namespace", NAMESPACE).await
    }

    /// Without an operator nobody else takes its finalizers off.
    async fn release(&self) -> anyhow::Result<()> {
        // Where the definitions are not served yet there is nothing to release.
        for object in self.objects().await.unwrap_or_default() {
            let kind = object["kind"].as_str().unwrap_or_default();
            let name = object["metadata"]["name"].as_str().unwrap_or_default();
            let none = json!({"metadata": {"finalizers": null}});
            self.api(kind).patch(name, &PatchParams::default(), &Patch::Merge(none)).await?;
        }
        Ok(())
    }

    async fn delete(&self, version: &str, kind: &str, name: &str) -> anyhow::Result<()> {
        let api: Api<DynamicObject> = Api::all_with(self.client.clone(), &resource_of(version, kind));
        match api.delete(name, &DeleteParams::default()).await {
            Err(kube::Error::Api(status)) if status.is_not_found() => return Ok(()),
            other => other.with_context(|| format!("cannot delete {kind} {name}"))?,
        };
        let end = Instant::now() + GONE_WITHIN;
        while api.get_opt(name).await?.is_some() {
            if Instant::now() >= end {
                bail!("{kind} {name} is still there after {} s", GONE_WITHIN.as_secs());
            }
            sleep(Duration::from_millis(500)).await;
        }
        Ok(())
    }

    async fn refuse_if_used(&self, context: &str) -> anyhow::Result<()> {
        let all = |version: &str, kind: &str| -> Api<DynamicObject> {
            Api::all_with(self.client.clone(), &resource_of(version, kind))
        };
        let definitions = all("apiextensions.k8s.io/v1", "CustomResourceDefinition");
        for name in DEFINITIONS {
            if definitions.get_opt(name).await.context("cannot look for the definitions")?.is_some() {
                bail!(
                    "--context {context}: the cluster already has {name}. An operator may run there and would make \
                     the samples' VMs for real, and the demo would remove the definition with all its objects. Use \
                     another cluster; if an earlier demo left it: kubectl --context {context} delete crd {}",
                    DEFINITIONS.join(" ")
                );
            }
        }
        let namespaces = all("v1", "Namespace");
        if namespaces.get_opt(NAMESPACE).await.context("cannot look for the namespace")?.is_some() {
            bail!(
                "--context {context}: the namespace {NAMESPACE} exists already; if an earlier demo left it: kubectl \
                 --context {context} delete namespace {NAMESPACE}"
            );
        }
        Ok(())
    }
}

/// The same access with another current context and our namespace, for the operator and for the user.
fn write_kubeconfig(mut config: Kubeconfig, context: &str, folder: &Path) -> anyhow::Result<PathBuf> {
    use std::os::unix::fs::OpenOptionsExt;
    config.current_context = Some(context.to_owned());
    config.contexts.retain(|known| known.name == context);
    for known in config.contexts.iter_mut().filter_map(|known| known.context.as_mut()) {
        known.namespace = Some(NAMESPACE.to_owned());
    }
    let path = folder.join("kubeconfig");
    let text = serde_saphyr::to_string(&config).context("cannot write a kubeconfig")?;
    let mut options = std::fs::OpenOptions::new();
    options
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&path)
        .and_then(|mut file| std::io::Write::write_all(&mut file, text.as_bytes()))
        .with_context(|| format!("cannot write {}", path.display()))?;
    Ok(path)
}
