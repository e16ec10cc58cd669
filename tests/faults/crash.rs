//! The process dies before and after everything that it sends, to either side, and starts again.

use std::sync::Arc;
use std::time::Duration;

use itcare_lab::memory;
use itcare_sim::{Fault, FaultKind, Match};
use tokio::time::sleep;

use crate::judge::judge;
use crate::plan::{CLOUDS, Good, Plan, good, on_paused_time, prepared, run, settle};
use crate::workload::{self, Workload};

#[derive(Debug, Clone, Copy)]
enum Boundary {
    Write(u32),
    Call(u32),
}

/// Dies while the request is on its way, or once it took effect and its reply has not come.
#[derive(Debug, Clone, Copy)]
enum Side {
    Before,
    After,
}

#[test]
fn a_crash_at_any_boundary_changes_nothing_but_the_time_it_takes() {
    let mut plans = Vec::new();
    for workload in workload::all().into_iter().map(Arc::new) {
        for cloud in CLOUDS {
            let good = Arc::new(on_paused_time(good(&workload, cloud)));
            let writes = (0..good.writes).map(|index| Boundary::Write(index as u32));
            let calls = (0..good.calls.len()).map(|index| Boundary::Call(index as u32));
            for boundary in writes.chain(calls) {
                for side in [Side::Before, Side::After] {
                    let name = format!("{}/{cloud}/crash/{boundary:?}/{side:?}", workload.name);
                    let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                    plans.push(Plan {
                        name,
                        run: Box::new(move || {
                            let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                            Box::pin(async move { cell(&workload, cloud, boundary, side, &good).await })
                        }),
                    });
                }
            }
        }
    }
    run(plans, 480);
}

async fn cell(workload: &Workload, cloud: &str, boundary: Boundary, side: Side, good: &Good) {
    let (world, replica) = prepared(workload, cloud).await;
    match boundary {
        Boundary::Write(index) => {
            let fault = match side {
                Side::Before => memory::Fault::hang(),
                Side::After => memory::Fault::hang_after_effect(),
            };
            world.api.inject(fault.writes().after(index));
        }
        Boundary::Call(index) => {
            let effect = matches!(side, Side::After);
            world.sim.inject(Fault::once(Match::any(), FaultKind::HangForever { effect }).after(index));
        }
    }
    let crash = async {
        let mut waited = Duration::ZERO;
        while !(world.api.faults_are_spent() && faults_hit(&world) >= expected_hits(boundary)) {
            assert!(waited < Duration::from_secs(3600), "the boundary is never reached");
            waited += Duration::from_millis(100);
            sleep(Duration::from_millis(100)).await;
        }
        drop(replica);
        world.start()
    };
    let ((), _replica) = tokio::join!((workload.act)(&world), crash);
    settle(&world, Some(&good.end)).await;
    world.audit();
    judge(workload, &world, good, &["OutcomeUnknown"]);
}

fn faults_hit(world: &crate::support::World) -> usize {
    world.sim.journal().iter().filter(|entry| entry.fault.is_some()).count()
}

fn expected_hits(boundary: Boundary) -> usize {
    match boundary {
        Boundary::Write(_) => 0,
        Boundary::Call(_) => 1,
    }
}
