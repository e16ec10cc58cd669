//! Condition types, the one list of reasons, and the rules that keep conditions honest.
//!
//! `Reconciling` and `Stalled` are present only when `True` and never together: kstatus takes the first
//! that it finds, so a list with both would mean whatever its order happens to be.

use std::fmt;

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

/// The types of condition that we write.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ConditionType {
    /// The spec is carried out.
    Ready,
    /// Work is going on; present only when `True`.
    Reconciling,
    /// Only a person can help; present only when `True`.
    Stalled,
    /// The cloud differs from the spec and is left so; present only when `True`.
    Drifted,
    /// The snapshot can be recovered now (snapshots only).
    Available,
}

impl ConditionType {
    /// All of them, for metrics and tables.
    pub const ALL: [Self; 5] =
        [Self::Ready, Self::Reconciling, Self::Stalled, Self::Drifted, Self::Available];

    /// The word in `type`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Ready => "Ready",
            Self::Reconciling => "Reconciling",
            Self::Stalled => "Stalled",
            Self::Drifted => "Drifted",
            Self::Available => "Available",
        }
    }
}

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident),+ $(,)?) => {
        /// Why: one list, used alike in conditions, Events and metrics.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Reason {
            $($(#[$doc])* $name),+
        }

        impl Reason {
            /// Every reason there is.
            pub const ALL: &[Self] = &[$(Self::$name),+];

            /// The word in `reason`.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($name)),+
                }
            }
        }
    };
}

reasons! {
    /// The VM runs as asked.
    Running,
    /// The VM is stopped as asked.
    Stopped,
    /// The snapshot is there.
    Available,
    /// The snapshot came to its normal end.
    Expired,
    /// There was no instance, and none was needed.
    Skipped,
    /// The VM is being created.
    Creating,
    /// An existing VM is being taken over.
    Adopting,
    /// The VM is being started.
    Starting,
    /// The VM is being stopped.
    Stopping,
    /// The VM is being reset.
    Resetting,
    /// The VM is being resized.
    Resizing,
    /// Monitoring is being changed.
    UpdatingMonitoring,
    /// Patching is being changed.
    UpdatingPatching,
    /// Replication is being changed.
    UpdatingReplication,
    /// Backup is being changed.
    UpdatingBackup,
    /// The VM or snapshot is being deleted.
    Deleting,
    /// The snapshot is being taken.
    TakingSnapshot,
    /// The snapshot is being recovered.
    Recovering,
    /// The snapshot is being removed.
    RemovingSnapshot,
    /// Somebody else's action runs on the VM.
    ForeignActionInProgress,
    /// The snapshot's instance is not there yet.
    WaitingForInstance,
    /// The instance's only snapshot slot is taken.
    WaitingForSlot,
    /// A call may have run; the cloud is being looked at.
    ResolvingOutcome,
    /// ITCare asked us to slow down.
    Throttled,
    /// A failure that may heal by itself.
    ProgressingWithRetry,
    /// No credentials are configured.
    CredentialsNotFound,
    /// The spec asks for something impossible.
    InvalidSpec,
    /// ITCare refused the request.
    Rejected,
    /// A VM of that name exists and is not ours.
    NameTaken,
    /// More than one answer is possible.
    Ambiguous,
    /// The VM with our id has another name or service.
    IdentityMismatch,
    /// Another object manages this VM or name.
    Conflict,
    /// The ledger was written in another cluster.
    ForeignLedger,
    /// The ledger cannot be read.
    LedgerUnreadable,
    /// The VM is gone and nobody here deleted it.
    InstanceMissing,
    /// The creation failed and left a VM.
    CreateFailed,
    /// The same action failed again and again.
    ActionFailed,
    /// The resize needs the VM to be stopped.
    PowerOffRequired,
    /// The credentials are refused.
    CredentialsRejected,
    /// The account lacks a right.
    PermissionDenied,
    /// The namespace may not use this service.
    ServiceNotAllowed,
    /// The slot stayed taken for too long.
    SlotTaken,
    /// The snapshot vanished before it expired.
    SnapshotMissing,
    /// The deletion cannot go on.
    DeletionBlocked,
    /// The cloud differs, and the policy is to report.
    Drift,
    /// Sent, accepted, and still different.
    NotEffective,
}

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// A condition, with the bounds that Kubernetes' own type documents but does not put into its schema.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Condition {
    /// What this condition is about.
    #[serde(rename = "type")]
    #[schemars(length(min = 1, max = 316))]
    pub type_: String,
    /// `True`, `False` or `Unknown`.
    #[schemars(length(max = 16), regex(pattern = r"^(True|False|Unknown)$"))]
    pub status: String,
    /// The generation of the spec that it speaks of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// When `status` last changed.
    pub last_transition_time: Timestamp,
    /// Why, in one word.
    #[schemars(length(min = 1, max = 1024))]
    pub reason: String,
    /// Why, for a person: what is wrong, with which field or id, and the cure.
    #[schemars(length(max = 32768))]
    pub message: String,
}

/// The condition of that type, if it is there.
#[must_use]
pub fn find(conditions: &[Condition], type_: ConditionType) -> Option<&Condition> {
    conditions.iter().find(|condition| condition.type_ == type_.as_str())
}

/// Whether the condition of that type is `True`.
#[must_use]
pub fn is_true(conditions: &[Condition], type_: ConditionType) -> bool {
    find(conditions, type_).is_some_and(|condition| condition.status == "True")
}
