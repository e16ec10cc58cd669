//! VMs that were there before: adopted by id or name, observed, contested.

use std::time::Duration;

use itcare_sim::{Operation, SeedInstance};
use serde_json::json;

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn a_vm_named_by_its_id_is_adopted_and_kept_at_deletion() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance::new("PWEB", 13));
    let _operator = world.start();
    world.apply(manifest::with(
        "web",
        json!({"instanceId": id, "region": null, "platform": null, "size": null}),
    ));
    world.until_reason("web", "Running").await;
    assert_eq!(world.instance("web").ledger()["origin"], "Adopted");
    world.quiet().await;
    assert_eq!(world.changes().len(), 0);
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.changes().len(), 0, "a VM that was taken over was changed at deletion");
    assert!(world.sim.instance(id).expect("it is there").live);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_adopted_vm_is_brought_to_the_spec() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance { cpu: 1, ram: 2, ..SeedInstance::new("PWEB", 13) }.stopped());
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"adoptionPolicy": "ByName"})));
    world.until("web", "ready", |seen| seen.is_ready()).await;
    assert_eq!(world.instance("web").id(), id);
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Resize, Operation::Start]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_adopted_vm_under_report_is_left_as_it_is() {
    let world = World::new();
    world.sim.seed(SeedInstance { cpu: 1, ram: 2, ..SeedInstance::new("PWEB", 13) }.stopped());
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"adoptionPolicy": "ByName", "driftPolicy": "Report"})));
    world.until("web", "drifted", |seen| seen.has("Drifted", "True")).await;
    world.quiet().await;
    let web = world.instance("web");
    assert_eq!(web.reason_of("Drifted"), "Drift");
    assert!(web.is_ready(), "{web:?}");
    let fields: Vec<_> = web.status()["drift"]
        .as_array()
        .expect("a list")
        .iter()
        .map(|drift| drift["field"].clone())
        .collect();
    assert_eq!(fields, ["size", "powerState"]);
    assert_eq!(world.changes().len(), 0);
    // A change in Git is carried out, and only that.
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "resized", |seen| seen.status()["size"] == "4cpu8gb").await;
    world.quiet().await;
    assert_eq!(world.change_words(), [Operation::Resize]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn by_name_with_two_of_that_name_asks_which() {
    let world = World::lax();
    let one = world.sim.seed(SeedInstance::new("PWEB", 13));
    let two = world.sim.seed(SeedInstance::new("pweb", 13));
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"adoptionPolicy": "ByName"})));
    world.until("web", "ambiguous", |seen| seen.is_stalled("Ambiguous")).await;
    let message = world.instance("web").message().to_owned();
    assert!(message.contains(&one.to_string()) && message.contains(&two.to_string()), "{message}");
    world.patch("web", json!({"instanceId": two}));
    world.until_reason("web", "Running").await;
    assert_eq!(world.instance("web").id(), two);
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn the_wrong_id_is_refused_by_name_and_service() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance::new("POTHER", 13));
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"instanceId": id})));
    world.until("web", "mismatch", |seen| seen.is_stalled("IdentityMismatch")).await;
    assert!(world.instance("web").message().contains("POTHER"));
    world.apply(manifest::with("db", json!({"instanceId": 99})));
    world.until("db", "missing", |seen| seen.is_stalled("InstanceMissing")).await;
    world.quiet().await;
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_observed_vm_is_shown_and_never_touched() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance::new("PWEB", 13).stopped());
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"managementPolicy": "Observe"})));
    world.until_reason("web", "Stopped").await;
    let web = world.instance("web");
    assert_eq!(web.id(), id);
    assert!(!web.has_finalizer(), "{web:?}");
    world.sim.edit(id, |vm| vm.status = "ACTIVE".to_owned());
    world.until_reason("web", "Running").await;
    world.delete("web");
    world.until_gone("itcareinstances", "web").await;
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn an_observed_name_that_does_not_exist_is_missing_until_it_does() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"managementPolicy": "Observe"})));
    world.until("web", "missing", |seen| seen.is_stalled("InstanceMissing")).await;
    world.sim.seed(SeedInstance::new("PWEB", 13));
    world.until_reason("web", "Running").await;
    assert_eq!(world.changes().len(), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn managing_becomes_observing_and_managing_again() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"managementPolicy": "Observe"}));
    world.until("web", "no finalizer", |seen| !seen.has_finalizer() && seen.is_ready()).await;
    let id = world.instance("web").id();
    world.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
    world.until_reason("web", "Stopped").await;
    world.patch("web", json!({"managementPolicy": "Manage"}));
    world.until_reason("web", "Running").await;
    assert!(world.instance("web").has_finalizer());
    assert_eq!(world.instance("web").id(), id);
    assert_eq!(world.change_words(), [Operation::Create, Operation::Start]);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn of_two_objects_for_one_vm_the_first_keeps_it() {
    for lax in [false, true] {
        let world = if lax { World::lax() } else { World::new() };
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.apply(manifest::with("copy", json!({"name": "pweb", "powerState": "Stopped"})));
        world.until("copy", "in conflict", |seen| seen.is_stalled("Conflict")).await;
        assert!(world.instance("copy").message().contains("shop/web"));
        world.quiet().await;
        world.delete("copy");
        world.until_gone("itcareinstances", "copy").await;
        assert_eq!(world.change_words(), [Operation::Create]);
        // The holder gone, another object may have the name.
        world.apply(manifest::with("next", json!({"name": "pweb"})));
        world.until("next", "in conflict", |seen| seen.is_stalled("Conflict")).await;
        world.delete("web");
        world.until_gone("itcareinstances", "web").await;
        world.until_reason("next", "Running").await;
        assert_eq!(world.sim.report().created, 2);
        assert_eq!(world.sim.report().leftovers.len(), 1);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn two_objects_that_come_together_make_one_vm() {
    for lax in [false, true] {
        let world = if lax { World::lax() } else { World::new() };
        world.apply(manifest::instance("web"));
        world.pass(Duration::from_secs(2)).await;
        world.apply(manifest::with("copy", json!({"name": "PWEB"})));
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.until("copy", "in conflict", |seen| seen.is_stalled("Conflict")).await;
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_namespace_uses_only_the_services_it_may() {
    let mut world = World::new();
    let allowed = [("shop".to_owned(), [14].into_iter().collect())].into_iter().collect();
    world.setup.allowed_services = Some(allowed);
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "not allowed", |seen| seen.is_stalled("ServiceNotAllowed")).await;
    assert!(world.instance("web").message().contains("13"));
    world.quiet().await;
    assert_eq!(world.changes().len(), 0);
    operator.kill();
    world.setup.allowed_services = None;
    let _operator = world.start();
    world.until_reason("web", "Running").await;
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_name_that_another_service_holds_is_asked_for_once_and_then_only_looked_for() {
    let world = World::new();
    let id = world.sim.seed(SeedInstance::new("PWEB", 14));
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until("web", "refused", |seen| seen.is_stalled("NameTaken")).await;
    world.pass(Duration::from_secs(1200)).await;
    assert!(world.instance("web").message().contains(&id.to_string()), "{}", world.instance("web").message());
    let revision = world.api.revision();
    world.pass(Duration::from_secs(24 * 3600)).await;
    assert_eq!(world.count(Operation::Create), 1, "{}", world.tail());
    assert_eq!(world.api.revision(), revision, "{:?}", world.api.writes().last());
    world.sim.edit(id, |vm| vm.live = false);
    world.until_reason("web", "Running").await;
    world.audit();
}
