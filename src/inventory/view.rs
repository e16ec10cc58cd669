//! One service as its list showed it, and what changed between two lists.

use std::time::Duration;

use crate::model::{HostName, InstanceId, Listed, ServiceId};

/// The list of one service: immutable and dated.
#[derive(Debug, Clone, Default)]
pub struct ServiceView {
    /// When its first page was asked for.
    pub at: Duration,
    /// The items, `REMOVED` ones included, by id. A table for ten thousand of them costs more than they do.
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

impl ServiceView {
    /// From a complete list.
    #[must_use]
    pub fn new(at: Duration, items: Vec<Listed>) -> Self {
        // What a shifted page shows twice counts as it was shown last.
        let mut items: Vec<Listed> = items.into_iter().rev().collect();
        items.sort_by_key(|item| item.id);
        items.dedup_by_key(|item| item.id);
        items.shrink_to_fit();
        let mut names: Vec<(String, u32)> =
            (0..).zip(&items).map(|(at, item)| (item.name.folded(), at)).collect();
        names.sort_unstable();
        Self { at, items, by_name: names.into_iter().map(|(_, at)| at).collect() }
    }

    /// How many items there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.items.len()
    }

    /// The item of that id.
    #[must_use]
    pub fn get(&self, id: InstanceId) -> Option<&Listed> {
        self.items.binary_search_by_key(&id, |item| item.id).ok().map(|at| &self.items[at])
    }

    /// The items of that name.
    #[must_use]
    pub fn named(&self, name: &HostName) -> Vec<Listed> {
        let folded = name.folded();
        let item = |at: &u32| &self.items[*at as usize];
        let from = self.by_name.partition_point(|at| item(at).name.folded() < folded);
        self.by_name[from..].iter().map(item).take_while(|item| item.name == *name).cloned().collect()
    }

    /// Items that differ from an earlier list.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<(InstanceId, HostName)> {
        let news = self.items.iter().filter(|item| before.get(item.id) != Some(*item));
        let gone = before.items.iter().filter(|item| self.get(item.id).is_none());
        let mut changed: Vec<_> = news.chain(gone).map(|item| (item.id, item.name.clone())).collect();
        changed.sort_by_key(|(id, _)| *id);
        changed
    }
}
