//! The access token: one request at a time, renewed before it expires and after it was refused.
//!
//! Deliberately not here: where the credentials come from. They are asked for at each renewal, so that a
//! rotated secret is used without a restart.

use std::sync::{Arc, PoisonError};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::Bytes;
use http::{Method, Request, header};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tokio::sync::watch;
use tokio::time::Instant;
use url::Url;

use super::error::{ApiError, Intent};
use super::send::object;
use super::transport::{Limits, Transport, TransportError};
use super::wire::scalar::{self, Lenient};
use super::{Budget, Observer};
use crate::model::FailureClass;

const OPERATION: &str = "token";

/// A token of unknown life is asked for again after a minute.
const UNKNOWN_LIFE: Duration = Duration::from_secs(60);

/// A token that lives longer is asked for anew all the same.
const LONGEST_LIFE: Duration = Duration::from_secs(24 * 3600);

/// The first wait after a token request failed; it doubles up to [`LONGEST_WAIT`]. A thousand objects that
/// all want a token must not become a thousand failing logins.
const FIRST_WAIT: Duration = Duration::from_secs(1);

/// Short enough that the end of an outage is noticed while somebody watches.
const LONGEST_WAIT: Duration = Duration::from_secs(15);

/// The same for credentials that were refused and have not changed: asked for ever, they get an account locked. Others
/// are tried at once.
const LONGEST_WAIT_REFUSED: Duration = Duration::from_secs(120);

/// Longer token replies are refused.
const LIMITS: Limits = Limits { body: 64 * 1024 };

/// Client id and secret of the API account.
#[derive(Clone)]
pub struct ClientCredentials {
    /// Not secret, yet only ever sent to the token endpoint.
    pub id: String,
    /// The secret.
    pub secret: SecretString,
}

/// Where the credentials come from.
pub trait Credentials: Send + Sync + 'static {
    /// Reads them now.
    ///
    /// # Errors
    /// What is missing, and how to give it: shown in conditions.
    fn read(&self) -> Result<ClientCredentials, String>;

    /// The client id as configured, for the account's identity; empty when there is none.
    fn client_id(&self) -> String;
}

struct Held {
    token: SecretString,
    renew_at: Instant,
    expires_at: Instant,
}

#[derive(Default)]
struct State {
    /// The last failure, which credentials it was with, and until when it stands for the next ones.
    failed: Option<(ClientCredentials, Instant, Duration, Failed)>,
}

/// A failure that can be told to several callers.
#[derive(Clone)]
struct Failed {
    class: FailureClass,
    message: String,
}

impl Failed {
    fn error(&self) -> ApiError {
        ApiError::new(OPERATION, self.class, self.message.clone())
    }
}

/// The token of one account.
pub(super) struct Tokens {
    pub transport: Arc<dyn Transport>,
    pub url: Url,
    pub scope: Option<String>,
    pub credentials: Arc<dyn Credentials>,
    pub timeout: Duration,
    pub observer: Arc<dyn Observer>,
    pub budget: Budget,
    /// Never locked while something is waited for.
    held: std::sync::Mutex<Option<Held>>,
    /// Whoever holds it asks for a token.
    state: tokio::sync::Mutex<State>,
    /// What `/readyz` tells: why there is no token, if there is none.
    trouble: watch::Sender<Option<String>>,
}

#[derive(Deserialize)]
struct TokenReply {
    access_token: String,
    #[serde(default, deserialize_with = "scalar::integer")]
    expires_in: Lenient<i64>,
}

impl Tokens {
    pub fn new(
        transport: Arc<dyn Transport>,
        url: Url,
        scope: Option<String>,
        credentials: Arc<dyn Credentials>,
        timeout: Duration,
        observer: Arc<dyn Observer>,
        budget: Budget,
    ) -> Self {
        Self {
            transport,
            url,
            scope,
            credentials,
            timeout,
            observer,
            budget,
            held: std::sync::Mutex::default(),
            state: tokio::sync::Mutex::default(),
            trouble: watch::Sender::new(None),
        }
    }

    /// Why there is no usable token, as of the last request for one.
    pub fn trouble(&self) -> watch::Receiver<Option<String>> {
        self.trouble.subscribe()
    }

    /// A token that is good now. Callers that come while one is asked for wait for that one, unless the old one still
    /// lives: renewal begins early, so that a token server that is slow or away harms nobody.
    pub async fn get(&self) -> Result<SecretString, ApiError> {
        if let Some(token) = self.token(|held| held.renew_at) {
            return Ok(token);
        }
        let mut state = match (self.state.try_lock(), self.token(|held| held.expires_at)) {
            (Ok(state), _) => state,
            (Err(_), Some(token)) => return Ok(token),
            (Err(_), None) => self.state.lock().await,
        };
        // Whoever was waited for may have got one.
        if let Some(token) = self.token(|held| held.renew_at) {
            return Ok(token);
        }
        match self.renew(&mut state, Instant::now()).await {
            Ok(token) => {
                self.note(None);
                Ok(token)
            }
            Err(error) => match self.token(|held| held.expires_at) {
                Some(token) => {
                    self.held(|held| {
                        held.iter_mut().for_each(|held| held.renew_at = Instant::now() + FIRST_WAIT);
                    });
                    Ok(token)
                }
                None => {
                    self.note(Some(error.failure().message));
                    Err(error)
                }
            },
        }
    }

    /// That token was refused: drops it, if it is still the one in use.
    pub fn refused(&self, token: &SecretString) {
        self.held(|held| {
            let same = |held: &mut Held| held.token.expose_secret() == token.expose_secret();
            drop(held.take_if(same));
        });
    }

    fn held<T>(&self, act: impl FnOnce(&mut Option<Held>) -> T) -> T {
        act(&mut self.held.lock().unwrap_or_else(PoisonError::into_inner))
    }

    /// The token that is held, before that end of it.
    fn token(&self, end: impl Fn(&Held) -> Instant) -> Option<SecretString> {
        self.held(|held| {
            held.as_ref().filter(|held| Instant::now() < end(held)).map(|held| held.token.clone())
        })
    }

    fn note(&self, trouble: Option<String>) {
        self.trouble.send_if_modified(|known| {
            let changed = *known != trouble;
            *known = trouble;
            changed
        });
    }

    async fn renew(&self, state: &mut State, now: Instant) -> Result<SecretString, ApiError> {
        let credentials = self
            .credentials
            .read()
            .map_err(|why| ApiError::new(OPERATION, FailureClass::NoCredentials, why))?;
        let mut wait = FIRST_WAIT;
        if let Some((with, until, last, failed)) = &state.failed
            && same(with, &credentials)
        {
            if now < *until {
                return Err(failed.error());
            }
            let refused = failed.class == FailureClass::Unauthenticated;
            wait = (*last * 2).min(if refused { LONGEST_WAIT_REFUSED } else { LONGEST_WAIT });
        }
        let result = self.request(&credentials).await;
        self.observer.token(result.is_ok());
        match result {
            Ok((token, life)) => {
                state.failed = None;
                self.budget.answered();
                // A tenth of its life before the end, which covers a slow renewal.
                let held =
                    Held { token: token.clone(), renew_at: now + life.mul_f64(0.9), expires_at: now + life };
                self.held(|known| *known = Some(held));
                Ok(token)
            }
            Err(error) => {
                let failed = Failed { class: error.class(), message: error.failure().message };
                state.failed = Some((credentials, Instant::now() + wait, wait, failed));
                Err(error)
            }
        }
    }

    async fn request(&self, credentials: &ClientCredentials) -> Result<(SecretString, Duration), ApiError> {
        let mut form = vec![("grant_type", "client_credentials")];
        form.extend(self.scope.as_deref().map(|scope| ("scope", scope)));
        let form = url::form_urlencoded::Serializer::new(String::new()).extend_pairs(form).finish();
        let pair = format!("{}:{}", credentials.id, credentials.secret.expose_secret());
        let pair = BASE64.encode(pair);
        let mut basic = http::HeaderValue::try_from(format!("Basic {pair}")).map_err(|_| {
            ApiError::new(OPERATION, FailureClass::NoCredentials, "the credentials cannot be sent")
        })?;
        basic.set_sensitive(true);
        let request = Request::builder()
            .method(Method::POST)
            .uri(self.url.as_str())
            .header(header::AUTHORIZATION, basic)
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded")
            .header(header::ACCEPT, "application/json")
            .body(Bytes::from(form))
            .map_err(|error| {
                ApiError::new(OPERATION, FailureClass::Rejected, format!("--itcare-token-url: {error}"))
            })?;
        // A token request changes nothing that matters: it may be repeated like a read.
        let sent = tokio::time::timeout(self.timeout, self.transport.send(request, LIMITS)).await;
        let reply = sent
            .unwrap_or_else(|_| Err(TransportError::timed_out(self.timeout)))
            .map_err(|error| ApiError::transport(OPERATION, Intent::Read, error))
            .map_err(|error| self.at_endpoint(error))?;
        if !reply.status.is_success() {
            let secrets = [credentials.secret.expose_secret(), pair.as_str()];
            let refusal = ApiError::refused(OPERATION, Intent::Read, &reply, &secrets);
            if let FailureClass::Throttled(after) = refusal.class() {
                self.budget.pause_for(after);
                self.observer.throttled();
            }
            // Keycloak answers 400 or 401 with an OAuth error object to a client that it does not know.
            return Err(match reply.status.as_u16() {
                400 | 401 | 403 => self.at_endpoint(refusal.under_class(FailureClass::Unauthenticated)),
                404 => self.at_endpoint(refusal.under_class(FailureClass::Garbled)),
                _ => self.at_endpoint(refusal),
            });
        }
        // The reply holds a token, so nothing of it is shown.
        let TokenReply { access_token, expires_in } = object(&reply).map_err(|_| {
            let message = format!("HTTP {}: the reply holds no access_token", reply.status.as_u16());
            self.at_endpoint(
                ApiError::new(OPERATION, FailureClass::Garbled, message).with_status(reply.status),
            )
        })?;
        let life =
            expires_in.0.and_then(|seconds| u64::try_from(seconds).ok()).filter(|seconds| *seconds > 0);
        let life = life.map_or(UNKNOWN_LIFE, Duration::from_secs).min(LONGEST_LIFE);
        Ok((SecretString::from(access_token), life))
    }

    /// Says which of the two servers it was.
    fn at_endpoint(&self, error: ApiError) -> ApiError {
        error.prefixed(&format!("the token endpoint {}", self.url))
    }
}

fn same(one: &ClientCredentials, two: &ClientCredentials) -> bool {
    one.id == two.id && one.secret.expose_secret() == two.secret.expose_secret()
}
