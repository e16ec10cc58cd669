//! Signals: the first asks for an orderly stop.

use tokio::signal::unix::{SignalKind, signal};

/// Returns on SIGTERM or SIGINT.
///
/// # Errors
/// When the handlers cannot be installed.
pub async fn signalled() -> std::io::Result<&'static str> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    Ok(tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    })
}
