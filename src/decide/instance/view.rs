//! What the decision for an instance sees.

use std::time::Duration;

use jiff::Timestamp;

use crate::crd::instance::ITCareInstanceSpec;
use crate::crd::status::bounded;
use crate::crd::{InstanceStatus, Reason};
use crate::decide::cloud::{Cloud, Site};
use crate::decide::decision::Memory;
use crate::model::{HostName, InstanceId, Ledger, LedgerError, Moment, ObjectKey, ServiceId, SnapshotId};

/// What the API server keeps about the object itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ObjectFacts {
    /// Namespace and name.
    pub key: ObjectKey,
    /// Its uid.
    pub uid: String,
    /// The generation of its spec.
    pub generation: i64,
    /// When it was made.
    pub created: Timestamp,
    /// Whether its deletion was asked for.
    pub deleting: bool,
    /// Whether our finalizer is there.
    pub has_finalizer: bool,
    /// Whether the annotation holds the newest ledger: `kubectl replace` wipes it.
    pub has_ledger: bool,
    /// The reconcile-requested-at annotation.
    pub reconcile_requested: Option<String>,
}

/// So much of a request for a look fits into its receipt.
const RECEIPT_LENGTH: usize = 256;

impl ObjectFacts {
    /// The receipt that is due for a request for a look, if that is not the one already given.
    #[must_use]
    pub fn look_due(&self, given: Option<&str>) -> Option<String> {
        let asked = bounded(self.reconcile_requested.as_deref()?, RECEIPT_LENGTH);
        (given != Some(asked.as_str())).then_some(asked)
    }
}

/// Who holds the claim on the name and the id.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Claim {
    /// This object.
    Held,
    /// Another one.
    LostTo(ObjectKey),
}

/// What the instance must know of its snapshots.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct SnapshotFacts {
    /// A snapshot object whose intent stands: no other effect on the VM until it is resolved.
    pub intent: Option<String>,
    /// The snapshot ids that our objects own, with their names.
    pub owned: Vec<(SnapshotId, String)>,
}

/// Everything that the decision depends on.
#[derive(Debug, Clone, PartialEq)]
pub struct View<'a> {
    /// The object.
    pub object: ObjectFacts,
    /// Its spec.
    pub spec: &'a ITCareInstanceSpec,
    /// Its status, as last read or written.
    pub status: &'a InstanceStatus,
    /// Its ledger, the newer of the two copies.
    pub ledger: Result<Option<Ledger>, LedgerError>,
    /// Where we run.
    pub site: &'a Site,
    /// Whether the namespace may use the service.
    pub service_allowed: bool,
    /// Who holds the claim.
    pub claim: Claim,
    /// Ids in this service that other objects have recorded.
    pub recorded_elsewhere: Vec<(InstanceId, ObjectKey)>,
    /// Its snapshots.
    pub snapshots: SnapshotFacts,
    /// The cloud.
    pub cloud: Cloud,
    /// What this process remembers.
    pub memory: Memory,
    /// When a fresh detail is due though nothing asks for it.
    pub detail_due: Duration,
    /// Now.
    pub now: Moment,
    /// When this pass began, on the monotonic clock: a read "of this pass" is not older.
    pub pass: Duration,
}

/// Whether the ledger may be followed.
pub(in crate::decide) enum Admission {
    None,
    Ours(Box<Ledger>),
    Rebind(Box<Ledger>),
    Copy(String),
    Stalled(Reason, String),
}

/// Reads the ledger's own identity against the object's (DESIGN 5.1).
pub(super) fn admit(view: &View<'_>) -> Admission {
    let named = view.spec.instance_id.map(InstanceId::new);
    let fits = |ledger: &Ledger| {
        let name = ledger.name.as_ref().is_none_or(|name| *name == HostName::new(view.spec.name.clone()));
        let service = ledger.service.is_none_or(|service| service == ServiceId::new(view.spec.service_id));
        name && service
    };
    admit_ledger(&view.ledger, &view.object, view.site, named, fits)
}

pub(in crate::decide) fn admit_ledger(
    ledger: &Result<Option<Ledger>, LedgerError>,
    object: &ObjectFacts,
    site: &Site,
    named: Option<InstanceId>,
    fits: impl Fn(&Ledger) -> bool,
) -> Admission {
    let ledger = match ledger {
        Err(error) => {
            return Admission::Stalled(
                Reason::LedgerUnreadable,
                format!("annotation {} or status.ledger: {error}", crate::crd::LEDGER_ANNOTATION),
            );
        }
        Ok(None) => return Admission::None,
        Ok(Some(ledger)) => ledger,
    };
    let same_place = ledger.object == object.key.to_string();
    let same_cluster = ledger.cluster == site.cluster;
    if !same_cluster {
        let listed = site.previous_clusters.contains(&ledger.cluster);
        let claimed = named.is_some() && named == ledger.instance;
        if !listed && !claimed {
            return Admission::Stalled(
                Reason::ForeignLedger,
                format!(
                    "the ledger was written in cluster {}, this is {}; if that cluster is gone for good, start the operator with --previous-cluster-id {}{}",
                    ledger.cluster,
                    site.cluster,
                    ledger.cluster,
                    ledger
                        .instance
                        .map(|id| format!(", or set spec.instanceId: {id} to take this VM over"))
                        .unwrap_or_default(),
                ),
            );
        }
    }
    if same_cluster && ledger.uid == object.uid && same_place {
        return Admission::Ours(Box::new(ledger.clone()));
    }
    if !same_place {
        return Admission::Copy(ledger.object.clone());
    }
    if !fits(ledger) {
        return Admission::Stalled(
            Reason::IdentityMismatch,
            format!(
                "the ledger speaks of {} in service {}, the spec of another VM; restore that name and service, or remove the annotation {}",
                ledger.name.as_ref().map_or("?", HostName::as_str),
                ledger.service.map_or_else(|| "?".to_owned(), |service| service.to_string()),
                crate::crd::LEDGER_ANNOTATION
            ),
        );
    }
    let mut ledger = ledger.clone();
    ledger.cluster = site.cluster.clone();
    ledger.uid.clone_from(&object.uid);
    Admission::Rebind(Box::new(ledger))
}
