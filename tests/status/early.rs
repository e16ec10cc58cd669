//! "Done" is never seen before the cloud is as asked: checked on every version of every object of a busy hour.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures::StreamExt;
use itcare_lab::kstatus::{Status, compute, kubectl_wait};
use itcare_sim::{Fault, FaultKind, Match};
use serde_json::{Value, json};

use crate::support::{World, manifest};
use crate::tape::versions;

/// Whether the VM in the cloud is what the object's spec asks for.
fn is_as_asked(world: &World, object: &Value) -> bool {
    let Some(id) = object["status"]["id"].as_i64() else { return false };
    let Some(vm) = world.sim.instance(id).filter(|vm| vm.live) else { return false };
    let spec = &object["spec"];
    let power = match spec["powerState"].as_str() {
        Some("Running") => vm.status == "ACTIVE",
        Some("Stopped") => vm.status == "INACTIVE",
        _ => true,
    };
    let size = spec["size"].as_str().is_none_or(|size| size == format!("{}cpu{}gb", vm.cpu, vm.ram));
    let backup = spec["backup"]["enabled"].as_bool().is_none_or(|enabled| enabled == vm.backup);
    let patching =
        spec["patching"]["excluded"].as_bool().is_none_or(|excluded| excluded == vm.patch_excluded);
    power && size && backup && patching
}

#[tokio::test(start_paused = true)]
async fn nobody_sees_done_before_it_is() {
    let faults = [
        None,
        Some(FaultKind::DropAfter),
        Some(FaultKind::DropBefore),
        Some(FaultKind::HangForever { effect: true }),
        Some(FaultKind::ActionFails("not now".to_owned())),
        Some(FaultKind::Truncate),
        Some(FaultKind::ExpireTokens),
    ];
    for fault in faults {
        for every in [1, 2, 5] {
            let world = Arc::new(World::new());
            let early: Arc<Mutex<Vec<String>>> = Arc::default();
            let watching = {
                let (world, early) = (Arc::clone(&world), Arc::clone(&early));
                let mut versions = versions(&world.api, "itcareinstances");
                tokio::spawn(async move {
                    // Read at the very moment at which a version appears: later the cloud may have moved.
                    while let Some(object) = versions.next().await {
                        let done = compute(&object).expect("kstatus reads it").status == Status::Current;
                        assert_eq!(done, kubectl_wait(&object, "Ready", "True"), "{object:#}");
                        if done && !is_as_asked(&world, &object) {
                            early.lock().expect("free").push(format!("{object:#}"));
                        }
                    }
                })
            };
            let _operator = world.start();
            if let Some(kind) = &fault {
                let matches = Match { path_contains: Some("/itcare/".to_owned()), ..Match::mutating() };
                for skip in 0..4 {
                    world.sim.inject(Fault::once(matches.clone(), kind.clone()).after(skip * every));
                }
            }
            for name in ["one", "two"] {
                world.apply(manifest::with(name, json!({"serviceId": 14, "resizePolicy": "StopStart"})));
            }
            for spec in [
                json!({"powerState": "Stopped"}),
                json!({"size": "4cpu8gb", "powerState": "Running"}),
                json!({"backup": {"enabled": true}, "patching": {"excluded": true, "exclusionReason": "x"}}),
                json!({"size": "2cpu4gb"}),
            ] {
                world.pass(Duration::from_secs(97)).await;
                for name in ["one", "two"] {
                    world.patch(name, spec.clone());
                }
            }
            world.quiet().await;
            for name in ["one", "two"] {
                assert!(world.instance(name).is_ready(), "{fault:?} {every}: {:?}", world.instance(name));
            }
            watching.abort();
            let early = early.lock().expect("free").clone();
            assert!(early.is_empty(), "{fault:?} {every}: done too early:\n{}", early.join("\n"));
            world.audit();
        }
    }
}
