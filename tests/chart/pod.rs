//! What a kubelet would do with the operator's Pod: files for its volumes, its environment, its process, its probes.
//!
//! Flags, environment and mounts are those of the Deployment in the cluster. Only the folder that stands for the root
//! of the container differs, the network, and the kubeconfig, which holds the token of the Pod's service account and nothing else.

use std::collections::BTreeMap;
use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};

use base64::Engine as _;
use itcare_lab::eventually::eventually;
use serde_json::Value;
use tempfile::TempDir;
use tokio::process::{Child, Command};

use crate::cluster::{Cluster, SOON};

const PROGRAM: &str = env!("CARGO_BIN_EXE_itcare-operator");

pub struct Pod<'a> {
    cluster: &'a Cluster,
    namespace: String,
    spec: Value,
    root: TempDir,
    child: Child,
}

impl Drop for Pod<'_> {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            log.lines()
                .rev()
                .take(40)
                .collect::<Vec<_>>()
                .iter()
                .rev()
                .for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl<'a> Pod<'a> {
    /// Starts the Pod of the Deployment `itcare-operator`.
    pub async fn start(cluster: &'a Cluster, namespace: &str) -> Self {
        let deployment = cluster
            .object("apps/v1", "Deployment", namespace, "itcare-operator")
            .await
            .expect("it is installed");
        let spec = deployment["spec"]["template"]["spec"].clone();
        let root = TempDir::new().expect("a folder can be made");
        write_volumes(cluster, namespace, &spec, root.path()).await;
        let account = spec["serviceAccountName"].as_str().expect("it has an account");
        let token =
            cluster.plane.service_account_token(namespace, account).await.expect("the account is there");
        let container = &spec["containers"][0];
        let inside = |text: &str| inside(container, root.path(), text);
        let log = File::create(root.path().join("log")).expect("a log can be written");
        let child = Command::new(PROGRAM)
            .args(
                container["args"]
                    .as_array()
                    .expect("arguments")
                    .iter()
                    .map(|text| inside(text.as_str().expect("text"))),
            )
            .env_clear()
            .envs(
                environment(cluster, namespace, container)
                    .await
                    .into_iter()
                    .map(|(name, value)| (name, inside(&value))),
            )
            .env("KUBECONFIG", cluster.plane.kubeconfig(&token).expect("a kubeconfig can be written"))
            .stdin(Stdio::null())
            .stdout(log.try_clone().expect("a handle can be copied"))
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
            .expect("the binary runs");
        let pod = Self { cluster, namespace: namespace.to_owned(), spec, root, child };
        pod.until_probed("readinessProbe").await;
        pod
    }

    /// Brings the files up to date, as a kubelet does within a minute.
    pub async fn sync(&self) {
        write_volumes(self.cluster, &self.namespace, &self.spec, self.root.path()).await;
    }

    pub fn log(&self) -> String {
        std::fs::read_to_string(self.root.path().join("log")).unwrap_or_default()
    }

    /// Waits until a probe of the container succeeds.
    pub async fn until_probed(&self, probe: &str) {
        let container = &self.spec["containers"][0];
        let get = &container[probe]["httpGet"];
        let ports = container["ports"].as_array().expect("it has ports");
        let port =
            ports.iter().find(|port| port["name"] == get["port"]).expect("the probe's port is one of them");
        let port = port["containerPort"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("a port");
        let path = get["path"].as_str().expect("a path");
        eventually(SOON, probe, || async {
            match get_page(port, path).await {
                Some((200, page)) => Ok(page),
                other => Err((other, self.log())),
            }
        })
        .await;
    }

    /// What the port `metrics` says.
    pub async fn metrics(&self) -> String {
        get_page(self.cluster.ports[1], "/metrics").await.map(|(_, page)| page).unwrap_or_default()
    }

    /// SIGTERM, and how it ended within the Pod's grace time.
    pub async fn terminate(mut self) -> ExitStatus {
        let id = self.child.id().expect("it runs").to_string();
        assert!(Command::new("kill").args(["-s", "TERM", &id]).status().await.expect("kill runs").success());
        let grace = self.spec["terminationGracePeriodSeconds"].as_u64().expect("it has a grace time");
        let end = tokio::time::timeout(std::time::Duration::from_secs(grace), self.child.wait()).await;
        end.expect("it ends within its grace time").expect("its end can be seen")
    }
}

/// A text of the container with the mounted folders where they are on this machine.
fn inside(container: &Value, root: &Path, text: &str) -> String {
    let mounts = container["volumeMounts"].as_array().expect("it has mounts");
    let paths = mounts
        .iter()
        .map(|mount| (mount["mountPath"].as_str().expect("a path"), mount["name"].as_str().expect("a name")));
    // A Pod has a network of its own; here only this machine may reach it.
    paths.fold(text.replace("=0.0.0.0:", "=127.0.0.1:"), |text, (path, volume)| {
        text.replace(path, folder(root, volume).to_str().expect("text"))
    })
}

fn folder(root: &Path, volume: &str) -> PathBuf {
    root.join("volumes").join(volume)
}

async fn environment(cluster: &Cluster, namespace: &str, container: &Value) -> BTreeMap<String, String> {
    let mut all = BTreeMap::new();
    for variable in container["env"].as_array().expect("an environment") {
        let name = variable["name"].as_str().expect("a name").to_owned();
        let from = &variable["valueFrom"];
        let value = if let Some(value) = variable["value"].as_str() {
            value.to_owned()
        } else if from["fieldRef"]["fieldPath"] == "metadata.name" {
            "itcare-operator-5d4f-x7k2p".to_owned()
        } else {
            let reference = &from["secretKeyRef"];
            let secret = secret(cluster, namespace, reference["name"].as_str().expect("a Secret")).await;
            String::from_utf8(secret[reference["key"].as_str().expect("a key")].clone()).expect("text")
        };
        all.insert(name, value);
    }
    all
}

async fn secret(cluster: &Cluster, namespace: &str, name: &str) -> BTreeMap<String, Vec<u8>> {
    let object =
        cluster.object("v1", "Secret", namespace, name).await.unwrap_or_else(|| panic!("no Secret {name}"));
    let decode = |value: &Value| {
        base64::engine::general_purpose::STANDARD.decode(value.as_str().expect("text")).expect("base64")
    };
    object["data"]
        .as_object()
        .expect("data")
        .iter()
        .map(|(key, value)| (key.clone(), decode(value)))
        .collect()
}

async fn write_volumes(cluster: &Cluster, namespace: &str, spec: &Value, root: &Path) {
    for volume in spec["volumes"].as_array().expect("it has volumes") {
        let (source, data) = match (&volume["secret"], &volume["configMap"]) {
            (Value::Null, source) => {
                let name = source["name"].as_str().expect("a ConfigMap");
                let object = cluster.object("v1", "ConfigMap", namespace, name).await.expect("it is there");
                let data = object["data"].as_object().expect("data").clone().into_iter();
                let bytes = |value: Value| value.as_str().expect("text").as_bytes().to_vec();
                (source, data.map(|(key, value)| (key, bytes(value))).collect())
            }
            (source, _) => {
                (source, secret(cluster, namespace, source["secretName"].as_str().expect("a Secret")).await)
            }
        };
        let folder = folder(root, volume["name"].as_str().expect("a name"));
        std::fs::create_dir_all(&folder).expect("a folder can be made");
        for item in source["items"].as_array().expect("items") {
            let (key, path) = (item["key"].as_str().expect("a key"), item["path"].as_str().expect("a path"));
            std::fs::write(folder.join(path), &data[key]).expect("a file can be written");
        }
    }
}

async fn get_page(port: u16, path: &str) -> Option<(u16, String)> {
    itcare_lab::request(&format!("127.0.0.1:{port}"), "GET", path, "").await.ok()
}
