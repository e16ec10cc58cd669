//! Deletes during an outage: an object whose VM is to go meets a cloud that does not answer, or answers wrongly.
//! No object goes before its VM; when the cloud heals, everything goes, each VM deleted once.
//!
//! A plan is `state/outage/kind/moment/how many/how long[/restart]`. Each combination of state, kind and moment
//! runs once here with one VM or with several, in one of the four variants of length and restart; all run with
//!
//!     OUTAGES=all cargo test --test faults outage
//!
//! Not here: the states themselves (`outage_states`), and faults that hit one call (`rest`).

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_sim::{Fault, FaultKind, Match, Operation, Wait};
use jiff::Timestamp;
use tokio::time::sleep;

use crate::outage_states::{After, STATES, State};
use crate::plan::{Plan, run};
use crate::support::{Replica, World};

/// What the cloud does to every call.
const KINDS: [&str; 12] = [
    "no-connection",
    "dropped",
    "hang",
    "500",
    "503-retry-after",
    "401-token",
    "401-calls",
    "403",
    "404",
    "404-empty-lists",
    "truncated",
    "wrong-types",
];

/// When it begins.
const MOMENTS: [&str; 5] = ["before", "after-stop", "after-delete-sent", "while-it-runs", "before-the-end"];

const RETRY_AFTER: Duration = Duration::from_secs(30);

/// Look at the invariants so often.
const LOOK: Duration = Duration::from_secs(5);

#[derive(Clone, Copy)]
struct Outage {
    state: &'static State,
    kind: &'static str,
    moment: &'static str,
    three: bool,
    hour: bool,
    restart: bool,
}

#[test]
fn no_outage_loses_the_last_vm_of_an_account() {
    matrix(false);
}

#[test]
fn no_outage_loses_one_of_several_vms() {
    matrix(true);
}

fn matrix(three: bool) {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let all = std::env::var("OUTAGES").is_ok_and(|word| word == "all") || std::env::var("PLAN").is_ok();
    let mut plans = Vec::new();
    for (row, state) in STATES.iter().enumerate() {
        for (column, kind) in KINDS.into_iter().enumerate() {
            for (step, moment) in MOMENTS.into_iter().enumerate() {
                if state.after != After::Gone && moment != "before" {
                    // Nothing is stopped or deleted there, so that there are no later moments.
                    continue;
                }
                // Each combination with one VM or with several.
                if !all && (row + column + step) % 2 != usize::from(three) {
                    continue;
                }
                for variant in 0..4 {
                    if !all && (row + 3 * column + step / 2) % 4 != variant {
                        continue;
                    }
                    let outage = Outage {
                        state,
                        kind,
                        moment,
                        three,
                        hour: variant & 1 != 0,
                        restart: variant & 2 != 0,
                    };
                    plans.push(Plan { name: outage.name(), run: Box::new(move || Box::pin(outage.run())) });
                }
            }
        }
    }
    run(plans, 250);
}

impl Outage {
    fn name(&self) -> String {
        format!(
            "{}/outage/{}/{}/{}/{}{}",
            self.state.name,
            self.kind,
            self.moment,
            if self.three { "three" } else { "one" },
            if self.hour { "hour" } else { "minutes" },
            if self.restart { "/restart" } else { "" },
        )
    }

    async fn run(self) {
        let world = World::new();
        let mut replica = world.start();
        let stranger = if self.three {
            Some(world.sim.seed(itcare_sim::SeedInstance::new("PSTRANGER", 13)))
        } else {
            None
        };
        let mut names = vec!["web"];
        if self.three {
            for name in ["db", "mail"] {
                world.apply(crate::support::manifest::instance(name));
                world.until(name, "ready", |seen| seen.is_ready()).await;
                names.push(name);
            }
        }
        (self.state.prepare)(&world).await;
        if self.moment == "before" {
            self.begin(&world, &replica);
        }
        for name in &names {
            world.delete(name);
        }
        if self.state.snapshot_too {
            world.api.delete("itcaresnapshots", "shop", "before").expect("it is there");
        }
        if self.moment != "before" {
            self.reach(&world).await;
            self.begin(&world, &replica);
        }
        let lone = undeleted(&world) < 2;
        let begun = world.sim.now();
        let half = Duration::from_secs(if self.hour { 1800 } else { 60 });
        self.wait(&world, &names, lone, half).await;
        self.calls_little(&world, begun, half);
        let middle = world.sim.now();
        if self.restart {
            replica.kill();
            replica = world.start();
            if self.kind == "no-connection" {
                replica.transport.set_unreachable(true);
            }
        }
        self.wait(&world, &names, lone, half).await;
        self.says_why(&world, &names);
        self.calls_little(&world, middle, half);
        world.sim.clear_faults();
        replica.transport.set_unreachable(false);
        self.heals(&world, &names, lone).await;
        if let Some(stranger) = stranger {
            let untouched = world.sim.instance(stranger).expect("it was seeded");
            assert!(untouched.live && untouched.status == "ACTIVE", "{untouched:?}");
            let touched = world.changes().into_iter().find(|entry| entry.instance == Some(stranger));
            assert!(touched.is_none(), "{touched:?}");
        }
        world.audit();
    }

    /// Until the moment of the deletion at which the cloud goes away.
    async fn reach(&self, world: &World) {
        let ours = |world: &World, what: fn(&itcare_sim::InstanceRecord) -> bool| {
            let vm = world.sim.instances().into_iter().find(|vm| vm.name.eq_ignore_ascii_case("PWEB"));
            vm.is_some_and(|vm| what(&vm))
        };
        let deleting = |world: &World| {
            world.sim.running().iter().any(|action| action.process == "vm_delete")
                || ours(world, |vm| !vm.live)
        };
        let moment = self.moment;
        world
            .wait(moment, || {
                let reached = match moment {
                    "after-stop" => ours(world, |vm| vm.status == "INACTIVE") || deleting(world),
                    "after-delete-sent" => deleting(world),
                    "while-it-runs" => deleting(world),
                    _ => ours(world, |vm| !vm.live),
                };
                if reached || world.is_gone("itcareinstances", "web") {
                    Ok(())
                } else {
                    Err(moment.to_owned())
                }
            })
            .await;
        if moment == "while-it-runs" {
            sleep(Duration::from_millis(1000)).await;
        }
    }

    fn begin(&self, world: &World, replica: &Replica) {
        let calls = || Match { path_contains: Some("/itcare/".to_owned()), ..Match::any() };
        let status = |code| FaultKind::error(code, false);
        let inject = |matches, kind| {
            world.sim.inject(Fault::always(matches, kind));
        };
        match self.kind {
            "no-connection" => replica.transport.set_unreachable(true),
            "dropped" => inject(Match::any(), FaultKind::DropBefore),
            "hang" => inject(Match::any(), FaultKind::HangForever { effect: false }),
            "500" => inject(Match::any(), status(500)),
            "503-retry-after" => inject(
                calls(),
                FaultKind::RetryAfter {
                    code: 503,
                    wait: Wait::Seconds(RETRY_AFTER.as_secs()),
                    effect: false,
                },
            ),
            "401-token" => {
                inject(Match::operation(Operation::Token), status(401));
                inject(calls(), status(401));
            }
            "401-calls" => inject(calls(), status(401)),
            "403" => inject(calls(), status(403)),
            "404" => inject(calls(), FaultKind::NotFound),
            "404-empty-lists" => {
                inject(Match::operation(Operation::List), FaultKind::EmptyList);
                inject(
                    Match::operation(Operation::ActionList),
                    FaultKind::Status {
                        code: 200,
                        body: "[]".to_owned(),
                        headers: BTreeMap::new(),
                        effect: false,
                    },
                );
                inject(calls(), FaultKind::NotFound);
            }
            "truncated" => inject(calls(), FaultKind::Truncate),
            "wrong-types" => inject(calls(), FaultKind::WrongTypes),
            other => unreachable!("{other}"),
        }
    }

    /// Lets time pass, and looks all the while.
    async fn wait(&self, world: &World, names: &[&str], lone: bool, span: Duration) {
        let begun = tokio::time::Instant::now();
        while begun.elapsed() < span {
            self.nothing_is_forgotten(world, names, lone);
            sleep(LOOK).await;
        }
        self.nothing_is_forgotten(world, names, lone);
    }

    /// DESIGN 5.6: a live VM that is to be deleted has its object, and the object its finalizer.
    fn nothing_is_forgotten(&self, world: &World, names: &[&str], lone: bool) {
        for vm in world.sim.instances().into_iter().filter(|vm| vm.live) {
            let Some(name) =
                names.iter().find(|name| format!("P{}", name.to_uppercase()) == vm.name.to_uppercase())
            else {
                continue;
            };
            if *name == "web" && self.state.after != After::Gone || self.looks_like_a_removed_vm(lone) {
                continue;
            }
            let kept = !world.is_gone("itcareinstances", name) && world.instance(name).has_finalizer();
            assert!(kept, "{name} let go of VM {}, which lives:\n{}", vm.id, world.tail());
        }
    }

    /// A single VM that is 404 twice, in a list that answers 200 without it, under the same account, *is* gone
    /// by DESIGN 5.6: no client can tell it from one that was removed by hand. Two ids that nobody deleted and
    /// that vanish at once are not.
    fn looks_like_a_removed_vm(&self, lone: bool) -> bool {
        self.kind == "404-empty-lists" && lone
    }

    /// An object that waits for the cloud says so, and names the cure where a person has one.
    fn says_why(&self, world: &World, names: &[&str]) {
        let expected: &[&str] = match self.kind {
            "401-token" | "401-calls" => &["CredentialsRejected"],
            "403" => &["PermissionDenied"],
            "503-retry-after" => &["Throttled"],
            "404-empty-lists" => &["DeletionBlocked", "Deleting", "ProgressingWithRetry", "ResolvingOutcome"],
            // An action of ours that is 404 leaves the VM to be asked.
            "404" => &["ProgressingWithRetry", "Deleting", "DeletionBlocked"],
            _ => &["ProgressingWithRetry"],
        };
        for name in names {
            if world.is_gone("itcareinstances", name) {
                continue;
            }
            let seen = world.instance(name);
            assert!(expected.contains(&seen.reason()), "{} instead of {expected:?}: {seen:?}", seen.reason());
            let cure = match seen.reason() {
                "CredentialsRejected" => "--itcare-client-id",
                "PermissionDenied" => "POW",
                "DeletionBlocked" => "deletionPolicy: Retain",
                _ => "",
            };
            assert!(seen.message().contains(cure) && seen.message().len() > 20, "{}", seen.message());
        }
    }

    /// No hot loop, and no call before the time that ITCare asked for.
    fn calls_little(&self, world: &World, begun: Timestamp, span: Duration) {
        let journal: Vec<_> = world.sim.journal().into_iter().filter(|entry| entry.at > begun).collect();
        let objects = if self.three { 3 } else { 1 };
        let minutes = usize::try_from(span.as_secs() / 60).expect("a few");
        // Backoff leaves a few calls at once at the start, and two or three a minute and object later.
        // A 401 costs three calls: it renews the token and tries once more.
        let each = if self.kind == "401-calls" { 3 } else { 1 };
        let allowed = (20 + (15 + 3 * minutes) * objects) * each;
        assert!(journal.len() <= allowed, "{} calls in {span:?}:\n{}", journal.len(), world.tail());
        if self.kind == "503-retry-after" {
            let hits: Vec<_> = journal.iter().filter(|entry| entry.fault.is_some()).collect();
            for pair in hits.windows(2) {
                let waited = pair[1].at.duration_since(pair[0].at).unsigned_abs();
                // Calls that were on their way together are answered together.
                let together = Duration::from_millis(200);
                assert!(
                    waited < together || waited + together >= RETRY_AFTER,
                    "{waited:?} after a 503:\n{}",
                    world.tail()
                );
            }
        }
    }

    async fn heals(&self, world: &World, names: &[&str], lone: bool) {
        for name in names {
            world.until_gone("itcareinstances", name).await;
        }
        if self.state.snapshot_too {
            world.until_gone("itcaresnapshots", "before").await;
        }
        world.pass(Duration::from_secs(600)).await;
        let journal = world.sim.journal();
        for vm in world.sim.instances().into_iter().filter(|vm| vm.name != "PSTRANGER") {
            let web = vm.name.eq_ignore_ascii_case("PWEB");
            if web && self.state.after == After::Kept {
                assert!(vm.live, "{}", world.tail());
                continue;
            }
            if self.looks_like_a_removed_vm(lone) && vm.live {
                continue;
            }
            assert!(!vm.live, "left behind: {vm:?}\n{}", world.tail());
            let deleted = journal.iter().filter(|entry| {
                entry.operation == Operation::Delete && entry.instance == Some(vm.id) && entry.effect
            });
            assert_eq!(deleted.count(), 1, "{}", world.tail());
        }
        let made =
            world.sim.instances().into_iter().filter(|vm| vm.name.eq_ignore_ascii_case("PWEB")).count();
        assert!(made <= 1, "made twice:\n{}", world.tail());
    }
}

/// How many VMs of ours no DELETE was sent for.
fn undeleted(world: &World) -> usize {
    let actions = world.sim.actions();
    let deleted = |vm: &itcare_sim::InstanceRecord| {
        actions.iter().any(|action| {
            action.process == "vm_delete" && action.resource_name.eq_ignore_ascii_case(&vm.name)
        })
    };
    world.sim.instances().iter().filter(|vm| vm.live && vm.name != "PSTRANGER" && !deleted(vm)).count()
}
