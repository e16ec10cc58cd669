//! An API server in memory, behind `kube::Client`: no socket, no threads, on tokio's clock.
//!
//! It keeps what the real server does to objects that an operator can see: uids, times, one
//! resourceVersion counter, generations, preconditions, merge patch, server-side apply with owners,
//! the status subresource, finalizers, paged lists, watches with bookmarks and compaction. On top it
//! fails on demand and keeps a journal. A differential test holds it against the real server.
//!
//! Deliberately not here, since the real server tests it: validation by schema or CEL rules, pruning
//! of unknown fields, RBAC, namespace life cycle (a namespace need not exist), garbage collection,
//! JSON and strategic merge patches, conversion between the two APIs of events.

mod defaults;
mod definition;
mod direct;
mod failure;
mod fault;
mod fields;
mod ownership;
mod request;
mod serve;
mod settle;
mod store;
mod watch;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError};

use jiff::Timestamp;
use kube::Client;
use serde_json::{Value, json};
use tokio::sync::Notify;
use tokio::time::Instant;

pub use failure::Failure;
pub use fault::Fault;
pub use request::Verb;

use definition::Definition;
use store::Store;

/// 2026-01-01T00:00:00Z: where the default clock starts.
const EPOCH_SECONDS: i64 = 1_767_225_600;

/// One request, as it came in.
#[derive(Debug, Clone, PartialEq)]
pub struct Recorded {
    /// When it came, on this server's clock.
    pub at: Timestamp,
    /// What was asked. A server-side apply is a `Patch` with `apply` set.
    pub verb: Verb,
    /// API group; empty for the core.
    pub group: String,
    /// Plural name.
    pub resource: String,
    /// `status` or empty.
    pub subresource: String,
    /// Empty for cluster-wide requests.
    pub namespace: String,
    /// Empty for requests on a collection; for a create, the name in the body.
    pub name: String,
    /// The raw query string.
    pub query: String,
    /// A server-side apply.
    pub apply: bool,
    /// The JSON body, `null` without one.
    pub body: Value,
    /// The HTTP status of the answer; none while it runs, and when no answer was sent.
    pub code: Option<u16>,
}

impl Recorded {
    /// Whether it was meant to change something.
    pub fn is_write(&self) -> bool {
        self.verb.is_write()
    }
}

/// The server. Clones are the same server.
#[derive(Clone)]
pub struct MemoryApi {
    shared: Arc<Shared>,
}

struct Shared {
    state: Mutex<State>,
    /// Wakes the watches after anything that concerns them.
    changed: Notify,
    clock: Box<dyn Fn() -> Timestamp + Send + Sync>,
}

#[derive(Default)]
struct State {
    store: Store,
    definitions: Vec<Arc<Definition>>,
    faults: Vec<Fault>,
    last_fault: u64,
    journal: VecDeque<Recorded>,
    /// How many entries were cleared, so that a running request finds its own.
    journal_start: u64,
    /// Watches see nothing later than this.
    held_at: Option<u64>,
    /// Lists neither.
    lists_lag: bool,
    /// Watches of an older epoch end.
    watch_epoch: u64,
    /// Watches of an older epoch are told that they are too old.
    expired_epoch: u64,
    watches: usize,
    pages: serve::Pages,
}

impl Default for MemoryApi {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryApi {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("MemoryApi").field("revision", &self.state().store.revision).finish()
    }
}

impl MemoryApi {
    /// An empty server but for the namespaces `default` and `kube-system`. Its clock starts at
    /// 2026-01-01T00:00:00Z and runs with tokio's.
    pub fn new() -> Self {
        let start = OnceLock::new();
        Self::with_clock(move || {
            let elapsed = Instant::now().duration_since(*start.get_or_init(Instant::now));
            let seconds = i64::try_from(elapsed.as_secs()).unwrap_or(i64::MAX);
            Timestamp::from_second(EPOCH_SECONDS.saturating_add(seconds)).unwrap_or(Timestamp::MAX)
        })
    }

    /// As [`MemoryApi::new`], with a clock of the caller's; read to the second.
    pub fn with_clock(clock: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        let state = State {
            definitions: Definition::known().into_iter().map(Arc::new).collect(),
            ..State::default()
        };
        let shared = Shared { state: Mutex::new(state), changed: Notify::new(), clock: Box::new(clock) };
        let api = Self { shared: Arc::new(shared) };
        for name in ["default", "kube-system"] {
            let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}});
            api.create(namespace).expect("an empty server has no namespaces");
        }
        api
    }

    /// A client of this server. Must be called inside a tokio runtime, which then drives it.
    pub fn client(&self) -> Client {
        let api = self.clone();
        let service = tower::service_fn(move |request| {
            let api = api.clone();
            async move { api.serve(request).await }
        });
        Client::new(service, "default")
    }

    /// Takes names, list types and the status default of a CustomResourceDefinition over. Without
    /// it, our two kinds are known with conditions as their only keyed list.
    ///
    /// # Panics
    ///
    /// When it has no storage version or names.
    pub fn define(&self, definition: &Value) {
        let new =
            Definition::of_crd(definition).expect("a definition with group, names and a storage version");
        let mut state = self.state();
        state.definitions.retain(|old| (&old.group, &old.resource) != (&new.group, &new.resource));
        state.definitions.insert(0, Arc::new(new));
    }

    /// Every request since the start or the last clearing, in the order of arrival.
    pub fn journal(&self) -> Vec<Recorded> {
        self.state().journal.iter().cloned().collect()
    }

    /// The journal's requests that were meant to change something.
    pub fn writes(&self) -> Vec<Recorded> {
        self.state().journal.iter().filter(|request| request.is_write()).cloned().collect()
    }

    /// How many requests of the journal are such: for those who look often.
    pub fn count(&self, such: impl Fn(&Recorded) -> bool) -> usize {
        self.state().journal.iter().filter(|request| such(request)).count()
    }

    /// Empties the journal.
    pub fn clear_journal(&self) {
        let mut state = self.state();
        state.journal_start += state.journal.len() as u64;
        state.journal.clear();
    }

    /// Plans a failure, and returns its id. Of several that match, the first injected is used up first.
    pub fn inject(&self, mut fault: Fault) -> u64 {
        let mut state = self.state();
        state.last_fault += 1;
        let id = state.last_fault;
        fault.id = id;
        state.faults.push(fault);
        id
    }

    /// Whether this fault has hit as often as it was to.
    pub fn is_spent(&self, fault: u64) -> bool {
        self.state().faults.iter().all(|planned| planned.id != fault)
    }

    /// Whether every injected fault has hit as often as it was to.
    pub fn faults_are_spent(&self) -> bool {
        self.state().faults.is_empty()
    }

    /// Forgets planned failures; requests that hang already go on hanging.
    pub fn clear_faults(&self) {
        self.state().faults.clear();
    }

    /// Keeps events back from all watches while `true`; they are delivered, in order, afterwards.
    pub fn hold_watches(&self, hold: bool) {
        let mut state = self.state();
        let revision = state.store.revision;
        state.held_at = hold.then(|| state.held_at.unwrap_or(revision));
        state.lists_lag &= hold;
        drop(state);
        self.shared.changed.notify_waiters();
    }

    /// Watches see nothing later than this revision, which may be still to come, until
    /// [`MemoryApi::hold_watches`] lets go.
    pub fn hold_watches_at(&self, revision: u64) {
        self.state().held_at = Some(revision);
    }

    /// As a member of the API server that lags behind: lists and watches alike show nothing later than this
    /// revision, until [`MemoryApi::hold_watches`] lets go. Reads of one object and writes are current.
    pub fn hold_views_at(&self, revision: u64) {
        let mut state = self.state();
        state.held_at = Some(revision);
        state.lists_lag = true;
    }

    /// Ends all running watches, as a server that closes its connections.
    pub fn drop_watches(&self) {
        self.state().watch_epoch += 1;
        self.shared.changed.notify_waiters();
    }

    /// All running watches get "too old resource version", so that whoever watches lists anew.
    pub fn expire_watches(&self) {
        self.state().expired_epoch += 1;
        self.shared.changed.notify_waiters();
    }

    /// The next change is never seen by a watch; only a new list shows it.
    pub fn skip_event_next(&self) {
        let next = self.revision() + 1;
        self.skip_event_at(next);
    }

    /// The change that gets this revision is never seen by a watch; only a new list shows it.
    pub fn skip_event_at(&self, revision: u64) {
        self.state().store.lose.insert(revision);
    }

    /// Forgets the history: a watch that asks for anything older gets "too old resource version".
    pub fn compact(&self) {
        self.state().store.compact();
        self.shared.changed.notify_waiters();
    }

    /// How many watches are open.
    pub fn watches(&self) -> usize {
        self.state().watches
    }

    /// The newest resourceVersion.
    pub fn revision(&self) -> u64 {
        self.state().store.revision
    }

    /// What this server's clock says, to the second.
    pub fn now(&self) -> Timestamp {
        let now = (self.shared.clock)();
        Timestamp::from_second(now.as_second()).unwrap_or(now)
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // A panic in a test's closure must not turn every later look into another panic.
        self.shared.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn definition(&mut self, group: &str, version: &str, resource: &str) -> Arc<Definition> {
        let same = |known: &&Arc<Definition>| known.group == group && known.resource == resource;
        if let Some(known) = self.definitions.iter().find(same) {
            return known.clone();
        }
        let new = Arc::new(Definition::unknown(group, version, resource));
        self.definitions.push(new.clone());
        new
    }
}
