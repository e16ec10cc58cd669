//! A transport that serves what a test lays out and keeps what the client sent. It knows nothing of ITCare
//! but where tokens come from.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use futures::future::BoxFuture;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use itcare_operator::api::transport::{Limits, Reply, Transport, TransportError, TransportErrorKind};
use itcare_operator::api::{Client, ClientCredentials, ClientOptions, Credentials, SendGuard};
use url::Url;

use crate::fixture;

pub const ROOT: &str = "https://api.cegedim.cloud/itcare";
pub const TOKEN_URL: &str = "https://accounts.cegedim.cloud/auth/realms/cloud/protocol/openid-connect/token";
pub const CLIENT_ID: &str = "demo-sa-operator";
pub const SECRET: &str = "correct horse: battery/staple";
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// What the network does with one request.
#[derive(Debug, Clone)]
pub enum Answer {
    Reply {
        status: u16,
        headers: Vec<(&'static str, String)>,
        body: Bytes,
    },
    Fails(TransportErrorKind),
    /// No reply, ever.
    Never,
    /// That, after a while.
    Late(Duration, Box<Answer>),
}

impl Answer {
    pub fn new(status: u16, body: impl Into<Bytes>) -> Self {
        Self::Reply { status, headers: Vec::new(), body: body.into() }
    }

    pub fn empty(status: u16) -> Self {
        Self::new(status, Bytes::new())
    }

    /// 200 with a payload.
    pub fn ok(name: &str) -> Self {
        Self::new(200, fixture::bytes(name))
    }

    /// 202 with a payload.
    pub fn accepted(name: &str) -> Self {
        Self::new(202, fixture::bytes(name))
    }

    #[must_use]
    pub fn with(mut self, name: &'static str, value: &str) -> Self {
        if let Self::Reply { headers, .. } = &mut self {
            headers.push((name, value.to_owned()));
        }
        self
    }

    #[must_use]
    pub fn late(self, after: Duration) -> Self {
        Self::Late(after, Box::new(self))
    }
}

/// One request as it left the client.
#[derive(Debug, Clone)]
pub struct Seen {
    pub method: Method,
    pub address: String,
    pub path: String,
    pub raw_query: Option<String>,
    pub headers: HeaderMap,
    pub body: Bytes,
    pub limits: Limits,
}

impl Seen {
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().expect("our headers are text"))
    }

    pub fn query(&self) -> BTreeMap<String, String> {
        let query = self.raw_query.as_deref().unwrap_or_default();
        let pairs: Vec<(String, String)> =
            url::form_urlencoded::parse(query.as_bytes()).into_owned().collect();
        let map: BTreeMap<String, String> = pairs.iter().cloned().collect();
        assert_eq!(map.len(), pairs.len(), "a parameter comes twice: {query}");
        map
    }
}

#[derive(Default)]
struct Script {
    answers: VecDeque<Answer>,
    tokens: VecDeque<Answer>,
    seen: Vec<Seen>,
    tokens_seen: Vec<Seen>,
}

/// The network of one test; clones are handles on the same one. The last answer of a row stands for all
/// that follow.
#[derive(Clone)]
pub struct Fake(Arc<Mutex<Script>>);

impl Fake {
    pub fn new(answers: impl IntoIterator<Item = Answer>) -> Self {
        let tokens = VecDeque::from([Answer::ok("reply-token.json")]);
        Self(Arc::new(Mutex::new(Script {
            answers: answers.into_iter().collect(),
            tokens,
            ..Script::default()
        })))
    }

    fn script(&self) -> MutexGuard<'_, Script> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What the token endpoint answers from now on.
    pub fn tokens(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script().tokens = answers.into_iter().collect();
    }

    /// What the API answers from now on.
    pub fn answers(&self, answers: impl IntoIterator<Item = Answer>) {
        self.script().answers = answers.into_iter().collect();
    }

    /// The calls of the API so far.
    pub fn seen(&self) -> Vec<Seen> {
        self.script().seen.clone()
    }

    /// The only call of the API so far.
    pub fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }

    /// The requests for a token so far.
    pub fn tokens_seen(&self) -> Vec<Seen> {
        self.script().tokens_seen.clone()
    }

    fn take(&self, request: Request<Bytes>, limits: Limits) -> Answer {
        let (parts, body) = request.into_parts();
        let seen = Seen {
            method: parts.method,
            address: parts.uri.to_string(),
            path: parts.uri.path().to_owned(),
            raw_query: parts.uri.query().map(str::to_owned),
            headers: parts.headers,
            body,
            limits,
        };
        let mut script = self.script();
        let for_token = seen.address == TOKEN_URL;
        let Script { answers, tokens, seen: calls, tokens_seen } = &mut *script;
        let (row, log) = if for_token { (tokens, tokens_seen) } else { (answers, calls) };
        log.push(seen);
        let last = if row.len() > 1 { row.pop_front() } else { row.front().cloned() };
        last.expect("the test laid out an answer")
    }
}

async fn play(answer: Answer) -> Result<Reply, TransportError> {
    match answer {
        Answer::Reply { status, headers, body } => {
            let headers = headers.iter().map(|(name, value)| {
                let value = HeaderValue::from_str(value).expect("the test's header is valid");
                (HeaderName::from_bytes(name.as_bytes()).expect("the test's header is valid"), value)
            });
            let status = StatusCode::from_u16(status).expect("the test's status is valid");
            Ok(Reply { status, headers: headers.collect(), body })
        }
        Answer::Fails(kind) => Err(TransportError::new(kind, "the network failed")),
        Answer::Never => std::future::pending().await,
        Answer::Late(after, answer) => {
            tokio::time::sleep(after).await;
            Box::pin(play(*answer)).await
        }
    }
}

impl Transport for Fake {
    fn send(&self, request: Request<Bytes>, limits: Limits) -> BoxFuture<'_, Result<Reply, TransportError>> {
        let answer = self.take(request, limits);
        Box::pin(play(answer))
    }
}

/// Credentials that a test can change while the client runs.
#[derive(Clone)]
pub struct Secret(Arc<Mutex<Result<String, String>>>);

impl Secret {
    pub fn new(secret: &str) -> Self {
        Self(Arc::new(Mutex::new(Ok(secret.to_owned()))))
    }

    pub fn set(&self, secret: Result<&str, &str>) {
        let secret = secret.map(str::to_owned).map_err(str::to_owned);
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = secret;
    }
}

impl Credentials for Secret {
    fn read(&self) -> Result<ClientCredentials, String> {
        let secret = self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()?;
        Ok(ClientCredentials { id: CLIENT_ID.to_owned(), secret: secret.into() })
    }

    fn client_id(&self) -> String {
        CLIENT_ID.to_owned()
    }
}

/// Options under which no budget gets in the way.
pub fn options() -> ClientOptions {
    ClientOptions {
        root: Url::parse(ROOT).expect("it is an address"),
        token_url: Url::parse(TOKEN_URL).expect("it is an address"),
        scope: None,
        rate: 1_000.0,
        burst: 1_000,
        timeout: TIMEOUT,
    }
}

/// A client on this network.
pub fn client(fake: &Fake) -> Client {
    Client::new(options(), Arc::new(fake.clone()), Arc::new(Secret::new(SECRET)), Arc::new(()))
}

/// A client and the network under it.
pub fn bench(answers: impl IntoIterator<Item = Answer>) -> (Client, Fake) {
    let fake = Fake::new(answers);
    (client(&fake), fake)
}

/// Lets every change leave.
pub struct Always;

impl SendGuard for Always {
    fn may_send(&self) -> bool {
        true
    }
}

/// Lets none leave.
pub struct Never;

impl SendGuard for Never {
    fn may_send(&self) -> bool {
        false
    }
}
