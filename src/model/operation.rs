//! The operations that change something in ITCare, and how they ended.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One kind of call that changes something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationKind {
    /// `POST /compute/instances`
    Create,
    /// `DELETE /compute/instances/{id}`
    Delete,
    /// `PATCH` with `start`
    Start,
    /// `PATCH` with `stop`
    Stop,
    /// `PATCH` with `reset`
    Reset,
    /// `PATCH` with `resize`
    Resize,
    /// `PATCH` with `update_monitoring`
    UpdateMonitoring,
    /// `PATCH` with `update_patch_party`
    UpdatePatching,
    /// `PATCH` with `update_storage_replication`
    UpdateReplication,
    /// `PATCH` with `update_backup`
    UpdateBackup,
    /// `POST …/snapshots`
    TakeSnapshot,
    /// `PATCH …/snapshots`
    Recover,
    /// `DELETE …/snapshots/{snapshotId}`
    RemoveSnapshot,
}

impl OperationKind {
    /// All of them, for metrics and tables.
    pub const ALL: [Self; 13] = [
        Self::Create,
        Self::Delete,
        Self::Start,
        Self::Stop,
        Self::Reset,
        Self::Resize,
        Self::UpdateMonitoring,
        Self::UpdatePatching,
        Self::UpdateReplication,
        Self::UpdateBackup,
        Self::TakeSnapshot,
        Self::Recover,
        Self::RemoveSnapshot,
    ];

    /// The word used in status, ledger, Events and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Create => "Create",
            Self::Delete => "Delete",
            Self::Start => "Start",
            Self::Stop => "Stop",
            Self::Reset => "Reset",
            Self::Resize => "Resize",
            Self::UpdateMonitoring => "UpdateMonitoring",
            Self::UpdatePatching => "UpdatePatching",
            Self::UpdateReplication => "UpdateReplication",
            Self::UpdateBackup => "UpdateBackup",
            Self::TakeSnapshot => "TakeSnapshot",
            Self::Recover => "Recover",
            Self::RemoveSnapshot => "RemoveSnapshot",
        }
    }

    /// Whether a second run would do harm, so that the call goes through an intent first.
    #[must_use]
    pub fn must_not_run_twice(self) -> bool {
        match self {
            Self::Create | Self::Reset | Self::TakeSnapshot | Self::Recover => true,
            Self::Delete
            | Self::Start
            | Self::Stop
            | Self::Resize
            | Self::UpdateMonitoring
            | Self::UpdatePatching
            | Self::UpdateReplication
            | Self::UpdateBackup
            | Self::RemoveSnapshot => false,
        }
    }

    /// The `process` words that ITCare is known to use for this kind (its page documents none; two were
    /// seen in public clients). Others are learned from replies.
    #[must_use]
    pub fn known_process(self) -> Option<&'static str> {
        match self {
            Self::TakeSnapshot => Some("vm_create_snapshot"),
            Self::RemoveSnapshot => Some("vm_delete_snapshot"),
            Self::Create
            | Self::Delete
            | Self::Start
            | Self::Stop
            | Self::Reset
            | Self::Resize
            | Self::UpdateMonitoring
            | Self::UpdatePatching
            | Self::UpdateReplication
            | Self::UpdateBackup
            | Self::Recover => None,
        }
    }
}

impl fmt::Display for OperationKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How an operation or a one-shot request ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
pub enum OperationResult {
    /// ITCare reported success, or the wished state was seen.
    Succeeded,
    /// The action ended in `ERROR`.
    Failed,
    /// ITCare refused the call.
    Refused,
    /// It may have run; it is never sent again.
    OutcomeUnknown,
    /// The request came too late or is too old; nothing was sent.
    Expired,
}

impl OperationResult {
    /// The word used in status and metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Succeeded => "Succeeded",
            Self::Failed => "Failed",
            Self::Refused => "Refused",
            Self::OutcomeUnknown => "OutcomeUnknown",
            Self::Expired => "Expired",
        }
    }
}
