//! Health over whole lives, next to kstatus: every version of an object is read by both, so that the checks of
//! the suite `status` (nothing done too early, nothing failed that heals by itself) hold for Argo CD too.

use std::time::Duration;

use itcare_lab::kstatus::Status;
use itcare_sim::{Fault, FaultKind, Match};
use serde_json::{Value, json};

use crate::kit::health;
use crate::support::{Seen, World, manifest};
use crate::tape::{Frame, Tape};

const VM: &str = "itcareinstances";
const SNAPSHOT: &str = "itcaresnapshots";

/// Reads every version with both, holds them against each other, and gives the story that Argo CD tells.
fn story(kind: &str, frames: &[Frame]) -> Vec<(String, String)> {
    let mut story: Vec<(String, String)> = Vec::new();
    for Frame { status, reason, waited, object } in frames {
        let seen = health(kind, object).unwrap_or_else(|error| panic!("{error}: {object:#}"));
        let agrees = match (*status, seen.status.as_str()) {
            (Status::Terminating, "Progressing" | "Degraded" | "Suspended") => {
                seen.deletion_message.is_some()
            }
            (Status::Current, "Healthy") => *waited,
            (Status::InProgress, "Progressing") | (Status::Failed, "Degraded") => !*waited,
            (Status::Current | Status::InProgress | Status::Failed, "Suspended") => {
                object["spec"]["suspend"] == true
            }
            _ => false,
        };
        assert!(agrees, "kstatus says {status:?}, Argo CD {seen:?}: {object:#}");
        let step = (seen.status, reason.clone());
        if story.last() != Some(&step) {
            story.push(step);
        }
    }
    story
}

fn words(story: &[(String, String)]) -> Vec<(&str, &str)> {
    story.iter().map(|(status, reason)| (status.as_str(), reason.as_str())).collect()
}

#[tokio::test(start_paused = true)]
async fn a_vm_is_healthy_when_it_is_done_and_never_before() {
    let world = World::new();
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"resizePolicy": "StopStart"})));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    world.patch("web", json!({"size": "4cpu8gb"}));
    world.until("web", "resized", |seen| seen.is_ready() && seen.status()["size"] == "4cpu8gb").await;
    world.quiet().await;
    world.patch("web", json!({"suspend": true}));
    world.quiet().await;
    world.patch("web", json!({"suspend": false, "powerState": "Stopped"}));
    world.until_reason("web", "Stopped").await;
    world.quiet().await;
    world.delete("web");
    world.until_gone(VM, "web").await;
    let told = story("ITCareInstance", &tape.frames());
    let expected = [
        ("Progressing", ""),
        ("Progressing", "Creating"),
        ("Healthy", "Running"),
        ("Progressing", "Running"),
        ("Progressing", "Stopping"),
        ("Progressing", "Resizing"),
        ("Progressing", "Starting"),
        ("Healthy", "Running"),
        ("Suspended", "Running"),
        ("Progressing", "Running"),
        ("Progressing", "Stopping"),
        ("Healthy", "Stopped"),
        ("Progressing", "Stopped"),
        ("Progressing", "Deleting"),
    ];
    assert_eq!(words(&told), expected);
}

#[tokio::test(start_paused = true)]
async fn what_heals_by_itself_is_never_degraded() {
    let down = FaultKind::status(503, false);
    let faults =
        [down, FaultKind::DropAfter, FaultKind::DropBefore, FaultKind::Truncate, FaultKind::ExpireTokens];
    for fault in faults {
        let world = World::new();
        let tape = Tape::of(&world.api, VM, "web");
        let _operator = world.start();
        let matches = Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() };
        for skip in 0..6 {
            world.sim.inject(Fault::once(matches.clone(), fault.clone()).after(skip * 2));
        }
        world.apply(manifest::instance("web"));
        world.pass(Duration::from_secs(60)).await;
        world.patch("web", json!({"powerState": "Stopped"}));
        world.until_reason("web", "Stopped").await;
        world.quiet().await;
        let told = story("ITCareInstance", &tape.frames());
        assert!(told.iter().all(|(status, _)| status != "Degraded"), "{fault:?}: {told:?}");
        let healthy = told.iter().position(|(status, _)| status == "Healthy").expect("it ends well");
        assert!(told[healthy..].iter().all(|(_, reason)| reason != "Creating"), "{fault:?}: {told:?}");
        assert_eq!(told.last().map(|(status, _)| status.as_str()), Some("Healthy"), "{fault:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_person_must_mend_is_degraded_at_once_and_healthy_after_it() {
    let world = World::new();
    let tape = Tape::of(&world.api, VM, "web");
    let _operator = world.start();
    world.apply(manifest::with("web", json!({"platform": "amiga"})));
    world.until("web", "rejected", |seen| seen.is_stalled("Rejected")).await;
    world.pass(Duration::from_secs(3600)).await;
    world.patch("web", json!({"platform": "deb12"}));
    world.until_reason("web", "Running").await;
    world.quiet().await;
    let told = story("ITCareInstance", &tape.frames());
    let expected = [
        ("Progressing", ""),
        ("Degraded", "Rejected"),
        ("Progressing", "Rejected"),
        ("Progressing", "Creating"),
        ("Healthy", "Running"),
    ];
    assert_eq!(words(&told), expected);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_healthy_to_its_end_and_a_skipped_one_too() {
    let world = World::new();
    let (tape, skipped) = (Tape::of(&world.api, SNAPSHOT, "before"), Tape::of(&world.api, SNAPSHOT, "none"));
    let _operator = world.start();
    world.apply(manifest::snapshot("none", "nobody", json!({"onMissingInstance": "Skip"})));
    world.apply(manifest::instance("web"));
    world.until_reason("web", "Running").await;
    world.apply(manifest::snapshot("before", "web", json!({})));
    world.until_snapshot("before", "available", |seen| seen.has("Available", "True")).await;
    let ask = |spec: Value| world.api.patch_spec(SNAPSHOT, "shop", "before", spec).expect("it is there");
    world.pass(Duration::from_secs(60)).await;
    ask(json!({"recover": {"requestedAt": world.now().to_string()}}));
    world
        .until_snapshot("before", "recovered", |seen| {
            seen.is_ready() && seen.status()["recoveredAt"].is_string()
        })
        .await;
    world.pass(Duration::from_secs(3 * 24 * 3600 + 300)).await;
    world.until_snapshot("before", "expired", |seen| seen.reason() == "Expired").await;
    world.api.delete(SNAPSHOT, "shop", "before").expect("it is there");
    world.until_gone(SNAPSHOT, "before").await;
    let told = story("ITCareSnapshot", &tape.frames());
    let expected = [
        ("Progressing", ""),
        ("Progressing", "TakingSnapshot"),
        ("Healthy", "Available"),
        ("Progressing", "Available"),
        ("Progressing", "Recovering"),
        ("Healthy", "Available"),
        ("Healthy", "Expired"),
        ("Progressing", "Expired"),
    ];
    assert_eq!(words(&told), expected);
    assert_eq!(
        words(&story("ITCareSnapshot", &skipped.frames())),
        [("Progressing", ""), ("Progressing", "WaitingForInstance"), ("Healthy", "Skipped")]
    );
    assert!(world.snapshot("none").is_ready() && !Seen::has(&world.snapshot("none"), "Available", "True"));
}
