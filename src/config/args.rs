//! The flags of `run`, as typed. Their meaning is in the parent module.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Args};
use secrecy::SecretString;

use super::duration;

/// The shape of a log line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum LogFormat {
    /// One JSON object a line.
    Json,
    /// For a terminal.
    Text,
}

/// Flags of `itcare-operator run`.
#[derive(Debug, Clone, Args)]
pub struct RunArguments {
    /// Root of the ITCare API.
    #[arg(long, env = "ITCARE_URL", value_name = "URL", default_value = "https://api.cegedim.cloud/itcare")]
    pub itcare_url: String,

    /// OAuth token endpoint.
    #[arg(
        long,
        env = "ITCARE_TOKEN_URL",
        value_name = "URL",
        default_value = "https://accounts.cegedim.cloud/auth/realms/cloud/protocol/openid-connect/token"
    )]
    pub itcare_token_url: String,

    /// Client id of the API account.
    #[arg(long, env = "ITCARE_CLIENT_ID", value_name = "ID")]
    pub itcare_client_id: Option<String>,

    /// File with the client secret; read again when it changes.
    // As it stands: a path may not be empty, and an empty variable is none.
    #[arg(long, env = "ITCARE_CLIENT_SECRET_FILE", value_name = "PATH")]
    pub itcare_client_secret_file: Option<OsString>,

    /// The client secret itself; only by environment, so that no process list shows it.
    #[arg(skip)]
    pub itcare_client_secret: Option<SecretString>,

    /// OAuth scope; none by default.
    #[arg(long, value_name = "SCOPE")]
    pub itcare_scope: Option<String>,

    /// PEM file with more trusted roots for ITCare.
    #[arg(long, value_name = "PATH")]
    pub itcare_ca_file: Option<PathBuf>,

    /// Calls per second to ITCare.
    #[arg(long, value_name = "N", default_value_t = 10.0)]
    pub itcare_rate: f64,

    /// Calls at once after a quiet time.
    #[arg(long, value_name = "N", default_value_t = 20)]
    pub itcare_burst: u32,

    /// How long a reply of ITCare may take.
    #[arg(long, value_name = "DURATION", default_value = "30s", value_parser = duration::parse)]
    pub itcare_timeout: Duration,

    /// How often the list of VMs is read.
    #[arg(long, value_name = "DURATION", default_value = "60s", value_parser = duration::parse)]
    pub observe_interval: Duration,

    /// How often running actions are looked at.
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = duration::parse)]
    pub action_interval: Duration,

    /// How often the detail of each VM is read.
    #[arg(long, value_name = "DURATION", default_value = "6h", value_parser = duration::parse)]
    pub detail_interval: Duration,

    /// Items per page of the list.
    #[arg(long, value_name = "N", default_value_t = 200)]
    pub page_size: u32,

    /// How long ITCare may take to show what a call did.
    #[arg(long, value_name = "DURATION", default_value = "2m", value_parser = duration::parse)]
    pub settle_time: Duration,

    /// Watch only this namespace (repeatable).
    #[arg(long, value_name = "NAMESPACE")]
    pub watch_namespace: Vec<String>,

    /// Services that a namespace may use (repeatable); without it every namespace may use every service.
    #[arg(long, value_name = "NAMESPACE=ID,ID")]
    pub allow_services: Vec<String>,

    /// Id of this cluster; default: the uid of its kube-system namespace.
    #[arg(long, value_name = "ID")]
    pub cluster_id: Option<String>,

    /// Id of a cluster that this one replaces (repeatable).
    #[arg(long, value_name = "ID")]
    pub previous_cluster_id: Vec<String>,

    /// Whether replicas elect a leader.
    #[arg(long, value_name = "BOOL", default_value_t = true, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = ArgAction::Set)]
    pub leader_elect: bool,

    /// Namespace of the Lease; default: where this process runs.
    #[arg(long, value_name = "NAMESPACE")]
    pub lease_namespace: Option<String>,

    /// Name of the Lease.
    #[arg(long, value_name = "NAME", default_value = "itcare-operator")]
    pub lease_name: String,

    /// Name of this replica in the Lease and in Events; a random part is added.
    #[arg(long, env = "POD_NAME", value_name = "NAME")]
    pub identity: Option<String>,

    /// How long a silent leader keeps the lease.
    #[arg(long, value_name = "DURATION", default_value = "15s", value_parser = duration::parse)]
    pub lease_duration: Duration,

    /// Where /livez and /readyz are served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8081")]
    pub health_address: SocketAddr,

    /// Where /metrics is served.
    #[arg(long, value_name = "ADDRESS", default_value = "0.0.0.0:8080")]
    pub metrics_address: SocketAddr,

    /// Shape of a log line.
    #[arg(long, value_enum, default_value_t = LogFormat::Json)]
    pub log_format: LogFormat,

    /// Log level, or a filter.
    #[arg(long, value_name = "LEVEL", default_value = "info")]
    pub log_level: String,

    /// Accept http:// for any host; the token then travels in clear.
    #[arg(long)]
    pub allow_http: bool,
}

/// The environment variable that may carry the secret itself.
pub const SECRET_VARIABLE: &str = "ITCARE_CLIENT_SECRET";

impl RunArguments {
    /// Adds the secret from the environment, which clap must never print.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the environment")]
    pub fn with_environment(mut self) -> Self {
        self.itcare_client_secret =
            std::env::var(SECRET_VARIABLE).ok().filter(|secret| !secret.is_empty()).map(SecretString::from);
        self
    }
}
