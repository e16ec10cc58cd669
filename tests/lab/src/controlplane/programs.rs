//! The command lines: which flags make three programs one control plane.
//!
//! Not here: running them.

use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::sync::atomic::AtomicBool;

use super::binaries::{Error as BinaryError, Places, Progress};
use super::modules::Tool;
use super::process::{Process, Watchdog};
use super::{ADMIN, ControlPlane, Error, User, access, audit, pki};

/// The programs of one control plane, found but not started.
pub(super) struct Programs {
    etcd: PathBuf,
    api_server: PathBuf,
    controller_manager: Option<PathBuf>,
    kubectl: Result<PathBuf, String>,
}

/// Looks for the programs, and builds them where needed: minutes, hence off the runtime's threads.
pub(super) async fn find(controller_manager: bool, progress: Progress) -> Result<Programs, Error> {
    let search = move || -> Result<Programs, BinaryError> {
        let places = Places::from_environment();
        let (etcd, api_server) = places.servers(&progress)?;
        let controller_manager =
            controller_manager.then(|| places.single(Tool::KubeControllerManager, &progress)).transpose()?;
        // Few tests need it: whoever does gets the reason then.
        let kubectl = places.single(Tool::Kubectl, &progress).map_err(|error| error.to_string());
        Ok(Programs { etcd, api_server, controller_manager, kubectl })
    };
    match tokio::task::spawn_blocking(search).await {
        Ok(found) => Ok(found?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

/// A program of exactly the version that this project pins, built where needed.
///
/// # Errors
///
/// When there is no Go, or its build fails.
pub async fn pinned(tool: Tool, progress: Progress) -> Result<PathBuf, Error> {
    let search = move || Places::from_environment().pinned(tool, &progress);
    match tokio::task::spawn_blocking(search).await {
        Ok(found) => Ok(found?),
        Err(panic) => std::panic::resume_unwind(panic.into_panic()),
    }
}

impl Programs {
    /// A folder with keys, users and policy, and the processes that will use it.
    pub(super) fn prepare(&self, users: &[User], keep: bool, more: &[String]) -> Result<ControlPlane, Error> {
        let parent = std::env::temp_dir();
        let directory = tempfile::Builder::new()
            .prefix("itcare-controlplane-")
            .tempdir()
            .map_err(Error::folder(&parent))?
            .keep();
        let failed = || Error::folder(&directory);
        let watchdog = Watchdog::start(&directory).map_err(failed())?;
        let certificate = pki::write(&directory)?;
        std::fs::write(directory.join("tokens.csv"), token_file(users)).map_err(failed())?;
        std::fs::write(directory.join("audit-policy.json"), audit::POLICY).map_err(failed())?;

        let [etcd_port, peer_port, port] = free_ports().map_err(failed())?;
        let etcd_url = format!("http://127.0.0.1:{etcd_port}");
        let url = format!("https://127.0.0.1:{port}");
        let etcd = etcd_flags(&directory, &etcd_url, peer_port);
        let mut api_server = api_server_flags(&directory, &etcd_url, port);
        api_server.extend_from_slice(more);
        let plane = ControlPlane {
            etcd: Process::new("etcd", self.etcd.clone(), etcd, &directory),
            api_server: Process::new("kube-apiserver", self.api_server.clone(), api_server, &directory),
            controller_manager: self.controller_manager.clone().map(|program| {
                let flags = controller_manager_flags(&directory);
                Process::new("kube-controller-manager", program, flags, &directory)
            }),
            url,
            certificate,
            kubectl: self.kubectl.clone(),
            watchdog,
            keep: AtomicBool::new(false),
            directory,
        };
        if keep {
            plane.keep_directory();
        }
        plane.kubeconfig(ADMIN)?;
        Ok(plane)
    }
}

/// Three at once, so that they differ.
fn free_ports() -> std::io::Result<[u16; 3]> {
    let listen = || TcpListener::bind("127.0.0.1:0");
    let listeners = [listen()?, listen()?, listen()?];
    let mut ports = [0; 3];
    for (port, listener) in ports.iter_mut().zip(&listeners) {
        *port = listener.local_addr()?.port();
    }
    Ok(ports)
}

/// Rows of token, user name, user id, groups.
fn token_file(users: &[User]) -> String {
    let mut text = format!("{ADMIN},admin,admin,\"system:masters\"\n");
    for User { token, name, groups } in users {
        text.push_str(&format!("{token},{name},{name},\"{}\"\n", groups.join(",")));
    }
    text
}

fn etcd_flags(directory: &Path, url: &str, peer_port: u16) -> Vec<String> {
    let peer = format!("http://127.0.0.1:{peer_port}");
    vec![
        format!("--data-dir={}", directory.join("etcd").display()),
        format!("--listen-client-urls={url}"),
        format!("--advertise-client-urls={url}"),
        format!("--listen-peer-urls={peer}"),
        format!("--initial-advertise-peer-urls={peer}"),
        format!("--initial-cluster=default={peer}"),
        // The data need not survive the machine, only the processes.
        "--unsafe-no-fsync".into(),
    ]
}

fn api_server_flags(directory: &Path, etcd: &str, port: u16) -> Vec<String> {
    let path = |name: &str| directory.join(name).display().to_string();
    vec![
        format!("--etcd-servers={etcd}"),
        "--bind-address=127.0.0.1".into(),
        format!("--secure-port={port}"),
        format!("--cert-dir={}", path("certificates")),
        format!("--tls-cert-file={}", path(pki::CERTIFICATE)),
        format!("--tls-private-key-file={}", path(pki::KEY)),
        format!("--token-auth-file={}", path("tokens.csv")),
        "--authorization-mode=RBAC".into(),
        format!("--audit-policy-file={}", path("audit-policy.json")),
        format!("--audit-log-path={}", path("audit.log")),
        "--service-account-issuer=https://kubernetes.default.svc".into(),
        format!("--service-account-signing-key-file={}", path(pki::TOKEN_KEY)),
        format!("--service-account-key-file={}", path(pki::TOKEN_PUBLIC_KEY)),
        "--service-cluster-ip-range=10.0.0.0/24".into(),
        // It would refuse pods for want of accounts that no controller makes here.
        "--disable-admission-plugins=ServiceAccount".into(),
        "--endpoint-reconciler-type=none".into(),
    ]
}

fn controller_manager_flags(directory: &Path) -> Vec<String> {
    let kubeconfig = directory.join(access::kubeconfig_name(ADMIN)).display().to_string();
    vec![
        format!("--kubeconfig={kubeconfig}"),
        format!("--authentication-kubeconfig={kubeconfig}"),
        format!("--authorization-kubeconfig={kubeconfig}"),
        "--controllers=namespace-controller,garbage-collector-controller".into(),
        "--leader-elect=false".into(),
        // Its own health server is not needed, and a port less cannot collide.
        "--secure-port=0".into(),
    ]
}
