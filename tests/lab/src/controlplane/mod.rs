//! A real Kubernetes control plane for tests and the demo: etcd and kube-apiserver as child
//! processes, kube-controller-manager on request.
//!
//! It has RBAC, users by token, service account tokens, an audit log, and it can be killed, stopped,
//! paused and started again with the same port and data. There is no kubelet, no scheduler and no
//! admission of service accounts: pods never run here.
//!
//! Not here: manifests (see [`crate::apply`]) and anything of the operator.

mod access;
mod audit;
mod binaries;
mod foreign;
mod modules;
mod pki;
mod process;
mod programs;
mod shared;

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::{Instant, sleep};

pub use access::Output;
pub use audit::AuditEvent;
pub use binaries::{Error as BinaryError, Progress};
pub use foreign::prometheus_definitions;
pub use modules::Tool;
pub use programs::pinned;
pub use shared::{Namespace, shared};

use process::{Process, Watchdog};

/// The token of the user `admin`, who may do everything.
pub const ADMIN: &str = "admin-token";

/// Two cores that compile something else at the same time are slow to start a server.
const READY_WITHIN: Duration = Duration::from_secs(90);

/// What to start, and for whom.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// Users besides `admin`. They may do nothing until RBAC says so.
    pub users: Vec<User>,
    /// Also start kube-controller-manager, with namespace deletion and garbage collection only.
    pub controller_manager: bool,
    /// Leave the folder with logs and data behind. It is also kept when the start fails.
    pub keep: bool,
    /// Further flags for kube-apiserver.
    pub api_server_flags: Vec<String>,
    /// Where to say that a build takes long.
    pub progress: Progress,
}

/// A row of the token file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The bearer token.
    pub token: String,
    /// The user name that RBAC and the audit log see.
    pub name: String,
    /// Groups, without `system:authenticated`, which everyone is in.
    pub groups: Vec<String>,
}

impl User {
    /// A user without groups.
    pub fn new(token: &str, name: &str) -> Self {
        Self { token: token.to_owned(), name: name.to_owned(), groups: Vec::new() }
    }
}

/// A process of the control plane.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Component {
    /// The store.
    Etcd,
    /// The API server.
    ApiServer,
    /// Namespace deletion and garbage collection.
    ControllerManager,
}

/// Why a control plane could not be started or handled.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program is missing.
    #[error("cannot get the control plane's programs")]
    Binaries(#[from] BinaryError),
    /// The folder could not be used.
    #[error("cannot use {path}")]
    Folder {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A key or certificate could not be made.
    #[error("cannot make a certificate: {0}")]
    Certificate(String),
    /// A process could not be started, signalled or ended.
    #[error("cannot handle {process}")]
    Process {
        /// Its name.
        process: &'static str,
        /// Why.
        #[source]
        source: std::io::Error,
    },
    /// A process ended by itself.
    #[error("{process} ended ({status}); the end of its log in {folder}:\n{log}")]
    Ended {
        /// Its name.
        process: &'static str,
        /// How it ended.
        status: std::process::ExitStatus,
        /// Where the logs are.
        folder: PathBuf,
        /// Its last lines.
        log: String,
    },
    /// The server does not get ready.
    #[error("kube-apiserver is not ready after {after:?} ({last}); the end of its log in {folder}:\n{log}")]
    NotReady {
        /// How long was waited.
        after: Duration,
        /// The last answer.
        last: String,
        /// Where the logs are.
        folder: PathBuf,
        /// Its last lines.
        log: String,
    },
    /// A client could not be made, or the server refused.
    #[error("the API server cannot be used")]
    Client(#[source] Box<kube::Error>),
}

impl Error {
    fn folder(path: &Path) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let path = path.to_path_buf();
        move |source| Self::Folder { path, source }
    }

    fn process(process: &Process) -> impl FnOnce(std::io::Error) -> Self + use<> {
        let process = process.name();
        move |source| Self::Process { process, source }
    }

    fn client(error: kube::Error) -> Self {
        Self::Client(Box::new(error))
    }
}

/// A running control plane. It holds no client and no runtime handle, so that tests with a runtime
/// each can share one.
///
/// Dropping it kills the processes and removes the folder; so does the end of this process, however
/// it ends.
#[derive(Debug)]
pub struct ControlPlane {
    directory: PathBuf,
    url: String,
    certificate: Vec<u8>,
    kubectl: Result<PathBuf, String>,
    etcd: Process,
    api_server: Process,
    controller_manager: Option<Process>,
    watchdog: Watchdog,
    keep: AtomicBool,
}

impl ControlPlane {
    /// Starts the processes and waits until the server is ready and has its `default` namespace.
    ///
    /// # Errors
    ///
    /// When programs are missing and cannot be built, or a process does not come up: then the folder
    /// with the logs is kept and named.
    pub async fn start(options: Options) -> Result<Self, Error> {
        let Options { users, controller_manager, keep, api_server_flags, progress } = options;
        // No provider is chosen when several are linked in; ours is, whoever was first.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let programs = programs::find(controller_manager, progress).await?;
        let mut attempt = 1;
        loop {
            let plane = programs.prepare(&users, keep, &api_server_flags)?;
            match plane.start_all().await {
                Ok(()) => return Ok(plane),
                // A free port may be taken by someone else between the look and the bind.
                Err(Error::Ended { log, .. }) if log.contains("address already in use") && attempt < 3 => {
                    attempt += 1
                }
                Err(error) => {
                    plane.keep_directory();
                    return Err(error);
                }
            }
        }
    }

    /// The folder with data, keys, logs and kubeconfigs.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// `https://127.0.0.1:<port>`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// Leaves the folder behind, for a look at the logs.
    pub fn keep_directory(&self) {
        self.keep.store(true, Ordering::Relaxed);
        self.watchdog.keep_directory();
    }

    /// Ends everything in order. The data stays until the value is dropped.
    ///
    /// # Errors
    ///
    /// When a process cannot be signalled.
    pub async fn stop(&self) -> Result<(), Error> {
        // The controller-manager's open connections would hold the API server back.
        if let Some(controllers) = &self.controller_manager {
            self.end(controllers).await?;
        }
        self.end(&self.api_server).await?;
        self.end(&self.etcd).await
    }

    /// Ends the API server as an operator of the cluster would.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub async fn stop_apiserver(&self) -> Result<(), Error> {
        self.end(&self.api_server).await
    }

    /// Ends the API server at once, without a goodbye to its clients.
    ///
    /// # Errors
    ///
    /// When it cannot be killed.
    pub fn kill_apiserver(&self) -> Result<(), Error> {
        self.api_server.kill(&self.watchdog).map_err(Error::process(&self.api_server))
    }

    /// Starts the API server again, with the same port and data, and waits until it is ready.
    ///
    /// # Errors
    ///
    /// When it does not come up.
    pub async fn start_apiserver(&self) -> Result<(), Error> {
        self.launch(&self.api_server)?;
        self.ready().await
    }

    /// Kills the store and starts it again on the same data, then waits until the server is ready.
    ///
    /// # Errors
    ///
    /// When one of them does not come up.
    pub async fn restart_etcd(&self) -> Result<(), Error> {
        self.etcd.kill(&self.watchdog).map_err(Error::process(&self.etcd))?;
        self.launch(&self.etcd)?;
        self.ready().await
    }

    /// Freezes a process: connections stay open and nothing answers.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub async fn pause(&self, component: Component) -> Result<(), Error> {
        self.signal(component, "STOP").await
    }

    /// Lets a frozen process go on.
    ///
    /// # Errors
    ///
    /// When it cannot be signalled.
    pub async fn resume(&self, component: Component) -> Result<(), Error> {
        self.signal(component, "CONT").await
    }

    async fn signal(&self, component: Component, name: &str) -> Result<(), Error> {
        let process = match component {
            Component::Etcd => &self.etcd,
            Component::ApiServer => &self.api_server,
            Component::ControllerManager => match &self.controller_manager {
                Some(process) => process,
                None => return Ok(()),
            },
        };
        process.signal(name).await.map_err(Error::process(process))
    }

    async fn start_all(&self) -> Result<(), Error> {
        self.launch(&self.etcd)?;
        self.launch(&self.api_server)?;
        self.ready().await?;
        match &self.controller_manager {
            Some(controllers) => self.launch(controllers),
            None => Ok(()),
        }
    }

    fn launch(&self, process: &Process) -> Result<(), Error> {
        process.start(&self.watchdog).map_err(Error::process(process))
    }

    async fn end(&self, process: &Process) -> Result<(), Error> {
        process.stop(&self.watchdog).await.map_err(Error::process(process))
    }

    async fn ready(&self) -> Result<(), Error> {
        let client = self.admin()?;
        let end = Instant::now() + READY_WITHIN;
        loop {
            for process in [&self.etcd, &self.api_server] {
                if let Some(status) = process.ended(&self.watchdog).map_err(Error::process(process))? {
                    let (folder, log) = (self.directory.clone(), process.last_words());
                    return Err(Error::Ended { process: process.name(), status, folder, log });
                }
            }
            let last = match access::is_ready(&client).await {
                Ok(()) => return Ok(()),
                Err(last) => last,
            };
            if Instant::now() >= end {
                let (folder, log) = (self.directory.clone(), self.api_server.last_words());
                return Err(Error::NotReady { after: READY_WITHIN, last, folder, log });
            }
            sleep(Duration::from_millis(100)).await;
        }
    }
}

impl Drop for ControlPlane {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.keep_directory();
        }
        if self.keep.load(Ordering::Relaxed) {
            Progress::default().say(&format!("control plane kept in {}", self.directory.display()));
        }
        for process in self.controller_manager.iter().chain([&self.api_server, &self.etcd]) {
            let _ = process.kill(&self.watchdog);
        }
        self.watchdog.finish();
    }
}
