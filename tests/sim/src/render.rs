//! How records look on the wire.
//!
//! Only fields of the documented payloads, with their documented types, unless a quirk says otherwise.
//! What the simulator knows nothing about is left out rather than made up.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::catalogue::{Area, Region};
use crate::clock::written;
use crate::operation::Operation;
use crate::quirks::Numbers;
use crate::record::{ActionRecord, ActionState, InstanceRecord, SnapshotRecord};
use crate::world::World;

/// The fields that real lists were seen to have.
const ITEM_FIELDS: [&str; 19] = [
    "category",
    "cloudId",
    "cloudName",
    "comment",
    "creationTime",
    "creationUser",
    "environment",
    "family",
    "id",
    "internalResourceId",
    "name",
    "path",
    "productName",
    "resourceType",
    "serviceId",
    "serviceName",
    "status",
    "supportPhase",
    "type",
];

/// Amounts: the fields that the quirk about numbers bends.
const AMOUNTS: [&str; 9] = [
    "cpu",
    "ram",
    "storage",
    "snapshotSize",
    "sizeOf",
    "free",
    "totalSizeDisks",
    "totalSizeFileSystems",
    "usedPercent",
];

/// The number of the workflow behind an action, shown as `internalId`.
pub(crate) fn workflow_id(action: &ActionRecord) -> i64 {
    action.id + 900_000
}

/// The name of the network that an instance is in.
pub(crate) fn network_name(instance: &InstanceRecord) -> String {
    format!("{}_{}_DMZ8", instance.region, instance.network_id)
}

impl World {
    pub(crate) fn family(&self, instance: &InstanceRecord) -> String {
        let platform = self.config.catalogue.platform(&instance.platform);
        platform.map(|platform| platform.family.clone()).unwrap_or_default()
    }

    /// The words for instances on which an action runs, while the quirk is on.
    pub(crate) fn transitional(&self) -> BTreeMap<i64, &'static str> {
        if !self.config.quirks.transitional_states {
            return BTreeMap::new();
        }
        let running = self.jobs.keys().filter_map(|id| self.actions.get(id));
        running
            .filter_map(|action| transitional(&action.process).map(|word| (action.instance, word)))
            .collect()
    }

    /// The state that an instance shows.
    pub(crate) fn state<'a>(
        &self,
        states: &BTreeMap<i64, &'static str>,
        instance: &'a InstanceRecord,
    ) -> &'a str {
        states.get(&instance.id).copied().filter(|_| instance.live).unwrap_or(&instance.status)
    }

    /// One item of the list.
    pub(crate) fn render_item(&self, instance: &InstanceRecord, state: &str) -> Value {
        let quirks = &self.config.quirks;
        if !quirks.poor_list_items {
            let mut item = self.render_detail(instance);
            item["status"] = state.into();
            return item;
        }
        let mut item = self.render_common(instance, state);
        item.retain(|field, _| ITEM_FIELDS.contains(&field.as_str()));
        if quirks.extra_fields {
            item.insert("supportLevel".to_owned(), "STANDARD".into());
        }
        Value::Object(item)
    }

    /// The detail.
    pub(crate) fn render_detail(&self, instance: &InstanceRecord) -> Value {
        let states = self.transitional();
        let mut detail = self.render_common(instance, self.state(&states, instance));
        let mut add = |more: Value| {
            if let Value::Object(more) = more {
                detail.extend(more);
            }
        };
        add(self.render_place(instance));
        add(self.render_care(instance));
        add(json!({ "cpu": instance.cpu, "ram": instance.ram }));
        let quirks = &self.config.quirks;
        if !quirks.omit_storage {
            add(json!({
                "storage": instance.storage_gb,
                "storageInformation": self.storage_information(instance),
            }));
        }
        if !quirks.omit_network {
            add(json!({
                "ipAddress": instance.ip_address,
                "network": self.render_network(instance),
            }));
        }
        if let Some(snapshot) = instance.snapshots.last() {
            add(json!({ "snapshot": self.render_snapshot(snapshot) }));
        }
        if quirks.extra_fields {
            add(json!({
                "supportLevel": "STANDARD",
                "totalSizeDisks": instance.storage_gb,
                "futureField": { "nested": [1, "two", null] },
            }));
        }
        self.amounts(Value::Object(detail))
    }

    fn render_common(&self, instance: &InstanceRecord, state: &str) -> Map<String, Value> {
        let catalogue = &self.config.catalogue;
        let mut common = Map::new();
        let mut add = |field: &str, value: Value| {
            if !value.is_null() {
                common.insert(field.to_owned(), value);
            }
        };
        add("id", instance.id.into());
        add("internalResourceId", instance.internal_id.into());
        add("name", instance.name.clone().into());
        add("label", instance.name.clone().into());
        add("prettyLabel", instance.name.clone().into());
        add("status", state.into());
        add("category", "INSTANCE".into());
        add("resourceType", "INSTANCE".into());
        add("internalType", "VIRTUAL_MACHINE".into());
        add("path", format!("/compute/instances/{}", instance.id).into());
        add("creationTime", written(instance.created_at, self.config.quirks.dates).into());
        add("creationUser", instance.created_by.clone().into());
        add("supportPhase", "STANDARD".into());
        add("serviceId", instance.service_id.into());
        if let Some(service) = catalogue.service(instance.service_id) {
            add("serviceName", service.name.clone().into());
            add("environment", service.environment.clone().into());
            add("cloudId", service.cloud_id.into());
            add("cloudName", service.cloud_name.clone().into());
        }
        add("imageCode", instance.platform.clone().into());
        add("productCode", instance.product_code.clone().into());
        if let Some(platform) = catalogue.platform(&instance.platform) {
            add("type", platform.kind.clone().into());
            add("osType", platform.kind.clone().into());
            add("family", platform.family.clone().into());
            add("osName", platform.os_name.clone().into());
            add("productName", platform.os_name.clone().into());
        }
        add("authenticationDomain", instance.authentication_domain.clone().into());
        common
    }

    fn render_place(&self, instance: &InstanceRecord) -> Value {
        let Some(region) = self.config.catalogue.region(&instance.region) else {
            return json!({ "region": { "id": instance.region }, "labelRegion": instance.region });
        };
        let mut place = json!({
            "region": {
                "id": region.id,
                "location": region.location,
                "dataCenter": format!("{} 1", region.id),
                "areas": region.areas.iter().map(|area| render_area(region, area)).collect::<Vec<_>>(),
            },
            "labelRegion": region.location,
            "labelDataCenter": format!("{} 1", region.id),
            "availabilityZone": render_zone(region, &instance.availability_zone),
            "labelAvailabilityZone": instance.availability_zone,
            "labelArea": instance.area,
        });
        if let Some(area) = region.areas.iter().find(|area| area.id == instance.area) {
            place["area"] = render_area(region, area);
        }
        place
    }

    /// Monitoring, backup, replication, patching.
    fn render_care(&self, instance: &InstanceRecord) -> Value {
        let mut party = json!({ "excluded": instance.patch_excluded });
        if let Some(reason) = &instance.patch_exclusion_reason {
            party["exclusionReason"] = reason.clone().into();
        }
        if let Some(by) = &instance.patch_excluded_by {
            party["excludedBy"] = by.clone().into();
        }
        if let Some(group) = instance.patch_group {
            let number = self.config.quirks.patch_group_as_number;
            party["patchGroup"] = if number { group.into() } else { group.to_string().into() };
        }
        let mut replication = json!({
            "storageClass": if instance.replication { "REPLICATED" } else { "LOCAL" },
            "storageMoveInProgress": false,
        });
        if let Some(reason) = &instance.no_replication_reason {
            replication["noStoRplExplanation"] = reason.clone().into();
        }
        json!({
            "monitoringEnabled": instance.monitoring,
            "monitoringRequested": instance.monitoring,
            "monitoringAlerting": instance.alerting,
            "monitoringOnCallEnabled": instance.on_call,
            "backupStatus": instance.backup,
            "replicationStatus": instance.replication,
            "replication": replication,
            "storageMoveInProgress": false,
            "patchParty": party,
            "isMemberOFLoadBalancer": false,
            "loadbalancers": [],
        })
    }

    fn storage_information(&self, instance: &InstanceRecord) -> Value {
        let size = instance.storage_gb;
        let kind = if self.family(instance) == "WINDOWS" { ("C:\\", "ntfs") } else { ("/", "ext4") };
        json!({
            "fileSystems": [{ "free": size / 2, "mountingPoint": kind.0, "sizeOf": size, "type": kind.1 }],
            "totalSizeDisks": size,
            "totalSizeFileSystems": size,
        })
    }

    pub(crate) fn render_storage(&self, instance: &InstanceRecord) -> Value {
        self.amounts(self.storage_information(instance))
    }

    pub(crate) fn render_network(&self, instance: &InstanceRecord) -> Value {
        let (prefix, _) = instance.ip_address.rsplit_once('.').unwrap_or(("10.59.0", ""));
        self.amounts(json!({
            "id": instance.network_id,
            "technicalId": network_name(instance),
            "cidr": format!("{prefix}.0/24"),
            "mask": "255.255.255.0",
            "gateway": format!("{prefix}.254"),
            "ipAddress": instance.ip_address,
            "area": instance.area,
            "region": instance.region,
            "scope": "DMZ",
            "defaultNetwork": true,
            "isIpRangePublic": false,
            "ipFreeNumber": 120,
            "usedPercent": 50,
            "dns": [{ "alias": instance.name.to_ascii_lowercase(), "domain": "demo.cegedim.cloud" }],
        }))
    }

    pub(crate) fn render_snapshot(&self, snapshot: &SnapshotRecord) -> Value {
        let dates = self.config.quirks.dates;
        let mut rendered = json!({
            "id": snapshot.id,
            "label": snapshot.id,
            "createdAt": written(snapshot.created_at, dates),
            "createdBy": snapshot.created_by,
            "expiresAt": written(snapshot.expires_at, dates),
            "snapshotSize": snapshot.size_gb,
        });
        if let Some(description) = &snapshot.description {
            rendered["description"] = description.clone().into();
        }
        if let Some(reference) = &snapshot.change_reference {
            rendered["changeReference"] = reference.clone().into();
        }
        if let Some(at) = snapshot.recovered_at {
            rendered["recoveredAt"] = written(at, dates).into();
        }
        if self.config.quirks.extra_fields {
            rendered["futureField"] = true.into();
        }
        self.amounts(rendered)
    }

    /// An action as the call that started it shows it.
    pub(crate) fn render_started(&self, action: &ActionRecord) -> Value {
        let quirks = &self.config.quirks;
        let last = action.completed_at.unwrap_or(action.submitted_at);
        let mut rendered = json!({
            "id": if quirks.action_id_as_string { Value::from(action.id.to_string()) } else { action.id.into() },
            "internalId": workflow_id(action),
            "status": action.state.word(),
            "process": action.process,
            "family": action.family,
            "resourceName": action.resource_name,
            "resourceType": "INSTANCE",
            "lastUpdatedAt": written(last, quirks.dates),
        });
        match &action.state {
            ActionState::Failed(message) => rendered["message"] = message.clone().into(),
            ActionState::Running | ActionState::Succeeded => {}
        }
        if quirks.extra_fields {
            rendered["futureField"] = 1.into();
        }
        rendered
    }

    /// An action as `GET /actions` shows it.
    pub(crate) fn render_action(&self, action: &ActionRecord) -> Value {
        let dates = self.config.quirks.dates;
        let mut rendered = self.render_started(action);
        if let Some(rendered) = rendered.as_object_mut() {
            rendered.remove("internalId");
        }
        rendered["submittedAt"] = written(action.submitted_at, dates).into();
        rendered["submittedBy"] = action.submitted_by.clone().into();
        rendered["completedAt"] = action.completed_at.map(|at| written(at, dates)).into();
        rendered
    }

    /// Bends amounts as the quirk says.
    fn amounts(&self, mut body: Value) -> Value {
        bend(&mut body, self.config.quirks.numbers);
        body
    }
}

fn bend(value: &mut Value, numbers: Numbers) {
    match value {
        Value::Object(fields) => {
            for (field, value) in fields.iter_mut() {
                match (numbers, value.as_u64().filter(|_| AMOUNTS.contains(&field.as_str()))) {
                    (Numbers::Quoted, Some(amount)) => *value = amount.to_string().into(),
                    (Numbers::Fractional, Some(amount)) => *value = (amount as f64).into(),
                    (Numbers::Plain, _) | (Numbers::Quoted | Numbers::Fractional, None) => {
                        bend(value, numbers)
                    }
                }
            }
        }
        Value::Array(items) => items.iter_mut().for_each(|item| bend(item, numbers)),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

fn transitional(process: &str) -> Option<&'static str> {
    let words = [
        (Operation::Stop, "STOPPING"),
        (Operation::Start, "STARTING"),
        (Operation::Reset, "RESETTING"),
        (Operation::Resize, "RESIZING"),
        (Operation::Delete, "DELETING"),
        (Operation::SnapshotRecover, "RECOVERING"),
    ];
    words.into_iter().find(|(operation, _)| operation.process() == Some(process)).map(|(_, word)| word)
}

fn render_area(region: &Region, area: &Area) -> Value {
    json!({
        "id": area.id,
        "location": region.location,
        "regulation": area.regulation,
        "defaultArea": region.areas.first().is_some_and(|first| first.id == area.id),
        "availabilityZones": area.zones.iter().map(|zone| render_zone(region, zone)).collect::<Vec<_>>(),
    })
}

fn render_zone(region: &Region, zone: &str) -> Value {
    json!({
        "id": zone,
        "location": region.location,
        "datacenterId": format!("{} 1", region.id),
        "availabilityZoneGroup": region.id,
        "defaultZone": zone.ends_with("-A"),
        "routable": true,
    })
}
