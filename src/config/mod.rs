//! From flags and environment to meaning, once. Whatever is contradictory is refused here, with the flag's
//! name, its value and the cure.

pub mod args;
pub mod duration;
pub mod secret;

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use url::Url;

pub use args::{LogFormat, RunArguments};
pub use secret::SecretSource;

use crate::model::{ClusterId, ServiceId};

/// A flag that cannot be followed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{flag} {value}: {message}")]
pub struct InvalidFlag {
    flag: &'static str,
    value: String,
    message: String,
}

/// What the flags mean.
#[derive(Debug, Clone)]
pub struct Config {
    /// The API's root, for example `https://api.cegedim.cloud/itcare`.
    pub itcare_url: Url,
    /// The token endpoint.
    pub token_url: Url,
    /// Where the credentials come from.
    pub secret: SecretSource,
    /// OAuth scope, if any.
    pub scope: Option<String>,
    /// More trusted roots, as a PEM file.
    pub ca_file: Option<std::path::PathBuf>,
    /// Calls per second and account.
    pub rate: f64,
    /// Calls at once after a quiet time.
    pub burst: u32,
    /// How long a reply may take.
    pub timeout: Duration,
    /// How old the list may be.
    pub observe_interval: Duration,
    /// How often running actions are looked at.
    pub action_interval: Duration,
    /// How old a detail may be.
    pub detail_interval: Duration,
    /// Items per page.
    pub page_size: u32,
    /// How long ITCare may take to show what a call did.
    pub settle: Duration,
    /// Namespaces to watch; empty = all.
    pub namespaces: Vec<String>,
    /// Services per namespace; `None` = every namespace may use every service.
    pub allowed_services: Option<BTreeMap<String, BTreeSet<ServiceId>>>,
    /// This cluster, if given.
    pub cluster: Option<ClusterId>,
    /// Clusters whose ledgers are ours too.
    pub previous_clusters: Vec<ClusterId>,
    /// Leader election, if on.
    pub lease: Option<LeaseConfig>,
    /// Name of this replica, if given.
    pub identity: Option<String>,
    /// Where health is served.
    pub health_address: std::net::SocketAddr,
    /// Where metrics are served.
    pub metrics_address: std::net::SocketAddr,
    /// Whether `http://` is accepted for any host.
    pub allow_http: bool,
}

/// Leader election.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseConfig {
    /// The Lease's namespace; `None` = where this process runs.
    pub namespace: Option<String>,
    /// The Lease's name.
    pub name: String,
    /// How long a silent holder keeps it.
    pub duration: Duration,
}

impl Config {
    /// Checks the flags against each other.
    ///
    /// # Errors
    /// The first flag that cannot be followed.
    pub fn new(arguments: RunArguments) -> Result<Self, InvalidFlag> {
        let RunArguments {
            itcare_url,
            itcare_token_url,
            itcare_client_id,
            itcare_client_secret_file,
            itcare_client_secret,
            itcare_scope,
            itcare_ca_file,
            itcare_rate,
            itcare_burst,
            itcare_timeout,
            observe_interval,
            action_interval,
            detail_interval,
            page_size,
            settle_time,
            watch_namespace,
            allow_services,
            cluster_id,
            previous_cluster_id,
            leader_elect,
            lease_namespace,
            lease_name,
            lease_duration,
            identity,
            health_address,
            metrics_address,
            log_format: _,
            log_level: _,
            allow_http,
        } = arguments;
        let floor = itcare_timeout + if leader_elect { lease_duration } else { Duration::ZERO };
        if settle_time < floor {
            return Err(invalid(
                "--settle-time",
                duration::print(settle_time),
                format!(
                    "it must not be shorter than --itcare-timeout plus --lease-duration ({}): a call still in flight would count as never sent",
                    duration::print(floor)
                ),
            ));
        }
        for (flag, value) in [
            ("--itcare-timeout", itcare_timeout),
            ("--observe-interval", observe_interval),
            ("--action-interval", action_interval),
            ("--detail-interval", detail_interval),
        ] {
            if value.is_zero() {
                return Err(invalid(flag, "0s".to_owned(), "it must be longer than zero".to_owned()));
            }
        }
        // The Lease itself counts in seconds: a fraction would let a rival take over early.
        if leader_elect && (lease_duration < Duration::from_secs(1) || lease_duration.subsec_nanos() != 0) {
            let message = "it must be at least 1s, and whole seconds".to_owned();
            return Err(invalid("--lease-duration", duration::print(lease_duration), message));
        }
        if !(itcare_rate.is_finite() && itcare_rate > 0.0) {
            return Err(invalid(
                "--itcare-rate",
                itcare_rate.to_string(),
                "it is calls per second, more than 0".to_owned(),
            ));
        }
        if itcare_burst == 0 || page_size == 0 {
            let flag = if itcare_burst == 0 { "--itcare-burst" } else { "--page-size" };
            return Err(invalid(flag, "0".to_owned(), "it must be at least 1".to_owned()));
        }
        let itcare_client_secret_file =
            itcare_client_secret_file.filter(|path| !path.is_empty()).map(PathBuf::from);
        if itcare_client_secret.is_some() && itcare_client_secret_file.is_some() {
            return Err(invalid(
                "--itcare-client-secret-file",
                String::new(),
                "ITCARE_CLIENT_SECRET is set too; give only one of them".to_owned(),
            ));
        }
        Ok(Self {
            itcare_url: checked_url("--itcare-url", &itcare_url, allow_http)?,
            token_url: checked_url("--itcare-token-url", &itcare_token_url, allow_http)?,
            secret: SecretSource::new(itcare_client_id, itcare_client_secret_file, itcare_client_secret),
            scope: itcare_scope.filter(|scope| !scope.is_empty()),
            ca_file: itcare_ca_file,
            rate: itcare_rate,
            burst: itcare_burst,
            timeout: itcare_timeout,
            observe_interval,
            action_interval,
            detail_interval,
            page_size,
            settle: settle_time,
            namespaces: watch_namespace,
            allowed_services: services(&allow_services)?,
            cluster: cluster_id.map(ClusterId::new),
            previous_clusters: previous_cluster_id.into_iter().map(ClusterId::new).collect(),
            lease: leader_elect.then_some(LeaseConfig {
                namespace: lease_namespace,
                name: lease_name,
                duration: lease_duration,
            }),
            identity: identity.filter(|name| !name.is_empty()),
            health_address,
            metrics_address,
            allow_http,
        })
    }
}

fn invalid(flag: &'static str, value: String, message: String) -> InvalidFlag {
    InvalidFlag { flag, value, message }
}

fn checked_url(flag: &'static str, text: &str, allow_http: bool) -> Result<Url, InvalidFlag> {
    let refuse = |message: String| Err(invalid(flag, text.to_owned(), message));
    let url = match Url::parse(text) {
        Ok(url) => url,
        Err(error) => return refuse(format!("it is no URL ({error})")),
    };
    if !url.username().is_empty() || url.password().is_some() {
        return Err(invalid(
            flag,
            "(hidden)".to_owned(),
            "it must not carry credentials; use --itcare-client-id and --itcare-client-secret-file"
                .to_owned(),
        ));
    }
    if url.host().is_none() {
        return refuse("it names no host".to_owned());
    }
    match url.scheme() {
        "https" => Ok(url),
        "http" if is_loopback(&url) || allow_http => Ok(url),
        "http" => refuse("http sends the token in clear; use https, or --allow-http if you must".to_owned()),
        scheme => refuse(format!("{scheme} is not supported; use https")),
    }
}

/// Whether it is on this machine.
#[must_use]
pub fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(url::Host::Domain(name)) => name == "localhost",
        Some(url::Host::Ipv4(address)) => address.is_loopback(),
        Some(url::Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    }
}

fn services(all: &[String]) -> Result<Option<BTreeMap<String, BTreeSet<ServiceId>>>, InvalidFlag> {
    if all.is_empty() {
        return Ok(None);
    }
    let mut allowed: BTreeMap<String, BTreeSet<ServiceId>> = BTreeMap::new();
    for entry in all {
        let refuse = || {
            invalid(
                "--allow-services",
                entry.clone(),
                "write it as NAMESPACE=ID,ID with positive numbers".to_owned(),
            )
        };
        let (namespace, ids) =
            entry.split_once('=').filter(|(namespace, _)| !namespace.is_empty()).ok_or_else(refuse)?;
        for id in ids.split(',') {
            let id: ServiceId = id.parse().map_err(|_| refuse())?;
            allowed.entry(namespace.to_owned()).or_default().insert(id);
        }
    }
    Ok(Some(allowed))
}
