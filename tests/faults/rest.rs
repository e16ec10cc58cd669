//! Every call that a good run makes goes wrong, in every way that calls go wrong.

use std::sync::Arc;
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation, Wait};

use crate::judge::{GIVEN_UP, judge};
use crate::oracle::End;
use crate::plan::{Good, Plan, good, on_paused_time, prepared, run, settle};
use crate::support::World;
use crate::workload::{self, Workload};

/// A way to fail, by name.
pub type Way = (&'static str, FaultKind);

/// The ways of every call. "after" means that the call took effect.
pub fn ways() -> Vec<Way> {
    let status = FaultKind::error;
    let retry = |code, wait, effect| FaultKind::RetryAfter { code, wait, effect };
    let seconds = Duration::from_secs;
    vec![
        ("dropped-before", FaultKind::DropBefore),
        ("dropped-after", FaultKind::DropAfter),
        ("500-before", status(500, false)),
        ("500-after", status(500, true)),
        ("502-html-before", FaultKind::Html { code: 502, effect: false }),
        ("502-html-after", FaultKind::Html { code: 502, effect: true }),
        ("503-before", retry(503, Wait::Seconds(7), false)),
        ("504-after", status(504, true)),
        ("429-seconds", retry(429, Wait::Seconds(20), false)),
        ("429-date", retry(429, Wait::Date(seconds(20)), false)),
        ("429-bare", status(429, false)),
        ("401-expired", FaultKind::ExpireTokens),
        ("401-once", status(401, false)),
        ("403-once", status(403, false)),
        ("404-though-there", FaultKind::NotFound),
        ("409-once", status(409, false)),
        ("422-once", status(422, false)),
        ("truncated", FaultKind::Truncate),
        ("wrong-types", FaultKind::WrongTypes),
        ("unknown-status", FaultKind::UnknownStatus),
        ("hangs-before", FaultKind::HangForever { effect: false }),
        ("hangs-after", FaultKind::HangForever { effect: true }),
        ("late-effect", FaultKind::DelayedEffect { after: seconds(40), hang: true }),
        ("late-effect-dropped", FaultKind::DelayedEffect { after: seconds(40), hang: false }),
        ("slow", FaultKind::Delay(seconds(12))),
        ("replayed", FaultKind::Replay),
    ]
}

/// Those that only a list can show.
pub fn list_ways() -> Vec<Way> {
    vec![
        ("stale-list", FaultKind::StaleList(Duration::from_secs(60))),
        ("empty-list", FaultKind::EmptyList),
        ("shifted-page", FaultKind::ShiftPage),
        ("overlapping-page", FaultKind::OverlapPage),
    ]
}

/// Those that only an action can show.
pub fn action_ways() -> Vec<Way> {
    vec![
        ("action-fails", FaultKind::ActionFails("no more addresses".to_owned())),
        ("action-vanishes", FaultKind::ActionVanishes),
    ]
}

#[test]
fn no_failing_call_runs_anything_twice_where_itcare_protects_us() {
    matrix("strict", 4_000);
}

#[test]
fn no_failing_call_runs_anything_twice_where_itcare_does_not() {
    matrix("lax", 4_000);
}

fn matrix(cloud: &'static str, expected: usize) {
    let mut plans = Vec::new();
    for workload in workload::all().into_iter().map(Arc::new) {
        let good = Arc::new(on_paused_time(good(&workload, cloud)));
        for (index, operation) in good.calls.iter().copied().enumerate() {
            let mut ways = ways();
            if operation == Operation::List {
                ways.extend(list_ways());
            }
            if operation.is_mutating() {
                ways.extend(action_ways());
            }
            for (way, kind) in ways {
                let name = format!("{}/{cloud}/call/{index}:{operation:?}/{way}", workload.name);
                let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                plans.push(Plan {
                    name,
                    run: Box::new(move || {
                        let cell = Cell { cloud, index, operation, way, kind: kind.clone() };
                        let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                        Box::pin(async move { cell.run(&workload, &good).await })
                    }),
                });
            }
        }
    }
    run(plans, expected);
}

struct Cell {
    cloud: &'static str,
    index: usize,
    operation: Operation,
    way: &'static str,
    kind: FaultKind,
}

impl Cell {
    async fn run(self, workload: &Workload, good: &Good) {
        let (world, _replica) = prepared(workload, self.cloud).await;
        world.sim.inject(Fault::once(Match::any(), self.kind.clone()).after(self.index as u32));
        (workload.act)(&world).await;
        settle(&world, Some(&good.end)).await;
        let hit = world.sim.journal().into_iter().find(|entry| entry.fault.is_some());
        let hit = hit.unwrap_or_else(|| panic!("the call is never made:\n{}", world.tail()));
        assert_eq!(hit.operation, self.operation, "another call than in the good run");
        world.audit();
        waits_as_asked(&world, &self.kind);
        self.judge(workload, &world, good);
    }

    fn judge(&self, workload: &Workload, world: &World, good: &Good) {
        let end = End::of(world);
        if end == good.end {
            return;
        }
        let made = [Operation::Create, Operation::SnapshotCreate];
        if self.way == "replayed" && self.cloud == "lax" && made.contains(&self.operation) {
            // No protocol closes this (DESIGN 5.2): sent once, and told.
            let sent = world.sim.journal().iter().filter(|entry| entry.operation == self.operation).count();
            assert_eq!(sent, 1, "{}", world.tail());
            return;
        }
        if workload.name == "resize-stop-start" && ["404-though-there", "422-once"].contains(&self.way) {
            // A size that was refused is not worth another stop by itself: a person corrects it. It runs again.
            assert_eq!(
                (&end.vms[0]["status"], end.effects["vm_stop"]),
                (&"ACTIVE".into(), 1),
                "{}",
                world.tail()
            );
            assert_eq!(end.objects[0]["conditions"]["Stalled"], "True Rejected", "{}", world.tail());
            return;
        }
        judge(workload, world, good, &GIVEN_UP);
    }
}

/// No call comes before the time that ITCare asked for.
#[track_caller]
fn waits_as_asked(world: &World, kind: &FaultKind) {
    let FaultKind::RetryAfter { wait, .. } = kind else { return };
    let wait = match wait {
        Wait::Seconds(seconds) => Duration::from_secs(*seconds),
        // Dates have whole seconds.
        Wait::Date(ahead) => ahead.saturating_sub(Duration::from_secs(1)),
    };
    let journal = world.sim.journal();
    let hit = journal.iter().position(|entry| entry.fault.is_some()).expect("it was hit");
    let Some(next) = journal.get(hit + 1) else { return };
    let waited = next.at.duration_since(journal[hit].at);
    assert!(
        waited.unsigned_abs() + Duration::from_millis(20) >= wait,
        "{waited:?} after a 429:\n{}",
        world.tail()
    );
}
