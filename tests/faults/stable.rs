//! What has converged stays: no call that changes anything, and no write, for a day.

use std::time::Duration;

use crate::plan::{Plan, prepared, run, settle};
use crate::workload;

#[test]
fn what_has_converged_stays_untouched_for_a_day() {
    let plans = workload::all().into_iter().map(std::sync::Arc::new).map(|workload| Plan {
        name: format!("{}/strict/day", workload.name),
        run: Box::new(move || {
            let workload = std::sync::Arc::clone(&workload);
            Box::pin(async move {
                let (world, _replica) = prepared(&workload, "strict").await;
                (workload.act)(&world).await;
                settle(&world, None).await;
                let mark = (world.api.revision(), world.changes().len());
                world.pass(Duration::from_secs(24 * 3600)).await;
                let now = (world.api.revision(), world.changes().len());
                assert_eq!(now, mark, "changed at rest:\n{}", world.tail());
            })
        }),
    });
    run(plans.collect(), 12);
}
