//! Order of business for a live VM (DESIGN 5.3, 7): one thing at a time, the most urgent first.

use itcare_operator::crd::instance::{DriftPolicy, ITCareInstanceSpec, ResizePolicy};
use itcare_operator::decide::Step;
use itcare_operator::decide::decision::{Call, CallAction, Need};
use itcare_operator::model::{
    ActionStatus, FailureClass, Group, InstanceState, Observed, OperationKind, PowerState, Resume,
};

use crate::fixture::{ACTION, Case, NOW, VM, action, ended, seconds};
use crate::table::{Row, message, saved, says, table, table_once_saved};

/// The spec asks for another value of every group.
fn ask_for_everything(spec: &mut ITCareInstanceSpec) {
    let group = |value: serde_json::Value| serde_json::from_value(value).ok();
    spec.size = Some("4cpu8gb".to_owned());
    spec.power_state = Some(PowerState::Stopped);
    spec.monitoring = group(serde_json::json!({"enabled": true, "alerting": true}));
    spec.patching = serde_json::from_value(serde_json::json!({"excluded": false, "group": 3})).ok();
    spec.replication = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
    spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
}

fn everything_differs() -> Case {
    let mut case = Case::managed();
    case.edits(ask_for_everything);
    case
}

#[test]
fn groups_are_changed_one_after_another_in_the_order_of_business() {
    let mut case = everything_differs();
    let mut order = Vec::new();
    for _ in 0..6 {
        let said = case.says();
        order.push(said.clone());
        case.shows(|detail| match said.as_str() {
            "send Resize 4cpu8gb" => detail.size = "4cpu8gb".parse().ok(),
            "send UpdatePatching" => detail.patching.as_mut().expect("shown").group = Some(3),
            "send UpdateMonitoring" => {
                (detail.monitoring.enabled, detail.monitoring.alerting) = (Some(true), Some(true));
            }
            "send UpdateReplication" => detail.replication = Some(true),
            "send UpdateBackup" => detail.backup = Some(true),
            "send Stop" => detail.state = InstanceState::Inactive,
            other => panic!("{other}"),
        });
        // What matched is recorded before the next call.
        let decision = case.next();
        assert_eq!(says(&decision), "save");
        case.write(&decision);
    }
    assert_eq!(
        order,
        [
            "send Resize 4cpu8gb",
            "send UpdatePatching",
            "send UpdateMonitoring",
            "send UpdateReplication",
            "send UpdateBackup",
            "send Stop"
        ]
    );
    assert_eq!(case.at_rest().says(), "Ready Stopped");
}

const FIRST: &[Row] = &[
    ("with all due, the size comes first", |_| {}, "send Resize 4cpu8gb"),
    ("power off for the resize", |case| case.spec.resize_policy = ResizePolicy::StopStart, "send Stop"),
    (
        "a stopped VM is resized at once",
        |case| {
            case.spec.resize_policy = ResizePolicy::StopStart;
            case.shows(|detail| detail.state = InstanceState::Inactive);
        },
        "send Resize 4cpu8gb",
    ),
    (
        "identity comes before everything",
        |case| {
            case.shows(|detail| detail.name = itcare_operator::model::HostName::new("PDB01"));
        },
        "Stalled IdentityMismatch",
    ),
    ("an intent comes before everything", |case| case.intends(OperationKind::Reset), "read look"),
    (
        "an action of ours that runs comes before everything else",
        |case| {
            case.operates(OperationKind::UpdateBackup, Some(ACTION));
            case.runs(&[action()]);
        },
        "Working UpdatingBackup",
    ),
    ("an action of somebody else too", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    ("deletion comes before the spec", Case::deletes, "send Stop"),
    (
        "a reset comes before the groups",
        |case| {
            case.asks_reset(60);
            case.looked(&[], &[]);
        },
        "send Reset",
    ),
    (
        "a reset that waits holds nothing back",
        |case| {
            case.asks_reset(60);
            case.shows(|detail| detail.state = InstanceState::Inactive);
        },
        "send Resize 4cpu8gb",
    ),
    (
        "power that is owed comes before the other groups",
        |case| {
            case.ledger().resume = Some(Resume::Resize);
            case.edits(|spec| {
                spec.size = Some("2cpu4gb".to_owned());
                spec.power_state = None;
            });
            case.shows(|detail| detail.state = InstanceState::Inactive);
        },
        "send Start",
    ),
    (
        "a state that nobody knows holds all of them back",
        |case| case.shows(|detail| detail.state = InstanceState::Other("MIGRATING".to_owned())),
        "Working ForeignActionInProgress",
    ),
    (
        "a snapshot's call in flight holds all of them back",
        |case| {
            case.snapshots.intent = Some("before-upgrade".to_owned());
        },
        "Working Resizing",
    ),
];

#[test]
fn the_most_urgent_thing_comes_first() {
    table_once_saved(everything_differs, FIRST);
}

#[test]
fn one_group_that_is_refused_does_not_hold_up_the_others() {
    let mut case = everything_differs();
    case.operated(OperationKind::Resize, itcare_operator::model::OperationResult::Refused, 60);
    assert_eq!(case.says(), "send UpdatePatching");
}

#[test]
fn calls_carry_what_the_user_wrote() {
    let mut case = Case::managed();
    case.edits(|spec| {
        spec.change_reference = Some("CHG0001".to_owned());
        spec.patching = serde_json::from_value(
            serde_json::json!({"excluded": true, "exclusionReason": "migration", "group": 2}),
        )
        .ok();
    });
    let action =
        CallAction::UpdatePatching { excluded: true, reason: Some("migration".to_owned()), group: None };
    let expected = Call { id: VM, change_reference: Some("CHG0001".to_owned()), action };
    assert_eq!(case.next().step, Step::Call(expected), "no group while excluded");

    let mut case = Case::managed();
    case.shows(|detail| detail.backup = Some(true));
    case.edits(|spec| {
        spec.backup =
            serde_json::from_value(serde_json::json!({"enabled": false, "disabledReason": "test machine"}))
                .ok();
    });
    let action = CallAction::UpdateBackup { enabled: false, reason: Some("test machine".to_owned()) };
    assert_eq!(case.next().step, Step::Call(Call { id: VM, change_reference: None, action }));
}

#[test]
fn a_group_that_matches_is_recorded_as_applied_without_a_call() {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Running));
    let ledger = saved(&case.next());
    assert!(ledger.applied.expect("applied").groups.contains_key(&Group::Power));
}

const UNMANAGED: &[Row] = &[
    (
        "power that is not asked for is left alone",
        |case| case.shows(|detail| detail.state = InstanceState::Inactive),
        "Ready Stopped",
    ),
    (
        "a switch that is not asked for is left alone",
        |case| case.shows(|detail| detail.backup = Some(true)),
        "Ready Running",
    ),
    (
        "a group without a patch group has no preference",
        |case| {
            case.edits(|spec| {
                spec.patching = serde_json::from_value(serde_json::json!({"excluded": false})).ok()
            });
            case.shows(|detail| detail.patching.as_mut().expect("shown").group = Some(3));
        },
        "save",
    ),
    (
        "alerting of a VM that is not monitored means nothing",
        |case| {
            case.edits(|spec| {
                spec.monitoring =
                    serde_json::from_value(serde_json::json!({"enabled": false, "alerting": false})).ok();
            });
            case.shows(|detail| detail.monitoring.alerting = Some(true));
        },
        "save",
    ),
    (
        "a reason alone is no change",
        |case| {
            case.edits(|spec| {
                spec.replication =
                    serde_json::from_value(serde_json::json!({"enabled": false, "disabledReason": "none"}))
                        .ok();
            });
        },
        "save",
    ),
];

#[test]
fn what_the_spec_leaves_out_is_never_changed() {
    table(Case::managed, UNMANAGED);
}

#[test]
fn a_spec_without_size_leaves_the_size_alone() {
    let mut case = Case::managed_with(|case| {
        case.spec.instance_id = Some(VM.get());
        case.spec.size = None;
    });
    case.shows(|detail| detail.size = "8cpu64gb".parse().ok());
    assert_eq!(case.at_rest().says(), "Ready Running");
}

const AT_REST: &[Row] = &[
    (
        "settled, and the list agrees: nothing is read",
        |case| case.cloud.detail = Observed::Unknown,
        "Ready Running",
    ),
    (
        "the list shows another state",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Inactive);
            case.cloud.detail = Observed::Present { value: crate::fixture::detail(), at: NOW - seconds(30) };
        },
        "read detail",
    ),
    (
        "the detail is due",
        |case| {
            case.detail_due = NOW;
            case.cloud.detail = Observed::Present { value: crate::fixture::detail(), at: NOW - seconds(30) };
        },
        "read detail",
    ),
    (
        "a fresh look was asked for",
        |case| {
            case.object.reconcile_requested = Some("now".to_owned());
            case.cloud.detail = Observed::Present { value: crate::fixture::detail(), at: NOW - seconds(30) };
        },
        "read detail",
    ),
    (
        "the spec changed",
        |case| {
            case.edits(|spec| spec.drift_policy = DriftPolicy::Report);
            case.cloud.detail = Observed::Unknown;
        },
        "read detail",
    ),
    (
        "the list is older than our last effect",
        |case| {
            case.cloud.listed = Observed::Absent { at: NOW - seconds(30) };
            case.memory.effect_end = NOW - seconds(10);
        },
        "Ready Running",
    ),
    (
        "the detail leaves the file systems out",
        |case| {
            case.object.reconcile_requested = Some("now".to_owned());
            case.shows(|detail| detail.file_systems = None);
        },
        "read storage",
    ),
    (
        "the detail leaves the network out",
        |case| {
            case.object.reconcile_requested = Some("now".to_owned());
            case.shows(|detail| detail.network = None);
        },
        "read network",
    ),
    (
        "parts that cannot be read do not hold up the rest",
        |case| {
            case.object.reconcile_requested = Some("now".to_owned());
            case.shows(|detail| detail.network = None);
            case.failed(Need::Network(VM), FailureClass::Transient, Some(503));
        },
        "Ready Running",
    ),
];

#[test]
fn a_settled_vm_is_looked_at_only_when_something_may_have_changed() {
    table(Case::managed, AT_REST);
}

#[test]
fn a_routine_look_that_fails_leaves_ready_as_it_was() {
    // reference/gitops.md 1.3: "API down, nothing to do, short" is Ready=True, as last known.
    let mut case = Case::managed();
    case.detail_due = NOW;
    case.cloud.detail = Observed::Present { value: crate::fixture::detail(), at: NOW - seconds(30) };
    case.failed(Need::Detail(VM), FailureClass::Transient, Some(503));
    assert_eq!(case.says(), "Ready Running");
}

#[test]
fn a_requested_look_gets_its_receipt() {
    let mut case = Case::managed();
    case.object.reconcile_requested = Some("2026-01-02T03:04:00Z".to_owned());
    let decision = case.next();
    assert_eq!(decision.status.last_handled_reconcile_at.as_deref(), Some("2026-01-02T03:04:00Z"));
    case.write(&decision);
    case.cloud.detail = Observed::Unknown;
    assert_eq!(case.says(), "Ready Running", "once");
}

#[test]
fn a_requested_look_that_failed_gets_no_receipt() {
    let mut case = Case::managed();
    case.object.reconcile_requested = Some("2026-01-02T03:04:00Z".to_owned());
    case.cloud = itcare_operator::decide::Cloud::default();
    case.failed(Need::Detail(VM), FailureClass::Transient, Some(503));
    assert_eq!(case.next().status.last_handled_reconcile_at, None);
}

#[test]
fn a_finalizer_that_was_wiped_comes_back() {
    // DESIGN 5.1: `kubectl replace` wipes annotations and finalizer, and loses nothing.
    let mut case = Case::managed();
    case.object.has_finalizer = false;
    let decision = case.next();
    assert!(
        matches!(&decision.step, Step::SaveLedger { finalizer: true, .. }),
        "without it a deletion would leave the VM behind: {:?}",
        decision.step
    );
}

#[test]
fn the_snapshot_in_the_slot_is_shown_with_the_object_that_owns_it() {
    let mut case = Case::managed();
    case.object.reconcile_requested = Some("now".to_owned());
    case.snapshots.owned = vec![(crate::fixture::snapshot_id(), "nightly".to_owned())];
    case.shows(|detail| detail.slot = Some(crate::fixture_snapshot::slot()));
    let shown = case.next().status.snapshot.expect("shown");
    assert_eq!((shown.id.as_str(), shown.managed_by.as_deref()), ("5220149-snap-7", Some("nightly")));
    case.shows(|detail| detail.slot = Some(crate::fixture_snapshot::foreign_slot()));
    assert_eq!(case.next().status.snapshot.and_then(|shown| shown.managed_by), None, "somebody else's");
}

#[test]
fn a_message_says_what_is_sent_and_why() {
    let mut case = Case::managed();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    let text = message(&case.next());
    for words in ["spec.size", "4cpu8gb", "2cpu4gb"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    case.operates(OperationKind::Resize, Some(ACTION));
    case.read(ended(ActionStatus::Error));
    case.runs(&[action()]);
    assert!(message(&case.next()).contains("41900"), "the action's id is told while it runs");
}
