//! What a process remembers between passes: first sights are of one thing each, and another thing begins anew.

use std::time::Duration;

use itcare_operator::decide::Memory;
use itcare_operator::model::{ActionId, FailureClass, OperationKind, OperationResult};
use jiff::Timestamp;

use crate::fixture::last_operation;

const ONE: ActionId = ActionId::new(1);
const OTHER: ActionId = ActionId::new(2);

fn seconds(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

#[test]
fn the_first_sight_of_an_end_is_of_that_action() {
    let mut memory = Memory::default();
    assert!(!memory.awaits_effect(ONE), "nothing ended yet");
    assert_eq!(memory.first_end(ONE, seconds(10)), seconds(10));
    assert_eq!(memory.first_end(ONE, seconds(20)), seconds(10), "the first sight counts");
    assert!(memory.awaits_effect(ONE) && !memory.awaits_effect(OTHER));
    assert_eq!(memory.first_end(OTHER, seconds(30)), seconds(30), "another action ends for the first time");
    assert!(memory.awaits_effect(OTHER) && !memory.awaits_effect(ONE));
}

#[test]
fn the_first_read_without_an_action_is_of_that_action_and_ends_when_it_runs_again() {
    let mut memory = Memory::default();
    assert_eq!(memory.is_over(ONE, false, seconds(10)), Some(seconds(10)));
    assert_eq!(memory.is_over(ONE, false, seconds(20)), Some(seconds(10)), "it was over then");
    assert_eq!(memory.is_over(OTHER, false, seconds(30)), Some(seconds(30)), "another one is over since now");
    assert_eq!(memory.is_over(OTHER, true, seconds(40)), None);
    assert_eq!(memory.running_seen, Some(seconds(40)));
    assert_eq!(memory.is_over(OTHER, false, seconds(50)), Some(seconds(50)), "it was seen running since");
}

#[test]
fn an_unclear_answer_is_dated_by_its_own_call_and_by_the_last_effect() {
    let at = |second: i64| Timestamp::from_second(1_770_000_000 + second).expect("a time");
    let mut memory = Memory::default();
    assert_eq!(memory.unclear_since(at(0), seconds(10)), seconds(10));
    assert_eq!(memory.unclear_since(at(0), seconds(20)), seconds(10), "first seen then");
    assert_eq!(memory.unclear_since(at(5), seconds(30)), seconds(30), "another call");
    memory.effect_end = seconds(35);
    assert_eq!(memory.unclear_since(at(5), seconds(40)), seconds(35), "its call ended later");
}

#[test]
fn failures_are_counted_in_a_row_and_timed_by_their_kind() {
    let mut memory = Memory::default();
    let transient = FailureClass::Transient;
    assert_eq!(memory.failing(transient, seconds(10)), seconds(0));
    assert_eq!(memory.failing(transient, seconds(25)), seconds(15));
    assert_eq!(memory.failures, 2);
    // A refused credential does not pass by itself: after time-outs it is a first one.
    assert_eq!(memory.failing(FailureClass::Unauthenticated, seconds(30)), seconds(0));
    assert_eq!(memory.failures, 3);
    memory.has_no_failure();
    assert_eq!(memory, Memory::default(), "nothing is left of them");
    assert_eq!(memory.failing(FailureClass::Unauthenticated, seconds(40)), seconds(0));
}

#[test]
fn trouble_lasts_until_its_operation_ends_well_and_a_stop_ends_that_of_a_deletion() {
    let end = |kind, result| last_operation(kind, result, 60, 3);
    let refused = [OperationKind::Delete, OperationKind::Resize];
    let troubled = || {
        let mut memory = Memory::default();
        for kind in refused {
            memory.ended(&end(kind, OperationResult::Refused));
        }
        assert_eq!(memory.trouble.len(), 2);
        memory
    };
    for (kind, result, left) in [
        (OperationKind::Stop, OperationResult::Succeeded, vec![OperationKind::Resize]),
        (OperationKind::Stop, OperationResult::Failed, refused.to_vec()),
        (OperationKind::Start, OperationResult::Succeeded, refused.to_vec()),
        (OperationKind::Resize, OperationResult::Succeeded, vec![OperationKind::Delete]),
    ] {
        let mut memory = troubled();
        memory.ended(&end(kind, result));
        for refused in refused {
            assert_eq!(
                memory.trouble.contains_key(&refused),
                left.contains(&refused),
                "{kind} {result:?}: {refused}"
            );
        }
    }
}
