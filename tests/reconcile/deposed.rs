//! A replica that loses its lease in the middle of its work: whatever it still learns, the next leader writes it.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use kube::api::{Patch, PatchParams};
use serde_json::json;

use crate::support::{World, manifest};

/// Somebody else takes the lease, as happens to a leader that was frozen for longer than that.
async fn depose(world: &World) {
    let leases: Api<Lease> = Api::namespaced(world.api.client(), "default");
    let patch = Patch::Merge(json!({"spec": {"holderIdentity": "another"}}));
    leases.patch("itcare-operator", &PatchParams::default(), &patch).await.expect("there is a lease");
}

fn writes(world: &World) -> usize {
    let all = world.api.writes().into_iter();
    all.filter(|write| write.resource.starts_with("itcare") || write.resource == "events").count()
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_was_deposed_with_a_call_in_flight_writes_nothing_when_it_ends() {
    for kind in [FaultKind::Delay(Duration::from_secs(6)), FaultKind::HangForever { effect: true }] {
        let mut world = World::new();
        world.setup.elect = true;
        world.setup.timeout = Duration::from_secs(6);
        let replica = world.start();
        world.pass(Duration::from_secs(1)).await;
        world.sim.inject(Fault::once(Match::operation(Operation::Create), kind));
        world.apply(manifest::instance("web"));
        while world.changes().is_empty() {
            world.pass(Duration::from_millis(10)).await;
        }
        depose(&world).await;
        while replica.gate.is_open() {
            world.pass(Duration::from_millis(10)).await;
        }
        let before = writes(&world);
        // The call ends, one way or the other, while the other one's lease is good.
        world.pass(Duration::from_secs(10)).await;
        assert!(!replica.gate.is_open());
        assert_eq!(writes(&world), before, "{:#?}", world.api.writes().last());
        // The other one never says anything again: this one leads anew, and looks.
        world.until_reason("web", "Running").await;
        assert_eq!(world.sim.report().created, 1);
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_ends_on_a_signal_still_writes_what_its_call_came_to() {
    let mut world = World::new();
    world.setup.elect = true;
    let replica = world.start();
    world.pass(Duration::from_secs(1)).await;
    world
        .sim
        .inject(Fault::once(Match::operation(Operation::Create), FaultKind::Delay(Duration::from_secs(6))));
    world.apply(manifest::instance("web"));
    while world.changes().is_empty() {
        world.pass(Duration::from_millis(10)).await;
    }
    // No new effect starts from here on; the lease is kept until the reply is written down.
    replica.terminate().await;
    let operation = world.instance("web").status()["operation"].clone();
    assert_eq!(operation["kind"], "Create", "{:?}", world.instance("web"));
    assert!(operation["actionId"].is_i64(), "{operation}");
}
