//! `spec.recover`: one request, one recovery at most, of exactly our snapshot (DESIGN 4.3, 6).

use itcare_operator::crd::status::Receipt;
use itcare_operator::decide::decision::{Guarded, GuardedCall};
use itcare_operator::decide::{Decision, Step, Wake};
use itcare_operator::model::{
    Action, ActionStatus, Detail, HostName, Observed, OneShot, OperationKind, OperationResult, Slot,
};

use crate::fixture::{ACTION, NOW, OTHER_VM, PASS, VM, action, detail, ended, seconds, wall_at};
use crate::fixture_snapshot::{Row, SnapshotCase, available, foreign_slot, message, says, slot, table};

/// A recovery was asked for a minute ago; a look shows no action since.
fn asked() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.asks_recovery(60);
    case.looked(&[]);
    case
}

fn done(ago: i64) -> Action {
    Action { submitted_at: Some(wall_at(-ago)), ..ended(ActionStatus::Success) }
}

const ROWS: &[Row] = &[
    ("asked for, and nobody did it yet", |_| {}, "send Recover"),
    ("asked for before the object was made", |case| case.object.created = wall_at(-30), "Ready Available"),
    (
        "dealt with before",
        |case| {
            case.ledger().handled.insert(OneShot::Recover, wall_at(-60));
        },
        "Ready Available",
    ),
    ("taken back", |case| case.spec.recover = None, "Ready Available"),
    ("more than five minutes ahead: it waits", |case| case.asks_recovery(-301), "Ready Available"),
    ("less than that", |case| case.asks_recovery(-300), "send Recover"),
    ("too old", |case| case.asks_recovery(3601), "save"),
    (
        "past its own notAfter",
        |case| {
            case.spec.recover.as_mut().expect("asked").not_after = Some(wall_at(-1));
        },
        "save",
    ),
    (
        "the slot was not read in this pass",
        |case| {
            case.cloud.slot = Observed::Present { value: slot(), at: PASS - seconds(1) };
        },
        "read slot",
    ),
    ("another snapshot fills the slot: never", |case| case.fills(foreign_slot()), "Stalled SnapshotMissing"),
    (
        "the slot is empty: never",
        |case| case.cloud.slot = Observed::Absent { at: NOW },
        "Working ProgressingWithRetry",
    ),
    (
        "it expires in ten minutes: never",
        |case| case.fills(Slot { expires_at: Some(wall_at(600)), ..slot() }),
        "save",
    ),
    (
        "it expires a moment later than that",
        |case| {
            case.ledger().expires = Some(wall_at(601));
            case.fills(Slot { expires_at: Some(wall_at(601)), ..slot() });
        },
        "send Recover",
    ),
    (
        "its VM was not read in this pass",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) },
        "read detail",
    ),
    (
        "its VM has another name now: never",
        |case| {
            let renamed = Detail { name: HostName::new("POTHER"), ..detail() };
            case.cloud.detail = Observed::Present { value: renamed, at: NOW };
        },
        "Ready Available",
    ),
    ("its VM is gone: never", |case| case.cloud.detail = Observed::Absent { at: NOW }, "Ready Available"),
    ("there is no instance object", |case| case.instance = None, "Ready Available"),
    (
        "the instance refuses",
        |case| {
            case.instance.as_mut().expect("one").refuses = Some("it is suspended".to_owned());
        },
        "Ready Available",
    ),
    (
        "the instance manages another VM",
        |case| {
            case.instance.as_mut().expect("one").id = Some(OTHER_VM);
        },
        "Ready Available",
    ),
    ("the instance has no VM", |case| case.instance.as_mut().expect("one").id = None, "Ready Available"),
    (
        "a call of the instance is in flight",
        |case| case.instance.as_mut().expect("one").intent = true,
        "Ready Available",
    ),
    (
        "a call of another snapshot is in flight",
        |case| case.sibling = Some("weekly".to_owned()),
        "Ready Available",
    ),
    ("an action runs", |case| case.runs(&[action()]), "Ready Available"),
    (
        "the running actions were asked for before the slot",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
        "read running",
    ),
    ("nobody looked at the actions", |case| case.cloud.look = None, "read look"),
    ("an action that may be it was submitted since", |case| case.looked(&[done(30)]), "save"),
    (
        "an action that may be it was submitted up to ten minutes before",
        |case| case.looked(&[done(659)]),
        "save",
    ),
    ("an action was submitted earlier than that", |case| case.looked(&[done(661)]), "send Recover"),
    (
        "an action of somebody else is not it",
        |case| case.looked(&[Action { submitted_by: Some("alice".to_owned()), ..done(30) }]),
        "send Recover",
    ),
    (
        "an action that takes snapshots is not it",
        |case| case.looked(&[Action { process: Some("vm_create_snapshot".to_owned()), ..done(30) }]),
        "send Recover",
    ),
    (
        "the action that took this snapshot is not it",
        |case| {
            case.looked(&[done(30)]);
            case.operated(OperationKind::TakeSnapshot, OperationResult::Succeeded, 20);
            case.last().action_id = Some(ACTION.get());
        },
        "send Recover",
    ),
    ("the object was not read live", |case| case.cloud.object_unchanged = None, "read object"),
    (
        "it was refused a minute ago",
        |case| {
            case.operated(OperationKind::Recover, OperationResult::Refused, 60);
        },
        "Stalled Rejected",
    ),
    ("a suspended object makes no call", |case| case.spec.suspend = true, "Ready Available"),
];

#[test]
fn a_recovery_is_sent_once_for_each_request() {
    table(asked, ROWS);
}

#[test]
fn a_namespace_that_may_not_use_the_service_recovers_none_of_its_vms() {
    let mut case = asked();
    case.allowed = false;
    let said = case.says();
    assert!(!said.starts_with("send"), "{said}");
}

#[test]
fn the_call_names_the_recorded_vm_and_carries_the_request() {
    let Step::Guarded(Guarded { ledger, request, call, .. }) = asked().next().step else {
        panic!("no recovery")
    };
    assert_eq!((request, call), (Some(wall_at(-60)), GuardedCall::Recover { id: VM }));
    assert_eq!(Ok(Some(*ledger)), asked().ledger);
}

fn receipt(decision: &Decision<itcare_operator::crd::SnapshotStatus>) -> Receipt {
    let found = decision.status.handled_requests.get(&OneShot::Recover);
    found.unwrap_or_else(|| panic!("no receipt: {}", says(decision))).clone()
}

#[test]
fn what_is_not_carried_out_leaves_a_receipt_and_a_message() {
    let mut late = asked();
    late.asks_recovery(3601);
    assert_eq!(receipt(&late.next()).result, OperationResult::Expired);
    assert!(!late.next().notes.is_empty());
    let mut short = asked();
    short.fills(Slot { expires_at: Some(wall_at(599)), ..slot() });
    assert_eq!(receipt(&short.next()).result, OperationResult::Expired);
    let mut before = asked();
    before.looked(&[done(30)]);
    assert_eq!(receipt(&before.next()).result, OperationResult::OutcomeUnknown);
    let mut refused = asked();
    refused.asks_recovery(3601);
    refused.operated(OperationKind::Recover, OperationResult::Refused, 600);
    assert_eq!(receipt(&refused.next()).result, OperationResult::Refused);
}

#[test]
fn a_recovery_that_waits_says_why_and_ends_in_time() {
    let mut case = asked();
    case.instance = None;
    let decision = case.next();
    assert!(message(&decision).contains("recovery waits"), "{}", message(&decision));
    assert_eq!(available(&decision), "True Available");
    assert!(matches!(decision.wake, Wake::After(wait) if wait <= seconds(60)));
    assert!(decision.status.handled_requests.is_empty());
    case.now.wall = wall_at(3541);
    assert_eq!(receipt(&case.next()).result, OperationResult::Expired);
}

#[test]
fn a_request_from_the_future_leaves_no_receipt() {
    let mut case = asked();
    case.asks_recovery(-400);
    let decision = case.next();
    assert!(decision.status.handled_requests.is_empty());
    assert!(message(&decision).contains("ahead"), "{}", message(&decision));
    assert_eq!(decision.wake, Wake::After(seconds(100)));
}

/// The recovery was sent; its action is known.
fn followed() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.asks_recovery(60);
    case.intends(OperationKind::Recover);
    case.ledger().intent.as_mut().expect("one").request = Some(wall_at(-60));
    case.operates(OperationKind::Recover, Some(ACTION));
    case
}

const FOLLOWED: &[Row] = &[
    ("it runs", |case| case.runs(&[action()]), "Working Recovering"),
    ("it left the running list: the action decides", |_| {}, "read action"),
    (
        "it has a status that nobody knows",
        |case| case.read(ended(ActionStatus::Other("HELD".to_owned()))),
        "Working Recovering",
    ),
    ("it ended well", |case| case.read(ended(ActionStatus::Success)), "save"),
    ("it failed", |case| case.read(ended(ActionStatus::Error)), "save"),
    (
        "ITCare has forgotten it",
        |case| case.cloud.action = Some((ACTION, Observed::Absent { at: NOW })),
        "save",
    ),
];

#[test]
fn a_recovery_ends_only_by_its_action() {
    table(followed, FOLLOWED);
}

#[test]
fn every_end_of_a_recovery_is_an_end() {
    for (read, result) in [
        (Observed::Present { value: ended(ActionStatus::Success), at: NOW }, OperationResult::Succeeded),
        (Observed::Present { value: ended(ActionStatus::Error), at: NOW }, OperationResult::Failed),
        (Observed::Absent { at: NOW }, OperationResult::OutcomeUnknown),
    ] {
        let mut case = followed();
        case.cloud.action = Some((ACTION, read));
        let decision = case.next();
        assert_eq!(receipt(&decision).result, result);
        case.write(&decision);
        case.looked(&[]);
        assert_ne!(case.says(), "send Recover", "{result:?}");
    }
}

#[test]
fn a_recovery_that_was_dealt_with_and_lost_its_receipt_is_given_one() {
    let mut case = SnapshotCase::taken();
    case.ledger().handled.insert(OneShot::Recover, wall_at(-60));
    let decision = case.next();
    let mended = &decision.status.handled_requests[&OneShot::Recover];
    assert_eq!((mended.requested_at, mended.result), (wall_at(-60), OperationResult::OutcomeUnknown));
    case.status.handled_requests = decision.status.handled_requests.clone();
    assert_eq!(case.next().status.handled_requests, case.status.handled_requests, "and it stays");
}

#[test]
fn a_recovery_that_lost_its_receipt_gets_it_from_its_own_action_if_the_status_still_names_that() {
    let lost = |kind| {
        let mut case = SnapshotCase::taken();
        case.ledger().handled.insert(OneShot::Recover, wall_at(-60));
        case.operates(kind, Some(ACTION));
        case
    };
    let mut case = lost(OperationKind::Recover);
    assert_eq!(case.says(), "read action");
    for (kind, result, action) in [
        (OperationKind::Recover, OperationResult::Succeeded, Some(ACTION.get())),
        (OperationKind::TakeSnapshot, OperationResult::OutcomeUnknown, None),
    ] {
        case = lost(kind);
        case.read(ended(ActionStatus::Success));
        let receipt = case.next().status.handled_requests[&OneShot::Recover].clone();
        assert_eq!((receipt.result, receipt.action_id), (result, action), "{kind}");
    }
}

#[test]
fn a_recovery_that_ran_out_is_refused_only_if_itcare_refused_this_very_one() {
    for (kind, result, ago, expected) in [
        (OperationKind::Recover, OperationResult::Refused, 60, OperationResult::Refused),
        (OperationKind::Recover, OperationResult::Refused, 9_000, OperationResult::Expired),
        (OperationKind::Recover, OperationResult::Failed, 60, OperationResult::Expired),
        (OperationKind::TakeSnapshot, OperationResult::Refused, 60, OperationResult::Expired),
    ] {
        let mut case = SnapshotCase::taken();
        case.asks_recovery(7_200);
        case.object.created = wall_at(-86_400);
        case.operated(kind, result, ago);
        let decision = case.next();
        let receipt = decision.status.handled_requests.get(&OneShot::Recover);
        assert_eq!(receipt.map(|receipt| receipt.result), Some(expected), "{kind} {result:?} {ago} s ago");
    }
}
