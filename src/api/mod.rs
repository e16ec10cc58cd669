//! The ITCare client: one typed method for each endpoint of the API's page.
//!
//! * [`transport`]: the seam to the network; tests put a router in its place.
//! * [`budget`](Budget): rate, burst, calls in flight and pauses of one account.
//! * `token`: client credentials, renewed before they expire and after a 401.
//! * `send`: one call from permit to decoded reply; reads may be sent twice, changes never.
//! * `listing`, `instances`, `snapshots`, `actions`: the endpoints. `wire`: their JSON.
//!
//! Every method says what success proves and what a time-out leaves unknown. Deliberately not here:
//! Kubernetes, and any opinion on what to do about a failure; [`ApiError::class`] says what it means.

mod actions;
mod budget;
mod error;
mod instances;
mod listing;
mod send;
mod snapshots;
mod token;
pub mod transport;
mod turns;
mod wire;

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use url::Url;

pub use actions::ActionFilter;
pub use budget::{Budget, LONGEST_PAUSE, MAX_IN_FLIGHT, Permit, Priority};
pub use error::ApiError;
pub use instances::{CreateInstance, PatchParty, Volume};
pub use listing::{InstanceFilter, ListEnd, Listing, Page};
pub use send::{Accepted, SendGuard};
pub use token::{ClientCredentials, Credentials};
pub use turns::Lane;

use crate::model::{AccountId, FailureClass, Fence, hash};
use token::Tokens;
use transport::Transport;

/// Told about every call; knows how to count. The client itself counts nothing.
pub trait Observer: Send + Sync + 'static {
    /// A call ended: its HTTP status if a reply came, its class if it failed.
    fn request(
        &self,
        operation: &'static str,
        status: Option<u16>,
        class: Option<FailureClass>,
        elapsed: Duration,
    );
    /// A token was asked for.
    fn token(&self, ok: bool);
    /// The server asked to slow down.
    fn throttled(&self);
}

/// Counts nothing.
impl Observer for () {
    fn request(&self, _: &'static str, _: Option<u16>, _: Option<FailureClass>, _: Duration) {}
    fn token(&self, _: bool) {}
    fn throttled(&self) {}
}

/// How a [`Client`] is set.
pub struct ClientOptions {
    /// The API's root, for example `https://api.cegedim.cloud/itcare`.
    pub root: Url,
    /// The token endpoint.
    pub token_url: Url,
    /// OAuth scope, if any.
    pub scope: Option<String>,
    /// Calls per second in the long run.
    pub rate: f64,
    /// Calls at once after a quiet time.
    pub burst: u32,
    /// How long a reply may take, its body included.
    pub timeout: Duration,
}

/// The client of one account; cheap to clone.
#[derive(Clone)]
pub struct Client(Arc<Inner>, Lane);

struct Inner {
    transport: Arc<dyn Transport>,
    root: Url,
    tokens: Tokens,
    budget: Budget,
    timeout: Duration,
    observer: Arc<dyn Observer>,
    account: AccountId,
    fence: Mutex<Fence>,
}

impl Client {
    /// A client; no call is made yet.
    #[must_use]
    pub fn new(
        options: ClientOptions,
        transport: Arc<dyn Transport>,
        credentials: Arc<dyn Credentials>,
        observer: Arc<dyn Observer>,
    ) -> Self {
        let ClientOptions { root, token_url, scope, rate, burst, timeout } = options;
        let budget = Budget::new(rate, burst);
        let account =
            AccountId::new(hash::fingerprint(&format!("{token_url}\n{}", credentials.client_id()), 16));
        let tokens = Tokens::new(
            Arc::clone(&transport),
            token_url,
            scope,
            credentials,
            timeout,
            Arc::clone(&observer),
            budget.clone(),
        );
        Self(
            Arc::new(Inner {
                transport,
                root,
                tokens,
                budget,
                timeout,
                observer,
                account,
                fence: Mutex::new(Fence { date: None, action: None }),
            }),
            Lane::from(""),
        )
    }

    /// The same client for calls that take turns with those of other lanes: many in one do not hold up another.
    #[must_use]
    pub fn in_lane(&self, lane: &str) -> Self {
        Self(Arc::clone(&self.0), Lane::from(lane))
    }

    /// Which account this is: a hash of token endpoint and client id, so that no ledger spells them out.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.0.account.clone()
    }

    /// Waits for a permit to make one call. A change takes it before its fence is read; what a read answers is as new
    /// as the moment that this returns.
    pub async fn permit(&self, priority: Priority) -> Permit {
        self.0.budget.permit(&self.1, priority).await
    }

    /// Tells of normal answers, of the token's server too; see [`Budget::answers`].
    #[must_use]
    pub fn answers(&self) -> tokio::sync::watch::Receiver<u64> {
        self.0.budget.answers()
    }

    /// How long a read that many share does well to wait for more of them; see [`Budget::crowded_for`].
    #[must_use]
    pub fn crowded_for(&self) -> Duration {
        self.0.budget.crowded_for()
    }

    /// How long the account pauses still, if ITCare asked for a pause.
    #[must_use]
    pub fn paused_for(&self) -> Option<Duration> {
        self.0.budget.paused_until().map(|until| until.saturating_duration_since(tokio::time::Instant::now()))
    }

    /// The newest API date and action id among the replies so far: what a call causes is newer.
    #[must_use]
    pub fn fence(&self) -> Fence {
        *self.0.fence.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with_fence(&self, change: impl FnOnce(&mut Fence)) {
        change(&mut self.0.fence.lock().unwrap_or_else(PoisonError::into_inner));
    }

    /// Why there is no usable token, as of the last request for one.
    #[must_use]
    pub fn credentials_trouble(&self) -> Option<String> {
        self.watch_credentials().borrow().clone()
    }

    /// The same as it changes.
    #[must_use]
    pub fn watch_credentials(&self) -> tokio::sync::watch::Receiver<Option<String>> {
        self.0.tokens.trouble()
    }

    /// Asks for a token if there is none: proves that the credentials are good, and nothing of their rights.
    ///
    /// # Errors
    /// Why there is none.
    pub async fn log_in(&self) -> Result<(), ApiError> {
        self.0.tokens.get().await.map(drop)
    }
}
