//! Power that is taken for a resize is owed (DESIGN 5.5).

use itcare_operator::crd::instance::{DeletionPolicy, DriftPolicy, ResizePolicy};
use itcare_operator::decide::decision::{Call, CallAction, Need};
use itcare_operator::decide::{Outcome, Step};
use itcare_operator::model::{
    ActionStatus, FailureClass, Group, InstanceState, Observed, OperationKind, OperationResult, PowerState,
    Resume,
};

use crate::fixture::{ACTION, Case, NOW, PASS, SETTLE, VM, detail, ended, failure, seconds};
use crate::table::{Row, message, saved, says, table};

/// A running VM is to be resized, and may be stopped for it.
fn resizing() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| {
        spec.size = Some("4cpu8gb".to_owned());
        spec.resize_policy = ResizePolicy::StopStart;
    });
    case
}

/// It was stopped for that.
fn stopped() -> Case {
    let mut case = resizing();
    case.ledger().resume = Some(Resume::Resize);
    case.shows(|detail| detail.state = InstanceState::Inactive);
    case
}

/// It was stopped and resized.
fn resized() -> Case {
    let mut case = stopped();
    case.shows(|detail| detail.size = "4cpu8gb".parse().ok());
    let decision = case.next();
    case.write(&decision);
    case
}

#[test]
fn the_debt_is_written_before_the_stop() {
    let mut case = resizing();
    let decision = case.next();
    // The mark goes into the ledger first; only then the call.
    let marked = match &decision.step {
        Step::SaveLedger { ledger, .. } => ledger.resume,
        Step::Call(call) => panic!("stopped without a mark: {call:?}"),
        other => panic!("{other:?}"),
    };
    assert_eq!(marked, Some(Resume::Resize));
    case.write(&decision);
    assert_eq!(case.says(), "send Stop");
}

const OWED: &[Row] = &[
    ("the resize first", |case| *case = stopped(), "send Resize 4cpu8gb"),
    ("power back once it is done", |_| {}, "send Start"),
    ("also under Report", |case| case.spec.drift_policy = DriftPolicy::Report, "send Start"),
    (
        "also when power is managed",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Running)),
        "send Start",
    ),
    (
        "also when the resize was withdrawn",
        |case| {
            *case = stopped();
            case.edits(|spec| spec.size = Some("2cpu4gb".to_owned()));
        },
        "send Start",
    ),
    (
        "also when size is not managed any more",
        |case| {
            *case = stopped();
            case.edits(|spec| {
                spec.instance_id = Some(VM.get());
                spec.size = None;
            });
            case.ledger().applied.as_mut().expect("it has one").groups.remove(&Group::Size);
        },
        "send Start",
    ),
    (
        "also when the resize was refused",
        |case| {
            *case = stopped();
            case.operated(OperationKind::Resize, OperationResult::Refused, 60);
        },
        "send Start",
    ),
    (
        "also when the resize failed three times",
        |case| {
            *case = stopped();
            case.operated(OperationKind::Resize, OperationResult::Failed, 60);
            case.last().failures = Some(3);
        },
        "send Start",
    ),
    (
        "a resize that is tried again soon comes first",
        |case| {
            *case = stopped();
            case.operated(OperationKind::Resize, OperationResult::Failed, 1);
        },
        "Working Resizing",
    ),
    (
        "not when the VM shall be stopped",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Stopped)),
        "save",
    ),
    (
        "it waits for a state that is known",
        |case| case.shows(|detail| detail.state = InstanceState::Other("MIGRATING".to_owned())),
        "Working ForeignActionInProgress",
    ),
    (
        "a start that fails three times needs a person",
        |case| {
            case.operated(OperationKind::Start, OperationResult::Failed, 60);
            case.last().failures = Some(3);
        },
        "Stalled ActionFailed",
    ),
];

#[test]
fn power_on_is_owed_whatever_else_the_spec_says() {
    table(resized, OWED);
}

#[test]
fn a_wish_for_stopped_settles_the_debt() {
    let mut case = resized();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    assert_eq!(saved(&case.next()).resume, None);
}

/// It runs again; the stop ended long ago, or a moment ago.
fn running_again(stop_ended: std::time::Duration) -> Case {
    let mut case = resized();
    case.shows(|detail| detail.state = InstanceState::Active);
    case.memory.resume_seen = Some(stop_ended);
    case
}

#[test]
fn the_debt_is_settled_by_a_look_a_settle_time_after_the_last_stop() {
    let decision = running_again(NOW - SETTLE).next();
    assert_eq!(saved(&decision).resume, None);
    let decision = running_again(NOW - SETTLE + seconds(1)).next();
    assert_ne!(says(&decision), "save", "the stop may still come into effect");
}

#[test]
fn the_debt_stands_while_a_late_stop_of_ours_still_runs() {
    let mut case = running_again(NOW - SETTLE - seconds(60));
    case.cloud.running = Observed::Unknown;
    assert_eq!(case.says(), "read running");
    let mut stop = crate::fixture::action();
    stop.process = OperationKind::Stop.known_process().map(str::to_owned);
    case.runs(&[stop]);
    let decision = case.next();
    assert_eq!(case.ledger().resume, Some(Resume::Resize));
    assert_ne!(says(&decision), "save", "the stop runs for longer than the settle time");
    // It is over, and the VM was read before that was known.
    case.cloud.running = Observed::Present { value: Vec::new(), at: NOW + seconds(1) };
    assert_eq!(case.says(), "read detail");
}

#[test]
fn the_debt_is_settled_in_time_and_not_only_with_the_next_routine_look() {
    let mut case = running_again(NOW - seconds(10));
    let decision = case.next();
    case.write(&decision);
    case.later(SETTLE);
    assert_eq!(case.says(), "read detail", "a settle time is over: a new look tells");
    case.cloud.detail = Observed::Present {
        value: itcare_operator::model::Detail { size: "4cpu8gb".parse().ok(), ..detail() },
        at: case.now.mono,
    };
    assert_eq!(case.says(), "read running", "and whether an action is left");
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(saved(&case.next()).resume, None);
}

#[test]
fn a_restart_starts_the_settle_time_anew() {
    let mut case = running_again(NOW);
    case.memory = itcare_operator::decide::Memory::default();
    let decision = case.next();
    assert_ne!(says(&decision), "save");
    assert_eq!(decision.memory.resume_seen, Some(NOW));
}

#[test]
fn the_end_of_our_stop_starts_the_settle_time() {
    let mut case = resizing();
    case.ledger().resume = Some(Resume::Resize);
    case.operates(OperationKind::Stop, Some(ACTION));
    case.memory.resume_seen = Some(NOW - seconds(900));
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.next().memory.resume_seen, Some(NOW));

    let step = Step::Call(itcare_operator::decide::Call {
        id: VM,
        change_reference: None,
        action: itcare_operator::decide::decision::CallAction::Stop,
    });
    let outcome = Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504)));
    let ledger = case.ledger().clone();
    assert_eq!(case.after(&step, &outcome, Some(ledger)).memory.resume_seen, Some(NOW), "an unclear one too");
}

#[test]
fn a_resize_that_keeps_failing_does_not_stop_the_vm_again_and_again() {
    let mut case = stopped();
    case.operates(OperationKind::Resize, Some(ACTION));
    case.operated(OperationKind::Resize, OperationResult::Failed, 60);
    case.last().failures = Some(2);
    case.read(ended(ActionStatus::Error));
    let decision = case.next();
    assert!(saved(&decision).held.contains_key(&Group::Size), "{}", says(&decision));
    case.write(&decision);
    assert_eq!(case.says(), "send Start");
    case.shows(|detail| detail.state = InstanceState::Active);
    let decision = case.next();
    case.write(&decision);
    assert_eq!(case.says(), "Stalled ActionFailed", "and it is said");
    assert!(message(&case.next()).contains("spec.size"));
}

#[test]
fn a_resize_that_is_refused_on_a_stopped_vm_is_held_and_the_vm_started() {
    let mut case = stopped();
    let Step::Call(call) = case.next().step else { panic!("no resize") };
    let outcome = Outcome::Refused(failure(FailureClass::Rejected, Some(422)));
    let ledger = case.ledger().clone();
    let decision = case.after(&Step::Call(call), &outcome, Some(ledger));
    assert_eq!(says(&decision), "save", "the hold is written");
    case.write(&decision);
    assert_eq!(case.says(), "send Start");
}

#[test]
fn retain_gives_power_back_before_it_lets_go() {
    let mut case = resized();
    case.deletes();
    assert_eq!(case.says(), "send Delete", "a VM that is deleted needs no power");
    case.spec.deletion_policy = Some(DeletionPolicy::Retain);
    assert_eq!(case.says(), "send Start");
    case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) };
    assert_eq!(case.says(), "read detail");
    case.shows(|detail| detail.state = InstanceState::Active);
    case.memory.resume_seen = Some(NOW - seconds(10));
    assert_eq!(case.says(), "Working Starting", "the stop may still come into effect");
    case.memory.resume_seen = Some(NOW - SETTLE);
    assert_eq!(case.says(), "let go");
}

#[test]
fn retain_lets_go_although_power_cannot_be_given_back() {
    // DESIGN 5.6: Retain lets go in every stalled state.
    let mut case = resized();
    case.deletes();
    case.spec.deletion_policy = Some(DeletionPolicy::Retain);
    case.cloud.detail = Observed::Unknown;
    case.memory.failing_since = Some(NOW - seconds(600));
    case.failed(Need::Detail(VM), FailureClass::Unauthenticated, Some(401));
    assert_eq!(case.says(), "let go");
}

/// A resize in place was refused a minute ago, because the VM runs.
fn needs_power_off() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    let Step::Call(call) = case.next().step else { panic!("no resize") };
    let outcome = Outcome::Refused(failure(FailureClass::Rejected, Some(400)));
    let ledger = case.ledger().clone();
    let decision = case.after(&Step::Call(call), &outcome, Some(ledger));
    case.write(&itcare_operator::decide::Decision { step: Step::Nothing, ..decision });
    case
}

#[test]
fn a_resize_in_place_that_needs_power_off_says_so() {
    let case = needs_power_off();
    assert_eq!(case.says(), "Stalled PowerOffRequired");
    let text = message(&case.next());
    assert!(text.contains("StopStart") && text.contains("spec.size"), "{text}");
}

#[test]
fn only_a_refusal_that_the_running_vm_explains_is_lifted_when_it_stops() {
    for (words, expected) in [
        ("HTTP 400 Bad Request: the instance must be stopped", "send Resize 4cpu8gb"),
        ("HTTP 400 Bad Request: unknown sizing 4cpu8gb", "Stalled Rejected"),
        ("HTTP 422: 4cpu8gb is not sold here", "Stalled Rejected"),
    ] {
        let mut case = needs_power_off();
        case.last().message = Some(words.to_owned());
        for last in case.memory.trouble.values_mut() {
            last.message = Some(words.to_owned());
        }
        case.shows(|detail| detail.state = InstanceState::Inactive);
        assert_eq!(case.says(), expected, "{words}");
    }
}

#[test]
fn a_resize_that_waited_for_power_off_is_sent_once_somebody_stops_the_vm() {
    let mut case = needs_power_off();
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.says(), "send Resize 4cpu8gb", "the message named this cure");
}

#[test]
fn a_refused_call_holds_the_size_only_if_it_was_the_resize_of_a_stopped_vm() {
    let held = |state: InstanceState, action: CallAction| {
        let mut case = stopped();
        case.shows(|detail| detail.state = state);
        let ledger = case.ledger().clone();
        let call = Call { id: VM, change_reference: None, action };
        let outcome = Outcome::Refused(failure(FailureClass::Rejected, Some(422)));
        let after = case.after(&Step::Call(call), &outcome, Some(ledger));
        crate::table::copy_of(after.status.ledger.as_deref()).held.contains_key(&Group::Size)
    };
    let resize = || CallAction::Resize("4cpu8gb".parse().expect("a size"));
    assert!(held(InstanceState::Inactive, resize()));
    assert!(!held(InstanceState::Active, resize()), "the state may explain it");
    assert!(!held(InstanceState::Inactive, CallAction::Start), "it was not the resize that was refused");
}

#[test]
fn whether_owed_power_is_back_is_looked_at_when_the_settle_time_is_over() {
    let mut case = stopped();
    case.spec.management_policy = itcare_operator::crd::instance::ManagementPolicy::Observe;
    case.shows(|detail| detail.state = InstanceState::Active);
    case.memory.resume_seen = Some(NOW - SETTLE + seconds(7));
    assert_eq!(case.next().wake, itcare_operator::decide::Wake::After(seconds(7)));
}
