//! A namespace, a simulated cloud, and operators as processes: everything that one test needs for itself.

use std::fs::File;
use std::net::TcpListener as StdListener;
use std::path::{Path, PathBuf};
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use itcare_lab::apply::{api_of, apply_yaml, wait_established};
use itcare_lab::controlplane::{ADMIN, Namespace};
use itcare_lab::eventually::{eventually, expect_that};
use itcare_lab::kstatus;
use itcare_sim::{Config, Latencies, Operation, Sim, Time};
use kube::api::{DeleteParams, Patch, PatchParams};
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::net::TcpListener;
use tokio::process::{Child, Command};
use tokio::sync::OnceCell;
use tokio_util::sync::CancellationToken;

const PROGRAM: &str = env!("CARGO_BIN_EXE_itcare-operator");

/// Flags unless a test gives its own: everything about twenty times as quick as by default.
const PACE: [&str; 8] = [
    "--itcare-client-id=demo-sa-operator",
    "--itcare-timeout=2s",
    "--settle-time=5s",
    "--lease-duration=3s",
    "--observe-interval=2s",
    "--action-interval=400ms",
    "--log-format=text",
    "--itcare-rate=50",
];

/// A debug build on two busy cores.
pub const SOON: Duration = Duration::from_secs(60);

static DEFINITIONS: OnceCell<()> = OnceCell::const_new();

/// One test's world.
pub struct Bench {
    pub sim: Sim,
    namespace: Namespace,
    address: String,
    folder: TempDir,
    serving: CancellationToken,
}

impl Drop for Bench {
    fn drop(&mut self) {
        self.serving.cancel();
    }
}

impl Bench {
    /// Actions take 300 ms.
    pub async fn new(prefix: &str) -> Self {
        Self::with_actions_of(prefix, Duration::from_millis(300)).await
    }

    /// Actions take so long.
    pub async fn with_actions_of(prefix: &str, latency: Duration) -> Self {
        let latencies = Latencies { default: latency, ..Latencies::default() };
        let config = Config { time: Time::Auto { latencies }, start: now(), ..Config::default() };
        let namespace = Namespace::fresh(prefix).await;
        DEFINITIONS
            .get_or_init(|| async {
                let client = namespace.client();
                let text = itcare_operator::crd::print::yaml().expect("definitions are YAML");
                apply_yaml(&client, &text, "suite").await.expect("the definitions are accepted");
                for plural in ["itcareinstances", "itcaresnapshots"] {
                    let name = format!("{plural}.itcare.cegedim.cloud");
                    wait_established(&client, &name, SOON).await.expect("they are served");
                }
            })
            .await;
        let sim = Sim::new(config);
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a port is free");
        let address = listener.local_addr().expect("it is bound").to_string();
        let serving = CancellationToken::new();
        tokio::spawn(sim.clone().serve(listener, serving.clone()));
        let folder = TempDir::new().expect("a folder can be made");
        std::fs::write(folder.path().join("secret"), "secret").expect("a file can be written");
        Self { sim, namespace, address, folder, serving }
    }

    /// The namespace.
    pub fn name(&self) -> &str {
        self.namespace.name()
    }

    /// The control plane.
    pub fn plane(&self) -> &'static itcare_lab::controlplane::ControlPlane {
        self.namespace.plane()
    }

    /// Root of the simulator's control routes.
    pub fn control_url(&self) -> String {
        format!("http://{}/_sim", self.address)
    }

    /// The file with the client secret.
    pub fn secret_file(&self) -> PathBuf {
        self.folder.path().join("secret")
    }

    /// An operator of this namespace, twenty times as quick as by default, and further flags.
    pub fn operator(&self, flags: &[&str]) -> Operator {
        let kubeconfig = self.plane().kubeconfig(ADMIN).expect("a kubeconfig can be written");
        let (watch, lease) =
            (format!("--watch-namespace={}", self.name()), format!("--lease-namespace={}", self.name()));
        let all: Vec<&str> =
            [watch.as_str(), lease.as_str()].into_iter().chain(flags.iter().copied()).collect();
        self.operator_with(&kubeconfig, &all)
    }

    /// The same on another cluster; the flags say where.
    pub fn operator_with(&self, kubeconfig: &Path, flags: &[&str]) -> Operator {
        let (health, metrics) = (free_port(), free_port());
        let log = self.folder.path().join(format!("operator-{health}.log"));
        let file = File::create(&log).expect("a log can be written");
        let mut command = Command::new(PROGRAM);
        command
            .arg("run")
            .args([format!("--itcare-url=http://{}/itcare", self.address)])
            .args([format!(
                "--itcare-token-url=http://{}/auth/realms/cloud/protocol/openid-connect/token",
                self.address
            )])
            .args(PACE.iter().filter(|pace| {
                let name = pace.split('=').next().unwrap_or_default();
                !flags.iter().any(|flag| flag.split('=').next() == Some(name))
            }))
            .arg(format!("--itcare-client-secret-file={}", self.secret_file().display()))
            .arg(format!("--health-address=127.0.0.1:{health}"))
            .arg(format!("--metrics-address=127.0.0.1:{metrics}"))
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a handle can be copied"))
            .stderr(file)
            .kill_on_drop(true);
        for name in [
            "ITCARE_URL",
            "ITCARE_TOKEN_URL",
            "ITCARE_CLIENT_ID",
            "ITCARE_CLIENT_SECRET",
            "ITCARE_CLIENT_SECRET_FILE",
            "POD_NAME",
        ] {
            command.env_remove(name);
        }
        // A proxy that nobody runs: neither server of this machine is reached through one.
        for name in ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"] {
            command.env(name, "http://somebody:pa55word@127.0.0.1:9");
        }
        Operator { child: command.spawn().expect("the binary runs"), health, metrics, log }
    }

    /// `kubectl apply` of a manifest in this namespace.
    pub async fn apply(&self, kind: &str, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "itcare.cegedim.cloud/v1alpha1",
            "kind": kind,
            "metadata": {"name": name, "namespace": self.name()},
            "spec": spec,
        });
        let api = api_of(&self.namespace.client(), &object).expect("our kinds are namespaced");
        let parameters = PatchParams::apply("kubectl").force();
        api.patch(name, &parameters, &Patch::Apply(&object)).await.expect("the manifest is accepted");
    }

    /// An instance in service 14, kept running, with more fields.
    pub async fn instance(&self, name: &str, more: Value) {
        let mut spec = json!({
            "name": self.host(name),
            "serviceId": 14,
            "region": "EB",
            "platform": "deb12",
            "size": "2cpu4gb",
            "powerState": "Running",
        });
        for (key, value) in more.as_object().expect("fields") {
            spec[key] = value.clone();
        }
        self.apply("ITCareInstance", name, spec).await;
    }

    /// The host name of an instance object.
    pub fn host(&self, name: &str) -> String {
        format!("D{}", name.to_uppercase())
    }

    fn api(&self, kind: &str) -> kube::Api<kube::api::DynamicObject> {
        let object = json!({
            "apiVersion": "itcare.cegedim.cloud/v1alpha1",
            "kind": kind,
            "metadata": {"namespace": self.name()},
        });
        api_of(&self.namespace.client(), &object).expect("our kinds are namespaced")
    }

    /// Merges into an object.
    pub async fn patch(&self, kind: &str, name: &str, patch: Value) {
        let api = self.api(kind);
        api.patch(name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .expect("the change is accepted");
    }

    /// `kubectl delete --wait=false`.
    pub async fn delete(&self, kind: &str, name: &str) {
        self.api(kind).delete(name, &DeleteParams::default()).await.expect("it is there");
    }

    /// The object, if it is there.
    pub async fn get(&self, kind: &str, name: &str) -> Option<Value> {
        let found = self.api(kind).get_opt(name).await.expect("the API server answers");
        found.map(|object| serde_json::to_value(object).expect("an object is JSON"))
    }

    /// Waits until the object is as wished, and returns it.
    pub async fn until(&self, kind: &str, name: &str, what: &str, wish: impl Fn(&Value) -> bool) -> Value {
        eventually(SOON, format!("{kind} {name}: {what}"), || async {
            let seen = self.get(kind, name).await.unwrap_or_default();
            expect_that(seen, &wish)
        })
        .await
    }

    /// Waits until `kubectl wait` would see that condition.
    pub async fn until_true(&self, kind: &str, name: &str, condition: &str) -> Value {
        self.until(kind, name, condition, |seen| kstatus::kubectl_wait(seen, condition, "True")).await
    }

    /// Waits until the object is gone.
    pub async fn until_gone(&self, kind: &str, name: &str) {
        eventually(SOON, format!("{kind} {name} is gone"), || async {
            match self.get(kind, name).await {
                None => Ok(()),
                Some(seen) => Err(seen),
            }
        })
        .await;
    }

    /// The operations that were meant to change something.
    pub fn changes(&self) -> Vec<Operation> {
        self.sim
            .journal()
            .into_iter()
            .map(|entry| entry.operation)
            .filter(|operation| operation.is_mutating())
            .collect()
    }
}

/// The reason of a condition.
pub fn reason<'a>(object: &'a Value, kind: &str) -> &'a str {
    field(object, kind, "reason")
}

/// The message of a condition.
pub fn message<'a>(object: &'a Value, kind: &str) -> &'a str {
    field(object, kind, "message")
}

fn field<'a>(object: &'a Value, kind: &str, field: &str) -> &'a str {
    let conditions = object["status"]["conditions"].as_array();
    let found = conditions.and_then(|all| all.iter().find(|condition| condition["type"] == kind));
    found.and_then(|condition| condition[field].as_str()).unwrap_or_default()
}

/// The real time, which the simulator behind a socket shows.
pub fn now() -> jiff::Timestamp {
    itcare_operator::platform::Clock::system().now().wall
}

fn free_port() -> u16 {
    let listener = StdListener::bind("127.0.0.1:0").expect("a port is free");
    listener.local_addr().expect("it is bound").port()
}

/// An operator as a process. Dropping it is a SIGKILL.
pub struct Operator {
    child: Child,
    health: u16,
    metrics: u16,
    log: PathBuf,
}

impl Drop for Operator {
    fn drop(&mut self) {
        if std::thread::panicking() {
            let log = self.log();
            let skip = log.lines().count().saturating_sub(60);
            eprintln!("the end of {}:", self.log.display());
            log.lines().skip(skip).for_each(|line| eprintln!("  {line}"));
        }
    }
}

impl Operator {
    /// What it printed so far.
    pub fn log(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }

    /// Its process id, while it runs.
    pub fn process_id(&self) -> u32 {
        self.child.id().expect("it runs")
    }

    /// SIGKILL.
    pub async fn kill(mut self) {
        self.child.kill().await.expect("it can be killed");
    }

    /// Any other signal, by its short name.
    pub async fn signal(&self, name: &str) {
        let id = self.child.id().expect("it runs").to_string();
        let sent = Command::new("kill").args(["-s", name, &id]).status().await.expect("kill runs");
        assert!(sent.success());
    }

    /// SIGTERM, and how it ended.
    pub async fn terminate(mut self) -> ExitStatus {
        self.signal("TERM").await;
        self.wait().await
    }

    /// Waits for its end.
    pub async fn wait(&mut self) -> ExitStatus {
        tokio::time::timeout(SOON, self.child.wait()).await.expect("it ends").expect("its end can be seen")
    }

    /// Waits until `/readyz` says so.
    pub async fn ready(&self) {
        eventually(SOON, "the operator is ready", || async {
            let (status, body) = self.health("/readyz").await;
            if status == 200 { Ok(()) } else { Err((status, body, self.log())) }
        })
        .await;
    }

    /// A path of the health server: status and body, or 0 while nobody listens.
    pub async fn health(&self, path: &str) -> (u16, String) {
        get(self.health, path).await.unwrap_or_default()
    }

    /// The metrics page.
    pub async fn metrics(&self) -> String {
        get(self.metrics, "/metrics").await.unwrap_or_default().1
    }

    /// One sample of the metrics page, by its name with labels.
    pub async fn metric(&self, name: &str) -> Option<f64> {
        let page = self.metrics().await;
        page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok())
    }
}

async fn get(port: u16, path: &str) -> Option<(u16, String)> {
    itcare_lab::request(&format!("127.0.0.1:{port}"), "GET", path, "").await.ok()
}
