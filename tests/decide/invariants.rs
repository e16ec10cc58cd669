//! Invariants 1 to 6 and 8 of `decide/mod.rs`, of instances: whatever the view, and whatever the cloud
//! answers to the reads of a pass.

use itcare_operator::crd::InstanceStatus;
use itcare_operator::crd::instance::{DeletionPolicy, ManagementPolicy};
use itcare_operator::decide::decision::{CallAction, GuardedCall};
use itcare_operator::decide::instance::{self, Claim};
use itcare_operator::decide::{Cloud, Decision, Step, Wake};
use itcare_operator::model::{
    ActionStatus, HostName, InstanceId, InstanceState, Ledger, Observed, OperationKind, Origin,
};
use proptest::prelude::*;

use crate::arbitrary;
use crate::dice::{Dice, Scatter, config, dice};
use crate::fixture::{Case, seconds};
use crate::table::{need_says, stands, step_says};

/// Reads that one pass may make, as the shell allows them.
const READS: usize = 16;

/// Choices that one view and its answers take.
const CHOICES: usize = 400;

/// Asks, answers at random, and asks again, as the shell does within one pass; every decision on the way
/// is given to `look`. Returns the last.
fn pass(case: &mut Case, dice: &mut Dice, mut look: impl FnMut(&Case, &Decision<InstanceStatus>)) -> bool {
    for _ in 0..READS {
        let decision = case.next();
        look(case, &decision);
        let Step::Observe(need) = decision.step else { return true };
        case.memory = decision.memory;
        case.now.mono += seconds(1) / 1000;
        let at = case.now.mono;
        arbitrary::answer(case, &need, at, dice);
    }
    false
}

fn for_any_pass(dice: &mut Dice, look: impl FnMut(&Case, &Decision<InstanceStatus>)) {
    let mut case = arbitrary::case(dice);
    pass(&mut case, dice, look);
}

/// The ledger, if it is ours to follow as it is written.
fn written(case: &Case) -> Option<&Ledger> {
    let ledger = case.ledger.as_ref().ok()?.as_ref()?;
    let ours = ledger.cluster == case.site.cluster
        && ledger.uid == case.object.uid
        && ledger.object == case.object.key.to_string();
    ours.then_some(ledger)
}

/// What becomes of the VM at deletion.
fn retains(case: &Case) -> bool {
    let origin = case.ledger.as_ref().ok().and_then(Option::as_ref).map(Ledger::origin_or_adopted);
    match case.spec.deletion_policy {
        Some(policy) => policy == DeletionPolicy::Retain,
        None => origin == Some(Origin::Adopted),
    }
}

fn is_effect(step: &Step) -> bool {
    matches!(step, Step::Guarded(_) | Step::Call(_))
}

proptest! {
    #![proptest_config(config(1000))]

    #[test]
    fn invariant_1_total_every_view_gives_a_decision_and_nothing_panics(mut dice in dice(CHOICES)) {
        let mut case = arbitrary::case(&mut dice);
        let mut last = None;
        // A pass ends: what was answered is not asked for again and again.
        let mut asked: Vec<&str> = Vec::new();
        let ended = pass(&mut case, &mut dice, |_, decision| {
            if let Step::Observe(need) = &decision.step {
                asked.push(need_says(need));
            }
            last = Some(decision.clone());
        });
        prop_assert!(ended, "a pass without end: {asked:?}");
        // And so does the outcome of an effect, be it of this very step or of another.
        let step = last.map(|decision| decision.step).unwrap_or(Step::Nothing);
        let outcome = arbitrary::outcome(&mut dice);
        let ledger = case.ledger.clone().ok().flatten();
        let _ = case.after(&step, &outcome, ledger);
    }

    #[test]
    fn invariant_2_deterministic_the_same_view_gives_the_same_decision(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            assert_eq!(*decision, instance::next(&case.clone().view()));
        });
    }

    #[test]
    fn invariant_3_at_most_one_effect_and_none_beside_an_unwritten_ledger(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            let before = case.ledger.as_ref().ok().and_then(Option::as_ref);
            match &decision.step {
                // The type holds one effect. What it acts upon must be written: a crash forgets the rest.
                Step::Call(_) => {
                    let text = written(case).map(Ledger::to_text);
                    assert!(text.is_some(), "a call without a ledger of ours");
                    assert_eq!(decision.status.ledger, text, "a call beside an unwritten change");
                }
                // The intent goes into this very ledger, with everything else that changed.
                Step::Guarded(guarded) => {
                    assert_eq!(guarded.ledger.seq, before.map_or(0, |ledger| ledger.seq));
                    assert_eq!(guarded.ledger.intent, None, "an intent that stands is not overwritten");
                    assert_eq!(guarded.ledger.uid, case.object.uid);
                    assert_eq!(guarded.ledger.cluster, case.site.cluster);
                }
                Step::SaveLedger { ledger, .. } => {
                    assert_eq!(ledger.seq, before.map_or(0, |ledger| ledger.seq) + 1);
                    assert_eq!(decision.status.ledger, Some(ledger.to_text()), "both copies alike");
                    let intent = before.and_then(|ledger| ledger.intent.as_ref());
                    let attempt = |intent: &itcare_operator::model::Intent| intent.attempt.clone();
                    assert!(
                        ledger.intent.is_none() || ledger.intent.as_ref().map(attempt) == intent.map(attempt),
                        "an intent comes with its call only"
                    );
                }
                Step::Nothing if written(case).is_some() => {
                    assert_eq!(decision.status.ledger, written(case).map(Ledger::to_text), "both copies alike");
                }
                // The object lives on: what changed is written first.
                Step::RemoveFinalizer if written(case).is_some() && !case.object.deleting => {
                    assert_eq!(decision.status.ledger, written(case).map(Ledger::to_text), "both copies alike");
                }
                Step::Nothing | Step::Observe(_) | Step::DropLedger | Step::RemoveFinalizer => {}
            }
        });
    }

    #[test]
    fn invariant_4_unknown_never_creates_deletes_or_lets_go(mut dice in dice(CHOICES)) {
        let mut case = arbitrary::case(&mut dice);
        case.cloud = Cloud { failures: case.cloud.failures.clone(), ..Cloud::default() };
        let decision = case.next();
        let never_created = match &case.ledger {
            Ok(Some(ledger)) => ledger.instance.is_none() && ledger.intent.is_none(),
            Ok(None) => true,
            Err(_) => false,
        };
        let observing = case.spec.management_policy == ManagementPolicy::Observe;
        match &decision.step {
            Step::Guarded(_) | Step::Call(_) => prop_assert!(false, "an effect out of nothing: {:?}", decision.step),
            Step::RemoveFinalizer => prop_assert!(
                retains(&case) || never_created || observing,
                "let go out of nothing"
            ),
            Step::Nothing | Step::Observe(_) | Step::SaveLedger { .. } | Step::DropLedger => {}
        }
        if let Step::RemoveFinalizer = &decision.step {
            let intent = written(&case).is_some_and(|ledger| ledger.intent.is_some());
            prop_assert!(!intent || retains(&case), "let go while an intent stands");
        }
    }

    #[test]
    fn invariant_4_each_unknown_on_its_own_stops_creation_and_deletion(mut dice in dice(CHOICES)) {
        let mut effects = Vec::new();
        for_any_pass(&mut dice, |case, decision| {
            let creates = matches!(&decision.step, Step::Guarded(guarded)
                if matches!(guarded.call, GuardedCall::Create(_)));
            let deletes = matches!(&decision.step, Step::Call(call) if call.action == CallAction::Delete);
            if creates || deletes {
                effects.push((case.clone(), creates));
            }
        });
        for (case, creates) in effects {
            let mut without: Vec<(&str, Case)> = Vec::new();
            let mut blind = |what, forget: fn(&mut Cloud)| {
                let mut case = case.clone();
                forget(&mut case.cloud);
                without.push((what, case));
            };
            blind("running actions", |cloud| cloud.running = Observed::Unknown);
            if creates {
                blind("list", |cloud| cloud.named = Observed::Unknown);
            } else {
                blind("detail", |cloud| cloud.detail = Observed::Unknown);
                blind("object", |cloud| cloud.object_unchanged = None);
            }
            for (what, case) in without {
                let step = case.next().step;
                prop_assert!(!is_effect(&step), "without the {what}: {step:?}");
            }
        }
    }

    #[test]
    fn invariant_5_nothing_is_changed_that_is_not_ours(mut dice in dice(CHOICES)) {
        for_any_pass(&mut dice, |case, decision| {
            let (ledger, id, gives_power_back) = match &decision.step {
                Step::Guarded(guarded) => {
                    let id = match &guarded.call {
                        GuardedCall::Create(_) => None,
                        GuardedCall::Reset { id, .. } => Some(*id),
                        other => panic!("not of an instance: {other:?}"),
                    };
                    (&*guarded.ledger, id, false)
                }
                Step::Call(call) => {
                    let ledger = written(case).expect("a ledger that is ours");
                    (ledger, Some(call.id), call.action == CallAction::Start && ledger.resume.is_some())
                }
                Step::Nothing | Step::Observe(_) | Step::SaveLedger { .. } | Step::DropLedger
                | Step::RemoveFinalizer => return,
            };
            assert!(case.ledger.is_ok(), "a ledger that cannot be read");
            assert!(!case.spec.suspend, "suspended");
            assert_eq!(case.claim, Claim::Held, "the claim is another object's");
            let allowed = case.allowed || gives_power_back;
            assert!(allowed, "the namespace may not use the service: {:?}", decision.step);
            assert_eq!(case.snapshots.intent.as_ref().filter(|_| id.is_some()), None, "a snapshot's call is in flight");
            let observing = case.spec.management_policy == ManagementPolicy::Observe;
            assert!(!observing || gives_power_back, "observed only");
            match id {
                None => {
                    assert_eq!(ledger.instance, None, "created beside a recorded VM");
                    assert!(!case.object.deleting, "created for an object on its way out");
                    assert!(case.spec.instance_id.is_none(), "created although a VM is named");
                    let live = |named: &Vec<itcare_operator::model::Listed>| named.iter().any(|item| item.is_live());
                    assert!(!case.cloud.named.as_ref().value().is_some_and(live), "created beside a live VM");
                }
                Some(id) => is_the_recorded_vm(case, ledger, id),
            }
            if case.object.deleting {
                let call = matches!(&decision.step, Step::Call(call)
                    if matches!(call.action, CallAction::Stop | CallAction::Delete) || gives_power_back);
                assert!(call, "a deletion only stops and deletes, or gives power back");
                assert!(!retains(case) || gives_power_back, "a retained VM is left alone");
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
            assert!(*at >= case.memory.effect_end, "a look from before our last effect");
            if !matches!(&decision.step, Step::Guarded(guarded) if guarded.call.kind() == OperationKind::Create) {
                assert!(Some(*at) >= case.cloud.detail.at(), "a look from before what made the change due");
                assert!(case.cloud.detail.at() >= Some(case.pass), "a detail from an earlier pass");
            }
        });
    }

    #[test]
    fn invariant_9_nothing_spins_where_nothing_changes(mut dice in dice(CHOICES)) {
        let mut case = arbitrary::case(&mut dice);
        // What the cloud answers from here on is always the same.
        let mut spins = 0;
        for _ in 0..8 {
            let mut last = None;
            pass(&mut case, &mut dice, |_, decision| last = Some(decision.clone()));
            let Some(decision) = last.filter(|decision| decision.step == Step::Nothing) else { return Ok(()) };
            let Wake::After(wait) = decision.wake else { return Ok(()) };
            spins = if decision.status == case.status && wait < seconds(1) { spins + 1 } else { 0 };
            prop_assert!(spins < 5, "busy for nothing: {wait:?}, {}", stands(&decision.status.conditions));
            (case.status, case.memory) = (decision.status, decision.memory);
            if let Some(at) = case.cloud.detail.at() {
                case.detail_due = at + case.site.detail_interval;
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
            let observing = case.spec.management_policy == ManagementPolicy::Observe;
            assert!(case.object.deleting || observing, "let go without a deletion");
            if !case.object.deleting || retains(case) || observing {
                return;
            }
            let Ok(ledger) = &case.ledger else { panic!("let go, and nobody knows what it owned") };
            let Some(id) = ledger.as_ref().and_then(|ledger| ledger.instance) else { return };
            is_gone(case, id);
        });
    }
}

/// The VM that is changed is the recorded one, seen in this pass, under its name and service.
fn is_the_recorded_vm(case: &Case, ledger: &Ledger, id: InstanceId) {
    assert_eq!(ledger.instance, Some(id), "another VM than the recorded one");
    let seen = case.cloud.detail.as_ref().value().expect("a VM that was seen");
    assert_eq!(seen.id, id, "another VM answered");
    assert_eq!(seen.name, HostName::new(case.spec.name.clone()), "another name");
    assert!(seen.service.is_none_or(|service| service.get() == case.spec.service_id), "another service");
    assert_eq!(case.cloud.object_unchanged, Some(true), "the object was not read live");
    assert!(case.spec.instance_id.is_none_or(|named| named == id.get()), "the spec names another VM");
}

/// Proof that the VM is gone (DESIGN 5.6), newer than the start of the pass or than our DELETE.
fn is_gone(case: &Case, id: InstanceId) {
    let deleted =
        case.status.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Delete);
    let succeeded = matches!(&case.cloud.action, Some((_, Observed::Present { value, .. }))
        if value.status == ActionStatus::Success);
    let told = case.status.last_operation.as_ref().is_some_and(|last| {
        last.kind == OperationKind::Delete
            && last.result == itcare_operator::model::OperationResult::Succeeded
    });
    match &case.cloud.detail {
        Observed::Present { value, at } => {
            assert_eq!(value.state, InstanceState::Removed, "let go of {id}, which is there");
            assert!(*at >= case.memory.effect_end, "seen before our last effect");
        }
        Observed::Absent { at } => {
            assert!(*at >= case.memory.effect_end, "seen before our last effect");
            if (deleted && succeeded) || told {
                return;
            }
            assert!(case.cloud.missing_is_evidence, "404 proves nothing");
            let first = case.memory.missing_seen.expect("a first 404");
            assert!(*at >= first + case.site.settle, "the second 404 came too early");
            let listed = case.cloud.listed.since(first + case.site.settle);
            assert!(!matches!(listed, Observed::Unknown), "the list did not answer");
            assert!(!listed.value().is_some_and(|item| item.is_live()), "the list shows it");
        }
        Observed::Unknown => panic!("let go of {id} without a look"),
    }
}

#[test]
fn the_arbitrary_views_reach_every_step() {
    // A property that never meets an effect would hold for ever.
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    let mut scatter = Scatter::new();
    for _ in 0..12_000 {
        for_any_pass(&mut scatter.dice(CHOICES), |_, decision| {
            let word = step_says(&decision.step).unwrap_or_else(|| "nothing".to_owned());
            let word =
                word.split(" 4cpu").next().unwrap_or_default().split(" 2cpu").next().unwrap_or_default();
            *seen.entry(word.to_owned()).or_default() += 1;
        });
    }
    for step in [
        "nothing",
        "save",
        "drop",
        "let go",
        "send Create",
        "send Reset",
        "send Start",
        "send Stop",
        "send Delete",
        "send Resize",
        "send UpdateMonitoring",
        "send UpdatePatching",
        "send UpdateReplication",
        "send UpdateBackup",
        "read object",
        "read detail",
        "read list",
        "read running",
        "read action",
        "read look",
        "read storage",
        "read network",
    ] {
        assert!(seen.get(step).is_some_and(|count| *count >= 2), "{step}: {seen:#?}");
    }
}
