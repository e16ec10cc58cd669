//! The simulator's router in the place of the network. Replies take time, so that other things happen
//! between a request, its effect and its reply.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use itcare_operator::api::transport::{Limits, Reply, Transport, TransportError, TransportErrorKind};
use itcare_sim::{Broken, Sim, Truncated};
use serde_json::Value;

/// One way through the network.
const WAY: Duration = Duration::from_millis(4);

/// Carries requests to a simulator.
#[derive(Clone)]
pub struct SimTransport {
    sim: Sim,
    unreachable: Arc<AtomicBool>,
    spoils_dates: Arc<AtomicBool>,
}

impl SimTransport {
    pub fn new(sim: Sim) -> Self {
        Self { sim, unreachable: Arc::default(), spoils_dates: Arc::default() }
    }

    /// From now on every date in a reply, its header too, is words that nobody can read as a date.
    pub fn spoil_dates(&self) {
        self.spoils_dates.store(true, Ordering::Relaxed);
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
            let (mut parts, mut body) = response.into_parts();
            if self.spoils_dates.load(Ordering::Relaxed) {
                parts.headers.insert(http::header::DATE, http::HeaderValue::from_static("once upon a time"));
                body = spoiled(&body).map_or(body, Bytes::from);
            }
            if body.len() > limits.body {
                return Err(TransportError::new(TransportErrorKind::TooLarge, "the reply is too long"));
            }
            Ok(Reply { status: parts.status, headers: parts.headers, body })
        })
    }
}

/// The same JSON with unreadable dates; nothing where it is no JSON.
fn spoiled(body: &[u8]) -> Option<Vec<u8>> {
    fn spoil(value: &mut Value) {
        match value {
            Value::String(text) if text.len() > 18 && text.starts_with("20") && text.contains('T') => {
                *text = "the day before yesterday".to_owned();
            }
            Value::Array(items) => items.iter_mut().for_each(spoil),
            Value::Object(fields) => fields.values_mut().for_each(spoil),
            Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }
    let mut value: Value = serde_json::from_slice(body).ok()?;
    spoil(&mut value);
    serde_json::to_vec(&value).ok()
}
