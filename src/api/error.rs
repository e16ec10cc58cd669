//! Why a call failed, and what that proves. The class is worked out here, once; nobody else looks at a status.

use std::error::Error as StdError;
use std::time::Duration;

use http::{HeaderMap, StatusCode, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::transport::{Reply, TransportError, TransportErrorKind};
use crate::model::{Failure, FailureClass};

/// So much of a reply that makes no sense is shown to a person.
const EXCERPT: usize = 160;

/// Whether the call was meant to change something: the same reply proves different things then.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Intent {
    Read,
    Change,
}

/// A call that failed.
#[derive(Debug, thiserror::Error)]
#[error("{operation}: {message}")]
pub struct ApiError {
    operation: &'static str,
    message: String,
    status: Option<u16>,
    class: FailureClass,
    #[source]
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl ApiError {
    pub(super) fn new(operation: &'static str, class: FailureClass, message: impl Into<String>) -> Self {
        Self { operation, message: message.into(), status: None, class, source: None }
    }

    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = Some(status.as_u16());
        self
    }

    /// The same failure under another class.
    pub(super) fn under_class(mut self, class: FailureClass) -> Self {
        self.class = class;
        self
    }

    /// The same failure, with the words that say where it happened.
    pub(super) fn prefixed(mut self, place: &str) -> Self {
        self.message = format!("{place}: {}", self.message);
        self
    }

    /// What it means: all that an error policy looks at.
    #[must_use]
    pub fn class(&self) -> FailureClass {
        self.class
    }

    /// The stable word for metrics and logs.
    #[must_use]
    pub fn reason(&self) -> &'static str {
        self.class.as_str()
    }

    /// The HTTP status, when a reply came.
    #[must_use]
    pub fn status(&self) -> Option<u16> {
        self.status
    }

    /// As the decision sees it.
    #[must_use]
    pub fn failure(&self) -> Failure {
        Failure { class: self.class, status: self.status, message: self.message.clone() }
    }

    /// No reply came.
    pub(super) fn transport(operation: &'static str, intent: Intent, error: TransportError) -> Self {
        let class = match (error.kind, intent) {
            (TransportErrorKind::NotSent, _) | (TransportErrorKind::Unknown, Intent::Read) => {
                FailureClass::Transient
            }
            (TransportErrorKind::TooLarge, Intent::Read) => FailureClass::Garbled,
            (TransportErrorKind::Unknown | TransportErrorKind::TooLarge, Intent::Change) => {
                FailureClass::Ambiguous(None)
            }
        };
        let message = match error.kind {
            TransportErrorKind::NotSent => format!("ITCare cannot be reached: {error}"),
            TransportErrorKind::Unknown | TransportErrorKind::TooLarge => error.to_string(),
        };
        Self { operation, message, status: None, class, source: Some(Box::new(error)) }
    }

    /// A reply came, and it is not one of success.
    pub(super) fn refused(operation: &'static str, intent: Intent, reply: &Reply, secrets: &[&str]) -> Self {
        let after = retry_after(&reply.headers);
        let class = match (reply.status.as_u16(), intent) {
            (401, _) => FailureClass::Unauthenticated,
            (403, _) => FailureClass::Forbidden,
            (429, _) => FailureClass::Throttled(after),
            (404, Intent::Read) => FailureClass::Missing,
            (503, Intent::Read) if after.is_some() => FailureClass::Throttled(after),
            (408 | 425 | 500..=599, Intent::Read) => FailureClass::Transient,
            (400..=499, Intent::Read) => FailureClass::Rejected,
            // Whoever refuses a request for its content or the state of what it names has not carried it out;
            // a time-out (408) or a replayed early request (425) says nothing of the kind.
            (408 | 425, Intent::Change) => FailureClass::Ambiguous(after),
            (400..=499, Intent::Change) => FailureClass::Rejected,
            (_, Intent::Read) => FailureClass::Garbled,
            (_, Intent::Change) => FailureClass::Ambiguous(after),
        };
        Self::new(operation, class, words(reply, secrets)).with_status(reply.status)
    }

    /// A reply of success that cannot be understood.
    pub(super) fn garbled(
        operation: &'static str,
        intent: Intent,
        reply: &Reply,
        why: &str,
        secrets: &[&str],
    ) -> Self {
        let class = match intent {
            Intent::Read => FailureClass::Garbled,
            Intent::Change => FailureClass::Ambiguous(None),
        };
        let shown = excerpt(&reply.body, secrets);
        let why = clean(why, secrets);
        let message = format!(
            "HTTP {}: the reply cannot be understood ({why}); it begins {shown:?}",
            reply.status.as_u16()
        );
        Self::new(operation, class, message).with_status(reply.status)
    }
}

/// The API's error object; each part may be missing.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct ErrorObject {
    #[serde(default)]
    error_code: Option<String>,
    #[serde(default)]
    error_desc: Option<String>,
    #[serde(default)]
    error_message: Option<String>,
}

fn words(reply: &Reply, secrets: &[&str]) -> String {
    let status = reply.status.as_u16();
    let phrase = reply.status.canonical_reason().map(|phrase| format!(" {phrase}")).unwrap_or_default();
    if let Some(to) = reply.headers.get(header::LOCATION).filter(|_| reply.status.is_redirection()) {
        let to = clean(&String::from_utf8_lossy(to.as_bytes()), secrets);
        return format!(
            "HTTP {status}{phrase}: redirected to {to:?}, which is not followed; check --itcare-url"
        );
    }
    let object: ErrorObject = serde_json::from_slice(&reply.body).unwrap_or_default();
    let ErrorObject { error_code, error_desc, error_message } = object;
    let known: Vec<String> = [error_code, error_desc, error_message]
        .into_iter()
        .flatten()
        .map(|text| clean(&text, secrets))
        .collect();
    match (known.is_empty(), reply.body.is_empty()) {
        (false, _) => format!("HTTP {status}{phrase}: {}", known.join(", ")),
        (true, true) => format!("HTTP {status}{phrase}"),
        (true, false) => format!("HTTP {status}{phrase}: {:?}", excerpt(&reply.body, secrets)),
    }
}

fn excerpt(body: &[u8], secrets: &[&str]) -> String {
    clean(&String::from_utf8_lossy(body), secrets)
}

/// One short line for a person. A gateway's error page may echo our own headers: what is secret never gets out,
/// and is taken out before anything is cut, since half a token is too much of it.
fn clean(text: &str, secrets: &[&str]) -> String {
    let mut text = text.to_owned();
    for secret in secrets.iter().filter(|secret| !secret.is_empty()) {
        text = text.replace(secret, "(secret)");
    }
    let line: String = text.split_whitespace().collect::<Vec<_>>().join(" ");
    line.chars().filter(|letter| !letter.is_control()).take(EXCERPT).collect()
}

/// `Retry-After` as seconds or as a date, which is read against the reply's own `Date`: clocks differ.
pub(super) fn retry_after(headers: &HeaderMap) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse::<u64>() {
        return Some(Duration::from_secs(seconds.max(1)));
    }
    let until = http_date(text)?;
    let now = date(headers)?;
    Some(Duration::try_from(until.duration_since(now)).unwrap_or_default().max(Duration::from_secs(1)))
}

/// The reply's `Date`.
pub(super) fn date(headers: &HeaderMap) -> Option<Timestamp> {
    http_date(headers.get(header::DATE)?.to_str().ok()?)
}

fn http_date(text: &str) -> Option<Timestamp> {
    jiff::fmt::rfc2822::parse(text).ok().map(|zoned| zoned.timestamp())
}
