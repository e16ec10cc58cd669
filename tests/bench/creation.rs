//! P1, P5: many creations at once, in real time, at the default rate.

use std::collections::BTreeSet;
use std::time::Duration;

use itcare_sim::Operation;
use serde_json::json;
use tokio::time::Instant;

use crate::Mode;
use crate::report::{Report, Row};
use crate::stage::Stage;

/// How long actions take.
const ACTION: Duration = Duration::from_secs(60);

pub async fn run(report: &mut Report, mode: Mode) {
    let objects = if mode.quick { 100 } else { 500 };
    let stage = Stage::new("creation", ACTION).await;
    let operator = stage.operator(&[]);
    operator.ready().await;
    let begun = Instant::now();
    stage.fill((0..objects).map(|number| format!("vm{number:05}")), &json!({})).await;
    println!("    {objects} objects applied in {:.1?}", begun.elapsed());
    stage.until_ready(objects, Duration::from_secs(600)).await;
    let took = begun.elapsed().as_secs_f64();
    #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
    let (count, burst) = (objects as f64, 20.0);
    // The last creation leaves when the rate allows it, ends an action later, and is read: 109 s for 500.
    let floor = (count - burst) / 10.0 + ACTION.as_secs_f64() + 1.0;
    report.row(Row {
        id: "P5",
        what: format!("{objects} creations at 10 calls/s, actions of 60 s, until all are Ready"),
        unit: "s",
        target: floor * 1.1,
        measured: took,
        floor: Some(floor),
        note: "real time".to_owned(),
    });
    let journal = stage.bench.sim.journal();
    let refused = journal.iter().filter(|entry| entry.status() == Some(429)).count();
    let calls = journal.iter().filter(|entry| entry.operation != Operation::Token).count();
    let kinds: BTreeSet<_> = journal.iter().map(|entry| entry.operation).collect();
    for kind in kinds {
        println!("    {kind:?}: {}", journal.iter().filter(|entry| entry.operation == kind).count());
    }
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    {
        report.row(Row {
            id: "P5",
            what: "replies that ask to slow down".to_owned(),
            unit: "429s",
            target: 0.0,
            measured: refused as f64,
            floor: None,
            note: "the same run".to_owned(),
        });
        report.row(Row {
            id: "P1",
            what: format!("calls per VM, {objects} creations until Ready"),
            unit: "calls",
            target: 2.3,
            measured: calls as f64 / count,
            floor: Some(1.0),
            note: "the same run".to_owned(),
        });
    }
    operator.terminate().await;
}
