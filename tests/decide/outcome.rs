//! What the status says once a call was tried (DESIGN 5.2 step 4, 7), and the retry arithmetic.

use std::time::Duration;

use itcare_operator::crd::status::LastOperation;
use itcare_operator::crd::{ConditionType, Reason, condition};
use itcare_operator::decide::decision::{CallAction, Guarded};
use itcare_operator::decide::instance;
use itcare_operator::decide::retry::{self, Hold, RECHECK};
use itcare_operator::decide::{Call, Decision, Outcome, Step, Verdict, Wake};
use itcare_operator::model::{
    Action, FailureClass, InstanceState, Moment, OperationKind, OperationResult, PowerState,
};

use crate::fixture::{
    ACTION, Case, NOW, SETTLE, action, attempt, failure, intent, last_operation, seconds, site, wall, wall_at,
};
use crate::table::{message, says, stands};

/// A creation, as the shell sends it: the case, the step, the ledger with its intent.
fn creation() -> (Case, Step, itcare_operator::model::Ledger) {
    let case = Case::fresh();
    let step = case.next().step;
    let Step::Guarded(Guarded { ledger, .. }) = &step else { panic!("no creation") };
    let mut ledger = ledger.next();
    ledger.intent = Some(intent(OperationKind::Create));
    (case, step, ledger)
}

/// A stop that is due.
fn stop() -> (Case, Step) {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    let step = case.next().step;
    (case, step)
}

fn create_ends(outcome: &Outcome) -> Decision<itcare_operator::crd::InstanceStatus> {
    let (case, step, ledger) = creation();
    case.after(&step, outcome, Some(ledger))
}

fn stop_ends(outcome: &Outcome) -> Decision<itcare_operator::crd::InstanceStatus> {
    let (mut case, step) = stop();
    let ledger = case.ledger().clone();
    case.after(&step, outcome, Some(ledger))
}

#[test]
fn an_accepted_call_is_shown_with_its_action() {
    let accepted = Outcome::Accepted(Action { process: Some("vm_build".to_owned()), ..action() });
    let decision = create_ends(&accepted);
    let operation = decision.status.operation.clone().expect("shown");
    assert_eq!((operation.kind, operation.action_id), (OperationKind::Create, Some(ACTION.get())));
    assert_eq!((operation.attempt, operation.process.as_deref()), (Some(attempt()), Some("vm_build")));
    assert_eq!((operation.submitted_at, operation.generation), (wall(), Some(3)));
    assert_eq!(says(&decision), "Working Creating");
    assert_eq!(decision.wake, Wake::After(site().action_interval));
    assert_eq!(decision.memory.effect_end, NOW, "anything observed before decides nothing");
    assert_eq!(says(&stop_ends(&accepted)), "Working Stopping");
}

#[test]
fn what_follows_from_a_call_is_dated_by_its_end() {
    // The reply may take as long as the time-out: what begins then does not begin with the pass.
    let (mut case, step) = stop();
    let ledger = case.ledger().clone();
    let end = Moment { wall: wall_at(25), mono: NOW + seconds(25) };
    let outcome = Outcome::NotExecuted(failure(FailureClass::Transient, None));
    let decision = instance::after(&case.view(), &step, &outcome, Some(ledger), end);
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready).expect("it is told");
    assert_eq!(ready.last_transition_time, wall_at(25), "when the object ceased to be Ready");
    assert_eq!(decision.memory.failing_since, Some(NOW + seconds(25)), "since when it fails");
}

#[test]
fn a_process_name_is_cut_to_what_the_schema_allows() {
    let accepted = Outcome::Accepted(Action { process: Some("x".repeat(500)), ..action() });
    assert_eq!(create_ends(&accepted).status.operation.expect("shown").process.expect("told").len(), 128);
}

#[test]
fn a_call_that_was_not_executed_leaves_no_operation() {
    for (class, expected) in [
        (FailureClass::Transient, "Working ProgressingWithRetry"),
        (FailureClass::Throttled(Some(seconds(30))), "Working Throttled"),
        (FailureClass::Unauthenticated, "Working ProgressingWithRetry"),
        (FailureClass::Forbidden, "Working ProgressingWithRetry"),
        (FailureClass::NoCredentials, "Working CredentialsNotFound"),
    ] {
        let outcome = Outcome::NotExecuted(failure(class, None));
        for decision in [create_ends(&outcome), stop_ends(&outcome)] {
            assert_eq!(says(&decision), expected, "{class:?}");
            assert_eq!(decision.status.operation, None);
            assert_eq!(decision.status.last_operation, None);
        }
    }
}

#[test]
fn denied_again_and_again_needs_a_person() {
    for (class, status, expected) in [
        (FailureClass::Unauthenticated, 401, "Stalled CredentialsRejected"),
        (FailureClass::Forbidden, 403, "Stalled PermissionDenied"),
        (FailureClass::NoCredentials, 0, "Stalled CredentialsNotFound"),
    ] {
        let (mut case, step) = stop();
        case.memory.failing_since = Some(NOW - seconds(60));
        let ledger = case.ledger().clone();
        let decision = case.after(&step, &Outcome::NotExecuted(failure(class, Some(status))), Some(ledger));
        assert_eq!(says(&decision), expected);
    }
}

#[test]
fn a_missing_right_is_named() {
    let (mut case, step) = stop();
    case.memory.failing_since = Some(NOW - seconds(60));
    let ledger = case.ledger().clone();
    let decision =
        case.after(&step, &Outcome::NotExecuted(failure(FailureClass::Forbidden, Some(403))), Some(ledger));
    assert!(
        message(&decision).contains("POW") && message(&decision).contains("OPE"),
        "{}",
        message(&decision)
    );
}

#[test]
fn an_unclear_answer_is_looked_for_before_anything_else_is_sent() {
    let outcome = Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504)));
    for (decision, kept) in [(create_ends(&outcome), Some(attempt())), (stop_ends(&outcome), None)] {
        assert_eq!(says(&decision), "Working ResolvingOutcome");
        let operation = decision.status.operation.clone().expect("shown");
        assert_eq!((operation.action_id, operation.attempt), (None, kept));
        assert!(decision.memory.ambiguous);
    }
}

#[test]
fn a_refused_creation_says_so_at_once_while_its_intent_stands() {
    for (status, expected) in [(400, "Rejected"), (404, "Rejected"), (409, "NameTaken"), (422, "Rejected")] {
        let decision = create_ends(&Outcome::Refused(failure(FailureClass::Rejected, Some(status))));
        assert_eq!(says(&decision), format!("Stalled {expected}"));
        let last = decision.status.last_operation.clone().expect("told");
        assert_eq!((last.kind, last.result), (OperationKind::Create, OperationResult::Refused));
        assert!(decision.status.ledger.as_deref().unwrap_or_default().contains("intent"), "until a look");
        assert_eq!(decision.wake, Wake::After(SETTLE));
    }
}

#[test]
fn a_refused_change_is_read_again_before_it_is_a_persons_turn() {
    let (mut case, step) = stop();
    let ledger = case.ledger().clone();
    let decision =
        case.after(&step, &Outcome::Refused(failure(FailureClass::Rejected, Some(400))), Some(ledger));
    assert_eq!(says(&decision), "Working ProgressingWithRetry");
    assert_eq!(decision.wake, Wake::After(Duration::ZERO));
    // The state explains it: somebody stopped the VM just now.
    case.write(&Decision { step: Step::Nothing, ..decision });
    let mut stopped = case.clone();
    stopped.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(stopped.at_rest().says(), "Ready Stopped");
    // It does not: Stalled, with the field; slow re-check; healed by a spec change.
    assert_eq!(case.says(), "Stalled Rejected");
    assert!(message(&case.next()).contains("spec.powerState"), "{}", message(&case.next()));
    assert_eq!(case.next().wake, Wake::After(RECHECK));
    case.now.wall = wall_at(600);
    assert_eq!(case.says(), "send Stop");
    case.now.wall = wall();
    case.edits(|spec| spec.change_reference = Some("CHG2".to_owned()));
    assert_eq!(case.says(), "send Stop");
}

#[test]
fn a_conflict_counts_as_busy_for_a_while() {
    let (mut case, step) = stop();
    let conflict = Outcome::Refused(failure(FailureClass::Rejected, Some(409)));
    for _ in 0..5 {
        let ledger = case.ledger().clone();
        let decision = case.after(&step, &conflict, Some(ledger));
        assert_eq!(says(&decision), "Working ProgressingWithRetry");
        assert!(decision.status.last_operation.is_none(), "not a refusal yet");
        case.memory = decision.memory;
    }
    let ledger = case.ledger().clone();
    let decision = case.after(&step, &conflict, Some(ledger));
    assert_eq!(decision.status.last_operation.map(|last| last.result), Some(OperationResult::Refused));
}

#[test]
fn a_call_of_a_deletion_says_deleting() {
    let mut case = Case::managed();
    case.deletes();
    let step = case.next().step;
    assert!(matches!(&step, Step::Call(Call { action: CallAction::Stop, .. })));
    let ledger = case.ledger().clone();
    let decision = case.after(&step, &Outcome::Accepted(action()), Some(ledger));
    assert_eq!(says(&decision), "Working Deleting");
}

#[test]
fn a_message_without_end_is_cut() {
    let mut long = failure(FailureClass::Rejected, Some(422));
    long.message = "é".repeat(100_000);
    let decision = create_ends(&Outcome::Refused(long));
    assert!(stands(&decision.status.conditions).starts_with("Stalled"), "and fits the schema, as checked");
}

#[test]
fn backoff_doubles_to_five_minutes() {
    let waits: Vec<u64> = (0..12).map(|failures| retry::backoff(failures).as_secs()).collect();
    assert_eq!(waits, [2, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300, 300]);
    assert_eq!(retry::backoff(u32::MAX).as_secs(), 300);
}

#[test]
fn a_pause_that_the_server_asks_for_is_kept() {
    for (asked, expected) in [(Some(seconds(90)), 90), (Some(Duration::ZERO), 1), (None, 2)] {
        let (verdict, wait) =
            retry::blocked(&failure(FailureClass::Throttled(asked), Some(429)), 1, seconds(0), "reading");
        assert!(matches!(verdict, Verdict::Working { reason: Reason::Throttled, .. }));
        assert_eq!(wait, seconds(expected));
    }
}

#[test]
fn what_was_refused_or_failed_is_held_for_this_very_wish() {
    let hold = |last: &LastOperation| retry::hold(Some(last), 3, wall());
    let words = "HTTP 422: not so".to_owned();
    let last = |result, generation| last_operation(OperationKind::Resize, result, 5, generation);
    let refused = last(OperationResult::Refused, 3);
    assert_eq!(hold(&refused), Hold::Refused(RECHECK - seconds(5), words.clone()));
    assert_eq!(hold(&last(OperationResult::Refused, 2)), Hold::No, "another wish");
    assert_eq!(hold(&last(OperationResult::Succeeded, 3)), Hold::No);
    for (failures, wait) in [(1, 8 - 5), (2, 16 - 5)] {
        let failed = LastOperation { failures: Some(failures), ..last(OperationResult::Failed, 3) };
        assert_eq!(hold(&failed), Hold::Backoff(seconds(wait), words.clone()));
    }
    let failing = LastOperation { failures: Some(3), ..last(OperationResult::Failed, 3) };
    assert_eq!(hold(&failing), Hold::Failing(RECHECK - seconds(5), words.clone()));
    let future = LastOperation { finished_at: wall_at(900), ..refused };
    assert_eq!(hold(&future), Hold::Refused(RECHECK, words), "a clock that jumped back");
}

#[test]
fn the_hold_of_one_kind_does_not_lift_that_of_another() {
    // The status has room for one operation; two groups that are both refused must not take turns for ever.
    let mut case = Case::managed();
    case.edits(|spec| {
        spec.power_state = Some(PowerState::Stopped);
        spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
    });
    let mut sent = Vec::new();
    for _ in 0..4 {
        let decision = case.next();
        let step = decision.step.clone();
        let Step::Call(_) = &step else { break };
        sent.push(says(&decision));
        let ledger = case.ledger().clone();
        let refused = Outcome::Refused(failure(FailureClass::Rejected, Some(422)));
        let decision = case.after(&step, &refused, Some(ledger));
        case.write(&Decision { step: Step::Nothing, ..decision });
        case.memory.effect_end = Duration::ZERO;
    }
    assert_eq!(sent, ["send UpdateBackup", "send Stop"]);
    assert_eq!(case.says(), "Stalled Rejected");
}

#[test]
fn only_failures_alike_in_a_row_are_counted() {
    let failed = |last: Option<&LastOperation>, kind, generation| {
        retry::failed(last, kind, Some(1), None, generation, wall()).failures
    };
    let one = retry::failed(None, OperationKind::Stop, Some(9), None, 3, wall());
    assert_eq!(failed(Some(&one), OperationKind::Stop, 3), Some(2));
    assert_eq!(failed(Some(&one), OperationKind::Start, 3), Some(1), "another kind");
    assert_eq!(failed(Some(&one), OperationKind::Stop, 4), Some(1), "another wish");
    let again = |kind, action| retry::failed(Some(&one), kind, action, None, 3, wall());
    assert_eq!(again(OperationKind::Stop, Some(9)), one, "the same end, seen once more");
    let other = again(OperationKind::Start, Some(9));
    assert_eq!((other.kind, other.failures), (OperationKind::Start, Some(1)), "another kind");
    let nameless = retry::failed(None, OperationKind::Stop, None, None, 3, wall());
    let second = retry::failed(Some(&nameless), OperationKind::Stop, None, None, 3, wall());
    assert_eq!(second.failures, Some(2), "two calls without an action are two");
    let good = LastOperation { result: OperationResult::Succeeded, failures: None, ..one };
    assert_eq!(failed(Some(&good), OperationKind::Stop, 3), Some(1), "a success in between");
}
