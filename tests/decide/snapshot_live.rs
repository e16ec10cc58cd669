//! A snapshot that is there, or was: presence, expiry, loss (DESIGN 4.3).

use itcare_operator::decide::decision::Need;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{FailureClass, Observed, OneShot, OperationResult, Slot};

use crate::fixture::{NOW, SETTLE, VM, seconds, wall_at};
use crate::fixture_snapshot::{
    Row, SnapshotCase, available, foreign_slot, message, saved, says, slot, table,
};

/// A snapshot that is looked at in this pass.
fn looked_at() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.object.reconcile_requested = Some("now".to_owned());
    case
}

const ROWS: &[Row] = &[
    ("it is there", |_| {}, "Ready Available"),
    ("nobody looked yet", |case| case.cloud.slot = Observed::Unknown, "read slot"),
    (
        "at rest nobody looks",
        |case| {
            case.object.reconcile_requested = None;
            case.cloud.slot = Observed::Unknown;
        },
        "Ready Available",
    ),
    (
        "a look is due",
        |case| {
            case.object.reconcile_requested = None;
            case.cloud.slot = Observed::Unknown;
            case.slot_due = NOW;
        },
        "read slot",
    ),
    (
        "it should have expired: a look is due",
        |case| {
            case.object.reconcile_requested = None;
            case.cloud.slot = Observed::Unknown;
            case.now.wall = wall_at(3 * 86_400);
        },
        "read slot",
    ),
    (
        "it expired, and the slot is empty",
        |case| {
            case.now.wall = wall_at(3 * 86_400);
            case.cloud.slot = Observed::Absent { at: NOW };
        },
        "Ready Expired",
    ),
    (
        "it expired, and another one fills the slot",
        |case| {
            case.now.wall = wall_at(3 * 86_400);
            case.fills(foreign_slot());
        },
        "Ready Expired",
    ),
    (
        "its time is over, and ITCare still shows it",
        |case| case.now.wall = wall_at(3 * 86_400),
        "Ready Expired",
    ),
    (
        "another one fills the slot before its time",
        |case| case.fills(foreign_slot()),
        "Stalled SnapshotMissing",
    ),
    (
        "the slot is empty before its time: once may be a lag",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the slot is empty a settle time later",
        |case| {
            case.cloud.slot = Observed::Absent { at: NOW };
            case.memory.missing_seen = Some(NOW - SETTLE);
        },
        "Stalled SnapshotMissing",
    ),
    (
        "the instance object is gone: the snapshot is still there",
        |case| case.instance = None,
        "Ready Available",
    ),
    ("a suspended one stays as it was", |case| case.spec.suspend = true, "Ready Available"),
];

#[test]
fn a_snapshot_that_is_there_is_available_until_it_expires() {
    table(looked_at, ROWS);
}

#[test]
fn expiry_is_the_normal_end() {
    let mut case = looked_at();
    case.now.wall = wall_at(3 * 86_400);
    case.cloud.slot = Observed::Absent { at: NOW };
    let decision = case.next();
    assert_eq!((says(&decision).as_str(), available(&decision).as_str()), ("Ready Expired", "False Expired"));
    case.write(&decision);
    case.cloud.slot = Observed::Unknown;
    assert_eq!(case.says(), "Ready Expired", "for ever, without a read");
    case.object.has_finalizer = true;
    case.deletes();
    assert_eq!(case.says(), "let go", "deletion needs no call");
}

#[test]
fn what_an_available_snapshot_tells() {
    let decision = looked_at().next();
    assert_eq!(available(&decision), "True Available");
    let status = &decision.status;
    assert_eq!((status.id.as_deref(), status.instance_id), (Some("5220149-snap-7"), Some(VM.get())));
    assert_eq!((status.expires_at, status.size_gb), (slot().expires_at, Some(7)));
}

#[test]
fn it_wakes_when_the_snapshot_ends() {
    let mut case = SnapshotCase::taken();
    case.slot_due = NOW + seconds(86_400 * 30);
    let Wake::After(wait) = case.next().wake else { panic!("it wakes") };
    let end = seconds(3 * 86_400 - 3600);
    assert!(wait >= end && wait < end + seconds(2), "{wait:?}");
}

#[test]
fn another_end_is_recorded_so_that_expired_is_told_from_lost() {
    let mut case = looked_at();
    case.fills(Slot { expires_at: Some(wall_at(7200)), ..slot() });
    assert_eq!(saved(&case.next()).expires, Some(wall_at(7200)));
}

#[test]
fn a_lost_snapshot_is_not_available_and_says_so() {
    let mut case = looked_at();
    case.fills(foreign_slot());
    let decision = case.next();
    assert_eq!(available(&decision), "False SnapshotMissing");
    assert!(message(&decision).contains("5220149-snap-7") && message(&decision).contains("5220149-snap-6"));
}

#[test]
fn a_snapshot_that_comes_back_heals_the_object() {
    let mut case = looked_at();
    case.cloud.slot = Observed::Absent { at: NOW };
    let decision = case.next();
    case.write(&decision);
    case.later(SETTLE + seconds(1));
    case.cloud.slot = Observed::Present { value: slot(), at: case.now.mono };
    assert_eq!(case.at_rest().says(), "Ready Available");
}

#[test]
fn a_wake_inside_the_settle_time_reads_once_and_waits() {
    let mut case = looked_at();
    case.cloud.slot = Observed::Absent { at: NOW };
    let decision = case.next();
    assert_eq!(says(&decision), "Working ProgressingWithRetry");
    case.write(&decision);
    case.later(seconds(10));
    if let Step::Observe(need) = case.next().step {
        assert_eq!(need, Need::Slot(VM));
        case.memory = case.next().memory;
        case.cloud.slot = Observed::Absent { at: case.now.mono };
    }
    let said = case.says();
    assert_eq!(said, "Working ProgressingWithRetry", "what was just read is not asked for again");
}

#[test]
fn a_failed_look_keeps_available_as_it_was() {
    let mut case = looked_at();
    case.cloud.slot = Observed::Unknown;
    case.failed(Need::Slot(VM), FailureClass::Transient, Some(503));
    assert_eq!(available(&case.next()), "True Available", "the trouble is ours, not the snapshot's");
}

#[test]
fn a_recovery_that_comes_after_the_end_leaves_a_receipt() {
    let mut case = looked_at();
    case.now.wall = wall_at(3 * 86_400);
    case.cloud.slot = Observed::Absent { at: NOW };
    case.asks_recovery(-3 * 86_400);
    let decision = case.next();
    let receipt = decision.status.handled_requests.get(&OneShot::Recover).expect("a receipt");
    assert_eq!(receipt.result, OperationResult::Expired);
}

/// At rest, and a look at the slot is due.
fn due() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.slot_due = NOW;
    case.cloud.slot = Observed::Unknown;
    case
}

#[test]
fn one_routine_look_that_fails_says_nothing_and_any_other_does() {
    let fails = |case: &mut SnapshotCase| case.failed(Need::Slot(VM), FailureClass::Transient, Some(503));
    let mut routine = due();
    fails(&mut routine);
    assert_eq!(says(&routine.next()), "Ready Available");
    let mut asked = due();
    asked.object.reconcile_requested = Some("now".to_owned());
    fails(&mut asked);
    assert_eq!(says(&asked.next()), "Working ProgressingWithRetry", "somebody waits for this one");
    let mut edited = due();
    edited.object.generation += 1;
    fails(&mut edited);
    assert_eq!(says(&edited.next()), "Working ProgressingWithRetry", "nothing was said of this generation");
    assert_eq!(says(&due().next()), "read slot");
}
