//! A plan: one workload, in a cloud that protects us or does not, and one thing that goes wrong. Run, it gives
//! the end of the world; a list of plans is run to its end, and every failure is told by the plan's name.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use futures::future::BoxFuture;
use itcare_sim::{Operation, SeedInstance};
use tokio::time::{Instant, sleep};

use crate::oracle::End;
use crate::support::{Replica, World};
use crate::workload::Workload;

/// Run the plans whose name contains this, and show their journals.
const ONLY: &str = "PLAN";

/// No change for so long, and it is quiet: longer than anything that is tried again by itself.
const QUIET: Duration = Duration::from_secs(16 * 60);

/// The same where the end is the wished one already: longer than the settle time.
const QUIET_AT_THE_GOAL: Duration = Duration::from_secs(150);

/// Both clouds: with unique names and a single snapshot slot, and without.
pub const CLOUDS: [&str; 2] = ["strict", "lax"];

/// A world with that cloud.
pub fn world_of(cloud: &str) -> World {
    if cloud == "lax" { World::lax() } else { World::new() }
}

/// The world around the one VM of a workload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Stage {
    /// Somebody else's VMs in the same service, before and behind it in the list.
    pub crowd: usize,
    pub page_size: u32,
    pub observe_interval: Duration,
    /// How long it rests before the user acts.
    pub rest: Duration,
}

impl Default for Stage {
    fn default() -> Self {
        // Whatever the preparation left to do is done, and the next sweep is some way off.
        let rest = Duration::from_secs(21);
        Self { crowd: 0, page_size: 200, observe_interval: Duration::from_secs(60), rest }
    }
}

/// A world at rest, in which the workload's user has not acted yet.
pub async fn prepared(workload: &Workload, cloud: &str) -> (World, Replica) {
    prepared_on(workload, cloud, Stage::default()).await
}

/// The same on another stage.
pub async fn prepared_on(workload: &Workload, cloud: &str, stage: Stage) -> (World, Replica) {
    let mut world = world_of(cloud);
    world.setup.page_size = stage.page_size;
    world.setup.observe_interval = stage.observe_interval;
    let crowd = |world: &World, word: &str| {
        for number in 0..stage.crowd {
            world.sim.seed(SeedInstance::new(&format!("{word}{number}"), 13));
        }
    };
    crowd(&world, "BEFORE");
    let replica = world.start();
    (workload.prepare)(&world).await;
    crowd(&world, "BEHIND");
    sleep(stage.rest).await;
    world.sim.clear_journal();
    (world, replica)
}

/// What happened in a good run, from the user's act to the last change.
pub struct Good {
    pub end: End,
    pub calls: Vec<Operation>,
    /// Requests to the API server that were meant to change something.
    pub writes: usize,
    /// Changes of the API server's objects, the user's own included.
    pub revisions: u64,
}

/// Runs a workload without any fault.
pub async fn good(workload: &Workload, cloud: &str) -> Good {
    good_on(workload, cloud, Stage::default()).await
}

/// The same on another stage.
pub async fn good_on(workload: &Workload, cloud: &str, stage: Stage) -> Good {
    let (world, _replica) = prepared_on(workload, cloud, stage).await;
    let (writes, revision) = (world.api.writes().len(), world.api.revision());
    (workload.act)(&world).await;
    let calls = settle(&world, None).await;
    world.audit();
    let journal = world.sim.journal();
    let calls = journal.iter().take(calls).map(|entry| entry.operation).collect();
    let writes = world.api.writes().len() - writes;
    Good { end: End::of(&world), calls, writes, revisions: world.api.revision() - revision }
}

/// Lets time pass until nothing changes any more. Returns how many calls there were until the last change.
pub async fn settle(world: &World, goal: Option<&End>) -> usize {
    let mark = |world: &World| (world.api.revision(), world.sim.actions().len(), world.sim.running().len());
    let (mut last, mut since, mut calls) = (mark(world), Instant::now(), world.sim.journal().len());
    let begun = since;
    loop {
        let at_goal =
            goal.is_some_and(|goal| since.elapsed() >= QUIET_AT_THE_GOAL && End::of(world) == *goal);
        if at_goal || since.elapsed() >= QUIET {
            return calls;
        }
        assert!(begun.elapsed() < Duration::from_secs(12 * 3600), "no quiet in 12 hours:\n{}", world.tail());
        sleep(Duration::from_secs(5)).await;
        let now = mark(world);
        if now != last {
            (last, since, calls) = (now, Instant::now(), world.sim.journal().len());
        }
    }
}

/// A named plan.
pub struct Plan<'a> {
    pub name: String,
    pub run: Box<dyn Fn() -> BoxFuture<'static, ()> + 'a>,
}

/// Runs each plan in a world of its own. Panics at the end with the names of those that failed.
pub fn run(plans: Vec<Plan<'_>>, expected: usize) {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let only = std::env::var(ONLY).ok();
    assert!(plans.len() >= expected, "only {} plans: the boundaries are no longer found", plans.len());
    let mut failed = Vec::new();
    let total = plans.len();
    for plan in plans {
        if only.as_ref().is_some_and(|only| !plan.name.contains(only.as_str())) {
            continue;
        }
        if catch_unwind(AssertUnwindSafe(|| on_paused_time((plan.run)()))).is_err() {
            eprintln!("FAILED: {ONLY}='{}'", plan.name);
            failed.push(plan.name);
        }
    }
    assert!(failed.is_empty(), "{} of {total} plans failed:\n{}", failed.len(), failed.join("\n"));
}

/// Runs to the end on a clock that waits for nobody.
pub fn on_paused_time<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(true)
        .build()
        .expect("a runtime can be built");
    runtime.block_on(future)
}
