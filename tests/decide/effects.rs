//! Our own last effect is a border in time: what was asked for before it ended says nothing about what it did
//! (DESIGN 7). Each row has an answer from before the border, recent enough otherwise.

use itcare_operator::model::{Action, Observed, OperationKind, PowerState};

use crate::fixture::{ACTION, Case, NOW, attempt, detail, seconds};
use crate::fixture_snapshot::{self, SnapshotCase, slot};
use crate::table::{Row, table};

/// Our last effect ended a second ago.
fn acted(case: &mut Case) {
    case.memory.effect_end = NOW - seconds(1);
}

/// No action runs, as far as was asked two seconds ago.
fn nothing_ran() -> Observed<Vec<Action>> {
    Observed::Present { value: Vec::new(), at: NOW - seconds(2) }
}

const INSTANCES: &[Row] = &[
    (
        "the list shows no VM of that name",
        |case| {
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
            case.cloud.running = nothing_ran();
            acted(case);
        },
        "read list",
    ),
    (
        "no action runs on a name that is free",
        |case| {
            case.cloud.running = nothing_ran();
            acted(case);
        },
        "read running",
    ),
    (
        "the VM is as asked, and nothing is due",
        |case| {
            *case = Case::managed();
            case.cloud.detail = Observed::Present { value: detail(), at: NOW - seconds(2) };
            acted(case);
        },
        "read detail",
    ),
    (
        "the action of a creation is over",
        |case| {
            case.intends(OperationKind::Create);
            case.operates(OperationKind::Create, Some(ACTION));
            case.memory.attempt_seen = Some((attempt(), NOW - seconds(30)));
            case.cloud.running = nothing_ran();
            acted(case);
        },
        "read running",
    ),
    (
        "the action of a stop is over",
        |case| {
            *case = Case::managed();
            case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
            case.operates(OperationKind::Stop, Some(ACTION));
            case.cloud.running = nothing_ran();
            acted(case);
        },
        "read running",
    ),
    (
        "the action of a deletion is over",
        |case| {
            *case = Case::managed();
            case.deletes();
            case.operates(OperationKind::Delete, Some(ACTION));
            case.cloud.running = nothing_ran();
            acted(case);
        },
        "read running",
    ),
];

const SNAPSHOTS: &[fixture_snapshot::Row] = &[
    (
        "the slot shows our snapshot, and that was not told yet",
        |case| {
            case.memory.unsaid = true;
            case.cloud.slot = Observed::Present { value: slot(), at: NOW - seconds(2) };
            case.memory.effect_end = NOW - seconds(1);
        },
        "read slot",
    ),
    (
        "the action of a removal is over",
        |case| {
            case.deletes();
            case.operates(OperationKind::RemoveSnapshot, Some(ACTION));
            case.cloud.running = nothing_ran();
            case.memory.effect_end = NOW - seconds(1);
        },
        "read running",
    ),
    (
        "the action that takes the snapshot is over",
        |case| {
            *case = SnapshotCase::fresh();
            case.intends(OperationKind::TakeSnapshot);
            case.operates(OperationKind::TakeSnapshot, Some(ACTION));
            case.memory.attempt_seen = Some((attempt(), NOW - seconds(30)));
            case.cloud.running = nothing_ran();
            case.memory.effect_end = NOW - seconds(1);
        },
        "read running",
    ),
];

#[test]
fn what_was_seen_before_our_last_effect_ended_decides_nothing() {
    table(Case::fresh, INSTANCES);
}

#[test]
fn what_was_seen_before_the_last_effect_on_the_vm_ended_decides_nothing_about_its_snapshot() {
    fixture_snapshot::table(SnapshotCase::taken, SNAPSHOTS);
}

#[test]
fn what_was_asked_for_after_it_does_decide() {
    let mut case = Case::managed();
    acted(&mut case);
    assert_eq!(case.says(), "Ready Running");
    let mut case = SnapshotCase::taken();
    case.memory.unsaid = true;
    case.memory.effect_end = NOW - seconds(1);
    assert_eq!(case.says(), "Ready Available");
}
