//! The built binary as a process: how it is started, signalled and read.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use tokio::process::{Child, Command};

use crate::SOON;

const PROGRAM: &str = env!("CARGO_BIN_EXE_itcare-operator");

/// About thirty times as quick as by default. The settle time is time-out plus lease, and a little.
const PACE: [&str; 6] = [
    "--itcare-timeout=1s",
    "--settle-time=3500ms",
    "--observe-interval=2s",
    "--action-interval=300ms",
    "--itcare-rate=100",
    "--log-format=text",
];

/// What the environment of this test could otherwise decide.
const FOREIGN: [&str; 12] = [
    "ITCARE_URL",
    "ITCARE_TOKEN_URL",
    "ITCARE_CLIENT_ID",
    "ITCARE_CLIENT_SECRET",
    "ITCARE_CLIENT_SECRET_FILE",
    "POD_NAME",
    "HTTP_PROXY",
    "http_proxy",
    "HTTPS_PROXY",
    "https_proxy",
    "ALL_PROXY",
    "all_proxy",
];

/// An operator as a process. Dropping it is a SIGKILL.
pub struct Operator {
    child: Child,
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
    /// Starts one that logs to that file.
    pub fn start(cloud: &str, secret_file: &Path, kubeconfig: &Path, log: PathBuf, flags: &[String]) -> Self {
        let file = File::create(&log).expect("a log can be written");
        let mut command = Command::new(PROGRAM);
        command
            .arg("run")
            .arg(format!("--itcare-url=http://{cloud}/itcare"))
            .arg(format!("--itcare-token-url=http://{cloud}/auth/realms/cloud/protocol/openid-connect/token"))
            .arg("--itcare-client-id=demo-sa-operator")
            .arg(format!("--itcare-client-secret-file={}", secret_file.display()))
            .args(["--health-address=127.0.0.1:0", "--metrics-address=127.0.0.1:0"])
            .args(PACE)
            .args(flags)
            .env("KUBECONFIG", kubeconfig)
            .stdin(Stdio::null())
            .stdout(file.try_clone().expect("a handle can be copied"))
            .stderr(file)
            .kill_on_drop(true);
        for name in FOREIGN {
            command.env_remove(name);
        }
        Self { child: command.spawn().expect("the binary runs"), log }
    }

    /// What it printed so far.
    pub fn log(&self) -> String {
        String::from_utf8_lossy(&std::fs::read(&self.log).unwrap_or_default()).into_owned()
    }

    /// SIGKILL. It must have lived until now.
    pub async fn kill(mut self) {
        self.must_run();
        self.child.kill().await.expect("it can be killed");
    }

    /// It has not ended by itself.
    pub fn must_run(&mut self) {
        let ended = self.child.try_wait().expect("its end can be seen");
        assert!(ended.is_none(), "the operator ended by itself ({ended:?}):\n{}", self.log());
    }

    /// SIGSTOP or SIGCONT.
    pub async fn freeze(&self, freeze: bool) {
        signal(self.child.id().expect("it runs"), if freeze { "STOP" } else { "CONT" }).await;
    }

    /// SIGTERM, which must end it in order.
    pub async fn terminate(mut self) {
        self.must_run();
        signal(self.child.id().expect("it runs"), "TERM").await;
        let ended = tokio::time::timeout(SOON, self.child.wait()).await.expect("it ends");
        let status = ended.expect("its end can be seen");
        assert!(status.success(), "{status}: {}", self.log());
    }
}

/// Sends a signal by its short name.
pub async fn signal(id: u32, name: &str) {
    let sent = Command::new("kill").args(["-s", name, &id.to_string()]).status().await.expect("kill runs");
    assert!(sent.success(), "kill -s {name} {id}");
}
