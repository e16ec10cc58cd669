//! `/livez`, `/readyz` and `/metrics`. Listener and shutdown come from the caller.

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::Health;
use super::metrics::Metrics;

/// The health routes.
pub fn health(health: Health) -> Router {
    let live = |State(health): State<Health>| async move { answer(health.live()) };
    let ready = |State(health): State<Health>| async move { answer(health.readiness()) };
    Router::new().route("/livez", get(live)).route("/readyz", get(ready)).with_state(health)
}

fn answer((fine, text): (bool, String)) -> (StatusCode, String) {
    (if fine { StatusCode::OK } else { StatusCode::SERVICE_UNAVAILABLE }, text)
}

/// The metrics route.
pub fn metrics(metrics: Metrics) -> Router {
    let text = |State(metrics): State<Metrics>| async move {
        let kind = "application/openmetrics-text; version=1.0.0; charset=utf-8";
        ([(header::CONTENT_TYPE, kind)], metrics.text()).into_response()
    };
    Router::new().route("/metrics", get(text)).with_state(metrics)
}

/// Serves until `stop`.
///
/// # Errors
/// When the listener fails.
pub async fn serve(listener: TcpListener, router: Router, stop: CancellationToken) -> std::io::Result<()> {
    axum::serve(listener, router).with_graceful_shutdown(stop.cancelled_owned()).await
}
