//! Recoveries: at most once for each request, of the recorded snapshot on the recorded VM only.

use std::time::Duration;

use itcare_sim::{ActionRecord, Fault, FaultKind, Match, Operation, Wait};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::snapshots::taken;
use crate::support::World;

fn now(world: &World) -> Timestamp {
    Timestamp::from_second(world.now().as_second()).expect("a time")
}

fn receipt(world: &World) -> Value {
    world.snapshot("before").status()["handledRequests"]["recover"].clone()
}

fn recover(world: &World) {
    let requested = now(world);
    world
        .api
        .patch_spec("itcaresnapshots", "shop", "before", json!({"recover": {"requestedAt": requested}}))
        .expect("it is there");
}

fn recoveries(world: &World) -> u32 {
    world.sim.instance(world.instance("web").id()).expect("it is there").recoveries
}

#[tokio::test(start_paused = true)]
async fn a_recovery_runs_once_for_each_request() {
    let world = World::new();
    let _operator = world.start();
    taken(&world).await;
    for round in 1..=2 {
        world.pass(Duration::from_secs(900)).await;
        recover(&world);
        let requested = world.snapshot("before").0["spec"]["recover"]["requestedAt"].clone();
        world
            .until_snapshot("before", "receipt", |seen| {
                seen.status()["handledRequests"]["recover"]["requestedAt"] == requested
            })
            .await;
        world.quiet().await;
        assert_eq!(recoveries(&world), round);
        let receipt = receipt(&world);
        assert_eq!(receipt["result"], "Succeeded");
        let ran =
            |action: &ActionRecord| Some(action.process.as_str()) == Operation::SnapshotRecover.process();
        let action = world.sim.actions().into_iter().rfind(ran).expect("it ran");
        assert_eq!(receipt["actionId"], action.id);
        assert!(receipt["finishedAt"].is_string());
        assert!(world.snapshot("before").status()["recoveredAt"].is_string());
    }
    // An older value, and taking it away, do nothing.
    let older = Timestamp::from_second(now(&world).as_second() - 1800).expect("a time");
    for spec in [json!({"recover": {"requestedAt": older}}), json!({"recover": null})] {
        world.api.patch_spec("itcaresnapshots", "shop", "before", spec).expect("it is there");
        world.quiet().await;
    }
    assert_eq!(recoveries(&world), 2);
    assert!(world.instance("web").is_ready());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_recovery_right_before_the_snapshot_expires_is_not_sent_and_told() {
    for (left, runs) in [(1200, 1), (540, 0), (60, 0)] {
        let world = World::new();
        let _operator = world.start();
        taken(&world).await;
        let expires = world.snapshot("before").status()["expiresAt"].as_str().expect("a time").to_owned();
        let expires: Timestamp = expires.parse().expect("a time");
        let wait = expires.as_second() - now(&world).as_second() - left;
        world.pass(Duration::from_secs(u64::try_from(wait).expect("it lies ahead"))).await;
        recover(&world);
        world
            .until_snapshot("before", "receipt", |seen| {
                seen.status()["handledRequests"]["recover"].is_object()
            })
            .await;
        world.quiet().await;
        assert_eq!(recoveries(&world), runs, "{left} s before its end:\n{}", world.tail());
        let result = if runs == 1 { "Succeeded" } else { "Expired" };
        assert_eq!(receipt(&world)["result"], result, "{left} s before its end: {}", receipt(&world));
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_never_runs_twice() {
    let status = FaultKind::status;
    for (name, kind, most) in [
        ("lost reply", FaultKind::DropAfter, 1),
        ("reset before", FaultKind::DropBefore, 0),
        ("time-out with effect", FaultKind::HangForever { effect: true }, 1),
        ("late effect", FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: true }, 1),
        ("500 without", status(500, false), 0),
        ("the action vanishes", FaultKind::ActionVanishes, 1),
        ("the action fails", FaultKind::ActionFails("no".to_owned()), 0),
    ] {
        let world = World::new();
        let _operator = world.start();
        taken(&world).await;
        world.pass(Duration::from_secs(900)).await;
        world.sim.inject(Fault::once(Match::operation(Operation::SnapshotRecover), kind));
        recover(&world);
        world
            .until_snapshot("before", &format!("receipt after {name}"), |seen| {
                seen.status()["handledRequests"]["recover"].is_object()
            })
            .await;
        world.quiet().await;
        assert_eq!(world.count(Operation::SnapshotRecover), 1, "{name}:\n{}", world.tail());
        assert_eq!(recoveries(&world), most, "{name}");
        assert!(world.snapshot("before").is_ready(), "{name}");
        world.audit();
    }
}

async fn until_receipt(world: &World, after: &str) {
    let words = format!("receipt after {after}");
    world
        .until_snapshot("before", &words, |seen| seen.status()["handledRequests"]["recover"].is_object())
        .await;
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_was_certainly_not_executed_leaves_no_intent_and_is_sent_again() {
    let wait = FaultKind::RetryAfter { code: 429, wait: Wait::Seconds(30), effect: false };
    for kind in [FaultKind::status(401, false), FaultKind::status(403, false), wait] {
        let world = World::new();
        let _operator = world.start();
        taken(&world).await;
        world.pass(Duration::from_secs(900)).await;
        world.sim.inject(Fault::once(Match::operation(Operation::SnapshotRecover), kind.clone()));
        recover(&world);
        while world.count(Operation::SnapshotRecover) == 0 {
            world.pass(Duration::from_millis(50)).await;
        }
        // At once, not only after a settle time.
        world.pass(Duration::from_secs(1)).await;
        let intent = world.snapshot("before").ledger()["intent"].clone();
        assert!(intent.is_null(), "{kind:?}: {intent}\n{}", world.tail());
        until_receipt(&world, &format!("{kind:?}")).await;
        world.quiet().await;
        assert_eq!(receipt(&world)["result"], "Succeeded", "{kind:?}");
        assert_eq!(recoveries(&world), 1, "{kind:?}");
        assert_eq!(world.count(Operation::SnapshotRecover), 2, "{kind:?}:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_recovery_that_was_refused_once_is_sent_again_after_a_settle_time() {
    for code in [400, 404, 409, 422] {
        let world = World::new();
        let _operator = world.start();
        taken(&world).await;
        world.pass(Duration::from_secs(900)).await;
        let refuse = FaultKind::status(code, false);
        world.sim.inject(Fault::once(Match::operation(Operation::SnapshotRecover), refuse));
        recover(&world);
        until_receipt(&world, &format!("{code}")).await;
        world.quiet().await;
        assert_eq!(receipt(&world)["result"], "Succeeded", "{code}");
        assert_eq!(recoveries(&world), 1, "{code}");
        let journal = world.sim.journal().into_iter();
        let sent: Vec<_> = journal
            .filter(|entry| entry.operation == Operation::SnapshotRecover)
            .map(|entry| entry.at)
            .collect();
        assert_eq!(sent.len(), 2, "{code}:\n{}", world.tail());
        let apart = sent[1].duration_since(sent[0]);
        assert!(apart >= SignedDuration::from_secs(120), "{code}: sent again after {apart}");
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn nothing_is_recovered_on_a_vm_that_is_not_the_recorded_one_any_more() {
    for spoil in ["name", "service"] {
        let world = World::new();
        let _operator = world.start();
        taken(&world).await;
        world.pass(Duration::from_secs(900)).await;
        let id = world.instance("web").id();
        world.sim.edit(id, |vm| match spoil {
            "name" => vm.name = "PBANK".to_owned(),
            _ => vm.service_id = 14,
        });
        recover(&world);
        world.until("web", "mismatch", |seen| seen.is_stalled("IdentityMismatch")).await;
        world.quiet().await;
        assert_eq!(world.count(Operation::SnapshotRecover), 0, "another {spoil}:\n{}", world.tail());
        let words = world.snapshot("before").message().to_owned();
        assert!(words.contains("the recovery waits") && words.contains(&id.to_string()), "{spoil}: {words}");
        until_receipt(&world, spoil).await;
        assert_eq!(receipt(&world)["result"], "Expired", "another {spoil}");
        assert_eq!(world.count(Operation::SnapshotRecover), 0, "another {spoil}:\n{}", world.tail());
        world.audit();
    }
}
