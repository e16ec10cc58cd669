//! What users wait for and pay for, measured on the built binary with a real control plane and the simulator
//! behind a socket.
//!
//! `cargo bench --bench operator` measures all but the long ones; `-- p3 fleet` only these; `--quick` with fewer
//! objects and rounds; `soak` is two hours, and runs only when named. The table is printed, and left in `target/bench`
//! with its CSV and the charts. It judges nothing: a target that is missed is shown as missed. Counts are tests
//! (`tests/cost`).

#[path = "../operator/bench.rs"]
#[expect(dead_code, reason = "shared with the operator suite, which uses the rest")]
mod bench;
mod chart;
mod counts;
mod creation;
mod failover;
mod fleet;
mod process;
mod reaction;
mod report;
#[path = "../cost/scene.rs"]
#[expect(dead_code, reason = "shared with the tests of cost, which use the rest")]
mod scene;
mod size;
mod soak;
mod stage;
#[path = "../support/mod.rs"]
mod support;

use std::path::Path;
use std::process::Command;
use std::time::Instant;

use report::Report;

/// How much of everything.
#[derive(Clone, Copy)]
pub struct Mode {
    /// Fewer objects and rounds.
    pub quick: bool,
    /// The fleet is made and stays, for a look by hand.
    pub hold: bool,
}

/// The names of the scenarios, and what each of them measures.
const SCENARIOS: [(&str, &[&str]); 6] = [
    ("size", &["p14"]),
    ("counts", &["p1", "p2", "p12"]),
    ("reaction", &["p3", "idle"]),
    ("failover", &["p10"]),
    ("creation", &["p1", "p5"]),
    ("fleet", &["p3", "p6", "p7", "p8"]),
];

/// Only when named: they take long.
const LONG: [(&str, &[&str]); 2] = [("drift", &["p4"]), ("soak", &["p13"])];

/// Where etcd's data cost no disk.
const MEMORY: &str = "/dev/shm";

fn main() {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    // `cargo test --benches` only asks whether this builds.
    if !arguments.iter().any(|argument| argument == "--bench") {
        return;
    }
    if in_memory(&arguments) {
        return;
    }
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
    runtime.expect("threads can be started").block_on(measure(&arguments));
}

/// Runs this program again with its temporary files in memory, where that is possible and nobody chose a place.
fn in_memory(arguments: &[String]) -> bool {
    #[expect(clippy::disallowed_methods, reason = "where temporary files go is not the product's business")]
    if std::env::var_os("TMPDIR").is_some() || !Path::new(MEMORY).is_dir() {
        return false;
    }
    let program = std::env::current_exe().expect("a running program has a path");
    let status = Command::new(program).args(arguments).env("TMPDIR", MEMORY).status();
    std::process::exit(status.expect("it can run again").code().unwrap_or(1))
}

async fn measure(arguments: &[String]) {
    let names: Vec<String> =
        arguments.iter().filter(|name| !name.starts_with("--")).map(|name| name.to_lowercase()).collect();
    let known = |name: &String| {
        SCENARIOS
            .iter()
            .chain(&LONG)
            .any(|(scenario, covers)| name == scenario || covers.contains(&name.as_str()))
    };
    if let Some(unknown) = names.iter().find(|name| !known(name)) {
        let all: Vec<&str> = SCENARIOS.iter().chain(&LONG).map(|(name, _)| *name).collect();
        eprintln!("{unknown}: no such scenario; there are: {}, or the numbers p1 to p14", all.join(", "));
        std::process::exit(2);
    }
    let given = |flag: &str| arguments.iter().any(|argument| argument == flag);
    let mode = Mode { quick: given("--quick"), hold: given("--hold") };
    let minutes = arguments.iter().find_map(|argument| argument.strip_prefix("--minutes="));
    let minutes = minutes.map_or(120, |minutes| minutes.parse().expect("--minutes takes a number"));
    let mut report = Report::new(facts(arguments));
    for (scenario, covers) in SCENARIOS.iter().chain(&LONG) {
        let named = names.iter().any(|name| name == scenario || covers.contains(&name.as_str()));
        let is_long = LONG.iter().any(|(name, _)| name == scenario);
        if !named && (is_long || !names.is_empty()) {
            continue;
        }
        println!("{scenario} ({})", covers.join(", "));
        #[expect(clippy::disallowed_methods, reason = "it says how long a scenario took in real time")]
        let begun = Instant::now();
        match *scenario {
            "size" => size::run(&mut report),
            "counts" => counts::run(&mut report),
            "reaction" => reaction::idle(&mut report, mode).await,
            "failover" => failover::run(&mut report, mode).await,
            "creation" => creation::run(&mut report, mode).await,
            "fleet" => fleet::run(&mut report, mode).await,
            "drift" => reaction::drift(&mut report, mode).await,
            "soak" => soak::run(&mut report, minutes).await,
            other => unreachable!("{other} is in the table and has no function"),
        }
        println!("  took {:.0?}", begun.elapsed());
    }
    report.finish();
}

/// What must be known to compare two tables.
fn facts(arguments: &[String]) -> Vec<(&'static str, String)> {
    let first = |path: &str, prefix: &str| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with(prefix)).unwrap_or_default().to_owned();
        line.split(':').nth(1).map(|value| value.trim().to_owned()).unwrap_or(line)
    };
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let temporary = std::env::temp_dir();
    vec![
        ("operator", env!("CARGO_PKG_VERSION").to_owned()),
        ("arguments", arguments.join(" ")),
        ("flags, unless a line says otherwise", stage::DEFAULTS.join(" ")),
        ("processor", format!("{cores} × {}", first("/proc/cpuinfo", "model name"))),
        (
            "system",
            std::fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default().trim().to_owned(),
        ),
        ("etcd's data", format!("{} (no fsync)", temporary.display())),
    ]
}
