//! What the operator sees is old, late, or has a hole: its cache of the objects, the lists of the API server,
//! the lists of ITCare, and replies that were true when they were asked for.
//!
//! Not here: failing calls (`rest`), deaths with a current view (`crash`).

use std::sync::Arc;
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation};
use tokio::time::sleep;

use crate::judge::{GIVEN_UP, judge};
use crate::plan::{Good, Plan, Stage, good_on, on_paused_time, prepared_on, run, settle};
use crate::strike::{Boundary, Side, hang};
use crate::support::{Replica, World};
use crate::workload::{self, Workload};

/// What is wrong with a view.
#[derive(Debug, Clone, Copy)]
enum View {
    /// The cache of the objects shows nothing later than so many changes after the user's act, for so long.
    Held { change: u64, seconds: u64 },
    /// The cache misses one change, until the watch begins anew.
    Skipped { change: u64 },
    /// After a write, the process dies and starts on an API server that lags so many changes behind.
    Older { write: u32, changes: u64 },
    /// ITCare's lists are always so old.
    Lagging { what: Lists, seconds: u64 },
    /// One reply comes so late.
    Late { call: u32, seconds: u64 },
    /// Lists are asked for every so many seconds, and answered so much later.
    Overlapping { every: u64, seconds: u64 },
    /// One page begins an item too late, or too early.
    Moved { call: u32, size: u32, early: bool },
    /// Every page does, for a quarter of an hour.
    AllMoved { size: u32, early: bool },
}

/// Which lists of ITCare.
#[derive(Debug, Clone, Copy)]
enum Lists {
    Instances,
    Actions,
    Both,
}

impl View {
    /// Where such a view makes a difference.
    fn stage(self) -> Stage {
        let plain = Stage::default();
        match self {
            Self::Held { .. } | Self::Skipped { .. } | Self::Older { .. } | Self::Late { .. } => plain,
            // What stood before the user's act must have reached even the oldest list.
            Self::Lagging { .. } => Stage { rest: Duration::from_secs(200), ..plain },
            Self::Overlapping { every, .. } => {
                Stage { observe_interval: Duration::from_secs(every), ..plain }
            }
            Self::Moved { size, .. } | Self::AllMoved { size, .. } => {
                Stage { crowd: 2, page_size: size, ..plain }
            }
        }
    }
}

/// All views of one run. `paged` are the good runs of the stages with small pages.
fn views(good: &Good, paged: &[(u32, Arc<Good>)]) -> Vec<View> {
    let mut views = Vec::new();
    for change in 0..=good.revisions {
        views.extend([20, 300].map(|seconds| View::Held { change, seconds }));
    }
    views.extend((1..=good.revisions).map(|change| View::Skipped { change }));
    for write in 0..good.writes as u32 {
        views.extend([1, 2, 4, u64::MAX].map(|changes| View::Older { write, changes }));
    }
    for what in [Lists::Instances, Lists::Actions, Lists::Both] {
        views.extend([10, 60, 110].map(|seconds| View::Lagging { what, seconds }));
    }
    for (call, operation) in good.calls.iter().enumerate() {
        if !operation.is_mutating() && *operation != Operation::Token {
            views.extend([2, 20].map(|seconds| View::Late { call: call as u32, seconds }));
        }
    }
    for (every, seconds) in [(5, 4), (5, 20), (2, 25)] {
        views.push(View::Overlapping { every, seconds });
    }
    for (size, good) in paged {
        for early in [false, true] {
            for (call, _) in good.calls.iter().enumerate().filter(|(_, made)| **made == Operation::List) {
                views.push(View::Moved { call: call as u32, size: *size, early });
            }
            views.push(View::AllMoved { size: *size, early });
        }
    }
    views
}

#[test]
fn no_stale_view_runs_anything_twice_where_itcare_protects_us() {
    matrix("strict");
}

#[test]
fn no_stale_view_runs_anything_twice_where_itcare_does_not() {
    matrix("lax");
}

fn matrix(cloud: &'static str) {
    let mut plans = Vec::new();
    for workload in workload::all().into_iter().map(Arc::new) {
        let on = |stage| Arc::new(on_paused_time(good_on(&workload, cloud, stage)));
        let plain = on(Stage::default());
        let paged = [1, 2].map(|size| (size, on(View::AllMoved { size, early: false }.stage())));
        for view in views(&plain, &paged) {
            let good = match view {
                View::Moved { size, .. } | View::AllMoved { size, .. } => {
                    &paged.iter().find(|(other, _)| *other == size).expect("each size has a good run").1
                }
                View::Held { .. }
                | View::Skipped { .. }
                | View::Older { .. }
                | View::Lagging { .. }
                | View::Late { .. }
                | View::Overlapping { .. } => &plain,
            };
            let (workload, good) = (Arc::clone(&workload), Arc::clone(good));
            plans.push(Plan {
                name: format!("{}/{cloud}/view/{view:?}", workload.name),
                run: Box::new(move || {
                    let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                    Box::pin(async move { cell(&workload, cloud, view, &good).await })
                }),
            });
        }
    }
    run(plans, 500);
}

async fn cell(workload: &Workload, cloud: &str, view: View, good: &Good) {
    let (world, replica) = prepared_on(workload, cloud, view.stage()).await;
    let _replica = spoil(&world, workload, view, replica).await;
    settle(&world, Some(&good.end)).await;
    world.audit();
    judge(workload, &world, good, &GIVEN_UP);
}

/// Lets the user act while a view is spoiled, and mends it. Returns the process that runs then.
async fn spoil(world: &World, workload: &Workload, view: View, replica: Replica) -> Replica {
    let begin = world.api.revision();
    let act = (workload.act)(world);
    let span = Duration::from_secs;
    match view {
        View::Held { change, seconds } => {
            world.api.hold_watches_at(begin + change);
            let mend = async {
                sleep(span(seconds)).await;
                world.api.hold_watches(false);
            };
            tokio::join!(act, mend);
        }
        View::Skipped { change } => {
            world.api.skip_event_at(begin + change);
            let mend = async {
                sleep(span(300)).await;
                world.api.expire_watches();
            };
            tokio::join!(act, mend);
        }
        View::Older { write, changes } => {
            let death = hang(world, Boundary::Write(write), Side::After);
            let crash = async {
                death.hits(world).await;
                drop(replica);
                let seen = world.api.revision().saturating_sub(changes).max(begin);
                world.api.hold_views_at(seen);
                let replica = world.start();
                sleep(span(300)).await;
                world.api.hold_watches(false);
                replica
            };
            return tokio::join!(act, crash).1;
        }
        View::Lagging { what, seconds } => {
            let lists: &[Operation] = match what {
                Lists::Instances => &[Operation::List],
                Lists::Actions => &[Operation::ActionList],
                Lists::Both => &[Operation::List, Operation::ActionList],
            };
            for list in lists {
                let stale = FaultKind::StaleList(span(seconds));
                world.sim.inject(Fault::always(Match::operation(*list), stale));
            }
            act.await;
        }
        View::Late { call, seconds } => {
            let late = FaultKind::LateReply(span(seconds));
            world.sim.inject(Fault::once(Match::any(), late).after(call));
            act.await;
        }
        View::Overlapping { every: _, seconds } => {
            for list in [Operation::List, Operation::ActionList] {
                let late = FaultKind::LateReply(span(seconds));
                world.sim.inject(Fault::always(Match::operation(list), late));
            }
            sleep(span(3)).await;
            act.await;
        }
        View::Moved { call, size: _, early } => {
            world.sim.inject(Fault::once(Match::any(), moved(early)).after(call));
            act.await;
        }
        View::AllMoved { size: _, early } => {
            world.sim.inject(Fault::always(Match::operation(Operation::List), moved(early)));
            let mend = async {
                sleep(span(900)).await;
                world.sim.clear_faults();
            };
            tokio::join!(act, mend);
        }
    }
    replica
}

fn moved(early: bool) -> FaultKind {
    if early { FaultKind::OverlapPage } else { FaultKind::ShiftPage }
}
