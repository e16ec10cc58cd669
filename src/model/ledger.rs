//! The ledger: what must never be lost about an object, and the annotation that keeps it.
//!
//! Which VM is ours and how it became so, what call may be in flight, what was done. Everything else
//! can be observed again and lives in status. Reading a damaged ledger the safe way is done here; what
//! follows from it is decided in `decide`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::{
    AccountId, ActionId, AttemptId, ClusterId, HostName, InstanceId, OperationKind, ServiceId, SnapshotId,
};

/// The only version this program reads and writes.
pub const VERSION: u32 = 1;

/// Longer texts are not read: the annotation limit of Kubernetes is 256 KiB for all of them together.
const MAX_BYTES: usize = 64 * 1024;

/// How a VM became ours. Absent in a damaged ledger, which is read as `Adopted`: the one that deletes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Origin {
    /// We created it.
    Created,
    /// It was there and was taken over.
    Adopted,
}

/// A point in ITCare's own history: everything the call may have caused is newer than this.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Fence {
    /// The newest `Date` header among the replies of the API.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub date: Option<Timestamp>,
    /// The newest action id seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action: Option<ActionId>,
}

/// A call that must not run twice and may be in flight.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Intent {
    /// Which call.
    pub kind: OperationKind,
    /// Which try of it.
    pub attempt: AttemptId,
    /// Where ITCare stood just before.
    pub fence: Fence,
    /// The one-shot request that it serves.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub request: Option<Timestamp>,
    /// The action that is known to have ended well: whatever happens, the call is not sent again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub done: Option<ActionId>,
}

/// A group of fields that one PATCH operation changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Group {
    /// `spec.size`
    Size,
    /// `spec.patching`
    Patching,
    /// `spec.monitoring`
    Monitoring,
    /// `spec.replication`
    Replication,
    /// `spec.backup`
    Backup,
    /// `spec.powerState`
    Power,
}

impl Group {
    /// All groups in the order of business.
    pub const ALL: [Self; 6] =
        [Self::Size, Self::Patching, Self::Monitoring, Self::Replication, Self::Backup, Self::Power];

    /// The spec field.
    #[must_use]
    pub fn field(self) -> &'static str {
        match self {
            Self::Size => "size",
            Self::Patching => "patching",
            Self::Monitoring => "monitoring",
            Self::Replication => "replication",
            Self::Backup => "backup",
            Self::Power => "powerState",
        }
    }
}

/// Per group, a hash of what was sent and completed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Applied {
    /// The version of the hash. Another version counts every group as applied.
    pub v: u32,
    /// The hashes.
    #[serde(flatten)]
    pub groups: BTreeMap<Group, String>,
}

/// A wish that was sent and did not work: sending it again would only do it again.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// The hash of what was sent.
    pub hash: String,
    /// What came of it.
    pub why: HeldWhy,
    /// ITCare's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
}

/// Why a wish is not sent again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum HeldWhy {
    /// Accepted, ended well, and nothing changed.
    NotEffective,
    /// Refused, after the VM was stopped for it.
    Refused,
    /// Failed again and again, after the VM was stopped for it.
    Failed,
}

/// Power that we took and owe back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Resume {
    /// Stopped to be resized.
    Resize,
}

/// A one-shot request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum OneShot {
    /// `spec.reset`
    Reset,
    /// `spec.recover`
    Recover,
}

/// The ledger of one object.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ledger {
    /// The format; see [`VERSION`].
    pub v: u32,
    /// Grows with each write: of two copies the larger counts.
    pub seq: u64,
    /// The cluster it was written in.
    pub cluster: ClusterId,
    /// `namespace/name` of the object it was written for.
    pub object: String,
    /// The uid of that object.
    pub uid: String,
    /// The account whose VM it is.
    pub account: AccountId,
    /// How the VM became ours.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub origin: Option<Origin>,
    /// Our VM; for a snapshot the VM that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance: Option<InstanceId>,
    /// Our snapshot (snapshots only).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SnapshotId>,
    /// The VM's name at the time it was bound.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<HostName>,
    /// The VM's service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceId>,
    /// A call that may be in flight.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub intent: Option<Intent>,
    /// What was sent and completed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub applied: Option<Applied>,
    /// Hash of the fields that only a creation carries, as the VM was made or taken over with them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub locked: Option<String>,
    /// Groups that are not sent again until their wish changes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub held: BTreeMap<Group, Held>,
    /// Power owed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resume: Option<Resume>,
    /// Receipts: the newest request that was dealt with.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub handled: BTreeMap<OneShot, Timestamp>,
    /// A deletion of the VM was about to be sent: it may be gone, though nobody could write down how that ended.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deletes: bool,
    /// When the snapshot expires (snapshots only): tells an expired one from a lost one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires: Option<Timestamp>,
    /// The snapshot was taken and expired before anybody saw its id (snapshots only): it is not taken again.
    #[serde(default, skip_serializing_if = "is_false")]
    pub unseen: bool,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "the shape that serde asks for")]
fn is_false(value: &bool) -> bool {
    !*value
}

/// A ledger that cannot be read. No call follows from it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum LedgerError {
    /// Written by a newer program.
    #[error(
        "it has version {0}, this operator reads version {VERSION}; run the newer operator that wrote it"
    )]
    Newer(u64),
    /// Not the JSON it should be.
    #[error(
        "it cannot be decoded ({0}); restore the annotation from a backup, or remove it together with status.ledger by deleting the object with deletionPolicy Retain"
    )]
    Garbled(String),
}

impl Ledger {
    /// A first ledger, owning nothing.
    #[must_use]
    pub fn new(cluster: ClusterId, object: String, uid: String, account: AccountId) -> Self {
        Self {
            v: VERSION,
            seq: 0,
            cluster,
            object,
            uid,
            account,
            origin: None,
            instance: None,
            snapshot: None,
            name: None,
            service: None,
            intent: None,
            applied: None,
            held: BTreeMap::new(),
            resume: None,
            handled: BTreeMap::new(),
            deletes: false,
            expires: None,
            unseen: false,
            locked: None,
        }
    }

    /// Reads one copy.
    ///
    /// # Errors
    /// When it is longer than 64 KiB, not JSON of this shape, or of a newer version.
    pub fn parse(text: &str) -> Result<Self, LedgerError> {
        #[derive(Deserialize)]
        struct Version {
            v: u64,
        }
        if text.len() > MAX_BYTES {
            return Err(LedgerError::Garbled(format!("{} bytes, more than {MAX_BYTES}", text.len())));
        }
        let garbled = |error: serde_json::Error| LedgerError::Garbled(error.to_string());
        // The version first: a newer shape may not decode at all, and its message is the useful one.
        let Version { v } = serde_json::from_str(text).map_err(garbled)?;
        if v != u64::from(VERSION) {
            return Err(LedgerError::Newer(v));
        }
        serde_json::from_str(text).map_err(garbled)
    }

    /// The compact text for annotation and status.
    #[must_use]
    pub fn to_text(&self) -> String {
        serde_json::to_string(self).unwrap_or_default()
    }

    /// Of two copies the one with the larger `seq`; a copy that cannot be read makes the whole unreadable,
    /// since it may be the newer one.
    ///
    /// # Errors
    /// The first copy that cannot be read.
    pub fn newest(annotation: Option<&str>, status: Option<&str>) -> Result<Option<Self>, LedgerError> {
        Ok(Self::newer(Self::read(annotation)?, Self::read(status)?))
    }

    fn read(copy: Option<&str>) -> Result<Option<Self>, LedgerError> {
        copy.filter(|text| !text.is_empty()).map(Self::parse).transpose()
    }

    fn newer(one: Option<Self>, two: Option<Self>) -> Option<Self> {
        match (one, two) {
            (Some(one), Some(two)) => Some(if two.seq > one.seq { two } else { one }),
            (one, two) => one.or(two),
        }
    }

    /// The same for one object: a copy that speaks of another object was put there by a hand, and does not count
    /// as long as the other one speaks of this object.
    ///
    /// # Errors
    /// The first copy that cannot be read.
    pub fn of(
        object: &str,
        annotation: Option<&str>,
        status: Option<&str>,
    ) -> Result<Option<Self>, LedgerError> {
        if annotation == status {
            return Self::read(annotation);
        }
        let ours = |ledger: &Self| ledger.object == object;
        Ok(match (Self::read(annotation)?, Self::read(status)?) {
            (Some(one), Some(two)) if ours(&one) && !ours(&two) => Some(one),
            (Some(one), Some(two)) if ours(&two) && !ours(&one) => Some(two),
            (one, two) => Self::newer(one, two),
        })
    }

    /// The next version of this ledger.
    #[must_use]
    pub fn next(&self) -> Self {
        Self { seq: self.seq + 1, ..self.clone() }
    }

    /// How the VM became ours, read the safe way.
    #[must_use]
    pub fn origin_or_adopted(&self) -> Origin {
        self.origin.unwrap_or(Origin::Adopted)
    }
}
