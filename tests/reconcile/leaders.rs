//! Two processes that both act: a lease is no fence, the ledger is the last defence (DESIGN 5.2, 9).

use std::time::Duration;

use itcare_lab::memory::Fault as ApiFault;
use itcare_sim::Operation;
use serde_json::{Value, json};

use crate::support::{World, manifest};

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_both_think_they_lead_one_creates() {
    for apart in (0..60).step_by(4) {
        // No election: each holds itself for the leader. And no cloud that would refuse the second VM.
        let world = World::lax();
        world.apply(manifest::instance("web"));
        let _one = world.start();
        world.pass(Duration::from_millis(apart)).await;
        let two = world.start();
        world.until_reason("web", "Running").await;
        two.kill();
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "started {apart} ms apart:\n{}", world.tail());
    }
}

#[tokio::test(start_paused = true)]
async fn a_lease_that_cannot_be_renewed_ends_all_effects() {
    let mut world = World::new();
    world.setup.elect = true;
    let operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.api.inject(ApiFault::hang().resource("leases").always());
    world.pass(Duration::from_secs(15)).await;
    let before = world.changes().len();
    world.patch("web", json!({"powerState": "Stopped"}));
    world.pass(Duration::from_secs(300)).await;
    assert!(!operator.gate.is_open() && world.changes().len() == before, "it still acts: {}", world.tail());
}

/// Each ledger that was written for this object, in order.
fn ledgers(world: &World, name: &str) -> Vec<Value> {
    let writes = world.api.writes().into_iter().filter(|write| write.name == name);
    let ledgers = writes.filter_map(|write| {
        let text = write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"].as_str()?.to_owned();
        serde_json::from_str(&text).ok()
    });
    ledgers.collect()
}

/// What creations wrote down before they were sent: the newest action that was known.
fn fences(world: &World, name: &str) -> Vec<i64> {
    let intents = ledgers(world, name).into_iter().filter(|ledger| ledger["intent"].is_object());
    intents.map(|ledger| ledger["intent"]["fence"]["action"].as_i64().unwrap_or_default()).collect()
}

#[tokio::test(start_paused = true)]
async fn what_happens_while_a_permit_is_waited_for_lies_before_the_fence() {
    let mut world = World::new();
    (world.setup.rate, world.setup.burst) = (0.2, 1);
    let names = ["one", "two", "three"];
    for name in names {
        world.apply(manifest::instance(name));
    }
    let _operator = world.start();
    for name in names {
        world.until_reason(name, "Running").await;
    }
    let mut made: Vec<(i64, i64)> = names
        .iter()
        .map(|name| {
            let id = world.instance(name).id();
            let vms = world.sim.instances();
            let vm = vms.iter().find(|vm| vm.id == id).expect("it is there");
            (vm.created_by_action.expect("it was made"), fences(&world, name)[0])
        })
        .collect();
    made.sort_unstable();
    for pair in made.windows(2) {
        assert!(
            pair[1].1 >= pair[0].0,
            "an action that was answered before is newer than the fence: {made:?}"
        );
    }
}

/// A second process that acts as well, from this long after the user's wish on; then the end of it all.
async fn two_act(world: &World, apart: u64, wish: impl Fn()) {
    let _one = world.start();
    world.until_reason("web", "Running").await;
    world.pass(Duration::from_secs(900)).await;
    let two = world.start();
    // Its caches are full by then.
    world.pass(Duration::from_secs(60)).await;
    wish();
    world.pass(Duration::from_millis(apart)).await;
    two.kill();
    world.quiet().await;
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_both_think_they_lead_one_resets() {
    for apart in (0..3000).step_by(150) {
        let world = World::lax();
        world.apply(manifest::instance("web"));
        two_act(&world, apart, || world.patch("web", json!({"reset": {"requestedAt": world.now()}}))).await;
        let web = world.instance("web");
        let resets = world.sim.instance(web.id()).expect("it is there").resets;
        assert_eq!(resets, 1, "the other one was killed {apart} ms later:\n{}", world.tail());
        assert_eq!(world.count(Operation::Reset), 1, "{apart} ms:\n{}", world.tail());
        let receipt = &web.status()["handledRequests"]["reset"];
        assert_eq!(receipt["result"], "Succeeded", "{apart} ms: {receipt}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_two_processes_that_both_think_they_lead_one_takes_and_recovers_a_snapshot() {
    for apart in (0..3000).step_by(150) {
        let world = World::lax();
        world.apply(manifest::instance("web"));
        two_act(&world, apart, || world.apply(manifest::snapshot("before", "web", json!({})))).await;
        let vm = || world.sim.instance(world.instance("web").id()).expect("it is there");
        assert_eq!(vm().snapshots.len(), 1, "{apart} ms:\n{}", world.tail());
        assert_eq!(world.count(Operation::SnapshotCreate), 1, "{apart} ms:\n{}", world.tail());
        two_act(&world, apart, || {
            let recover = json!({"recover": {"requestedAt": world.now()}});
            world.api.patch_spec("itcaresnapshots", "shop", "before", recover).expect("it is there");
        })
        .await;
        assert_eq!(vm().recoveries, 1, "{apart} ms:\n{}", world.tail());
        assert_eq!(world.count(Operation::SnapshotRecover), 1, "{apart} ms:\n{}", world.tail());
        let receipt = world.snapshot("before").status()["handledRequests"]["recover"].clone();
        assert_eq!(receipt["result"], "Succeeded", "{apart} ms: {receipt}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_leader_that_loses_its_lease_between_intent_and_send_sends_nothing() {
    for elected in [true, false] {
        let mut world = World::lax();
        world.setup.elect = true;
        let operator = world.start();
        world.pass(Duration::from_secs(1)).await;
        // The intent takes effect, and its reply comes after the lease, which cannot be renewed, has ended.
        let late = ApiFault::delay_reply(Duration::from_secs(20)).resource("itcareinstances").writes();
        world.api.inject(late.name("web"));
        if elected {
            world.api.inject(ApiFault::hang().resource("leases").always());
        }
        world.apply(manifest::instance("web"));
        world.until("web", "an intent", |seen| seen.ledger()["intent"].is_object()).await;
        world.pass(Duration::from_secs(60)).await;
        let sent = world.count(Operation::Create);
        if !elected {
            // The same with a lease that stands: the late reply alone holds nothing back.
            assert_eq!(sent, 1, "{}", world.tail());
            continue;
        }
        assert_eq!(sent, 0, "sent without the lease:\n{}", world.tail());
        operator.kill();
        world.api.clear_faults();
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.quiet().await;
        assert_eq!(world.sim.report().created, 1, "{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_takes_over_after_a_day_does_not_read_every_vm_at_once() {
    let mut world = World::new();
    world.setup.elect = true;
    let names: Vec<String> = (0..40).map(|number| format!("vm{number}")).collect();
    names.iter().for_each(|name| world.apply(manifest::instance(name)));
    let first = world.start();
    for name in &names {
        world.until_reason(name, "Running").await;
    }
    let _second = world.start();
    world.pass(Duration::from_secs(24 * 3600)).await;
    first.kill();
    world.pass(Duration::from_secs(60)).await;
    let before = world.count(Operation::Detail);
    world.pass(Duration::from_secs(600)).await;
    let read = world.count(Operation::Detail) - before;
    assert!(read <= 4, "{read} of 40 within ten minutes of the fail-over:\n{}", world.tail());
    world.pass(Duration::from_secs(6 * 3600)).await;
    let read = world.count(Operation::Detail) - before;
    assert!(read >= 40, "only {read} of 40 within the detail interval");
}

#[tokio::test(start_paused = true)]
async fn the_fence_is_the_newest_that_any_reply_told() {
    let world = World::new();
    let _operator = world.start();
    for name in ["one", "two"] {
        world.apply(manifest::instance(name));
        world.until_reason(name, "Running").await;
    }
    let newest = |until| {
        let actions = world.sim.actions().into_iter().filter(|action| action.submitted_at < until);
        actions.map(|action| action.id).max()
    };
    let journal = world.sim.journal();
    let sent = journal.iter().filter(|entry| entry.operation == Operation::Create).collect::<Vec<_>>();
    assert_eq!(fences(&world, "two")[0], newest(sent[1].at).expect("the first creation's"));
    let intent = ledgers(&world, "two").into_iter().find(|ledger| ledger["intent"].is_object());
    let date = intent.expect("it was written")["intent"]["fence"]["date"].clone();
    let date: jiff::Timestamp = date.as_str().expect("a date").parse().expect("a date");
    let told = journal.iter().filter(|entry| entry.at < sent[1].at).map(|entry| entry.at).max();
    let told = told.expect("something was read before");
    // The header has whole seconds.
    assert_eq!(date.as_second(), told.as_second());
}
