//! One call from permit to decoded reply: budget, token, transport, time-out, classification.
//!
//! Reads renew a refused token once and are sent again. A change is sent **once**, whatever happens: what
//! follows from a lost reply is decided by whoever asked for it.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use secrecy::{ExposeSecret, SecretString};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::time::Instant;

use super::error::{ApiError, Intent, date};
use super::transport::{Limits, Reply, TransportError};
use super::wire::action::ActionWire;
use super::wire::without_quotes;
use super::{Client, Permit, Priority};
use crate::model::{Action, ActionId, FailureClass};

/// What the API's page asks for in a creation, and answers with everywhere.
const VENDOR_JSON: &str = "application/vnd.cegedim-it.v1+json";

const JSON: &str = "application/json";

/// Asked right before a change leaves this process.
pub trait SendGuard: Sync {
    /// Whether it may still be sent.
    fn may_send(&self) -> bool;
}

/// A change that ITCare accepted: its action runs, or is over already.
#[derive(Debug, Clone, PartialEq, Eq)]
#[must_use = "an accepted change is followed by its action"]
pub struct Accepted {
    /// The action.
    pub action: Action,
}

/// Path and query below the API's root.
#[derive(Debug, Clone, Default)]
pub(super) struct Target {
    pub segments: Vec<String>,
    pub query: Vec<(&'static str, String)>,
}

impl Target {
    pub fn new<const N: usize>(segments: [&str; N]) -> Self {
        Self { segments: segments.iter().map(|segment| (*segment).to_owned()).collect(), query: Vec::new() }
    }

    pub fn query(mut self, key: &'static str, value: impl Into<String>) -> Self {
        self.query.push((key, value.into()));
        self
    }
}

/// The body of a change.
pub(super) enum Body {
    None,
    Json(Value),
    VendorJson(Value),
}

impl Client {
    /// A read that waits for its own permit; decoded by `decode`.
    pub(super) async fn read<T>(
        &self,
        operation: &'static str,
        target: &Target,
        priority: Priority,
        decode: impl Fn(&Reply) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let permit = self.permit(priority).await;
        self.read_on(permit, operation, target, decode).await
    }

    /// A read on the caller's permit: whoever must know how new the answer is takes the time when it has the permit,
    /// not before the wait for it.
    pub(super) async fn read_on<T>(
        &self,
        permit: Permit,
        operation: &'static str,
        target: &Target,
        decode: impl Fn(&Reply) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let begun = Instant::now();
        let result = self.read_unobserved(permit, operation, target, decode).await;
        let (status, class) = match &result {
            Ok(_) => (Some(StatusCode::OK.as_u16()), None),
            Err(error) => (error.status(), Some(error.class())),
        };
        self.0.observer.request(operation, status, class, begun.elapsed());
        result
    }

    async fn read_unobserved<T>(
        &self,
        permit: Permit,
        operation: &'static str,
        target: &Target,
        decode: impl Fn(&Reply) -> Result<T, String>,
    ) -> Result<T, ApiError> {
        let token = self.0.tokens.get().await?;
        // The permit may be from before the server asked for a pause.
        let permit = match self.paused_for() {
            None => permit,
            Some(_) => {
                drop(permit);
                self.permit(Priority::FollowUp).await
            }
        };
        let (token, reply) = match self.exchange_read(permit, operation, target, token).await? {
            (token, reply) if reply.status == StatusCode::UNAUTHORIZED => {
                self.0.tokens.refused(&token);
                let token = self.0.tokens.get().await?;
                let permit = self.permit(Priority::FollowUp).await;
                self.exchange_read(permit, operation, target, token).await?
            }
            answered => answered,
        };
        self.learn(&reply);
        if !reply.status.is_success() {
            let error = ApiError::refused(operation, Intent::Read, &reply, &[token.expose_secret()]);
            self.heed(&error);
            return Err(error);
        }
        self.0.budget.answered();
        decode(&reply)
            .map_err(|why| ApiError::garbled(operation, Intent::Read, &reply, &why, &[token.expose_secret()]))
    }

    /// One exchange; the permit is given back at its end.
    async fn exchange_read(
        &self,
        permit: Permit,
        operation: &'static str,
        target: &Target,
        token: SecretString,
    ) -> Result<(SecretString, Reply), ApiError> {
        let request = self.request(operation, &Method::GET, target, &Body::None, &token)?;
        let reply = self.exchange(request).await;
        drop(permit);
        let reply = reply.map_err(|error| ApiError::transport(operation, Intent::Read, error))?;
        Ok((token, reply))
    }

    /// A change: sent at most once, on the caller's permit, and only while the guard allows it.
    ///
    /// # Errors
    /// See [`FailureClass`] for what each class proves about the change.
    pub(super) async fn change(
        &self,
        operation: &'static str,
        method: Method,
        target: &Target,
        body: &Body,
        permit: Permit,
        guard: &dyn SendGuard,
    ) -> Result<Accepted, ApiError> {
        let begun = Instant::now();
        let result = self.change_unobserved(operation, method, target, body, guard).await;
        drop(permit);
        let (status, class) = match &result {
            Ok((status, _)) => (Some(status.as_u16()), None),
            Err(error) => (error.status(), Some(error.class())),
        };
        self.0.observer.request(operation, status, class, begun.elapsed());
        result.map(|(_, accepted)| accepted)
    }

    async fn change_unobserved(
        &self,
        operation: &'static str,
        method: Method,
        target: &Target,
        body: &Body,
        guard: &dyn SendGuard,
    ) -> Result<(StatusCode, Accepted), ApiError> {
        // Without a token nothing leaves: whatever the token server answered, the change was not sent.
        let token = self.0.tokens.get().await.map_err(|error| match error.class().not_executed() {
            true => error,
            false => error.under_class(FailureClass::Transient),
        })?;
        let request = self.request(operation, &method, target, body, &token)?;
        // The permit may be from before the server asked for a pause.
        if let Some(left) = self.paused_for() {
            let class = FailureClass::Throttled(Some(left));
            return Err(ApiError::new(operation, class, "not sent: ITCare asked to wait"));
        }
        if !guard.may_send() {
            return Err(ApiError::new(
                operation,
                FailureClass::Transient,
                "not sent: this replica does not lead any more",
            ));
        }
        let reply = self
            .exchange(request)
            .await
            .map_err(|error| ApiError::transport(operation, Intent::Change, error))?;
        self.learn(&reply);
        if reply.status == StatusCode::UNAUTHORIZED {
            self.0.tokens.refused(&token);
        }
        if !reply.status.is_success() {
            let error = ApiError::refused(operation, Intent::Change, &reply, &[token.expose_secret()]);
            self.heed(&error);
            return Err(error);
        }
        self.0.budget.answered();
        let action: Action = object::<ActionWire>(&reply)
            .map_err(|why| {
                ApiError::garbled(operation, Intent::Change, &reply, &why, &[token.expose_secret()])
            })?
            .into();
        self.saw_action(action.id);
        Ok((reply.status, Accepted { action }))
    }

    fn request(
        &self,
        operation: &'static str,
        method: &Method,
        target: &Target,
        body: &Body,
        token: &SecretString,
    ) -> Result<Request<Bytes>, ApiError> {
        let invalid = |why: String| ApiError::new(operation, FailureClass::Rejected, why);
        let mut url = self.0.root.clone();
        {
            let mut path = url
                .path_segments_mut()
                .map_err(|()| invalid("--itcare-url cannot have a path".to_owned()))?;
            path.pop_if_empty();
            for segment in &target.segments {
                // The URL standard drops some of these without a word, and with them a step of the path.
                let odd = |letter: char| letter.is_control() || letter.is_whitespace();
                if segment.is_empty() || segment == "." || segment == ".." || segment.contains(odd) {
                    return Err(invalid(format!("{segment:?} cannot be part of a path")));
                }
                path.push(segment);
            }
        }
        if !target.query.is_empty() {
            let pairs: Vec<String> =
                target.query.iter().map(|(key, value)| format!("{key}={}", encoded(value))).collect();
            url.set_query(Some(&pairs.join("&")));
        }
        let mut bearer =
            http::HeaderValue::try_from(format!("Bearer {}", token.expose_secret())).map_err(|_| {
                ApiError::new(operation, FailureClass::Unauthenticated, "the token cannot be sent")
            })?;
        bearer.set_sensitive(true);
        let builder = Request::builder()
            .method(method)
            .uri(url.as_str())
            .header(header::ACCEPT, "application/vnd.cegedim-it.v1+json, */*;q=0.8")
            .header(header::AUTHORIZATION, bearer);
        let (builder, bytes) = match body {
            Body::None => (builder, Bytes::new()),
            Body::Json(value) => (builder.header(header::CONTENT_TYPE, JSON), Bytes::from(value.to_string())),
            Body::VendorJson(value) => {
                (builder.header(header::CONTENT_TYPE, VENDOR_JSON), Bytes::from(value.to_string()))
            }
        };
        builder.body(bytes).map_err(|error| invalid(error.to_string()))
    }

    async fn exchange(&self, request: Request<Bytes>) -> Result<Reply, TransportError> {
        let timeout: Duration = self.0.timeout;
        let sent = tokio::time::timeout(timeout, self.0.transport.send(request, Limits::default())).await;
        sent.unwrap_or_else(|_| Err(TransportError::timed_out(timeout)))
    }

    /// The account pauses as a whole when the server asks for it, also after a reply that is ambiguous.
    fn heed(&self, error: &ApiError) {
        match error.class() {
            FailureClass::Throttled(after) => {
                self.0.observer.throttled();
                // 503 with Retry-After has the same class: the server is away, whatever our rate is.
                match error.failure().status {
                    Some(429) => self.0.budget.throttled(after),
                    Some(_) | None => self.0.budget.pause_for(after),
                }
            }
            FailureClass::Ambiguous(Some(after)) => {
                self.0.observer.throttled();
                self.0.budget.pause_for(Some(after));
            }
            FailureClass::Transient
            | FailureClass::Ambiguous(None)
            | FailureClass::Rejected
            | FailureClass::Unauthenticated
            | FailureClass::NoCredentials
            | FailureClass::Forbidden
            | FailureClass::Missing
            | FailureClass::Garbled => {}
        }
    }

    fn learn(&self, reply: &Reply) {
        if let Some(date) = date(&reply.headers) {
            self.with_fence(|fence| fence.date = fence.date.max(Some(date)));
        }
    }

    pub(super) fn saw_action(&self, id: ActionId) {
        self.with_fence(|fence| fence.action = fence.action.max(Some(id)));
    }
}

/// Decodes a JSON reply; the words never quote it.
pub(super) fn json<T: DeserializeOwned>(reply: &Reply) -> Result<T, String> {
    serde_json::from_slice(&reply.body).map_err(|error| without_quotes(&error))
}

/// Decodes a reply that is one JSON object: a derived reader would also take an array for its fields in order.
pub(super) fn object<T: DeserializeOwned>(reply: &Reply) -> Result<T, String> {
    match reply.body.iter().find(|byte| !byte.is_ascii_whitespace()) {
        Some(b'{') => json(reply),
        Some(_) => Err("not a JSON object".to_owned()),
        None => Err("an empty reply".to_owned()),
    }
}

/// A query value. Commas separate the parts of a list in ITCare's examples, so they stay as they are.
fn encoded(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for byte in value.bytes() {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' | b',' | b'!' | b':' => {
                text.push(char::from(byte));
            }
            _ => text.push_str(&format!("%{byte:02X}")),
        }
    }
    text
}
