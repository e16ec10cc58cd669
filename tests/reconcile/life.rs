//! From creation to deletion when nothing goes wrong.

use std::time::Duration;

use itcare_sim::Operation;
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn a_manifest_becomes_one_running_vm() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let web = world.instance("web");
    assert!(web.is_ready(), "{web:?}");
    let vm = world.sim.instance(web.id()).expect("it exists");
    assert_eq!((vm.name.as_str(), vm.service_id, vm.cpu, vm.ram), ("PWEB", 13, 2, 4));
    let status = web.status();
    assert_eq!(status["powerState"], "Running");
    assert_eq!(status["size"], "2cpu4gb");
    assert_eq!(status["state"], "ACTIVE");
    assert_eq!(status["ipAddress"], vm.ip_address.as_str());
    assert_eq!(status["location"]["region"], "EB");
    assert_eq!(status["lastOperation"]["kind"], "Create");
    assert_eq!(status["lastOperation"]["result"], "Succeeded");
    assert!(status.get("operation").is_none(), "{web:?}");
    assert_eq!(web.ledger()["origin"], "Created");
    assert!(web.ledger().get("intent").is_none());
    assert!(web.has_finalizer());
    assert_eq!(world.change_words(), [Operation::Create]);
    assert_eq!(world.count(Operation::Detail), 1);
    world.quiet().await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_converged_vm_costs_nothing_but_the_sweep() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let revision = world.api.revision();
    world.sim.clear_journal();
    world.pass(Duration::from_secs(600)).await;
    let calls: Vec<Operation> = world.sim.journal().iter().map(|entry| entry.operation).collect();
    assert!(calls.iter().all(|call| matches!(call, Operation::List | Operation::Token)), "{calls:?}");
    let lists = world.count(Operation::List);
    assert!((9..=11).contains(&lists), "lists in ten minutes: {lists}");
    assert_eq!(world.api.revision(), revision, "nothing is written");
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_event_that_comes_again_counts_up() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    for _ in 0..3 {
        for state in ["Stopped", "Running"] {
            world.patch("web", json!({"powerState": state}));
            world.until_reason("web", state).await;
        }
    }
    let events = world.api.list("events");
    let stopped: Vec<_> = events.iter().filter(|event| event["reason"] == "Stopped").collect();
    assert_eq!(stopped.len(), 1, "{stopped:?}");
    assert_eq!(stopped[0]["series"]["count"], 3, "{stopped:?}");
    assert_eq!(stopped[0]["regarding"]["name"], "web");
}

#[tokio::test(start_paused = true)]
async fn deleting_the_object_stops_and_deletes_the_vm() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    let id = world.instance("web").id();
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert!(!world.sim.instance(id).expect("it existed").live);
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop, Operation::Delete]);
    world.quiet().await;
    assert!(world.sim.report().leftovers.is_empty());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_vm_wished_stopped_is_created_and_then_stopped() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
    world.until_reason("web", "Stopped").await;
    assert!(world.instance("web").is_ready());
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop]);
    world.patch("web", json!({"powerState": "Running"}));
    world.until_reason("web", "Running").await;
    assert_eq!(world.change_words(), [Operation::Create, Operation::Stop, Operation::Start]);
    world.quiet().await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn every_group_of_fields_is_changed_by_its_own_operation() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"serviceId": 14})));
    world.until_reason("web", "Running").await;
    let changes = [
        (json!({"size": "4cpu8gb"}), Operation::Resize),
        (json!({"monitoring": {"enabled": true, "alerting": true}}), Operation::UpdateMonitoring),
        (json!({"patching": {"excluded": true, "exclusionReason": "by hand"}}), Operation::UpdatePatchParty),
        (
            json!({"patching": {"excluded": false, "exclusionReason": null, "group": 3}}),
            Operation::UpdatePatchParty,
        ),
        (json!({"replication": {"enabled": true}}), Operation::UpdateStorageReplication),
        (json!({"backup": {"enabled": true}}), Operation::UpdateBackup),
    ];
    for (spec, operation) in changes {
        world.sim.clear_journal();
        world.patch("web", spec.clone());
        world.until("web", &format!("ready after {spec}"), |seen| seen.is_ready()).await;
        assert_eq!(world.change_words(), [operation], "{spec}");
        world.quiet().await;
        assert_eq!(world.change_words(), [operation], "{spec}");
    }
    let vm = world.sim.instance(world.instance("web").id()).expect("it exists");
    assert_eq!((vm.cpu, vm.ram), (4, 8));
    assert!(vm.monitoring && vm.alerting && vm.replication && vm.backup && !vm.patch_excluded);
    assert_eq!(vm.patch_group, Some(3));
    world.audit();
}
