//! The simulator as a process of its own: it can be frozen, and its port can refuse, while its cloud lives on.
//!
//! The process is this very program, started again with one test, so that nothing else has to be built or found.
//! Not here: what the simulator can do; see its own control routes.

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use itcare_lab::eventually::eventually;
use itcare_sim::{Account, Accounts, Config, Fault, InstanceRecord, Latencies, Operation, Sim, Time};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::io::AsyncWriteExt;
use tokio::net::{TcpSocket, TcpStream};
use tokio::process::{Child, ChildStdin, Command};
use tokio_util::sync::CancellationToken;

use crate::SOON;

/// The secret of the one account; nothing may ever print it.
pub const SECRET: &str = "canary-of-the-client-secret";

/// In the environment of the copy that is the simulator: the file for its address.
const ROLE: &str = "ITCARE_SIMULATOR_ADDRESS_FILE";

/// How long an action takes.
const LATENCY: Duration = Duration::from_millis(300);

/// The whole name of the test below.
const TEST: &str = "cloud::the_simulator_is_a_process_that_ends_with_its_input";

#[test]
fn the_simulator_is_a_process_that_ends_with_its_input() {
    #[expect(clippy::disallowed_methods, reason = "it tells the two roles of this test apart")]
    let role = std::env::var_os(ROLE);
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    match role {
        Some(file) => runtime.block_on(simulate(Path::new(&file))),
        None => runtime.block_on(async {
            let folder = tempfile::tempdir().expect("a folder");
            let mut cloud = Cloud::start(folder.path()).await;
            assert_eq!(cloud.instances().await, []);
            cloud.tell("refuse").await;
            eventually(SOON, "the port refuses", || async {
                match TcpStream::connect(&cloud.address).await {
                    Ok(_) => Err("it is open"),
                    Err(_) => Ok(()),
                }
            })
            .await;
            cloud.tell("serve").await;
            cloud.answers().await;
            drop(cloud.input.take());
            let status = tokio::time::timeout(SOON, cloud.child.wait()).await.expect("it ends");
            assert!(status.expect("its end is seen").success());
        }),
    }
}

/// The simulator's role: serves until the input ends, and refuses connections while told so.
async fn simulate(file: &Path) {
    let account = Account { secret: SECRET.to_owned(), ..Account::default() };
    let sim = Sim::new(Config {
        start: itcare_operator::platform::Clock::system().now().wall,
        time: Time::Auto { latencies: Latencies { default: LATENCY, ..Latencies::default() } },
        accounts: Accounts { list: vec![account], ..Accounts::default() },
        ..Config::default()
    });
    let mut port = bound("127.0.0.1:0".parse().expect("an address"));
    let address = port.local_addr().expect("it is bound");
    let partial = file.with_extension("partial");
    std::fs::write(&partial, address.to_string()).expect("a file can be written");
    std::fs::rename(&partial, file).expect("a file can be renamed");
    let (sender, mut commands) = tokio::sync::mpsc::unbounded_channel();
    sender.send("serve".to_owned()).expect("it is open");
    std::thread::spawn(move || {
        for line in std::io::stdin().lines().map_while(Result::ok) {
            let _ = sender.send(line);
        }
    });
    let mut serving = CancellationToken::new();
    while let Some(command) = commands.recv().await {
        match command.as_str() {
            "serve" => {
                let listener = port.listen(1024).expect("the port is ours");
                serving = CancellationToken::new();
                tokio::spawn(sim.clone().serve(listener, serving.clone()));
                // Bound and not listening: it refuses, and nobody else can take it meanwhile.
                port = bound(address);
            }
            "refuse" => serving.cancel(),
            other => panic!("the simulator does not know {other}"),
        }
    }
}

fn bound(address: std::net::SocketAddr) -> TcpSocket {
    let socket = TcpSocket::new_v4().expect("a socket");
    socket.set_reuseaddr(true).expect("a new socket takes options");
    socket.set_reuseport(true).expect("a new socket takes options");
    socket.bind(address).expect("the port is ours");
    socket
}

/// One request, as the simulator's journal has it.
#[derive(Debug, Clone, Deserialize)]
pub struct Call {
    pub seq: u64,
    pub at: jiff::Timestamp,
    pub operation: Operation,
    pub instance: Option<i64>,
    pub effect: bool,
    pub fault: Option<u64>,
    pub body: Value,
}

/// A cloud in a process. Dropping it is a SIGKILL.
pub struct Cloud {
    child: Child,
    input: Option<ChildStdin>,
    pub address: String,
}

impl Cloud {
    /// An empty cloud with unique names and one snapshot slot.
    pub async fn start(folder: &Path) -> Self {
        let file: PathBuf = folder.join("simulator-address");
        let mut child = Command::new(std::env::current_exe().expect("this program has a path"))
            .args(["--exact", TEST, "--nocapture"])
            .env(ROLE, &file)
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .expect("this program can be started again");
        let address = eventually(SOON, "the simulator's address", || async {
            std::fs::read_to_string(&file).map_err(|error| error.to_string())
        })
        .await;
        let cloud = Self { input: child.stdin.take(), child, address };
        cloud.answers().await;
        cloud
    }

    /// From here on connections are refused, or no longer.
    pub async fn refuse(&mut self, refuse: bool) {
        self.tell(if refuse { "refuse" } else { "serve" }).await;
        if !refuse {
            self.answers().await;
        }
    }

    async fn tell(&mut self, command: &str) {
        let input = self.input.as_mut().expect("its input is open");
        input.write_all(format!("{command}\n").as_bytes()).await.expect("the simulator runs");
        input.flush().await.expect("the simulator runs");
    }

    /// Frozen: connections are made and nothing is answered. Or no longer.
    pub async fn freeze(&self, freeze: bool) {
        let id = self.child.id().expect("it runs");
        crate::operator::signal(id, if freeze { "STOP" } else { "CONT" }).await;
    }

    async fn answers(&self) {
        eventually(SOON, "the simulator answers", || self.send("GET", "now", &Value::Null)).await;
    }

    /// Something will go wrong.
    pub async fn inject(&self, fault: &Fault) {
        let fault = serde_json::to_value(fault).expect("a fault is JSON");
        self.control::<Value>("POST", "faults", &fault).await;
    }

    /// What has not gone wrong by now will not.
    pub async fn clear_faults(&self) {
        self.control::<Value>("DELETE", "faults", &Value::Null).await;
    }

    /// Departs from the documentation.
    pub async fn quirks(&self, quirks: Value) {
        self.control::<Value>("POST", "quirks", &quirks).await;
    }

    /// All VMs that ever were.
    pub async fn instances(&self) -> Vec<InstanceRecord> {
        self.control("GET", "instances", &Value::Null).await
    }

    /// Whether an action runs.
    pub async fn is_busy(&self) -> bool {
        let actions: Vec<Value> = self.control("GET", "actions", &Value::Null).await;
        actions.iter().any(|action| action["state"] == "running")
    }

    /// The requests after this number.
    pub async fn calls_after(&self, seq: u64) -> Vec<Call> {
        self.control("GET", &format!("journal/after/{seq}"), &Value::Null).await
    }

    /// All requests.
    pub async fn calls(&self) -> Vec<Call> {
        self.calls_after(0).await
    }

    async fn control<T: DeserializeOwned>(&self, method: &str, path: &str, body: &Value) -> T {
        let value = self.send(method, path, body).await.expect("the simulator answers");
        serde_json::from_value(value).expect("its answers can be read")
    }

    async fn send(&self, method: &str, path: &str, body: &Value) -> Result<Value, String> {
        let answer =
            itcare_lab::request(&self.address, method, &format!("/_sim/{path}"), &body.to_string()).await;
        match answer.map_err(|error| format!("{error:#}"))? {
            (200, body) => serde_json::from_str(&body).map_err(|error| format!("{error}: {body}")),
            (status, body) => Err(format!("{status}: {body}")),
        }
    }
}
