//! One service as its list showed it, and what changed between two lists.

use std::sync::Arc;
use std::time::Duration;

use crate::model::{HostName, InstanceId, Listed, ServiceId};

/// The list of one service: immutable and dated.
#[derive(Debug, Clone, Default)]
pub struct ServiceView {
    /// When its first page was asked for.
    pub at: Duration,
    whole: Arc<Items>,
    /// What arrived since, or is shown otherwise: when it was asked for, and what.
    arrivals: Option<(Duration, Arc<Items>)>,
}

/// Items, each once.
#[derive(Debug, Default)]
struct Items {
    /// `REMOVED` ones included, by id. A table for ten thousand of them costs more than they do.
    items: Vec<Listed>,
    /// Their places, by folded name.
    by_name: Vec<u32>,
}

/// What changed in the cloud: whose objects should look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changed {
    /// The list of a service.
    Service {
        /// The service.
        service: ServiceId,
        /// Items that came, went or changed; `None` = everything: the first list, or the first one after an outage.
        items: Option<Vec<(InstanceId, HostName)>>,
    },
    /// Actions on VMs of these names do not run any more.
    Ended(Vec<HostName>),
}

impl Items {
    /// What is given twice counts as it was given last.
    fn new(items: Vec<Listed>) -> Self {
        let mut items: Vec<Listed> = items.into_iter().rev().collect();
        items.sort_by_key(|item| item.id);
        items.dedup_by_key(|item| item.id);
        items.shrink_to_fit();
        let mut names: Vec<(String, u32)> =
            (0..).zip(&items).map(|(at, item)| (item.name.folded(), at)).collect();
        names.sort_unstable();
        Self { items, by_name: names.into_iter().map(|(_, at)| at).collect() }
    }

    fn get(&self, id: InstanceId) -> Option<&Listed> {
        self.items.binary_search_by_key(&id, |item| item.id).ok().map(|at| &self.items[at])
    }

    fn named<'a>(&'a self, name: &'a HostName) -> impl Iterator<Item = &'a Listed> {
        let folded = name.folded();
        let item = |at: &u32| &self.items[*at as usize];
        let from = self.by_name.partition_point(|at| item(at).name.folded() < folded);
        self.by_name[from..].iter().map(item).take_while(|item| item.name == *name)
    }
}

impl ServiceView {
    /// From a complete list.
    #[must_use]
    pub fn new(at: Duration, items: Vec<Listed>) -> Self {
        Self { at, whole: Arc::new(Items::new(items)), arrivals: None }
    }

    /// With what the end of the list, asked for at `at`, shows otherwise. What is missing there is not gone.
    #[must_use]
    pub fn with_arrivals(&self, at: Duration, news: Vec<Listed>) -> Self {
        let before = self.arrivals.as_ref().map(|(_, items)| items);
        let items = match before {
            Some(before) if news.is_empty() => Arc::clone(before),
            before => {
                let older = before.into_iter().flat_map(|before| before.items.iter().cloned());
                Arc::new(Items::new(older.chain(news).collect()))
            }
        };
        Self { at: self.at, whole: Arc::clone(&self.whole), arrivals: Some((at, items)) }
    }

    /// When whatever had arrived by then was asked for.
    #[must_use]
    pub fn arrivals_at(&self) -> Duration {
        self.arrivals.as_ref().map_or(self.at, |(at, _)| *at)
    }

    /// How many items the list had.
    #[must_use]
    pub fn count(&self) -> usize {
        self.whole.items.len()
    }

    /// The newest item.
    #[must_use]
    pub fn newest(&self) -> Option<InstanceId> {
        let arrived = self.arrivals.as_ref().and_then(|(_, items)| items.items.last());
        arrived.into_iter().chain(self.whole.items.last()).map(|item| item.id).max()
    }

    /// The item of that id.
    #[must_use]
    pub fn get(&self, id: InstanceId) -> Option<&Listed> {
        let arrived = self.arrivals.as_ref().and_then(|(_, items)| items.get(id));
        arrived.or_else(|| self.whole.get(id))
    }

    /// The items of that name.
    #[must_use]
    pub fn named(&self, name: &HostName) -> Vec<Listed> {
        let arrived = self.arrivals.iter().flat_map(|(_, items)| items.named(name));
        let older = self.whole.named(name).filter(|item| !self.has_arrived(item.id));
        arrived.chain(older).cloned().collect()
    }

    /// Items that differ from an earlier list.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<(InstanceId, HostName)> {
        let news = self.items().filter(|item| before.get(item.id) != Some(*item));
        let gone = before.items().filter(|item| self.get(item.id).is_none());
        let mut changed: Vec<_> = news.chain(gone).map(|item| (item.id, item.name.clone())).collect();
        changed.sort_by_key(|(id, _)| *id);
        changed
    }

    fn arrived(&self) -> impl Iterator<Item = &Listed> {
        self.arrivals.iter().flat_map(|(_, items)| &items.items)
    }

    fn has_arrived(&self, id: InstanceId) -> bool {
        self.arrivals.as_ref().is_some_and(|(_, items)| items.get(id).is_some())
    }

    fn items(&self) -> impl Iterator<Item = &Listed> {
        self.arrived().chain(self.whole.items.iter().filter(|item| !self.has_arrived(item.id)))
    }
}
