//! Invariants 1 to 6 and 8 of `decide/mod.rs`, of snapshots.

use itcare_operator::crd::SnapshotStatus;
use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::decide::decision::{CallAction, GuardedCall};
use itcare_operator::decide::{Cloud, Decision, Step, Wake, snapshot};
use itcare_operator::model::{Ledger, Observed, OneShot, OperationKind, OperationResult, time};
use proptest::prelude::*;

use crate::arbitrary;
use crate::arbitrary_snapshot::{self, answer};
use crate::dice::{Dice, Scatter, config, dice};
use crate::fixture::seconds;
use crate::fixture_snapshot::SnapshotCase;
use crate::table::{need_says, stands, step_says};

const READS: usize = 16;
const CHOICES: usize = 300;

/// As for instances: asks, answers at random, and asks again.
fn pass(
    case: &mut SnapshotCase,
    dice: &mut Dice,
    mut look: impl FnMut(&SnapshotCase, &Decision<SnapshotStatus>),
) -> bool {
    for _ in 0..READS {
        let decision = case.next();
        look(case, &decision);
        let Step::Observe(need) = decision.step else { return true };
        case.memory = decision.memory;
        case.now.mono += seconds(1) / 1000;
        let at = case.now.mono;
        answer(case, &need, at, dice);
    }
    false
}

fn for_any_pass(dice: &mut Dice, look: impl FnMut(&SnapshotCase, &Decision<SnapshotStatus>)) {
    let mut case = arbitrary_snapshot::case(dice);
    pass(&mut case, dice, look);
}

fn written(case: &SnapshotCase) -> Option<&Ledger> {
    let ledger = case.ledger.as_ref().ok()?.as_ref()?;
    let ours = ledger.cluster == case.site.cluster
        && ledger.uid == case.object.uid
        && ledger.object == case.object.key.to_string();
    ours.then_some(ledger)
}

fn is_effect(step: &Step) -> bool {
    matches!(step, Step::Guarded(_) | Step::Call(_))
}

/// Lets go without proof: retained, expired, or never taken.
fn may_let_go(case: &SnapshotCase) -> bool {
    let ledger = case.ledger.as_ref().ok().and_then(Option::as_ref);
    let expired = ledger.and_then(|ledger| ledger.expires).is_some_and(|expires| case.now.wall >= expires);
    let taken = ledger.is_some_and(|ledger| ledger.snapshot.is_some() && ledger.instance.is_some());
    case.spec.deletion_policy == DeletionPolicy::Retain || expired || (case.ledger.is_ok() && !taken)
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn invariant_1_total_every_view_gives_a_decision_and_nothing_panics(mut dice in dice(CHOICES)) {
        let mut case = arbitrary_snapshot::case(&mut dice);
        let mut last = None;
        let mut asked: Vec<&str> = Vec::new();
        let ended = pass(&mut case, &mut dice, |_, decision| {
            if let Step::Observe(need) = &decision.step {
                asked.push(need_says(need));
            }
            last = Some(decision.clone());
        });
        prop_assert!(ended, "a pass without end: {asked:?}");
        let step = last.map(|decision| decision.step).unwrap_or(Step::Nothing);
        let outcome = arbitrary::outcome(&mut dice);
        let ledger = case.ledger.clone().ok().flatten();
        let _ = case.after(&step, &outcome, ledger);
    }

    #[test]
    fn invariant_2_deterministic_the_same_view_gives_the_same_decision(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            assert_eq!(*decision, snapshot::next(&case.clone().view()));
        });
    }

    #[test]
    fn invariant_3_at_most_one_effect_and_none_beside_an_unwritten_ledger(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            let before = case.ledger.as_ref().ok().and_then(Option::as_ref);
            match &decision.step {
                Step::Call(_) => {
                    let text = written(case).map(Ledger::to_text);
                    assert!(text.is_some(), "a call without a ledger of ours");
                    assert_eq!(decision.status.ledger, text, "a call beside an unwritten change");
                }
                Step::Guarded(guarded) => {
                    assert_eq!(guarded.ledger.seq, before.map_or(0, |ledger| ledger.seq));
                    assert_eq!(guarded.ledger.intent, None, "an intent that stands is not overwritten");
                    assert_eq!(guarded.ledger.uid, case.object.uid);
                }
                Step::SaveLedger { ledger, finalizer } => {
                    assert_eq!(ledger.seq, before.map_or(0, |ledger| ledger.seq) + 1);
                    assert_eq!(decision.status.ledger, Some(ledger.to_text()), "both copies alike");
                    assert!(!(*finalizer && case.object.deleting), "the API server admits no new finalizer");
                }
                Step::Nothing if written(case).is_some() => {
                    assert_eq!(decision.status.ledger, written(case).map(Ledger::to_text), "both copies alike");
                }
                Step::Nothing | Step::Observe(_) | Step::DropLedger | Step::RemoveFinalizer => {}
            }
        });
    }

    #[test]
    fn invariant_4_unknown_never_takes_recovers_removes_or_lets_go(mut dice in dice(CHOICES)) {
        let mut case = arbitrary_snapshot::case(&mut dice);
        case.cloud = Cloud { failures: case.cloud.failures.clone(), ..Cloud::default() };
        let step = case.next().step;
        prop_assert!(!is_effect(&step), "an effect out of nothing: {step:?}");
        if step == Step::RemoveFinalizer {
            prop_assert!(may_let_go(&case), "let go out of nothing");
            let intent = written(&case).is_some_and(|ledger| ledger.intent.is_some() && ledger.instance.is_some());
            let retains = case.spec.deletion_policy == DeletionPolicy::Retain;
            prop_assert!(!intent || retains, "let go while an intent stands");
        }
    }

    #[test]
    fn invariant_5_nothing_is_changed_that_is_not_ours(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            if !is_effect(&decision.step) {
                return;
            }
            assert!(case.ledger.is_ok(), "a ledger that cannot be read");
            assert!(!case.spec.suspend, "suspended");
            assert!(case.allowed, "the namespace may not use the service: {:?}", decision.step);
            assert_eq!(case.sibling, None, "a call of another snapshot is in flight");
            match &decision.step {
                Step::Call(call) => {
                    let CallAction::RemoveSnapshot(id) = &call.action else { panic!("{:?}", call.action) };
                    let ledger = written(case).expect("a ledger of ours");
                    assert!(case.object.deleting, "removed, and nobody deleted the object");
                    assert_eq!((ledger.snapshot.as_ref(), ledger.instance), (Some(id), Some(call.id)));
                    assert_eq!(ledger.account, case.site.account, "the account is another one");
                    assert_eq!(case.spec.deletion_policy, DeletionPolicy::Delete);
                    let shown = case.cloud.slot.as_ref().value().expect("a slot that was seen");
                    assert_eq!(shown.id, *id, "the slot holds another snapshot");
                }
                Step::Guarded(guarded) => match &guarded.call {
                    GuardedCall::TakeSnapshot { id, .. } => is_free(case, &guarded.ledger, *id),
                    GuardedCall::Recover { id } => is_recoverable(case, &guarded.ledger, *id),
                    other => panic!("not of a snapshot: {other:?}"),
                },
                other => panic!("{other:?}"),
            }
        });
    }

    #[test]
    fn invariant_6_while_an_action_runs_on_the_vm_nothing_is_sent(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            if !is_effect(&decision.step) {
                return;
            }
            let Observed::Present { value: running, at } = &case.cloud.running else {
                panic!("sent without a look at the running actions");
            };
            assert!(running.is_empty(), "sent while {running:?} runs");
            assert!(Some(*at) >= case.cloud.slot.at(), "a look from before what made the change due");
            assert!(case.cloud.slot.at() >= Some(case.pass), "a slot from an earlier pass");
            assert_eq!(case.cloud.object_unchanged, Some(true), "the object was not read live");
        });
    }

    #[test]
    fn invariant_9_nothing_spins_where_nothing_changes(mut dice in dice(CHOICES)) {
        let mut case = arbitrary_snapshot::case(&mut dice);
        let mut spins = 0;
        for _ in 0..8 {
            let mut last = None;
            pass(&mut case, &mut dice, |_, decision| last = Some(decision.clone()));
            let Some(decision) = last.filter(|decision| decision.step == Step::Nothing) else { return Ok(()) };
            let Wake::After(wait) = decision.wake else { return Ok(()) };
            spins = if decision.status == case.status && wait < seconds(1) { spins + 1 } else { 0 };
            prop_assert!(spins < 5, "busy for nothing: {wait:?}, {}", stands(&decision.status.conditions));
            (case.status, case.memory) = (decision.status, decision.memory);
            if let Some(at) = case.cloud.slot.at() {
                case.slot_due = at + case.site.detail_interval;
            }
            case.later(wait.min(seconds(86_400)));
            dice = Dice::new(Vec::new());
        }
    }

    #[test]
    fn invariant_8_the_finalizer_goes_only_after_absence_was_observed(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            if decision.step != Step::RemoveFinalizer {
                return;
            }
            assert!(case.object.deleting, "let go without a deletion");
            if may_let_go(case) {
                return;
            }
            let ledger = case.ledger.as_ref().ok().and_then(Option::as_ref).expect("a ledger");
            match &case.cloud.slot {
                // Expired meanwhile, or replaced: one fills the slot, so ours is gone.
                Observed::Present { value, at } => {
                    let expired = value.expires_at.is_some_and(|end| case.now.wall >= end);
                    assert!(expired || Some(&value.id) != ledger.snapshot.as_ref(), "let go, and it is there");
                    assert!(*at >= case.memory.effect_end, "seen before our last effect");
                }
                Observed::Absent { at } => {
                    assert!(*at >= case.memory.effect_end, "seen before our last effect");
                    let removed = decision.status.last_operation.as_ref().is_some_and(|last| {
                        last.kind == OperationKind::RemoveSnapshot && last.result == OperationResult::Succeeded
                    });
                    let first = case.memory.missing_seen;
                    let twice = first.is_some_and(|first| *at >= first + case.site.settle);
                    assert!(removed || (twice && case.cloud.missing_is_evidence), "an empty slot alone");
                }
                Observed::Unknown => panic!("let go without a look"),
            }
        });
    }
}

/// A snapshot is taken of the instance's own VM, whose slot is empty (DESIGN 4.3).
fn is_free(case: &SnapshotCase, ledger: &Ledger, id: itcare_operator::model::InstanceId) {
    let instance = case.instance.as_ref().expect("an instance");
    assert_eq!((instance.id, ledger.instance), (Some(id), Some(id)));
    let before = case.ledger.as_ref().ok().and_then(Option::as_ref);
    let taken = before.is_some_and(|ledger| ledger.snapshot.is_some() && ledger.instance.is_some());
    assert!(!taken, "a second snapshot");
    is_willing(case);
    let seen = case.cloud.detail.as_ref().value().expect("a VM that was seen");
    assert_eq!((seen.id, &seen.name), (id, &instance.name), "another VM answered");
    assert!(matches!(case.cloud.slot, Observed::Absent { .. }), "the slot is taken");
    assert!(!case.object.deleting);
}

/// Recovered is exactly the recorded snapshot, on the recorded VM, more than ten minutes from its end.
fn is_recoverable(case: &SnapshotCase, ledger: &Ledger, id: itcare_operator::model::InstanceId) {
    assert_eq!(ledger.instance, Some(id));
    assert_eq!(
        case.instance.as_ref().and_then(|instance| instance.id),
        Some(id),
        "the instance has another VM"
    );
    is_willing(case);
    let shown = case.cloud.slot.as_ref().value().expect("a slot that was seen");
    assert_eq!(Some(&shown.id), ledger.snapshot.as_ref(), "the slot holds another snapshot");
    let end = shown.expires_at.or(ledger.expires);
    assert!(end.is_none_or(|end| case.now.wall < time::before(end, seconds(600))), "about to expire");
    let request = case.spec.recover.as_ref().expect("a request");
    assert!(request.requested_at > case.object.created, "older than the object");
    let handled = ledger.handled.get(&OneShot::Recover);
    assert!(handled.is_none_or(|handled| request.requested_at > *handled), "dealt with before");
    assert!(!case.object.deleting);
}

fn is_willing(case: &SnapshotCase) {
    let instance = case.instance.as_ref().expect("an instance");
    assert_eq!(instance.refuses, None, "the instance refuses");
    assert!(!instance.intent && !instance.operating, "the instance has a call in flight");
}

#[test]
fn the_arbitrary_views_reach_every_step() {
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    let mut scatter = Scatter::new();
    for _ in 0..8_000 {
        for_any_pass(&mut scatter.dice(CHOICES), |_, decision| {
            *seen.entry(step_says(&decision.step).unwrap_or_else(|| "nothing".to_owned())).or_default() += 1;
        });
    }
    for step in [
        "nothing",
        "save",
        "drop",
        "let go",
        "send TakeSnapshot",
        "send Recover",
        "send RemoveSnapshot",
        "read slot",
        "read object",
        "read detail",
        "read running",
        "read action",
        "read look",
    ] {
        assert!(seen.get(step).is_some_and(|count| *count >= 5), "{step}: {seen:#?}");
    }
}
