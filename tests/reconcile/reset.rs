//! The one-shot reset: at most once for each request, whatever happens.

use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation, Wait};
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use crate::support::{World, manifest};

/// How long after a call it is looked for, as `Setup` has it.
const SETTLE: SignedDuration = SignedDuration::from_secs(120);

async fn running() -> World {
    let world = World::new();
    world.apply(manifest::instance("web"));
    world
}

/// A request made this long from now.
fn at(world: &World, ahead: i64) -> Timestamp {
    Timestamp::from_second(world.now().as_second() + ahead).expect("a time")
}

fn resets(world: &World) -> u32 {
    world.sim.instance(world.instance("web").id()).expect("it is there").resets
}

fn receipt(world: &World) -> Value {
    world.instance("web").status()["handledRequests"]["reset"].clone()
}

#[tokio::test(start_paused = true)]
async fn a_reset_runs_once_for_each_request() {
    let world = running().await;
    let _operator = world.start();
    world.until_reason("web", "Running").await;
    world.pass(Duration::from_secs(900)).await;
    for round in 1..=2 {
        let requested = at(&world, 0);
        world.patch("web", json!({"reset": {"requestedAt": requested, "comment": "it hangs"}}));
        world
            .until("web", "receipt", |seen| {
                seen.status()["handledRequests"]["reset"]["requestedAt"] == json!(requested)
            })
            .await;
        world.quiet().await;
        assert_eq!(resets(&world), round);
        let receipt = receipt(&world);
        let action = world
            .sim
            .actions()
            .into_iter()
            .rfind(|action| Some(action.process.as_str()) == Operation::Reset.process());
        let action = action.expect("it ran");
        assert_eq!((&receipt["result"], &receipt["actionId"]), (&json!("Succeeded"), &json!(action.id)));
        let finished: Timestamp = receipt["finishedAt"].as_str().expect("a time").parse().expect("a time");
        assert!(finished >= requested && finished <= at(&world, 0), "{receipt}");
        assert!(world.instance("web").is_ready());
    }
    // An older value, and taking it away, do nothing.
    world.patch("web", json!({"reset": {"requestedAt": at(&world, -1200)}}));
    world.quiet().await;
    world.patch("web", json!({"reset": null}));
    world.quiet().await;
    assert_eq!(resets(&world), 2);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_reset_never_runs_twice_and_says_when_nobody_knows() {
    let status = FaultKind::status;
    for (name, kind, most) in [
        ("lost reply", FaultKind::DropAfter, 1),
        ("reset before", FaultKind::DropBefore, 0),
        ("time-out with effect", FaultKind::HangForever { effect: true }, 1),
        ("time-out without", FaultKind::HangForever { effect: false }, 0),
        ("late effect", FaultKind::DelayedEffect { after: Duration::from_secs(60), hang: true }, 1),
        ("500 with effect", status(500, true), 1),
        ("500 without", status(500, false), 0),
        ("truncated", FaultKind::Truncate, 1),
        ("the action vanishes", FaultKind::ActionVanishes, 1),
        ("the action fails", FaultKind::ActionFails("no".to_owned()), 0),
    ] {
        let world = running().await;
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::once(Match::operation(Operation::Reset), kind));
        world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
        world
            .until("web", &format!("receipt after {name}"), |seen| {
                seen.status()["handledRequests"]["reset"].is_object()
            })
            .await;
        world.quiet().await;
        assert_eq!(world.count(Operation::Reset), 1, "{name}:\n{}", world.tail());
        assert_eq!(resets(&world), most, "{name}");
        let result = receipt(&world)["result"].clone();
        assert!(
            result == "OutcomeUnknown" || result == "Succeeded" || result == "Failed",
            "{name}: {result}"
        );
        if most == 0 {
            assert_ne!(result, "Succeeded", "{name}");
        }
        assert!(world.instance("web").is_ready(), "{name}: {:?}", world.instance("web"));
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_crash_at_any_moment_of_a_reset_runs_it_at_most_once() {
    for moment in (0..3000).step_by(20) {
        let world = running().await;
        let operator = world.start();
        world.until_reason("web", "Running").await;
        world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
        world.pass(Duration::from_millis(moment)).await;
        operator.kill();
        let _operator = world.start();
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        world.quiet().await;
        assert!(resets(&world) <= 1, "killed after {moment} ms:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_request_that_is_refused_is_tried_until_its_end_and_then_told() {
    let world = running().await;
    let _operator = world.start();
    world.until_reason("web", "Running").await;
    let refuse = FaultKind::status(422, false);
    world.sim.inject(Fault::always(Match::operation(Operation::Reset), refuse));
    world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
    world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
    assert_eq!(receipt(&world)["result"], "Refused");
    assert_eq!(resets(&world), 0);
    world.quiet().await;
    assert!(world.instance("web").is_ready());
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_reset_waits_for_a_running_vm_and_holds_nothing_back() {
    let world = World::new();
    world.apply(manifest::with("web", json!({"powerState": "Stopped"})));
    let _operator = world.start();
    world.until_reason("web", "Stopped").await;
    world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}, "size": "4cpu8gb"}));
    world.until("web", "resized", |seen| seen.status()["size"] == "4cpu8gb" && seen.is_ready()).await;
    assert_eq!(resets(&world), 0);
    world.patch("web", json!({"powerState": "Running"}));
    world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
    world.quiet().await;
    assert_eq!(resets(&world), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn requests_from_the_past_and_the_future_do_not_run_now() {
    let world = running().await;
    let _operator = world.start();
    world.until_reason("web", "Running").await;
    world.pass(Duration::from_secs(3 * 3600)).await;
    world.patch("web", json!({"reset": {"requestedAt": at(&world, -2 * 3600)}}));
    world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
    assert_eq!(receipt(&world)["result"], "Expired");
    let later = at(&world, 3600);
    world.patch("web", json!({"reset": {"requestedAt": later}}));
    world.pass(Duration::from_secs(1800)).await;
    assert_eq!(resets(&world), 0);
    assert_ne!(receipt(&world)["requestedAt"], json!(later), "no receipt before its time");
    world.pass(Duration::from_secs(1800)).await;
    assert_eq!(resets(&world), 1);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_request_in_the_manifest_of_a_new_object_is_older_than_the_object() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"reset": {"requestedAt": at(&world, -30)}})));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(resets(&world), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_reset_does_not_run_after_the_end_that_its_user_set() {
    let world = running().await;
    let _operator = world.start();
    world.until_reason("web", "Running").await;
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "Stopped").await;
    let request = json!({"requestedAt": at(&world, 0), "notAfter": at(&world, 300)});
    world.patch("web", json!({"reset": request}));
    world.pass(Duration::from_secs(360)).await;
    assert_eq!(receipt(&world)["result"], "Expired");
    world.patch("web", json!({"powerState": "Running"}));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(resets(&world), 0);
    world.audit();
}

#[tokio::test(start_paused = true)]
async fn a_reset_whose_end_comes_while_it_waits_for_its_turn_does_not_run() {
    // One call in twenty seconds: the reads before the call, and the wait for its permit, take longer than allowed.
    for allowed in (5..240).step_by(5) {
        let mut world = running().await;
        (world.setup.rate, world.setup.burst) = (0.05, 1);
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        let end = at(&world, allowed);
        world.patch("web", json!({"reset": {"requestedAt": at(&world, 0), "notAfter": end}}));
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        let sent = world.sim.journal().into_iter().find(|entry| entry.operation == Operation::Reset);
        assert!(
            sent.as_ref().is_none_or(|entry| entry.at <= end),
            "{allowed} s: sent at {sent:?}, not after {end}"
        );
        let result = receipt(&world)["result"].clone();
        assert_eq!(result == "Succeeded", sent.is_some(), "{allowed} s: {result}");
        world.audit();
    }
}

/// Answers which prove that nothing was carried out.
fn not_executed() -> [FaultKind; 4] {
    let wait = |code, wait| FaultKind::RetryAfter { code, wait, effect: false };
    [
        FaultKind::status(401, false),
        FaultKind::status(403, false),
        FaultKind::status(429, false),
        wait(429, Wait::Seconds(30)),
    ]
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_was_certainly_not_executed_leaves_no_intent_and_is_sent_again() {
    for kind in not_executed() {
        let world = running().await;
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::once(Match::operation(Operation::Reset), kind.clone()));
        world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
        while world.count(Operation::Reset) == 0 {
            world.pass(Duration::from_millis(50)).await;
        }
        // At once, not only after a settle time.
        world.pass(Duration::from_secs(1)).await;
        let intent = world.instance("web").ledger()["intent"].clone();
        assert!(intent.is_null(), "{kind:?}: {intent}\n{}", world.tail());
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        world.quiet().await;
        assert_eq!(receipt(&world)["result"], "Succeeded", "{kind:?}");
        assert_eq!((resets(&world), world.count(Operation::Reset)), (1, 2), "{kind:?}:\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_that_was_refused_once_is_sent_again_after_a_look() {
    for code in [400, 404, 409, 422] {
        let world = running().await;
        let _operator = world.start();
        world.until_reason("web", "Running").await;
        world.sim.inject(Fault::once(Match::operation(Operation::Reset), FaultKind::status(code, false)));
        world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        world.quiet().await;
        assert_eq!(receipt(&world)["result"], "Succeeded", "{code}");
        assert_eq!((resets(&world), world.count(Operation::Reset)), (1, 2), "{code}:\n{}", world.tail());
        let journal = world.sim.journal();
        let sent: Vec<_> = journal.iter().filter(|entry| entry.operation == Operation::Reset).collect();
        let apart = sent[1].at.duration_since(sent[0].at);
        assert!(apart >= SETTLE, "{code}: sent again after {apart}");
        let looked = |entry: &&itcare_sim::Entry| {
            entry.operation == Operation::ActionList
                && entry.query.contains("resourceName=")
                && entry.at.duration_since(sent[0].at) >= SETTLE
                && entry.at <= sent[1].at
        };
        assert!(journal.iter().any(|entry| looked(&entry)), "{code}: without a look\n{}", world.tail());
        world.audit();
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_whose_receipt_was_lost_is_found_among_the_actions_of_its_vm() {
    for ran in [true, false] {
        let world = running().await;
        let operator = world.start();
        world.until_reason("web", "Running").await;
        world.pass(Duration::from_secs(900)).await;
        if ran {
            world.patch("web", json!({"reset": {"requestedAt": at(&world, 0)}}));
            world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        }
        operator.kill();
        let id = world.instance("web").id();
        let wipe = |object: &mut Value| {
            object["metadata"]["annotations"] = json!({});
            object["status"] = json!({"observedGeneration": -1});
        };
        world.api.edit("itcareinstances", "shop", "web", wipe).expect("it is there");
        let mut spec = json!({"instanceId": id});
        if !ran {
            // The same with a request that nobody carried out: it runs.
            spec["reset"] = json!({"requestedAt": at(&world, 0)});
        }
        world.patch("web", spec);
        let _operator = world.start();
        world.until("web", "receipt", |seen| seen.status()["handledRequests"]["reset"].is_object()).await;
        world.quiet().await;
        assert_eq!(resets(&world), 1, "{}", world.tail());
        assert_eq!(world.count(Operation::Reset), 1, "{}", world.tail());
        let result = receipt(&world)["result"].clone();
        assert_eq!(result, if ran { "OutcomeUnknown" } else { "Succeeded" }, "{}", receipt(&world));
        world.audit();
    }
}
