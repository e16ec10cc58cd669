//! What the cloud contains: instances, snapshots, actions, and the report over them.
//!
//! These are the simulator's own records, for tests to look at and to edit. How they look on the wire
//! is `render`'s; what changes them is `world`'s.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::operation::Operation;

/// One instance, alive or removed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct InstanceRecord {
    /// Id in every path.
    pub id: i64,
    /// Shown as `internalResourceId`; never a valid id in a path.
    pub internal_id: i64,
    /// Host name, as given.
    pub name: String,
    /// Service.
    pub service_id: i64,
    /// Raw state, such as `ACTIVE`, `INACTIVE`, `REMOVED`.
    pub status: String,
    /// False once removed. Setting it to false in an edit removes the instance.
    pub live: bool,
    /// Platform id.
    pub platform: String,
    /// Virtual processors.
    pub cpu: u32,
    /// Memory in GB.
    pub ram: u32,
    /// Size of all disks in GB.
    pub storage_gb: u32,
    /// Region id.
    pub region: String,
    /// Area id.
    pub area: String,
    /// Availability zone id.
    pub availability_zone: String,
    /// Network id.
    pub network_id: i64,
    /// Address.
    pub ip_address: String,
    /// Authentication domain, if given.
    pub authentication_domain: Option<String>,
    /// Product code, if given.
    pub product_code: Option<String>,
    /// When it was created.
    pub created_at: Timestamp,
    /// Who created it.
    pub created_by: String,
    /// The action that created it; none for a seeded one.
    pub created_by_action: Option<i64>,
    /// When it was removed.
    pub removed_at: Option<Timestamp>,
    /// Monitoring.
    pub monitoring: bool,
    /// Alerting.
    pub alerting: bool,
    /// On-call supervision.
    pub on_call: bool,
    /// Backup.
    pub backup: bool,
    /// Storage replication.
    pub replication: bool,
    /// Why it is not replicated.
    pub no_replication_reason: Option<String>,
    /// Kept out of patch parties.
    pub patch_excluded: bool,
    /// Why.
    pub patch_exclusion_reason: Option<String>,
    /// By whom.
    pub patch_excluded_by: Option<String>,
    /// Patch group, 1 to 3.
    pub patch_group: Option<u8>,
    /// Its snapshots: at most one while the quirk `single_slot` is on.
    pub snapshots: Vec<SnapshotRecord>,
    /// How many resets took effect: what must never happen twice can be counted.
    pub resets: u32,
    /// How many recoveries took effect.
    pub recoveries: u32,
    /// How many starts and stops took effect.
    pub power_changes: u32,
    /// The body of the create, for what cannot be read back.
    pub requested: serde_json::Value,
}

/// One snapshot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SnapshotRecord {
    /// Opaque id, such as `5220149-snap-1`.
    pub id: String,
    /// Description, if given.
    pub description: Option<String>,
    /// Change reference, if given.
    pub change_reference: Option<String>,
    /// When the action that took it ended.
    pub created_at: Timestamp,
    /// Who took it.
    pub created_by: String,
    /// When the cloud drops it.
    pub expires_at: Timestamp,
    /// When it was last recovered.
    pub recovered_at: Option<Timestamp>,
    /// Size in GB.
    pub size_gb: u32,
}

/// One action.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// Id to poll.
    pub id: i64,
    /// Process name, such as `vm_create`.
    pub process: String,
    /// Where it stands.
    pub state: ActionState,
    /// The instance it is about; for a create, the one that it will make.
    pub instance: i64,
    /// Name of that instance.
    pub resource_name: String,
    /// Its service.
    pub service_id: i64,
    /// Its family, such as `DEBIAN`.
    pub family: String,
    /// When it was accepted.
    pub submitted_at: Timestamp,
    /// By whom.
    pub submitted_by: String,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
    /// False for an action that nobody can read.
    pub visible: bool,
    /// True for an action that only `Sim::complete` ends.
    pub endless: bool,
}

impl ActionRecord {
    /// The action as it was read then; none if it had not begun.
    pub(crate) fn as_of(&self, then: Timestamp) -> Option<ActionRecord> {
        if self.submitted_at > then {
            return None;
        }
        let mut past = self.clone();
        if past.completed_at.is_some_and(|end| end > then) {
            past.completed_at = None;
            past.state = ActionState::Running;
        }
        Some(past)
    }
}

/// Where an action stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ActionState {
    /// `IN_PROGRESS`
    Running,
    /// `SUCCESS`
    Succeeded,
    /// `ERROR`, with its message
    Failed(String),
}

impl ActionState {
    /// The word on the wire.
    pub fn word(&self) -> &'static str {
        match self {
            ActionState::Running => "IN_PROGRESS",
            ActionState::Succeeded => "SUCCESS",
            ActionState::Failed(_) => "ERROR",
        }
    }
}

/// How a test ends an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// With its effect.
    Success,
    /// Without, and with this message.
    Error(String),
}

/// An instance that already exists.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct SeedInstance {
    /// Id; the next free one if absent.
    pub id: Option<i64>,
    /// Host name.
    pub name: String,
    /// Service.
    pub service_id: i64,
    /// Raw state.
    pub status: String,
    /// Platform id.
    pub platform: String,
    /// Virtual processors.
    pub cpu: u32,
    /// Memory in GB.
    pub ram: u32,
    /// Region id; area and zone are its defaults.
    pub region: String,
    /// Who created it.
    pub created_by: String,
    /// When; the present if absent.
    pub created_at: Option<Timestamp>,
    /// Monitoring.
    pub monitoring: bool,
    /// Alerting.
    pub alerting: bool,
    /// Backup.
    pub backup: bool,
    /// Replication.
    pub replication: bool,
    /// Kept out of patch parties.
    pub patch_excluded: bool,
    /// Patch group.
    pub patch_group: Option<u8>,
}

impl Default for SeedInstance {
    fn default() -> Self {
        SeedInstance {
            id: None,
            name: "PSEED01".to_owned(),
            service_id: 14,
            status: "ACTIVE".to_owned(),
            platform: "deb12".to_owned(),
            cpu: 2,
            ram: 4,
            region: "EB".to_owned(),
            created_by: "somebody".to_owned(),
            created_at: None,
            monitoring: false,
            alerting: false,
            backup: false,
            replication: false,
            patch_excluded: false,
            patch_group: None,
        }
    }
}

impl SeedInstance {
    /// A running Debian 12 with two processors and four GB.
    pub fn new(name: &str, service_id: i64) -> SeedInstance {
        SeedInstance { name: name.to_owned(), service_id, ..SeedInstance::default() }
    }

    /// The same, stopped.
    #[must_use]
    pub fn stopped(self) -> SeedInstance {
        SeedInstance { status: "INACTIVE".to_owned(), ..self }
    }
}

/// What was called and what is left: the figures to assert on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Requests in the journal, by operation.
    pub calls: BTreeMap<Operation, u64>,
    /// Of these, requests that started an action, by operation.
    pub effects: BTreeMap<Operation, u64>,
    /// Of these, requests whose connection broke or that were never answered.
    pub unanswered: u64,
    /// Instances that creates have made since the simulator began.
    pub created: u64,
    /// Connections that were opened to the simulator's socket since it began.
    pub connections: u64,
    /// Live instances that share service and name, without regard to case.
    pub duplicates: Vec<Duplicate>,
    /// Live instances.
    pub leftovers: Vec<Leftover>,
}

/// Live instances that share service and name.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Duplicate {
    /// Service.
    pub service_id: i64,
    /// Name in upper case.
    pub name: String,
    /// Their ids.
    pub ids: Vec<i64>,
}

/// A live instance.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Leftover {
    /// Id.
    pub id: i64,
    /// Service.
    pub service_id: i64,
    /// Name.
    pub name: String,
}
