//! One service as its list showed it, and what changed between two lists.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use crate::model::{HostName, InstanceId, Listed, ServiceId};

/// The list of one service: immutable and dated.
#[derive(Debug, Clone, Default)]
pub struct ServiceView {
    /// When its first page was asked for.
    pub at: Duration,
    /// The items, `REMOVED` ones included.
    pub items: BTreeMap<InstanceId, Listed>,
    by_name: HashMap<String, Vec<InstanceId>>,
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
        let mut by_name: HashMap<String, Vec<InstanceId>> = HashMap::new();
        for item in &items {
            by_name.entry(item.name.folded()).or_default().push(item.id);
        }
        Self { at, items: items.into_iter().map(|item| (item.id, item)).collect(), by_name }
    }

    /// The items of that name.
    #[must_use]
    pub fn named(&self, name: &HostName) -> Vec<Listed> {
        let ids = self.by_name.get(&name.folded()).map_or(&[][..], Vec::as_slice);
        ids.iter().filter_map(|id| self.items.get(id)).cloned().collect()
    }

    /// Items that differ from an earlier list.
    #[must_use]
    pub fn changed_since(&self, before: &Self) -> Vec<(InstanceId, HostName)> {
        let ids: BTreeSet<InstanceId> = self.items.keys().chain(before.items.keys()).copied().collect();
        ids.into_iter()
            .filter_map(|id| match (before.items.get(&id), self.items.get(&id)) {
                (Some(old), Some(new)) if old == new => None,
                (Some(item), None) | (_, Some(item)) => Some((id, item.name.clone())),
                (None, None) => None,
            })
            .collect()
    }
}
