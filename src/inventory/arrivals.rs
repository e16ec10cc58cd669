//! What is new, at the cost of a page or two: the list is sorted by id and ids grow, so whatever was created since
//! the last whole list stands at its end. Ten thousand VMs are fifty pages, and nobody who creates one should
//! wait for them, or pay for them.
//!
//! Deliberately not here: absence. What the end does not show is neither gone nor changed, and a service where a VM
//! ever arrived in the middle is read as a whole.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::collect::splits;
use super::{Changed, Inventory, ServiceView};
use crate::api::{ListEnd, Listing, Priority};
use crate::model::{InstanceId, Listed, ServiceId};

impl Inventory {
    /// Reads what arrived in these services. Returns those of which the whole list must be read for it.
    pub(super) async fn collect_arrivals(
        &self,
        mut wanted: BTreeSet<ServiceId>,
        priority: Priority,
    ) -> BTreeSet<ServiceId> {
        let mut whole = BTreeSet::new();
        while let Some(service) = wanted.pop_first() {
            let Some((services, end)) = self.usable_end(service) else {
                whole.insert(service);
                continue;
            };
            let at = self.0.clock.now().mono;
            match self.0.client.list_since(&self.filter(&services), end, priority).await {
                Ok(Some(listing)) if services.len() == 1 || is_attributed(&listing.items) => {
                    self.store_arrivals(at, &services, listing);
                }
                Ok(_) => whole.extend(wanted.intersection(&services).copied().chain([service])),
                Err(error) if splits(error.class()) => {
                    whole.extend(wanted.intersection(&services).copied().chain([service]));
                }
                Err(error) => self.store_failure(at, &services, &error.failure()),
            }
            wanted.retain(|other| !services.contains(other));
        }
        whole
    }

    /// Whether what is wanted can be read from the ends of lists.
    pub(super) fn ends_are_enough(&self) -> bool {
        let wanted = self.with(|state| state.wanted_lists.is_empty().then(|| state.wanted_arrivals.clone()));
        wanted.is_some_and(|wanted| wanted.into_iter().all(|service| self.usable_end(service).is_some()))
    }

    /// Where the list ended that this service was last shown in, if that tells what is new.
    fn usable_end(&self, service: ServiceId) -> Option<(BTreeSet<ServiceId>, ListEnd)> {
        let now = self.0.clock.now().mono;
        let recent = |view: &ServiceView| now.saturating_sub(view.at) <= self.0.settings.observe_interval;
        self.with(|state| {
            let (services, end) = state.ends.iter().find(|(services, _)| services.contains(&service))?;
            let usable = services.iter().all(|service| {
                !state.unordered.contains(service)
                    && state.services.get(service).is_some_and(|view| recent(view))
            });
            usable.then(|| (services.clone(), *end))
        })
    }

    fn store_arrivals(&self, at: Duration, services: &BTreeSet<ServiceId>, listing: Listing) {
        let Listing { items, complete: _, end } = listing;
        let mut changes = Vec::new();
        self.with(|state| {
            for (service, items) in by_service(services, items) {
                let Some(before) = state.services.get(&service) else { continue };
                let news = items.iter().filter(|item| before.get(item.id) != Some(*item));
                let news: Vec<_> = news.map(|item| (item.id, item.name.clone())).collect();
                if !news.is_empty() {
                    changes.push(Changed::Service { service, items: Some(news) });
                }
                let view = Arc::new(before.with_arrivals(at, items));
                state.services.insert(service, view);
            }
            if let Some(end) = end {
                set_end(&mut state.ends, services, Some(end));
            }
        });
        self.answer();
        for change in changes {
            // Nobody listens any more only at shutdown.
            let _ = self.0.changed.send(change);
        }
    }
}

/// Remembers where the list of these services ended, and forgets what that replaces.
pub(super) fn set_end(
    ends: &mut Vec<(BTreeSet<ServiceId>, ListEnd)>,
    services: &BTreeSet<ServiceId>,
    end: Option<ListEnd>,
) {
    ends.retain(|(others, _)| others.is_disjoint(services));
    ends.extend(end.map(|end| (services.clone(), end)));
}

/// Whether an item arrived before what was the newest one: ids do not grow there, or items are shown late.
pub(super) fn is_unordered(view: &ServiceView, before: &ServiceView) -> bool {
    let newest: Option<InstanceId> = before.newest();
    view.changed_since(before).iter().any(|(id, _)| Some(*id) < newest && before.get(*id).is_none())
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
