//! `ITCareSnapshot.spec`: a snapshot of an instance as a user asks for it.

#![expect(clippy::duplicated_attributes, reason = "each printer column repeats the names of its parts")]

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::instance::DeletionPolicy;
use super::status::SnapshotStatus;

/// A snapshot of an ITCareInstance. ITCare keeps one per instance, for three days.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "itcare.cegedim.cloud",
    version = "v1alpha1",
    kind = "ITCareSnapshot",
    plural = "itcaresnapshots",
    singular = "itcaresnapshot",
    shortname = "itcsnap",
    category = "itcare",
    namespaced,
    doc = "ITCareSnapshot is a snapshot of an ITCareInstance. ITCare keeps one per instance, for three days.",
    status = "SnapshotStatus",
    derive = "PartialEq",
    selectable = ".spec.instanceRef.name",
    printcolumn(
        name = "Ready",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].status"#
    ),
    printcolumn(
        name = "Reason",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].reason"#
    ),
    printcolumn(name = "Instance", type_ = "string", json_path = ".spec.instanceRef.name"),
    printcolumn(name = "Expires", type_ = "string", json_path = ".status.expiresAt"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "ID", type_ = "string", json_path = ".status.id", priority = 1),
    printcolumn(
        name = "Message",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Ready")].message"#,
        priority = 1
    )
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.description) == has(oldSelf.description) && (!has(self.description) || self.description == oldSelf.description)").message("spec.description is immutable; make a new snapshot object").field_path(".description").reason(Reason::FieldValueInvalid),
    validation = Rule::new("has(self.changeReference) == has(oldSelf.changeReference) && (!has(self.changeReference) || self.changeReference == oldSelf.changeReference)").message("spec.changeReference is immutable; make a new snapshot object").field_path(".changeReference").reason(Reason::FieldValueInvalid)
)]
pub struct ITCareSnapshotSpec {
    /// The instance to snapshot, an ITCareInstance in the same namespace. Immutable.
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.instanceRef is immutable; make a new snapshot object").reason(Reason::FieldValueInvalid), merge_strategy = MapMerge::Atomic)]
    pub instance_ref: InstanceRef,

    /// Shown in ITCare, at most 80 characters; the operator adds its mark in brackets. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 80))]
    pub description: Option<String>,

    /// Reference to your change management, at most 10 characters. Immutable.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub change_reference: Option<String>,

    /// What becomes of the snapshot when this object is deleted.
    #[serde(default)]
    pub deletion_policy: DeletionPolicy,

    /// A one-time recovery: the VM goes back to this snapshot, and what changed since is lost.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recover: Option<RecoverRequest>,

    /// What to do while another snapshot fills the instance's only slot: Wait, at most slotTimeout, or Fail.
    #[serde(default)]
    pub on_slot_taken: SlotPolicy,

    /// How long to wait for the slot, as 500ms, 30s, 5m or 2h.
    #[serde(default = "default_slot_timeout")]
    #[schemars(length(max = 16), regex(pattern = r"^[0-9]{1,9}(ms|s|m|h)$"))]
    pub slot_timeout: String,

    /// What to do when the instance object does not exist: Wait, or Skip, which ends as Ready without a snapshot.
    #[serde(default)]
    pub on_missing_instance: MissingInstancePolicy,

    /// true = no call at all. Deletion waits, but for deletionPolicy Retain.
    #[serde(default)]
    pub suspend: bool,
}

fn default_slot_timeout() -> String {
    "1h".to_owned()
}

/// A reference to an ITCareInstance in the same namespace.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
pub struct InstanceRef {
    /// The object's name.
    #[schemars(length(min = 1, max = 253))]
    pub name: String,
}

/// What to do while the slot is taken.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[expect(missing_docs, reason = "documented variants would become separate schemas")]
pub enum SlotPolicy {
    #[default]
    Wait,
    Fail,
}

/// What to do without an instance.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
#[expect(missing_docs, reason = "documented variants would become separate schemas")]
pub enum MissingInstancePolicy {
    #[default]
    Wait,
    Skip,
}

/// A one-time recovery.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.notAfter) || self.notAfter > self.requestedAt").message("spec.recover.notAfter must be later than requestedAt").field_path(".notAfter").reason(Reason::FieldValueInvalid)
)]
pub struct RecoverRequest {
    /// When the recovery was asked for. A later value than the last one handled asks anew; an older one, or removing it, does nothing.
    pub requested_at: Timestamp,
    /// After this the recovery is not sent any more. Default: one hour after requestedAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}

/// How long to wait for the slot. The schema admits only well-formed values; anything else is the default.
#[must_use]
pub fn slot_timeout(spec: &ITCareSnapshotSpec) -> std::time::Duration {
    let text = spec.slot_timeout.as_str();
    let hour = std::time::Duration::from_secs(3600);
    let Some(at) = text.find(|letter: char| !letter.is_ascii_digit()) else { return hour };
    let (number, unit) = text.split_at(at);
    let Ok(number) = number.parse::<u64>() else { return hour };
    match unit {
        "ms" => std::time::Duration::from_millis(number),
        "s" => std::time::Duration::from_secs(number),
        "m" => std::time::Duration::from_secs(number.saturating_mul(60)),
        "h" => std::time::Duration::from_secs(number.saturating_mul(3600)),
        _ => hour,
    }
}
