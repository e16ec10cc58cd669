//! P10: from the end of one leader to the first call of the next.

use std::time::Duration;

use itcare_lab::eventually::eventually;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Mode;
use crate::bench::Operator;
use crate::report::{Report, Row, percentile};
use crate::stage::Stage;

const LEASE: Duration = Duration::from_secs(15);

pub async fn run(report: &mut Report, mode: Mode) {
    let stage = Stage::new("failover", Duration::from_millis(50)).await;
    let mut leader = stage.operator(&[]);
    until_leading(&leader).await;
    stage.fill((0..20).map(|number| format!("vm{number:05}")), &json!({})).await;
    stage.until_ready(20, Duration::from_secs(120)).await;
    let rounds = if mode.quick { 2 } else { 5 };
    let mut graceful = Vec::new();
    for _ in 0..rounds {
        let next = standby(&stage).await;
        stage.bench.sim.clear_journal();
        let begun = Instant::now();
        let status = leader.terminate().await;
        assert!(status.success(), "{status}");
        graceful.push(first_call(&stage, begun).await.as_secs_f64());
        leader = next;
        until_leading(&leader).await;
    }
    let mut killed = Vec::new();
    for _ in 0..rounds.min(2) {
        let next = standby(&stage).await;
        let begun = Instant::now();
        leader.kill().await;
        stage.bench.sim.clear_journal();
        killed.push(first_call(&stage, begun).await.as_secs_f64());
        leader = next;
        until_leading(&leader).await;
    }
    for (what, target, samples) in [
        ("fail-over after SIGTERM, to the next one's first call", 1.0, graceful),
        ("fail-over after SIGKILL, lease 15 s", LEASE.as_secs_f64() + 3.0, killed),
    ] {
        report.row(Row {
            id: "P10",
            what: what.to_owned(),
            unit: "s",
            target,
            measured: percentile(&samples, 1.0),
            floor: None,
            note: format!("the longest of {}", samples.len()),
        });
    }
    leader.terminate().await;
}

async fn standby(stage: &Stage) -> Operator {
    let next = stage.operator(&[]);
    next.ready().await;
    // Long enough that it watches the lease.
    sleep(Duration::from_secs(4)).await;
    next
}

async fn until_leading(operator: &Operator) {
    eventually(Duration::from_secs(60), "it leads", || async {
        let leads = operator.metric("itcare_operator_leading ").await == Some(1.0);
        if leads { Ok(()) } else { Err(operator.log()) }
    })
    .await;
}

/// Whoever begins to lead asks for a token or a list at once.
async fn first_call(stage: &Stage, begun: Instant) -> Duration {
    loop {
        if let Some(entry) = stage.bench.sim.journal().iter().find(|entry| stage.came(entry) >= begun) {
            return stage.came(entry) - begun;
        }
        assert!(begun.elapsed() < Duration::from_secs(60), "nobody takes over");
        sleep(Duration::from_millis(2)).await;
    }
}
