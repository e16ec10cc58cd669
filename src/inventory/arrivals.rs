//! What is new, at the cost of a page or two: the list is sorted by id and ids grow, so whatever was created since
//! the last whole list stands at its end. Ten thousand VMs are fifty pages, and nobody who creates one should
//! wait for them, or pay for them.
//!
//! Deliberately not here: absence. What the end does not show is neither gone nor changed, and a service where a VM
//! ever arrived in the middle is read as a whole.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use super::collect::{by_service, is_attributed, splits};
use super::{Changed, Inventory, ServiceView};
use crate::api::{ListEnd, Listing, Priority};
use crate::model::{HostName, InstanceId, Listed, ServiceId};

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
            let told = match self.0.client.list_since(&self.filter(&services), end, priority).await {
                Ok(Some(listing)) if services.len() == 1 || is_attributed(&listing.items) => {
                    self.store_arrivals(at, &services, listing);
                    true
                }
                Err(error) if !splits(error.class()) => {
                    self.store_failure(at, &services, &error.failure());
                    true
                }
                Ok(_) | Err(_) => false,
            };
            if !told {
                whole.insert(service);
                whole.extend(wanted.intersection(&services));
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
                let news: Vec<Listed> =
                    items.into_iter().filter(|item| before.get(item.id) != Some(item)).collect();
                if !news.is_empty() {
                    let items = news.iter().map(|item| (item.id, item.name.clone())).collect();
                    changes.push(Changed::Service { service, items: Some(items) });
                }
                let view = Arc::new(before.with_arrivals(at, news));
                state.services.insert(service, view);
            }
            set_end(&mut state.ends, services, end);
        });
        self.tell(changes);
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

/// Whether an item that changed is new, and older than what was the newest one: ids do not grow there, or items are
/// shown late.
pub(super) fn is_unordered(changed: &[(InstanceId, HostName)], before: &ServiceView) -> bool {
    let newest = before.newest();
    changed.iter().any(|(id, _)| Some(*id) < newest && before.get(*id).is_none())
}
