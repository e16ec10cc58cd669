//! What we write: the status of both kinds.
//!
//! Values that move by themselves (free space, used percent, backup dates) are left out on purpose:
//! nothing is written when nothing changed.

use std::collections::BTreeMap;

use jiff::Timestamp;
use kube::KubeSchema;
use serde::{Deserialize, Serialize};

use super::Condition;
use crate::model::{AttemptId, OneShot, OperationKind, OperationResult, PowerState};

/// Bounds a text to what the schema allows, at a character boundary.
#[must_use]
pub fn bounded(text: &str, max: usize) -> String {
    if text.chars().count() <= max { text.to_owned() } else { text.chars().take(max).collect() }
}

/// Observed state of an ITCareInstance.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct InstanceStatus {
    /// The generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Reconciling, Stalled, Drifted.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Id of the VM in ITCare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// State as ITCare words it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// Running or Stopped; absent in any other state.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_state: Option<PowerState>,
    /// Size as NcpuMgb.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 32))]
    pub size: Option<String>,
    /// Virtual CPUs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu: Option<i64>,
    /// Memory in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub memory_gb: Option<i64>,
    /// Disks in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub storage_gb: Option<i64>,
    /// Mounted file systems.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["mountPoint".into()]))]
    pub file_systems: Vec<FileSystemStatus>,
    /// Address of the VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub ip_address: Option<String>,
    /// Network of the VM.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub network: Option<NetworkStatus>,
    /// Where the VM is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub location: Option<LocationStatus>,
    /// Operating system.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub os: Option<String>,
    /// Environment, for example PRODUCTION.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub environment: Option<String>,
    /// Name of the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub service_name: Option<String>,
    /// Monitoring as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringStatus>,
    /// Patching as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patching: Option<PatchingStatus>,
    /// Replication as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<SwitchStatus>,
    /// Backup as reported.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<SwitchStatus>,
    /// The snapshot that fills the VM's only slot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub snapshot: Option<SlotStatus>,
    /// When the VM was made, as ITCare wrote it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub created_at: Option<String>,
    /// Who made it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub created_by: Option<String>,
    /// The operation that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The last operation that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<LastOperation>,
    /// What became of one-shot requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "receipts_schema")]
    pub handled_requests: BTreeMap<OneShot, Receipt>,
    /// The newest reconcile-requested-at annotation that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
    /// Fields that differ from the spec and are left so.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 16))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["field".into()]))]
    pub drift: Vec<Drift>,
    /// A second copy of the ledger annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ledger: Option<String>,
}

/// Observed state of an ITCareSnapshot.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SnapshotStatus {
    /// The generation of the spec that this status speaks of; -1 before the first look.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
    /// Ready, Available, Reconciling, Stalled.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["type".into()]))]
    pub conditions: Vec<Condition>,
    /// Id of the snapshot in ITCare.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub id: Option<String>,
    /// Id of the VM that it is of.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<i64>,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// Who took it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub created_by: Option<String>,
    /// When ITCare drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// When the VM was last put back to it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovered_at: Option<Timestamp>,
    /// Its size in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gb: Option<i64>,
    /// The operation that runs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,
    /// The last operation that ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_operation: Option<LastOperation>,
    /// What became of one-shot requests.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(schema_with = "receipts_schema")]
    pub handled_requests: BTreeMap<OneShot, Receipt>,
    /// The newest reconcile-requested-at annotation that was dealt with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 256))]
    pub last_handled_reconcile_at: Option<String>,
    /// A second copy of the ledger annotation.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 65536))]
    pub ledger: Option<String>,
}

/// A map keyed by request, written as an object so that its size is bounded.
fn receipts_schema(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let receipt = generator.subschema_for::<Receipt>();
    schemars::json_schema!({
        "type": "object",
        "additionalProperties": receipt,
        "maxProperties": 8
    })
}

/// A mounted file system.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct FileSystemStatus {
    /// Where it is mounted.
    #[schemars(length(max = 256))]
    pub mount_point: String,
    /// Its type.
    #[serde(rename = "type", default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub kind: Option<String>,
    /// Its size in GB.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub size_gb: Option<i64>,
}

/// The network of a VM.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct NetworkStatus {
    /// Its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub id: Option<i64>,
    /// Its address range.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub cidr: Option<String>,
    /// Its gateway.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub gateway: Option<String>,
    /// DNS names of the VM.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32), inner(length(max = 256)))]
    pub dns: Vec<String>,
}

/// Where a VM is.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LocationStatus {
    /// Region id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub region: Option<String>,
    /// Area id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub area: Option<String>,
    /// Availability zone id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub availability_zone: Option<String>,
}

/// Monitoring as reported.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringStatus {
    /// Whether it is monitored.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
    /// Whether alerts become incidents.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerting: Option<bool>,
    /// Whether on-call teams are called.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_call: Option<bool>,
}

/// Patching as reported.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct PatchingStatus {
    /// Whether it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub excluded: Option<bool>,
    /// Why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 512))]
    pub exclusion_reason: Option<String>,
    /// 1, 2 or 3.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<i64>,
}

/// Something that is on or off, as reported.
#[derive(Serialize, Deserialize, Clone, Debug, Default, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SwitchStatus {
    /// Whether it is on.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,
}

/// The snapshot that fills the slot.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct SlotStatus {
    /// Its id.
    #[schemars(length(max = 256))]
    pub id: String,
    /// When it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub created_at: Option<Timestamp>,
    /// When ITCare drops it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
    /// The ITCareSnapshot object that owns it; absent for one made by someone else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 253))]
    pub managed_by: Option<String>,
}

/// An operation that runs.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Operation {
    /// What is being done.
    pub kind: OperationKind,
    /// The attempt, for calls that must not run twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 16))]
    pub attempt: Option<AttemptId>,
    /// ITCare's action; absent while it is not known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_id: Option<i64>,
    /// ITCare's name for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 128))]
    pub process: Option<String>,
    /// When it was sent.
    pub submitted_at: Timestamp,
    /// The generation of the spec that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// An operation that ended.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct LastOperation {
    /// What was done.
    pub kind: OperationKind,
    /// ITCare's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_id: Option<i64>,
    /// How it ended.
    pub result: OperationResult,
    /// When we learned so.
    pub finished_at: Timestamp,
    /// ITCare's words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
    /// The attempt, where ITCare refused a call that must not run twice.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", length(max = 16))]
    pub attempt: Option<AttemptId>,
    /// State of the VM when ITCare refused.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub state: Option<String>,
    /// How often in a row this operation failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failures: Option<i64>,
    /// The generation of the spec that asked for it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}

/// What became of a one-shot request.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Receipt {
    /// The request.
    pub requested_at: Timestamp,
    /// How it ended.
    pub result: OperationResult,
    /// ITCare's action.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub action_id: Option<i64>,
    /// When we learned so.
    pub finished_at: Timestamp,
    /// Actions of earlier requests, the newest last: none of them is a later one's.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 8))]
    pub earlier_action_ids: Vec<i64>,
    /// Words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 2048))]
    pub message: Option<String>,
}

impl Receipt {
    /// The actions of this request and of those before it.
    pub fn action_ids(&self) -> impl Iterator<Item = i64> + '_ {
        self.earlier_action_ids.iter().copied().chain(self.action_id)
    }

    /// What the next receipt remembers of this one.
    #[must_use]
    pub fn remembered(before: Option<&Self>) -> Vec<i64> {
        let mut ids: Vec<i64> = before.into_iter().flat_map(Self::action_ids).collect();
        ids.drain(..ids.len().saturating_sub(EARLIER_ACTIONS));
        ids
    }
}

/// Requests come at most every few minutes; actions older than ten minutes no longer matter.
const EARLIER_ACTIONS: usize = 8;

/// A field that differs from the spec and is left so.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Drift {
    /// Path of the field below spec.
    #[schemars(length(max = 64))]
    pub field: String,
    /// What the spec asks for.
    #[schemars(length(max = 256))]
    pub desired: String,
    /// What ITCare reports.
    #[schemars(length(max = 256))]
    pub observed: String,
    /// Since when.
    pub since: Timestamp,
}
