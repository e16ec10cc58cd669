//! What a pass of a snapshot keeps and gives up besides its step: ledger, receipt, memory, the words of its messages.

use itcare_operator::crd::snapshot::MissingInstancePolicy;
use itcare_operator::decide::decision::{Call, CallAction, GuardedCall};
use itcare_operator::decide::{Memory, Outcome, Step, Wake};
use itcare_operator::model::{
    Action, ActionStatus, AttemptId, LedgerError, Observed, OneShot, OperationKind, OperationResult,
};

use crate::fixture::{
    ACTION, NOW, SETTLE, VM, action, attempt, ended, intent, seconds, snapshot_id, wall_at,
};
use crate::fixture_snapshot::{SnapshotCase, message, says};

#[test]
fn of_a_ledger_that_cannot_be_read_the_second_copy_stays_for_a_person() {
    let mut case = SnapshotCase::taken();
    let copy = case.status.ledger.clone().expect("a copy");
    case.ledger = Err(LedgerError::Garbled("eof".to_owned()));
    let decision = case.next();
    assert_eq!((says(&decision).as_str(), decision.status.ledger), ("Stalled LedgerUnreadable", Some(copy)));
    // A copy from another object is given up with its annotation.
    let mut case = SnapshotCase::taken();
    case.ledger().object = "shop/other".to_owned();
    let decision = case.next();
    assert_eq!((says(&decision).as_str(), decision.status.ledger), ("drop", None));
}

#[test]
fn an_annotation_or_a_finalizer_that_was_wiped_is_put_back_without_a_read() {
    for (annotation, finalizer) in [(false, true), (true, false), (false, false)] {
        let mut case = SnapshotCase::taken();
        (case.object.has_ledger, case.object.has_finalizer) = (annotation, finalizer);
        case.cloud.slot = Observed::Unknown;
        let decision = case.next();
        assert!(
            matches!(&decision.step, Step::SaveLedger { finalizer: true, .. }),
            "{annotation} {finalizer}: {:?}",
            decision.step
        );
        case.write(&decision);
        assert_eq!(case.next().step, Step::Nothing, "once");
    }
}

#[test]
fn a_request_for_a_look_gets_its_receipt() {
    let mut case = SnapshotCase::taken();
    case.object.reconcile_requested = Some("noon".to_owned());
    assert_eq!(case.next().status.last_handled_reconcile_at.as_deref(), Some("noon"));
    case.spec.suspend = true;
    assert_eq!(case.next().status.last_handled_reconcile_at, None, "nobody looked");
}

#[test]
fn a_failure_whose_status_was_not_written_still_counts() {
    let mut case = SnapshotCase::fresh();
    case.intends(OperationKind::TakeSnapshot);
    case.operates(OperationKind::TakeSnapshot, Some(ACTION));
    case.read(ended(ActionStatus::Error));
    let decision = case.next();
    case.write(&decision);
    case.status.last_operation = None;
    assert_eq!(case.says(), "Working TakingSnapshot");
    case.memory = Memory::default();
    assert_eq!(case.says(), "send TakeSnapshot", "a process that knows of no failure tries");
}

#[test]
fn an_end_is_remembered_by_the_pass_that_tells_of_it_and_not_by_one_that_asks() {
    let mut case = SnapshotCase::taken();
    case.deletes();
    case.operates(OperationKind::RemoveSnapshot, Some(ACTION));
    case.read(ended(ActionStatus::Error));
    case.cloud.slot = Observed::Unknown;
    let remembers =
        |memory: &Memory| memory.last(None, OperationKind::RemoveSnapshot).map(|last| last.result);
    let decision = case.next();
    assert_eq!((says(&decision).as_str(), remembers(&decision.memory)), ("read slot", None));
    case.fills(crate::fixture_snapshot::slot());
    assert_eq!(remembers(&case.next().memory), Some(OperationResult::Failed));
}

#[test]
fn what_was_available_once_is_not_what_was_skipped() {
    let mut case = SnapshotCase::taken();
    case.ledger = Ok(None);
    case.cloud.slot = Observed::Absent { at: NOW };
    assert_eq!(case.says(), "send TakeSnapshot");
}

#[test]
fn a_missing_instance_is_given_five_seconds_before_the_snapshot_is_skipped() {
    let mut case = SnapshotCase::fresh();
    case.instance = None;
    case.spec.on_missing_instance = MissingInstancePolicy::Skip;
    let decision = case.next();
    assert_eq!(decision.wake, Wake::After(seconds(5)));
    case.write(&decision);
    case.later(seconds(4));
    assert_eq!(case.next().wake, Wake::After(seconds(1)));
}

#[test]
fn a_slot_that_was_taken_is_looked_at_again_and_any_other_refusal_is_not() {
    for (words, expected) in
        [("HTTP 409: slot taken", "send TakeSnapshot"), ("HTTP 422: no", "Stalled Rejected")]
    {
        let mut case = SnapshotCase::fresh();
        case.took(OperationResult::Refused, 60, words);
        assert_eq!(case.says(), expected, "{words}");
    }
}

#[test]
fn what_runs_is_told_by_kind_action_and_vm() {
    let case = SnapshotCase::taken();
    let remove = Call { id: VM, change_reference: None, action: CallAction::RemoveSnapshot(snapshot_id()) };
    let mut asking = SnapshotCase::taken();
    asking.asks_recovery(60);
    asking.looked(&[]);
    let recover = asking.next().step;
    assert!(
        matches!(&recover, Step::Guarded(guarded) if matches!(guarded.call, GuardedCall::Recover { .. }))
    );
    for (step, kind, expected) in [
        (Step::Call(remove), OperationKind::RemoveSnapshot, "Working RemovingSnapshot"),
        (recover, OperationKind::Recover, "Working Recovering"),
    ] {
        let mut ledger = case.ledger.clone().expect("readable").expect("one");
        ledger.intent = (kind == OperationKind::Recover).then(|| intent(kind));
        let decision = case.after(&step, &Outcome::Accepted(action()), Some(ledger));
        assert_eq!(says(&decision), expected);
        let words = format!("{kind} of VM {VM}: action {ACTION} runs");
        assert_eq!(message(&decision), words);
    }
}

/// A recovery got no clear answer ten minutes ago.
fn recovering() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.asks_recovery(700);
    case.intends(OperationKind::Recover);
    case.ledger().intent.as_mut().expect("one").request = Some(wall_at(-700));
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(600)));
    case.looked(&[]);
    case
}

#[test]
fn the_only_action_that_may_be_the_recovery_is_followed() {
    let mut case = recovering();
    case.looked(&[Action { submitted_at: Some(wall_at(-595)), ..ended(ActionStatus::Success) }]);
    let decision = case.next();
    assert_eq!(says(&decision), "Working Recovering");
    assert_eq!(decision.status.operation.and_then(|operation| operation.action_id), Some(ACTION.get()));
    assert!(decision.status.handled_requests.is_empty());
}

#[test]
fn a_refusal_of_another_attempt_says_nothing_about_this_one() {
    let mut case = recovering();
    case.was_refused(OperationKind::Recover, 20);
    case.last().attempt = Some(AttemptId::from_bytes([7; 8]));
    let receipt = case.next().status.handled_requests.get(&OneShot::Recover).map(|receipt| receipt.result);
    assert_eq!(receipt, Some(OperationResult::OutcomeUnknown), "it is never sent again");
}

#[test]
fn an_action_that_itcare_lists_but_does_not_find_is_waited_for_without_haste() {
    let mut case = SnapshotCase::fresh();
    case.intends(OperationKind::TakeSnapshot);
    case.memory.attempt_seen = Some((attempt(), NOW));
    case.operates(OperationKind::TakeSnapshot, Some(ACTION));
    case.cloud.action = Some((ACTION, Observed::Absent { at: NOW }));
    case.looked(&[Action { submitted_at: Some(wall_at(-595)), ..ended(ActionStatus::Success) }]);
    let decision = case.next();
    assert_eq!(
        (says(&decision).as_str(), decision.wake),
        ("Working ResolvingOutcome", Wake::After(SETTLE / 4))
    );
    // Known from an earlier attempt, it has not been followed for this one.
    case.status.operation.as_mut().expect("one").attempt = Some(AttemptId::from_bytes([7; 8]));
    assert_eq!(case.says(), "Working TakingSnapshot");
}

#[test]
fn a_ledger_that_names_no_vm_is_begun_anew() {
    let mut case = SnapshotCase::taken();
    case.ledger().instance = None;
    assert_eq!(
        case.says(),
        "Working WaitingForSlot",
        "its snapshot fills the slot, and nothing says of which VM"
    );
    case.deletes();
    assert_eq!(case.says(), "let go");
}
