//! A creation whose answer is lost, late, wrong or a lie. Whatever happens: one VM, and the guard clears
//! itself. Every case runs twice, with and without a cloud that refuses a second VM of one name.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation, SeedInstance, Wait};
use serde_json::json;

use crate::support::{World, manifest};

/// Faults after which one VM must exist without anybody's help, and how often the creation may be sent.
fn survivable() -> Vec<(&'static str, FaultKind, usize)> {
    vec![
        ("reply lost after the effect", FaultKind::DropAfter, 1),
        ("reset before the effect", FaultKind::DropBefore, 2),
        ("500 with effect", FaultKind::status(500, true), 1),
        ("500 without effect", FaultKind::status(500, false), 2),
        ("502 page of a gateway with effect", FaultKind::Html { code: 502, effect: true }, 1),
        ("503 without effect", FaultKind::status(503, false), 2),
        (
            "503 with Retry-After, with effect",
            FaultKind::RetryAfter { code: 503, wait: Wait::Seconds(20), effect: true },
            1,
        ),
        ("time-out, with effect", FaultKind::HangForever { effect: true }, 1),
        ("time-out, without effect", FaultKind::HangForever { effect: false }, 2),
        (
            "late effect after a time-out",
            FaultKind::DelayedEffect { after: Duration::from_secs(50), hang: true },
            1,
        ),
        (
            "late effect after a reset",
            FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: false },
            1,
        ),
        ("truncated reply", FaultKind::Truncate, 1),
        ("wrong types in the reply", FaultKind::WrongTypes, 1),
        ("unknown status in the reply", FaultKind::UnknownStatus, 1),
        ("200 page of a gateway, with effect", FaultKind::Html { code: 200, effect: true }, 1),
        ("429 with seconds", FaultKind::RetryAfter { code: 429, wait: Wait::Seconds(30), effect: false }, 2),
        (
            "429 with a date",
            FaultKind::RetryAfter { code: 429, wait: Wait::Date(Duration::from_secs(30)), effect: false },
            2,
        ),
        ("429 alone", FaultKind::status(429, false), 2),
        ("401", FaultKind::ExpireTokens, 2),
        ("403 once", FaultKind::status(403, false), 2),
        ("the action vanishes", FaultKind::ActionVanishes, 1),
        ("a reply without a body", FaultKind::status(202, true), 1),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_creation_with_any_answer_makes_one_vm_by_itself() {
    for unique in [true, false] {
        for (name, kind, sends) in survivable() {
            let world = if unique { World::new() } else { World::lax() };
            world.sim.inject(Fault::once(Match::operation(Operation::Create), kind));
            let _operator = world.start();
            world.apply(manifest::instance("web"));
            world.until_reason("web", "Running").await;
            world.quiet().await;
            let report = world.sim.report();
            assert_eq!(report.created, 1, "{name}, unique names {unique}:\n{}", world.tail());
            assert_eq!(
                world.count(Operation::Create),
                sends,
                "{name}, unique names {unique}:\n{}",
                world.tail()
            );
            assert!(world.instance("web").is_ready(), "{name}");
            world.audit();
        }
    }
}

/// What no protocol can close: a gateway that sends the creation twice. One send of ours, and the truth.
#[tokio::test(start_paused = true)]
async fn a_creation_that_a_gateway_sends_twice_is_sent_once_by_us_and_told() {
    let world = World::lax();
    world.sim.inject(Fault::once(Match::operation(Operation::Create), FaultKind::Replay));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "stalled as ambiguous", |seen| seen.is_stalled("Ambiguous")).await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Create), 1);
    let ids: Vec<String> = world.sim.instances().iter().map(|vm| vm.id.to_string()).collect();
    assert_eq!(ids.len(), 2);
    let web = world.instance("web");
    assert!(ids.iter().all(|id| web.message().contains(id)), "{web:?}");
    // A person removes one: the guard clears itself.
    let wrong: i64 = ids[1].parse().expect("an id");
    world.sim.edit(wrong, |vm| vm.live = false);
    world.until_reason("web", "Running").await;
    assert_eq!(world.count(Operation::Create), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_of_a_creation_makes_no_second_vm() {
    for unique in [true, false] {
        for moment in (0..4000).step_by(100) {
            let world = if unique { World::new() } else { World::lax() };
            let operator = world.start();
            world.apply(manifest::instance("web"));
            world.pass(Duration::from_millis(moment)).await;
            operator.kill();
            let _operator = world.start();
            world.until_reason("web", "Running").await;
            world.quiet().await;
            assert_eq!(
                world.sim.report().created,
                1,
                "killed after {moment} ms, unique names {unique}:\n{}",
                world.tail()
            );
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_right_at_the_send_is_resolved_by_looking() {
    for unique in [true, false] {
        for step in 0..40 {
            let world = if unique { World::new() } else { World::lax() };
            let operator = world.start();
            world.apply(manifest::instance("web"));
            // In steps of one millisecond from the moment at which the intent stands.
            while world.instance("web").ledger().get("intent").is_none() {
                world.pass(Duration::from_millis(1)).await;
            }
            world.pass(Duration::from_millis(step)).await;
            operator.kill();
            let _operator = world.start();
            world.until_reason("web", "Running").await;
            world.quiet().await;
            assert_eq!(
                world.sim.report().created,
                1,
                "{step} ms after the intent, unique names {unique}:\n{}",
                world.tail()
            );
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_creation_says_so_at_once_and_heals_with_the_spec() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"platform": "amiga"})));
    world.until("web", "stalled as rejected", |seen| seen.is_stalled("Rejected")).await;
    let web = world.instance("web");
    assert!(web.message().contains("platform"), "{web:?}");
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    assert_eq!(world.sim.report().created, 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_is_taken_names_the_vm_and_the_cure() {
    let world = World::lax();
    let id = world.sim.seed(SeedInstance::new("PWEB", 13));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "stalled as taken", |seen| seen.is_stalled("NameTaken")).await;
    assert!(world.instance("web").message().contains(&id.to_string()), "{:?}", world.instance("web"));
    world.quiet().await;
    assert_eq!(world.changes().len(), 0, "nothing is created, nothing is touched");
    // Deleting the object does not touch the VM.
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_taken_name_becomes_free_and_the_vm_is_created() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance::new("PWEB", 13));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "stalled as taken", |seen| seen.is_stalled("NameTaken")).await;
    world.sim.edit(id, |vm| vm.live = false);
    world.until_reason("web", "Running").await;
    assert_eq!(world.sim.report().created, 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_somebody_made_after_ours_was_renamed_is_not_ours() {
    for lost in [false, true] {
        let world = World::new();
        let operator = world.start();
        if lost {
            let hangs = FaultKind::HangForever { effect: true };
            world.sim.inject(Fault::once(Match::operation(Operation::Create), hangs));
        }
        world.apply(manifest::instance("web"));
        while world.sim.running().is_empty() {
            world.pass(Duration::from_millis(50)).await;
        }
        operator.kill();
        world.pass(Duration::from_secs(600)).await;
        let ours = world.sim.instances()[0].id;
        world.sim.edit(ours, |vm| vm.name = "PWEB-OLD".to_owned());
        world.pass(Duration::from_secs(600)).await;
        let theirs = world.sim.seed(SeedInstance::new("PWEB", 13));
        let _operator = world.start();
        world.until("web", "missing its VM", |seen| seen.is_stalled("InstanceMissing")).await;
        assert!(world.instance("web").ledger()["instance"].is_null(), "{lost}: {:?}", world.instance("web"));
        // A person says which one it is.
        world.patch("web", json!({"instanceId": theirs}));
        world.until_reason("web", "Running").await;
        assert_eq!(world.instance("web").id(), theirs, "{lost}");
        assert_eq!(world.change_words(), [Operation::Create], "{lost}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_creation_that_fails_is_tried_again_and_then_told() {
    let world = World::new();
    let fail = FaultKind::ActionFails("no host has room".to_owned());
    world.sim.inject(Fault::once(Match::operation(Operation::Create), fail.clone()));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    assert_eq!(world.count(Operation::Create), 2);
    world.sim.inject(Fault::always(Match::operation(Operation::Create), fail));
    world.apply(manifest::instance("db"));
    world.until("db", "stalled as failed", |seen| seen.is_stalled("ActionFailed")).await;
    assert!(world.instance("db").message().contains("no host has room"));
    world.sim.clear_faults();
    world.until_reason("db", "Running").await;
    world.quiet().await;
    assert_eq!(world.sim.report().created, 2);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_failed_creation_that_leaves_a_vm_is_not_repeated() {
    let world = World::lax();
    world.sim.quirks(|quirks| quirks.failed_create_leaves = Some("INACTIVE".to_owned()));
    let fail = FaultKind::ActionFails("customisation failed".to_owned());
    world.sim.inject(Fault::once(Match::operation(Operation::Create), fail));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "stalled as failed", |seen| seen.is_stalled("CreateFailed")).await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Create), 1);
    // It is ours: deleting the object removes it.
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_list_that_lags_behind_a_creation_makes_no_second_vm() {
    for unique in [true, false] {
        let world = if unique { World::new() } else { World::lax() };
        let operator = world.start();
        world.sim.inject(Fault::once(Match::operation(Operation::Create), FaultKind::DropAfter));
        for _ in 0..1 {
            world.sim.inject(
                Fault::once(Match::operation(Operation::List), FaultKind::StaleList(Duration::from_secs(90)))
                    .times(40),
            );
        }
        world.apply(manifest::instance("web"));
        world.pass(Duration::from_secs(20)).await;
        operator.kill();
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "{}", world.tail());
        world.audit();
    }
}
