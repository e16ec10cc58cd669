//! An action of ours runs, or a call got no clear answer: what is looked at, and when it is over
//! (DESIGN 5.3, 8).

use itcare_operator::crd::Reason;
use itcare_operator::crd::instance::{DriftPolicy, ResizePolicy};
use itcare_operator::decide::decision::Need;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{
    Action, ActionId, ActionStatus, Group, InstanceState, Observed, OperationKind, OperationResult,
    PowerState, Resume,
};

use crate::fixture::{ACTION, Case, NOW, PASS, SETTLE, VM, action, detail, ended, seconds, wall_at};
use crate::table::{Row, copy_of, message, says, table, table_once_saved};

/// A stop was sent half a minute ago, and its action is not in the list of running ones any more.
fn stopping() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case.operates(OperationKind::Stop, Some(ACTION));
    case.memory.effect_end = NOW - seconds(30);
    case
}

const ROWS: &[Row] = &[
    ("the action still runs", |case| case.runs(&[action()]), "Working Stopping"),
    (
        "the running actions were asked for too long ago",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: PASS - seconds(6) },
        "read running",
    ),
    (
        "the running actions were asked for before the call ended",
        |case| {
            case.memory.effect_end = NOW - seconds(1);
            case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
        },
        "read running",
    ),
    (
        "it left the running list, and nobody looked at the VM since",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: NOW - seconds(1) },
        "read detail",
    ),
    (
        "it left the running list, and the VM shows what was asked for",
        |case| case.shows(|detail| detail.state = InstanceState::Inactive),
        "save",
    ),
    ("it left the running list, and the VM does not show it: the action decides", |_| {}, "read action"),
    ("the action says that it runs", |case| case.read(action()), "Working Stopping"),
    (
        "the action has a status that nobody knows: it counts as running",
        |case| case.read(ended(ActionStatus::Other("PAUSED".to_owned()))),
        "Working Stopping",
    ),
    (
        "it ended well, but the VM does not show it yet",
        |case| case.read(ended(ActionStatus::Success)),
        "Working Stopping",
    ),
    ("it failed", |case| case.read(ended(ActionStatus::Error)), "Working Stopping"),
    (
        "ITCare has forgotten the action: the VM itself tells",
        |case| case.cloud.action = Some((ACTION, Observed::Absent { at: NOW })),
        "send Stop",
    ),
    ("the VM is gone", Case::gone, "Stalled InstanceMissing"),
];

#[test]
fn an_action_of_ours_is_followed_to_its_end() {
    table(stopping, ROWS);
}

#[test]
fn the_end_is_recorded_with_what_was_sent() {
    let mut case = stopping();
    case.shows(|detail| detail.state = InstanceState::Inactive);
    let decision = case.next();
    let last = decision.status.last_operation.clone().expect("told");
    assert_eq!(
        (last.kind, last.result, last.action_id),
        (OperationKind::Stop, OperationResult::Succeeded, Some(ACTION.get()))
    );
    assert_eq!(decision.status.operation, None);
    let applied = crate::table::saved(&decision).applied.expect("applied");
    assert_eq!(
        applied.groups.get(&Group::Power),
        itcare_operator::decide::instance::hashes(&case.spec).get(&Group::Power)
    );
}

#[test]
fn a_failed_action_is_told_with_its_message_and_tried_again_with_backoff() {
    let mut case = stopping();
    case.read(ended(ActionStatus::Error));
    for failures in 1..=2 {
        let decision = case.next();
        assert_eq!(says(&decision), "Working Stopping");
        assert!(message(&decision).contains("no more addresses"), "{}", message(&decision));
        assert!(decision.notes.iter().any(|note| note.warning && note.reason == Reason::ActionFailed));
        assert_eq!(decision.status.last_operation.as_ref().and_then(|last| last.failures), Some(failures));
        case.write(&decision);
        // Another action each time: the same end is not counted twice.
        let again = ActionId::new(ACTION.get() + failures);
        case.operates(OperationKind::Stop, Some(again));
        case.read(Action { id: again, ..ended(ActionStatus::Error) });
    }
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled ActionFailed", "three alike");
    case.write(&decision);
    case.now.wall = wall_at(599);
    assert_eq!(case.says(), "Stalled ActionFailed");
    case.now.wall = wall_at(601);
    assert_eq!(case.says(), "send Stop", "slow re-check");
    case.now.wall = wall_at(1);
    case.edits(|spec| spec.change_reference = Some("CHG2".to_owned()));
    assert_ne!(case.says(), "Stalled ActionFailed", "healed by a spec change");
}

#[test]
fn an_effect_that_lags_behind_success_is_looked_for_again() {
    let mut case = stopping();
    case.read(ended(ActionStatus::Success));
    let decision = case.next();
    assert!(matches!(decision.wake, Wake::After(wait) if wait <= SETTLE && wait >= seconds(1)));
    case.write(&decision);
    case.later(seconds(10));
    case.read(ended(ActionStatus::Success));
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(case.says(), "read detail", "what was seen ten seconds ago says nothing about now");
}

#[test]
fn success_without_effect_a_settle_time_later_is_not_effective_and_not_sent_again() {
    let mut case = stopping();
    case.read(ended(ActionStatus::Success));
    let decision = case.next();
    case.write(&decision);
    case.later(SETTLE + seconds(1));
    case.read(ended(ActionStatus::Success));
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    case.cloud.detail = Observed::Present { value: detail(), at: case.now.mono };
    let decision = case.next();
    assert_eq!(says(&decision), "save");
    case.write(&decision);
    case.cloud.object_unchanged = Some(true);
    let decision = case.next();
    assert_eq!(says(&decision), "Ready Running");
    assert_eq!(crate::table::drifted(&decision), Some(Reason::NotEffective));
    case.edits(|spec| spec.power_state = Some(PowerState::Running));
    case = case.at_rest();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    assert_eq!(case.says(), "send Stop", "the wish changed in between");
}

#[test]
fn a_wish_that_changed_while_the_action_ran_is_not_taken_for_carried_out() {
    let mut case = Case::managed();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    case.operates(OperationKind::Resize, Some(ACTION));
    case.edits(|spec| spec.size = Some("8cpu8gb".to_owned()));
    case.shows(|detail| detail.size = "4cpu8gb".parse().ok());
    case.read(ended(ActionStatus::Success));
    case.memory.first_end(ACTION, PASS - SETTLE);
    let decision = case.next();
    assert!(decision.status.operation.is_none(), "the action is over: {}", says(&decision));
    let held = decision.status.ledger.as_deref().unwrap_or_default().contains("NotEffective");
    assert!(!held, "the new wish was never sent");
}

/// A stop got no clear answer half a minute ago.
fn unclear() -> Case {
    let mut case = stopping();
    case.operates(OperationKind::Stop, None);
    case.memory.ambiguous = true;
    case.memory.unclear_seen = Some((wall_at(-30), NOW - seconds(30)));
    case
}

/// The same, a settle time and more later, with nothing read since.
fn unclear_later() -> Case {
    let mut case = unclear();
    case.later(SETTLE);
    case
}

#[test]
fn an_unclear_answer_is_waited_out_for_a_settle_time() {
    let decision = unclear().next();
    assert_eq!(says(&decision), "Working ResolvingOutcome");
    let Wake::After(wait) = decision.wake else { panic!("it wakes") };
    assert!(wait <= SETTLE - seconds(30) + seconds(1) && wait > seconds(60), "{wait:?}");
}

const UNCLEAR: &[Row] = &[
    ("the running actions are asked for anew", |_| {}, "read running"),
    (
        "then the detail",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono },
        "read detail",
    ),
    (
        "something runs that may be it",
        |case| case.cloud.running = Observed::Present { value: vec![action()], at: case.now.mono },
        "Working ResolvingOutcome",
    ),
    (
        "nothing runs, and the VM still runs: it is decided anew",
        |case| {
            case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
            case.cloud.detail = Observed::Present { value: detail(), at: case.now.mono };
        },
        "read object",
    ),
];

#[test]
fn an_unclear_call_is_decided_anew_from_reads_requested_a_settle_time_later() {
    table(unclear_later, UNCLEAR);
}

#[test]
fn a_restart_does_not_shorten_the_settle_time() {
    let mut case = unclear();
    case.memory = itcare_operator::decide::Memory::default();
    assert_eq!(case.says(), "Working ResolvingOutcome");
    // Whatever the wall clock says: it may be another one than that of the sender.
    case.status.operation.as_mut().expect("one").submitted_at = wall_at(-36_000);
    assert_eq!(case.says(), "Working ResolvingOutcome");
    case.status.operation.as_mut().expect("one").submitted_at = wall_at(36_000);
    assert_eq!(case.says(), "Working ResolvingOutcome");
}

#[test]
fn a_guarded_operation_whose_intent_is_resolved_is_only_a_status_that_lagged() {
    let mut case = Case::managed();
    case.operates(OperationKind::Reset, Some(ACTION));
    let decision = case.next();
    assert_eq!(decision.status.operation, None);
    assert_eq!(says(&decision), "Ready Running");
}

#[test]
fn reads_that_are_missing_name_the_vm_and_the_action() {
    let mut case = stopping();
    assert_eq!(case.next().step, Step::Observe(Need::Action(ACTION)));
    case.cloud.detail = Observed::Unknown;
    assert_eq!(case.next().step, Step::Observe(Need::Detail(VM)));
}

/// A start was sent half a minute ago, and its action is not in the list of running ones any more.
fn starting() -> Case {
    let mut case = Case::managed_with(|case| {
        case.spec.power_state = Some(PowerState::Stopped);
        case.shows(|detail| detail.state = InstanceState::Inactive);
    });
    case.edits(|spec| spec.power_state = Some(PowerState::Running));
    case.operates(OperationKind::Start, Some(ACTION));
    case.memory.effect_end = NOW - seconds(30);
    case
}

const STARTING: &[Row] = &[
    ("the VM does not run yet: the action decides", |_| {}, "read action"),
    (
        "the VM runs: it is over, and nobody asks for the action",
        |case| case.shows(|detail| detail.state = InstanceState::Active),
        "save",
    ),
    (
        "it ended well, but the VM does not run yet",
        |case| case.read(ended(ActionStatus::Success)),
        "Working Starting",
    ),
];

#[test]
fn a_start_is_over_when_the_vm_runs() {
    table(starting, STARTING);
}

#[test]
fn what_was_sent_for_an_older_wish_is_not_compared_with_the_new_one() {
    let resized = |generation_ago: i64| {
        let mut case = Case::managed();
        case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
        case.operates(OperationKind::Resize, Some(ACTION));
        let operation = case.status.operation.as_mut().expect("one");
        operation.generation = operation.generation.map(|generation| generation - generation_ago);
        case.shows(|detail| detail.size = "4cpu8gb".parse().ok());
        case.says()
    };
    assert_eq!(resized(0), "save", "the VM shows what was asked for");
    assert_eq!(resized(1), "read action", "it shows what another call asks for");
}

#[test]
fn an_effect_that_is_not_seen_yet_is_looked_for_four_times_in_a_settle_time() {
    let mut case = stopping();
    case.read(ended(ActionStatus::Success));
    assert_eq!(case.next().wake, Wake::After(SETTLE / 4));
    case.memory.first_end(ACTION, NOW - SETTLE + seconds(7));
    assert_eq!(case.next().wake, Wake::After(seconds(7)), "and when it is over");
}

/// A stop that only serves a resize, over in the list of running actions.
fn stopped_for_a_resize() -> Case {
    let mut case = Case::managed_with(|case| {
        case.spec.resize_policy = ResizePolicy::StopStart;
    });
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    case.ledger().resume = Some(Resume::Resize);
    case.operates(OperationKind::Stop, Some(ACTION));
    case.memory.effect_end = NOW - seconds(30);
    case
}

#[test]
fn power_that_nobody_wished_for_is_neither_applied_nor_held() {
    // It had its effect.
    let mut case = stopped_for_a_resize();
    case.shows(|detail| detail.state = InstanceState::Inactive);
    let status = case.next().status;
    assert_eq!(status.last_operation.map(|last| last.result), Some(OperationResult::Succeeded));
    let ledger = copy_of(status.ledger.as_deref());
    assert_eq!(ledger.applied.expect("one").groups.get(&Group::Power), None);
    // It had none: counted as a failure, so that it is not sent for ever. So is one that serves a deletion.
    for deleting in [false, true] {
        let mut case = if deleting { stopping() } else { stopped_for_a_resize() };
        case.object.deleting = deleting;
        case.read(ended(ActionStatus::Success));
        case.memory.first_end(ACTION, NOW - SETTLE);
        let decision = case.next();
        let last = decision.status.last_operation.clone().expect("told");
        assert_eq!((last.kind, last.result), (OperationKind::Stop, OperationResult::Failed), "{deleting}");
    }
}

#[test]
fn a_stop_that_failed_dates_the_power_that_is_owed_and_a_start_does_not() {
    for (mut case, dated) in [(stopped_for_a_resize(), true), (starting(), false)] {
        case.memory.resume_seen = None;
        case.read(ended(ActionStatus::Error));
        assert_eq!(case.next().memory.resume_seen == Some(NOW), dated);
    }
}

#[test]
fn only_a_resize_that_stops_the_vm_each_time_is_held_after_three_failures() {
    let held = |policy, resume: Option<Resume>, before: i64, kind: OperationKind| {
        let mut case = Case::managed_with(|case| {
            case.spec.resize_policy = policy;
            case.shows(|detail| detail.state = InstanceState::Inactive);
        });
        case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
        case.ledger().resume = resume;
        case.operated(kind, OperationResult::Failed, 900);
        case.last().failures = Some(before);
        case.last().action_id = Some(ACTION.get() - 1);
        case.operates(kind, Some(ACTION));
        case.read(ended(ActionStatus::Error));
        copy_of(case.next().status.ledger.as_deref()).held.contains_key(&Group::Size)
    };
    use ResizePolicy::{InPlace, StopStart};
    let resume = Some(Resume::Resize);
    assert!(held(StopStart, resume, 2, OperationKind::Resize), "the third time");
    assert!(!held(StopStart, resume, 1, OperationKind::Resize), "the second time");
    assert!(!held(StopStart, None, 2, OperationKind::Resize), "the VM was not stopped for it");
    assert!(!held(InPlace, resume, 2, OperationKind::Resize), "nor would it be");
    assert!(!held(StopStart, resume, 2, OperationKind::Start), "another operation");
}

#[test]
fn a_start_without_effect_counts_as_failed_only_where_nobody_wished_for_it() {
    // Owed after a resize, it would be sent for ever; wished for, it waits for another wish.
    for (wish, result) in
        [(None, OperationResult::Failed), (Some(PowerState::Running), OperationResult::Succeeded)]
    {
        let mut case = starting();
        case.spec.power_state = wish;
        case.read(ended(ActionStatus::Success));
        case.memory.first_end(ACTION, NOW - SETTLE);
        let status = case.next().status;
        assert_eq!(status.last_operation.map(|last| last.result), Some(result), "{wish:?}");
        let held = copy_of(status.ledger.as_deref()).held.contains_key(&Group::Power);
        assert_eq!(held, wish.is_some(), "{wish:?}");
    }
}

#[test]
fn power_counts_as_failed_only_where_the_state_tells_and_no_other_group_ever_does() {
    let result = |mut case: Case| {
        case.read(ended(ActionStatus::Success));
        case.memory.first_end(ACTION, NOW - SETTLE);
        case.next().status.last_operation.map(|last| last.result)
    };
    let mut unknown = stopped_for_a_resize();
    unknown.shows(|detail| detail.state = InstanceState::Other("MIGRATING".to_owned()));
    assert_eq!(result(unknown), Some(OperationResult::Succeeded), "a state that nobody knows proves nothing");
    let mut resize = stopped_for_a_resize();
    resize.operates(OperationKind::Resize, Some(ACTION));
    resize.object.deleting = true;
    assert_eq!(result(resize), Some(OperationResult::Succeeded), "it is held until the wish changes");
}

#[test]
fn a_stop_that_serves_a_resize_says_nothing_about_the_wish_to_run() {
    let mut case = stopped_for_a_resize();
    case.spec.power_state = Some(PowerState::Running);
    case.shows(|detail| detail.state = InstanceState::Inactive);
    let ledger = copy_of(case.next().status.ledger.as_deref());
    assert_eq!(
        ledger.applied.expect("one").groups.get(&Group::Power),
        None,
        "it was not carried out by a stop"
    );
}

#[test]
fn a_success_for_an_older_wish_is_over_at_once() {
    let mut case = Case::managed();
    case.edits(|spec| spec.size = Some("4cpu8gb".to_owned()));
    case.operates(OperationKind::Resize, Some(ACTION));
    case.read(ended(ActionStatus::Success));
    assert!(case.next().status.operation.is_some(), "its effect may lag");
    case.edits(|spec| spec.size = Some("8cpu8gb".to_owned()));
    assert_eq!(case.next().status.operation, None, "there is nothing that its effect could be compared with");
}

/// The spec was `Running`, was edited to `Stopped`, and back while the stop was carried out.
#[test]
fn a_wish_that_is_taken_back_while_it_is_carried_out_is_sent_also_where_drift_is_only_told() {
    fn stopped(policy: DriftPolicy) -> Case {
        let mut case = Case::managed_with(|case| {
            case.spec.drift_policy = policy;
            case.spec.power_state = Some(PowerState::Running);
        });
        case.operates(OperationKind::Stop, Some(ACTION));
        case.memory.effect_end = NOW - seconds(30);
        case.shows(|detail| detail.state = InstanceState::Inactive);
        case.read(ended(ActionStatus::Success));
        case
    }
    let taken_back: fn(&mut Case) = |case| case.object.generation += 1;
    table_once_saved(
        || stopped(DriftPolicy::Report),
        &[
            ("told, and taken back", taken_back, "send Start"),
            ("told, and of this very generation: that is drift", |_| {}, "Ready Stopped"),
        ],
    );
    table_once_saved(
        || stopped(DriftPolicy::Correct),
        &[("corrected, and taken back", taken_back, "send Start")],
    );
}
