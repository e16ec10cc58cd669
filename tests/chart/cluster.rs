//! A control plane of one test, with a simulated cloud and a Helm: what an administrator of a cluster has.

use std::net::TcpListener as StdListener;
use std::time::Duration;

use itcare_lab::apply::api_of;
use itcare_lab::controlplane::{ADMIN, ControlPlane, Options, Output};
use itcare_lab::eventually::{eventually, expect_that};
use itcare_sim::{Config, Latencies, Sim, Time};
use kube::Client;
use kube::api::{Api, DeleteParams, DynamicObject, Patch, PatchParams};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::helm::{Generation, Helm, chart};

/// A debug build on two busy cores.
pub const SOON: Duration = Duration::from_secs(60);

const GROUP_VERSION: &str = "itcare.cegedim.cloud/v1alpha1";

/// The account that the simulator knows.
pub const CLIENT_ID: &str = "demo-sa-operator";
pub const CLIENT_SECRET: &str = "secret";

pub struct Cluster {
    pub plane: ControlPlane,
    pub sim: Sim,
    pub ports: [u16; 2],
    helm: Helm,
    client: Client,
    address: String,
    serving: CancellationToken,
}

impl Drop for Cluster {
    fn drop(&mut self) {
        self.serving.cancel();
    }
}

impl Cluster {
    pub async fn start(generation: Generation) -> Self {
        let plane = match ControlPlane::start(Options::default()).await {
            Ok(plane) => plane,
            Err(error) => panic!("no control plane: {error}"),
        };
        let client = plane.admin().expect("a client can be made");
        let latencies = Latencies { default: Duration::from_millis(300), ..Latencies::default() };
        let start = itcare_operator::platform::Clock::system().now().wall;
        let sim = Sim::new(Config { time: Time::Auto { latencies }, start, ..Config::default() });
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let serving = CancellationToken::new();
        tokio::spawn(sim.clone().serve(listener, serving.clone()));
        let ports = free_ports();
        Self { plane, sim, ports, helm: Helm::get(generation).await, client, address, serving }
    }

    /// Values under which an operator finds the simulator and is about twenty times as quick as by default.
    pub fn pace(&self) -> String {
        let [health, metrics] = self.ports;
        json!({
            "fullnameOverride": "itcare-operator",
            "itcare": {
                "url": format!("http://{}/itcare", self.address),
                "tokenUrl": format!("http://{}/auth/realms/cloud/protocol/openid-connect/token", self.address),
                "rate": 50,
                "timeout": "2s",
            },
            "settleTime": "5s",
            "observeInterval": "2s",
            "actionInterval": "400ms",
            "leaderElection": {"leaseDuration": "3s"},
            "health": {"port": health},
            "metrics": {"port": metrics},
            "logFormat": "text",
        })
        .to_string()
    }

    /// Where the simulator listens.
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Runs Helm with values on its standard input.
    pub async fn helm(&self, arguments: &[&str], values: &str) -> Output {
        let kubeconfig = self.plane.kubeconfig(ADMIN).expect("a kubeconfig can be written");
        self.helm.run(Some(&kubeconfig), arguments, values).await
    }

    /// `helm upgrade --install`, with what the chart tells the user.
    pub async fn install(&self, release: &str, namespace: &str, values: &str, more: &[&str]) -> String {
        let folder = chart();
        let chart = folder.to_str().expect("the path is text");
        let base = [
            "upgrade",
            "--install",
            release,
            chart,
            "--namespace",
            namespace,
            "--create-namespace",
            "--values",
            "-",
        ];
        let output = self.helm(&[&base, more].concat(), values).await;
        assert!(output.success, "{}{}", output.stdout, output.stderr);
        output.stdout
    }

    /// `helm uninstall`.
    pub async fn uninstall(&self, release: &str, namespace: &str) -> Output {
        let output = self.helm(&["uninstall", release, "--namespace", namespace], "").await;
        assert!(output.success, "{}{}", output.stdout, output.stderr);
        output
    }

    pub async fn namespace(&self, name: &str) {
        self.kubectl(&["create", "namespace", name]).await;
    }

    /// The Secret with the account that the simulator knows.
    pub async fn account(&self, namespace: &str) {
        let (id, secret) = (
            format!("--from-literal=client-id={CLIENT_ID}"),
            format!("--from-literal=client-secret={CLIENT_SECRET}"),
        );
        self.kubectl(&["create", "secret", "generic", "itcare-credentials", "-n", namespace, &id, &secret])
            .await;
    }

    /// kubectl, which must succeed.
    pub async fn kubectl(&self, arguments: &[&str]) -> String {
        let output = self.plane.kubectl(arguments).await.expect("kubectl runs");
        assert!(output.success, "{arguments:?}: {}", output.stderr);
        output.stdout
    }

    fn api(&self, version: &str, kind: &str, namespace: &str) -> Api<DynamicObject> {
        let object = json!({"apiVersion": version, "kind": kind, "metadata": {"namespace": namespace}});
        api_of(&self.client, &object).expect("it has a kind")
    }

    /// Any object, if it is there.
    pub async fn object(&self, version: &str, kind: &str, namespace: &str, name: &str) -> Option<Value> {
        let found = self.api(version, kind, namespace).get_opt(name).await.expect("the API server answers");
        found.map(|object| serde_json::to_value(object).expect("an object is JSON"))
    }

    /// Applies one of our objects as a user.
    pub async fn apply(&self, kind: &str, namespace: &str, name: &str, spec: Value) {
        let object = json!({"apiVersion": GROUP_VERSION, "kind": kind, "metadata": {"name": name, "namespace": namespace}, "spec": spec});
        let parameters = PatchParams::apply("kubectl").force();
        self.api(GROUP_VERSION, kind, namespace)
            .patch(name, &parameters, &Patch::Apply(&object))
            .await
            .expect("the manifest is accepted");
    }

    /// Merges into one of our objects.
    pub async fn patch(&self, kind: &str, namespace: &str, name: &str, patch: Value) {
        let api = self.api(GROUP_VERSION, kind, namespace);
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("the change is accepted");
    }

    pub async fn delete(&self, kind: &str, namespace: &str, name: &str) -> Result<(), String> {
        let api = self.api(GROUP_VERSION, kind, namespace);
        api.delete(name, &DeleteParams::default()).await.map(drop).map_err(|error| error.to_string())
    }

    /// Waits until one of our objects is as wished.
    pub async fn until(
        &self,
        kind: &str,
        namespace: &str,
        name: &str,
        what: &str,
        wish: impl Fn(&Value) -> bool,
    ) -> Value {
        eventually(SOON, format!("{kind} {name}: {what}"), || async {
            let seen = self.object(GROUP_VERSION, kind, namespace, name).await.unwrap_or_default();
            expect_that(seen, &wish)
        })
        .await
    }

    /// Waits until `kubectl wait` would see that condition.
    pub async fn until_true(&self, kind: &str, namespace: &str, name: &str, condition: &str) -> Value {
        let wish = |seen: &Value| itcare_lab::kstatus::kubectl_wait(seen, condition, "True");
        self.until(kind, namespace, name, condition, wish).await
    }

    pub async fn until_gone(&self, kind: &str, namespace: &str, name: &str) {
        self.until(kind, namespace, name, "gone", Value::is_null).await;
    }
}

/// A VM that the simulator can make.
pub fn vm(name: &str) -> Value {
    json!({"name": name, "serviceId": 14, "region": "EB", "platform": "deb12", "size": "2cpu4gb", "powerState": "Running"})
}

/// Two values in one, the second on top.
pub fn merged(values: &str, more: &str) -> String {
    fn merge(into: &mut Value, from: Value) {
        match (into, from) {
            (Value::Object(into), Value::Object(from)) => {
                from.into_iter()
                    .for_each(|(key, value)| merge(into.entry(key).or_insert(Value::Null), value));
            }
            (into, from) => *into = from,
        }
    }
    let parse = |text: &str| itcare_lab::apply::documents(text).expect("values are YAML").remove(0);
    let mut all = parse(values);
    merge(&mut all, parse(more));
    all.to_string()
}

fn free_ports() -> [u16; 2] {
    let listen = || StdListener::bind("127.0.0.1:0").expect("a port is free");
    [listen(), listen()].map(|listener| listener.local_addr().expect("it is bound").port())
}
