//! P3 and P4: how soon a change of the user's, and one of somebody else's, reaches ITCare.

use std::time::Duration;

use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Mode;
use crate::report::{Report, Row, percentile};
use crate::stage::{Stage, milliseconds};

/// With 100 objects and nothing else going on.
pub async fn idle(report: &mut Report, mode: Mode) {
    const OBJECTS: usize = 100;
    let rounds = if mode.quick { 200 } else { 1_000 };
    let stage = Stage::new("reaction", Duration::from_millis(1)).await;
    // What is measured is the way through the operator, not the wait for the account's rate.
    let operator = stage.operator(&["--itcare-rate=1000", "--itcare-burst=1000", "--action-interval=50ms"]);
    operator.ready().await;
    stage.fill((0..OBJECTS).map(|number| format!("vm{number:05}")), &json!({})).await;
    stage.until_ready(OBJECTS, Duration::from_secs(120)).await;
    let ids = stage.ids();
    let mut times = Vec::new();
    for round in 0..rounds {
        let name = format!("vm{:05}", round % OBJECTS);
        let alerting = (round / OBJECTS).is_multiple_of(2);
        let sent = Instant::now();
        stage.bench.sim.clear_journal();
        let accepted =
            stage.change(&name, &json!({"monitoring": {"enabled": true, "alerting": alerting}})).await;
        let first = stage.first_call(ids[&name], sent, Duration::from_secs(10)).await;
        let first = first.expect("a change is followed by a call");
        times.push(milliseconds(first.saturating_duration_since(accepted)));
        // The last one's action is over before the next one begins.
        sleep(Duration::from_millis(60)).await;
    }
    let note = format!("{rounds} changes, 100 objects, from the API server's answer");
    for (share, name, target, floor) in [(0.5, "median", 10.0, Some(2.0)), (0.99, "p99", 40.0, None)] {
        report.row(Row {
            id: "P3",
            what: format!("spec change to first API byte, idle, {name}"),
            unit: "ms",
            target,
            measured: percentile(&times, share),
            floor,
            note: note.clone(),
        });
    }
    operator.terminate().await;
}

/// Somebody stops a VM: how long until it is started again.
pub async fn drift(report: &mut Report, mode: Mode) {
    const OBJECTS: usize = 1_000;
    let rounds = if mode.quick { 4 } else { 8 };
    let stage = Stage::new("drift", Duration::from_millis(50)).await;
    let operator = stage.operator(&["--itcare-rate=1000", "--itcare-burst=1000"]);
    operator.ready().await;
    stage.fill((0..OBJECTS).map(|number| format!("vm{number:05}")), &json!({})).await;
    stage.until_ready(OBJECTS, Duration::from_secs(180)).await;
    operator.terminate().await;
    let operator = stage.operator(&["--observe-interval=30s"]);
    operator.ready().await;
    sleep(Duration::from_secs(5)).await;
    let ids: Vec<i64> = stage.ids().into_values().collect();
    let mut times = Vec::new();
    for round in 0..rounds {
        stage.bench.sim.clear_journal();
        let id = ids[(round * 97) % OBJECTS];
        let begun = Instant::now();
        stage.bench.sim.edit(id, |vm| vm.status = "INACTIVE".to_owned());
        let end = loop {
            let journal = stage.bench.sim.journal();
            let found = journal
                .iter()
                .find(|entry| entry.instance == Some(id) && entry.operation == itcare_sim::Operation::Start);
            if let Some(entry) = found {
                break stage.came(entry);
            }
            assert!(begun.elapsed() < Duration::from_secs(120), "the drift is not seen");
            sleep(Duration::from_millis(20)).await;
        };
        times.push((end - begun).as_secs_f64());
        // So that the moments within the interval differ.
        sleep(Duration::from_secs(3 + (round as u64 * 7) % 11)).await;
    }
    report.row(Row {
        id: "P4",
        what: "drift of power to the call that corrects it, most".to_owned(),
        unit: "s",
        target: 32.0,
        measured: percentile(&times, 1.0),
        floor: Some(30.0),
        note: format!("{rounds} single drifts, 1,000 VMs, interval 30 s"),
    });
    operator.terminate().await;
}
