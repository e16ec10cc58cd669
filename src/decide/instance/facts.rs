//! From what was observed to status fields.

use super::View;
use crate::crd::status::{
    Drift, FileSystemStatus, LocationStatus, MonitoringStatus, NetworkStatus, PatchingStatus, SlotStatus,
    SwitchStatus, bounded,
};
use crate::crd::{Condition, ConditionType, InstanceStatus, Reason, condition};
use crate::decide::conditions::Extra;
use crate::model::remote::{FileSystem, Network};
use crate::model::{Detail, HeldWhy, Ledger, Listed};

/// Notes a list item: existence and power.
pub(super) fn record_listed(status: &mut InstanceStatus, item: &Listed) {
    status.id = Some(item.id.get());
    status.state = Some(bounded(item.state.as_str(), 64));
    status.power_state = item.state.power();
}

/// Forgets what was seen of a VM, and its id: there is none, or it is not the one that is meant any more.
pub(super) fn clear(status: &mut InstanceStatus) {
    let InstanceStatus {
        observed_generation,
        conditions,
        id: _,
        state: _,
        power_state: _,
        size: _,
        cpu: _,
        memory_gb: _,
        storage_gb: _,
        file_systems: _,
        ip_address: _,
        network: _,
        location: _,
        os: _,
        environment: _,
        service_name: _,
        monitoring: _,
        patching: _,
        replication: _,
        backup: _,
        snapshot: _,
        created_at: _,
        created_by: _,
        operation,
        last_operation,
        handled_requests,
        last_handled_reconcile_at,
        drift: _,
        ledger,
    } = std::mem::take(status);
    *status = InstanceStatus {
        observed_generation,
        conditions,
        operation,
        last_operation,
        handled_requests,
        last_handled_reconcile_at,
        ledger,
        ..InstanceStatus::default()
    };
}

/// Notes a detail: everything that a user may want to see and that does not move by itself.
pub(super) fn record(status: &mut InstanceStatus, detail: &Detail, view: &View<'_>) {
    record_listed(status, &detail.listed());
    let text = |value: &Option<String>, max| value.as_deref().map(|text| bounded(text, max));
    status.size = detail.size.map(|size| size.to_string());
    status.cpu = detail.size.map(|size| i64::from(size.cpu));
    status.memory_gb = detail.size.map(|size| i64::from(size.memory_gb));
    let storage = view.cloud.storage.as_ref();
    status.storage_gb = detail.storage_gb.or_else(|| storage.and_then(|storage| storage.total_gb));
    if let Some(systems) = detail.file_systems.as_ref().or(storage.map(|storage| &storage.file_systems)) {
        status.file_systems = file_systems(systems);
    }
    let network = detail.network.as_ref().or(view.cloud.network.as_ref());
    if let Some(network) = network {
        status.network = Some(network_status(network));
    }
    let address =
        detail.ip_address.as_ref().or_else(|| network.and_then(|network| network.ip_address.as_ref()));
    status.ip_address = address.map(|text| bounded(text, 64));
    status.location = Some(LocationStatus {
        region: text(&detail.region, 64),
        area: text(&detail.area, 64),
        availability_zone: text(&detail.availability_zone, 64),
    });
    status.os = text(&detail.os, 128);
    status.environment = text(&detail.environment, 64);
    status.service_name = text(&detail.service_name, 256);
    status.monitoring = Some(MonitoringStatus {
        enabled: detail.monitoring.enabled,
        alerting: detail.monitoring.alerting,
        on_call: detail.monitoring.on_call,
    });
    status.patching = detail.patching.as_ref().map(|patching| PatchingStatus {
        excluded: patching.excluded,
        exclusion_reason: text(&patching.exclusion_reason, 512),
        group: patching.group,
    });
    status.replication = detail.replication.map(|enabled| SwitchStatus { enabled: Some(enabled) });
    status.backup = detail.backup.map(|enabled| SwitchStatus { enabled: Some(enabled) });
    status.snapshot = detail.slot.as_ref().map(|slot| SlotStatus {
        id: bounded(slot.id.as_str(), 256),
        created_at: slot.created_at,
        expires_at: slot.expires_at,
        managed_by: view
            .snapshots
            .owned
            .iter()
            .find(|(id, _)| *id == slot.id)
            .map(|(_, name)| bounded(name, 253)),
    });
    status.created_at = text(&detail.creation_time, 64);
    status.created_by = text(&detail.creation_user, 128);
}

fn file_systems(systems: &[FileSystem]) -> Vec<FileSystemStatus> {
    let mut seen = std::collections::BTreeSet::new();
    systems
        .iter()
        .filter(|system| seen.insert(system.mount_point.clone()))
        .take(64)
        .map(|system| FileSystemStatus {
            mount_point: bounded(&system.mount_point, 256),
            kind: system.kind.as_deref().map(|kind| bounded(kind, 64)),
            size_gb: system.size_gb,
        })
        .collect()
}

fn network_status(network: &Network) -> NetworkStatus {
    NetworkStatus {
        id: network.id,
        cidr: network.cidr.as_deref().map(|text| bounded(text, 64)),
        gateway: network.gateway.as_deref().map(|text| bounded(text, 64)),
        dns: network.dns.iter().take(32).map(|name| bounded(name, 256)).collect(),
    }
}

/// Drift that was there before keeps its date.
pub(super) fn keep_since(old: &[Drift], new: Vec<Drift>) -> Vec<Drift> {
    new.into_iter()
        .map(|mut drift| {
            let same = old.iter().find(|other| {
                other.field == drift.field
                    && other.desired == drift.desired
                    && other.observed == drift.observed
            });
            if let Some(same) = same {
                drift.since = same.since;
            }
            drift
        })
        .collect()
}

/// The `Drifted` condition as it was: nothing was compared since.
pub(super) fn still_drifted(conditions: &[Condition]) -> Option<Extra> {
    let old = condition::find(conditions, ConditionType::Drifted)?;
    let reason =
        [Reason::Drift, Reason::NotEffective].into_iter().find(|reason| reason.as_str() == old.reason)?;
    Some(Extra { type_: ConditionType::Drifted, status: true, reason, message: old.message.clone() })
}

/// The `Drifted` condition, if anything drifted.
pub(super) fn drifted(drift: &[Drift], ledger: Option<&Ledger>) -> Option<Extra> {
    let ineffective = |field: &str| {
        ledger.is_some_and(|ledger| {
            ledger
                .held
                .iter()
                .any(|(group, held)| group.field() == field && held.why == HeldWhy::NotEffective)
        })
    };
    if drift.is_empty() {
        return None;
    }
    let words: Vec<String> = drift
        .iter()
        .map(|drift| {
            format!("spec.{} asks for {}, ITCare reports {}", drift.field, drift.desired, drift.observed)
        })
        .collect();
    let (reason, cure) = if drift.iter().any(|drift| ineffective(&drift.field)) {
        (
            Reason::NotEffective,
            "it was sent and accepted, yet nothing changed; it is sent again when the spec changes",
        )
    } else {
        (Reason::Drift, "driftPolicy Report leaves it so; change the spec, or set driftPolicy: Correct")
    };
    Some(Extra {
        type_: ConditionType::Drifted,
        status: true,
        reason,
        message: format!("{}; {cure}", words.join("; ")),
    })
}
