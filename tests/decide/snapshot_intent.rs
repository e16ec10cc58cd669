//! A snapshot's creation may be in flight: actions first, then the slot and its mark (DESIGN 4.3, 5.2).

use itcare_operator::crd::SnapshotStatus;
use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::decide::{Memory, Wake};
use itcare_operator::model::{
    AccountId, Action, ActionId, ActionStatus, AttemptId, Observed, OperationKind, OperationResult, Origin,
    Slot,
};

use crate::fixture::{ACTION, NOW, SETTLE, VM, action, attempt, ended, seconds, snapshot_id, wall_at};
use crate::fixture_snapshot::{
    Row, SnapshotCase, available, foreign_slot, message, saved, says, slot, table, table_once_saved,
};

/// The call was sent ten minutes ago; nothing is known of its answer.
fn unclear() -> SnapshotCase {
    let mut case = SnapshotCase::fresh();
    case.intends(OperationKind::TakeSnapshot);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(600)));
    case.looked(&[]);
    case
}

fn trace(status: ActionStatus) -> Action {
    Action { submitted_at: Some(wall_at(-595)), ..ended(status) }
}

fn new_slot() -> Slot {
    Slot { created_at: Some(wall_at(-590)), ..slot() }
}

const LOOKED: &[Row] = &[
    ("nobody looked at the actions", |case| case.cloud.look = None, "read look"),
    (
        "nobody looked at the slot since",
        |case| case.cloud.slot = Observed::Absent { at: NOW - seconds(1) },
        "read slot",
    ),
    ("the slot shows our mark: ours", |case| case.fills(new_slot()), "save"),
    (
        "the slot shows another mark",
        |case| {
            let other = AttemptId::from_bytes([1; 8]);
            case.fills(Slot { description: Some(format!("nightly [{other}]")), ..new_slot() });
        },
        "save",
    ),
    (
        "the slot shows no mark: not ours without an action",
        |case| case.fills(Slot { description: None, ..new_slot() }),
        "save",
    ),
    (
        "an action that may be ours is followed",
        |case| {
            case.looked(&[trace(ActionStatus::InProgress)]);
        },
        "Working TakingSnapshot",
    ),
    (
        "an action runs on the VM: too early",
        |case| case.looked(&[Action { submitted_by: Some("alice".to_owned()), ..action() }]),
        "Working ResolvingOutcome",
    ),
    (
        "no trace, but too early",
        |case| case.memory.attempt_seen = Some((attempt(), NOW - SETTLE + seconds(1))),
        "Working ResolvingOutcome",
    ),
    (
        "no trace, first sight after a restart",
        |case| case.memory = Memory::default(),
        "Working ResolvingOutcome",
    ),
    (
        "the account is another one",
        |case| case.ledger().account = AccountId::new("other"),
        "Stalled DeletionBlocked",
    ),
    (
        "it goes on under suspend",
        |case| {
            case.spec.suspend = true;
            case.cloud.look = None;
        },
        "read look",
    ),
    (
        "it goes on without an instance object",
        |case| {
            case.instance = None;
            case.cloud.look = None;
        },
        "read look",
    ),
];

#[test]
fn a_snapshot_without_a_clear_answer_is_looked_for() {
    table(unclear, LOOKED);
}

#[test]
fn no_trace_a_settle_time_after_the_call_is_absent_and_it_may_be_sent_again() {
    let decision = unclear().next();
    assert_eq!(says(&decision), "send TakeSnapshot");
    assert_eq!(saved(&decision).intent, None);
}

#[test]
fn while_absence_proves_nothing_it_waits_and_does_not_spin() {
    let mut case = unclear();
    case.cloud.missing_is_evidence = false;
    let decision = case.next();
    assert_eq!(says(&decision), "Working ResolvingOutcome");
    assert!(matches!(decision.wake, Wake::After(wait) if wait >= seconds(1)), "{:?}", decision.wake);
}

#[test]
fn our_mark_binds_the_snapshot() {
    let mut case = unclear();
    case.fills(new_slot());
    let decision = case.next();
    let ledger = saved(&decision);
    assert_eq!(
        (ledger.snapshot.clone(), ledger.origin, ledger.intent.clone()),
        (Some(snapshot_id()), Some(Origin::Created), None)
    );
    assert_eq!((ledger.expires, ledger.instance), (new_slot().expires_at, Some(VM)));
    case.write(&decision);
    assert_eq!(case.at_rest().says(), "Ready Available");
}

#[test]
fn a_foreign_snapshot_is_never_bound() {
    for slot in [
        foreign_slot(),
        Slot { description: Some(format!("[{}]", AttemptId::from_bytes([9; 8]))), ..new_slot() },
    ] {
        let mut case = unclear();
        case.fills(slot);
        let decision = case.next();
        assert_eq!(saved(&decision).snapshot, None);
        case.write(&decision);
        assert_eq!(case.says(), "Working WaitingForSlot");
    }
}

/// The reply gave the action's id.
fn followed() -> SnapshotCase {
    let mut case = unclear();
    case.operates(OperationKind::TakeSnapshot, Some(ACTION));
    case
}

const FOLLOWED: &[Row] = &[
    ("it runs", |case| case.runs(&[action()]), "Working TakingSnapshot"),
    ("it left the running list: the action decides", |_| {}, "read action"),
    (
        "it ended well, and the slot shows it",
        |case| {
            case.read(trace(ActionStatus::Success));
            case.fills(new_slot());
        },
        "save",
    ),
    (
        "it ended well, and the slot shows one without a mark, made since",
        |case| {
            case.read(trace(ActionStatus::Success));
            case.fills(Slot { description: None, ..new_slot() });
        },
        "save",
    ),
    ("it failed", |case| case.read(trace(ActionStatus::Error)), "save"),
    (
        "ITCare has forgotten it: look",
        |case| {
            case.cloud.action = Some((ACTION, Observed::Absent { at: NOW }));
            case.cloud.look = None;
        },
        "read look",
    ),
];

const LAGGING: &[Row] = &[
    (
        "it ended well, and the slot shows one without a mark, made before",
        |case| {
            case.read(trace(ActionStatus::Success));
            case.fills(Slot { description: None, created_at: Some(wall_at(-7200)), ..new_slot() });
        },
        "Working TakingSnapshot",
    ),
    (
        "it ended well, and the slot lags",
        |case| case.read(trace(ActionStatus::Success)),
        "Working TakingSnapshot",
    ),
];

#[test]
fn a_snapshot_whose_action_is_known_is_followed_to_the_slot() {
    table(followed, FOLLOWED);
    table_once_saved(followed, LAGGING);
}

#[test]
fn a_snapshot_made_by_somebody_else_is_never_ours() {
    // DESIGN 4.3: ours is known by the recorded id, and before that by the attempt in its description. Ours was
    // removed before it was seen, and somebody took another one by hand since.
    let mut case = followed();
    case.read(trace(ActionStatus::Success));
    case.fills(Slot { created_at: Some(wall_at(-100)), ..foreign_slot() });
    let decision = case.next();
    assert_eq!(saved(&decision).snapshot, None, "recovered or removed, it would be somebody else's");
    // Without any description it is still known who made it.
    case.fills(Slot { created_at: Some(wall_at(-100)), description: None, ..foreign_slot() });
    assert_eq!(saved(&case.next()).snapshot, None, "made by alice");
}

#[test]
fn a_slot_that_lags_behind_success_is_read_again() {
    let mut case = followed();
    case.read(trace(ActionStatus::Success));
    let decision = case.next();
    case.write(&decision);
    case.later(seconds(5));
    case.read(trace(ActionStatus::Success));
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(case.says(), "read slot");
    case.cloud.slot = Observed::Present { value: new_slot(), at: case.now.mono };
    assert_eq!(saved(&case.next()).snapshot, Some(snapshot_id()));
}

#[test]
fn a_snapshot_that_stays_out_of_sight_needs_a_person() {
    let mut case = followed();
    case.read(trace(ActionStatus::Success));
    case.memory.first_end(ACTION, NOW - SETTLE * 11);
    let mut case = case.at_rest();
    assert_eq!(case.says(), "Stalled SnapshotMissing");
    assert!(message(&case.next()).contains("41900"), "{}", message(&case.next()));
    case.deletes();
    case.spec.deletion_policy = DeletionPolicy::Retain;
    assert_eq!(case.says(), "let go", "Retain lets go in every stalled state");
}

/// Taken by an action that ended then, seen by nobody, and looked for since a settle time and more.
fn unseen_since(ended: &str, submitted: &str) -> SnapshotCase {
    let mut case = followed();
    let time = |text: &str| text.parse().ok();
    case.read(Action {
        submitted_at: time(submitted),
        completed_at: time(ended),
        ..trace(ActionStatus::Success)
    });
    case.memory.first_end(ACTION, NOW - SETTLE - seconds(1));
    case
}

#[test]
fn a_snapshot_that_was_taken_and_never_seen_has_expired_three_days_after_its_action() {
    // Now is 2026-01-02T03:04:05Z. Two clocks may be five minutes apart.
    for (sentence, ended, submitted, expected) in [
        ("a second too early", "2025-12-30T02:59:06Z", "2025-12-30T02:00:00Z", "Stalled SnapshotMissing"),
        ("three days and five minutes", "2025-12-30T02:59:05Z", "2025-12-30T02:00:00Z", "Ready Expired"),
        ("its end is not told", "", "2025-12-30T02:59:05Z", "Ready Expired"),
        ("its end is not told, and too early", "", "2025-12-30T02:59:06Z", "Stalled SnapshotMissing"),
    ] {
        for somebody_elses in [false, true] {
            let mut case = unseen_since(ended, submitted);
            if somebody_elses {
                case.fills(foreign_slot());
            }
            let mut case = case.at_rest();
            assert_eq!(case.says(), expected, "{sentence}");
            if expected == "Ready Expired" {
                assert_eq!(available(&case.next()), "False Expired", "{sentence}");
                assert_eq!(case.ledger().intent, None, "nothing is held any more");
                case.deletes();
                assert_eq!(case.says(), "let go", "{sentence}");
            }
        }
    }
}

#[test]
fn a_snapshot_that_expired_unseen_is_never_taken_again() {
    let mut case = unseen_since("2025-12-29T00:00:00Z", "2025-12-29T00:00:00Z").at_rest();
    // Nothing but the ledger is left, and the clock has been set back.
    case.status = SnapshotStatus { observed_generation: Some(-1), ..SnapshotStatus::default() };
    case.memory = Memory::default();
    for wall in [wall_at(0), wall_at(-4 * 86_400)] {
        case.now.wall = wall;
        case.later(seconds(3600));
        assert_eq!(case.says(), "Ready Expired", "at {wall}");
    }
}

#[test]
fn what_a_forgotten_action_took_has_expired_a_day_later() {
    // It was known to have ended well; how long it ran is not known any more: a day at most.
    for (fence, expected) in
        [("2025-12-29T02:59:06Z", "Stalled SnapshotMissing"), ("2025-12-29T02:59:05Z", "Ready Expired")]
    {
        let mut case = unseen_since("", "");
        let intent = case.ledger().intent.as_mut().expect("one");
        (intent.done, intent.fence.date) = (Some(ACTION), fence.parse().ok());
        case.cloud.action = Some((ACTION, Observed::Absent { at: NOW }));
        assert_eq!(case.at_rest().says(), expected, "called at {fence}");
    }
}

#[test]
fn a_failed_snapshot_is_told_and_tried_again_with_backoff() {
    let mut case = followed();
    case.read(trace(ActionStatus::Error));
    let decision = case.next();
    assert!(decision.notes.iter().any(|note| note.warning && note.message.contains("no more addresses")));
    case.write(&decision);
    assert_eq!(case.says(), "Working TakingSnapshot");
    assert_eq!(case.status.last_operation.as_ref().and_then(|last| last.failures), Some(1));
}

#[test]
fn a_refused_snapshot_is_not_sent_again_before_a_look() {
    let mut case = unclear();
    case.was_refused(OperationKind::TakeSnapshot, 20);
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
    assert_eq!(case.says(), "Stalled Rejected");
    case.looked(&[trace(ActionStatus::InProgress)]);
    assert_eq!(case.says(), "Working TakingSnapshot", "a gateway had sent it twice");
    case.looked(&[]);
    case.memory.attempt_seen = Some((attempt(), NOW - SETTLE));
    assert_eq!(saved(&case.next()).intent, None);
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
fn a_recovery_without_a_trace_is_never_sent_again() {
    let mut case = recovering();
    let decision = case.next();
    let receipt = decision.status.handled_requests.values().next().expect("a receipt");
    assert_eq!(receipt.result, OperationResult::OutcomeUnknown);
    case.write(&decision);
    case.looked(&[]);
    assert_ne!(case.says(), "send Recover");
}

#[test]
fn several_actions_that_may_be_the_recovery_are_an_unknown_outcome() {
    let mut case = recovering();
    let other = Action { id: ActionId::new(ACTION.get() + 1), ..trace(ActionStatus::Success) };
    case.looked(&[trace(ActionStatus::Success), other]);
    let decision = case.next();
    assert_eq!(
        decision.status.handled_requests.values().next().map(|one| one.result),
        Some(OperationResult::OutcomeUnknown)
    );
}

#[test]
fn a_refused_recovery_may_be_sent_again_until_not_after() {
    let mut case = recovering();
    case.was_refused(OperationKind::Recover, 20);
    let decision = case.next();
    assert_eq!(saved(&decision).intent, None);
    assert!(decision.status.handled_requests.is_empty());
    case.write(&decision);
    case.now.wall = wall_at(600);
    case.looked(&[]);
    assert_eq!(case.says(), "send Recover");
}

#[test]
fn while_the_intent_stands_the_finalizer_stays_and_retain_lets_go_when_stalled() {
    let mut case = unclear();
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(1)));
    case.deletes();
    assert_eq!(case.says(), "Working ResolvingOutcome");
    case.ledger().account = AccountId::new("other");
    assert_eq!(case.says(), "Stalled DeletionBlocked");
    case.spec.deletion_policy = DeletionPolicy::Retain;
    assert_eq!(case.says(), "let go");
}

#[test]
fn a_snapshot_found_for_a_deleted_object_is_removed() {
    let mut case = unclear();
    case.fills(new_slot());
    case.deletes();
    let decision = case.next();
    assert_eq!(says(&decision), "save", "bound first");
    case.write(&decision);
    assert_eq!(case.says(), "send RemoveSnapshot");
}

#[test]
fn only_the_operation_of_this_very_attempt_is_followed_and_a_new_attempt_is_seen_for_the_first_time() {
    let follows = |kind: OperationKind, attempt: AttemptId| {
        let mut case = SnapshotCase::taken();
        case.ledger().snapshot = None;
        case.intends(OperationKind::TakeSnapshot);
        case.operates(kind, Some(ACTION));
        case.status.operation.as_mut().expect("one").attempt = Some(attempt);
        case.says()
    };
    let other = || AttemptId::from_bytes([7; 8]);
    assert_eq!(follows(OperationKind::TakeSnapshot, attempt()), "read action");
    assert_eq!(follows(OperationKind::TakeSnapshot, other()), "read look");
    assert_eq!(follows(OperationKind::Recover, attempt()), "read look");
    let mut case = SnapshotCase::taken();
    case.intends(OperationKind::TakeSnapshot);
    for (before, expected) in [(attempt(), NOW - seconds(600)), (other(), NOW)] {
        case.memory.attempt_seen = Some((before, NOW - seconds(600)));
        assert_eq!(case.next().memory.attempt_seen, Some((attempt(), expected)));
    }
}

#[test]
fn a_slot_without_our_mark_is_ours_only_where_it_shows_no_description_at_all() {
    for (description, ours) in
        [(None, true), (Some("  "), true), (Some("nightly, by the same account"), false)]
    {
        let mut case = followed();
        case.read(trace(ActionStatus::Success));
        case.fills(Slot { description: description.map(str::to_owned), ..new_slot() });
        let decision = case.next();
        assert_eq!(saved(&decision).snapshot.is_some(), ours, "{description:?}");
    }
}

#[test]
fn what_a_failed_action_left_in_the_slot_is_ours_if_it_bears_our_mark() {
    let failed = || {
        let mut case = unclear();
        case.operates(OperationKind::TakeSnapshot, Some(ACTION));
        case.read(trace(ActionStatus::Error));
        case
    };
    let mut ours = failed();
    ours.fills(new_slot());
    let decision = ours.next();
    assert_eq!(says(&decision), "save");
    assert_eq!(saved(&decision).snapshot, Some(snapshot_id()));
    assert!(decision.notes.iter().any(|note| note.warning && note.message.contains("which is kept")));
    for (sentence, change) in [
        ("empty", (|_| {}) as fn(&mut SnapshotCase)),
        ("somebody else's", |case| case.fills(foreign_slot())),
        ("ours without a mark: another's", |case| case.fills(Slot { description: None, ..new_slot() })),
    ] {
        let mut case = failed();
        change(&mut case);
        let decision = case.next();
        assert_eq!(says(&decision), "save", "{sentence}");
        assert_eq!(saved(&decision).snapshot, None, "{sentence}");
    }
}
