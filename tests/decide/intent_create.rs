//! A creation may be in flight: what came of it (DESIGN 5.2, steps 4 to 6).

use itcare_operator::crd::instance::{DeletionPolicy, ManagementPolicy};
use itcare_operator::decide::decision::Need;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{
    AccountId, Action, ActionStatus, AttemptId, Detail, HostName, InstanceState, ObjectKey, Observed,
    OperationKind, OperationResult, Origin, ServiceId,
};

use crate::fixture::{
    ACTION, Case, NOW, OTHER_VM, PASS, SETTLE, VM, action, attempt, detail, ended, seconds, twin, wall_at,
};
use crate::table::{Row, message, saved, says, stands, table, table_once_saved};

/// The call was sent ten minutes ago; nothing is known of its answer, and the settle time is over.
pub fn unclear() -> Case {
    let mut case = Case::fresh();
    case.intends(OperationKind::Create);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(600)));
    case
}

/// A possible action of ours, in that status.
pub fn trace(status: ActionStatus) -> Action {
    Action { submitted_at: Some(wall_at(-595)), ..ended(status) }
}

/// The reply gave the action's id.
fn followed() -> Case {
    let mut case = unclear();
    case.operates(OperationKind::Create, Some(ACTION));
    case
}

const FOLLOWED: &[Row] = &[
    ("the action runs", |case| case.runs(&[action()]), "Working Creating"),
    (
        "the running actions were asked for before the call ended",
        |case| {
            case.memory.effect_end = NOW - seconds(1);
            case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
        },
        "read running",
    ),
    (
        "it is over, and the list is older than that",
        |case| case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
        "read arrivals",
    ),
    (
        "it is over, and its VM arrived after an older list: bound",
        |case| {
            case.shows(|_| {});
            case.cloud.arrived = case.cloud.named.clone();
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(1) };
        },
        "save",
    ),
    (
        "two VMs of that name qualify, one of which may have gone since an older list",
        |case| {
            case.shows(|_| {});
            case.cloud.arrived = Observed::Present { value: vec![detail().listed(), twin()], at: NOW };
            case.cloud.named = Observed::Present { value: vec![twin()], at: NOW - seconds(1) };
        },
        "read list",
    ),
    (
        "it failed, and only the end of the list was read since: the whole list tells what it left",
        |case| {
            case.read(trace(ActionStatus::Error));
            case.memory.first_end(ACTION, NOW - SETTLE);
            case.cloud.arrived = case.cloud.named.clone();
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(1) };
        },
        "read list",
    ),
    ("it is over, and no VM is listed: the action decides", |_| {}, "read action"),
    (
        "it failed, and what it left may only lag",
        |case| case.read(trace(ActionStatus::Error)),
        "Working Creating",
    ),
    (
        "it failed and left nothing",
        |case| {
            case.read(trace(ActionStatus::Error));
            case.memory.first_end(ACTION, NOW - SETTLE);
        },
        "save",
    ),
    (
        "its status is one that nobody knows: it counts as running",
        |case| case.read(trace(ActionStatus::Other("QUEUED".to_owned()))),
        "Working Creating",
    ),
    (
        "ITCare has forgotten the action: look",
        |case| case.cloud.action = Some((ACTION, Observed::Absent { at: NOW })),
        "read look",
    ),
    ("it is over, and its VM stands: bound", |case| case.shows(|_| {}), "save"),
    (
        "its VM is listed but was not looked at",
        |case| {
            case.shows(|_| {});
            case.cloud.detail = Observed::Unknown;
        },
        "read detail",
    ),
    (
        "its VM is in a state that nobody knows, and the action says that it runs",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("CREATING".to_owned()));
            case.read(action());
        },
        "Working Creating",
    ),
    (
        "ITCare has forgotten the action, which is known to have ended well",
        |case| {
            case.ledger().intent.as_mut().expect("one").done = Some(ACTION);
            case.cloud.action = Some((ACTION, Observed::Absent { at: NOW }));
        },
        "Working Creating",
    ),
    (
        "the action in the status is of an earlier attempt: look",
        |case| {
            let operation = case.status.operation.as_mut().expect("one");
            operation.attempt = Some(AttemptId::from_bytes([7; 8]));
        },
        "read look",
    ),
    (
        "the action in the status is of another kind: look",
        |case| case.status.operation.as_mut().expect("one").kind = OperationKind::Reset,
        "read look",
    ),
    (
        "asked for its VM, ITCare answers with another one",
        |case| {
            case.shows(|_| {});
            let other = Detail { id: OTHER_VM, ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Stalled IdentityMismatch",
    ),
    (
        "the detail that is known is of another VM, from before: its own is read",
        |case| {
            case.shows(|_| {});
            case.cloud.named = Observed::Present { value: vec![detail().listed()], at: PASS - seconds(1) };
            case.memory.over_seen = Some((ACTION, PASS - seconds(2)));
            let other = Detail { id: OTHER_VM, ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: PASS - seconds(1) };
        },
        "read detail",
    ),
    (
        "its VM is in a state that nobody knows: the action decides",
        |case| case.shows(|detail| detail.state = InstanceState::Other("CREATING".to_owned())),
        "read action",
    ),
    (
        "a VM of that name that was made before the fence is not it",
        |case| case.shows(|detail| detail.creation_time = Some("2025-12-01T00:00:00Z".to_owned())),
        "read action",
    ),
    (
        "a VM of that name that another object has recorded is not it",
        |case| {
            case.shows(|_| {});
            case.elsewhere = vec![(VM, ObjectKey::new("shop", "older"))];
        },
        "read action",
    ),
    (
        "a VM made much later than the call: the action tells when it ended",
        |case| case.shows(|detail| detail.creation_time = Some("2026-01-02T03:04:05Z".to_owned())),
        "read action",
    ),
    (
        "two VMs of that name qualify",
        |case| {
            case.shows(|_| {});
            case.cloud.named = Observed::Present { value: vec![detail().listed(), twin()], at: NOW };
        },
        "Stalled Ambiguous",
    ),
];

const LAGGING: &[Row] = &[(
    "it ended well, and the list lags",
    |case| case.read(trace(ActionStatus::Success)),
    "Working Creating",
)];

#[test]
fn a_creation_whose_action_is_known_is_followed_to_its_vm() {
    table(followed, FOLLOWED);
    table_once_saved(followed, LAGGING);
}

#[test]
fn how_a_creation_ended_is_told_by_its_action_where_its_vm_does_not_run() {
    for (status, result) in
        [(ActionStatus::Success, OperationResult::Succeeded), (ActionStatus::Error, OperationResult::Failed)]
    {
        let mut case = followed();
        case.shows(|detail| detail.state = InstanceState::Other("HALF".to_owned()));
        case.read(trace(status.clone()));
        let decision = case.next();
        assert_eq!(saved(&decision).instance, Some(VM), "{status:?}");
        assert_eq!(decision.status.last_operation.map(|last| last.result), Some(result), "{status:?}");
    }
}

#[test]
fn a_success_out_of_sight_is_looked_for_often_and_not_all_the_time() {
    let mut case = followed();
    case.read(trace(ActionStatus::Success));
    let decision = case.next();
    case.write(&decision);
    let site = crate::fixture::site();
    assert_eq!(case.next().wake, Wake::After(site.action_interval.max(site.settle / 8)));
}

#[test]
fn a_vm_made_after_the_creation_had_ended_is_not_of_its_making() {
    // Ours was renamed before it was seen, and somebody made another one of the old name.
    for (sentence, ended, expected) in [
        ("made while it ran", Some(0), Some(VM)),
        ("made five minutes after its end: two clocks", Some(-300), Some(VM)),
        ("made later than that", Some(-301), None),
        ("its end is not told", None, Some(VM)),
    ] {
        for status in [ActionStatus::Success, ActionStatus::Error] {
            let mut case = followed();
            case.shows(|detail| detail.creation_time = Some("2026-01-02T03:04:05Z".to_owned()));
            case.read(Action { completed_at: ended.map(wall_at), ..trace(status.clone()) });
            case.memory.first_end(ACTION, NOW - SETTLE);
            assert_eq!(saved(&case.next()).instance, expected, "{sentence}, {status:?}");
        }
    }
}

#[test]
fn binding_records_id_origin_and_what_the_creation_carried_in_one_write() {
    let mut case = followed();
    case.spec.patching = serde_json::from_value(serde_json::json!({"excluded": false, "group": 3})).ok();
    case.shows(|_| {});
    let decision = case.next();
    let ledger = saved(&decision);
    assert_eq!(
        (ledger.instance, ledger.origin, ledger.intent.clone()),
        (Some(VM), Some(Origin::Created), None)
    );
    assert_eq!(ledger.name, Some(HostName::new("PWEB01")));
    assert_eq!(decision.status.operation, None);
    assert_eq!(
        decision.status.last_operation.as_ref().map(|last| last.result),
        Some(OperationResult::Succeeded)
    );
    assert_eq!(decision.status.ledger.as_deref(), Some(ledger.to_text().as_str()), "both copies alike");
    case.write(&decision);
    assert_eq!(case.says(), "send UpdatePatching", "patching is no part of a creation");
}

#[test]
fn a_success_that_stays_out_of_sight_for_ten_settle_times_needs_a_person() {
    let mut case = followed();
    case.read(trace(ActionStatus::Success));
    let decision = case.next();
    case.write(&decision);
    case = case.at_rest();
    for (waited, expected) in
        [(SETTLE * 10 - seconds(1), "Working Creating"), (SETTLE * 10, "Stalled InstanceMissing")]
    {
        let mut later = case.clone();
        later.later(waited);
        later.read(trace(ActionStatus::Success));
        later.cloud.running = Observed::Present { value: Vec::new(), at: later.now.mono };
        later.cloud.named = Observed::Present { value: Vec::new(), at: later.now.mono };
        assert_eq!(later.says(), expected, "after {waited:?}");
        if expected.starts_with("Stalled") {
            let text = message(&later.next());
            assert!(
                text.contains("PWEB01") && text.contains("41900") && text.contains("instanceId"),
                "{text}"
            );
        }
    }
}

/// Created by action 41900, and not listed for ten settle times.
fn out_of_sight() -> Case {
    let mut case = followed();
    case.memory.first_end(ACTION, NOW - SETTLE * 11);
    case.read(trace(ActionStatus::Success));
    let case = case.at_rest();
    assert_eq!(case.says(), "Stalled InstanceMissing");
    case
}

#[test]
fn a_vm_out_of_sight_is_bound_once_instance_id_names_it() {
    // DESIGN 5.2: cure: `instanceId`, or `Retain`.
    let mut case = out_of_sight();
    case.edits(|spec| spec.instance_id = Some(VM.get()));
    case.cloud.detail = Observed::Present { value: detail(), at: NOW };
    assert_eq!(saved(&case.next()).instance, Some(VM));
}

#[test]
fn a_vm_out_of_sight_is_let_go_by_retain() {
    let mut case = out_of_sight();
    case.deletes();
    assert_eq!(case.says(), "Stalled InstanceMissing", "the finalizer stays while an intent stands");
    case.spec.deletion_policy = Some(DeletionPolicy::Retain);
    assert_eq!(case.says(), "let go");
}

#[test]
fn a_failed_creation_that_left_a_vm_is_bound_and_said() {
    let mut case = followed();
    case.shows(|detail| detail.state = InstanceState::Other("FAILED".to_owned()));
    case.read(trace(ActionStatus::Error));
    let decision = case.next();
    assert_eq!(saved(&decision).instance, Some(VM), "ours, so that it can be deleted");
    case.write(&decision);
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled CreateFailed");
    let text = message(&decision);
    assert!(text.contains("no more addresses") && text.contains("5220149"), "{text}");
    case.edits(|spec| spec.change_reference = Some("CHG2".to_owned()));
    assert_eq!(case.says(), "Stalled CreateFailed", "no second creation while it lives");
    case.shows(|detail| detail.state = InstanceState::Active);
    case.edits(|spec| spec.instance_id = Some(VM.get()));
    assert_eq!(case.at_rest().says(), "Ready Running", "accepted as it is");
}

#[test]
fn a_failed_creation_is_remembered_when_the_status_is_lost() {
    // DESIGN 5: status may be lost (a restore), what was done may not.
    let mut case = followed();
    case.shows(|detail| detail.state = InstanceState::Other("FAILED".to_owned()));
    case.read(trace(ActionStatus::Error));
    case = case.at_rest();
    assert_eq!(case.says(), "Stalled CreateFailed");
    case.status = itcare_operator::crd::InstanceStatus::default();
    case.memory = itcare_operator::decide::Memory::default();
    assert_eq!(stands(&case.at_rest().status.conditions), "Stalled CreateFailed");
}

#[test]
fn a_bound_vm_of_another_identity_is_refused() {
    let mut case = followed();
    case.shows(|_| {});
    let wrong = itcare_operator::model::Detail { service: Some(ServiceId::new(14)), ..detail() };
    case.cloud.detail = Observed::Present { value: wrong, at: NOW };
    assert_eq!(case.says(), "Stalled IdentityMismatch");
}

#[test]
fn a_refused_creation_says_so_at_once_and_is_not_sent_again_before_a_look() {
    let mut case = unclear();
    case.was_refused(OperationKind::Create, 20);
    case.looked(&[], &[]);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
    assert_eq!(case.says(), "Stalled Rejected");
    case.last().message = Some("HTTP 409: the name is in use".to_owned());
    assert_eq!(case.says(), "Stalled NameTaken");
    // A gateway had sent it twice: the second one was executed.
    case.looked(&[trace(ActionStatus::InProgress)], &[]);
    assert_eq!(case.says(), "Working Creating");
    // Nothing of ours a settle time later: the intent goes, the refusal stays until the spec changes.
    case.looked(&[], &[]);
    case.memory.attempt_seen = Some((attempt(), NOW - SETTLE));
    let decision = case.next();
    assert_eq!(saved(&decision).intent, None);
    assert!(stands(&decision.status.conditions).starts_with("Stalled"));
}

#[test]
fn a_refused_creation_whose_name_was_taken_before_is_over() {
    let mut case = unclear();
    case.was_refused(OperationKind::Create, 600);
    case.looked(&[], &[twin()]);
    let decision = case.next();
    assert_eq!(saved(&decision).intent, None);
    assert_eq!(stands(&decision.status.conditions), "Stalled NameTaken");
}

#[test]
fn while_the_intent_stands_the_finalizer_stays() {
    let mut case = unclear();
    case.deletes();
    assert_eq!(case.says(), "read look");
    case.looked(&[], &[twin()]);
    assert_eq!(case.says(), "Stalled NameTaken", "a VM without proof is never bound, never deleted");
    case.looked(&[], &[]);
    let decision = case.next();
    assert!(
        matches!(decision.step, Step::RemoveFinalizer | Step::SaveLedger { .. }),
        "absent: never created"
    );
}

#[test]
fn every_stalled_creation_is_let_go_by_retain() {
    for (why, spoil) in [
        ("a VM without proof", (|case: &mut Case| case.looked(&[], &[twin()])) as fn(&mut Case)),
        ("two VMs", |case| {
            case.operates(OperationKind::Create, Some(ACTION));
            case.cloud.named = Observed::Present { value: vec![twin(), detail().listed()], at: NOW };
        }),
        ("another account", |case| case.ledger().account = AccountId::new("other")),
    ] {
        let mut case = unclear();
        spoil(&mut case);
        case.deletes();
        assert!(case.says().starts_with("Stalled"), "{why}: {}", case.says());
        case.spec.deletion_policy = Some(DeletionPolicy::Retain);
        assert_eq!(case.says(), "let go", "{why}");
    }
}

#[test]
fn a_vm_that_was_created_for_a_deleted_object_is_bound_so_that_it_can_be_deleted() {
    let mut case = followed();
    case.shows(|_| {});
    case.deletes();
    let decision = case.next();
    assert_eq!(saved(&decision).instance, Some(VM));
    assert!(
        matches!(decision.step, Step::SaveLedger { finalizer: false, .. }),
        "the API server admits no new one"
    );
    case.write(&decision);
    assert_eq!(case.says(), "send Stop");
}

#[test]
fn looking_goes_on_under_observe() {
    let mut case = followed();
    case.spec.management_policy = ManagementPolicy::Observe;
    case.shows(|_| {});
    let decision = case.next();
    assert_eq!(saved(&decision).instance, Some(VM));
}

#[test]
fn a_new_vm_is_read_under_its_own_id() {
    let mut case = followed();
    case.shows(|_| {});
    let other = itcare_operator::model::Detail { id: OTHER_VM, ..detail() };
    case.cloud.detail = Observed::Present { value: other, at: case.pass - seconds(1) };
    assert_eq!(case.next().step, Step::Observe(Need::Detail(VM)));
}
