//! The seam between this client and the network: one request out, one whole reply back.
//!
//! Production goes through [`HttpTransport`]; tests put a router in its place. Deliberately not here:
//! time-outs (the sender sets them, so that every transport has them), tokens, budgets, and any judgement
//! of a status.
//!
//! # Nothing is sent twice
//!
//! reqwest's own repetition (it answers HTTP/2 refusals) is switched off. One repetition below it
//! remains, in hyper-util's pool, which reqwest does not let us switch off: a request that was queued for
//! a pooled connection is put on another one when the first turns out to be closed. It is harmless by
//! construction: the pool can do so only with the request value itself, which the connection hands back
//! only while it has not begun to read it. As soon as one byte may have left, the value is gone and the
//! call ends with an error. Hence one pool serves reads and changes alike, and at most as many
//! connections are opened as calls run at once: one with HTTP/2, up to eight without.

use std::error::Error as StdError;
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use futures::future::BoxFuture;
use http::{HeaderMap, Request, StatusCode};

/// A longer reply is refused: a page of 2,000 rich items is about 6 MiB.
pub const MAX_BODY: usize = 8 * 1024 * 1024;

/// How long name, connection and TLS may take together, unless the options say less.
pub const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

/// Idle connections are closed before the usual gateways close them (two minutes and more).
const POOL_IDLE: Duration = Duration::from_secs(90);

/// What a transport must not exceed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// The longest body, counted while it is read.
    pub body: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self { body: MAX_BODY }
    }
}

/// A reply, whatever its status, read to its end.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: StatusCode,
    /// The headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

/// What a failure proves about the request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum TransportErrorKind {
    /// Nothing left this machine: name, connection or TLS failed.
    NotSent,
    /// It may have arrived and may have been carried out.
    Unknown,
    /// It arrived, and the reply is longer than allowed.
    TooLarge,
}

/// No reply.
#[derive(Debug, thiserror::Error)]
#[error("{}", words(.source.as_ref()))]
pub struct TransportError {
    /// What it proves.
    pub kind: TransportErrorKind,
    /// Whether time ran out.
    pub timed_out: bool,
    /// What happened.
    pub source: Box<dyn StdError + Send + Sync>,
}

impl TransportError {
    /// A failure from its parts.
    #[must_use]
    pub fn new(kind: TransportErrorKind, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        Self { kind, timed_out: false, source: source.into() }
    }

    /// No reply came in time; the request may have been carried out.
    #[must_use]
    pub fn timed_out(after: Duration) -> Self {
        let source = format!("no reply within {:.1} s", after.as_secs_f64());
        Self { kind: TransportErrorKind::Unknown, timed_out: true, source: source.into() }
    }
}

/// An error with its causes, each once.
fn words(error: &(dyn StdError + Send + Sync + 'static)) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let part = error.to_string();
        if !text.contains(&part) {
            text.push_str(": ");
            text.push_str(&part);
        }
        cause = error.source();
    }
    text
}

/// Carries requests. Dropping the future abandons the call: the request may still be carried out.
pub trait Transport: Send + Sync + 'static {
    /// Sends the request at most once and reads the reply to its end, within the limits. Redirects are
    /// not followed: a token must not travel to another host.
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Reply, TransportError>>;
}

/// How [`HttpTransport`] is set.
#[derive(Debug, Clone)]
pub struct HttpOptions {
    /// More trusted roots, as PEM, beside the system's.
    pub extra_roots: Option<Vec<u8>>,
    /// Whether `http://` is accepted. Whoever sets it has checked the hosts.
    pub allow_http: bool,
    /// Both servers are on this machine: no proxy is asked, whatever the environment says. A proxy would see what
    /// `http://` does not hide.
    pub direct: bool,
    /// Neither server speaks TLS: no root certificates are needed.
    pub plain: bool,
    /// How long name, connection and TLS may take together. A change must be written while this process
    /// still leads: whoever guards it must be sure of itself for this long.
    pub connect_timeout: Duration,
}

impl Default for HttpOptions {
    fn default() -> Self {
        Self {
            extra_roots: None,
            allow_http: false,
            direct: false,
            plain: false,
            connect_timeout: CONNECT_TIMEOUT,
        }
    }
}

/// The options cannot be followed.
#[derive(Debug, thiserror::Error)]
#[error("the HTTP client cannot be set up")]
pub struct InvalidOptions(#[source] reqwest::Error);

/// The real network.
#[derive(Debug, Clone)]
pub struct HttpTransport(reqwest::Client);

impl HttpTransport {
    /// A pool of its own. The process's TLS provider must be installed before
    /// (`rustls::crypto::ring::default_provider().install_default()`), or this panics inside reqwest.
    ///
    /// # Errors
    /// When the extra roots are no PEM certificates.
    pub fn new(options: &HttpOptions) -> Result<Self, InvalidOptions> {
        let roots = match &options.extra_roots {
            Some(pem) => reqwest::Certificate::from_pem_bundle(pem).map_err(InvalidOptions)?,
            None => Vec::new(),
        };
        let mut builder = reqwest::Client::builder()
            .user_agent(concat!("itcare-operator/", env!("CARGO_PKG_VERSION")))
            .retry(reqwest::retry::never())
            .redirect(reqwest::redirect::Policy::none())
            .connect_timeout(options.connect_timeout)
            .pool_idle_timeout(POOL_IDLE)
            .https_only(!options.allow_http);
        if options.direct {
            builder = builder.no_proxy();
        }
        if options.plain {
            builder = builder.tls_certs_only(Vec::new());
        } else if !roots.is_empty() {
            builder = builder.tls_certs_merge(roots);
        }
        builder.build().map(Self).map_err(InvalidOptions)
    }

    async fn exchange(&self, request: Request<Bytes>, limits: Limits) -> Result<Reply, TransportError> {
        let request = reqwest::Request::try_from(request).map_err(classify)?;
        let mut response = self.0.execute(request).await.map_err(classify)?;
        let announced = response.content_length().unwrap_or_default();
        if announced > limits.body as u64 {
            return Err(too_large(limits));
        }
        let mut body = BytesMut::new();
        while let Some(chunk) = response.chunk().await.map_err(classify)? {
            if body.len() + chunk.len() > limits.body {
                return Err(too_large(limits));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(Reply {
            status: response.status(),
            headers: std::mem::take(response.headers_mut()),
            body: body.freeze(),
        })
    }
}

impl Transport for HttpTransport {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Reply, TransportError>> {
        Box::pin(self.exchange(request, limits))
    }
}

fn too_large(limits: Limits) -> TransportError {
    TransportError::new(
        TransportErrorKind::TooLarge,
        format!("the reply is longer than {} bytes", limits.body),
    )
}

fn classify(error: reqwest::Error) -> TransportError {
    let not_sent = error.is_connect() || error.is_builder();
    let kind = if not_sent { TransportErrorKind::NotSent } else { TransportErrorKind::Unknown };
    // The address is in the error otherwise, and with it names from the query.
    TransportError { kind, timed_out: error.is_timeout(), source: error.without_url().into() }
}
