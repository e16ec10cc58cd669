//! Input that is wrong, and worlds that lie: garbage in annotations, clocks an hour off, dates that nobody can
//! read, an account that sees nothing any more. Never a wrong act; the object says what is wrong.
//!
//! Elsewhere: ledgers that cannot be read (`tracking`, at every step), an action that vanishes (`rest`, in every
//! workload), an id that is reused (`reconcile`).

use std::sync::Arc;
use std::time::Duration;

use itcare_sim::{Account, Operation};
use jiff::SignedDuration;
use serde_json::{Value, json};

use crate::judge::{GIVEN_UP, judge};
use crate::oracle::End;
use crate::plan::{CLOUDS, Good, Plan, good, on_paused_time, prepared, run, settle};
use crate::strike::{Boundary, Side, hang};
use crate::support::{World, manifest};
use crate::workload::{self, Workload};

/// Something that is wrong from the moment at which the user acts.
type Spoil = fn(&World, &crate::support::Replica);

#[test]
fn clocks_an_hour_off_and_unreadable_dates_change_no_end() {
    let ways: [(&str, Spoil); 3] = [
        ("clock-ahead", |world, _| world.sim.config(|config| config.skew = SignedDuration::from_hours(1))),
        ("clock-behind", |world, _| world.sim.config(|config| config.skew = SignedDuration::from_hours(-1))),
        ("no-dates", |_, replica| replica.transport.spoil_dates()),
    ];
    let mut plans = Vec::new();
    for workload in workload::all().into_iter().map(Arc::new) {
        for cloud in CLOUDS {
            let good = Arc::new(on_paused_time(good(&workload, cloud)));
            for (way, spoil) in ways {
                let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                plans.push(Plan {
                    name: format!("{}/{cloud}/input/{way}", workload.name),
                    run: Box::new(move || {
                        let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                        Box::pin(async move {
                            let (world, replica) = prepared(&workload, cloud).await;
                            spoil(&world, &replica);
                            (workload.act)(&world).await;
                            settle(&world, Some(&good.end)).await;
                            world.audit();
                            same(&workload, &world, &good);
                        })
                    }),
                });
            }
        }
    }
    run(plans, 100);
}

/// The end of the good run; a one-shot may be given up, and has a receipt either way.
#[track_caller]
fn same(workload: &Workload, world: &World, good: &Good) {
    judge(workload, world, good, &GIVEN_UP);
    if workload.is_one_shot() {
        let end = End::of(world);
        let receipts: usize =
            end.objects.iter().map(|object| object["receipts"].as_object().map_or(0, |all| all.len())).sum();
        assert_eq!(receipts, 1, "it ends with a receipt:\n{}", world.tail());
    }
}

#[test]
fn an_account_that_sees_nothing_any_more_loses_and_changes_nothing() {
    let mut plans = Vec::new();
    for workload in workload::all().into_iter().map(Arc::new) {
        let good = Arc::new(on_paused_time(good(&workload, "strict")));
        for boundary in 0..good.writes {
            let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
            plans.push(Plan {
                name: format!("{}/strict/input/Write({boundary})/other-account", workload.name),
                run: Box::new(move || {
                    let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
                    Box::pin(async move { other_account(&workload, &good, boundary).await })
                }),
            });
        }
    }
    run(plans, 100);
}

/// The process dies after a write; the next one runs for hours with credentials of another tenant, for which
/// everything is 404; then the right ones come back.
async fn other_account(workload: &Workload, good: &Good, boundary: usize) {
    let (world, replica) = prepared(workload, "strict").await;
    world.sim.accounts(|accounts| {
        accounts.list.push(Account {
            client_id: "other-sa".to_owned(),
            user: "other-sa".to_owned(),
            services: Some([15].into_iter().collect()),
            ..Account::default()
        });
    });
    let death = hang(&world, Boundary::Write(boundary as u32), Side::After);
    let switch = async {
        death.hits(&world).await;
        drop(replica);
        let other = crate::support::Setup { client_id: "other-sa".to_owned(), ..world.setup.clone() };
        world.start_with(&other)
    };
    let ((), other) = tokio::join!((workload.act)(&world), switch);
    let before = world.api.list("itcareinstances").len();
    world.pass(Duration::from_secs(3 * 3600)).await;
    let by_other = |entry: &&itcare_sim::Entry| {
        entry.account.as_deref() == Some("other-sa") && entry.operation.is_mutating() && entry.effect
    };
    assert_eq!(world.sim.journal().iter().filter(by_other).count(), 0, "{}", world.tail());
    let letting_go = workload.name.starts_with("delete");
    let kept = world.api.list("itcareinstances").len();
    assert!(
        kept == before || letting_go && good.end.vms.is_empty(),
        "an object was let go:\n{}",
        world.tail()
    );
    for vm in world.sim.instances().iter().filter(|vm| vm.live) {
        let named = |object: &Value| object["spec"]["name"].as_str().is_some_and(|name| name == vm.name);
        let known = world.api.list("itcareinstances").iter().any(named);
        assert!(known || workload.name.starts_with("adopt"), "VM {} has no object:\n{}", vm.id, world.tail());
    }
    drop(other);
    let _replica = world.start();
    settle(&world, Some(&good.end)).await;
    world.audit();
    same(workload, &world, good);
}

#[tokio::test(start_paused = true)]
async fn a_request_for_a_look_may_be_any_text_and_is_served_once() {
    for text in ["", "tomorrow", "\u{202e}\u{0}\n", &"look ".repeat(20_000)] {
        let world = World::new();
        let _operator = world.start();
        world.apply(manifest::instance("web"));
        world.until_reason("web", "Running").await;
        world.quiet().await;
        let mark = (world.count(Operation::Detail), world.api.revision());
        let ask = |object: &mut Value| {
            object["metadata"]["annotations"]["itcare.cegedim.cloud/reconcile-requested-at"] = json!(text);
        };
        world.api.edit("itcareinstances", "shop", "web", ask).expect("it is there");
        world.pass(Duration::from_secs(3600)).await;
        let looks = world.count(Operation::Detail) - mark.0;
        assert_eq!(looks, 1, "{} bytes:\n{}", text.len(), world.tail());
        assert!(world.api.revision() - mark.1 <= 2, "the request and its receipt");
        assert!(world.instance("web").is_ready());
        world.audit();
    }
}
