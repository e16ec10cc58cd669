//! What the decision for a snapshot sees.

use std::time::Duration;

use crate::crd::{ITCareSnapshotSpec, SnapshotStatus};
use crate::decide::cloud::{Cloud, Site};
use crate::decide::decision::Memory;
use crate::decide::instance::ObjectFacts;
use crate::model::{Detail, HostName, InstanceId, InstanceState, Ledger, LedgerError, Moment, ServiceId};

/// The instance object that the snapshot refers to, as far as the snapshot cares.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct InstanceFacts {
    /// Its VM, once it has one.
    pub id: Option<InstanceId>,
    /// Its host name.
    pub name: HostName,
    /// Its service.
    pub service: ServiceId,
    /// Why no snapshot may be taken or recovered on it now (Observe, suspended, no claim, deleting), if so.
    pub refuses: Option<String>,
    /// Whether a call of its own that must not run twice may be in flight.
    pub intent: bool,
    /// Whether it follows an operation.
    pub operating: bool,
}

impl InstanceFacts {
    /// Whether this is its VM: same id, same name and service, and not removed.
    #[must_use]
    pub fn is(&self, detail: &Detail) -> bool {
        self.id == Some(detail.id)
            && detail.name == self.name
            && detail.service.is_none_or(|service| service == self.service)
            && detail.state != InstanceState::Removed
    }
}

/// Everything that the decision depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct SnapshotView<'a> {
    /// The object.
    pub object: ObjectFacts,
    /// Its spec.
    pub spec: &'a ITCareSnapshotSpec,
    /// Its status, as last read or written.
    pub status: &'a SnapshotStatus,
    /// Its ledger, the newer of the two copies.
    pub ledger: Result<Option<Ledger>, LedgerError>,
    /// Where we run.
    pub site: &'a Site,
    /// The instance object; `None` when there is none of that name.
    pub instance: Option<InstanceFacts>,
    /// Whether the namespace may use the VM's service.
    pub service_allowed: bool,
    /// Another snapshot object of ours whose call on the same VM may be in flight.
    pub sibling_intent: Option<String>,
    /// `spec.slotTimeout`, parsed.
    pub slot_timeout: Duration,
    /// The cloud: `slot`, `running`, `action`, `look`, `detail` are of the VM.
    pub cloud: Cloud,
    /// What this process remembers.
    pub memory: Memory,
    /// When the slot is looked at again though nothing asks for it.
    pub slot_due: Duration,
    /// Now.
    pub now: Moment,
    /// When this pass began.
    pub pass: Duration,
}
