//! P3, P6, P7, P8 with ten thousand objects: what a large cluster costs, and that nobody waits for it.

use std::collections::BTreeSet;
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match};
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::Mode;
use crate::bench::Operator;
use crate::process;
use crate::report::{Report, Row, percentile};
use crate::stage::{Stage, milliseconds};

const PASSES: &str = "itcare_operator_reconciles_total{controller=\"instance\",result=\"ok\"}";
const PASS_SECONDS: &str = "itcare_operator_reconcile_seconds_sum";

fn row(id: &'static str, what: &str, unit: &'static str, target: f64, measured: f64, note: &str) -> Row {
    Row { id, what: what.to_owned(), unit, target, measured, floor: None, note: note.to_owned() }
}

#[expect(clippy::cast_precision_loss, reason = "a count of objects")]
pub async fn run(report: &mut Report, mode: Mode) {
    let objects = if mode.quick { 1_000 } else { 10_000 };
    let stage = Stage::new("fleet", Duration::from_millis(200)).await;
    let operator = stage.operator(&["--itcare-rate=5000", "--itcare-burst=5000", "--action-interval=500ms"]);
    operator.ready().await;
    sleep(Duration::from_secs(3)).await;
    let id = operator.process_id();
    report.row(row("P7", "resident memory, idle", "MiB", 14.0, process::resident(id), "no objects"));
    let (begun, before) = (Instant::now(), process::cpu(id));
    stage.fill((0..objects).map(name), &json!({})).await;
    stage.until_ready(objects, Duration::from_secs(1_800)).await;
    println!("    {objects} objects created in {:.0?}", begun.elapsed());
    let spent = process::cpu(id) - before;
    report.row(row(
        "P6",
        "processor time of a whole creation",
        "ms",
        3.0,
        milliseconds(spent) / objects as f64,
        &format!("{objects} creations, the operator's process alone"),
    ));
    let (calls, connections) = (stage.bench.sim.journal().len(), stage.bench.sim.report().connections);
    report.row(row(
        "P11",
        "connections opened per 10,000 calls",
        "",
        8.0,
        connections as f64 / (calls as f64 / 10_000.0).max(1.0),
        &format!("{connections} for {calls} calls"),
    ));
    println!("    after the creations: {:.1} MiB, at most {:.1}", process::resident(id), process::peak(id));
    operator.terminate().await;
    if mode.hold {
        hold(&stage).await;
    }

    let operator = restart(&stage, report, objects).await;
    relist(&stage, &operator, report).await;
    rest(&operator, report, mode).await;
    operator.terminate().await;
    crowd(&stage, report, mode, objects).await;
}

/// For a profiler, and for other builds of the operator: everything stays until this program is ended.
async fn hold(stage: &Stage) {
    let operator = stage.operator(&[]);
    let line = std::fs::read(format!("/proc/{}/cmdline", operator.process_id())).unwrap_or_default();
    let line = String::from_utf8_lossy(&line).replace('\0', " ");
    let folder = stage.bench.plane().directory().display();
    operator.terminate().await;
    println!("    the fleet stays; end this program with Ctrl-C\n    control plane: {folder}\n    {line}");
    std::future::pending::<()>().await;
}

fn name(number: usize) -> String {
    format!("vm{number:05}")
}

/// P8: a new process among objects that have not changed.
#[expect(clippy::cast_precision_loss, reason = "a count of objects")]
async fn restart(stage: &Stage, report: &mut Report, objects: usize) -> Operator {
    let ids = stage.ids();
    let (_, before) = stage.ready().await;
    stage.bench.sim.clear_journal();
    let begun = Instant::now();
    let operator = stage.operator(&[]);
    let id = operator.process_id();
    while operator.health("/readyz").await.0 != 200 {
        sleep(Duration::from_millis(5)).await;
    }
    let synced = begun.elapsed();
    let at_sync = process::cpu(id);
    // Somebody changes an object at that very moment.
    let changed = name(objects / 2);
    let accepted = stage.change(&changed, &json!({"monitoring": {"enabled": true, "alerting": true}})).await;
    let first = stage.first_call(ids[&changed], begun, Duration::from_secs(60)).await;
    let done = loop {
        let page = operator.metrics().await;
        let count = sample(&page, PASSES);
        if count >= objects as f64 {
            break begun.elapsed();
        }
        assert!(begun.elapsed() < Duration::from_secs(120), "{count} passes of {objects}");
        sleep(Duration::from_millis(5)).await;
    };
    let passed = process::cpu(id) - at_sync;
    let page = operator.metrics().await;
    let (seconds, passes) = (sample(&page, PASS_SECONDS), sample(&page, PASSES));
    println!(
        "    synced after {:.2} s ({:.2} s of processor time), first passes after {:.2} s ({:.2} s more); peak {:.1} MiB",
        synced.as_secs_f64(),
        at_sync.as_secs_f64(),
        done.as_secs_f64(),
        passed.as_secs_f64(),
        process::peak(id)
    );
    println!("    {passes} passes, {:.1} µs each by the clock", seconds / passes * 1e6);
    let first = first.map_or(f64::INFINITY, |first| milliseconds(first.saturating_duration_since(accepted)));
    report.row(row(
        "P8",
        "restart: caches synced and first passes done",
        "s",
        2.5,
        done.as_secs_f64(),
        &format!("{objects} objects, from the start of the process"),
    ));
    report.row(row("P8", "then a changed object's first call", "ms", 300.0, first, "asked for at the sync"));
    report.row(row(
        "P6",
        "processor time of a pass that finds nothing to do",
        "µs",
        60.0,
        passed.as_secs_f64() / objects as f64 * 1e6,
        "all that the process did from the sync to the last first pass, by objects",
    ));
    sleep(Duration::from_secs(10)).await;
    let (_, after) = stage.ready().await;
    let moved = after.iter().filter(|(name, version)| before.get(*name) != Some(version)).count();
    let moved = moved.saturating_sub(usize::from(after[&changed] != before[&changed]));
    report.row(row("P8", "writes to unchanged objects", "writes", 0.0, moved as f64, "by their versions"));
    operator
}

fn sample(page: &str, name: &str) -> f64 {
    page.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok()).unwrap_or_default()
}

/// P7: at rest, and when the API server makes every watcher list again.
async fn relist(stage: &Stage, operator: &Operator, report: &mut Report) {
    let id = operator.process_id();
    println!("    the first list: at most {:.1} MiB", process::peak(id));
    sleep(Duration::from_secs(70)).await;
    report.row(row("P7", "resident memory, 10,000 objects at rest", "MiB", 45.0, process::resident(id), ""));
    process::reset_peak(id);
    let plane = stage.bench.plane();
    plane.stop_apiserver().await.expect("it stops");
    plane.start_apiserver().await.expect("it starts");
    sleep(Duration::from_secs(45)).await;
    report.row(row(
        "P7",
        "resident memory, at most, with a restart of the API server",
        "MiB",
        90.0,
        process::peak(id),
        "watches broken, lists read anew",
    ));
    println!("    afterwards {:.1} MiB", process::resident(id));
}

/// P6: nothing changes.
async fn rest(operator: &Operator, report: &mut Report, mode: Mode) {
    let span = Duration::from_secs(if mode.quick { 30 } else { 120 });
    let id = operator.process_id();
    let before = process::cpu(id);
    sleep(span).await;
    let share = (process::cpu(id) - before).as_secs_f64() / span.as_secs_f64() * 100.0;
    report.row(row(
        "P6",
        "at rest with 10,000 objects",
        "% of a core",
        0.5,
        share,
        "lists every 60 s, details as they come due",
    ));
    report.row(row("P13", "descriptors at rest", "fds", 40.0, process::descriptors(id) as f64, ""));
}

/// How many VMs had a change refused.
fn refused(stage: &Stage) -> usize {
    let journal = stage.bench.sim.journal();
    let refused = journal.iter().filter(|entry| entry.fault.is_some() && entry.operation.is_mutating());
    refused.filter_map(|entry| entry.instance).collect::<BTreeSet<_>>().len()
}

/// P3: one user's changes, while lists are read all the time and 500 objects fail.
async fn crowd(stage: &Stage, report: &mut Report, mode: Mode, objects: usize) {
    let failing = objects / 20;
    let ids = stage.ids();
    for number in 0..failing {
        let matches = Match { instance: Some(ids[&name(number)]), mutating: Some(true), ..Match::default() };
        let refuse = FaultKind::status(500, false);
        stage.bench.sim.inject(Fault::always(matches, refuse));
    }
    stage.bench.sim.config(|config| config.time = itcare_sim::Config::auto(Duration::from_secs(2)).time);
    // At the default rate, with lists so often that one is always being read.
    let operator = stage.operator(&["--observe-interval=5s"]);
    operator.ready().await;
    sleep(Duration::from_secs(5)).await;
    stage.fill((0..failing).map(name), &json!({"monitoring": {"enabled": false, "alerting": false}})).await;
    // Each of them has failed before anything is measured: until then they are changes that a user waits for, too.
    let begun = Instant::now();
    while refused(stage) < failing {
        assert!(begun.elapsed() < Duration::from_secs(900), "{} of {failing} have failed", refused(stage));
        sleep(Duration::from_secs(1)).await;
    }
    println!("    {failing} objects fail, after {:.0?}", begun.elapsed());
    let rounds = if mode.quick { 20 } else { 120 };
    let mut times = Vec::new();
    for round in 0..rounds {
        let name = name(failing + round * 7 % (objects - failing));
        stage.bench.sim.clear_journal();
        let sent = Instant::now();
        // Each object has its turn once: what it is asked for must differ from what it was made with.
        let accepted = stage.change(&name, &json!({"monitoring": {"enabled": true, "alerting": true}})).await;
        let first = stage.first_call(ids[&name], sent, Duration::from_secs(30)).await;
        times.push(first.map_or(30_000.0, |first| milliseconds(first.saturating_duration_since(accepted))));
        sleep(Duration::from_millis(700 + (round as u64 * 37) % 600)).await;
    }
    stage.bench.sim.clear_faults();
    println!("    median {:.1} ms, most {:.1} ms", percentile(&times, 0.5), percentile(&times, 1.0));
    report.row(row(
        "P3",
        "spec change to first API byte, in a crowd, p99",
        "ms",
        100.0,
        percentile(&times, 0.99),
        &format!("{objects} objects, {failing} failing, lists all the time, 10 calls/s, {rounds} changes"),
    ));
    operator.terminate().await;
}
