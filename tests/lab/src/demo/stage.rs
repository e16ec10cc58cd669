//! What runs during the demo: the cluster, the simulator, the operator, and the folder with their
//! files. One place owns them all, so that one place ends them, in the right order, however it ends.

use std::net::TcpListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, bail};
use itcare_lab::request;
use tokio::process::Command;
use tokio::time::{Instant, sleep};

use super::build::Programs;
use super::cluster::{Cluster, NAMESPACE};
use super::process::Process;
use super::simulator::Simulator;
use super::{Options, say};

/// How long every action takes in the simulated ITCare.
pub const LATENCY: &str = "2s";

const CLIENT_ID: &str = "demo-sa-operator";
const CLIENT_SECRET: &str = "secret";

/// The operator's flags beside the addresses: everything about twenty times faster than by default, so
/// that the demo takes minutes. The settle time is the shortest that the others allow.
const PACE: [&str; 8] = [
    "--observe-interval=5s",
    "--action-interval=1s",
    "--itcare-timeout=5s",
    "--lease-duration=15s",
    "--settle-time=20s",
    "--log-format=text",
    "--identity=demo",
    "--leader-elect=true",
];

/// Settings of the user's shell that must not reach the operator: half of an account, or a proxy that
/// knows nothing of this machine's loopback.
const NOT_INHERITED: [&str; 6] = [
    "ITCARE_URL",
    "ITCARE_TOKEN_URL",
    "ITCARE_CLIENT_ID",
    "ITCARE_CLIENT_SECRET_FILE",
    "ITCARE_CLIENT_SECRET",
    "POD_NAME",
];
const PROXIES: [&str; 6] =
    ["HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];

/// A debug build on a busy machine takes seconds to come up.
const UP_WITHIN: Duration = Duration::from_secs(60);
const LOOK_EVERY: Duration = Duration::from_millis(100);

/// Enough to see what went wrong.
const LAST_WORDS: usize = 15;

/// Everything that runs. The order of the fields is that of their end, should it be dropped.
pub struct Stage {
    operator: Option<Process>,
    simulator: Option<(Process, Simulator)>,
    cluster: Option<Cluster>,
    folder: tempfile::TempDir,
}

impl Stage {
    /// An empty one, with its folder.
    ///
    /// # Errors
    ///
    /// When there is no place for temporary files.
    pub fn new() -> anyhow::Result<Self> {
        let folder = tempfile::Builder::new().prefix("itcare-demo-").tempdir();
        let folder = folder.context("cannot make a folder for the demo's files")?;
        Ok(Self { operator: None, simulator: None, cluster: None, folder })
    }

    /// The cluster.
    ///
    /// # Errors
    ///
    /// Before it is there.
    pub fn cluster(&self) -> anyhow::Result<&Cluster> {
        self.cluster.as_ref().context("there is no cluster yet")
    }

    /// The simulator.
    ///
    /// # Errors
    ///
    /// Before it is there.
    pub fn itcare(&self) -> anyhow::Result<&Simulator> {
        self.simulator.as_ref().map(|(_, simulator)| simulator).context("there is no simulator yet")
    }

    /// Starts a control plane, or goes to the cluster that was asked for; then installs the definitions
    /// that the operator prints.
    ///
    /// # Errors
    ///
    /// When the cluster is not to be had, or the definitions are refused.
    pub async fn set_up_cluster(&mut self, options: &Options, programs: &Programs) -> anyhow::Result<()> {
        let folder = self.folder.path();
        let cluster = match &options.context {
            Some(context) => Cluster::existing(context, folder).await?,
            None => Cluster::local(folder).await?,
        };
        let cluster = self.cluster.insert(cluster);
        let printed = Command::new(&programs.operator).arg("crds").kill_on_drop(true).output().await;
        let printed = printed.context("cannot run itcare-operator crds")?;
        if !printed.status.success() {
            bail!("itcare-operator crds failed: {}", String::from_utf8_lossy(&printed.stderr));
        }
        cluster.furnish(&String::from_utf8_lossy(&printed.stdout)).await
    }

    /// Starts the simulator and waits until it has told its addresses.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn start_simulator(&mut self, programs: &Programs) -> anyhow::Result<()> {
        let mut command = Command::new(&programs.simulator);
        command.args(["--listen", "127.0.0.1:0", "--latency", LATENCY]);
        command.args(["--client-id", CLIENT_ID, "--client-secret", CLIENT_SECRET]);
        let mut process = Process::start("itcare-sim", command, self.folder.path().join("itcare-sim.log"))?;
        let end = Instant::now() + UP_WITHIN;
        loop {
            if let Some(simulator) = process.said().lines().find_map(Simulator::announced) {
                self.simulator = Some((process, simulator));
                return Ok(());
            }
            if process.ended().is_some() || Instant::now() >= end {
                bail!("the simulator did not start; it said:\n{}", process.said());
            }
            sleep(LOOK_EVERY).await;
        }
    }

    /// Starts the operator with its public flags, and waits until it says that it is ready. Gives back
    /// the command line, for the audience.
    ///
    /// # Errors
    ///
    /// When it ends, or is not ready in time.
    pub async fn start_operator(&mut self, programs: &Programs) -> anyhow::Result<String> {
        let (cluster, itcare) = (self.cluster()?, self.itcare()?);
        let secret = self.folder.path().join("client-secret");
        std::fs::write(&secret, CLIENT_SECRET).context("cannot write the client secret's file")?;
        let [health, metrics] = free_addresses().context("there is no free port")?;
        let mut flags = vec![
            format!("--itcare-url={}", itcare.url),
            format!("--itcare-token-url={}", itcare.token_url),
            format!("--itcare-client-id={CLIENT_ID}"),
            format!("--itcare-client-secret-file={}", secret.display()),
            format!("--watch-namespace={NAMESPACE}"),
            format!("--lease-namespace={NAMESPACE}"),
            format!("--health-address={health}"),
            format!("--metrics-address={metrics}"),
        ];
        flags.extend(PACE.map(str::to_owned));
        let mut command = Command::new(&programs.operator);
        command.arg("run").args(&flags).env("KUBECONFIG", cluster.kubeconfig());
        // A cluster of the user's may need the proxy; loopback never does.
        command.env("NO_PROXY", "127.0.0.1,localhost");
        let proxies = if cluster.is_local() { PROXIES.as_slice() } else { &[] };
        for variable in NOT_INHERITED.iter().chain(proxies) {
            command.env_remove(variable);
        }
        let log = self.folder.path().join("itcare-operator.log");
        self.operator = Some(Process::start("itcare-operator", command, log)?);
        let end = Instant::now() + UP_WITHIN;
        loop {
            self.all_running()?;
            match request(&health, "GET", "/readyz", "").await {
                Ok((200, _)) => return Ok(format!("itcare-operator run {}", flags.join(" "))),
                Ok((_, why)) if Instant::now() >= end => bail!("the operator is not ready: {why}"),
                Err(error) if Instant::now() >= end => return Err(error.context("the operator is not ready")),
                Ok(_) | Err(_) => sleep(LOOK_EVERY).await,
            }
        }
    }

    /// Nothing that should run has ended.
    ///
    /// # Errors
    ///
    /// When something has, with its exit status.
    pub fn all_running(&mut self) -> anyhow::Result<()> {
        let simulator = self.simulator.as_mut().map(|(process, _)| process);
        for process in self.operator.iter_mut().chain(simulator) {
            if let Some(status) = process.ended() {
                bail!(
                    "{} ended by itself in the middle of the demo ({status}); it should run until it is told to stop",
                    process.name()
                );
            }
        }
        Ok(())
    }

    /// Leaves the logs for a look after a failure, and says where; the end of the operator's log too.
    pub fn show_logs(&mut self) {
        let simulator = self.simulator.as_ref().map(|(process, _)| process);
        let processes: Vec<&Process> = self.operator.iter().chain(simulator).collect();
        // Whatever failed before there was anything to watch has said all itself.
        if processes.is_empty() {
            return;
        }
        if let Some(operator) = &self.operator {
            let text = operator.said();
            let lines: Vec<_> = text.lines().collect();
            say("\nThe end of the operator's log:");
            for line in &lines[lines.len().saturating_sub(LAST_WORDS)..] {
                say(format!("  | {line}"));
            }
        }
        for process in processes {
            say(format!("The whole log of {}: {}", process.name(), process.log().display()));
        }
        say("To look at everything while it still runs, add --keep: cargo demo --keep");
        self.folder.disable_cleanup(true);
    }

    /// Ends everything in order: the operator while the API server still answers, what was made in a
    /// cluster of the user's, the simulator, the control plane.
    ///
    /// # Errors
    ///
    /// When something in a cluster of the user's cannot be removed.
    pub async fn clear(mut self) -> anyhow::Result<()> {
        if self.cluster.is_some() {
            say("\nStopping the operator and removing what was made …");
        }
        if let Some(operator) = self.operator.take() {
            operator.stop().await;
        }
        let removed = match &self.cluster {
            Some(cluster) => cluster.remove().await,
            None => Ok(()),
        };
        if let Some((simulator, _)) = self.simulator.take() {
            simulator.stop().await;
        }
        removed
    }

    /// The kubeconfig to try things with.
    ///
    /// # Errors
    ///
    /// Before there is a cluster.
    pub fn kubeconfig(&self) -> anyhow::Result<PathBuf> {
        Ok(self.cluster()?.kubeconfig().to_path_buf())
    }
}

/// Two at once, so that they differ.
fn free_addresses() -> std::io::Result<[String; 2]> {
    let [one, other] = [TcpListener::bind("127.0.0.1:0")?, TcpListener::bind("127.0.0.1:0")?];
    Ok([one.local_addr()?.to_string(), other.local_addr()?.to_string()])
}
