//! One pass over the cloud. A failure is data: it makes its part unknown, never absent.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::arrivals::{is_unordered, set_end};
use super::{Changed, Doubt, Failing, Inventory, ServiceView};
use crate::api::{ActionFilter, InstanceFilter, ListEnd, Priority};
use crate::model::{
    Action, ActionId, ActionStatus, Failure, FailureClass, HostName, InstanceId, Listed, ServiceId,
};

/// A complete list, and where it ends.
type List = (Vec<Listed>, Option<ListEnd>);

impl Inventory {
    /// Lists these services: those that are known to answer share one call, each other one is asked alone.
    pub(super) async fn collect_lists(&self, wanted: BTreeSet<ServiceId>, priority: Priority) {
        let joined = self.with(|state| state.joined.clone());
        let (shared, mut alone): (BTreeSet<_>, BTreeSet<_>) =
            wanted.into_iter().partition(|id| joined.contains(id));
        if !shared.is_empty() {
            let at = self.0.clock.now().mono;
            match self.list(&shared, priority).await {
                // Whose is an item without a service? Asked alone, there is no doubt.
                Ok((items, _)) if shared.len() > 1 && !is_attributed(&items) => {
                    self.with(|state| state.joined.retain(|service| !shared.contains(service)));
                    alone.extend(shared);
                }
                Ok(list) => self.store_lists(at, &shared, list),
                Err(failure) if splits(failure.class) => {
                    // One service among them is refused: each for itself, so that the others stay seen.
                    self.with(|state| state.joined.retain(|service| !shared.contains(service)));
                    alone.extend(shared);
                }
                Err(failure) => self.store_failure(at, &shared, &failure),
            }
        }
        for service in alone {
            let at = self.0.clock.now().mono;
            let only = BTreeSet::from([service]);
            match self.list(&only, priority).await {
                Ok(list) => {
                    if is_attributed(&list.0) {
                        self.with(|state| state.joined.insert(service));
                    }
                    self.store_lists(at, &only, list);
                }
                Err(failure) => self.store_failure(at, &only, &failure),
            }
        }
        self.settle_doubts().await;
    }

    /// Where several ids vanished, or the account changed, but another recorded one is listed: reading it tells
    /// whether the account sees this service.
    async fn settle_doubts(&self) {
        let witnesses: Vec<(ServiceId, InstanceId)> = self.with(|state| {
            let witness = |service: &ServiceId| {
                let view = state.services.get(service)?;
                let recorded = state.in_use.get(service)?;
                let live = |id: &&InstanceId| view.get(**id).is_some_and(Listed::is_live);
                recorded.iter().find(live).map(|id| (*service, *id))
            };
            let asked: BTreeSet<&ServiceId> = state.doubted.keys().chain(&state.questioned).collect();
            asked.into_iter().filter_map(witness).collect()
        });
        for (service, id) in witnesses {
            let at = self.0.clock.now().mono;
            if self.0.client.detail(id, self.0.client.permit(Priority::Background).await).await.is_ok() {
                self.reads_right(service, at);
            }
        }
    }

    pub(super) fn filter(&self, services: &BTreeSet<ServiceId>) -> InstanceFilter {
        InstanceFilter {
            services: services.iter().copied().collect(),
            size: Some(self.0.settings.page_size),
            ..InstanceFilter::default()
        }
    }

    async fn list(&self, services: &BTreeSet<ServiceId>, priority: Priority) -> Result<List, Failure> {
        let listing = self.0.client.list_all(&self.filter(services), priority).await;
        let listing = listing.map_err(|error| error.failure())?;
        if listing.complete {
            return Ok((listing.items, listing.end));
        }
        Err(Failure {
            class: FailureClass::Transient,
            status: None,
            message: "the list of instances changed while its pages were read".to_owned(),
        })
    }

    fn store_lists(&self, at: Duration, services: &BTreeSet<ServiceId>, (items, end): List) {
        let mut changes = Vec::new();
        self.with(|state| {
            for (service, items) in by_service(services, items) {
                let view = ServiceView::new(at, items);
                let before = state.services.get(&service);
                let recorded = state.in_use.get(&service);
                let mut gone = vanished(&view, before.map(Arc::as_ref), recorded);
                gone.retain(|id| !state.deleting.remove(id));
                if !gone.is_empty() {
                    state.vanished.push((at, service, gone));
                }
                let failing = state.failing.remove(&service);
                let is_back =
                    failing.is_some_and(|failing| failing.told || at.saturating_sub(failing.since) >= OUTAGE);
                let changed = before.map(|before| (before, view.changed_since(before)));
                if changed.as_ref().is_some_and(|(before, changed)| is_unordered(changed, before)) {
                    state.unordered.insert(service);
                }
                match changed.map(|(_, changed)| changed) {
                    // Whoever waits out a failure need not any longer.
                    Some(_) if is_back => changes.push(Changed::Service { service, items: None }),
                    Some(items) if items.is_empty() => {}
                    items => changes.push(Changed::Service { service, items }),
                }
                state.services.insert(service, Arc::new(view));
            }
            set_end(&mut state.ends, services, end);
        });
        self.doubt(at);
        self.tell(changes);
    }

    /// Answers whoever waits, and says what changed.
    pub(super) fn tell(&self, changes: Vec<Changed>) {
        // Before the answer: whoever asked has then been woken by what it is about to see, and not once more for it.
        for change in changes {
            // Nobody listens any more only at shutdown.
            let _ = self.0.changed.send(change);
        }
        self.answer();
    }

    /// Several ids that nobody deleted vanished within one sweep: the account may have lost its sight.
    fn doubt(&self, now: Duration) {
        let window = self.0.settings.observe_interval * 2;
        self.with(|state| {
            state.vanished.retain(|(at, ..)| now.saturating_sub(*at) <= window);
            if state.vanished.iter().map(|(_, _, ids)| ids.len()).sum::<usize>() >= 2 {
                for (at, service, ids) in std::mem::take(&mut state.vanished) {
                    let new = Doubt { since: at, vanished: BTreeSet::new() };
                    let doubt = state.doubted.entry(service).or_insert(new);
                    doubt.since = doubt.since.max(at);
                    doubt.vanished.extend(ids);
                }
            }
        });
    }

    pub(super) fn store_failure(&self, at: Duration, services: &BTreeSet<ServiceId>, failure: &Failure) {
        tracing::warn!(class = failure.class.as_str(), message = %failure.message, "listing instances failed");
        let mut changes = Vec::new();
        self.with(|state| {
            for service in services {
                let passes = failure.class.passes();
                let before = state.failing.get(service);
                let before = before.filter(|before| before.failure.class.passes() == passes);
                let since = before.map_or(at, |before| before.since);
                let told = at.saturating_sub(since) >= failure.class.patience();
                if told && before.is_none_or(|before| !before.told) {
                    changes.push(Changed::Service { service: *service, items: None });
                }
                state.failing.insert(*service, Failing { since, at, failure: failure.clone(), told });
            }
        });
        self.tell(changes);
    }

    /// One call for all running actions. An unknown status counts as running.
    pub(super) async fn collect_running(&self) {
        let urgent = self.with(|state| std::mem::take(&mut state.urgent_running));
        let permit = self.0.client.permit(of(urgent)).await;
        // Whoever asked while the permit was waited for is answered too.
        let at = self.0.clock.now().mono;
        self.with(|state| (state.wanted_running, state.urgent_running) = (false, false));
        let filter = ActionFilter { statuses: vec![ActionStatus::InProgress], ..ActionFilter::default() };
        let result = self.0.client.actions(&filter, permit).await;
        let ended = self.with(|state| match result {
            Ok(actions) => {
                let running: Arc<Vec<Action>> =
                    Arc::new(actions.into_iter().filter(|action| action.status.is_running()).collect());
                let before = state.running.replace((at, Arc::clone(&running)));
                state.running_error = None;
                before.map(|(_, before)| ended(&before, &running)).unwrap_or_default()
            }
            Err(error) => {
                state.running_error = Some((at, error.failure()));
                Vec::new()
            }
        });
        self.tell(if ended.is_empty() { Vec::new() } else { vec![Changed::Ended(ended)] });
    }
}

/// Whether each item says whose it is.
pub(super) fn is_attributed(items: &[Listed]) -> bool {
    items.iter().all(|item| item.service.is_some())
}

/// The items of each of these services. One service's own list may leave its name out.
pub(super) fn by_service(
    services: &BTreeSet<ServiceId>,
    items: Vec<Listed>,
) -> BTreeMap<ServiceId, Vec<Listed>> {
    let lone = (services.len() == 1).then(|| services.first().copied()).flatten();
    let mut parts: BTreeMap<ServiceId, Vec<Listed>> = services.iter().map(|id| (*id, Vec::new())).collect();
    for mut item in items {
        item.service = item.service.or(lone);
        if let Some(part) = item.service.and_then(|service| parts.get_mut(&service)) {
            part.push(item);
        }
    }
    parts
}

/// The priority of a read that somebody asked for.
pub(super) fn of(urgent: bool) -> Priority {
    if urgent { Priority::User } else { Priority::FollowUp }
}

/// After lists failed for so long, the first that comes in again is news for everybody: until then, whoever failed
/// has tried again anyway.
const OUTAGE: Duration = Duration::from_secs(30);

/// Whether the failure may be one service's own: then the shared call is split.
pub(super) fn splits(class: FailureClass) -> bool {
    match class {
        // One item that cannot be read makes its whole page so: the others must not go blind for it.
        FailureClass::Rejected | FailureClass::Forbidden | FailureClass::Missing | FailureClass::Garbled => {
            true
        }
        FailureClass::Transient
        | FailureClass::Throttled(_)
        | FailureClass::Ambiguous(_)
        | FailureClass::Unauthenticated
        | FailureClass::NoCredentials => false,
    }
}

/// The names that actions ran on before, and do not any more.
fn ended(before: &[Action], now: &[Action]) -> Vec<HostName> {
    let runs: HashSet<ActionId> = now.iter().map(|action| action.id).collect();
    let ended = before.iter().filter(|action| !runs.contains(&action.id));
    ended.filter_map(|action| action.resource_name.clone()).map(HostName::new).collect()
}

/// The recorded ids that were there before (or should be, in a first list) and are not any more.
fn vanished(
    view: &ServiceView,
    before: Option<&ServiceView>,
    recorded: Option<&BTreeSet<InstanceId>>,
) -> BTreeSet<InstanceId> {
    let is_live = |view: &ServiceView, id: &InstanceId| view.get(*id).is_some_and(Listed::is_live);
    recorded
        .into_iter()
        .flatten()
        .filter(|id| before.is_none_or(|before| is_live(before, id)) && !is_live(view, id))
        .copied()
        .collect()
}
