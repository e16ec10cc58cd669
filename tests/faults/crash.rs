//! The process dies before and after everything that it sends, to either side, and starts again.

use std::sync::Arc;

use crate::judge::judge;
use crate::plan::{CLOUDS, Good, Plan, good, on_paused_time, prepared, run, settle};
use crate::strike::{Boundary, Side, hang};
use crate::workload::{self, Workload};

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
    let death = hang(&world, boundary, side);
    let crash = async {
        death.hits(&world).await;
        drop(replica);
        world.start()
    };
    let ((), _replica) = tokio::join!((workload.act)(&world), crash);
    settle(&world, Some(&good.end)).await;
    world.audit();
    judge(workload, &world, good, &["OutcomeUnknown"]);
}
