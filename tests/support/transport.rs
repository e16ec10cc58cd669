//! The simulator's router in the place of the network. Replies take time, so that other things happen
//! between a request, its effect and its reply.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use itcare_operator::api::transport::{Limits, Reply, Transport, TransportError, TransportErrorKind};
use itcare_sim::{Broken, Sim, Truncated};

/// One way through the network.
const WAY: Duration = Duration::from_millis(4);

/// Carries requests to a simulator.
#[derive(Clone)]
pub struct SimTransport {
    sim: Sim,
    unreachable: Arc<AtomicBool>,
}

impl SimTransport {
    pub fn new(sim: Sim) -> Self {
        Self { sim, unreachable: Arc::default() }
    }

    /// No connection can be made any more, or again.
    pub fn set_unreachable(&self, unreachable: bool) {
        self.unreachable.store(unreachable, Ordering::Relaxed);
    }
}

impl Transport for SimTransport {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Reply, TransportError>> {
        Box::pin(async move {
            tokio::time::sleep(WAY).await;
            if self.unreachable.load(Ordering::Relaxed) {
                return Err(TransportError::new(TransportErrorKind::NotSent, "connection refused"));
            }
            let response = self
                .sim
                .call(request)
                .await
                .map_err(|Broken| TransportError::new(TransportErrorKind::Unknown, "connection reset"))?;
            tokio::time::sleep(WAY).await;
            if response.extensions().get::<Truncated>().is_some() {
                return Err(TransportError::new(TransportErrorKind::Unknown, "the reply was cut off"));
            }
            let (parts, body) = response.into_parts();
            if body.len() > limits.body {
                return Err(TransportError::new(TransportErrorKind::TooLarge, "the reply is too long"));
            }
            Ok(Reply { status: parts.status, headers: parts.headers, body })
        })
    }
}
