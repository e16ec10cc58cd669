//! What a pass knows of the cloud, and of the place it runs in.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::decide::decision::Need;
use crate::model::{
    AccountId, Action, ActionId, ClusterId, Detail, Failure, Listed, Observed, OperationKind, Slot,
    remote::{Network, Storage},
};

/// Where the operator runs and how it is set: the same for every object of a namespace.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Site {
    /// This cluster.
    pub cluster: ClusterId,
    /// Clusters whose ledgers are ours too.
    pub previous_clusters: Vec<ClusterId>,
    /// The account that calls are made with.
    pub account: AccountId,
    /// The name under which ITCare records our actions, once it is known from an action that is ours.
    pub submitter: Option<String>,
    /// The name under which ITCare records what we created, once it is known from a VM that is ours. It need not
    /// be spelled like the submitter.
    pub creator: Option<String>,
    /// Which kind a `process` word stands for, learned from replies.
    pub processes: BTreeMap<String, OperationKind>,
    /// How long ITCare may take to show what a call did.
    pub settle: Duration,
    /// How old the list may be.
    pub observe_interval: Duration,
    /// How often running actions are looked at.
    pub action_interval: Duration,
    /// How old a detail may be.
    pub detail_interval: Duration,
    /// How long after its fence a call may still reach ITCare: time-out plus lease.
    pub send_window: Duration,
}

impl Site {
    /// The kind that a process word is known to stand for.
    #[must_use]
    pub fn kind_of(&self, process: &str) -> Option<OperationKind> {
        self.processes
            .get(process)
            .copied()
            .or_else(|| OperationKind::ALL.into_iter().find(|kind| kind.known_process() == Some(process)))
    }
}

/// A look at a name: actions first, instances second, so that a creation between the two is seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// The actions of that name, in all statuses.
    pub actions: Vec<Action>,
    /// The live instances of that name, in any service.
    pub instances: Vec<Listed>,
    /// When the first of the two questions was sent.
    pub at: Duration,
}

/// What was seen, so far, by this pass or the shared sweep.
#[derive(Debug, Clone, PartialEq)]
pub struct Cloud {
    /// The item of our recorded id in its service's list.
    pub listed: Observed<Listed>,
    /// The live items of our name in our service's list.
    pub named: Observed<Vec<Listed>>,
    /// The same, with what arrived since that list. It shows that a VM is there; of one that may be long known and is
    /// missing here, only the whole list tells.
    pub arrived: Observed<Vec<Listed>>,
    /// Since when no list of our service comes in, and why the last one did not.
    pub unlisted: Option<(Duration, Failure)>,
    /// The running actions on our name.
    pub running: Observed<Vec<Action>>,
    /// The detail of the recorded (or asked for) id.
    pub detail: Observed<Detail>,
    /// Disks and file systems, read on their own.
    pub storage: Option<Storage>,
    /// Network, read on its own.
    pub network: Option<Network>,
    /// One action, read on its own.
    pub action: Option<(ActionId, Observed<Action>)>,
    /// A look at the name.
    pub look: Option<Look>,
    /// The snapshot slot.
    pub slot: Observed<Slot>,
    /// The object was read live: whether it is unchanged.
    pub object_unchanged: Option<bool>,
    /// Whether a 404 proves anything: false after two or more ids vanished at once, or under another account,
    /// until another recorded id of that service reads right.
    pub missing_is_evidence: bool,
    /// Reads of this pass that failed.
    pub failures: Vec<(Need, Failure)>,
}

impl Default for Cloud {
    fn default() -> Self {
        Self {
            listed: Observed::Unknown,
            named: Observed::Unknown,
            arrived: Observed::Unknown,
            unlisted: None,
            running: Observed::Unknown,
            detail: Observed::Unknown,
            storage: None,
            network: None,
            action: None,
            look: None,
            slot: Observed::Unknown,
            object_unchanged: None,
            missing_is_evidence: true,
            failures: Vec::new(),
        }
    }
}

impl Cloud {
    /// Why this read failed in this pass, if it did.
    #[must_use]
    pub fn failure(&self, need: &Need) -> Option<&Failure> {
        let same = |other: &Need| std::mem::discriminant(other) == std::mem::discriminant(need);
        self.failures.iter().find(|(other, _)| same(other)).map(|(_, failure)| failure)
    }

    /// That action, if it was read in this pass.
    #[must_use]
    pub fn action(&self, id: ActionId) -> Option<&Observed<Action>> {
        self.action.as_ref().filter(|(read, _)| *read == id).map(|(_, action)| action)
    }
}
