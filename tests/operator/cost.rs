//! What it costs, counted where it is paid: in the simulator's journal and the API server's audit log.

use std::time::Duration;

use itcare_sim::Operation;
use serde_json::json;

use crate::bench::Bench;

const VM: &str = "ITCareInstance";

/// Writes of this test's objects to the API server; the Lease and Events left out.
fn writes(bench: &Bench) -> usize {
    let events = bench.plane().audit().expect("there is an audit log");
    let ours = events.into_iter().filter(|event| {
        event.namespace == bench.name()
            && event.user_agent.contains("kube")
            && ["patch", "update", "create", "delete"].contains(&event.verb.as_str())
            && ["itcareinstances", "itcaresnapshots"].contains(&event.resource.as_str())
            && event.uri.contains("fieldManager=itcare-operator")
    });
    ours.count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_vm_costs_two_calls_and_few_writes_and_nothing_at_rest() {
    let bench = Bench::new("cost").await;
    let operator = bench.operator(&["--observe-interval=1h"]);
    operator.ready().await;
    bench.instance("web", json!({})).await;
    bench.until_true(VM, "web", "Ready").await;
    let of = |operation| bench.sim.journal().iter().filter(|entry| entry.operation == operation).count();
    assert_eq!((of(Operation::Create), of(Operation::Detail), of(Operation::ActionGet)), (1, 1, 0));
    assert_eq!((of(Operation::Storage), of(Operation::Networks)), (0, 0));
    let written = writes(&bench);
    assert!(written <= 4, "{written} writes");
    // Nothing is due for an hour: no call, no write.
    tokio::time::sleep(Duration::from_secs(3)).await;
    let (calls, written) = (bench.sim.journal().len(), writes(&bench));
    tokio::time::sleep(Duration::from_secs(8)).await;
    assert_eq!(bench.sim.journal().len(), calls, "{:?}", bench.sim.journal().last());
    assert_eq!(writes(&bench), written);
    // Where the detail leaves parts out, they are read once.
    bench.sim.quirks(|quirks| {
        quirks.omit_storage = true;
        quirks.omit_network = true;
    });
    bench.sim.clear_journal();
    bench.instance("db", json!({})).await;
    let db = bench.until_true(VM, "db", "Ready").await;
    assert_eq!(
        (of(Operation::Create), of(Operation::Detail), of(Operation::Storage), of(Operation::Networks)),
        (1, 1, 1, 1)
    );
    assert!(db["status"]["ipAddress"].is_string() && db["status"]["storageGb"].is_i64(), "{db:#}");
    // One connection serves many calls: P11 allows as many as may be in flight.
    let connections = bench.sim.report().connections;
    assert!(connections <= itcare_operator::api::MAX_IN_FLIGHT as u64, "{connections} connections");
    let metrics = operator.metrics().await;
    assert!(metrics.contains("itcare_operator_api_requests_total{"), "{metrics}");
}
