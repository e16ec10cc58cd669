//! P13 and the lease of P10: hours of work, and whether anything grows or is lost.
//!
//! Only when named. `--minutes=30` makes it shorter than two hours.

use std::time::Duration;

use k8s_openapi::api::coordination::v1::Lease;
use kube::Api;
use serde_json::json;
use tokio::time::{Instant, sleep};

use crate::process;
use crate::report::{Report, Row};
use crate::stage::Stage;

const OBJECTS: usize = 500;

/// These stay; the others come and go.
const STEADY: usize = 480;

/// Between two changes.
const PACE: Duration = Duration::from_secs(2);

/// Changes between two samples.
const SAMPLE: usize = 15;

/// What is thrown away: caches fill, and the allocator finds its size.
const WARM_UP: f64 = 0.25;

/// One look at the process.
struct Sample {
    hours: f64,
    resident: f64,
    descriptors: usize,
}

pub async fn run(report: &mut Report, minutes: u64) {
    let stage = Stage::new("soak", Duration::from_millis(1_500)).await;
    let operator = stage.operator(&[]);
    operator.ready().await;
    stage.fill((0..OBJECTS).map(name), &json!({})).await;
    stage.until_ready(OBJECTS, Duration::from_secs(900)).await;
    let leases: Api<Lease> =
        Api::namespaced(stage.bench.plane().admin().expect("a client"), stage.bench.name());
    let (id, transitions) = (operator.process_id(), transitions(&leases).await);
    let (begun, span) = (Instant::now(), Duration::from_secs(minutes * 60));
    let (mut samples, mut calls, mut refused) = (Vec::new(), 0, 0);
    for round in 0.. {
        if begun.elapsed() >= span {
            break;
        }
        work(&stage, round).await;
        sleep(PACE).await;
        if round % SAMPLE == 0 {
            samples.push(Sample {
                hours: begun.elapsed().as_secs_f64() / 3_600.0,
                resident: process::resident(id),
                descriptors: process::descriptors(id),
            });
            let journal = stage.bench.sim.journal();
            calls += journal.len();
            refused += journal.iter().filter(|entry| entry.status() == Some(429)).count();
            stage.bench.sim.clear_journal();
        }
        if round % (SAMPLE * 20) == 0 {
            let last = samples.last().expect("one was just taken");
            println!(
                "    … {:.0} min, {:.1} MiB, {} descriptors, {calls} calls",
                last.hours * 60.0,
                last.resident,
                last.descriptors
            );
        }
    }
    let lost = self::transitions(&leases).await - transitions;
    show(report, &samples, minutes, (calls, refused, lost));
    operator.terminate().await;
}

fn name(number: usize) -> String {
    format!("vm{number:05}")
}

/// A user's change, somebody else's, or an object that goes and, much later, comes again.
async fn work(stage: &Stage, round: usize) {
    let comes_and_goes = |decade: usize| name(STEADY + decade % (OBJECTS - STEADY));
    let decade = round / 10;
    match round % 10 {
        3 => {
            let vms = stage.bench.sim.instances();
            let vm = &vms[round * 13 % vms.len()];
            stage.bench.sim.edit(vm.id, |vm| vm.status = "INACTIVE".to_owned());
        }
        5 if decade > 0 => stage.fill([comes_and_goes(decade - 1)].into_iter(), &json!({})).await,
        6 => stage.bench.delete("ITCareInstance", &comes_and_goes(decade)).await,
        _ => {
            let alerting = (round / STEADY).is_multiple_of(2);
            let changed = json!({"monitoring": {"enabled": true, "alerting": alerting}});
            stage.change(&name(round * 7 % STEADY), &changed).await;
        }
    }
}

async fn transitions(leases: &Api<Lease>) -> i32 {
    let all = leases.list(&kube::api::ListParams::default()).await.expect("leases can be listed");
    all.items.into_iter().filter_map(|lease| lease.spec?.lease_transitions).sum()
}

fn show(report: &mut Report, samples: &[Sample], minutes: u64, (calls, refused, lost): (usize, usize, i32)) {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        clippy::cast_precision_loss,
        reason = "an index"
    )]
    let warm = &samples[(samples.len() as f64 * WARM_UP) as usize..];
    let slope = slope(warm);
    let fewest = warm.iter().map(|sample| sample.descriptors).min().unwrap_or_default();
    let most = warm.iter().map(|sample| sample.descriptors).max().unwrap_or_default();
    let last = warm.last().map_or(0.0, |sample| sample.resident);
    let note = format!("{minutes} minutes, {OBJECTS} objects, a change each 2 s, {calls} calls");
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    for (id, what, unit, target, measured) in [
        ("P13", "memory at work, slope", "MiB/h", 1.0, slope),
        ("P13", "memory at its end", "MiB", 45.0, last),
        ("P13", "descriptors, most less fewest", "fds", 8.0, (most - fewest) as f64),
        ("P10", "times that the lease changed hands", "times", 0.0, f64::from(lost)),
        ("P5", "replies that ask to slow down", "429s", 0.0, refused as f64),
    ] {
        let what = what.to_owned();
        report.row(Row { id, what, unit, target, measured, floor: None, note: note.clone() });
    }
}

/// Least squares.
fn slope(samples: &[Sample]) -> f64 {
    #[expect(clippy::cast_precision_loss, reason = "a count")]
    let count = samples.len() as f64;
    let mean = |of: fn(&Sample) -> f64| samples.iter().map(of).sum::<f64>() / count;
    let (x, y) = (mean(|sample| sample.hours), mean(|sample| sample.resident));
    let along: f64 = samples.iter().map(|sample| (sample.hours - x) * (sample.resident - y)).sum();
    along / samples.iter().map(|sample| (sample.hours - x).powi(2)).sum::<f64>()
}
