//! The clients of the API server, and what is asked of it once at the start.

use std::time::Duration;

use anyhow::Context as _;
use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client, Config};

use crate::model::ClusterId;
use crate::platform::{Health, words};

/// A call to the API server that takes longer has failed.
const CALL_TIMEOUT: Duration = Duration::from_secs(20);

/// Longer than the longest watch: this bounds a list or a watch that never begins to answer.
const WATCH_TIMEOUT: Duration = Duration::from_secs(310);

/// Between two tries to learn the cluster's id.
const PAUSE: Duration = Duration::from_secs(2);

/// Three clients: what bounds a call would cut a watch, and what is patient with a slow server would
/// lose the lease.
pub struct Clients {
    /// Single calls.
    pub calls: Client,
    /// Watches.
    pub watches: Client,
    /// The Lease.
    pub lease: Client,
    /// Where this process runs, or the kubeconfig's namespace.
    pub namespace: String,
}

/// From kubeconfig or service account, as kube finds them.
pub async fn connect(renew_deadline: Duration) -> anyhow::Result<Clients> {
    let mut config = Config::infer().await.context(
        "no Kubernetes API server is configured; set KUBECONFIG, or run in a Pod with a service account",
    )?;
    // kube takes it from HTTPS_PROXY as well, without a look at NO_PROXY, and cannot use it as it is built here. The
    // address may hold a password.
    if config.proxy_url.take().is_some() {
        tracing::warn!("the API server is reached without the proxy that kubeconfig or HTTPS_PROXY names");
    }
    let client = |read_timeout: Option<Duration>| -> anyhow::Result<Client> {
        let mut config = config.clone();
        // kube's own repetition would hold a call for minutes; whoever calls decides when to try again.
        config.default_retry = false;
        config.read_timeout = read_timeout;
        config.reset_reader_on_write = read_timeout.is_some();
        Client::try_from(config).context("the Kubernetes client cannot be set up")
    };
    Ok(Clients {
        calls: client(Some(CALL_TIMEOUT))?,
        watches: client(Some(WATCH_TIMEOUT))?,
        lease: client(Some(renew_deadline))?,
        namespace: config.default_namespace.clone(),
    })
}

/// The uid of `kube-system`: what a ledger calls this cluster. Asked until it is answered, since the API
/// server may come up later than we do.
///
/// # Errors
/// When reading it is forbidden.
pub async fn cluster_id(client: &Client, health: &Health) -> anyhow::Result<ClusterId> {
    let namespaces: Api<Namespace> = Api::all(client.clone());
    loop {
        match namespaces.get("kube-system").await {
            Ok(namespace) => {
                let uid = namespace.metadata.uid.filter(|uid| !uid.is_empty());
                health.ready("cluster");
                return uid
                    .map(ClusterId::new)
                    .context("namespace kube-system has no uid; give --cluster-id");
            }
            Err(kube::Error::Api(status)) if status.is_forbidden() => anyhow::bail!(
                "namespace kube-system may not be read, so this cluster has no id: allow get on it, or give --cluster-id ({})",
                status.message
            ),
            Err(error) => {
                let error = words(&error);
                tracing::warn!(error, "the API server does not answer yet");
                health.wait_for("cluster", format!("the API server does not answer: {error}"));
                tokio::time::sleep(PAUSE).await;
            }
        }
    }
}
