//! Field groups: what is wished, what is reported, what is due.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::validate::Checked;
use crate::crd::instance::{DriftPolicy, ITCareInstanceSpec};
use crate::decide::decision::CallAction;
use crate::model::ledger::VERSION;
use crate::model::{Applied, Detail, Group, HeldWhy, Ledger, PowerState, hash};

/// How a managed group stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct GroupState {
    pub group: Group,
    /// Hash of the wish.
    pub hash: String,
    /// What the spec asks for, in words.
    pub desired: String,
    /// What ITCare reports, in words.
    pub observed: String,
    pub standing: Standing,
}

/// What follows for a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Standing {
    /// As wished.
    Matched,
    /// ITCare does not say, and the wish was sent before.
    Unreported,
    /// To be sent.
    Due,
    /// Left so by policy.
    Reported,
    /// Not sent again until the wish changes.
    Held(HeldWhy, Option<String>),
}

/// The canonical JSON of what the user set in each managed group, hashed.
#[must_use]
pub fn hashes(spec: &ITCareInstanceSpec) -> BTreeMap<Group, String> {
    let text = |value: &Value| hash::fingerprint(&value.to_string(), 8);
    Group::ALL
        .into_iter()
        .filter_map(|group| {
            let wish = match group {
                Group::Size => spec.size.as_ref().map(|size| json!({"size": size})),
                Group::Power => spec.power_state.map(|power| json!({"powerState": power})),
                Group::Patching => spec.patching.as_ref().map(|wish| json!(wish)),
                Group::Monitoring => spec.monitoring.as_ref().map(|wish| json!(wish)),
                Group::Replication => spec.replication.as_ref().map(|wish| json!(wish)),
                Group::Backup => spec.backup.as_ref().map(|wish| json!(wish)),
            };
            wish.map(|wish| (group, text(&wish)))
        })
        .collect()
}

/// The record of all managed groups as applied.
pub(super) fn all_applied(spec: &ITCareInstanceSpec) -> Applied {
    Applied { v: VERSION, groups: hashes(spec) }
}

/// What was sent last. No record, or one under another hash version, counts as all of this very spec.
pub(super) fn applied(spec: &ITCareInstanceSpec, ledger: &Ledger) -> Applied {
    ledger.applied.clone().filter(|applied| applied.v == VERSION).unwrap_or_else(|| all_applied(spec))
}

/// Every managed group, in the order of business.
pub(super) fn evaluate(
    spec: &ITCareInstanceSpec,
    checked: &Checked,
    detail: &Detail,
    ledger: &Ledger,
) -> Vec<GroupState> {
    let sent = applied(spec, ledger);
    hashes(spec)
        .into_iter()
        .map(|(group, hash)| {
            let Comparison { desired, observed, differs } = compare(spec, checked, detail, group);
            let applied = sent.groups.get(&group) == Some(&hash);
            let held = ledger.held.get(&group).filter(|held| held.hash == hash);
            let standing = match (differs, held) {
                (Some(false), _) => Standing::Matched,
                (_, Some(held)) => Standing::Held(held.why, held.message.clone()),
                (None, None) if applied => Standing::Unreported,
                (Some(true), None) if applied && spec.drift_policy == DriftPolicy::Report => {
                    Standing::Reported
                }
                (Some(true) | None, None) => Standing::Due,
            };
            GroupState { group, hash, desired, observed, standing }
        })
        .collect()
}

/// Whether ITCare says nothing about what a group asks for.
pub(super) fn is_silent(
    spec: &ITCareInstanceSpec,
    checked: &Checked,
    detail: Option<&Detail>,
    group: Group,
) -> bool {
    detail.is_some_and(|detail| compare(spec, checked, detail, group).differs.is_none())
}

struct Comparison {
    desired: String,
    observed: String,
    differs: Option<bool>,
}

fn compare(spec: &ITCareInstanceSpec, checked: &Checked, detail: &Detail, group: Group) -> Comparison {
    let words = |value: Option<bool>, on: &str, off: &str| match value {
        Some(true) => on.to_owned(),
        Some(false) => off.to_owned(),
        None => "nothing".to_owned(),
    };
    let switch = |desired: bool, observed: Option<bool>| Comparison {
        desired: words(Some(desired), "enabled", "disabled"),
        observed: words(observed, "enabled", "disabled"),
        differs: observed.map(|observed| observed != desired),
    };
    match group {
        Group::Size => Comparison {
            desired: checked.size.map(|size| size.to_string()).unwrap_or_default(),
            observed: detail.size.map_or_else(|| "nothing".to_owned(), |size| size.to_string()),
            differs: detail.size.zip(checked.size).map(|(observed, desired)| observed != desired),
        },
        Group::Power => Comparison {
            desired: spec.power_state.map(|power| power.to_string()).unwrap_or_default(),
            observed: detail.state.as_str().to_owned(),
            differs: detail
                .state
                .power()
                .zip(spec.power_state)
                .map(|(observed, desired)| observed != desired),
        },
        Group::Patching => patching(spec, detail),
        Group::Monitoring => {
            let Some(wish) = &spec.monitoring else { return switch(false, None) };
            let alerting =
                wish.alerting.zip(detail.monitoring.alerting).map(|(desired, observed)| desired != observed);
            let enabled = detail.monitoring.enabled.map(|observed| observed != wish.enabled);
            let describe = |enabled: Option<bool>, alerting: Option<bool>| {
                let mut text = words(enabled, "enabled", "disabled");
                if wish.alerting.is_some() {
                    text += &words(alerting, ", alerting", ", not alerting");
                }
                text
            };
            Comparison {
                desired: describe(Some(wish.enabled), wish.alerting),
                observed: describe(detail.monitoring.enabled, detail.monitoring.alerting),
                // Alerting of a VM that is not monitored means nothing.
                differs: match (enabled, alerting) {
                    (Some(true), _) => Some(true),
                    (Some(false), Some(true)) => Some(wish.enabled),
                    (Some(false), Some(false) | None) => Some(false),
                    (None, _) => None,
                },
            }
        }
        Group::Replication => spec
            .replication
            .as_ref()
            .map_or_else(|| switch(false, None), |wish| switch(wish.enabled, detail.replication)),
        Group::Backup => spec
            .backup
            .as_ref()
            .map_or_else(|| switch(false, None), |wish| switch(wish.enabled, detail.backup)),
    }
}

fn patching(spec: &ITCareInstanceSpec, detail: &Detail) -> Comparison {
    let describe = |excluded: Option<bool>, group: Option<i64>| match (excluded, group) {
        (Some(true), _) => "excluded".to_owned(),
        (Some(false), Some(group)) => format!("included, group {group}"),
        (Some(false), None) => "included".to_owned(),
        (None, _) => "nothing".to_owned(),
    };
    let Some(wish) = &spec.patching else {
        return Comparison { desired: String::new(), observed: String::new(), differs: Some(false) };
    };
    let seen = detail.patching.as_ref();
    let excluded = seen.and_then(|seen| seen.excluded);
    let group = seen.and_then(|seen| seen.group);
    let differs = match excluded {
        None => None,
        Some(excluded) if excluded != wish.excluded => Some(true),
        Some(true) => Some(false),
        // No group wished means no preference: any group will do.
        Some(false) => Some(wish.group.is_some() && wish.group != group),
    };
    Comparison {
        desired: describe(Some(wish.excluded), wish.group),
        observed: describe(excluded, group),
        differs,
    }
}

/// The call that carries a wish out.
pub(super) fn call(spec: &ITCareInstanceSpec, checked: &Checked, group: Group) -> Option<CallAction> {
    match group {
        Group::Size => checked.size.map(CallAction::Resize),
        Group::Power => spec.power_state.map(|power| match power {
            PowerState::Running => CallAction::Start,
            PowerState::Stopped => CallAction::Stop,
        }),
        Group::Patching => spec.patching.as_ref().map(|wish| CallAction::UpdatePatching {
            excluded: wish.excluded,
            reason: wish.exclusion_reason.clone().filter(|_| wish.excluded),
            group: wish.group.filter(|_| !wish.excluded),
        }),
        Group::Monitoring => spec
            .monitoring
            .as_ref()
            .map(|wish| CallAction::UpdateMonitoring { enabled: wish.enabled, alerting: wish.alerting }),
        Group::Replication => spec.replication.as_ref().map(|wish| CallAction::UpdateReplication {
            enabled: wish.enabled,
            reason: wish.disabled_reason.clone().filter(|_| !wish.enabled),
        }),
        Group::Backup => spec.backup.as_ref().map(|wish| CallAction::UpdateBackup {
            enabled: wish.enabled,
            reason: wish.disabled_reason.clone().filter(|_| !wish.enabled),
        }),
    }
}
