//! `itcare-sim`: the simulator behind a socket, for demonstrations and for tests in any language.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::Context as _;
use clap::Parser;
use itcare_sim::{Account, Accounts, Config, Sim, parse_span};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

/// A simulator of cegedim.cloud's ITCare API.
#[derive(Debug, Parser)]
#[command(version)]
struct Arguments {
    /// Where to listen; port 0 takes a free one.
    #[arg(long, default_value = "127.0.0.1:0")]
    listen: SocketAddr,
    /// How long every action takes, such as 500ms, 2s or 5m.
    #[arg(long, default_value = "2s", value_parser = parse_span, conflicts_with = "explicit")]
    latency: Duration,
    /// Actions end only when told to, by POST /_sim/step or /_sim/drain.
    #[arg(long)]
    explicit: bool,
    /// Client id of the one account.
    #[arg(long, default_value = "demo-sa-operator")]
    client_id: String,
    /// Its secret.
    #[arg(long, default_value = "secret")]
    client_secret: String,
    /// Write the address that was chosen to this file.
    #[arg(long)]
    port_file: Option<PathBuf>,
}

impl Arguments {
    fn config(&self) -> Config {
        let config = if self.explicit { Config::explicit() } else { Config::auto(self.latency) };
        let account = Account {
            client_id: self.client_id.clone(),
            secret: self.client_secret.clone(),
            user: self.client_id.clone(),
            ..Account::default()
        };
        // Over a socket the callers have real clocks, so the simulator shows the real time.
        Config {
            start: jiff::Timestamp::now(),
            accounts: Accounts { list: vec![account], ..Accounts::default() },
            ..config
        }
    }
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let arguments = Arguments::parse();
    tracing_subscriber::fmt()
        .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
        .with_writer(std::io::stderr)
        .init();

    let shutdown = CancellationToken::new();
    end_on_signal(shutdown.clone())?;
    let listener = TcpListener::bind(arguments.listen)
        .await
        .with_context(|| format!("cannot listen on {}", arguments.listen))?;
    let address = listener.local_addr().context("cannot read the address that was chosen")?;
    let config = arguments.config();
    announce(&config, address, arguments.port_file.as_deref())?;
    Sim::new(config).serve(listener, shutdown).await.context("cannot serve")
}

fn end_on_signal(shutdown: CancellationToken) -> anyhow::Result<()> {
    let mut terminate = signal(SignalKind::terminate()).context("cannot listen for SIGTERM")?;
    let mut interrupt = signal(SignalKind::interrupt()).context("cannot listen for Ctrl-C")?;
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        shutdown.cancel();
    });
    Ok(())
}

fn announce(config: &Config, address: SocketAddr, port_file: Option<&Path>) -> anyhow::Result<()> {
    let line = serde_json::json!({
        "address": address.to_string(),
        "url": format!("http://{address}{}", config.base_path),
        "tokenUrl": format!("http://{address}{}", config.token_path),
        "controlUrl": format!("http://{address}/_sim"),
    });
    if let Some(path) = port_file {
        // Renamed into place, so that a reader that waits for the file never sees half of it.
        let partial = path.with_extension("partial");
        std::fs::write(&partial, address.to_string())
            .and_then(|()| std::fs::rename(&partial, path))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    println!("{line}");
    Ok(())
}
