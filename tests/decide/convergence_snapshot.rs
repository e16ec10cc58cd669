//! Invariant 9, of snapshots: faults that stop do not keep one from being taken, recovered once for each
//! request, and removed.

use itcare_operator::crd::ConditionType;
use itcare_operator::crd::condition;
use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::model::{OneShot, OperationResult};
use proptest::prelude::*;

use crate::dice::{Dice, Scatter, config, dice};
use crate::fixture::US;
use crate::world::snapshot::{Event, SnapshotWorld, any_events};

/// What must hold of any world that came to rest.
fn audit(world: &SnapshotWorld, events: &[(std::time::Duration, Event)]) {
    let story = || world.story();
    let asked = events.iter().filter(|(_, event)| *event == Event::Recover).count();
    assert!(
        world.cloud.recovered as usize <= asked,
        "{} recoveries for {asked} requests\n{}",
        world.cloud.recovered,
        story()
    );
    let happened = |wanted: &Event| events.iter().any(|(_, event)| event == wanted);
    let ours = world.cloud.slot().is_some_and(|slot| slot.created_by.as_deref() == Some(US));
    if world.gone {
        assert!(happened(&Event::Delete), "gone without a deletion\n{}", story());
        let retained = world.spec.deletion_policy == DeletionPolicy::Retain;
        assert!(retained || !ours, "an orphan\n{}", story());
        return;
    }
    let stands = world.stands();
    if world.deleting {
        // Taken, removed by somebody before it was ever seen: a person must say so, with Retain.
        let unseen = stands == "Stalled SnapshotMissing" && happened(&Event::EmptySlot);
        let asked = world.spec.deletion_policy == DeletionPolicy::Retain;
        assert!(unseen && !asked, "the deletion hangs: {stands}\n{}", story());
        return;
    }
    let ledger = world.ledger();
    if ledger.as_ref().is_some_and(|ledger| ledger.snapshot.is_some()) {
        assert!(world.is_tracked(), "not tracked\n{}", story());
    }
    let refuses = events.iter().rev().find_map(|(_, event)| match event {
        Event::Refuse(refuses) => Some(*refuses),
        _ => None,
    });
    let meddled = happened(&Event::EmptySlot) || happened(&Event::FillSlot);
    match stands.as_str() {
        "Ready Available" => assert!(ours, "nothing of ours is there\n{}", story()),
        "Stalled SnapshotMissing" => assert!(happened(&Event::EmptySlot), "lost by itself\n{}", story()),
        "Stalled SlotTaken" => assert!(meddled, "nobody took the slot\n{}", story()),
        "Working WaitingForInstance" => assert_eq!(refuses, Some(true), "{}", story()),
        other => panic!("{other}\n{}", story()),
    }
    // Every request that came after the first sight has its answer.
    let Some(request) = &world.spec.recover else { return };
    if stands != "Ready Available" || refuses == Some(true) {
        return;
    }
    let handled = ledger.and_then(|ledger| ledger.handled.get(&OneShot::Recover).copied());
    assert_eq!(handled, Some(request.requested_at), "a request without an answer\n{}", story());
}

fn live(spec: &mut Dice, faults: Dice, events: bool) -> (SnapshotWorld, Vec<(std::time::Duration, Event)>) {
    let mut world = SnapshotWorld::new(spec, faults);
    let events = if events { any_events(spec) } else { Vec::new() };
    world.events.clone_from(&events);
    world.live();
    (world, events)
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn invariant_9_a_calm_world_takes_one_snapshot_with_one_call(mut dice in dice(10)) {
        let (world, events) = live(&mut dice, Dice::new(Vec::new()), false);
        audit(&world, &events);
        prop_assert_eq!(world.cloud.calls, 1, "{}", world.story());
        prop_assert!(condition::is_true(&world.status.conditions, ConditionType::Available));
    }

    #[test]
    fn invariant_9_faults_that_stop_do_not_keep_it_from_converging(mut dice in dice(10), faults in dice(250)) {
        let (world, events) = live(&mut dice, faults, false);
        audit(&world, &events);
    }

    #[test]
    fn invariant_9_people_may_do_anything_meanwhile(mut dice in dice(60)) {
        let (world, events) = live(&mut dice, Dice::new(Vec::new()), true);
        audit(&world, &events);
    }

    #[test]
    fn invariant_9_people_and_faults_together(mut dice in dice(60), faults in dice(250)) {
        let (world, events) = live(&mut dice, faults, true);
        audit(&world, &events);
    }
}

#[test]
fn the_worlds_meet_recoveries_with_every_end() {
    let mut seen = std::collections::BTreeMap::<String, u32>::new();
    let mut scatter = Scatter::new();
    for _ in 0..150 {
        let (world, _) = live(&mut scatter.dice(60), scatter.dice(250), true);
        for receipt in world.status.handled_requests.values() {
            *seen.entry(format!("{:?}", receipt.result)).or_default() += 1;
        }
        for word in ["send TakeSnapshot", "send Recover", "send RemoveSnapshot", "unclear", "killed between"]
        {
            let count = world.journal.iter().filter(|line| line.contains(word)).count();
            *seen.entry(word.to_owned()).or_default() += u32::try_from(count).expect("a small number");
        }
    }
    for result in [OperationResult::Succeeded, OperationResult::OutcomeUnknown] {
        assert!(seen.get(&format!("{result:?}")).is_some_and(|count| *count >= 3), "{result:?}: {seen:#?}");
    }
    for word in ["send TakeSnapshot", "send Recover", "send RemoveSnapshot", "unclear", "killed between"] {
        assert!(seen.get(word).is_some_and(|count| *count >= 3), "{word}: {seen:#?}");
    }
}
