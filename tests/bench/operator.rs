//! What users wait for and pay for, measured on the built binary with a real control plane and the simulator
//! behind a socket: `cargo bench`. It prints numbers and judges nothing; tests count, benches measure.

#[path = "../operator/bench.rs"]
#[expect(dead_code, reason = "shared with the operator suite, which uses the rest")]
mod bench;

use std::time::Duration;

use bench::Bench;
use serde_json::json;
use tokio::time::{Instant, sleep};

const VM: &str = "ITCareInstance";

const ROUNDS: usize = 200;

const OBJECTS: usize = 1_000;

#[tokio::main]
async fn main() {
    // `cargo test --benches` only asks whether this builds.
    if !std::env::args().any(|argument| argument == "--bench") {
        return;
    }
    // `cargo bench -- memory` measures that alone.
    let wanted = |name: &str| {
        let names: Vec<String> =
            std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
        names.is_empty() || names.iter().any(|wanted| wanted == name)
    };
    if wanted("reaction") {
        reaction().await;
    }
    if wanted("memory") {
        memory().await;
    }
}

/// From the moment a changed spec is sent to the API server until the first request of the operator reaches
/// ITCare, with nothing else going on.
async fn reaction() {
    let bench = Bench::with_actions_of("reaction", Duration::from_millis(1)).await;
    let operator = bench.operator(&["--observe-interval=1h", "--action-interval=50ms", "--itcare-rate=1000"]);
    operator.ready().await;
    bench.instance("web", json!({"monitoring": {"enabled": true, "alerting": true}})).await;
    let mut times = Vec::with_capacity(ROUNDS);
    for round in 0..ROUNDS {
        bench.until_true(VM, "web", "Ready").await;
        bench.sim.clear_journal();
        let wish = json!({"spec": {"monitoring": {"enabled": true, "alerting": round % 2 == 1}}});
        let begun = Instant::now();
        bench.patch(VM, "web", wish).await;
        while bench.sim.journal().is_empty() {
            sleep(Duration::from_micros(100)).await;
        }
        times.push(begun.elapsed());
    }
    times.sort_unstable();
    let at = |share: usize| times[(times.len() * share / 100).min(times.len() - 1)];
    println!(
        "spec change to first ITCare request, {ROUNDS} rounds: median {:.1?}, p99 {:.1?}, most {:.1?}",
        at(50),
        at(99),
        at(100)
    );
}

/// What the operator holds in memory once all its instances are settled.
async fn memory() {
    let bench = Bench::with_actions_of("memory", Duration::from_millis(50)).await;
    let operator = bench.operator(&["--observe-interval=60s", "--action-interval=2s", "--itcare-rate=1000"]);
    operator.ready().await;
    let before = resident(&operator);
    let begun = Instant::now();
    for number in 0..OBJECTS {
        bench.instance(&format!("vm{number:04}"), json!({})).await;
    }
    for number in 0..OBJECTS {
        bench.until_true(VM, &format!("vm{number:04}"), "Ready").await;
    }
    println!("{OBJECTS} instances created and Ready in {:.0?}", begun.elapsed());
    // Two sweeps of the inventory.
    sleep(Duration::from_secs(130)).await;
    let (after, most) = (resident(&operator), peak(&operator));
    println!("memory: {before} KiB idle, {after} KiB at rest with {OBJECTS} instances, {most} KiB at most");
}

fn resident(operator: &bench::Operator) -> u64 {
    field(operator, "VmRSS:")
}

fn peak(operator: &bench::Operator) -> u64 {
    field(operator, "VmHWM:")
}

/// A size of the process in KiB, from `/proc`.
fn field(operator: &bench::Operator, name: &str) -> u64 {
    let path = format!("/proc/{}/status", operator.process_id());
    let text = std::fs::read_to_string(path).expect("the process runs, on Linux");
    let line = text.lines().find_map(|line| line.strip_prefix(name)).expect("the kernel tells");
    line.split_whitespace().next().and_then(|number| number.parse().ok()).expect("a number of KiB")
}
