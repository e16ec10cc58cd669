//! Each request of the page, sent to the simulator: it is accepted, kept as it came, and does what it says.

use itcare_sim::{Config, InstanceRecord, Operation, SeedInstance, Sim};
use serde_json::Value;

use crate::cloud::{Caller, ask_for_token, vm};
use crate::fixture;
use crate::shape::{left_out, unknown};

const INSTANCE: &str = "/compute/instances/5220149";
const SNAPSHOTS: &str = "/compute/instances/5220149/snapshots";

/// Sends a request about the instance of the payloads, lets its action end well, and gives the instance.
async fn done(
    seed: SeedInstance,
    method: &str,
    path: &str,
    payload: &str,
) -> (InstanceRecord, InstanceRecord) {
    let sim = Sim::new(Config::explicit());
    let id = sim.seed(seed);
    if method == "PATCH" && path == SNAPSHOTS || method == "DELETE" && path != INSTANCE {
        sim.seed_snapshot(id, "before", "somebody");
    }
    let before = sim.instance(id).expect("it is there");
    let caller = Caller::new(sim).await;
    let raw = match payload {
        "" => caller.change(method, path).await,
        payload => caller.change_with(method, path, fixture::bytes(payload)).await,
    };
    assert_eq!(raw.status, 202, "{payload}: {raw:?}");
    assert_eq!(raw.header("content-type"), Some("application/vnd.cegedim-it.v1+json"));
    let action = raw.json();
    let page = fixture::json("reply-action.json");
    assert_eq!(unknown(&action, &page), Vec::<String>::new(), "{payload}");
    assert_eq!(left_out(&action, &page), [".message"], "{payload}");
    assert_eq!(
        (&action["status"], &action["resourceName"]),
        (&"IN_PROGRESS".into(), &before.name.clone().into())
    );
    let entry = caller.sim.journal().pop().expect("it was noted");
    let sent = if payload.is_empty() { Value::Null } else { fixture::json(payload) };
    assert_eq!(entry.body, sent);
    assert_eq!((entry.effect, entry.action), (true, action["id"].as_i64()));
    assert_eq!(caller.sim.instance(id), Some(before.clone()), "nothing happens before the action ends");
    assert_eq!(caller.sim.drain(), 1);
    (before, caller.sim.instance(id).expect("it is still known"))
}

async fn patched(seed: SeedInstance, payload: &str) -> InstanceRecord {
    done(seed, "PATCH", INSTANCE, payload).await.1
}

fn development() -> SeedInstance {
    SeedInstance { service_id: 14, ..vm() }
}

#[tokio::test(start_paused = true)]
async fn a_token_request_gets_a_token_of_the_pages_form() {
    let sim = Sim::new(Config::explicit());
    let raw = ask_for_token(&sim).await;
    let page = fixture::json("reply-token.json");
    assert_eq!(raw.status, 200);
    assert_eq!(unknown(&raw.json(), &page), Vec::<String>::new());
    // Recent token servers give none for client credentials.
    assert_eq!(left_out(&raw.json(), &page), [".refresh_token"]);
    assert_eq!((&raw.json()["expires_in"], &raw.json()["token_type"]), (&1200.into(), &"bearer".into()));
    sim.quirks(|quirks| quirks.refresh_token = true);
    let raw = ask_for_token(&sim).await;
    assert_eq!(left_out(&raw.json(), &page), Vec::<String>::new());
    assert_eq!(raw.json()["refresh_expires_in"], 7200);
    let entry = sim.journal().pop().expect("it was noted");
    assert_eq!((entry.operation, entry.account.as_deref()), (Operation::Token, Some("demo-sa-operator")));
    assert!(!format!("{entry:?}").contains("sim-token"), "{entry:?}");
}

/// What a creation makes.
async fn created(payload: &str) -> InstanceRecord {
    let caller = Caller::new(Sim::new(Config::explicit())).await;
    let raw = caller.change_with("POST", "/compute/instances", fixture::bytes(payload)).await;
    assert_eq!(raw.status, 202, "{payload}: {raw:?}");
    let page = fixture::json("reply-action.json");
    assert_eq!(unknown(&raw.json(), &page), Vec::<String>::new(), "{payload}");
    assert_eq!(raw.json()["resourceName"], fixture::json(payload)["name"]);
    assert_eq!(caller.sim.instances(), [], "nothing is there before the action ends");
    caller.sim.drain();
    let made = caller.sim.instances().pop().expect("it is there");
    assert_eq!(made.requested, fixture::json(payload));
    assert_eq!(made.created_by_action, raw.json()["id"].as_i64());
    made
}

#[tokio::test(start_paused = true)]
async fn the_smallest_creation_makes_an_instance_of_defaults() {
    let made = created("request-create-minimal.json").await;
    assert_eq!((made.name.as_str(), made.service_id, made.region.as_str()), ("PINSTANCE01", 13, "EB4"));
    assert_eq!((made.platform.as_str(), made.cpu, made.ram, made.status.as_str()), ("deb8", 1, 2, "ACTIVE"));
    // The page's defaults in production.
    assert!(made.backup && made.monitoring && made.replication);
    assert!(!made.alerting && !made.on_call);
}

#[tokio::test(start_paused = true)]
async fn the_fullest_creation_makes_what_it_asks_for() {
    let made = created("request-create-full.json").await;
    assert_eq!(
        (made.region.as_str(), made.area.as_str(), made.availability_zone.as_str()),
        ("EB", "EB-STD", "EB-B")
    );
    assert_eq!((made.cpu, made.ram, made.storage_gb, made.network_id), (2, 4, 40, 1126));
    assert_eq!(made.authentication_domain.as_deref(), Some("CGDM-EMEA"));
    assert_eq!(made.product_code.as_deref(), Some("rmq11"));
    assert_eq!((made.backup, made.monitoring, made.alerting, made.on_call), (true, true, true, true));
    assert_eq!((made.replication, made.no_replication_reason.as_deref()), (false, Some("rebuilt from Git")));
}

#[tokio::test(start_paused = true)]
async fn volumes_replace_the_disks_of_the_image() {
    assert_eq!(created("request-create-volumes.json").await.storage_gb, 70);
}

#[tokio::test(start_paused = true)]
async fn a_delete_removes_a_stopped_instance_with_and_without_a_reference() {
    for payload in ["", "request-delete.json"] {
        let (_, after) = done(vm().stopped(), "DELETE", INSTANCE, payload).await;
        assert_eq!((after.live, after.status.as_str()), (false, "REMOVED"));
    }
}

#[tokio::test(start_paused = true)]
async fn start_and_stop_change_the_state_with_and_without_a_reference() {
    for payload in ["request-stop.json", "request-stop-reference.json"] {
        let after = patched(vm(), payload).await;
        assert_eq!((after.status.as_str(), after.power_changes), ("INACTIVE", 1), "{payload}");
    }
    for payload in ["request-start.json", "request-start-reference.json"] {
        let after = patched(vm().stopped(), payload).await;
        assert_eq!((after.status.as_str(), after.power_changes), ("ACTIVE", 1), "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_reset_leaves_the_instance_running() {
    for payload in ["request-reset.json", "request-reset-comment.json"] {
        let after = patched(vm(), payload).await;
        assert_eq!((after.status.as_str(), after.resets), ("ACTIVE", 1), "{payload}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_resize_changes_processors_and_memory_of_a_running_or_stopped_instance() {
    for payload in ["request-resize.json", "request-resize-bare.json", "request-resize-reference.json"] {
        for seed in [vm(), vm().stopped()] {
            let after = patched(SeedInstance { cpu: 1, ram: 1, ..seed }, payload).await;
            assert_eq!((after.cpu, after.ram), (2, 4), "{payload}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn monitoring_and_alerting_are_switched() {
    let seed = |service_id| SeedInstance { service_id, monitoring: false, alerting: true, ..vm() };
    let after = patched(seed(13), "request-monitoring.json").await;
    assert_eq!((after.monitoring, after.alerting), (true, false));
    let seed = SeedInstance { monitoring: true, ..seed(14) };
    let after = patched(seed, "request-monitoring-off.json").await;
    assert_eq!((after.monitoring, after.alerting), (false, true), "what is not given stays");
}

#[tokio::test(start_paused = true)]
async fn patching_is_excluded_or_grouped() {
    let after = patched(vm(), "request-patching-excluded.json").await;
    let reason = Some("I want to handle this App. by myself");
    assert_eq!((after.patch_excluded, after.patch_exclusion_reason.as_deref()), (true, reason));
    let excluded = SeedInstance { patch_excluded: true, ..vm() };
    let after = patched(excluded.clone(), "request-patching-group.json").await;
    assert_eq!(
        (after.patch_excluded, after.patch_exclusion_reason, after.patch_group),
        (false, None, Some(3))
    );
    let after = patched(excluded, "request-patching-no-preference.json").await;
    assert_eq!((after.patch_excluded, after.patch_group), (false, None));
}

#[tokio::test(start_paused = true)]
async fn replication_and_backup_are_switched() {
    let on = SeedInstance { replication: true, backup: true, ..vm() };
    let development_on = SeedInstance { replication: true, backup: true, ..development() };
    assert!(patched(vm(), "request-replication-on.json").await.replication);
    assert!(!patched(development_on.clone(), "request-replication-off.json").await.replication);
    let after = patched(on.clone(), "request-replication-off-reason.json").await;
    assert_eq!((after.replication, after.no_replication_reason.as_deref()), (false, Some("I want it ...")));
    // The page's example of a deactivation says `true`: taken at its word.
    assert!(patched(on.clone(), "request-replication-reason-as-printed.json").await.replication);
    assert!(patched(vm(), "request-backup-on.json").await.backup);
    assert!(!patched(on, "request-backup-off.json").await.backup);
    assert!(!patched(development_on, "request-backup-off-bare.json").await.backup);
}

#[tokio::test(start_paused = true)]
async fn a_snapshot_is_taken_recovered_and_removed() {
    let (_, after) = done(vm(), "POST", SNAPSHOTS, "request-snapshot.json").await;
    let [snapshot] = &after.snapshots[..] else { panic!("{after:?}") };
    assert_eq!(snapshot.description.as_deref(), Some("before the upgrade [7f3c91a2b4d5e6f7]"));
    assert_eq!(snapshot.change_reference.as_deref(), Some("RFC_123"));
    assert_eq!(snapshot.expires_at.duration_since(snapshot.created_at).as_hours(), 72);
    let (_, after) = done(vm(), "POST", SNAPSHOTS, "request-snapshot-bare.json").await;
    assert_eq!((after.snapshots.len(), after.snapshots[0].description.as_deref()), (1, None));
    let (_, after) = done(vm(), "PATCH", SNAPSHOTS, "").await;
    assert_eq!((after.recoveries, after.snapshots.len()), (1, 1));
    assert!(after.snapshots[0].recovered_at.is_some());
    let (before, after) = done(vm(), "DELETE", &format!("{SNAPSHOTS}/5220149-snap-1"), "").await;
    assert_eq!((before.snapshots.len(), after.snapshots.len()), (1, 0));
}
