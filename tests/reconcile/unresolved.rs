//! What users do while nobody knows what a call came to: looking goes on, and nothing else happens (DESIGN 5.2).

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::{Value, json};

use crate::support::{World, manifest};

/// What a reply can come to so that nobody knows.
fn unclear() -> [FaultKind; 4] {
    [
        FaultKind::DropAfter,
        FaultKind::DropBefore,
        FaultKind::HangForever { effect: true },
        FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: true },
    ]
}

/// A creation whose outcome is unknown, while this is asked for.
async fn meanwhile(kind: &FaultKind, edit: Value) -> (World, crate::support::Replica) {
    let world = World::lax();
    world.sim.inject(Fault::once(Match::operation(Operation::Create), kind.clone()));
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
    world.patch("web", edit);
    (world, operator)
}

#[tokio::test(start_paused = true)]
async fn under_suspend_and_observe_a_creation_is_still_found_and_bound_and_nothing_else_is_sent() {
    for edit in [json!({"suspend": true}), json!({"managementPolicy": "Observe"})] {
        for kind in unclear() {
            let (world, _operator) = meanwhile(&kind, edit.clone()).await;
            let resolved = |seen: &crate::support::Seen| !seen.ledger()["intent"].is_object();
            world.until("web", &format!("resolved, {edit}, {kind:?}"), resolved).await;
            world.quiet().await;
            let made =
                world.sim.instances().into_iter().filter(|vm| vm.live).map(|vm| vm.id).collect::<Vec<_>>();
            let recorded: Vec<i64> =
                world.instance("web").ledger()["instance"].as_i64().into_iter().collect();
            assert_eq!(recorded, made, "{edit}, {kind:?}:\n{}", world.tail());
            assert_eq!(world.change_words(), [Operation::Create], "{edit}, {kind:?}");
            // And back: one VM, whatever was known before.
            world.patch("web", json!({"suspend": false, "managementPolicy": "Manage"}));
            world.until_reason("web", "Running").await;
            world.quiet().await;
            assert_eq!(world.sim.report().created, 1, "{edit}, {kind:?}:\n{}", world.tail());
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_edit_waits_until_the_creation_is_resolved_and_is_then_carried_out() {
    for kind in unclear() {
        let (world, _operator) = meanwhile(&kind, json!({"powerState": "Stopped"})).await;
        world.until_reason("web", "Stopped").await;
        world.quiet().await;
        let words = world.change_words();
        assert_eq!(words.last(), Some(&Operation::Stop), "{kind:?}: {words:?}");
        assert_eq!(world.sim.report().created, 1, "{kind:?}:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_whose_call_is_unclear_holds_back_what_the_instance_asks_for() {
    for kind in unclear() {
        let world = World::lax();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), kind.clone()));
        world.apply(manifest::snapshot("before", "web", json!({})));
        world.until_snapshot("before", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
        world.patch("web", json!({"powerState": "Stopped"}));
        world.until_reason("web", "Stopped").await;
        // The stop went out only after the snapshot's call was resolved.
        let stop =
            world.changes().into_iter().find(|entry| entry.operation == Operation::Stop).expect("sent");
        let resolved = world.api.writes().into_iter().find(|write| {
            write.resource == "itcaresnapshots"
                && write.at > stop.at
                && write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"]
                    .as_str()
                    .is_some_and(|ledger| !ledger.contains("intent"))
        });
        assert!(resolved.is_none(), "{kind:?}: the stop came before {resolved:?}");
        world.quiet().await;
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_itcare_has_forgotten_after_it_ended_well_is_never_sent_again() {
    let world = World::lax();
    // It ends well, the list does not show it for an hour, and its action is forgotten before that.
    world.sim.quirks(|quirks| quirks.action_retention = Some(Duration::from_secs(600)));
    let stale = FaultKind::StaleList(Duration::from_secs(4 * 3600));
    world.sim.inject(Fault::always(Match::operation(Operation::List), stale));
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "done", |seen| seen.ledger()["intent"]["done"].is_number()).await;
    world.pass(Duration::from_secs(1200)).await;
    operator.kill();
    // Whoever comes next knows it from the ledger alone.
    let _operator = world.start();
    world.pass(Duration::from_secs(1200)).await;
    world.sim.clear_faults();
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Create), 1, "{}", world.tail());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_creation_is_looked_for_among_actions_then_in_the_list_then_by_its_name() {
    let world = World::lax();
    world.sim.inject(Fault::once(Match::operation(Operation::Create), FaultKind::DropBefore));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let journal = world.sim.journal();
    let creates: Vec<_> =
        (0..journal.len()).filter(|at| journal[*at].operation == Operation::Create).collect();
    let [first, second] = creates[..] else { panic!("{creates:?}:\n{}", world.tail()) };
    // The look that proved absence: all of it a settle time after the call, in this order.
    let due = journal[first].at + jiff::SignedDuration::from_secs(120);
    let then = |from: usize, operation: Operation, words: &str| {
        let fits = |at: &usize| {
            let entry = &journal[*at];
            entry.operation == operation && entry.query.contains(words) && entry.at >= due
        };
        let found = (from + 1..second).find(fits);
        found.unwrap_or_else(|| panic!("no {words} in its turn after {due}:\n{}", world.tail()))
    };
    let actions = then(first, Operation::ActionList, "resourceName=");
    let list = then(actions, Operation::List, "services=");
    then(list, Operation::List, "names=");
    assert_eq!(world.sim.report().created, 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_created_vm_that_stays_out_of_sight_for_ten_settle_times_is_told_and_found_later() {
    let world = World::lax();
    let stale = FaultKind::StaleList(Duration::from_secs(12 * 3600));
    world.sim.inject(Fault::always(Match::operation(Operation::List), stale));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "done", |seen| seen.ledger()["intent"]["done"].is_number()).await;
    world.pass(Duration::from_secs(15 * 60)).await;
    assert!(!world.instance("web").has("Stalled", "True"), "too early: {:?}", world.instance("web"));
    world.until("web", "missing its VM", |seen| seen.is_stalled("InstanceMissing")).await;
    let action = world.sim.actions()[0].id.to_string();
    let web = world.instance("web");
    for words in ["PWEB", &action, "spec.instanceId", "Retain"] {
        assert!(web.message().contains(words), "{words}: {}", web.message());
    }
    world.pass(Duration::from_secs(3 * 3600)).await;
    world.sim.clear_faults();
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Create), 1, "{}", world.tail());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_instance_that_only_observes_keeps_its_finalizer_while_its_snapshot_is_unresolved() {
    for kind in unclear() {
        let world = World::lax();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), kind.clone()));
        world.apply(manifest::snapshot("before", "web", json!({})));
        world.until_snapshot("before", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
        world.patch("web", json!({"managementPolicy": "Observe"}));
        let unresolved = || world.snapshot("before").ledger()["intent"].is_object();
        while unresolved() {
            assert!(world.instance("web").has_finalizer(), "{kind:?}: it could go:\n{}", world.tail());
            world.pass(Duration::from_millis(500)).await;
        }
        world.quiet().await;
        assert!(!world.instance("web").has_finalizer(), "{kind:?}: {:?}", world.instance("web"));
        world.audit();
    }
}
