//! Removing a snapshot: by its recorded ids only, also without its instance (DESIGN 4.3, 5.3).

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::crd::{ConditionType, condition};
use itcare_operator::decide::decision::{Call, CallAction, Need};
use itcare_operator::decide::{Outcome, Step, snapshot};
use itcare_operator::model::{
    AccountId, ActionStatus, Detail, FailureClass, HostName, Moment, Observed, OperationKind, OperationResult,
};

use crate::fixture::{
    ACTION, NOW, PASS, SETTLE, VM, action, detail, ended, failure, seconds, snapshot_id, wall_at,
};
use crate::fixture_snapshot::{Row, SnapshotCase, foreign_slot, message, says, slot, table};

fn deleting() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.deletes();
    case
}

const ROWS: &[Row] = &[
    ("it is removed", |_| {}, "send RemoveSnapshot"),
    ("also without its instance object", |case| case.instance = None, "send RemoveSnapshot"),
    (
        "also when its instance is observed or suspended",
        |case| {
            case.instance.as_mut().expect("one").refuses = Some("its managementPolicy is Observe".to_owned());
        },
        "send RemoveSnapshot",
    ),
    ("not when it is retained", |case| case.spec.deletion_policy = DeletionPolicy::Retain, "let go"),
    (
        "not when it is retained, though a removal of ours still runs: nothing holds it back",
        |case| {
            case.spec.deletion_policy = DeletionPolicy::Retain;
            case.operates(OperationKind::RemoveSnapshot, Some(ACTION));
            case.runs(&[action()]);
        },
        "let go",
    ),
    ("not when it has expired", |case| case.now.wall = wall_at(3 * 86_400), "let go"),
    ("not when none was ever taken", |case| case.ledger().snapshot = None, "let go"),
    ("not without a ledger", |case| case.ledger = Ok(None), "let go"),
    ("not when our finalizer is off already", |case| case.object.has_finalizer = false, "Ready Available"),
    ("never somebody else's, which fills the slot now", |case| case.fills(foreign_slot()), "let go"),
    ("a suspended removal waits and says so", |case| case.spec.suspend = true, "Working RemovingSnapshot"),
    (
        "a suspended removal with Retain lets go",
        |case| {
            case.spec.suspend = true;
            case.spec.deletion_policy = DeletionPolicy::Retain;
        },
        "let go",
    ),
    (
        "the account is another one",
        |case| case.ledger().account = AccountId::new("other"),
        "Stalled DeletionBlocked",
    ),
    (
        "the account is another one, and it is retained",
        |case| {
            case.ledger().account = AccountId::new("other");
            case.spec.deletion_policy = DeletionPolicy::Retain;
        },
        "let go",
    ),
    (
        "the look at the slot is of an earlier pass",
        |case| case.cloud.slot = Observed::Present { value: slot(), at: PASS - seconds(1) },
        "read slot",
    ),
    (
        "the slot is empty: once may be a lag",
        |case| case.cloud.slot = Observed::Absent { at: NOW },
        "Working RemovingSnapshot",
    ),
    (
        "the slot is empty a settle time later",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
            case.memory.missing_seen = Some(NOW - SETTLE);
        },
        "let go",
    ),
    (
        "the slot is empty after our own removal",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
            case.operated(OperationKind::RemoveSnapshot, OperationResult::Succeeded, 10);
        },
        "let go",
    ),
    (
        "the slot is empty after a removal that failed: that proves as little as before",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
            case.operated(OperationKind::RemoveSnapshot, OperationResult::Failed, 600);
        },
        "Working RemovingSnapshot",
    ),
    (
        "the slot is empty, and the last thing that went well was to take it",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
            case.operated(OperationKind::TakeSnapshot, OperationResult::Succeeded, 600);
        },
        "Working RemovingSnapshot",
    ),
    (
        "it was removed a moment ago and is still shown: it may lag",
        |case| case.operated(OperationKind::RemoveSnapshot, OperationResult::Succeeded, 119),
        "Working RemovingSnapshot",
    ),
    (
        "it was removed a settle time ago and is still shown: once more",
        |case| case.operated(OperationKind::RemoveSnapshot, OperationResult::Succeeded, 120),
        "send RemoveSnapshot",
    ),
    (
        "it was removed long ago and is still shown: once more",
        |case| case.operated(OperationKind::RemoveSnapshot, OperationResult::Succeeded, 9_000),
        "send RemoveSnapshot",
    ),
    (
        "the VM was read in an earlier pass",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) },
        "read detail",
    ),
    (
        "the id is another VM's by now",
        |case| {
            let other = Detail { name: HostName::new("PWEB9"), ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Stalled DeletionBlocked",
    ),
    (
        "the slot is there and the VM is not",
        |case| case.cloud.detail = Observed::Absent { at: NOW },
        "Working RemovingSnapshot",
    ),
    (
        "the running actions were asked for before the slot",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
        "read running",
    ),
    ("an action runs on the VM", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    ("the object was not read live", |case| case.cloud.object_unchanged = None, "read object"),
    (
        "a call of another snapshot is in flight",
        |case| case.sibling = Some("weekly".to_owned()),
        "Working RemovingSnapshot",
    ),
    (
        "a call of the instance is in flight",
        |case| case.instance.as_mut().expect("one").intent = true,
        "Working RemovingSnapshot",
    ),
    (
        "it failed a moment ago",
        |case| case.operated(OperationKind::RemoveSnapshot, OperationResult::Failed, 1),
        "Working RemovingSnapshot",
    ),
    (
        "it was refused",
        |case| case.operated(OperationKind::RemoveSnapshot, OperationResult::Refused, 60),
        "Stalled DeletionBlocked",
    ),
    (
        "a recovery that may be in flight comes first",
        |case| case.intends(OperationKind::Recover),
        "read look",
    ),
];

#[test]
fn a_snapshot_is_removed_by_its_recorded_ids() {
    table(deleting, ROWS);
}

#[test]
fn the_call_names_both_recorded_ids() {
    let expected = Call { id: VM, change_reference: None, action: CallAction::RemoveSnapshot(snapshot_id()) };
    assert_eq!(deleting().next().step, Step::Call(expected));
}

#[test]
fn what_is_not_an_answer_proves_nothing() {
    for class in [
        FailureClass::Unauthenticated,
        FailureClass::Forbidden,
        FailureClass::Transient,
        FailureClass::Garbled,
    ] {
        let mut case = deleting();
        case.cloud.slot = Observed::Unknown;
        case.memory.missing_seen = Some(NOW - SETTLE * 2);
        case.failed(Need::Slot(VM), class, None);
        assert_ne!(case.says(), "let go", "{class:?}");
    }
}

/// The removal was sent, and its action is not in the list of running ones any more.
fn removing() -> SnapshotCase {
    let mut case = deleting();
    case.operates(OperationKind::RemoveSnapshot, Some(ACTION));
    case.memory.effect_end = NOW - seconds(30);
    case
}

const FOLLOWED: &[Row] = &[
    ("its action runs", |case| case.runs(&[action()]), "Working RemovingSnapshot"),
    ("its action decides", |_| {}, "read action"),
    (
        "its action has a status that nobody knows",
        |case| {
            case.read(ended(ActionStatus::Other("HELD".to_owned())));
        },
        "Working RemovingSnapshot",
    ),
    (
        "success, and the slot is empty",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.cloud.slot = Observed::Absent { at: NOW };
        },
        "let go",
    ),
    (
        "success, and nobody looked since",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.cloud.slot = Observed::Absent { at: PASS - seconds(1) };
        },
        "read slot",
    ),
    ("it failed", |case| case.read(ended(ActionStatus::Error)), "Working RemovingSnapshot"),
    (
        "ITCare has forgotten it, and the snapshot is still there",
        |case| {
            case.cloud.action = Some((ACTION, Observed::Absent { at: NOW }));
        },
        "send RemoveSnapshot",
    ),
];

#[test]
fn a_removal_is_followed_to_its_end() {
    table(removing, FOLLOWED);
}

#[test]
fn an_unclear_removal_is_decided_anew_a_settle_time_later() {
    let mut case = removing();
    case.operates(OperationKind::RemoveSnapshot, None);
    case.memory.unclear_seen = Some((wall_at(-30), NOW - seconds(30)));
    assert_eq!(case.says(), "Working ResolvingOutcome");
    case.later(SETTLE);
    assert_eq!(case.says(), "read running");
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(case.says(), "read slot");
    case.cloud.slot = Observed::Present { value: slot(), at: case.now.mono };
    assert_eq!(case.says(), "read detail");
    case.cloud.detail = Observed::Present { value: detail(), at: case.now.mono };
    case.cloud.object_unchanged = Some(true);
    assert_eq!(case.says(), "send RemoveSnapshot");
}

#[test]
fn a_blocked_removal_says_what_helps() {
    let mut case = deleting();
    case.operated(OperationKind::RemoveSnapshot, OperationResult::Refused, 60);
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled DeletionBlocked");
    let text = message(&decision);
    assert!(text.contains("5220149-snap-7") && text.contains("Retain"), "{text}");
}

#[test]
fn a_conflict_counts_as_busy_for_a_while() {
    let mut case = deleting();
    let step = case.next().step;
    let conflict = Outcome::Refused(failure(FailureClass::Rejected, Some(409)));
    for time in 1..=5 {
        let ledger = case.ledger().clone();
        let decision = case.after(&step, &conflict, Some(ledger));
        assert_eq!(says(&decision), "Working ProgressingWithRetry", "409 number {time}");
        assert!(decision.status.last_operation.is_none(), "not a refusal yet");
        case.memory = decision.memory;
    }
    let ledger = case.ledger().clone();
    let decision = case.after(&step, &conflict, Some(ledger));
    assert_eq!(decision.status.last_operation.map(|last| last.result), Some(OperationResult::Refused));
}

#[test]
fn what_follows_from_a_call_is_dated_by_its_end() {
    let mut case = deleting();
    let step = case.next().step;
    let ledger = case.ledger().clone();
    let end = Moment { wall: wall_at(25), mono: NOW + seconds(25) };
    let outcome = Outcome::NotExecuted(failure(FailureClass::Transient, None));
    let decision = snapshot::after(&case.view(), &step, &outcome, Some(ledger), end);
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready).expect("it is told");
    assert_eq!(ready.last_transition_time, wall_at(25), "when the object ceased to be Ready");
    assert_eq!(decision.memory.failing_since, Some(NOW + seconds(25)), "since when it fails");
}

#[test]
fn an_unclear_removal_is_looked_at_again_when_the_settle_time_is_over() {
    let mut case = deleting();
    case.operates(OperationKind::RemoveSnapshot, None);
    let submitted = case.status.operation.as_ref().expect("one").submitted_at;
    case.memory.unclear_seen = Some((submitted, NOW - SETTLE + seconds(7)));
    assert_eq!(case.next().wake, itcare_operator::decide::Wake::After(seconds(7)));
}
