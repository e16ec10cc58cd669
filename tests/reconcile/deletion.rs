//! Deletion in every phase, and during every outage.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_lab::memory::{Fault as ApiFault, Verb};
use itcare_sim::{Config, Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn deleting_at_any_moment_of_a_creation_leaves_nothing() {
    for lax in [false, true] {
        for moment in (0..8000).step_by(200) {
            let world = if lax { World::lax() } else { World::new() };
            let _operator = world.start();
            world.apply(manifest::instance("web"));
            world.pass(Duration::from_millis(moment)).await;
            world.delete("web");
            world.until_gone("itcareinstances", "web").await;
            world.quiet().await;
            let report = world.sim.report();
            assert!(
                report.leftovers.is_empty(),
                "deleted after {moment} ms: {:?}\n{}",
                report.leftovers,
                world.tail()
            );
            assert!(report.created <= 1);
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deleting_while_the_creations_answer_is_lost_leaves_nothing() {
    for kind in [
        FaultKind::DropAfter,
        FaultKind::DropBefore,
        FaultKind::HangForever { effect: true },
        FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: true },
    ] {
        let world = World::lax();
        world.sim.inject(Fault::once(Match::operation(Operation::Create), kind.clone()));
        let operator = world.start();
        world.apply(manifest::instance("web"));
        world.pass(Duration::from_secs(3)).await;
        world.delete("web");
        world.pass(Duration::from_secs(3)).await;
        operator.kill();
        let _operator = world.start();
        world.until_gone("itcareinstances", "web").await;
        world.quiet().await;
        assert!(world.sim.report().leftovers.is_empty(), "{kind:?}:\n{}", world.tail());
        assert_eq!(world.count(Operation::Create), 1, "{kind:?}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_of_a_deletion_deletes_once_and_wholly() {
    for moment in (0..12_000).step_by(250) {
        let world = World::new();
        let operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.delete("web");
        world.pass(Duration::from_millis(moment)).await;
        operator.kill();
        let _operator = world.start();
        world.until_gone("itcareinstances", "web").await;
        world.quiet().await;
        assert!(world.sim.report().leftovers.is_empty(), "killed after {moment} ms");
        let deletes = world
            .sim
            .journal()
            .iter()
            .filter(|entry| entry.operation == Operation::Delete && entry.effect)
            .count();
        assert_eq!(deletes, 1);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn no_outage_lets_an_object_go_before_its_vm() {
    let all = |code| FaultKind::status(code, false);
    for (name, kind) in [
        ("no connection", FaultKind::DropBefore),
        ("500 for all", all(500)),
        ("401 for all", all(401)),
        ("403 for all", all(403)),
        ("404 for all", all(404)),
        ("empty lists and 404", FaultKind::NotFound),
        ("pages in HTML", FaultKind::Html { code: 200, effect: false }),
    ] {
        for many in [1, 3] {
            let world = World::new();
            let operator = world.start();
            for number in 0..many {
                world.apply(manifest::instance(&format!("web{number}")));
            }
            for number in 0..many {
                world.until_reason(&format!("web{number}"), "Running").await;
            }
            world.sim.inject(Fault::always(
                Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() },
                kind.clone(),
            ));
            for number in 0..many {
                world.delete(&format!("web{number}"));
            }
            world.pass(Duration::from_secs(1800)).await;
            // A restart in the middle must not forget what it was waiting for.
            operator.kill();
            let _operator = world.start();
            world.pass(Duration::from_secs(1800)).await;
            for number in 0..many {
                assert!(
                    !world.is_gone("itcareinstances", &format!("web{number}")),
                    "{name}: let go early\n{}",
                    world.tail()
                );
            }
            world.sim.clear_faults();
            for number in 0..many {
                world.until_gone("itcareinstances", &format!("web{number}")).await;
            }
            world.quiet().await;
            assert!(world.sim.report().leftovers.is_empty(), "{name}");
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn deletions_whose_actions_an_outage_hides_are_over_once_it_heals() {
    let world = World::new();
    let _operator = world.start();
    let names = ["web", "db", "mail"];
    for name in names {
        world.apply(manifest::instance(name));
        world.until_reason(name, "Running").await;
    }
    for name in names {
        world.delete(name);
    }
    let sent = || world.sim.running().iter().filter(|action| action.process == "vm_delete").count();
    world.wait("all DELETEs are sent", || (sent() == 3).then_some(()).ok_or_else(String::new)).await;
    let calls = Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() };
    let nothing =
        FaultKind::Status { code: 200, body: "[]".to_owned(), headers: BTreeMap::new(), effect: false };
    world.sim.inject(Fault::always(Match::operation(Operation::List), FaultKind::EmptyList));
    world.sim.inject(Fault::always(Match::operation(Operation::ActionList), nothing));
    world.sim.inject(Fault::always(calls, FaultKind::NotFound));
    world.pass(Duration::from_secs(60)).await;
    world.sim.clear_faults();
    // All three vanished at once, so that a 404 proves nothing; the actions of their DELETEs do.
    for name in names {
        world.until_gone("itcareinstances", name).await;
    }
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn under_another_account_everything_is_404_and_nothing_is_let_go() {
    let world = World::new();
    world.sim.accounts(|accounts| {
        accounts.list.push(itcare_sim::Account {
            client_id: "other-sa".to_owned(),
            services: Some([15].into_iter().collect()),
            ..itcare_sim::Account::default()
        });
    });
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    operator.kill();
    let mut other = world.setup.clone();
    other.client_id = "other-sa".to_owned();
    let operator = world.start_with(&other);
    world.delete("web");
    world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
    world.pass(Duration::from_secs(3600)).await;
    assert!(!world.is_gone("itcareinstances", "web"));
    operator.kill();
    let _operator = world.start();
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_gone_already_is_let_go_after_two_looks_and_a_list() {
    for leftover in [false, true] {
        let world = World::new();
        world.sim.quirks(|quirks| quirks.removed_leftovers = leftover);
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.sim.edit(world.instance("web").id(), |vm| vm.live = false);
        world.delete("web");
        world.until_gone("itcareinstances", "web").await;
        assert_eq!(world.change_words(), [Operation::Create]);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn retain_keeps_the_vm_and_an_unborn_one_needs_no_call() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"deletionPolicy": "Retain"})));
    world.until_reason("web", "Running").await;
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.sim.report().leftovers.len(), 1);
    world.sim.clear_journal();
    world.apply(manifest::with("db", json!({"platform": "amiga"})));
    world.until("db", "rejected", |seen| seen.is_stalled("Rejected")).await;
    world.delete("db");
    world.until_gone("itcareinstances", "db").await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_account_without_the_right_to_delete_says_so_and_waits() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Operator);
    world.delete("web");
    world.until("web", "denied", |seen| seen.is_stalled("PermissionDenied")).await;
    assert!(world.instance("web").message().contains("POW"), "{:?}", world.instance("web"));
    world.sim.accounts(|accounts| accounts.list[0].profile = itcare_sim::Profile::Power);
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_instance_claims_nothing_though_the_reply_comes_after_the_event() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "ready", |seen| seen.is_ready()).await;
    // The watch tells that the object is gone before the write that let it go is answered.
    let late = ApiFault::delay_reply(Duration::from_secs(2)).verb(Verb::Patch).always();
    world.api.inject(late.resource("itcareinstances").subresource(""));
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    world.pass(Duration::from_secs(3)).await;
    world.api.clear_faults();
    world.apply(manifest::with("heir", json!({"name": "PWEB"})));
    world.until_reason("heir", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_deleted_snapshot_holds_nothing_back_though_the_reply_comes_after_the_event() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "ready", |seen| seen.is_ready()).await;
    // Lost on its way, so that its intent stands until the object goes.
    let lost = FaultKind::HangForever { effect: false };
    world.sim.inject(Fault::once(Match::operation(Operation::SnapshotCreate), lost));
    world.apply(manifest::snapshot("before", "web", json!({})));
    while world.count(Operation::SnapshotCreate) == 0 {
        world.pass(Duration::from_millis(100)).await;
    }
    let late = ApiFault::delay_reply(Duration::from_secs(2)).verb(Verb::Patch).always();
    world.api.inject(late.resource("itcaresnapshots").subresource(""));
    world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
    world.delete("web");
    world.until_gone("itcaresnapshots", "before").await;
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty(), "{}", world.tail());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn that_everything_was_deleted_at_once_blocks_no_snapshot() {
    // VMs go faster than the services in use are counted anew, and a list falls between.
    for offset in (0..1000).step_by(100) {
        let mut world = World::with(Config::auto(Duration::from_millis(200)));
        world.setup.observe_interval = Duration::from_millis(700);
        world.setup.action_interval = Duration::from_millis(100);
        let _operator = world.start();
        for name in ["web", "db", "mail"] {
            world.apply(manifest::instance(name));
        }
        world.apply(manifest::snapshot("before", "web", json!({})));
        world.until_snapshot("before", "ready", |seen| seen.is_ready()).await;
        world.pass(Duration::from_millis(5_000 + offset)).await;
        for name in ["web", "db", "mail"] {
            world.delete(name);
        }
        world.pass(Duration::from_millis(300)).await;
        // Too late to be removed by itself: it goes with its VM.
        world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
        world.until_gone("itcaresnapshots", "before").await;
        assert!(world.sim.report().leftovers.is_empty(), "{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_with_several_deletions_in_flight_blocks_none_of_them() {
    let world = World::new();
    let operator = world.start();
    let names = ["web", "db", "mail"];
    for name in names {
        world.apply(manifest::with(name, json!({"powerState": "Stopped"})));
    }
    for name in names {
        world.until_reason(name, "Stopped").await;
    }
    // Each takes effect, and the process is dead before it could write so down.
    let done = FaultKind::HangForever { effect: true };
    world.sim.inject(Fault::once(Match::operation(Operation::Delete), done).times(3));
    for name in names {
        world.delete(name);
    }
    while world.count(Operation::Delete) < names.len() {
        world.pass(Duration::from_millis(10)).await;
    }
    operator.kill();
    world.pass(Duration::from_secs(10)).await;
    let _operator = world.start();
    for name in names {
        world.until_gone("itcareinstances", name).await;
    }
    assert_eq!(world.count(Operation::Delete), names.len(), "{}", world.tail());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_deleted_alone_costs_three_writes() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let before = world.api.writes().len();
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    let mut writes = world.api.writes().split_off(before);
    writes.retain(|write| write.resource == "itcareinstances");
    let told: Vec<_> =
        writes.iter().map(|write| (write.subresource.as_str(), &write.body["status"])).collect();
    assert_eq!(told.len(), 3, "what the stop came to, and the DELETE, and the finalizer: {told:#?}");
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_effect_does_not_go_on_for_ever() {
    for power in [json!("Running"), json!(null)] {
        let world = World::new();
        let _operator = world.start();
        world.apply(manifest::with("web", json!({"powerState": power})));
        world.until_reason("web", "Running").await;
        world.sim.quirks(|quirks| quirks.ineffective = [Operation::Stop].into_iter().collect());
        world.delete("web");
        world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
        let sent = world.count(Operation::Stop);
        assert_eq!(sent, 3, "three alike, and it is said:\n{}", world.tail());
        world.pass(Duration::from_secs(24 * 3600)).await;
        assert!(world.count(Operation::Stop) <= sent + 24 * 6, "{}", world.count(Operation::Stop));
        world.sim.quirks(|quirks| quirks.ineffective.clear());
        world.until_gone("itcareinstances", "web").await;
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn in_a_state_that_nobody_knows_deletion_is_tried_once_and_then_a_persons_business() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "BROKEN".to_owned());
    world.delete("web");
    world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
    world.pass(Duration::from_secs(2 * 3600)).await;
    assert!(world.instance("web").message().contains("state BROKEN"), "{:?}", world.instance("web"));
    assert_eq!(world.change_words(), [Operation::Create, Operation::Delete]);
    // Once its state is one that we know, the refusal says nothing any more.
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_deletion_that_was_refused_is_asked_for_at_once_when_the_state_that_explains_it_is_over() {
    for (state, runs) in [("BROKEN", false), ("INACTIVE", true)] {
        let world = World::new();
        let _operator = world.start();
        world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
        world.until_reason("web", "Stopped").await;
        let id = world.instance("web").id();
        world.sim.edit(id, |vm| vm.status = state.to_owned());
        world.sim.inject(Fault::once(Match::operation(Operation::Delete), FaultKind::status(400, false)));
        world.delete("web");
        while world.count(Operation::Delete) == 0 {
            world.pass(Duration::from_millis(5)).await;
        }
        // Somebody started it, or mends it after a while.
        if runs {
            world.sim.edit(id, |vm| vm.status = "ACTIVE".to_owned());
        } else {
            world.until("web", "blocked", |seen| seen.is_stalled("DeletionBlocked")).await;
            world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
        }
        world.pass(Duration::from_secs(180)).await;
        assert!(world.is_gone("itcareinstances", "web"), "{state}: {:?}", world.instance("web"));
        assert_eq!(world.count(Operation::Delete), 2, "{state}:\n{}", world.tail());
        world.audit();
    }
}
