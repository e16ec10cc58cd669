//! The ways in: configurations, clients, kubeconfigs, kubectl, service account tokens, audit log.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use k8s_openapi::api::authentication::v1::{TokenRequest, TokenRequestSpec};
use k8s_openapi::api::core::v1::{Namespace, ServiceAccount};
use kube::api::PostParams;
use kube::config::AuthInfo;
use kube::{Api, Client, Config};
use serde_json::json;
use tokio::io::AsyncWriteExt;

use super::{ADMIN, AuditEvent, ControlPlane, Error, audit};

/// What a command printed and how it ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Output {
    /// Whether the exit code is 0.
    pub success: bool,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl ControlPlane {
    /// A configuration for the holder of `token`, without kube's own retries: they hide failures
    /// and take minutes.
    ///
    /// # Errors
    ///
    /// When the address is not a URI, which it always is.
    pub fn config(&self, token: &str) -> Result<Config, Error> {
        let uri = self
            .url()
            .parse()
            .map_err(|error: http::uri::InvalidUri| Error::client(kube::Error::HttpError(error.into())))?;
        let mut config = Config::new(uri);
        config.root_cert = Some(vec![self.certificate.clone()]);
        config.auth_info = AuthInfo { token: Some(token.to_owned().into()), ..AuthInfo::default() };
        config.default_retry = false;
        Ok(config)
    }

    /// A client for the holder of `token`. Make one per runtime.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn client(&self, token: &str) -> Result<Client, Error> {
        Client::try_from(self.config(token)?).map_err(Error::client)
    }

    /// A client that may do everything.
    ///
    /// # Errors
    ///
    /// When TLS cannot be set up.
    pub fn admin(&self) -> Result<Client, Error> {
        self.client(ADMIN)
    }

    /// A kubeconfig for the holder of `token`, written into the folder.
    ///
    /// # Errors
    ///
    /// When it cannot be written.
    pub fn kubeconfig(&self, token: &str) -> Result<PathBuf, Error> {
        let certificate = self.directory().join(super::pki::CERTIFICATE);
        let text = json!({
            "apiVersion": "v1",
            "kind": "Config",
            "clusters": [{"name": "lab", "cluster": {"server": self.url(), "certificate-authority": certificate}}],
            "users": [{"name": "user", "user": {"token": token}}],
            "contexts": [{"name": "lab", "context": {"cluster": "lab", "user": "user"}}],
            "current-context": "lab",
        });
        let path = self.directory().join(kubeconfig_name(token));
        // Renamed into place: another process may be reading the one that is there. It is private from the start.
        let written = tempfile::NamedTempFile::new_in(self.directory()).and_then(|mut file| {
            file.write_all(text.to_string().as_bytes())?;
            file.persist(&path).map_err(|error| error.error)
        });
        written.map_err(Error::folder(&path))?;
        Ok(path)
    }

    /// The kubectl that goes with this control plane, for scripts that call it by name.
    ///
    /// # Errors
    ///
    /// When there is none.
    pub fn kubectl_program(&self) -> Result<&Path, Error> {
        let failed = |source| Error::Process { process: "kubectl", source };
        self.kubectl.as_deref().map_err(|reason| failed(std::io::Error::other(reason.clone())))
    }

    /// Runs kubectl as `admin`.
    ///
    /// # Errors
    ///
    /// When there is no kubectl or it cannot be run; a refusal is in the output.
    pub async fn kubectl(&self, arguments: &[&str]) -> Result<Output, Error> {
        self.kubectl_as(ADMIN, arguments, "").await
    }

    /// Runs kubectl as the holder of `token`, with `input` on its standard input.
    ///
    /// # Errors
    ///
    /// When there is no kubectl or it cannot be run; a refusal is in the output.
    pub async fn kubectl_as(&self, token: &str, arguments: &[&str], input: &str) -> Result<Output, Error> {
        let failed = |source| Error::Process { process: "kubectl", source };
        let program = self.kubectl_program()?;
        let mut child = tokio::process::Command::new(program)
            .arg("--kubeconfig")
            .arg(self.kubeconfig(token)?)
            .args(arguments)
            .env("KUBECACHEDIR", self.directory().join("kubectl-cache"))
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .map_err(failed)?;
        if let Some(mut pipe) = child.stdin.take() {
            // kubectl need not read it, so a closed pipe is no failure.
            let _ = pipe.write_all(input.as_bytes()).await;
        }
        let output = child.wait_with_output().await.map_err(failed)?;
        Ok(Output {
            success: output.status.success(),
            stdout: String::from_utf8_lossy(&output.stdout).into_owned(),
            stderr: String::from_utf8_lossy(&output.stderr).into_owned(),
        })
    }

    /// A token of an existing service account, as a pod of it would hold.
    ///
    /// # Errors
    ///
    /// When the server refuses, for instance because there is no such account.
    pub async fn service_account_token(&self, namespace: &str, name: &str) -> Result<String, Error> {
        let accounts: Api<ServiceAccount> = Api::namespaced(self.admin()?, namespace);
        let request = TokenRequest {
            spec: TokenRequestSpec { expiration_seconds: Some(3600), ..TokenRequestSpec::default() },
            ..TokenRequest::default()
        };
        let answer = accounts
            .create_token_request(name, &PostParams::default(), &request)
            .await
            .map_err(Error::client)?;
        Ok(answer.status.map(|status| status.token).unwrap_or_default())
    }

    /// The completed requests so far, oldest first; see [`AuditEvent`] for the delay.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn audit(&self) -> Result<Vec<AuditEvent>, Error> {
        self.audit_after(&mut 0)
    }

    /// The same from a position in the log, which moves to the end of what was read: for those who look often.
    ///
    /// # Errors
    ///
    /// When the log cannot be read.
    pub fn audit_after(&self, position: &mut u64) -> Result<Vec<AuditEvent>, Error> {
        let path = self.directory().join("audit.log");
        let mut log = Vec::new();
        std::fs::File::open(&path)
            .and_then(|mut file| {
                // A full log is put aside by the server, and a new one begins.
                if file.metadata()?.len() < *position {
                    *position = 0;
                }
                file.seek(SeekFrom::Start(*position))?;
                file.read_to_end(&mut log)
            })
            .map_err(Error::folder(&path))?;
        let whole = log.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
        *position += whole as u64;
        Ok(audit::parse(&String::from_utf8_lossy(&log[..whole])))
    }
}

/// Tokens of service accounts are longer than a file name may be, and secret.
pub(super) fn kubeconfig_name(token: &str) -> String {
    if token == ADMIN {
        return "kubeconfig".to_owned();
    }
    let mut hasher = DefaultHasher::new();
    token.hash(&mut hasher);
    format!("kubeconfig-{:016x}", hasher.finish())
}

/// Ready means that requests are answered and that the first namespaces exist, which the server
/// makes a moment later.
pub(super) async fn is_ready(client: &Client) -> Result<(), String> {
    let look = async {
        let request = http::Request::get("/readyz").body(Vec::new()).map_err(kube::Error::HttpError)?;
        client.request_text(request).await?;
        let namespaces: Api<Namespace> = Api::all(client.clone());
        namespaces.get("default").await?;
        namespaces.get("kube-system").await.map(drop)
    };
    // A paused or half-dead server keeps the connection open and says nothing.
    match tokio::time::timeout(Duration::from_secs(5), look).await {
        Ok(answer) => answer.map_err(|error: kube::Error| error.to_string()),
        Err(_) => Err("no answer".to_owned()),
    }
}
