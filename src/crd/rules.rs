//! The CEL rules that are too long for an attribute: locked fields.
//!
//! A field is *locked* once a VM exists (`status.id`) or its creation runs: before that, a wrong platform
//! can still be corrected. The core checks again, since a wiped status unlocks the schema.

/// Evaluated on the old object: whether the creation details may no longer change.
const IS_LOCKED: &str = "(has(oldSelf.status) && (has(oldSelf.status.id) || \
(has(oldSelf.status.operation) && oldSelf.status.operation.kind == 'Create')))";

/// The locked fields: parent below `spec` (or none) and name.
pub const LOCKED: &[(Option<&str>, &str)] = &[
    (None, "region"),
    (None, "platform"),
    (None, "area"),
    (None, "availabilityZone"),
    (None, "regulation"),
    (None, "networkId"),
    (None, "cloudId"),
    (None, "authenticationDomainId"),
    (None, "productCode"),
    (None, "storagePool"),
    (None, "specificRequest"),
    (None, "volumes"),
    (None, "properties"),
    (Some("monitoring"), "onCall"),
    (Some("monitoring"), "disabledReason"),
    (Some("backup"), "offSite"),
    (Some("backup"), "serverPolicyId"),
    (Some("backup"), "databasePolicyId"),
];

/// One validation per locked field, as the CRD writes them.
#[must_use]
pub fn locked() -> Vec<serde_json::Value> {
    let mut rules = Vec::new();
    for (parent, field) in LOCKED {
        let path = match parent {
            None => format!("spec.{field}"),
            Some(parent) => format!("spec.{parent}.{field}"),
        };
        let has = |root: &str| match parent {
            None => format!("has({root}.spec.{field})"),
            Some(parent) => format!("(has({root}.spec.{parent}) && has({root}.spec.{parent}.{field}))"),
        };
        let (new, old) = (has("self"), has("oldSelf"));
        // A nested group may be left out later (it is then unmanaged); only a different value is refused.
        let same = match parent {
            None => format!("({new} == {old} && (!{new} || self.{path} == oldSelf.{path}))"),
            Some(_) => format!("(!{new} || ({old} && self.{path} == oldSelf.{path}))"),
        };
        rules.push(serde_json::json!({
            "rule": format!("!{IS_LOCKED} || {same}"),
            "message": format!("{path} is locked once the instance exists or is being created; make a new object for a different VM"),
            "fieldPath": match parent { None => format!(".{path}"), Some(parent) => format!(".spec.{parent}") },
            "reason": "FieldValueForbidden",
        }));
    }
    rules
}
