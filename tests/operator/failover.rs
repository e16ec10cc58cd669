//! Two replicas: one works, the other takes over; nothing runs twice between them.

use std::time::Duration;

use itcare_lab::eventually::eventually;
use itcare_sim::{Fault, FaultKind, Match, Operation};
use serde_json::json;

use crate::bench::{Bench, Operator, SOON};

const VM: &str = "ITCareInstance";
const LEADING: &str = "itcare_operator_leading ";

async fn leads(operator: &Operator) -> bool {
    operator.metric(LEADING).await == Some(1.0)
}

async fn until_leading(operator: &Operator) {
    eventually(SOON, "it leads", || async {
        if leads(operator).await { Ok(()) } else { Err(operator.log()) }
    })
    .await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sigterm_ends_with_zero_and_hands_over() {
    let bench = Bench::new("handover").await;
    let first = bench.operator(&[]);
    until_leading(&first).await;
    let second = bench.operator(&[]);
    second.ready().await;
    assert!(!leads(&second).await, "a standby is ready and does not lead");
    bench.instance("web", json!({})).await;
    bench.until_true(VM, "web", "Ready").await;
    let begun = tokio::time::Instant::now();
    let status = first.terminate().await;
    assert!(status.success(), "{status}");
    until_leading(&second).await;
    assert!(begun.elapsed() < Duration::from_secs(10), "{:?}", begun.elapsed());
    bench.patch(VM, "web", json!({"spec": {"size": "4cpu8gb"}})).await;
    bench.until_true(VM, "web", "Ready").await;
    assert_eq!(bench.changes(), [Operation::Create, Operation::Resize]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_killed_with_a_creation_in_flight_is_followed_by_one_vm() {
    let bench = Bench::new("inflight").await;
    bench.sim.quirks(|quirks| quirks.unique_names = false);
    let first = bench.operator(&[]);
    until_leading(&first).await;
    let second = bench.operator(&[]);
    second.ready().await;
    // The reply never comes; the effect does, a second later.
    let late = FaultKind::DelayedEffect { after: Duration::from_secs(1), hang: true };
    bench.sim.inject(Fault::once(Match::operation(Operation::Create), late));
    bench.instance("web", json!({})).await;
    eventually(SOON, "the creation is sent", || async {
        if bench.changes().is_empty() { Err("not yet") } else { Ok(()) }
    })
    .await;
    first.kill().await;
    bench.until_true(VM, "web", "Ready").await;
    let report = bench.sim.report();
    assert_eq!(report.created, 1);
    assert_eq!(bench.changes(), [Operation::Create]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_leader_frozen_across_its_lease_does_nothing_when_it_wakes() {
    let bench = Bench::new("frozen").await;
    bench.sim.quirks(|quirks| quirks.unique_names = false);
    let first = bench.operator(&[]);
    until_leading(&first).await;
    let second = bench.operator(&[]);
    second.ready().await;
    bench.instance("web", json!({})).await;
    bench.until_true(VM, "web", "Ready").await;
    first.signal("STOP").await;
    until_leading(&second).await;
    bench.patch(VM, "web", json!({"spec": {"powerState": "Stopped"}})).await;
    bench.until_true(VM, "web", "Ready").await;
    first.signal("CONT").await;
    bench.instance("db", json!({})).await;
    bench.until_true(VM, "db", "Ready").await;
    eventually(SOON, "the first stands down", || async {
        if leads(&first).await { Err(first.log()) } else { Ok(()) }
    })
    .await;
    assert_eq!(bench.changes(), [Operation::Create, Operation::Stop, Operation::Create]);
    assert!(bench.sim.report().duplicates.is_empty());
}
