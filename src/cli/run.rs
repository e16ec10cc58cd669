//! `itcare-operator run`: from flags to a running process, and to an orderly end.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context as _;
use kube::Api;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::assemble::{Parts, operate};
use super::{FromSource, kubernetes};
use crate::api::transport::{CONNECT_TIMEOUT, HttpOptions, HttpTransport};
use crate::api::{self, ClientOptions};
use crate::config::{Config, LogFormat, RunArguments, is_loopback};
use crate::controller::Settings;
use crate::controller::meter::{ApiMeter, Meter};
use crate::model::ClusterId;
use crate::platform::metrics::Metrics;
use crate::platform::{Chance, Clock, Gate, Health, lease, serve, shutdown, telemetry};

/// Passes at once. Most of them wait for ITCare, and those that wait together are answered together.
const PASSES: usize = 512;

/// Runs the operator until SIGTERM or SIGINT.
pub async fn run(arguments: RunArguments) -> anyhow::Result<()> {
    let format = match arguments.log_format {
        LogFormat::Json => telemetry::Format::Json,
        LogFormat::Text => telemetry::Format::Text,
    };
    telemetry::install(format, &arguments.log_level)?;
    let config = Config::new(arguments)?;
    // A second provider among the dependencies would make rustls refuse to choose.
    let _ = rustls::crypto::ring::default_provider().install_default();

    let stop = CancellationToken::new();
    let health = Health::default();
    let metrics = Metrics::default();
    let health_listener = listen("--health-address", config.health_address).await?;
    let metrics_listener = listen("--metrics-address", config.metrics_address).await?;
    // Health answers until the very end, so it does not listen to `stop`.
    let ended = CancellationToken::new();
    let servers = async {
        tokio::try_join!(
            serve::serve(health_listener, serve::health(health.clone()), ended.clone()),
            serve::serve(metrics_listener, serve::metrics(metrics.clone()), ended.clone()),
        )
    };
    let work = async {
        let result = operator(config, health.clone(), &metrics, stop.clone()).await;
        ended.cancel();
        result
    };
    let signalled = async {
        let signal = shutdown::signalled().await?;
        tracing::info!(signal, "stopping: no new effect starts");
        stop.cancel();
        std::future::pending::<std::io::Result<()>>().await
    };
    tokio::select! {
        result = async { tokio::join!(work, servers).0 } => result?,
        result = signalled => result.context("signals cannot be handled")?,
    }
    tracing::info!("stopped");
    Ok(())
}

async fn listen(flag: &str, address: std::net::SocketAddr) -> anyhow::Result<TcpListener> {
    TcpListener::bind(address)
        .await
        .with_context(|| format!("{flag} {address}: cannot listen there; choose another port"))
}

async fn operator(
    config: Config,
    health: Health,
    metrics: &Metrics,
    stop: CancellationToken,
) -> anyhow::Result<()> {
    let clock = Clock::system();
    let chance = Chance::system();
    // A name alone is no identity: a container that is started again has the same one.
    let identity =
        format!("{}_{}", config.identity.as_deref().unwrap_or("itcare-operator"), hex(chance.bytes()));
    let lease_settings = config.lease.as_ref().map(|lease| lease::Settings {
        name: lease.name.clone(),
        identity: identity.clone(),
        duration: lease.duration,
    });
    let deadline = lease_settings.as_ref().map_or(Duration::from_secs(10), lease::Settings::renew_deadline);
    health.wait_for("caches", "waiting for the API server to list the objects");
    let clients = kubernetes::connect(deadline).await?;
    let cluster: ClusterId = match config.cluster.clone() {
        Some(cluster) => cluster,
        None => tokio::select! {
            id = kubernetes::cluster_id(&clients.calls, &health) => id?,
            () = stop.cancelled() => return Ok(()),
        },
    };
    let meter = Meter::new(metrics);
    let itcare = client(&config, &meter, &clock)?;
    tracing::info!(%cluster, %identity, itcare = %config.itcare_url, version = env!("CARGO_PKG_VERSION"), "starting");
    let drained = CancellationToken::new();
    let (gate, election) = match lease_settings {
        None => (Gate::open(), None),
        Some(settings) => {
            let namespace =
                config.lease.as_ref().and_then(|lease| lease.namespace.clone()).unwrap_or(clients.namespace);
            let api = Api::namespaced(clients.lease, &namespace);
            let (elector, gate) = lease::Elector::new(api, settings, clock.clone());
            // A task of its own: a long pass must not make a renewal late.
            (gate, Some(tokio::spawn(elector.run(stop.clone(), drained.clone()))))
        }
    };
    let send_window = config.timeout + config.lease.as_ref().map_or(Duration::ZERO, |lease| lease.duration);
    let parts = Parts {
        calls: clients.calls,
        watches: clients.watches,
        itcare,
        clock,
        chance,
        gate,
        health,
        meter,
        settings: Settings {
            cluster,
            previous_clusters: config.previous_clusters,
            settle: config.settle,
            observe_interval: config.observe_interval,
            action_interval: config.action_interval,
            detail_interval: config.detail_interval,
            send_window,
            allowed_services: config.allowed_services,
            passes: PASSES,
        },
        namespaces: config.namespaces,
        page_size: config.page_size,
        identity,
    };
    let operated = async {
        operate(parts, stop.clone()).await;
        drained.cancel();
    };
    match election {
        None => operated.await,
        Some(election) => {
            operated.await;
            election.await.context("the election ended early")?;
        }
    }
    Ok(())
}

/// An effect starts while two thirds of the lease have not passed; the last third is for connecting.
fn connect_timeout(lease: Option<Duration>) -> Duration {
    lease.map_or(CONNECT_TIMEOUT, |lease| CONNECT_TIMEOUT.min(lease / 3))
}

fn client(config: &Config, meter: &Meter, clock: &Clock) -> anyhow::Result<api::Client> {
    let extra_roots = match &config.ca_file {
        Some(path) => Some(
            std::fs::read(path)
                .with_context(|| format!("--itcare-ca-file {}: it cannot be read", path.display()))?,
        ),
        None => None,
    };
    let urls = [&config.itcare_url, &config.token_url];
    let transport = HttpTransport::new(&HttpOptions {
        extra_roots,
        allow_http: urls.into_iter().any(|url| url.scheme() == "http"),
        direct: urls.into_iter().all(is_loopback),
        plain: urls.into_iter().all(|url| url.scheme() == "http"),
        connect_timeout: connect_timeout(config.lease.as_ref().map(|lease| lease.duration)),
    })
    .context(match &config.ca_file {
        Some(_) => "--itcare-ca-file: it holds no PEM certificates",
        None => "no root certificates are trusted: install the system's, or give --itcare-ca-file",
    })?;
    let options = ClientOptions {
        root: config.itcare_url.clone(),
        token_url: config.token_url.clone(),
        scope: config.scope.clone(),
        rate: config.rate,
        burst: config.burst,
        timeout: config.timeout,
    };
    let observer = ApiMeter::new(meter.clone(), clock.clone());
    Ok(api::Client::new(
        options,
        Arc::new(transport),
        Arc::new(FromSource(config.secret.clone())),
        Arc::new(observer),
    ))
}

fn hex(bytes: [u8; 8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn connecting_ends_inside_the_last_third_of_the_lease() {
        for (lease, expected) in [(None, 5), (Some(60), 5), (Some(15), 5), (Some(9), 3), (Some(6), 2)] {
            assert_eq!(
                connect_timeout(lease.map(Duration::from_secs)),
                Duration::from_secs(expected),
                "{lease:?}"
            );
        }
    }
}
