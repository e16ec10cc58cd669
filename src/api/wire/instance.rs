//! Instances: items of the list, the detail, and its parts that are read on their own.

use serde::Deserialize;

use super::scalar::{self, Lenient};
use super::snapshot::SnapshotWire;
use crate::model::remote::{FileSystem, Monitoring, Network, Patching, Storage};
use crate::model::{Detail, HostName, InstanceId, InstanceState, Listed, ServiceId, Size, time};

/// An item of the list: only what is trusted of it.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct ItemWire {
    #[serde(deserialize_with = "scalar::id")]
    id: i64,
    name: String,
    #[serde(default, deserialize_with = "scalar::text")]
    status: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::integer")]
    service_id: Lenient<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    creation_time: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    creation_user: Lenient<String>,
}

impl From<ItemWire> for Listed {
    fn from(wire: ItemWire) -> Self {
        let ItemWire { id, name, status, service_id, creation_time, creation_user } = wire;
        Self {
            id: InstanceId::new(id),
            name: HostName::new(name),
            service: service_id.0.map(ServiceId::new),
            // A state that is not given is a state in transit: it exists, and nothing is done to it.
            state: InstanceState::parse(status.0.as_deref().unwrap_or_default()),
            created_at: creation_time.0.as_deref().and_then(time::parse_lenient),
            created_by: creation_user.0,
        }
    }
}

/// Spring's page. `sort` and `pageable` have two shapes in the documentation and are not read.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct PageWire {
    pub content: Vec<ItemWire>,
    #[serde(default, deserialize_with = "scalar::flag")]
    pub last: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::integer")]
    pub total_elements: Lenient<i64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct Place {
    #[serde(deserialize_with = "scalar::text")]
    id: Lenient<String>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct FileSystemWire {
    #[serde(deserialize_with = "scalar::text")]
    mounting_point: Lenient<String>,
    #[serde(rename = "type", deserialize_with = "scalar::text")]
    kind: Lenient<String>,
    #[serde(deserialize_with = "scalar::integer")]
    size_of: Lenient<i64>,
}

/// `storageInformation`, and the reply of `GET …/storage`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::api) struct StorageWire {
    file_systems: Option<Vec<FileSystemWire>>,
    #[serde(deserialize_with = "scalar::integer")]
    total_size_disks: Lenient<i64>,
}

impl From<StorageWire> for Storage {
    fn from(wire: StorageWire) -> Self {
        let StorageWire { file_systems, total_size_disks } = wire;
        let systems = file_systems.unwrap_or_default().into_iter().filter_map(|system| {
            let FileSystemWire { mounting_point, kind, size_of } = system;
            Some(FileSystem { mount_point: mounting_point.0?, kind: kind.0, size_gb: size_of.0 })
        });
        Self { file_systems: systems.collect(), total_gb: total_size_disks.0 }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
struct DnsWire {
    #[serde(deserialize_with = "scalar::text")]
    alias: Lenient<String>,
}

/// `network`, and the reply of `GET …/networks`.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(in crate::api) struct NetworkWire {
    #[serde(deserialize_with = "scalar::integer")]
    id: Lenient<i64>,
    #[serde(deserialize_with = "scalar::text")]
    cidr: Lenient<String>,
    #[serde(deserialize_with = "scalar::text")]
    gateway: Lenient<String>,
    #[serde(deserialize_with = "scalar::text")]
    ip_address: Lenient<String>,
    dns: Option<Vec<DnsWire>>,
}

impl From<NetworkWire> for Network {
    fn from(wire: NetworkWire) -> Self {
        let NetworkWire { id, cidr, gateway, ip_address, dns } = wire;
        let names = dns.unwrap_or_default().into_iter().filter_map(|name| name.alias.0);
        Self { id: id.0, cidr: cidr.0, gateway: gateway.0, ip_address: ip_address.0, dns: names.collect() }
    }
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct PatchPartyWire {
    #[serde(deserialize_with = "scalar::flag")]
    excluded: Lenient<bool>,
    #[serde(deserialize_with = "scalar::text")]
    exclusion_reason: Lenient<String>,
    #[serde(deserialize_with = "scalar::integer")]
    patch_group: Lenient<i64>,
}

/// The detail.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(in crate::api) struct DetailWire {
    #[serde(deserialize_with = "scalar::id")]
    id: i64,
    name: String,
    #[serde(default, deserialize_with = "scalar::text")]
    status: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::integer")]
    service_id: Lenient<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    service_name: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    environment: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    creation_time: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    creation_user: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::integer")]
    cpu: Lenient<i64>,
    #[serde(default, deserialize_with = "scalar::integer")]
    ram: Lenient<i64>,
    #[serde(default, deserialize_with = "scalar::integer")]
    storage: Lenient<i64>,
    #[serde(default, deserialize_with = "scalar::text")]
    os_name: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::text")]
    ip_address: Lenient<String>,
    #[serde(default, deserialize_with = "scalar::object")]
    network: Option<NetworkWire>,
    #[serde(default, deserialize_with = "scalar::object")]
    region: Option<Place>,
    #[serde(default, deserialize_with = "scalar::object")]
    area: Option<Place>,
    #[serde(default, deserialize_with = "scalar::object")]
    availability_zone: Option<Place>,
    #[serde(default, deserialize_with = "scalar::flag")]
    monitoring_enabled: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::flag")]
    monitoring_alerting: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::flag")]
    monitoring_on_call_enabled: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::object")]
    patch_party: Option<PatchPartyWire>,
    #[serde(default, deserialize_with = "scalar::flag")]
    replication_status: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::flag")]
    backup_status: Lenient<bool>,
    #[serde(default, deserialize_with = "scalar::object")]
    snapshot: Option<SnapshotWire>,
    #[serde(default, deserialize_with = "scalar::object")]
    storage_information: Option<StorageWire>,
}

impl From<DetailWire> for Detail {
    fn from(wire: DetailWire) -> Self {
        let DetailWire {
            id,
            name,
            status,
            service_id,
            service_name,
            environment,
            creation_time,
            creation_user,
            cpu,
            ram,
            storage,
            os_name,
            ip_address,
            network,
            region,
            area,
            availability_zone,
            monitoring_enabled,
            monitoring_alerting,
            monitoring_on_call_enabled,
            patch_party,
            replication_status,
            backup_status,
            snapshot,
            storage_information,
        } = wire;
        let place = |place: Option<Place>| place.and_then(|place| place.id.0);
        let network: Option<Network> =
            network.map(Network::from).filter(|network| *network != Network::default());
        let storage_information =
            storage_information.filter(|information| information.file_systems.is_some()).map(Storage::from);
        let ip_address =
            ip_address.0.or_else(|| network.as_ref().and_then(|network| network.ip_address.clone()));
        Self {
            id: InstanceId::new(id),
            name: HostName::new(name),
            service: service_id.0.map(ServiceId::new),
            state: InstanceState::parse(status.0.as_deref().unwrap_or_default()),
            size: cpu.0.zip(ram.0).and_then(|(cpu, ram)| {
                let part = |value| u32::try_from(value).ok().filter(|value| *value > 0);
                Some(Size { cpu: part(cpu)?, memory_gb: part(ram)? })
            }),
            storage_gb: storage
                .0
                .or_else(|| storage_information.as_ref().and_then(|information| information.total_gb)),
            file_systems: storage_information.map(|information| information.file_systems),
            ip_address,
            network,
            region: place(region),
            area: place(area),
            availability_zone: place(availability_zone),
            os: os_name.0,
            environment: environment.0,
            service_name: service_name.0,
            monitoring: Monitoring {
                enabled: monitoring_enabled.0,
                alerting: monitoring_alerting.0,
                on_call: monitoring_on_call_enabled.0,
            },
            patching: patch_party.map(|party| Patching {
                excluded: party.excluded.0,
                exclusion_reason: party.exclusion_reason.0,
                group: party.patch_group.0,
            }),
            replication: replication_status.0,
            backup: backup_status.0,
            // An embedded snapshot without an id is not worth losing the detail for: the slot itself can be read.
            slot: snapshot.and_then(|snapshot| snapshot.slot().ok().flatten()),
            creation_time: creation_time.0,
            creation_user: creation_user.0,
        }
    }
}
