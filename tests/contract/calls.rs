//! Every method of the client, so that a test can go through all of them.

use itcare_operator::api::{
    Accepted, ActionFilter, ApiError, Client, CreateInstance, InstanceFilter, PatchParty, Priority,
};
use itcare_operator::model::{ActionId, InstanceId, Size, SnapshotId};

use crate::fake::Always;

/// The instance of the payloads.
pub const VM: InstanceId = InstanceId::new(5_220_149);

/// The snapshot of the payloads.
pub fn snapshot_id() -> SnapshotId {
    SnapshotId::new("5220149-snap-42")
}

/// The page's smallest creation.
pub fn smallest_creation() -> CreateInstance {
    CreateInstance {
        name: "PINSTANCE01".to_owned(),
        service_id: 13,
        region: "EB4".to_owned(),
        platform: "deb8".to_owned(),
        resource_id: "1cpu2gb".to_owned(),
        ..CreateInstance::default()
    }
}

/// The reads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Read {
    List,
    Detail,
    Storage,
    Network,
    Snapshot,
    Action,
    Actions,
}

impl Read {
    pub const ALL: [Self; 7] =
        [Self::List, Self::Detail, Self::Storage, Self::Network, Self::Snapshot, Self::Action, Self::Actions];

    pub async fn call(self, client: &Client) -> Result<(), ApiError> {
        let priority = Priority::User;
        match self {
            Self::List => client.list_page(&InstanceFilter::default(), 0, priority).await.map(drop),
            Self::Detail => client.detail(VM, client.permit(priority).await).await.map(drop),
            Self::Storage => client.storage(VM, client.permit(priority).await).await.map(drop),
            Self::Network => client.network(VM, client.permit(priority).await).await.map(drop),
            Self::Snapshot => client.snapshot(VM, client.permit(priority).await).await.map(drop),
            Self::Action => client.action(ActionId::new(1333), client.permit(priority).await).await.map(drop),
            Self::Actions => {
                client.actions(&ActionFilter::default(), client.permit(priority).await).await.map(drop)
            }
        }
    }

    /// A payload that it understands.
    pub fn payload(self) -> &'static str {
        match self {
            Self::List => "reply-list.json",
            Self::Detail => "reply-detail.json",
            Self::Storage => "reply-storage.json",
            Self::Network => "reply-network.json",
            Self::Snapshot => "reply-snapshot.json",
            Self::Action => "reply-action-read.json",
            Self::Actions => "reply-actions.json",
        }
    }
}

/// The changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    Create,
    Delete,
    Start,
    Stop,
    Reset,
    Resize,
    Monitoring,
    Patching,
    Replication,
    Backup,
    TakeSnapshot,
    RecoverSnapshot,
    RemoveSnapshot,
}

impl Change {
    pub const ALL: [Self; 13] = [
        Self::Create,
        Self::Delete,
        Self::Start,
        Self::Stop,
        Self::Reset,
        Self::Resize,
        Self::Monitoring,
        Self::Patching,
        Self::Replication,
        Self::Backup,
        Self::TakeSnapshot,
        Self::RecoverSnapshot,
        Self::RemoveSnapshot,
    ];

    pub async fn call(self, client: &Client) -> Result<Accepted, ApiError> {
        let permit = client.permit(Priority::User).await;
        let guard = &Always;
        match self {
            Self::Create => client.create(&smallest_creation(), permit, guard).await,
            Self::Delete => client.delete(VM, None, permit, guard).await,
            Self::Start => client.start(VM, None, permit, guard).await,
            Self::Stop => client.stop(VM, None, permit, guard).await,
            Self::Reset => client.reset(VM, None, permit, guard).await,
            Self::Resize => client.resize(VM, Size { cpu: 2, memory_gb: 4 }, None, permit, guard).await,
            Self::Monitoring => client.update_monitoring(VM, true, None, permit, guard).await,
            Self::Patching => {
                let party = PatchParty::Included { group: None };
                client.update_patch_party(VM, &party, permit, guard).await
            }
            Self::Replication => client.update_storage_replication(VM, true, None, permit, guard).await,
            Self::Backup => client.update_backup(VM, true, None, permit, guard).await,
            Self::TakeSnapshot => client.take_snapshot(VM, None, None, permit, guard).await,
            Self::RecoverSnapshot => client.recover_snapshot(VM, permit, guard).await,
            Self::RemoveSnapshot => client.remove_snapshot(VM, &snapshot_id(), permit, guard).await,
        }
    }
}
