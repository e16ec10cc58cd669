//! From spec to a checked type. The schema refuses most of this already; a CRD that was edited, or an
//! object older than its rules, must not get further than here.

use crate::crd::instance::ITCareInstanceSpec;
use crate::model::{HostName, ServiceId, Size};

/// What the spec identifies and asks for, parsed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Checked {
    /// The host name.
    pub name: HostName,
    /// The service.
    pub service: ServiceId,
    /// The wished size, if size is managed.
    pub size: Option<Size>,
    /// What cannot be carried out, if anything: then only what is under way is seen to its end.
    pub invalid: Option<Invalid>,
}

/// A field that cannot be carried out.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invalid {
    /// Its path.
    pub field: &'static str,
    /// What is wrong, and the cure.
    pub message: String,
}

/// Checks the spec.
///
/// # Errors
/// The first field that cannot be carried out.
pub fn validate(spec: &ITCareInstanceSpec) -> Result<Checked, Invalid> {
    let invalid = |field, message: String| Err(Invalid { field, message });
    if spec.name.trim().is_empty() {
        return invalid("spec.name", "it is empty; give the host name that ITCare shall know".to_owned());
    }
    if spec.service_id <= 0 {
        return invalid(
            "spec.serviceId",
            format!("{} is no service id; it is a positive number", spec.service_id),
        );
    }
    let size = match spec.size.as_deref().map(str::parse::<Size>).transpose() {
        Ok(size) => size,
        Err(error) => return invalid("spec.size", error.to_string()),
    };
    if spec.instance_id.is_none() {
        for (field, missing) in [
            ("spec.region", spec.region.is_none()),
            ("spec.platform", spec.platform.is_none()),
            ("spec.size", spec.size.is_none()),
        ] {
            if missing {
                return invalid(field, "it is required unless spec.instanceId is set".to_owned());
            }
        }
    }
    if let Some(patching) = &spec.patching {
        if patching.excluded && patching.exclusion_reason.is_none() {
            return invalid(
                "spec.patching.exclusionReason",
                "it is required when excluded is true".to_owned(),
            );
        }
        if patching.group.is_some_and(|group| !(1..=3).contains(&group)) {
            return invalid("spec.patching.group", "it is 1, 2 or 3".to_owned());
        }
    }
    if spec.change_reference.as_ref().is_some_and(|text| text.chars().count() > 10) {
        return invalid("spec.changeReference", "it has more than 10 characters".to_owned());
    }
    Ok(Checked {
        name: HostName::new(spec.name.clone()),
        service: ServiceId::new(spec.service_id),
        size,
        invalid: None,
    })
}

/// The spec as far as it can be parsed: a deletion, or a call under way, needs no more of it.
pub(super) fn parsed(spec: &ITCareInstanceSpec) -> Checked {
    validate(spec).unwrap_or_else(|invalid| Checked {
        name: HostName::new(spec.name.clone()),
        service: ServiceId::new(spec.service_id),
        size: None,
        invalid: Some(invalid),
    })
}
