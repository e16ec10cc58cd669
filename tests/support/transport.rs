//! The simulator's router in the place of the network. Replies take time, so that other things happen
//! between a request, its effect and its reply.

#![allow(dead_code, reason = "each suite uses its own part of this")]

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::Request;
use itcare_operator::api::transport::{Limits, Reply, Transport, TransportError, TransportErrorKind};
use itcare_sim::{Broken, Sim, Truncated};
use serde_json::Value;
use tokio::time::Instant;

/// One way through the network.
const WAY: Duration = Duration::from_millis(4);

/// Requests that left before the time that ITCare had asked this process to wait for, as words.
pub type Early = Arc<Mutex<Vec<String>>>;

/// Carries requests to a simulator.
#[derive(Clone)]
pub struct SimTransport {
    sim: Sim,
    /// Until when ITCare asked for no more calls.
    paused: Arc<Mutex<Option<Instant>>>,
    early: Early,
    unreachable: Arc<AtomicBool>,
    spoils_dates: Arc<AtomicBool>,
}

impl SimTransport {
    pub fn new(sim: Sim) -> Self {
        Self {
            sim,
            paused: Arc::default(),
            early: Arc::default(),
            unreachable: Arc::default(),
            spoils_dates: Arc::default(),
        }
    }

    /// The same, which tells there what leaves too early.
    pub fn telling(self, early: Early) -> Self {
        Self { early, ..self }
    }

    /// Notes a call that leaves while this process was asked to wait.
    fn leaves(&self, request: &Request<Bytes>) {
        let paused = *self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        let left = paused.map_or(Duration::ZERO, |until| until.saturating_duration_since(Instant::now()));
        // A date has whole seconds.
        if is_of_the_api(request) && left > Duration::from_secs(1) {
            let words = format!("{} {} {left:?} early, {}", request.method(), request.uri(), self.sim.now());
            self.early.lock().unwrap_or_else(PoisonError::into_inner).push(words);
        }
    }

    /// Remembers what a reply asked for.
    fn heed(&self, reply: &http::Response<Bytes>) {
        let asked = reply.headers().get(http::header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        let Some(asked) = asked.filter(|_| !reply.status().is_success()) else { return };
        let seconds = match (asked.parse::<u64>(), jiff::fmt::rfc2822::parse(asked)) {
            (Ok(seconds), _) => seconds,
            (_, Ok(date)) => {
                let ahead = date.timestamp().duration_since(self.sim.now());
                u64::try_from(ahead.as_secs()).unwrap_or(0)
            }
            (Err(_), Err(_)) => return,
        };
        let until = Instant::now() + Duration::from_secs(seconds);
        let mut paused = self.paused.lock().unwrap_or_else(PoisonError::into_inner);
        *paused = Some(paused.map_or(until, |before| before.max(until)));
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
            self.leaves(&request);
            let of_the_api = is_of_the_api(&request);
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
            if of_the_api {
                self.heed(&response);
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

/// The token server is another one: neither's wish to wait binds the other.
fn is_of_the_api(request: &Request<Bytes>) -> bool {
    request.uri().path().starts_with("/itcare/")
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
