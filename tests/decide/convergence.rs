//! Invariant 9: from any reachable state, with faults that stop, a bounded number of passes reaches
//! stability; and on the way nothing happens twice (DESIGN 1).

use std::time::Duration;

use itcare_operator::crd::ConditionType;
use itcare_operator::crd::instance::{DeletionPolicy, DriftPolicy};
use itcare_operator::model::{Group, InstanceState, PowerState};
use proptest::prelude::*;

use crate::dice::{Dice, Scatter, config, dice};
use crate::fixture::seconds;
use crate::world::{Event, World, any_events, any_spec};

/// Reads lag by less than the settle time, less what a late call may take.
fn lag(dice: &mut Dice) -> Duration {
    dice.pick(&[Duration::ZERO, seconds(2), seconds(20)])
}

/// What must hold of any world that came to rest.
fn audit(world: &World, events: &[(Duration, Event)]) {
    let story = || world.story();
    assert!(world.cloud.violations.is_empty(), "{:?}\n{}", world.cloud.violations, story());
    let live = world.cloud.vms.iter().filter(|vm| vm.really().is_some()).count();
    assert!(live <= 1, "{live} VMs\n{}", story());
    let asked = events.iter().filter(|(_, event)| asks_reset(event)).count();
    assert!(
        world.cloud.resets as usize <= asked,
        "{} resets for {asked} requests\n{}",
        world.cloud.resets,
        story()
    );
    let happened = |wanted: fn(&Event) -> bool| events.iter().any(|(_, event)| wanted(event));
    let removed = happened(|event| *event == Event::Remove);
    if world.object.gone {
        assert!(happened(|event| *event == Event::Delete), "gone without a deletion\n{}", story());
        let retained = world.object.spec.deletion_policy == Some(DeletionPolicy::Retain);
        assert!(retained || live == 0, "an orphan\n{}", story());
        return;
    }
    assert!(!world.object.deleting, "the deletion hangs: {}\n{}", world.stands(), story());
    let ledger = world.ledger();
    if ledger.as_ref().is_some_and(|ledger| ledger.instance.is_some()) {
        assert!(world.object.finalizer && world.object.annotation.is_some(), "not tracked\n{}", story());
    }
    let stands = world.stands();
    if world.cloud.left_broken && stands == "Stalled CreateFailed" {
        return;
    }
    if removed && live == 0 {
        assert_eq!(stands, "Stalled InstanceMissing", "{}", story());
        return;
    }
    // A resize that was refused on the stopped VM is not tried for ever, since each try would stop it.
    let held = ledger.is_some_and(|ledger| ledger.held.contains_key(&Group::Size));
    if held && stands == "Stalled Rejected" {
        return;
    }
    assert!(world.is_true(ConditionType::Ready), "{stands}\n{}", story());
    matches_the_spec(world, happened(|event| matches!(event, Event::Power(_))));
}

fn asks_reset(event: &Event) -> bool {
    matches!(event, Event::Edit(spec) if spec.reset.is_some())
}

/// Under `Correct` the VM is as asked; power that we took is back.
fn matches_the_spec(world: &World, powered: bool) {
    let spec = &world.object.spec;
    let vm = world.cloud.vm().unwrap_or_else(|| panic!("Ready without a VM\n{}", world.story()));
    let story = || world.story();
    if spec.power_state != Some(PowerState::Stopped) && !powered && !ever_stopped(world) {
        assert_eq!(vm.state, InstanceState::Active, "power was not given back\n{}", story());
    }
    if spec.drift_policy == DriftPolicy::Report {
        return;
    }
    if let Some(power) = spec.power_state {
        assert_eq!(vm.state.power(), Some(power), "{}", story());
    }
    assert_eq!(vm.size.map(|size| size.to_string()), spec.size, "{}", story());
    if let Some(wish) = &spec.backup {
        assert_eq!(vm.backup, Some(wish.enabled), "{}", story());
    }
    if let Some(wish) = &spec.replication {
        assert_eq!(vm.replication, Some(wish.enabled), "{}", story());
    }
    if let Some(wish) = &spec.monitoring {
        assert_eq!(vm.monitoring.enabled, Some(wish.enabled), "{}", story());
    }
    if let Some(wish) = &spec.patching {
        let shown = vm.patching.as_ref().expect("shown");
        assert_eq!(shown.excluded, Some(wish.excluded), "{}", story());
    }
}

/// Whether the spec once asked for `Stopped`, so that a VM without a wish for power may be stopped.
fn ever_stopped(world: &World) -> bool {
    world.journal.iter().any(|line| line.contains("power_state: Some(Stopped)"))
        || world.object.spec.power_state == Some(PowerState::Stopped)
}

fn live(spec_dice: &mut Dice, faults: Dice, events: bool) -> (World, Vec<(Duration, Event)>) {
    let spec = any_spec(spec_dice);
    let lag = lag(spec_dice);
    let events = if events { any_events(&spec, spec_dice) } else { Vec::new() };
    let mut world = World::new(spec, faults, lag);
    world.tell(format!("spec {:?}", world.object.spec));
    world.events.clone_from(&events);
    world.live();
    (world, events)
}

proptest! {
    #![proptest_config(config(100))]

    #[test]
    fn invariant_9_a_calm_world_carries_out_any_spec_without_one_superfluous_call(mut dice in dice(40)) {
        let (world, events) = live(&mut dice, Dice::new(Vec::new()), false);
        audit(&world, &events);
        // One creation, one call for patching, one for power.
        prop_assert!(world.cloud.calls <= 3, "{} calls\n{}", world.cloud.calls, world.story());
        prop_assert!(world.passes <= 120, "{} passes\n{}", world.passes, world.story());
    }

    #[test]
    fn invariant_9_faults_that_stop_do_not_keep_it_from_converging(mut dice in dice(40), faults in dice(250)) {
        let (world, events) = live(&mut dice, faults, false);
        audit(&world, &events);
    }

    #[test]
    fn invariant_9_people_may_do_anything_meanwhile(mut dice in dice(120)) {
        let (world, events) = live(&mut dice, Dice::new(Vec::new()), true);
        audit(&world, &events);
    }

    #[test]
    fn invariant_9_people_and_faults_together(mut dice in dice(120), faults in dice(250)) {
        let (world, events) = live(&mut dice, faults, true);
        audit(&world, &events);
    }
}

#[test]
fn the_worlds_meet_every_fault_and_every_event() {
    // A world in which nothing goes wrong would converge for ever.
    let mut seen = std::collections::BTreeMap::<&str, u32>::new();
    let mut scatter = Scatter::new();
    for _ in 0..150 {
        let (world, _) = live(&mut scatter.dice(120), scatter.dice(250), true);
        for word in WORDS {
            let count = world.journal.iter().filter(|line| line.contains(word)).count();
            *seen.entry(word).or_default() += u32::try_from(count).expect("a small number");
        }
    }
    for word in WORDS {
        assert!(seen.get(word).is_some_and(|count| *count >= 3), "{word}: {seen:#?}");
    }
}

const WORDS: &[&str] = &[
    "restart",
    "loses",
    "killed between intent and call",
    "killed before the answer",
    "the status write fails",
    "fails: Transient",
    "fails: Throttled",
    "fails: Unauthenticated",
    "accepted",
    "not executed",
    "refused: HTTP 409",
    "refused: HTTP 422",
    "unclear",
    "send Create",
    "send Reset",
    "send Resize",
    "send Stop",
    "send Start",
    "send Delete",
    "send UpdateMonitoring",
    "send UpdatePatching",
    "send UpdateReplication",
    "send UpdateBackup",
    "let go",
    "event Delete",
    "event Replace",
    "event DropStatus",
    "event Remove",
    "event Occupy",
    "event Power",
    "event Meddle",
    "ResolvingOutcome",
    "Stalled CreateFailed",
    "Stalled InstanceMissing",
];
