//! `ITCareInstance.spec`: a virtual machine as a user asks for it.

use jiff::Timestamp;
use kube::{CustomResource, KubeSchema};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::status::InstanceStatus;
use crate::model::PowerState;

/// A virtual machine in cegedim.cloud's ITCare.
#[derive(CustomResource, KubeSchema, Serialize, Deserialize, Clone, Debug, PartialEq)]
#[kube(
    group = "itcare.cegedim.cloud",
    version = "v1alpha1",
    kind = "ITCareInstance",
    plural = "itcareinstances",
    singular = "itcareinstance",
    shortname = "itcvm",
    category = "itcare",
    namespaced,
    doc = "ITCareInstance is a virtual machine in cegedim.cloud's ITCare.",
    status = "InstanceStatus",
    derive = "PartialEq",
    selectable = ".spec.name",
    selectable = ".spec.serviceId",
    printcolumn(name = "Ready", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].status"#),
    printcolumn(name = "Reason", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].reason"#),
    printcolumn(name = "Power", type_ = "string", json_path = ".status.powerState"),
    printcolumn(name = "Size", type_ = "string", json_path = ".status.size"),
    printcolumn(name = "IP", type_ = "string", json_path = ".status.ipAddress"),
    printcolumn(name = "Age", type_ = "date", json_path = ".metadata.creationTimestamp"),
    printcolumn(name = "ID", type_ = "integer", json_path = ".status.id", priority = 1),
    printcolumn(name = "Name", type_ = "string", json_path = ".spec.name", priority = 1),
    printcolumn(name = "Region", type_ = "string", json_path = ".status.location.region", priority = 1),
    printcolumn(name = "Message", type_ = "string", json_path = r#".status.conditions[?(@.type=="Ready")].message"#, priority = 1),
    validation = Rule::new("!has(self.spec.instanceId) || !(has(oldSelf.status) && has(oldSelf.status.id)) || oldSelf.spec.managementPolicy == 'Observe' || self.spec.instanceId == oldSelf.status.id || (has(oldSelf.spec.instanceId) && self.spec.instanceId == oldSelf.spec.instanceId)").message("spec.instanceId of a managed instance may only be set to its own id, status.id").field_path(".spec.instanceId").reason(Reason::FieldValueForbidden),
)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("has(self.instanceId) || has(self.region)").message("spec.region is required unless spec.instanceId is set").field_path(".region").reason(Reason::FieldValueRequired),
    validation = Rule::new("has(self.instanceId) || has(self.platform)").message("spec.platform is required unless spec.instanceId is set").field_path(".platform").reason(Reason::FieldValueRequired),
    validation = Rule::new("has(self.instanceId) || has(self.size)").message("spec.size is required unless spec.instanceId is set").field_path(".size").reason(Reason::FieldValueRequired)
)]
pub struct ITCareInstanceSpec {
    /// Host name in ITCare. Unique there; upper and lower case are the same. Immutable: for another name make another object.
    #[schemars(length(min = 1, max = 63), regex(pattern = r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$"))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.name is immutable; make a new object for another host name").reason(Reason::FieldValueInvalid))]
    pub name: String,

    /// ITCare service that the VM belongs to. It also decides whether the VM counts as production. Immutable.
    #[schemars(range(min = 1))]
    #[x_kube(validation = Rule::new("self == oldSelf").message("spec.serviceId is immutable; make a new object for another service").reason(Reason::FieldValueInvalid))]
    pub service_id: i64,

    /// Region id, for example EB. Required unless instanceId is set. Locked once the VM exists or is being created.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub region: Option<String>,

    /// Platform (image) id, for example deb12. Required unless instanceId is set. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub platform: Option<String>,

    /// Area of the region. Default: the region's default area. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub area: Option<String>,

    /// Availability zone id, for example EB-A. Default: the area's default zone. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub availability_zone: Option<String>,

    /// Regulation of the area: HDS (French health data hosting) or STANDARD. Default: STANDARD. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub regulation: Option<Regulation>,

    /// Network id. Default: a default network of the availability zone. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub network_id: Option<i64>,

    /// Cloud (tenant) id. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub cloud_id: Option<i64>,

    /// Authentication domain id, for example CGDM-EMEA. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub authentication_domain_id: Option<String>,

    /// Product code for managed products, for example rmq11; not needed for plain VMs. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub product_code: Option<String>,

    /// Storage pool. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub storage_pool: Option<String>,

    /// Manual work for an administrator; may delay delivery by up to 24 hours. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 1024))]
    pub specific_request: Option<String>,

    /// Disks, by the ids that the platform defines. Default: the disks of the image. Locked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 32))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["id".into()]))]
    pub volumes: Vec<Volume>,

    /// Properties that the platform defines. Locked.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(length(max = 64))]
    #[x_kube(merge_strategy = ListMerge::Map(vec!["key".into()]))]
    pub properties: Vec<Property>,

    /// CPUs and memory as NcpuMgb, for example 2cpu4gb. Required unless instanceId is set; absent = the size is left alone. A change is a resize, see resizePolicy.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 16), regex(pattern = r"^[1-9][0-9]{0,3}cpu[1-9][0-9]{0,4}gb$"))]
    pub size: Option<String>,

    /// InPlace never stops the VM: where ITCare refuses that, the resize waits for you. StopStart lets the operator stop the VM, resize it and start it again: an interruption.
    #[serde(default)]
    pub resize_policy: ResizePolicy,

    /// Running or Stopped. Absent = power is left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub power_state: Option<PowerState>,

    /// Monitoring. Absent = left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub monitoring: Option<MonitoringSpec>,

    /// Patch parties. Absent = left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub patching: Option<PatchingSpec>,

    /// Storage replication. Absent = left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replication: Option<ReplicationSpec>,

    /// Backup. Absent = left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backup: Option<BackupSpec>,

    /// Reference to your change management, at most 10 characters; sent with every call that takes one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 10))]
    pub change_reference: Option<String>,

    /// A one-time hard reset (power off, power on; data loss is possible). Acted upon once for each new requestedAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reset: Option<ResetRequest>,

    /// Adopt exactly this VM instead of creating one. Its name and service must be those of this spec.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub instance_id: Option<i64>,

    /// What to do when a VM of that name already exists in that service: Never takes it over and says so, ByName adopts it.
    #[serde(default)]
    pub adoption_policy: AdoptionPolicy,

    /// Manage, or Observe: status only, never a call that changes anything.
    #[serde(default)]
    pub management_policy: ManagementPolicy,

    /// What to do when the VM differs from this spec though the spec did not change: Correct or Report.
    #[serde(default)]
    pub drift_policy: DriftPolicy,

    /// What becomes of the VM when this object is deleted: Delete or Retain. Absent = Delete if the operator created it, Retain if it adopted it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub deletion_policy: Option<DeletionPolicy>,

    /// true = no call at all. Deletion waits, but for deletionPolicy Retain.
    #[serde(default)]
    pub suspend: bool,
}

/// Regulation of an area.
#[derive(Serialize, Deserialize, Clone, Copy, Debug, PartialEq, Eq, JsonSchema)]
pub enum Regulation {
    #[expect(missing_docs, reason = "documented variants would become separate schemas")]
    HDS,
    #[expect(missing_docs, reason = "documented variants would become separate schemas")]
    STANDARD,
}

impl Regulation {
    /// The API's word.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HDS => "HDS",
            Self::STANDARD => "STANDARD",
        }
    }
}

macro_rules! policy {
    ($(#[$doc:meta])* $name:ident { $default:ident, $($variant:ident),+ }) => {
        $(#[$doc])*
        #[derive(Serialize, Deserialize, Clone, Copy, Debug, Default, PartialEq, Eq, JsonSchema)]
        #[expect(missing_docs, reason = "documented variants would become separate schemas")]
        pub enum $name {
            #[default]
            $default,
            $($variant),+
        }
    };
}

policy!(
    /// Whether the operator may stop the VM to resize it.
    ResizePolicy { InPlace, StopStart }
);
policy!(
    /// Whether a VM of that name is taken over.
    AdoptionPolicy { Never, ByName }
);
policy!(
    /// Whether the VM is managed at all.
    ManagementPolicy { Manage, Observe }
);
policy!(
    /// What happens when the cloud moved.
    DriftPolicy { Correct, Report }
);
policy!(
    /// What becomes of the VM or snapshot at deletion.
    DeletionPolicy { Delete, Retain }
);

/// One disk.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct Volume {
    /// The disk's id in the platform, for example data.
    #[schemars(length(min = 1, max = 63))]
    pub id: String,
    /// Size in GB.
    #[schemars(range(min = 1, max = 65536))]
    pub size_gb: i64,
    /// Position among the disks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0, max = 255))]
    pub order: Option<i64>,
    /// true = snapshots do not cover this disk.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exclude_from_snapshots: Option<bool>,
}

/// One property of the platform.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
pub struct Property {
    /// Its key.
    #[schemars(length(min = 1, max = 128))]
    pub key: String,
    /// Its value.
    #[schemars(length(max = 1024))]
    pub value: String,
}

/// Monitoring of the VM.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct MonitoringSpec {
    /// Whether the VM is monitored.
    pub enabled: bool,
    /// Whether alerts become incidents. Absent = left alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub alerting: Option<bool>,
    /// Whether on-call teams are called outside business hours; for creation only. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_call: Option<bool>,
    /// Why a production VM is not monitored; for creation only. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub disabled_reason: Option<String>,
}

/// Patch parties of the VM.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!self.excluded || has(self.exclusionReason)").message("spec.patching.exclusionReason is required when excluded is true").field_path(".exclusionReason").reason(Reason::FieldValueRequired)
)]
pub struct PatchingSpec {
    /// true = the VM is left out of patch parties.
    pub excluded: bool,
    /// Why it is excluded. Required when excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub exclusion_reason: Option<String>,
    /// 1, 2 or 3: when in the sequence the VM is patched. Absent = no preference. Without effect while excluded.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1, max = 3))]
    pub group: Option<i64>,
}

/// Storage replication of the VM.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct ReplicationSpec {
    /// Whether the storage is replicated.
    pub enabled: bool,
    /// Why it is not. ITCare requires it in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub disabled_reason: Option<String>,
}

/// Backup of the VM.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
pub struct BackupSpec {
    /// Whether the VM is backed up.
    pub enabled: bool,
    /// Why it is not. ITCare requires it in production.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 255))]
    pub disabled_reason: Option<String>,
    /// Whether the backup is kept in another region too; for creation only. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub off_site: Option<bool>,
    /// Backup policy of the machine; for creation only. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub server_policy_id: Option<String>,
    /// Backup policy of the database; for creation only. Locked.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(min = 1, max = 63))]
    pub database_policy_id: Option<String>,
}

/// A one-time hard reset.
#[derive(Serialize, Deserialize, Clone, Debug, PartialEq, KubeSchema)]
#[serde(rename_all = "camelCase")]
#[x_kube(
    validation = Rule::new("!has(self.notAfter) || self.notAfter > self.requestedAt").message("spec.reset.notAfter must be later than requestedAt").field_path(".notAfter").reason(Reason::FieldValueInvalid)
)]
pub struct ResetRequest {
    /// When the reset was asked for. A later value than the last one handled asks for a new reset; an older one, or removing it, does nothing.
    pub requested_at: Timestamp,
    /// Shown in ITCare's monitoring.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 255))]
    pub comment: Option<String>,
    /// After this the reset is not sent any more. Default: one hour after requestedAt.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_after: Option<Timestamp>,
}
