//! `spec.reset`: one request, one reset at most (DESIGN 6).

use itcare_operator::crd::status::Receipt;
use itcare_operator::decide::decision::{Guarded, GuardedCall, Need};
use itcare_operator::decide::{Decision, Step, Wake};
use itcare_operator::model::{
    Action, ActionId, ActionStatus, InstanceState, Observed, OneShot, OperationKind, OperationResult,
    PowerState,
};

use crate::fixture::{ACTION, Case, NOW, PASS, VM, action, ended, seconds, time, wall, wall_at};
use crate::table::{Row, says, table};

/// A reset was asked for a minute ago; a look shows no action since.
fn asked() -> Case {
    let mut case = Case::managed();
    case.asks_reset(60);
    case.looked(&[], &[]);
    case
}

/// An action of ours that ended well, submitted this long ago.
fn done(ago: i64) -> Action {
    Action { submitted_at: Some(wall_at(-ago)), ..ended(ActionStatus::Success) }
}

const ROWS: &[Row] = &[
    ("asked for, and nobody did it yet", |_| {}, "send Reset"),
    (
        "asked for before the object was made: a manifest that is applied again",
        |case| case.object.created = wall_at(-30),
        "Ready Running",
    ),
    (
        "asked for at the very second at which the object was made",
        |case| case.object.created = wall_at(-60),
        "Ready Running",
    ),
    (
        "dealt with before",
        |case| {
            case.ledger().handled.insert(OneShot::Reset, wall_at(-60));
        },
        "Ready Running",
    ),
    (
        "dealt with before, as the receipt alone still tells",
        |case| {
            let receipt = Receipt { requested_at: wall_at(-60), ..crate::fixture::receipt(None) };
            case.status.handled_requests.insert(OneShot::Reset, receipt);
        },
        "Ready Running",
    ),
    (
        "a later one was dealt with",
        |case| {
            case.ledger().handled.insert(OneShot::Reset, wall_at(-50));
        },
        "Ready Running",
    ),
    (
        "an earlier one was dealt with",
        |case| {
            case.ledger().handled.insert(OneShot::Reset, wall_at(-61));
        },
        "send Reset",
    ),
    ("taken back", |case| case.spec.reset = None, "Ready Running"),
    ("asked for by a clock that goes five minutes wrong", |case| case.asks_reset(-300), "send Reset"),
    ("asked for later than that: it waits", |case| case.asks_reset(-301), "Ready Running"),
    ("an hour old: too late", |case| case.asks_reset(3601), "save"),
    ("just within the hour", |case| case.asks_reset(3600), "send Reset"),
    (
        "past its own notAfter",
        |case| case.spec.reset.as_mut().expect("asked").not_after = Some(wall_at(-1)),
        "save",
    ),
    (
        "old, but its notAfter allows it",
        |case| {
            case.asks_reset(7200);
            case.spec.reset.as_mut().expect("asked").not_after = Some(wall_at(60));
        },
        "send Reset",
    ),
    (
        "the VM is stopped: it waits",
        |case| case.shows(|detail| detail.state = InstanceState::Inactive),
        "Ready Stopped",
    ),
    ("nobody looked at the actions", |case| case.cloud.look = None, "read look"),
    (
        "the look is of an earlier pass",
        |case| case.cloud.look.as_mut().expect("looked").at = PASS - seconds(1),
        "read look",
    ),
    ("an action that may be it was submitted since", |case| case.looked(&[done(30)], &[]), "save"),
    (
        "an action that may be it was submitted up to ten minutes before",
        |case| case.looked(&[done(659)], &[]),
        "save",
    ),
    ("an action was submitted earlier than that", |case| case.looked(&[done(661)], &[]), "send Reset"),
    (
        "an action without a date may be it",
        |case| case.looked(&[Action { submitted_at: None, ..done(0) }], &[]),
        "save",
    ),
    (
        "an action without a submitter may be ours",
        |case| case.looked(&[Action { submitted_by: None, ..done(30) }], &[]),
        "save",
    ),
    (
        "an action of somebody else is not it",
        |case| case.looked(&[Action { submitted_by: Some("alice".to_owned()), ..done(30) }], &[]),
        "send Reset",
    ),
    (
        "an action of a process that is known to resize is not it",
        |case| case.looked(&[Action { process: Some("vm_resize".to_owned()), ..done(30) }], &[]),
        "send Reset",
    ),
    (
        "an action of a process that is documented to take snapshots is not it",
        |case| case.looked(&[Action { process: Some("vm_create_snapshot".to_owned()), ..done(30) }], &[]),
        "send Reset",
    ),
    (
        "an action on another name is not it",
        |case| case.looked(&[Action { resource_name: Some("PWEB02".to_owned()), ..done(30) }], &[]),
        "send Reset",
    ),
    (
        "an action that is recorded for an earlier request is not it",
        |case| {
            case.looked(&[done(30)], &[]);
            let receipt = crate::fixture::receipt(Some(ACTION));
            case.status.handled_requests.insert(OneShot::Reset, receipt);
        },
        "send Reset",
    ),
    (
        "an action that was our last operation is not it",
        |case| {
            case.looked(&[done(30)], &[]);
            case.operated(OperationKind::Stop, OperationResult::Succeeded, 20);
            case.last().action_id = Some(ACTION.get());
        },
        "send Reset",
    ),
    ("an action runs", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    (
        "it was refused a minute ago",
        |case| case.operated(OperationKind::Reset, OperationResult::Refused, 60),
        "Stalled Rejected",
    ),
    (
        "it was refused a while ago",
        |case| case.operated(OperationKind::Reset, OperationResult::Refused, 601),
        "send Reset",
    ),
    (
        "the detail is of an earlier pass",
        |case| {
            case.cloud.detail = Observed::Present { value: crate::fixture::detail(), at: PASS - seconds(5) };
            case.looked(&[], &[]);
        },
        "read detail",
    ),
];

#[test]
fn a_reset_is_sent_once_for_each_request() {
    table(asked, ROWS);
}

#[test]
fn the_call_carries_the_request_and_the_comment() {
    let mut case = asked();
    case.spec.reset.as_mut().expect("asked").comment = Some("hangs".to_owned());
    let Step::Guarded(Guarded { ledger, request, call, .. }) = case.next().step else { panic!("no reset") };
    assert_eq!(request, Some(wall_at(-60)));
    assert_eq!(call, GuardedCall::Reset { id: VM, comment: Some("hangs".to_owned()) });
    assert_eq!(Ok(Some(*ledger)), case.ledger, "the ledger as it is written");
}

fn receipt(decision: &Decision<itcare_operator::crd::InstanceStatus>) -> Receipt {
    let found = decision.status.handled_requests.get(&OneShot::Reset);
    found.unwrap_or_else(|| panic!("no receipt: {}", says(decision))).clone()
}

#[test]
fn what_is_not_carried_out_leaves_a_receipt_and_a_message() {
    let mut late = asked();
    late.asks_reset(3601);
    let decision = late.next();
    assert_eq!(receipt(&decision).result, OperationResult::Expired);
    assert!(receipt(&decision).message.is_some() && !decision.notes.is_empty());
    let handled = crate::table::saved(&decision).handled;
    assert_eq!(handled.get(&OneShot::Reset), Some(&wall_at(-3601)));

    let mut done_before = asked();
    done_before.looked(&[done(30)], &[]);
    let decision = done_before.next();
    assert_eq!(
        (receipt(&decision).result, receipt(&decision).action_id),
        (OperationResult::OutcomeUnknown, Some(ACTION.get()))
    );

    let mut refused = asked();
    refused.asks_reset(3601);
    refused.operated(OperationKind::Reset, OperationResult::Refused, 600);
    assert_eq!(receipt(&refused.next()).result, OperationResult::Refused);
}

#[test]
fn a_request_from_the_future_waits_with_a_message_and_leaves_no_receipt() {
    let mut case = asked();
    case.asks_reset(-400);
    let decision = case.next();
    assert!(decision.status.handled_requests.is_empty());
    assert!(decision.notes.iter().any(|note| note.message.contains("ahead")));
    let Wake::After(wait) = decision.wake else { panic!("it wakes") };
    assert!(wait >= seconds(100) && wait <= seconds(101), "{wait:?}");
    case.now.wall = wall_at(101);
    assert_eq!(case.says(), "send Reset");
}

#[test]
fn waiting_for_a_running_vm_ends_with_the_request() {
    let mut case = asked();
    case.shows(|detail| detail.state = InstanceState::Inactive);
    let decision = case.next();
    assert!(matches!(decision.wake, Wake::After(wait) if wait <= seconds(61)), "{:?}", decision.wake);
    assert!(decision.notes.iter().any(|note| note.message.contains("ACTIVE")));
    assert!(decision.status.handled_requests.is_empty());
    case.now.wall = wall_at(3541);
    assert_eq!(receipt(&case.next()).result, OperationResult::Expired);
}

#[test]
fn a_waiting_reset_lets_the_vm_be_started() {
    let mut case = asked();
    case.edits(|spec| spec.power_state = Some(PowerState::Running));
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.says(), "send Start");
}

#[test]
fn a_receipt_is_for_ever() {
    let mut case = asked();
    case.asks_reset(3601);
    let decision = case.next();
    case.write(&decision);
    case = case.at_rest();
    for value in ["2025-01-01T00:00:00Z", "2026-01-02T02:04:04Z"] {
        case.edits(|spec| spec.reset.as_mut().expect("asked").requested_at = time(value));
        case.looked(&[], &[]);
        assert_eq!(case.says(), "Ready Running", "an older request does nothing: {value}");
    }
    case.edits(|spec| spec.reset.as_mut().expect("asked").requested_at = wall());
    assert_eq!(case.says(), "send Reset");
}

#[test]
fn the_look_is_a_read_of_this_pass() {
    let mut case = asked();
    case.cloud.look = None;
    assert!(
        matches!(case.next().step, Step::Observe(Need::Look(name)) if name.as_str() == crate::fixture::NAME)
    );
    case.looked(&[], &[]);
    case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) };
    assert_eq!(case.says(), "read running");
}

#[test]
fn an_action_with_another_id_than_the_recorded_one_counts() {
    let mut case = asked();
    case.operated(OperationKind::Stop, OperationResult::Succeeded, 20);
    case.last().action_id = Some(ACTION.get());
    let other = Action { id: ActionId::new(ACTION.get() + 1), ..done(30) };
    case.looked(&[done(30), other], &[]);
    assert_eq!(receipt(&case.next()).action_id, Some(ACTION.get() + 1));
}

#[test]
fn a_request_that_ran_out_is_refused_only_if_itcare_refused_this_very_one() {
    for (result, ago, expected) in [
        (OperationResult::Refused, 60, OperationResult::Refused),
        (OperationResult::Refused, 9_000, OperationResult::Expired),
        (OperationResult::Failed, 60, OperationResult::Expired),
    ] {
        let mut case = Case::managed();
        case.asks_reset(7_200);
        case.operated(OperationKind::Reset, result, ago);
        let receipt = &case.next().status.handled_requests[&OneShot::Reset];
        assert_eq!(receipt.result, expected, "{result:?} {ago} s ago");
    }
}

#[test]
fn a_request_that_is_held_back_is_looked_at_again_no_later_than_right_after_its_end() {
    let mut case = asked();
    case.asks_reset(3_500);
    case.operated(OperationKind::Reset, OperationResult::Refused, 60);
    let Wake::After(left) = case.next().wake else { panic!("it must be looked at again") };
    assert!(left > seconds(100) && left <= seconds(101), "{left:?}");
}
