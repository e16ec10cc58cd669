//! Two clusters on one account, backups that come back in another cluster, and one-shots that Git applies anew.

use std::time::Duration;

use itcare_sim::{Operation, Sim};
use serde_json::{Value, json};

use super::damage::LEDGER;
use crate::plan::{CLOUDS, on_paused_time, world_of};
use crate::support::{Seen, World, manifest};

fn resets(sim: &Sim) -> u32 {
    sim.instances().iter().map(|vm| vm.resets).sum()
}

/// The object as a backup holds it.
fn backup(seen: &Seen) -> Value {
    json!({
        "apiVersion": seen.0["apiVersion"],
        "kind": seen.0["kind"],
        "metadata": {"name": "web", "namespace": "shop", "annotations": seen.0["metadata"]["annotations"]},
        "spec": seen.0["spec"],
    })
}

#[test]
fn of_two_clusters_with_one_manifest_the_second_is_told_whose_the_vm_is() {
    for cloud in CLOUDS {
        on_paused_time(async {
            let one = world_of(cloud);
            let _first = one.start();
            one.apply(manifest::instance("web"));
            one.until_reason("web", "Running").await;
            let id = one.instance("web").id();
            let two = one.beside("cluster-two");
            let _second = two.start();
            two.apply(manifest::instance("web"));
            two.until("web", "told", |seen| seen.is_stalled("NameTaken")).await;
            assert!(two.instance("web").message().contains(&id.to_string()), "{:?}", two.instance("web"));
            two.delete("web");
            two.until_gone("itcareinstances", "web").await;
            one.pass(Duration::from_secs(3600)).await;
            assert!(one.instance("web").is_ready());
            assert_eq!(one.change_words(), [Operation::Create]);
            one.audit();
            two.audit();
        });
    }
}

#[test]
fn two_clusters_that_race_for_one_name_make_one_vm_where_itcare_protects_us() {
    for head_start in [0, 1, 4, 8, 16, 40, 200, 1_900, 2_100] {
        on_paused_time(async {
            let one = World::new();
            let two = one.beside("cluster-two");
            let (_first, _second) = (one.start(), two.start());
            one.pass(Duration::from_secs(10)).await;
            one.apply(manifest::instance("web"));
            one.pass(Duration::from_millis(head_start)).await;
            two.apply(manifest::instance("web"));
            one.pass(Duration::from_secs(3 * 3600)).await;
            assert_eq!(one.sim.report().created, 1, "{head_start}:\n{}", one.tail());
            for world in [&one, &two] {
                let seen = world.instance("web");
                assert!(seen.is_ready() || seen.has("Stalled", "True"), "{head_start}: {seen:#?}");
                world.audit();
            }
        });
    }
}

#[test]
fn a_backup_in_another_cluster_makes_no_call_until_it_is_claimed() {
    for cloud in CLOUDS {
        for claims in [false, true] {
            on_paused_time(async {
                let one = world_of(cloud);
                let first = one.start();
                one.apply(manifest::instance("web"));
                one.until_reason("web", "Running").await;
                one.quiet().await;
                let saved = backup(&one.instance("web"));
                let id = one.instance("web").id();
                let two = one.beside("cluster-two");
                let _second = two.start();
                two.api.create(saved).expect("it is accepted");
                two.until("web", "foreign", |seen| seen.is_stalled("ForeignLedger")).await;
                let mark = one.sim.journal().iter().filter(|entry| entry.instance == Some(id)).count();
                two.pass(Duration::from_secs(3600)).await;
                let calls = one.sim.journal().iter().filter(|entry| entry.instance == Some(id)).count();
                assert_eq!(calls, mark, "a call for a VM of another cluster:\n{}", two.tail());
                assert!(one.instance("web").is_ready());
                if claims {
                    // The other cluster is gone for good, and a person says so.
                    first.kill();
                    two.patch("web", json!({"instanceId": id, "powerState": "Stopped"}));
                    two.until_reason("web", "Stopped").await;
                    assert_eq!(two.instance("web").ledger()["cluster"], "cluster-two");
                    two.delete("web");
                    two.until_gone("itcareinstances", "web").await;
                    assert!(one.sim.report().leftovers.is_empty(), "it created this VM");
                } else {
                    // A backup holds no finalizer, and none is added to what is not ours.
                    two.delete("web");
                    two.until_gone("itcareinstances", "web").await;
                    two.pass(Duration::from_secs(3600)).await;
                    assert_eq!(one.change_words(), [Operation::Create]);
                }
                two.audit();
            });
        }
    }
}

#[test]
fn a_one_shot_that_git_applies_again_after_a_restore_does_not_run_again() {
    // What the backup held, and whether the status came back with it.
    for (ledger, status) in [(true, true), (true, false), (false, true), (false, false)] {
        on_paused_time(async {
            let world = World::lax();
            let _operator = world.start();
            world.apply(manifest::instance("web"));
            world.until_reason("web", "Running").await;
            let old = world.instance("web");
            world.pass(Duration::from_secs(60)).await;
            let request = json!({"reset": {"requestedAt": world.now().to_string()}});
            world.patch("web", request.clone());
            world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
            assert_eq!(resets(&world.sim), 1);
            world.pass(Duration::from_secs(60)).await;
            world.api.erase("itcareinstances", "shop", "web");
            let mut back = backup(&old);
            if !ledger {
                back["metadata"]["annotations"] = json!({});
            }
            back["spec"]["instanceId"] = json!(old.id());
            world.api.create(back).expect("it is accepted");
            if status {
                let old = old.status().clone();
                let edit = |object: &mut Value| object["status"] = old;
                world.api.edit("itcareinstances", "shop", "web", edit).expect("it is there");
            }
            world.patch("web", request);
            world.pass(Duration::from_secs(3 * 3600)).await;
            assert_eq!(resets(&world.sim), 1, "{:#?}\n{}", world.instance("web"), world.tail());
            assert!(world.instance("web").is_ready(), "{:#?}", world.instance("web"));
        });
    }
}

#[test]
fn an_adopted_vm_is_not_reset_again_for_a_request_that_the_receipt_tells_of() {
    on_paused_time(async {
        let world = World::lax();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.pass(Duration::from_secs(60)).await;
        world.patch("web", json!({"reset": {"requestedAt": world.now().to_string()}}));
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        // Both copies of the ledger are lost, the receipt is not; then the VM is adopted.
        let lose = |object: &mut Value| {
            object["metadata"]["annotations"][LEDGER] = json!("");
            object["status"]["ledger"] = json!("");
        };
        world.api.edit("itcareinstances", "shop", "web", lose).expect("it is there");
        world.until("web", "disowned", |seen| seen.is_stalled("NameTaken")).await;
        world.patch("web", json!({"instanceId": world.sim.instances()[0].id}));
        world.until("web", "adopted", |seen| seen.is_ready()).await;
        world.pass(Duration::from_secs(2 * 3600)).await;
        assert_eq!(resets(&world.sim), 1, "{:#?}\n{}", world.instance("web"), world.tail());
    });
}
