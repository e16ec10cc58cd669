//! A reset may be in flight: what came of it, and that it never runs twice (DESIGN 5.2, 6).

use itcare_operator::crd::instance::ManagementPolicy;
use itcare_operator::crd::status::Receipt;
use itcare_operator::decide::{Decision, Step};
use itcare_operator::model::{
    Action, ActionId, ActionStatus, Observed, OneShot, OperationKind, OperationResult,
};

use crate::fixture::{ACTION, Case, NOW, PASS, SETTLE, action, attempt, ended, seconds, wall_at};
use crate::table::{Row, saved, says, stands, table};

/// The reset was sent ten minutes ago; nothing is known of its answer.
fn unclear() -> Case {
    let mut case = Case::managed();
    case.asks_reset(700);
    case.intends(OperationKind::Reset);
    case.ledger().intent.as_mut().expect("one").request = Some(wall_at(-700));
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(600)));
    case
}

fn trace(status: ActionStatus) -> Action {
    Action { submitted_at: Some(wall_at(-595)), ..ended(status) }
}

fn followed() -> Case {
    let mut case = unclear();
    case.operates(OperationKind::Reset, Some(ACTION));
    case
}

const ROWS: &[Row] = &[
    ("only the action tells its end", |_| {}, "read action"),
    ("it runs", |case| case.read(action()), "Working Resetting"),
    (
        "it has a status that nobody knows",
        |case| case.read(ended(ActionStatus::Other("HELD".to_owned()))),
        "Working Resetting",
    ),
    ("it ended well", |case| case.read(ended(ActionStatus::Success)), "save"),
    ("it failed", |case| case.read(ended(ActionStatus::Error)), "save"),
    (
        "ITCare has forgotten it",
        |case| case.cloud.action = Some((ACTION, Observed::Absent { at: NOW })),
        "save",
    ),
    ("without an answer it is looked for", |case| case.status.operation = None, "read look"),
    (
        "an action that may be it is followed",
        |case| {
            case.status.operation = None;
            case.looked(&[trace(ActionStatus::Success)], &[]);
        },
        "Working Resetting",
    ),
    (
        "no trace, but too early",
        |case| {
            case.status.operation = None;
            case.looked(&[], &[]);
            case.memory.attempt_seen = Some((attempt(), NOW - SETTLE + seconds(1)));
        },
        "Working ResolvingOutcome",
    ),
];

#[test]
fn a_reset_ends_only_by_its_action() {
    table(followed, ROWS);
}

fn receipt(decision: &Decision<itcare_operator::crd::InstanceStatus>) -> Receipt {
    let found = decision.status.handled_requests.get(&OneShot::Reset);
    found.unwrap_or_else(|| panic!("no receipt: {}", says(decision))).clone()
}

#[test]
fn every_end_leaves_a_receipt_in_ledger_and_status_together() {
    for (read, result) in [
        (Observed::Present { value: ended(ActionStatus::Success), at: NOW }, OperationResult::Succeeded),
        (Observed::Present { value: ended(ActionStatus::Error), at: NOW }, OperationResult::Failed),
        (Observed::Absent { at: NOW }, OperationResult::OutcomeUnknown),
    ] {
        let mut case = followed();
        case.cloud.action = Some((ACTION, read));
        let decision = case.next();
        let ledger = saved(&decision);
        assert_eq!(
            (ledger.intent.clone(), ledger.handled.get(&OneShot::Reset)),
            (None, Some(&wall_at(-700)))
        );
        assert_eq!((receipt(&decision).result, receipt(&decision).action_id), (result, Some(ACTION.get())));
        assert_eq!(decision.status.operation, None);
        case.write(&decision);
        case.looked(&[], &[]);
        let decision = case.next();
        assert_ne!(says(&decision), "send Reset", "{result:?} is an end");
    }
}

#[test]
fn a_reset_without_a_trace_is_never_sent_again() {
    let mut case = unclear();
    case.looked(&[], &[]);
    let decision = case.next();
    assert_eq!(receipt(&decision).result, OperationResult::OutcomeUnknown);
    case.write(&decision);
    case.looked(&[], &[]);
    assert_ne!(case.says(), "send Reset");
}

#[test]
fn several_actions_that_may_be_it_are_an_unknown_outcome() {
    let mut case = unclear();
    let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Success) };
    case.looked(&[trace(ActionStatus::Success), other], &[]);
    assert_eq!(receipt(&case.next()).result, OperationResult::OutcomeUnknown);
}

/// It was refused, twenty seconds ago.
fn refused() -> Case {
    let mut case = unclear();
    case.was_refused(OperationKind::Reset, 20);
    case.looked(&[], &[]);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
    case
}

#[test]
fn a_refused_reset_may_be_sent_again_until_not_after() {
    let mut case = refused();
    assert_eq!(case.says(), "Stalled Rejected", "it is said at once");
    case.memory.attempt_seen = Some((attempt(), NOW - SETTLE));
    let decision = case.next();
    assert_eq!(saved(&decision).intent, None, "nothing of ours runs");
    assert!(decision.status.handled_requests.is_empty(), "no receipt yet");
    case.write(&decision);
    case.now.wall = wall_at(600);
    case.looked(&[], &[]);
    assert_eq!(case.says(), "send Reset");
    case.now.wall = wall_at(3600);
    assert_eq!(receipt(&case.next()).result, OperationResult::Refused);
}

#[test]
fn nothing_else_happens_on_the_vm_while_the_reset_is_unresolved() {
    let mut case = unclear();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    case.looked(&[], &[]);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
    assert_eq!(case.says(), "Working ResolvingOutcome");
    case.deletes();
    assert_eq!(case.says(), "Working ResolvingOutcome");
}

#[test]
fn what_comes_after_a_reset_waits_for_reads_after_its_end() {
    let mut case = followed();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    case.read(ended(ActionStatus::Success));
    let decision = case.next();
    assert!(matches!(decision.step, Step::Observe(_) | Step::SaveLedger { .. }), "{:?}", decision.step);
    assert!(
        decision.memory.effect_end >= PASS,
        "what was seen before this pass may be from before the reset"
    );
}

#[test]
fn after_a_reset_the_object_is_ready_again() {
    let mut case = followed();
    case.read(ended(ActionStatus::Success));
    case = case.at_rest();
    assert_eq!(stands(&case.next().status.conditions), "Ready Running");
}

/// Under `Observe` the finalizer goes once no intent stands; the end of the call is written before.
#[test]
fn under_observe_the_end_of_a_call_is_written_before_the_finalizer_goes() {
    let mut case = followed();
    case.spec.management_policy = ManagementPolicy::Observe;
    case.read(ended(ActionStatus::Success));
    let decision = case.next();
    let Step::SaveLedger { ledger, finalizer } = &decision.step else { panic!("{:?}", decision.step) };
    assert_eq!((ledger.intent.as_ref(), *finalizer), (None, false));
    assert_eq!(decision.status.ledger, Some(ledger.to_text()), "both copies alike");
    case.write(&decision);
    let decision = case.next();
    assert!(matches!(decision.step, Step::RemoveFinalizer), "{:?}", decision.step);
    assert_eq!(decision.status.handled_requests.len(), 1);
}

#[test]
fn a_request_that_was_dealt_with_and_lost_its_receipt_is_given_one() {
    let older = Receipt { requested_at: wall_at(-3600), ..crate::fixture::receipt(None) };
    for before in [None, Some(older)] {
        let mut case = Case::managed();
        case.ledger().handled.insert(OneShot::Reset, wall_at(-60));
        case.status.handled_requests.extend(before.map(|receipt| (OneShot::Reset, receipt)));
        let mended = receipt(&case.next());
        assert_eq!((mended.requested_at, mended.result), (wall_at(-60), OperationResult::OutcomeUnknown));
    }
    let mut case = Case::managed();
    case.ledger().handled.insert(OneShot::Reset, wall_at(-60));
    let told = Receipt { requested_at: wall_at(-60), ..crate::fixture::receipt(None) };
    case.status.handled_requests.insert(OneShot::Reset, told.clone());
    assert_eq!(receipt(&case.next()), told, "a receipt that is there stays as it is");
}

#[test]
fn a_reset_that_lost_its_receipt_gets_it_from_its_own_action_if_the_status_still_names_that() {
    let lost = |kind| {
        let mut case = Case::managed();
        case.ledger().handled.insert(OneShot::Reset, wall_at(-60));
        case.operates(kind, Some(ACTION));
        case
    };
    let mut case = lost(OperationKind::Reset);
    assert_eq!(case.says(), "read action");
    case.read(ended(ActionStatus::Success));
    let mended = receipt(&case.next());
    assert_eq!((mended.result, mended.action_id), (OperationResult::Succeeded, Some(ACTION.get())));
    // A creation's action tells nothing of a reset.
    let mut case = lost(OperationKind::Create);
    case.read(ended(ActionStatus::Success));
    let mended = receipt(&case.next());
    assert_eq!((mended.result, mended.action_id), (OperationResult::OutcomeUnknown, None));
}
