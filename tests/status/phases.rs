//! One test for each phase of an object: what the tools read while it lasts, and no more often than it changes.

use std::time::Duration;

use itcare_lab::kstatus::Status::{Current, Failed, InProgress, Terminating};
use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::support::{World, manifest};
use crate::tape::Tape;

const VM: &str = "itcareinstances";
const SNAPSHOT: &str = "itcaresnapshots";

fn words(story: &[(itcare_lab::kstatus::Status, String)]) -> Vec<(itcare_lab::kstatus::Status, &str)> {
    story.iter().map(|(status, reason)| (*status, reason.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn creating_is_in_progress_until_it_runs() {
    let world = World::new();
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    assert_eq!(words(&tape.story()), [(InProgress, ""), (InProgress, "Creating"), (Current, "Running")]);
}

#[tokio::test(start_paused = true)]
async fn a_change_is_in_progress_from_the_moment_of_its_write() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    for (spec, reasons, end) in [
        (json!({"powerState": "Stopped"}), vec!["Stopping"], "Stopped"),
        (json!({"powerState": "Running"}), vec!["Starting"], "Running"),
        (
            json!({"size": "4cpu8gb", "resizePolicy": "StopStart"}),
            vec!["Stopping", "Resizing", "Starting"],
            "Running",
        ),
        (
            json!({"patching": {"excluded": true, "exclusionReason": "x"}}),
            vec!["UpdatingPatching"],
            "Running",
        ),
    ] {
        let before = world.instance("web").reason().to_owned();
        let tape = Tape::of(&world.api, VM, "web");
        world.pass(Duration::from_millis(5)).await;
        world.patch("web", spec.clone());
        world.until("web", "ready", |seen| seen.is_ready() && seen.reason() == end).await;
        world.quiet().await;
        let mut expected = vec![(Current, before.as_str()), (InProgress, before.as_str())];
        expected.extend(reasons.iter().map(|reason| (InProgress, *reason)));
        expected.push((Current, end));
        assert_eq!(words(&tape.story()), expected, "{spec}");
    }
}

#[tokio::test(start_paused = true)]
async fn trouble_that_may_pass_is_in_progress_and_ends_well() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let tape = Tape::of(&world.api, VM, "web");
    world.pass(Duration::from_millis(5)).await;
    let down = FaultKind::status(503, false);
    world
        .sim
        .inject(Fault::always(Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() }, down));
    world.patch("web", json!({"powerState": "Stopped"}));
    world.until_reason("web", "ProgressingWithRetry").await;
    world.pass(Duration::from_secs(1800)).await;
    world.sim.clear_faults();
    world.until_reason("web", "Stopped").await;
    world.quiet().await;
    let expected = [
        (Current, "Running"),
        (InProgress, "Running"),
        (InProgress, "ProgressingWithRetry"),
        (InProgress, "Stopping"),
        (Current, "Stopped"),
    ];
    assert_eq!(words(&tape.story()), expected);
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_while_nothing_is_due_changes_nothing() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let revision = world.api.revision();
    world.sim.inject(Fault::always(Match::any(), FaultKind::DropBefore));
    world.pass(Duration::from_secs(100)).await;
    assert_eq!(world.api.revision(), revision);
    assert!(world.instance("web").is_ready());
}

#[tokio::test(start_paused = true)]
async fn an_api_that_is_away_for_minutes_is_in_progress_until_it_is_back() {
    let world = World::new();
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let before = tape.story().len();
    world.sim.inject(Fault::always(Match::any(), FaultKind::DropBefore));
    world.pass(Duration::from_secs(1800)).await;
    world.sim.clear_faults();
    world.pass(Duration::from_secs(300)).await;
    let story = tape.story();
    assert_eq!(words(&story[before..]), [(InProgress, "ProgressingWithRetry"), (Current, "Running")]);
}

#[tokio::test(start_paused = true)]
async fn a_spec_that_is_corrected_while_the_refused_call_is_looked_for_does_not_fail() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"platform": "amiga"})));
    world.until("web", "rejected", |seen| seen.is_stalled("Rejected")).await;
    world.pass(Duration::from_secs(10)).await;
    let tape = Tape::of(&world.api, VM, "web");
    world.pass(Duration::from_millis(5)).await;
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    let story = tape.story();
    let expected = [
        (Failed, "Rejected"),
        (InProgress, "Rejected"),
        (InProgress, "ResolvingOutcome"),
        (InProgress, "Creating"),
        (Current, "Running"),
    ];
    assert_eq!(words(&story), expected);
}

#[tokio::test(start_paused = true)]
async fn what_stays_refused_is_not_said_anew_with_each_try() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let tape = Tape::of(&world.api, VM, "web");
    world.pass(Duration::from_millis(5)).await;
    for operation in [Operation::Resize, Operation::Reset] {
        world.sim.inject(Fault::always(Match::operation(operation), FaultKind::status(422, false)));
    }
    world.patch("web", json!({"size": "4cpu8gb", "reset": {"requestedAt": world.now()}}));
    world.until("web", "refused", |seen| seen.is_stalled("Rejected")).await;
    world.pass(Duration::from_secs(50 * 60)).await;
    assert!(world.count(Operation::Resize) >= 4, "it is tried again and again");
    let story = tape.story();
    let failed = story.iter().position(|(status, ..)| *status == Failed).expect("it was refused");
    assert!(words(&story[failed..]).iter().all(|(status, _)| *status == Failed), "{:?}", words(&story));
}

#[tokio::test(start_paused = true)]
async fn what_only_a_person_can_mend_is_failed_at_once() {
    let world = World::new();
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"platform": "amiga"})));
    world.until("web", "rejected", |seen| seen.is_stalled("Rejected")).await;
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(
        words(&tape.story()),
        [(InProgress, ""), (Failed, "Rejected")],
        "no flapping in an hour of re-checks"
    );
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    let story = tape.story();
    let after = words(&story[2..]);
    assert_eq!(after, [(InProgress, "Rejected"), (InProgress, "Creating"), (Current, "Running")]);
}

#[tokio::test(start_paused = true)]
async fn missing_credentials_are_in_progress_first_and_failed_later() {
    let world = World::new();
    *world.setup.secret.lock().expect("free") = Err("the client secret file is not there".to_owned());
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.pass(Duration::from_secs(1800)).await;
    let expected = [(InProgress, ""), (InProgress, "CredentialsNotFound"), (Failed, "CredentialsNotFound")];
    assert_eq!(words(&tape.story()), expected);
}

#[tokio::test(start_paused = true)]
async fn a_vm_gone_behind_our_back_is_failed() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let tape = Tape::of(&world.api, VM, "web");
    world.sim.edit(world.instance("web").id(), |vm| vm.live = false);
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(words(&tape.story()), [(Current, "Running"), (Failed, "InstanceMissing")]);
}

#[tokio::test(start_paused = true)]
async fn a_suspended_object_reads_as_it_did() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let tape = Tape::of(&world.api, VM, "web");
    world.pass(Duration::from_millis(5)).await;
    world.patch("web", json!({"suspend": true}));
    world.pass(Duration::from_secs(3600)).await;
    assert_eq!(words(&tape.story()), [(Current, "Running"), (InProgress, "Running"), (Current, "Running")]);
    assert!(world.instance("web").is_ready(), "observedGeneration is written though nothing is done");
}

#[tokio::test(start_paused = true)]
async fn deleting_is_terminating_and_says_what_it_waits_for() {
    let world = World::new();
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let tape = Tape::of(&world.api, VM, "web");
    world.pass(Duration::from_millis(5)).await;
    world.delete("web");
    world.until_gone(VM, "web").await;
    let story = tape.story();
    assert_eq!(words(&story)[..2], [(Current, "Running"), (Terminating, "Running")]);
    assert!(story[1..].iter().all(|(status, _)| *status == Terminating), "{story:?}");
    assert_eq!(words(&story[2..]), [(Terminating, "Deleting")]);
}

#[tokio::test(start_paused = true)]
async fn the_life_of_a_snapshot_reads_right() {
    let world = World::new();
    let tape = Tape::of(&world.api, SNAPSHOT, "before");
    let _operator = world.start();
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    world.pass(Duration::from_secs(3 * 24 * 3600 + 300)).await;
    let expected =
        [(InProgress, ""), (InProgress, "TakingSnapshot"), (Current, "Available"), (Current, "Expired")];
    assert_eq!(words(&tape.story()), expected);
    let recoverable =
        |frame: &crate::tape::Frame| itcare_lab::kstatus::kubectl_wait(&frame.object, "Available", "True");
    let frames = tape.frames();
    assert!(
        frames.iter().all(|frame| recoverable(frame) == (frame.reason == "Available")),
        "Available tells expiry"
    );
    assert_eq!(world.count(Operation::SnapshotCreate), 1);
}
