//! What was sent and completed, what moved by itself, what is only reported (DESIGN 5.5).

use itcare_operator::crd::Reason;
use itcare_operator::crd::instance::DriftPolicy;
use itcare_operator::decide::decision::CallAction;
use itcare_operator::decide::{Step, instance};
use itcare_operator::model::{
    ActionStatus, Group, Held, HeldWhy, InstanceState, Observed, OperationKind, PowerState,
};

use crate::fixture::{ACTION, Case, NOW, PASS, SETTLE, detail, ended, seconds, time, wall};
use crate::table::{Row, drifted, message, says, table};

fn with_backup(policy: DriftPolicy) -> Case {
    Case::managed_with(|case| {
        case.spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
        case.spec.drift_policy = policy;
        case.shows(|detail| detail.backup = Some(true));
    })
}

/// Somebody switched backup off.
fn off(case: &mut Case) {
    case.shows(|detail| detail.backup = Some(false));
    case.object.reconcile_requested = Some("now".to_owned());
}

const CORRECT: &[Row] = &[
    ("nothing moved", |_| {}, "Ready Running"),
    ("the cloud moved: it is sent again", off, "send UpdateBackup"),
    (
        "ITCare does not say",
        |case| {
            off(case);
            case.shows(|detail| detail.backup = None);
        },
        "Ready Running",
    ),
    (
        "it was sent, accepted, and without effect",
        |case| {
            off(case);
            let hash = instance::hashes(&case.spec)[&Group::Backup].clone();
            case.ledger()
                .held
                .insert(Group::Backup, Held { hash, why: HeldWhy::NotEffective, message: None });
        },
        "Ready Running",
    ),
    (
        "another wish was without effect",
        |case| {
            off(case);
            let held = Held { hash: "deadbeef".to_owned(), why: HeldWhy::NotEffective, message: None };
            case.ledger().held.insert(Group::Backup, held);
        },
        "save",
    ),
];

#[test]
fn correct_sends_again_what_moved() {
    table(|| with_backup(DriftPolicy::Correct), CORRECT);
}

const REPORT: &[Row] = &[
    ("nothing moved", |_| {}, "Ready Running"),
    ("the cloud moved: it is only told", off, "Ready Running"),
    (
        "Git changed: it is sent",
        |case| {
            case.edits(|spec| spec.backup.as_mut().expect("set").enabled = false);
            case.object.reconcile_requested = Some("now".to_owned());
        },
        "send UpdateBackup",
    ),
    (
        "a group that Git added is sent",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Stopped)),
        "send Stop",
    ),
    (
        "somebody stopped the VM, and power is managed",
        |case| {
            case.edits(|spec| spec.power_state = Some(PowerState::Running));
            *case = case.clone().at_rest();
            case.shows(|detail| detail.state = InstanceState::Inactive);
        },
        "Ready Stopped",
    ),
];

#[test]
fn report_acts_only_on_what_git_changed() {
    table(|| with_backup(DriftPolicy::Report), REPORT);
}

#[test]
fn under_another_version_of_the_hash_every_group_counts_as_applied() {
    let mut case = with_backup(DriftPolicy::Report);
    case.ledger().applied.as_mut().expect("applied").v = 0;
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case.shows(|detail| detail.size = "8cpu8gb".parse().ok());
    let decision = case.at_rest().next();
    assert_eq!(says(&decision), "Ready Running");
    assert_eq!(decision.status.drift.len(), 2, "size and power are told, for good");
}

#[test]
fn reported_drift_is_listed_with_both_values_and_stays_ready() {
    let mut case = with_backup(DriftPolicy::Report);
    off(&mut case);
    let decision = case.next();
    assert_eq!((says(&decision), drifted(&decision)), ("Ready Running".to_owned(), Some(Reason::Drift)));
    let drift = &decision.status.drift[0];
    assert_eq!(
        (drift.field.as_str(), drift.desired.as_str(), drift.observed.as_str()),
        ("backup", "enabled", "disabled")
    );
    assert_eq!(drift.since, wall());
}

#[test]
fn drift_keeps_its_date_while_it_lasts_and_goes_when_it_ends() {
    let mut case = with_backup(DriftPolicy::Report);
    off(&mut case);
    let decision = case.next();
    case.write(&decision);
    case.status.drift[0].since = time("2026-01-01T12:00:00Z");
    case.object.reconcile_requested = Some("again".to_owned());
    let decision = case.next();
    assert_eq!(decision.status.drift[0].since, time("2026-01-01T12:00:00Z"));
    case.shows(|detail| detail.backup = Some(true));
    let decision = case.next();
    assert_eq!((decision.status.drift.len(), drifted(&decision)), (0, None));
}

#[test]
fn a_look_that_fails_does_not_make_drift_come_and_go() {
    let mut case = with_backup(DriftPolicy::Report);
    off(&mut case);
    case = case.at_rest();
    assert_eq!(drifted(&case.next()), Some(Reason::Drift));
    case.object.reconcile_requested = Some("again".to_owned());
    case.cloud.detail = Observed::Unknown;
    case.failed(
        itcare_operator::decide::Need::Detail(crate::fixture::VM),
        itcare_operator::model::FailureClass::Transient,
        Some(503),
    );
    let decision = case.next();
    assert_eq!(decision.status.drift, case.status.drift, "nobody saw it end");
    assert_eq!(drifted(&decision), Some(Reason::Drift));
    case.failed(
        itcare_operator::decide::Need::Detail(crate::fixture::VM),
        itcare_operator::model::FailureClass::Forbidden,
        Some(403),
    );
    case.cloud.failures.remove(0);
    let decision = case.next();
    assert_ne!(says(&decision), "Ready Running", "a refusal is told at once");
    assert_eq!(drifted(&decision), Some(Reason::Drift), "and takes nothing back");
}

#[test]
fn what_is_not_effective_says_so_and_waits_for_another_wish() {
    let mut case = with_backup(DriftPolicy::Correct);
    off(&mut case);
    let hash = instance::hashes(&case.spec)[&Group::Backup].clone();
    case.ledger().held.insert(Group::Backup, Held { hash, why: HeldWhy::NotEffective, message: None });
    let decision = case.next();
    assert_eq!(drifted(&decision), Some(Reason::NotEffective));
    case.edits(|spec| {
        spec.backup =
            serde_json::from_value(serde_json::json!({"enabled": true, "serverPolicyId": "daily"})).ok();
    });
    let decision = case.next();
    assert_eq!(says(&decision), "save", "the hold is dropped with the wish");
    case.write(&decision);
    assert_eq!(case.says(), "send UpdateBackup");
}

#[test]
fn a_field_that_itcare_does_not_report_is_sent_once_and_is_no_drift() {
    let mut case = Case::managed();
    case.edits(|spec| spec.replication = serde_json::from_value(serde_json::json!({"enabled": true})).ok());
    case.shows(|detail| detail.replication = None);
    assert_eq!(case.says(), "send UpdateReplication");
    case.operates(OperationKind::UpdateReplication, Some(ACTION));
    case.read(ended(ActionStatus::Success));
    case.memory.first_end(ACTION, PASS - SETTLE - seconds(1));
    let decision = case.next();
    assert_eq!(says(&decision), "save");
    case.write(&decision);
    let decision = case.at_rest().next();
    assert_eq!(says(&decision), "Ready Running");
    assert_eq!(drifted(&decision), None, "what is not told is not known to differ");
}

#[test]
fn the_hash_is_of_what_the_user_set() {
    let spec = |value: serde_json::Value| -> itcare_operator::crd::ITCareInstanceSpec {
        let mut all = serde_json::json!({"name": "A", "serviceId": 1});
        all.as_object_mut().expect("an object").extend(value.as_object().expect("an object").clone());
        serde_json::from_value(all).expect("a spec")
    };
    let hashes = |value| instance::hashes(&spec(value));
    assert!(hashes(serde_json::json!({})).is_empty(), "an absent group is not managed");
    let one = hashes(serde_json::json!({"monitoring": {"enabled": true, "alerting": false}}));
    let two = hashes(serde_json::json!({"monitoring": {"alerting": false, "enabled": true}}));
    assert_eq!(one, two, "whatever the order of the keys");
    assert_ne!(one, hashes(serde_json::json!({"monitoring": {"enabled": true}})));
    assert_eq!(
        one,
        hashes(
            serde_json::json!({"changeReference": "CHG1", "monitoring": {"enabled": true, "alerting": false}})
        )
    );
}

#[test]
fn reasons_and_comments_are_sent_but_never_compared() {
    let mut case = Case::managed_with(|case| {
        case.spec.patching =
            serde_json::from_value(serde_json::json!({"excluded": true, "exclusionReason": "migration"}))
                .ok();
        case.shows(|detail| {
            let patching = detail.patching.as_mut().expect("shown");
            (patching.excluded, patching.exclusion_reason) = (Some(true), Some("something else".to_owned()));
        });
    });
    case.object.reconcile_requested = Some("now".to_owned());
    assert_eq!(case.says(), "Ready Running");
}

#[test]
fn drift_of_power_is_seen_in_the_list() {
    let mut case = Case::managed_with(|case| case.spec.power_state = Some(PowerState::Running));
    case.shows(|detail| detail.state = InstanceState::Inactive);
    case.cloud.detail = Observed::Present { value: detail(), at: NOW - seconds(30) };
    assert_eq!(case.says(), "read detail");
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.says(), "send Start");
    assert!(message(&case.next()).contains("powerState"));
}

#[test]
fn drift_that_is_another_one_is_dated_anew() {
    let old = || time("2026-01-01T12:00:00Z");
    let mut case = Case::managed_with(|case| {
        case.spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
        case.spec.replication = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
        case.spec.drift_policy = DriftPolicy::Report;
        case.shows(|detail| (detail.backup, detail.replication) = (Some(true), Some(true)));
    });
    let dates = |case: &mut Case| {
        case.object.reconcile_requested = Some(format!("{:?}", case.cloud.detail.as_ref().value()));
        let drift = case.next().status.drift;
        drift.into_iter().map(|drift| (drift.field, drift.since)).collect::<Vec<_>>()
    };
    case.shows(|detail| (detail.size, detail.backup) = ("8cpu8gb".parse().ok(), Some(false)));
    case.object.reconcile_requested = Some("now".to_owned());
    case.write(&case.next());
    case.status.drift.iter_mut().for_each(|drift| drift.since = old());
    assert_eq!(dates(&mut case), [("size".to_owned(), old()), ("backup".to_owned(), old())]);
    // Another value of the same field, and the same values of another field.
    case.shows(|detail| {
        (detail.size, detail.backup, detail.replication) = ("6cpu8gb".parse().ok(), Some(true), Some(false));
    });
    assert_eq!(dates(&mut case), [("size".to_owned(), wall()), ("replication".to_owned(), wall())]);
}

#[test]
fn only_what_was_sent_and_changed_nothing_is_not_effective() {
    for (group, why, is_not_effective) in [
        (Group::Backup, HeldWhy::NotEffective, true),
        (Group::Backup, HeldWhy::Refused, false),
        (Group::Backup, HeldWhy::Failed, false),
        (Group::Size, HeldWhy::NotEffective, false),
    ] {
        let mut case = with_backup(DriftPolicy::Correct);
        off(&mut case);
        let hash = instance::hashes(&case.spec)[&group].clone();
        case.ledger().held.insert(group, Held { hash, why, message: None });
        let told = drifted(&case.next());
        assert_eq!(told == Some(Reason::NotEffective), is_not_effective, "{group:?} {why:?}: {told:?}");
    }
}

#[test]
fn a_reason_is_sent_with_what_it_is_the_reason_of_and_not_with_the_opposite() {
    let sent = |field: &str, enabled: bool, named: &str| {
        let mut case = Case::managed();
        case.shows(|detail| (detail.backup, detail.replication) = (Some(!enabled), Some(!enabled)));
        let wish = serde_json::json!({"enabled": enabled, "disabledReason": "moved"});
        case.edits(|spec| match field {
            "backup" => spec.backup = serde_json::from_value(wish).ok(),
            _ => spec.replication = serde_json::from_value(wish).ok(),
        });
        let Step::Call(call) = case.next().step else { panic!("no call for {named}") };
        match call.action {
            CallAction::UpdateBackup { enabled, reason }
            | CallAction::UpdateReplication { enabled, reason } => (enabled, reason),
            other => panic!("{other:?}"),
        }
    };
    for field in ["backup", "replication"] {
        assert_eq!(sent(field, false, field), (false, Some("moved".to_owned())), "{field}");
        assert_eq!(sent(field, true, field), (true, None), "{field}");
    }
}

#[test]
fn what_is_told_as_without_effect_is_among_what_is_told() {
    // Patching drifts, monitoring is sent, and what was without effect (backup) comes after both.
    let mut case = Case::managed_with(|case| {
        case.spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
        case.spec.patching = serde_json::from_value(serde_json::json!({"excluded": false})).ok();
        case.spec.drift_policy = DriftPolicy::Report;
        case.shows(|detail| {
            detail.backup = Some(true);
            detail.patching = Some(itcare_operator::model::remote::Patching {
                excluded: Some(false),
                exclusion_reason: None,
                group: None,
            });
        });
    });
    off(&mut case);
    let hash = instance::hashes(&case.spec)[&Group::Backup].clone();
    case.ledger().held.insert(Group::Backup, Held { hash, why: HeldWhy::NotEffective, message: None });
    case.shows(|detail| detail.patching.as_mut().expect("set").excluded = Some(true));
    assert_eq!(drifted(&case.next()), Some(Reason::NotEffective));
    case.edits(|spec| spec.monitoring = serde_json::from_value(serde_json::json!({"enabled": false})).ok());
    case.shows(|detail| detail.monitoring.enabled = Some(true));
    let decision = case.next();
    assert_eq!(
        (says(&decision).as_str(), drifted(&decision)),
        ("send UpdateMonitoring", Some(Reason::Drift))
    );
}
