//! The complete life of a snapshot.

use itcare_sim::Operation;
use serde_json::json;

use crate::bench::{Bench, now, reason};

const VM: &str = "ITCareInstance";
const SNAPSHOT: &str = "ITCareSnapshot";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_snapshot_is_taken_recovered_and_removed() {
    let bench = Bench::new("snapshot").await;
    let operator = bench.operator(&[]);
    bench.instance("web", json!({})).await;
    bench
        .apply(
            SNAPSHOT,
            "before",
            json!({"instanceRef": {"name": "web"}, "description": "before the upgrade"}),
        )
        .await;
    let taken = bench.until_true(SNAPSHOT, "before", "Available").await;
    assert_eq!(reason(&taken, "Ready"), "Available");
    let id = bench.get(VM, "web").await.expect("it is there")["status"]["id"].as_i64().expect("an id");
    let slot = bench.sim.snapshot(id).expect("it was taken");
    assert!(
        slot.description.as_deref().is_some_and(|text| text.starts_with("before the upgrade [")),
        "{slot:?}"
    );
    bench.until(VM, "web", "its slot", |seen| seen["status"]["snapshot"]["managedBy"] == "before").await;
    let get = bench.plane().kubectl(&["get", "itcsnap", "-n", bench.name()]).await.expect("kubectl runs");
    let lines: Vec<Vec<&str>> = get.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    assert_eq!(lines[0], ["NAME", "READY", "REASON", "INSTANCE", "EXPIRES", "AGE"], "{}", get.stdout);
    assert_eq!(lines[1][..4], ["before", "True", "Available", "web"], "{}", get.stdout);
    assert!(!get.stdout.contains("invalid"), "{}", get.stdout);
    // The operator is killed while the recovery runs.
    bench.patch(SNAPSHOT, "before", json!({"spec": {"recover": {"requestedAt": now()}}})).await;
    bench
        .until(SNAPSHOT, "before", "recovering", |seen| {
            seen["status"]["operation"].is_object()
                || seen["status"]["handledRequests"]["recover"].is_object()
        })
        .await;
    operator.kill().await;
    let _operator = bench.operator(&[]);
    let done = bench
        .until(SNAPSHOT, "before", "the receipt", |seen| {
            seen["status"]["handledRequests"]["recover"].is_object()
        })
        .await;
    assert_eq!(done["status"]["handledRequests"]["recover"]["result"], "Succeeded", "{done:#}");
    assert_eq!(bench.sim.instance(id).expect("it is there").recoveries, 1);
    bench.delete(SNAPSHOT, "before").await;
    bench.until_gone(SNAPSHOT, "before").await;
    assert!(bench.sim.snapshot(id).is_none());
    let expected =
        [Operation::Create, Operation::SnapshotCreate, Operation::SnapshotRecover, Operation::SnapshotDelete];
    assert_eq!(bench.changes(), expected);
}
