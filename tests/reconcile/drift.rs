//! What moves behind our back, what does not move though it was asked to, and who else is at work.

use std::time::Duration;

use itcare_lab::memory;
use itcare_lab::memory::Fault as ApiFault;
use itcare_sim::{Fault, FaultKind, Match, Operation, Outcome};
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn a_vm_that_somebody_stops_is_started_within_the_interval() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.quiet().await;
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.pass(Duration::from_secs(75)).await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Start]);
    world.until_reason("web", "Running").await;
    assert_eq!(world.sim.instance(id).expect("it is there").status, "ACTIVE");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_whose_power_is_not_asked_for_is_left_alone() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"powerState": null})));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.until_reason("web", "Stopped").await;
    assert!(world.instance("web").is_ready());
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn drift_that_the_list_does_not_show_is_corrected_within_the_detail_interval() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"serviceId": 14, "backup": {"enabled": true}})));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.quiet().await;
    world.sim.edit(id, |vm| vm.backup = false);
    world.pass(Duration::from_secs(7 * 3600)).await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::UpdateBackup]);
    assert!(world.sim.instance(id).expect("it is there").backup);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_fresh_look_is_given_on_request_and_receipted() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"serviceId": 14, "backup": {"enabled": true}})));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.quiet().await;
    world.sim.edit(id, |vm| vm.backup = false);
    world.ask_for_a_look("web");
    world.pass(Duration::from_secs(20)).await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::UpdateBackup]);
    let web = world.instance("web");
    let asked = &web.0["metadata"]["annotations"]["itcare.cegedim.cloud/reconcile-requested-at"];
    assert_eq!(&web.status()["lastHandledReconcileAt"], asked);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn drift_under_report_is_told_and_left() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"driftPolicy": "Report"})));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.until("web", "drifted", |seen| seen.has("Drifted", "True")).await;
    let web = world.instance("web");
    assert!(web.is_ready(), "{web:?}");
    assert_eq!(web.status()["drift"][0]["field"], "powerState");
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.sim.edit(id, |vm| vm.status = "ACTIVE".to_owned());
    world.until("web", "no drift", |seen| seen.condition("Drifted").is_none()).await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn what_has_no_effect_is_sent_once_and_told() {
    let world = World::new();
    world.sim.quirks(|quirks| quirks.ineffective = [Operation::UpdateBackup].into_iter().collect());
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"serviceId": 14})));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"backup": {"enabled": true}}));
    world.until("web", "not effective", |seen| seen.reason_of("Drifted") == "NotEffective").await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::UpdateBackup]);
    world.sim.quirks(|quirks| quirks.ineffective.clear());
    world.patch("web", json!({"backup": {"enabled": true, "disabledReason": "another wish"}}));
    world.until("web", "effective", |seen| seen.condition("Drifted").is_none() && seen.is_ready()).await;
    assert_eq!(world.count(Operation::UpdateBackup), 2);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn while_somebody_elses_action_runs_nothing_is_sent() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.quiet().await;
    // An endless one, which only the test ends.
    world.sim.config(|config| config.time = itcare_sim::Time::Explicit);
    let action = world.sim.start_foreign_action(id, "vm_move_storage", "alice");
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "waiting", |seen| seen.reason() == "ForeignActionInProgress").await;
    assert!(world.instance("web").message().contains("alice"), "{:?}", world.instance("web"));
    let details = world.count(Operation::Detail);
    world.pass(Duration::from_secs(1800)).await;
    assert_eq!(world.change_words(), [Operation::Create]);
    assert_eq!(world.count(Operation::Detail), details, "the one list of running actions tells enough");
    world.sim.config(|config| config.time = itcare_sim::Config::auto(Duration::from_secs(2)).time);
    world.sim.complete(action, Outcome::Success);
    world.until("web", "resized", |seen| seen.status()["size"] == "4cpu8gb" && seen.is_ready()).await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Resize]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_vanishes_is_told_and_not_made_again() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.live = false);
    world.until("web", "missing", |seen| seen.is_stalled("InstanceMissing")).await;
    assert!(world.instance("web").message().contains(&id.to_string()));
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.change_words(), [Operation::Create]);
    // The cure: Git applies it again.
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_ne!(world.instance("web").id(), id);
    assert_eq!(world.change_words(), [Operation::Create; 2]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_id_with_another_name_is_not_ours_any_more() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| {
        vm.name = "PBANK".to_owned();
        vm.status = "INACTIVE".to_owned();
    });
    world.until("web", "mismatch", |seen| seen.is_stalled("IdentityMismatch")).await;
    world.delete("web");
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.change_words(), [Operation::Create], "a VM with another name is not deleted");
    world.patch("web", json!({"deletionPolicy": "Retain"}));
    world.until_gone("itcareinstances", "web").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn what_a_user_takes_back_before_the_call_is_not_sent() {
    for edit in
        [json!({"powerState": "Running"}), json!({"suspend": true}), json!({"managementPolicy": "Observe"})]
    {
        let world = World::new();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.quiet().await;
        // The VM is read before the call, and that takes its time.
        let reads =
            Match { instance: Some(world.instance("web").id()), ..Match::operation(Operation::Detail) };
        let slow = world.sim.inject(Fault::once(reads, FaultKind::Delay(Duration::from_secs(10))));
        world.patch("web", json!({"powerState": "Stopped"}));
        while !world.sim.is_spent(slow) {
            world.pass(Duration::from_millis(50)).await;
        }
        world.patch("web", edit.clone());
        world.quiet().await;
        assert_eq!(world.count(Operation::Stop), 0, "{edit}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn what_an_object_asked_for_is_not_sent_for_another_one_of_its_name() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let id = world.instance("web").id();
    let reads = Match { instance: Some(id), ..Match::operation(Operation::Detail) };
    let slow = world.sim.inject(Fault::once(reads, FaultKind::Delay(Duration::from_secs(10))));
    world.patch("web", json!({"powerState": "Stopped"}));
    while !world.sim.is_spent(slow) {
        world.pass(Duration::from_millis(50)).await;
    }
    // Gone without its finalizer, and made anew with the same words: it has no VM, and no right to this one.
    world.api.erase("itcareinstances", "shop", "web").expect("it was there");
    world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
    world.until_reason("web", "NameTaken").await;
    world.quiet().await;
    assert_eq!(world.count(Operation::Stop), 0, "{}", world.tail());
    assert_eq!(world.sim.instance(id).expect("it is there").status, "ACTIVE");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_makes_no_call_and_says_so() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"suspend": true, "size": "4cpu8gb"}));
    world
        .until("web", "observed", |seen| {
            seen.status()["observedGeneration"] == seen.0["metadata"]["generation"]
        })
        .await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.delete("web");
    world.until("web", "waiting", |seen| seen.message().contains("suspend")).await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(world.change_words(), [Operation::Create]);
    world.patch("web", json!({"suspend": false}));
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop, Operation::Delete]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn any_fault_on_an_update_ends_with_the_update_made() {
    let kinds = [
        FaultKind::DropAfter,
        FaultKind::DropBefore,
        FaultKind::HangForever { effect: true },
        FaultKind::HangForever { effect: false },
        FaultKind::Truncate,
        FaultKind::WrongTypes,
        FaultKind::Html { code: 502, effect: true },
        FaultKind::Html { code: 502, effect: false },
        FaultKind::ActionVanishes,
        FaultKind::ActionFails("not today".to_owned()),
        FaultKind::DelayedEffect { after: Duration::from_secs(45), hang: true },
        FaultKind::ExpireTokens,
    ];
    for (operation, spec) in [
        (Operation::Stop, json!({"powerState": "Stopped"})),
        (Operation::Resize, json!({"size": "4cpu8gb"})),
        (Operation::UpdatePatchParty, json!({"patching": {"excluded": true, "exclusionReason": "by hand"}})),
    ] {
        for kind in &kinds {
            let world = World::new();
            let _operator = world.start();
            world.apply(manifest::instance("web"));
            world.until_reason("web", "Running").await;
            world.sim.inject(Fault::once(Match::operation(operation), kind.clone()));
            world.patch("web", spec.clone());
            world.until("web", &format!("ready after {operation:?} {kind:?}"), |seen| seen.is_ready()).await;
            world.quiet().await;
            let effects = world
                .sim
                .journal()
                .iter()
                .filter(|entry| entry.operation == operation && entry.effect)
                .count();
            let failed = matches!(kind, FaultKind::ActionFails(_));
            assert_eq!(effects, if failed { 2 } else { 1 }, "{operation:?} {kind:?}:\n{}", world.tail());
            world.audit();
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_routine_look_found_is_not_lost_with_the_write_that_would_have_told() {
    let world = World::new();
    let _operator = world.start();
    let monitoring = json!({"enabled": true, "alerting": true});
    world.apply(manifest::with("web", json!({"driftPolicy": "Report", "monitoring": monitoring})));
    world.until("web", "ready", |seen| seen.is_ready()).await;
    let id = world.instance("web").id();
    world.quiet().await;
    // The list does not show it; the look every six hours does.
    world.sim.edit(id, |vm| vm.alerting = false);
    world.api.inject(memory::Fault::refuse(500).resource("itcareinstances").subresource("status"));
    world.pass(Duration::from_secs(6 * 3600 + 300)).await;
    assert!(world.api.faults_are_spent(), "the write was to fail");
    assert!(world.instance("web").has("Drifted", "True"), "{:?}", world.instance("web"));
}

#[tokio::test(start_paused = true)]
async fn a_vm_that_is_renamed_is_noticed_in_the_list_and_so_is_its_old_name() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let id = world.instance("web").id();
    for (name, reason) in [("PBANK", "IdentityMismatch"), ("PWEB", "Running")] {
        world.sim.edit(id, |vm| vm.name = name.to_owned());
        world.pass(Duration::from_secs(90)).await;
        assert_eq!(world.instance("web").reason(), reason, "named {name}: {:?}", world.instance("web"));
    }
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_comes_back_while_the_other_one_is_carried_out_is_sent_under_report() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"driftPolicy": "Report"})));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    world.patch("web", json!({"powerState": "Stopped"}));
    while world.sim.running().is_empty() {
        world.pass(Duration::from_millis(50)).await;
    }
    world.patch("web", json!({"powerState": "Running"}));
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop, Operation::Start]);
    assert_eq!(world.instance("web").reason(), "Running", "{:?}", world.instance("web"));
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_wish_that_git_takes_away_and_brings_back_is_sent_under_report() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"driftPolicy": "Report"})));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"powerState": null}));
    world.quiet().await;
    world.sim.edit(world.instance("web").id(), |vm| vm.status = "INACTIVE".to_owned());
    world.until_reason("web", "Stopped").await;
    world.patch("web", json!({"powerState": "Running"}));
    world.until_reason("web", "Running").await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Start]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_status_is_being_written_is_seen() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    // A look is asked for, and the write that tells of it takes longer than a list.
    let slow = ApiFault::delay_reply(Duration::from_secs(150)).subresource("status").writes();
    world.api.inject(slow.name("web"));
    world.ask_for_a_look("web");
    world.pass(Duration::from_secs(2)).await;
    world.sim.edit(world.instance("web").id(), |vm| vm.status = "INACTIVE".to_owned());
    world.pass(Duration::from_secs(300)).await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Start], "{}", world.tail());
    world.audit();
}
