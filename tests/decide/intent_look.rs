//! A creation got no clear answer: the actions of that name, then the VMs of that name (DESIGN 5.2, step 5).

use itcare_operator::crd::instance::AdoptionPolicy;
use itcare_operator::decide::Memory;
use itcare_operator::decide::Wake;
use itcare_operator::decide::decision::Need;
use itcare_operator::model::{
    AccountId, Action, ActionId, ActionStatus, AttemptId, FailureClass, HostName, Listed, Observed,
    OperationKind, OperationResult, ServiceId,
};

use crate::fixture::{ACTION, NOW, SETTLE, VM, attempt, detail, seconds, twin, wall_at};
use crate::intent_create::{trace, unclear};
use crate::table::{Row, saved, stands, table};

const LOOKED: &[Row] = &[
    ("nobody looked", |_| {}, "read look"),
    (
        "the look is of an earlier pass",
        |case| {
            case.looked(&[], &[]);
            case.cloud.look.as_mut().expect("looked").at = case.pass - seconds(1);
        },
        "read look",
    ),
    (
        "an action that may be ours is followed from here on",
        |case| {
            case.looked(&[trace(ActionStatus::InProgress)], &[]);
        },
        "Working Creating",
    ),
    (
        "a VM and an action that may be ours: followed first, to know how it ended",
        |case| {
            case.shows(|_| {});
            case.looked(&[trace(ActionStatus::Success)], &[detail().listed()]);
        },
        "Working Creating",
    ),
    (
        "two actions may be ours, both over, and one VM stands: bound",
        |case| {
            case.shows(|_| {});
            let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Error) };
            case.looked(&[trace(ActionStatus::Success), other], &[detail().listed()]);
        },
        "save",
    ),
    (
        "two actions may be ours, and one runs",
        |case| {
            let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::InProgress) };
            case.looked(&[trace(ActionStatus::Error), other], &[]);
        },
        "Working Creating",
    ),
    (
        "two actions may be ours, one VM stands, and one of them runs: it may make another",
        |case| {
            case.shows(|_| {});
            let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::InProgress) };
            case.looked(&[trace(ActionStatus::Success), other], &[detail().listed()]);
        },
        "Working Creating",
    ),
    (
        "two actions may be ours, both over, one well, and no VM stands: never sent again",
        |case| {
            let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Error) };
            case.looked(&[other, trace(ActionStatus::Success)], &[]);
        },
        "save",
    ),
    (
        "no trace, but it is known to have ended well: never sent again",
        |case| {
            case.ledger().intent.as_mut().expect("one").done = Some(ACTION);
            case.looked(&[], &[]);
        },
        "Working Creating",
    ),
    (
        "two actions may be ours, and two VMs stand",
        |case| {
            let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Success) };
            case.looked(&[trace(ActionStatus::Success), other], &[detail().listed(), twin()]);
        },
        "Stalled Ambiguous",
    ),
    (
        "a VM of that name without an action that may be ours",
        |case| {
            case.looked(&[], &[detail().listed()]);
        },
        "Stalled NameTaken",
    ),
    (
        "two VMs of that name without an action",
        |case| case.looked(&[], &[detail().listed(), twin()]),
        "Stalled Ambiguous",
    ),
    (
        "such a VM is adopted once instanceId names it",
        |case| {
            case.shows(|_| {});
            case.looked(&[], &[detail().listed()]);
            case.spec.instance_id = Some(VM.get());
        },
        "save",
    ),
    (
        "such a VM is adopted where the policy is to adopt by name",
        |case| {
            case.shows(|_| {});
            case.looked(&[], &[detail().listed()]);
            case.spec.adoption_policy = AdoptionPolicy::ByName;
        },
        "save",
    ),
    (
        "it was refused, and is deleted before that is settled: looking goes on, nothing is to be corrected",
        |case| {
            case.looked(&[], &[]);
            case.was_refused(OperationKind::Create, 5);
            case.memory.attempt_seen = Some((attempt(), NOW - SETTLE + seconds(1)));
            case.object.deleting = true;
        },
        "Working ResolvingOutcome",
    ),
    (
        "an earlier attempt was refused: that says nothing of this one",
        |case| {
            case.looked(&[], &[]);
            case.operated(OperationKind::Create, OperationResult::Refused, 5);
            case.last().attempt = Some(AttemptId::from_bytes([7; 8]));
            case.memory.attempt_seen = Some((attempt(), NOW - SETTLE + seconds(1)));
        },
        "Working ResolvingOutcome",
    ),
    (
        "a VM of that name in another service is not it, nor in our way",
        |case| {
            let item = Listed { service: Some(ServiceId::new(14)), ..twin() };
            case.looked(&[], &[item]);
        },
        "send Create",
    ),
    (
        "no trace, a settle time after the call: it may be sent again",
        |case| case.looked(&[], &[]),
        "send Create",
    ),
    (
        "an action of somebody else is no trace",
        |case| {
            let foreign = Action { submitted_by: Some("alice".to_owned()), ..trace(ActionStatus::Success) };
            case.looked(&[foreign], &[]);
        },
        "send Create",
    ),
    (
        "no trace, but too early",
        |case| {
            case.looked(&[], &[]);
            case.memory.attempt_seen = Some((attempt(), NOW - SETTLE + seconds(1)));
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but our last effect ended too lately",
        |case| {
            case.looked(&[], &[]);
            case.memory.effect_end = NOW - SETTLE + seconds(1);
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but an action of that name was seen running too lately",
        |case| {
            case.looked(&[], &[]);
            case.memory.running_seen = Some(NOW - SETTLE + seconds(1));
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but several VMs vanished at once: what is not shown proves nothing",
        |case| {
            case.looked(&[], &[]);
            case.cloud.missing_is_evidence = false;
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, first sight after a restart",
        |case| {
            case.looked(&[], &[]);
            case.memory = Memory::default();
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but the attempt that was waited for was another one",
        |case| {
            case.looked(&[], &[]);
            let other = itcare_operator::model::AttemptId::from_bytes([1; 8]);
            case.memory.attempt_seen = Some((other, NOW - seconds(900)));
        },
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but the list that decides on a new creation is not fresh",
        |case| {
            case.looked(&[], &[]);
            case.cloud.named = Observed::Unknown;
        },
        "read list",
    ),
    (
        "the account is another one",
        |case| case.ledger().account = AccountId::new("other"),
        "Stalled DeletionBlocked",
    ),
    (
        "the look fails",
        |case| case.failed(Need::Look(HostName::new("PWEB01")), FailureClass::Transient, Some(503)),
        "Working ProgressingWithRetry",
    ),
];

#[test]
fn a_creation_without_a_clear_answer_is_looked_for() {
    table(unclear, LOOKED);
}

#[test]
fn an_action_that_is_found_is_followed_as_if_its_reply_had_arrived() {
    let mut case = unclear();
    case.looked(&[trace(ActionStatus::InProgress)], &[]);
    let decision = case.next();
    let operation = decision.status.operation.clone().expect("followed");
    assert_eq!((operation.action_id, operation.attempt), (Some(ACTION.get()), Some(attempt())));
    assert_eq!(decision.wake, Wake::After(seconds(0)));
}

#[test]
fn a_vm_whose_proof_may_only_lag_is_waited_for() {
    let mut case = unclear();
    case.looked(&[], &[detail().listed()]);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(10)));
    assert_eq!(case.says(), "Working ResolvingOutcome");
}

#[test]
fn a_creation_is_never_sent_again_after_success() {
    // Its VM was never seen, its action was found by a look: success is success.
    let mut case = unclear();
    let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Success) };
    case.looked(&[trace(ActionStatus::Success), other], &[]);
    assert_ne!(case.says(), "send Create");
    case.memory.first_end(ACTION, NOW - SETTLE * 20);
    assert_eq!(stands(&case.next().status.conditions), "Stalled InstanceMissing");
}

#[test]
fn a_vm_made_after_all_that_may_be_ours_had_ended_is_not_bound() {
    for (made, expected) in [("2026-01-02T03:04:05Z", Some(VM)), ("2026-01-02T03:04:06Z", None)] {
        let mut case = unclear();
        case.shows(|detail| detail.creation_time = Some(made.to_owned()));
        let item = case.cloud.detail.as_ref().value().expect("it is shown").listed();
        let earlier = Action { completed_at: Some(wall_at(-400)), ..trace(ActionStatus::Error) };
        let last = Action {
            id: ActionId::new(ACTION.get() + 1),
            completed_at: Some(wall_at(-300)),
            ..trace(ActionStatus::Success)
        };
        case.looked(&[earlier, last], &[item]);
        assert_eq!(saved(&case.next()).instance, expected, "made at {made}");
    }
}

#[test]
fn looking_for_an_outcome_comes_again_four_times_in_a_settle_time_and_at_its_end() {
    for (seen, expected) in [(0, SETTLE / 4), (100, seconds(20))] {
        let mut case = unclear();
        case.looked(&[], &[]);
        case.memory.attempt_seen = Some((attempt(), NOW - seconds(seen)));
        assert_eq!(case.next().wake, Wake::After(expected), "first seen {seen} s ago");
    }
}

#[test]
fn how_a_creation_ended_that_was_found_is_told_by_the_action_that_ended_well() {
    for (one, other, result) in [
        (ActionStatus::Error, ActionStatus::Success, OperationResult::Succeeded),
        (ActionStatus::Error, ActionStatus::Error, OperationResult::Failed),
    ] {
        let mut case = unclear();
        case.shows(|_| {});
        let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(other.clone()) };
        case.looked(&[trace(one.clone()), other], &[detail().listed()]);
        let decision = case.next();
        assert_eq!(saved(&decision).instance, Some(VM));
        assert_eq!(decision.status.last_operation.map(|last| last.result), Some(result));
    }
}
