//! What a request asks for, as one word: the key of the journal, of faults and of the report.
//!
//! Deliberately not here: how a request is recognised (see `request`) and what it does (see `world`).

use serde::{Deserialize, Serialize};

/// One kind of request.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Operation {
    /// `GET /compute/instances`
    List,
    /// `GET /compute/instances/{id}`
    Detail,
    /// `GET /compute/instances/{id}/storage`
    Storage,
    /// `GET /compute/instances/{id}/networks`
    Networks,
    /// `POST /compute/instances`
    Create,
    /// `DELETE /compute/instances/{id}`
    Delete,
    /// `PATCH` with operation `stop`
    Stop,
    /// `PATCH` with operation `start`
    Start,
    /// `PATCH` with operation `reset`
    Reset,
    /// `PATCH` with operation `resize`
    Resize,
    /// `PATCH` with operation `update_monitoring`
    UpdateMonitoring,
    /// `PATCH` with operation `update_patch_party`
    UpdatePatchParty,
    /// `PATCH` with operation `update_storage_replication`
    UpdateStorageReplication,
    /// `PATCH` with operation `update_backup`
    UpdateBackup,
    /// `PATCH` of an instance with an operation that the API does not know
    UnknownUpdate,
    /// `GET /compute/instances/{id}/snapshots`
    SnapshotGet,
    /// `POST /compute/instances/{id}/snapshots`
    SnapshotCreate,
    /// `PATCH /compute/instances/{id}/snapshots`
    SnapshotRecover,
    /// `DELETE /compute/instances/{id}/snapshots/{snapshotId}`
    SnapshotDelete,
    /// `GET /actions/{id}`
    ActionGet,
    /// `GET /actions`
    ActionList,
    /// `GET /health`
    Health,
    /// `POST` on the token path
    Token,
    /// Anything else
    Unknown,
}

impl Operation {
    /// The operation behind the word in the body of a `PATCH`.
    pub fn of_update(word: &str) -> Operation {
        match word {
            "stop" => Operation::Stop,
            "start" => Operation::Start,
            "reset" => Operation::Reset,
            "resize" => Operation::Resize,
            "update_monitoring" => Operation::UpdateMonitoring,
            "update_patch_party" => Operation::UpdatePatchParty,
            "update_storage_replication" => Operation::UpdateStorageReplication,
            "update_backup" => Operation::UpdateBackup,
            _ => Operation::UnknownUpdate,
        }
    }

    /// The `process` of the action that it starts; none for requests that start no action.
    pub fn process(self) -> Option<&'static str> {
        match self {
            Operation::Create => Some("vm_create"),
            Operation::Delete => Some("vm_delete"),
            Operation::Stop => Some("vm_stop"),
            Operation::Start => Some("vm_start"),
            Operation::Reset => Some("vm_reset"),
            Operation::Resize => Some("vm_resize"),
            Operation::UpdateMonitoring => Some("vm_update_monitoring"),
            Operation::UpdatePatchParty => Some("vm_update_patch_party"),
            Operation::UpdateStorageReplication => Some("vm_update_storage_replication"),
            Operation::UpdateBackup => Some("vm_update_backup"),
            Operation::SnapshotCreate => Some("vm_create_snapshot"),
            Operation::SnapshotDelete => Some("vm_delete_snapshot"),
            Operation::SnapshotRecover => Some("vm_recover_snapshot"),
            Operation::List
            | Operation::Detail
            | Operation::Storage
            | Operation::Networks
            | Operation::UnknownUpdate
            | Operation::SnapshotGet
            | Operation::ActionGet
            | Operation::ActionList
            | Operation::Health
            | Operation::Token
            | Operation::Unknown => None,
        }
    }

    /// Whether it is meant to change something in the cloud.
    pub fn is_mutating(self) -> bool {
        self.process().is_some() || self == Operation::UnknownUpdate
    }
}
