//! P1, P2 and P12 in virtual time: the same scenes as the tests of `cost`, drawn.

use std::time::Duration;

use itcare_sim::Entry;
use serde_json::json;

use crate::report::{self, Report, Row};
use crate::scene;
use crate::support::{Setup, World};

const RATE: f64 = 10.0;

/// One scene: what it counted, and its calls.
struct Scene {
    row: Row,
    title: &'static str,
    file: &'static str,
    journal: Vec<Entry>,
    /// Seconds of each bar.
    span: f64,
}

/// Paused time needs a runtime of its own, and a thread for it.
pub fn run(report: &mut Report) {
    let scenes = std::thread::spawn(|| {
        let runtime = || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            builder.enable_all().start_paused(true).build().expect("a runtime can be made")
        };
        [runtime().block_on(creation()), runtime().block_on(rest()), runtime().block_on(outage())]
    });
    for scene in scenes.join().expect("the scenes end") {
        report::write(scene.file, &drawn(&scene));
        report.row(scene.row);
    }
}

fn drawn(scene: &Scene) -> String {
    let Some(first) = scene.journal.first() else { return String::new() };
    let mut counts = Vec::new();
    for entry in &scene.journal {
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "an index")]
        let bar = (entry.at.duration_since(first.at).as_secs_f64() / scene.span) as usize;
        counts.resize(counts.len().max(bar + 1), 0);
        counts[bar] += 1;
    }
    crate::chart::bars(scene.title, &counts, scene.span, RATE * scene.span)
}

fn row(id: &'static str, what: &str, unit: &'static str, target: f64, measured: f64, floor: f64) -> Row {
    Row {
        id,
        what: what.to_owned(),
        unit,
        target,
        measured,
        floor: Some(floor),
        note: "virtual time".to_owned(),
    }
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
async fn creation() -> Scene {
    let world = scene::world(Duration::from_secs(60));
    let _operator = world.start();
    scene::apply(&world, 1_000);
    scene::until_ready(&world, 1_000).await;
    let journal = world.sim.journal();
    let calls: usize = scene::calls(&journal).values().sum();
    Scene {
        row: row("P1", "calls per VM, 1,000 creations", "calls", 2.3, calls as f64 / 1_000.0, 1.0),
        title: "P1: 1,000 creations, actions of 60 s",
        file: "p1.svg",
        journal,
        span: 5.0,
    }
}

/// A thousand VMs, made at once.
async fn made(world: &World) {
    let fast = Setup { rate: 1_000.0, burst: 1_000, ..world.setup.clone() };
    let operator = world.start_with(&fast);
    scene::apply(world, 1_000);
    scene::until_ready(world, 1_000).await;
    operator.terminate().await;
}

#[expect(clippy::cast_precision_loss, reason = "counts")]
async fn rest() -> Scene {
    let mut world = scene::world(Duration::from_secs(2));
    world.setup.page_size = 100;
    made(&world).await;
    let _operator = world.start();
    world.pass(Duration::from_secs(600)).await;
    world.sim.clear_journal();
    world.pass(Duration::from_secs(3600)).await;
    let journal = world.sim.journal();
    let calls = scene::without_details(&scene::calls(&journal));
    Scene {
        row: row("P2", "calls in an hour at rest, 1,000 VMs", "calls", 660.0, calls as f64, 600.0),
        title: "P2: an hour at rest, 1,000 VMs",
        file: "p2.svg",
        journal,
        span: 60.0,
    }
}

async fn outage() -> Scene {
    let world = scene::world(Duration::from_secs(2));
    made(&world).await;
    world.sim.config(|config| config.time = itcare_sim::Config::auto(Duration::from_secs(60)).time);
    let operator = world.start();
    world.pass(Duration::from_secs(120)).await;
    operator.transport.set_unreachable(true);
    for number in 0..1_000 {
        world.patch(&format!("vm{number:05}"), json!({"monitoring": {"enabled": true, "alerting": true}}));
    }
    world.pass(Duration::from_secs(3600)).await;
    world.sim.clear_journal();
    operator.transport.set_unreachable(false);
    let took = scene::until_ready(&world, 1_000).await.as_secs_f64();
    let floor = (3.0 * 1_000.0 - 20.0) / RATE + 60.0;
    Scene {
        row: row("P12", "after an hour away, 1,000 changes", "s", floor * 1.1, took, floor),
        title: "P12: ITCare is back after an hour, 1,000 changes wait",
        file: "p12.svg",
        journal: world.sim.journal(),
        span: 10.0,
    }
}
