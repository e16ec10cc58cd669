//! Invariant 7: once matched, with unchanged input, nothing for ever.

use std::time::Duration;

use itcare_operator::crd::ConditionType;
use itcare_operator::decide::{Need, Step, Wake};
use itcare_operator::model::{Detail, FailureClass, InstanceState, Listed, Observed, PowerState};
use proptest::prelude::*;

use crate::dice::{Dice, config, dice};
use crate::fixture::{Case, NOW, PASS, VM, seconds, wall_at};
use crate::fixture_snapshot::SnapshotCase;
use crate::table::{Row, table};
use crate::world::wish;

/// A VM that is as a random spec asks, in every group, at rest.
fn converged(dice: &mut Dice) -> Case {
    Case::managed_with(|case| {
        wish(&mut case.spec, dice);
        let spec = case.spec.clone();
        case.shows(|detail| {
            detail.size = spec.size.as_deref().and_then(|size| size.parse().ok());
            if spec.power_state == Some(PowerState::Stopped) {
                detail.state = InstanceState::Inactive;
            }
            let on = |wish: Option<bool>| Some(wish.unwrap_or(false));
            detail.backup = on(spec.backup.as_ref().map(|wish| wish.enabled));
            detail.replication = on(spec.replication.as_ref().map(|wish| wish.enabled));
            detail.monitoring.enabled = on(spec.monitoring.as_ref().map(|wish| wish.enabled));
            if let Some(wish) = &spec.patching {
                let patching = detail.patching.as_mut().expect("shown");
                patching.excluded = Some(wish.excluded);
                patching.group = wish.group.or(patching.group);
            }
            // What the spec leaves out may be anything.
            if dice.one_in(2) && spec.power_state.is_none() {
                detail.state = InstanceState::Inactive;
            }
            if dice.one_in(4) && spec.backup.is_none() {
                detail.backup = None;
            }
        });
    })
}

proptest! {
    #![proptest_config(config(300))]

    #[test]
    fn invariant_7_once_matched_nothing_for_ever(mut dice in dice(120)) {
        let mut case = converged(&mut dice);
        prop_assert!(itcare_operator::crd::condition::is_true(&case.status.conditions, ConditionType::Ready));
        let vm = case.cloud.detail.clone().value().expect("shown");
        let (status, ledger) = (case.status.clone(), case.ledger.clone());
        for _ in 0..40 {
            // Any time later: the lists were read again, a detail is read when it is asked for.
            let span = seconds(u64::from(dice.byte()) * u64::from(dice.byte()) + 1);
            case.later(span);
            let at = case.now.mono;
            case.cloud.object_unchanged = Some(true);
            case.cloud.listed = Observed::Present { value: vm.listed(), at };
            case.cloud.named = Observed::Present { value: vec![vm.listed()], at };
            case.cloud.running = Observed::Present { value: Vec::new(), at };
            let mut decision = case.next();
            if let Step::Observe(_) = &decision.step {
                prop_assert!(at >= case.detail_due, "read before it was due");
                case.cloud.detail = Observed::Present { value: vm.clone(), at };
                case.detail_due = at + case.site.detail_interval;
                case.memory = decision.memory;
                decision = case.next();
            }
            prop_assert_eq!(&decision.step, &Step::Nothing);
            prop_assert_eq!(&decision.status, &status);
            prop_assert!(decision.notes.is_empty());
            if let Wake::After(wait) = decision.wake {
                prop_assert!(wait >= seconds(1), "busy: {wait:?}");
            }
            case.memory = decision.memory;
            prop_assert_eq!(&case.ledger, &ledger);
        }
    }

    #[test]
    fn invariant_7_an_available_snapshot_stays_so_until_it_ends(mut dice in dice(120)) {
        let mut case = SnapshotCase::taken();
        let status = case.status.clone();
        let end = crate::fixture_snapshot::slot().expires_at.expect("an end");
        loop {
            case.later(seconds(u64::from(dice.byte()) * u64::from(dice.byte()) + 600));
            if case.now.wall >= end {
                break;
            }
            case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
            let mut decision = case.next();
            if let Step::Observe(_) = &decision.step {
                case.cloud.slot =
                    Observed::Present { value: crate::fixture_snapshot::slot(), at: case.now.mono };
                case.slot_due = case.now.mono + case.site.detail_interval;
                case.memory = decision.memory;
                decision = case.next();
            }
            prop_assert_eq!(&decision.step, &Step::Nothing);
            prop_assert_eq!(&decision.status, &status);
            case.memory = decision.memory;
        }
    }
}

#[test]
fn a_suspended_a_stalled_and_an_observed_object_are_quiet_too() {
    for (what, change) in [
        ("suspended", (|case: &mut Case| case.edits(|spec| spec.suspend = true)) as fn(&mut Case)),
        ("missing", Case::gone),
        ("claimed by another", |case| {
            case.claim = itcare_operator::decide::instance::Claim::LostTo(
                itcare_operator::model::ObjectKey::new("shop", "older"),
            );
        }),
        ("of another cluster", |case| {
            case.ledger().cluster = itcare_operator::model::ClusterId::new("far-away");
        }),
        ("reported only", |case| {
            case.spec.drift_policy = itcare_operator::crd::instance::DriftPolicy::Report;
            case.shows(|detail| detail.size = "8cpu64gb".parse().ok());
        }),
    ] {
        let mut case = Case::managed();
        change(&mut case);
        let mut case = case.at_rest();
        for minute in 1..=30 {
            case.now.wall = wall_at(minute * 60);
            let decision = case.next();
            assert_eq!(decision.step, Step::Nothing, "{what}");
            assert_eq!(decision.status, case.status, "{what}");
            case.memory = decision.memory;
        }
    }
}

#[test]
fn a_look_that_fails_is_told_at_once_where_something_is_due_and_later_where_nothing_is() {
    let fails = |case: &mut Case| {
        case.detail_due = NOW - seconds(1);
        case.cloud.detail = Observed::Unknown;
        case.failed(Need::Detail(VM), FailureClass::Transient, Some(503));
        case.says()
    };
    assert_eq!(fails(&mut Case::managed()), "Ready Running", "nothing waits for it");
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    assert_eq!(fails(&mut case), "Working ProgressingWithRetry");
    let mut case = Case::managed();
    (case.memory.failing_since, case.memory.failing_passes) = (Some(NOW - seconds(121)), Some(true));
    assert_eq!(fails(&mut case), "Unseen ProgressingWithRetry", "nobody has seen it for two minutes");
    // What does not pass by itself is told at once.
    let mut case = Case::managed();
    case.detail_due = NOW - seconds(1);
    case.cloud.detail = Observed::Unknown;
    case.failed(Need::Detail(VM), FailureClass::Unauthenticated, Some(401));
    assert_eq!(case.says(), "Working ProgressingWithRetry");
}

/// At rest; the detail is of the pass before.
fn resting() -> Case {
    let mut case = Case::managed_with(|case| {
        case.spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
        case.shows(|detail| detail.backup = Some(true));
    });
    read(&mut case, PASS - seconds(2), |_| {});
    case
}

/// A detail, asked for then.
fn read(case: &mut Case, at: Duration, adjust: impl FnOnce(&mut Detail)) {
    let mut shown = case.cloud.detail.as_ref().value().cloned().expect("one");
    adjust(&mut shown);
    case.cloud.detail = Observed::Present { value: shown, at };
}

/// What the list shows of the VM, asked for then.
fn listed(case: &mut Case, at: Duration, state: InstanceState) {
    let value = Listed { state, ..crate::fixture::detail().listed() };
    case.cloud.listed = Observed::Present { value, at };
}

const RESTING: &[Row] = &[
    ("nothing is due", |_| {}, "Ready Running"),
    (
        "a detail that was compared in an earlier pass is not compared again",
        |case| read(case, PASS - seconds(2), |detail| detail.backup = Some(false)),
        "Ready Running",
    ),
    (
        "a detail that came in this very pass is compared",
        |case| read(case, NOW, |detail| detail.backup = Some(false)),
        "send UpdateBackup",
    ),
    ("its time has come: it is read", |case| case.detail_due = NOW, "read detail"),
    (
        "the list shows another state: it is read",
        |case| listed(case, NOW, InstanceState::Inactive),
        "read detail",
    ),
    (
        "a list from before our last effect ended shows another state: that is the past",
        |case| {
            case.memory.effect_end = PASS - seconds(3);
            listed(case, PASS - seconds(4), InstanceState::Inactive);
        },
        "Ready Running",
    ),
    (
        "the list does not show it any more: it is read",
        |case| case.cloud.listed = Observed::Absent { at: NOW },
        "read detail",
    ),
    (
        "a list from before our last effect ended does not show it: that is the past",
        |case| {
            case.memory.effect_end = PASS - seconds(3);
            case.cloud.listed = Observed::Absent { at: PASS - seconds(4) };
        },
        "Ready Running",
    ),
    (
        "something else was edited, and a newer list agrees: what is known is enough",
        |case| case.edits(|spec| spec.change_reference = Some("CHG9".to_owned())),
        "Ready Running",
    ),
    (
        "a detail from before our last effect is read anew",
        |case| case.memory.effect_end = PASS - seconds(1),
        "read detail",
    ),
];

#[test]
fn an_object_at_rest_looks_when_something_changed_or_came_due_and_not_else() {
    table(resting, RESTING);
}
