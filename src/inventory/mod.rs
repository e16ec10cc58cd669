//! The bulk view of the cloud: one list per service and one call for all running actions, shared by
//! everybody who asks.
//!
//! A question names the oldest time that its answer may have been asked at. All questions that wait when
//! a call is about to leave are answered by that one call: a thousand waiting creations cost what one
//! costs. Absence here is a hint; whoever acts on it confirms it by id. Not here: Kubernetes objects, and
//! what follows from a change.

mod arrivals;
mod collect;
mod view;
mod worker;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};

use crate::api::{Client, ListEnd, Priority};
use crate::model::{Action, Failure, FailureClass, HostName, InstanceId, Listed, Observed, ServiceId};
use crate::platform::Clock;

pub use view::{Changed, ServiceView};

/// The shared view; cheap to clone.
#[derive(Clone)]
pub struct Inventory(Arc<Shared>);

struct Shared {
    client: Client,
    clock: Clock,
    settings: Settings,
    state: Mutex<State>,
    /// Wakes the workers when somebody asks.
    asked_lists: Notify,
    asked_running: Notify,
    /// Bumped after each answer.
    answered: watch::Sender<u64>,
    changed: tokio::sync::mpsc::UnboundedSender<Changed>,
}

/// How often the view is renewed by itself.
#[derive(Debug, Clone)]
pub struct Settings {
    /// How old the list may be.
    pub observe_interval: Duration,
    /// Items per page.
    pub page_size: u32,
}

#[derive(Default)]
struct State {
    services: HashMap<ServiceId, Arc<ServiceView>>,
    failing: HashMap<ServiceId, Failing>,
    running: Option<(Duration, Arc<Vec<Action>>)>,
    running_error: Option<(Duration, Failure)>,
    wanted_lists: BTreeSet<ServiceId>,
    /// Services whose newest VMs are wanted.
    wanted_arrivals: BTreeSet<ServiceId>,
    wanted_running: bool,
    /// Somebody waits for it whose change nobody has looked at yet.
    urgent_lists: bool,
    urgent_running: bool,
    /// Nobody reads any more: whoever waits is told so.
    stopped: bool,
    /// Services that answered alone and may share a call.
    joined: BTreeSet<ServiceId>,
    /// Which services were listed together of late, and where that list ended.
    ends: Vec<(BTreeSet<ServiceId>, ListEnd)>,
    /// Services where a VM arrived before the end of the list: there, the end does not show what is new.
    unordered: BTreeSet<ServiceId>,
    /// What the registry says: the services in use and the ids recorded in them.
    in_use: BTreeMap<ServiceId, BTreeSet<InstanceId>>,
    /// Ids that we ask ITCare to delete, from before the call: one that then vanishes is no surprise, and the
    /// registry may learn of it only after it has gone.
    deleting: BTreeSet<InstanceId>,
    /// Recorded ids that vanished of late: when, where, which.
    vanished: Vec<(Duration, ServiceId, BTreeSet<InstanceId>)>,
    /// Services where several recorded ids vanished at once: a 404 proves nothing there until another one reads
    /// right, or nobody records any of these.
    doubted: HashMap<ServiceId, Doubt>,
    /// Services where a recorded id read right under this account.
    proven: BTreeSet<ServiceId>,
    /// Services whose objects were recorded under another account: does this one see them?
    questioned: BTreeSet<ServiceId>,
}

/// No list of a service comes in: since when, when the last one was asked for, and why that one failed.
struct Failing {
    since: Duration,
    at: Duration,
    failure: Failure,
    /// For so long that the objects of the service were woken to say so.
    told: bool,
}

/// Since when, and because of which.
struct Doubt {
    since: Duration,
    vanished: BTreeSet<InstanceId>,
}

impl State {
    /// How a question to the list of that service ended that was asked then: answered, failed, or not yet.
    fn list_outcome(
        &self,
        service: ServiceId,
        asked: Duration,
        is_seen: impl Fn(&ServiceView) -> bool,
    ) -> Option<Result<(), Failure>> {
        if self.services.get(&service).is_some_and(|view| is_seen(view)) {
            return Some(Ok(()));
        }
        let failing = self.failing.get(&service).filter(|failing| failing.at >= asked);
        failing.map(|failing| Err(failing.failure.clone()))
    }
}

impl Inventory {
    /// An empty view. `changed` receives what changed between two lists.
    #[must_use]
    pub fn new(
        client: Client,
        clock: Clock,
        settings: Settings,
        changed: tokio::sync::mpsc::UnboundedSender<Changed>,
    ) -> Self {
        Self(Arc::new(Shared {
            client,
            clock,
            settings,
            state: Mutex::default(),
            asked_lists: Notify::new(),
            asked_running: Notify::new(),
            answered: watch::Sender::new(0),
            changed,
        }))
    }

    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.0.state.lock().unwrap_or_else(PoisonError::into_inner))
    }

    fn answer(&self) {
        self.0.answered.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Which services are in use, with the ids recorded in each: told by whoever watches the objects.
    pub fn set_in_use(&self, in_use: BTreeMap<ServiceId, BTreeSet<InstanceId>>) {
        self.with(|state| {
            state.services.retain(|service, _| in_use.contains_key(service));
            state.doubted.retain(|service, doubt| {
                in_use.get(service).is_some_and(|recorded| !recorded.is_disjoint(&doubt.vanished))
            });
            state.questioned.retain(|service| in_use.contains_key(service));
            state.in_use = in_use;
        });
    }

    /// That VM is recorded, from now on and not only from the next census.
    pub fn records(&self, service: ServiceId, id: InstanceId) {
        self.with(|state| {
            state.in_use.entry(service).or_default().insert(id);
        });
    }

    /// A deletion of that VM is about to be asked for, or was certainly not carried out.
    pub fn deletes(&self, id: InstanceId, deletes: bool) {
        self.with(|state| if deletes { state.deleting.insert(id) } else { state.deleting.remove(&id) });
    }

    /// The item of that id in the list of that service.
    #[must_use]
    pub fn listed(&self, service: ServiceId, id: InstanceId) -> Observed<Listed> {
        match self.view(service) {
            None => Observed::Unknown,
            Some(view) => match view.get(id) {
                Some(item) => Observed::Present { value: item.clone(), at: view.at },
                None => Observed::Absent { at: view.at },
            },
        }
    }

    /// The items of that name in the list of that service, and of what arrived since; dated by the latter.
    #[must_use]
    pub fn arrived(&self, service: ServiceId, name: &HostName) -> Observed<Vec<Listed>> {
        match self.view(service) {
            None => Observed::Unknown,
            Some(view) => Observed::Present { value: view.named(name), at: view.arrivals_at() },
        }
    }

    /// The items of that name in the list of that service; empty is an answer.
    #[must_use]
    pub fn named(&self, service: ServiceId, name: &HostName) -> Observed<Vec<Listed>> {
        match self.view(service) {
            None => Observed::Unknown,
            Some(view) => Observed::Present { value: view.named(name), at: view.at },
        }
    }

    /// Since when no list of that service comes in, and why the last one did not.
    #[must_use]
    pub fn unlisted(&self, service: ServiceId) -> Option<(Duration, Failure)> {
        self.with(|state| state.failing.get(&service).map(|failing| (failing.since, failing.failure.clone())))
    }

    /// The running actions on that name.
    #[must_use]
    pub fn running(&self, name: &HostName) -> Observed<Vec<Action>> {
        match self.with(|state| state.running.clone()) {
            None => Observed::Unknown,
            Some((at, actions)) => {
                let matches = |action: &&Action| {
                    action.resource_name.as_deref().is_some_and(|other| name.matches(other))
                };
                Observed::Present { value: actions.iter().filter(matches).cloned().collect(), at }
            }
        }
    }

    fn view(&self, service: ServiceId) -> Option<Arc<ServiceView>> {
        self.with(|state| state.services.get(&service).cloned())
    }

    /// Returns once the list of that service was asked for at `since` or later. While there are not permits for all,
    /// only a user's change is answered at once; others wait for each other, to share one list.
    ///
    /// # Errors
    /// Why the first such list failed.
    pub async fn list_since(
        &self,
        service: ServiceId,
        since: Duration,
        priority: Priority,
    ) -> Result<(), Failure> {
        let is_seen = |view: &ServiceView| view.at >= since;
        self.asked(
            &self.0.asked_lists,
            |state, asked| state.list_outcome(service, asked, is_seen),
            |state| {
                state.wanted_lists.insert(service);
                state.urgent_lists |= priority == Priority::User;
            },
        )
        .await
    }

    /// Returns once whatever arrived in that service before `since` was asked for: by the end of its list, or by the
    /// whole of it. The priority as for [`list_since`](Self::list_since).
    ///
    /// # Errors
    /// Why the first such read failed.
    pub async fn arrivals_since(
        &self,
        service: ServiceId,
        since: Duration,
        priority: Priority,
    ) -> Result<(), Failure> {
        let is_seen = |view: &ServiceView| view.arrivals_at() >= since;
        self.asked(
            &self.0.asked_lists,
            |state, asked| state.list_outcome(service, asked, is_seen),
            |state| {
                state.wanted_arrivals.insert(service);
                state.urgent_lists |= priority == Priority::User;
            },
        )
        .await
    }

    /// Returns once the running actions were asked for at `since` or later; the priority as for
    /// [`list_since`](Self::list_since).
    ///
    /// # Errors
    /// Why the first such read failed.
    pub async fn running_since(&self, since: Duration, priority: Priority) -> Result<(), Failure> {
        self.asked(
            &self.0.asked_running,
            |state, asked| {
                if state.running.as_ref().is_some_and(|(at, _)| *at >= since) {
                    return Some(Ok(()));
                }
                let failed = state.running_error.as_ref().filter(|(at, _)| *at >= asked);
                failed.map(|(_, failure)| Err(failure.clone()))
            },
            |state| {
                state.wanted_running = true;
                state.urgent_running |= priority == Priority::User;
            },
        )
        .await
    }

    /// Says what is `want`ed, and waits for an answer that gives the outcome; it is told when the question began.
    async fn asked(
        &self,
        worker: &Notify,
        outcome: impl Fn(&State, Duration) -> Option<Result<(), Failure>>,
        want: impl Fn(&mut State),
    ) -> Result<(), Failure> {
        let mut answered = self.0.answered.subscribe();
        let begun = self.0.clock.now().mono;
        loop {
            answered.borrow_and_update();
            let outcome = self.with(|state| {
                if state.stopped {
                    return Some(Err(stopping()));
                }
                let outcome = outcome(state, begun);
                if outcome.is_none() {
                    want(state);
                }
                outcome
            });
            if let Some(outcome) = outcome {
                return outcome;
            }
            worker.notify_one();
            if answered.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// A recorded id of that service read right at `at`: 404 for another one is evidence again.
    pub fn reads_right(&self, service: ServiceId, at: Duration) {
        self.with(|state| {
            state.proven.insert(service);
            state.questioned.remove(&service);
            if state.doubted.get(&service).is_some_and(|doubt| at >= doubt.since) {
                state.doubted.remove(&service);
            }
        });
    }

    /// An object of that service is recorded under another account: whether this one sees the service is found out
    /// with the next list.
    pub fn question(&self, service: ServiceId) {
        self.with(|state| !state.proven.contains(&service) && state.questioned.insert(service));
    }

    /// Whether a 404 in that service proves anything, for an object recorded under this account or not.
    #[must_use]
    pub fn missing_is_evidence(&self, service: ServiceId, same_account: bool) -> bool {
        self.with(|state| {
            !state.doubted.contains_key(&service) && (same_account || state.proven.contains(&service))
        })
    }

    /// How many pages all lists have together.
    pub(super) fn pages(&self) -> u32 {
        let page = self.0.settings.page_size.max(1) as usize;
        let pages: usize =
            self.with(|state| state.services.values().map(|view| view.count().div_ceil(page)).sum());
        u32::try_from(pages).unwrap_or(u32::MAX).max(1)
    }

    /// Whether no list comes in, of any service in use.
    pub(super) fn is_failing(&self) -> bool {
        self.with(|state| {
            !state.in_use.is_empty() && state.in_use.keys().all(|service| state.failing.contains_key(service))
        })
    }

    /// Nobody reads any more.
    pub(super) fn close(&self) {
        self.with(|state| state.stopped = true);
        self.answer();
    }

    /// Forgets everything: another process led in the meantime.
    pub fn forget(&self) {
        self.with(|state| {
            state.services.clear();
            state.running = None;
            state.ends.clear();
            state.failing.clear();
            state.running_error = None;
        });
    }
}

fn stopping() -> Failure {
    Failure { class: FailureClass::Transient, status: None, message: "the operator is stopping".to_owned() }
}
