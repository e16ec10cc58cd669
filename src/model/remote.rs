//! What ITCare reports, in our words: every field optional that its page does not promise.

use std::fmt;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::{ActionId, HostName, InstanceId, ServiceId, Size, SnapshotId};

/// Whether a VM runs. Other states of the API are neither.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[expect(
    missing_docs,
    reason = "documented variants would become separate schemas, and hide the field's text"
)]
pub enum PowerState {
    // `ACTIVE` in the API.
    Running,
    // `INACTIVE` in the API.
    Stopped,
}

impl fmt::Display for PowerState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Running => "Running",
            Self::Stopped => "Stopped",
        })
    }
}

/// The API's `status` of an instance. Only three words are known; any other is a state in transit.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum InstanceState {
    /// Runs.
    Active,
    /// Is stopped.
    Inactive,
    /// Is gone, though still shown.
    Removed,
    /// A word that is not documented: never acted upon.
    Other(String),
}

impl InstanceState {
    /// From the API's word, without regard to case.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "ACTIVE" => Self::Active,
            "INACTIVE" => Self::Inactive,
            "REMOVED" => Self::Removed,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// The API's word.
    #[must_use]
    pub fn as_str(&self) -> &str {
        match self {
            Self::Active => "ACTIVE",
            Self::Inactive => "INACTIVE",
            Self::Removed => "REMOVED",
            Self::Other(word) => word,
        }
    }

    /// Running or stopped, if it is one of the two.
    #[must_use]
    pub fn power(&self) -> Option<PowerState> {
        match self {
            Self::Active => Some(PowerState::Running),
            Self::Inactive => Some(PowerState::Stopped),
            Self::Removed | Self::Other(_) => None,
        }
    }
}

/// An item of the list: poorer than the detail, and only these fields of it are trusted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listed {
    /// Its id.
    pub id: InstanceId,
    /// Its host name.
    pub name: HostName,
    /// Its service; a list item without one is attributed to no service.
    pub service: Option<ServiceId>,
    /// Its state.
    pub state: InstanceState,
    /// When it was made, where the API says so in a form that can be read.
    pub created_at: Option<Timestamp>,
    /// Who made it, where given.
    pub created_by: Option<String>,
}

impl Listed {
    /// Whether it exists: `REMOVED` leftovers do not.
    #[must_use]
    pub fn is_live(&self) -> bool {
        self.state != InstanceState::Removed
    }
}

/// One mounted file system.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct FileSystem {
    /// Where it is mounted.
    pub mount_point: String,
    /// Its type, such as `ext4`.
    pub kind: Option<String>,
    /// Its size in GB, rounded.
    pub size_gb: Option<i64>,
}

/// The disks of an instance, where they are read on their own.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Storage {
    /// Its file systems.
    pub file_systems: Vec<FileSystem>,
    /// Its disks in GB, rounded.
    pub total_gb: Option<i64>,
}

/// The network of an instance.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Network {
    /// Its id.
    pub id: Option<i64>,
    /// Its address range.
    pub cidr: Option<String>,
    /// Its gateway.
    pub gateway: Option<String>,
    /// The instance's address in it.
    pub ip_address: Option<String>,
    /// The DNS names of the instance in it.
    pub dns: Vec<String>,
}

/// The snapshot that fills an instance's only slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Slot {
    /// Its id.
    pub id: SnapshotId,
    /// Its description; ours ends with the attempt in brackets.
    pub description: Option<String>,
    /// When it was taken.
    pub created_at: Option<Timestamp>,
    /// Who took it.
    pub created_by: Option<String>,
    /// When ITCare will drop it.
    pub expires_at: Option<Timestamp>,
    /// When it was last recovered.
    pub recovered_at: Option<Timestamp>,
    /// Its size; the API gives no unit, GB is likely.
    pub size_gb: Option<i64>,
}

impl Slot {
    /// The attempt in brackets at the end of the description, if there is one.
    #[must_use]
    pub fn attempt(&self) -> Option<super::AttemptId> {
        let text = self.description.as_deref()?.trim_end();
        let (_, mark) = text.strip_suffix(']')?.rsplit_once('[')?;
        super::AttemptId::try_from(mark.to_owned()).ok()
    }
}

/// Monitoring as reported.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Monitoring {
    /// Whether it is monitored.
    pub enabled: Option<bool>,
    /// Whether alerts become incidents.
    pub alerting: Option<bool>,
    /// Whether on-call teams are called.
    pub on_call: Option<bool>,
}

/// Patching as reported.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Patching {
    /// Whether it is left out of patch parties.
    pub excluded: Option<bool>,
    /// Why.
    pub exclusion_reason: Option<String>,
    /// 1, 2 or 3.
    pub group: Option<i64>,
}

/// The detail of an instance.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Detail {
    /// Its id.
    pub id: InstanceId,
    /// Its host name.
    pub name: HostName,
    /// Its service.
    pub service: Option<ServiceId>,
    /// Its state.
    pub state: InstanceState,
    /// Its size, when both halves are given.
    pub size: Option<Size>,
    /// Its disks in GB, rounded.
    pub storage_gb: Option<i64>,
    /// Its file systems; `None` when the detail leaves them out.
    pub file_systems: Option<Vec<FileSystem>>,
    /// Its address.
    pub ip_address: Option<String>,
    /// Its network; `None` when the detail leaves it out.
    pub network: Option<Network>,
    /// Region, area and availability zone ids.
    pub region: Option<String>,
    /// Area id.
    pub area: Option<String>,
    /// Availability zone id.
    pub availability_zone: Option<String>,
    /// Operating system, in words.
    pub os: Option<String>,
    /// Environment, such as `PRODUCTION`.
    pub environment: Option<String>,
    /// The service's name.
    pub service_name: Option<String>,
    /// Monitoring.
    pub monitoring: Monitoring,
    /// Patching; `None` when the API gives none.
    pub patching: Option<Patching>,
    /// Whether its storage is replicated.
    pub replication: Option<bool>,
    /// Whether it is backed up.
    pub backup: Option<bool>,
    /// The embedded snapshot, if any is shown.
    pub slot: Option<Slot>,
    /// When it was made, as the API wrote it.
    pub creation_time: Option<String>,
    /// Who made it.
    pub creation_user: Option<String>,
}

impl Detail {
    /// The part that a list item would show.
    #[must_use]
    pub fn listed(&self) -> Listed {
        Listed {
            id: self.id,
            name: self.name.clone(),
            service: self.service,
            state: self.state.clone(),
            created_at: self.creation_time.as_deref().and_then(super::time::parse_lenient),
            created_by: self.creation_user.clone(),
        }
    }
}

/// The status of an action. The page documents three words; an unknown one counts as running.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum ActionStatus {
    /// Still running.
    InProgress,
    /// Ended well.
    Success,
    /// Ended badly.
    Error,
    /// A word that is not documented.
    Other(String),
}

impl ActionStatus {
    /// From the API's word.
    #[must_use]
    pub fn parse(word: &str) -> Self {
        match word.to_ascii_uppercase().as_str() {
            "IN_PROGRESS" => Self::InProgress,
            "SUCCESS" => Self::Success,
            "ERROR" => Self::Error,
            _ => Self::Other(word.to_owned()),
        }
    }

    /// Whether it must be treated as running.
    #[must_use]
    pub fn is_running(&self) -> bool {
        match self {
            Self::InProgress | Self::Other(_) => true,
            Self::Success | Self::Error => false,
        }
    }
}

/// An asynchronous action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Its id.
    pub id: ActionId,
    /// Where it stands.
    pub status: ActionStatus,
    /// The workflow's name, such as `vm_create_snapshot`.
    pub process: Option<String>,
    /// The name of the instance it works on.
    pub resource_name: Option<String>,
    /// Words, most useful when it failed.
    pub message: Option<String>,
    /// When it was submitted, by the API's clock.
    pub submitted_at: Option<Timestamp>,
    /// The account that submitted it.
    pub submitted_by: Option<String>,
    /// When it ended.
    pub completed_at: Option<Timestamp>,
}
