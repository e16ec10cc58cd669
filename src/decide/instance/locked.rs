//! What a VM was made with and nothing can change afterwards. The schema locks it; a wiped status unlocks the schema, so
//! the core compares with what the ledger keeps (DESIGN 4.1). Groups are left out: one may be taken away whole.

use serde_json::json;

use super::validate::Checked;
use crate::crd::instance::ITCareInstanceSpec;
use crate::crd::rules::LOCKED;
use crate::model::hash;

/// A hash of the locked fields, the lists in the order of their keys: the schema does not count that as a change.
pub(super) fn fingerprint(spec: &ITCareInstanceSpec) -> String {
    let ITCareInstanceSpec {
        region,
        platform,
        area,
        availability_zone,
        regulation,
        network_id,
        cloud_id,
        authentication_domain_id,
        product_code,
        storage_pool,
        specific_request,
        volumes,
        properties,
        // Immutable from birth, and compared with the VM itself.
        name: _,
        service_id: _,
        instance_id: _,
        // What an operation can change.
        size: _,
        power_state: _,
        monitoring: _,
        patching: _,
        replication: _,
        backup: _,
        reset: _,
        // How we behave.
        resize_policy: _,
        change_reference: _,
        adoption_policy: _,
        management_policy: _,
        drift_policy: _,
        deletion_policy: _,
        suspend: _,
    } = spec;
    let mut volumes: Vec<_> = volumes.iter().collect();
    volumes.sort_by(|one, other| one.id.cmp(&other.id));
    let mut properties: Vec<_> = properties.iter().collect();
    properties.sort_by(|one, other| one.key.cmp(&other.key));
    let all = json!([
        region,
        platform,
        area,
        availability_zone,
        regulation,
        network_id,
        cloud_id,
        authentication_domain_id,
        product_code,
        storage_pool,
        specific_request,
        volumes,
        properties,
    ]);
    hash::fingerprint(&all.to_string(), 8)
}

/// Which fields these are, and the ways out.
pub(super) fn message(checked: &Checked) -> String {
    let fields: Vec<&str> =
        LOCKED.iter().filter(|(parent, _)| parent.is_none()).map(|(_, field)| *field).collect();
    format!(
        "spec: one of {} is not what {} was made with, and cannot be changed any more; set it back, or make a new object for a different VM",
        fields.join(", "),
        checked.name
    )
}
