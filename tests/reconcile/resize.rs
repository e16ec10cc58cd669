//! Resizing in both policies, and the power that is owed after it.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::support::{World, manifest};

fn strict() -> World {
    let world = World::new();
    world.sim.quirks(|quirks| quirks.resize_needs_stop = true);
    world
}

#[tokio::test(start_paused = true)]
async fn in_place_never_stops_a_vm_and_says_what_to_do() {
    let world = strict();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "power off required", |seen| seen.is_stalled("PowerOffRequired")).await;
    assert!(world.instance("web").message().contains("StopStart"));
    world.quiet().await;
    assert_eq!(world.count(Operation::Stop), 0);
    world.patch("web", json!({"resizePolicy": "StopStart"}));
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    let id = world.instance("web").id();
    assert_eq!(world.sim.instance(id).expect("it is there").status, "ACTIVE");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn in_place_goes_on_when_somebody_stops_the_vm() {
    let world = strict();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"powerState": null})));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "power off required", |seen| seen.is_stalled("PowerOffRequired")).await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    assert_eq!(world.sim.instance(id).expect("it is there").status, "INACTIVE", "power was not ours to give");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn stop_start_stops_resizes_and_starts() {
    for power in [json!("Running"), json!(null)] {
        for drift in ["Correct", "Report"] {
            let world = strict();
            let _operator = world.start();
            world.apply(manifest::with(
                "web",
                json!({"resizePolicy": "StopStart", "powerState": power, "driftPolicy": drift}),
            ));
            world.until_reason("web", "Running").await;
            world.patch("web", json!({"size": "4cpu8gb"}));
            world
                .until("web", "resized", |seen| {
                    seen.is_ready() && seen.status()["size"] == "4cpu8gb" && seen.reason() == "Running"
                })
                .await;
            world.quiet().await;
            assert_eq!(
                world.change_words(),
                [Operation::Create, Operation::Stop, Operation::Resize, Operation::Start]
            );
            assert!(world.instance("web").ledger().get("resume").is_none(), "{:?}", world.instance("web"));
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_we_stopped_runs_again_whatever_becomes_of_the_resize() {
    for (case, fault) in [
        (
            "refused",
            FaultKind::Status { code: 422, body: String::new(), headers: Default::default(), effect: false },
        ),
        ("failed", FaultKind::ActionFails("no room".to_owned())),
    ] {
        let world = strict();
        let _operator = world.start();
        world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::always(Match::operation(Operation::Resize), fault));
        world.patch("web", json!({"size": "4cpu8gb"}));
        world.until("web", &format!("stalled after {case}"), |seen| seen.has("Stalled", "True")).await;
        world.quiet().await;
        let id = world.instance("web").id();
        assert_eq!(
            world.sim.instance(id).expect("it is there").status,
            "ACTIVE",
            "{case}:\n{}",
            world.tail()
        );
        assert_eq!(
            world.count(Operation::Stop),
            1,
            "{case}: a resize that stops the VM is not tried for ever"
        );
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_resize_that_is_withdrawn_half_way_gives_the_power_back() {
    for moment in (0..12_000).step_by(500) {
        let world = strict();
        let _operator = world.start();
        world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
        world.until_reason("web", "Running").await;
        let id = world.instance("web").id();
        world.patch("web", json!({"size": "4cpu8gb"}));
        world.pass(Duration::from_millis(moment)).await;
        world.patch("web", json!({"size": "2cpu4gb"}));
        world.quiet().await;
        let vm = world.sim.instance(id).expect("it is there");
        assert_eq!(
            (vm.status.as_str(), vm.cpu),
            ("ACTIVE", 2),
            "withdrawn after {moment} ms:\n{}",
            world.tail()
        );
        assert!(world.instance("web").is_ready());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_between_any_two_steps_of_a_resize_leaves_no_vm_stopped() {
    for moment in (0..20_000).step_by(500) {
        let world = strict();
        let operator = world.start();
        world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
        world.until_reason("web", "Running").await;
        let id = world.instance("web").id();
        world.patch("web", json!({"size": "4cpu8gb"}));
        world.pass(Duration::from_millis(moment)).await;
        operator.kill();
        let _operator = world.start();
        world.quiet().await;
        let vm = world.sim.instance(id).expect("it is there");
        assert_eq!(
            (vm.status.as_str(), vm.cpu),
            ("ACTIVE", 4),
            "killed after {moment} ms:\n{}",
            world.tail()
        );
        assert_eq!(world.count(Operation::Resize), 1);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn power_is_given_back_when_the_object_is_only_to_observe_from_now_on() {
    for moment in (0..8_000).step_by(500) {
        let world = strict();
        let _operator = world.start();
        world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
        world.until_reason("web", "Running").await;
        let id = world.instance("web").id();
        world.patch("web", json!({"size": "4cpu8gb"}));
        world.pass(Duration::from_millis(moment)).await;
        world.patch("web", json!({"managementPolicy": "Observe"}));
        world.until("web", "observed", |seen| seen.is_ready() && !seen.has_finalizer()).await;
        world.quiet().await;
        let vm = world.sim.instance(id).expect("it is there");
        assert_eq!(vm.status, "ACTIVE", "after {moment} ms:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn power_is_given_back_before_an_object_lets_go() {
    for spec in [json!({"managementPolicy": "Observe"}), json!({"deletionPolicy": "Retain"})] {
        for moment in (0..8_000).step_by(500) {
            let world = strict();
            let _operator = world.start();
            world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
            world.until_reason("web", "Running").await;
            let id = world.instance("web").id();
            world.patch("web", json!({"size": "4cpu8gb"}));
            world.pass(Duration::from_millis(moment)).await;
            world.patch("web", spec.clone());
            world.delete("web");
            world.until_gone("itcareinstances", "web").await;
            world.quiet().await;
            let vm = world.sim.instance(id).expect("it is there");
            assert!(vm.live);
            assert_eq!(vm.status, "ACTIVE", "{spec} after {moment} ms:\n{}", world.tail());
            world.audit();
        }
    }
}

/// A stop or start that ends well and changes nothing, for which nobody wished: told after three times, and then tried
/// seldom. Six an hour, once it is told.
async fn is_told_and_seldom_tried(world: &World, ineffective: Operation, reason: &str) {
    world.until("web", "told", |seen| seen.is_stalled(reason)).await;
    let before = world.count(ineffective);
    assert!(before <= 3, "{before} before it was told:\n{}", world.tail());
    world.pass(Duration::from_secs(2 * 3600)).await;
    let more = world.count(ineffective) - before;
    assert!(more <= 12, "{more} more in two hours:\n{}", world.tail());
}

#[tokio::test(start_paused = true)]
async fn a_stop_without_effect_that_serves_a_resize_is_not_sent_for_ever() {
    let world = strict();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
    world.until_reason("web", "Running").await;
    world.sim.quirks(|quirks| quirks.ineffective = [Operation::Stop].into_iter().collect());
    world.patch("web", json!({"size": "4cpu8gb"}));
    is_told_and_seldom_tried(&world, Operation::Stop, "ActionFailed").await;
    world.sim.quirks(|quirks| quirks.ineffective.clear());
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn power_that_is_owed_and_does_not_come_back_is_told_and_comes_back_once_it_can() {
    let world = strict();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"resizePolicy": "StopStart", "powerState": null})));
    world.until_reason("web", "Running").await;
    world.sim.quirks(|quirks| quirks.ineffective = [Operation::Start].into_iter().collect());
    world.patch("web", json!({"size": "4cpu8gb"}));
    is_told_and_seldom_tried(&world, Operation::Start, "ActionFailed").await;
    world.sim.quirks(|quirks| quirks.ineffective.clear());
    world.until("web", "running", |seen| seen.is_ready() && seen.reason() == "Running").await;
    assert!(world.instance("web").ledger().get("resume").is_none());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn what_is_edited_while_a_resize_waits_for_a_stopped_vm_is_told_under_its_own_generation() {
    let world = World::new();
    world.sim.quirks(|quirks| quirks.resize_needs_stop = true);
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "power off", |seen| seen.is_stalled("PowerOffRequired")).await;
    world.pass(Duration::from_secs(600)).await;
    world.patch("web", json!({"patching": {"excluded": false, "group": 2}}));
    world.quiet().await;
    let web = world.instance("web");
    assert!(web.is_stalled("PowerOffRequired"), "{web:?}");
    assert_eq!(web.condition("Ready").expect("it has one")["observedGeneration"], 3, "{web:?}");
    world.audit();
}
