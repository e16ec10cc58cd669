//! Every workload, every write of it, every kind of damage; then what a person does about it.

use std::sync::Arc;
use std::time::Duration;

use itcare_lab::memory;
use serde_json::Value;

use super::damage::{self, Damage};
use super::scene::{INSTANCE, SNAPSHOT, STRANGER, Scene, Target, good, prepared};
use super::{judge, later};
use crate::oracle::End;
use crate::plan::{CLOUDS, Plan, on_paused_time, run, settle};
use crate::strike::Armed;
use crate::support::World;
use crate::workload::{self, Workload};

/// Whether the operator runs while the damage is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The write took effect, and its reply is still on its way.
    Live,
    /// The process died right after the write, and starts once the damage is done.
    Down,
}

/// One plan of the matrix.
#[derive(Clone, Copy)]
pub struct Cell {
    pub cloud: &'static str,
    pub target: Target,
    pub mode: Mode,
    pub boundary: usize,
    pub damage: Damage,
}

#[test]
fn no_damage_to_an_object_makes_or_harms_another_vm() {
    matrix(damage::all, 1_000);
}

#[test]
fn no_altered_field_of_a_ledger_makes_or_harms_another_vm() {
    matrix(damage::fields, 1_000);
}

/// Every fourth plan of the whole: each damage at each boundary, in one of the two modes and clouds by turns.
const TURNS: usize = 4;

/// All plans, not every fourth.
const WHOLE: &str = "FAULTS_WHOLE";

fn quarter(mode: Mode, cloud: &str) -> usize {
    2 * usize::from(mode == Mode::Down) + usize::from(cloud == "lax")
}

fn matrix(kinds: fn() -> Vec<Damage>, expected: usize) {
    #[expect(clippy::disallowed_methods, reason = "a switch of this suite alone, not of the product")]
    let whole = std::env::var(WHOLE).is_ok() || std::env::var("PLAN").is_ok();
    let mut plans = Vec::new();
    for (seed, workload) in workload::all().into_iter().map(Arc::new).enumerate() {
        let targets: &[Target] = match workload.name {
            "snapshot" | "recover" | "delete-snapshot" => &[SNAPSHOT, INSTANCE],
            _ => &[INSTANCE],
        };
        for cloud in CLOUDS {
            for target in targets.iter().copied() {
                let (good, ledgers) = on_paused_time(good(&workload, cloud, target));
                let good = Arc::new(good);
                for mode in [Mode::Live, Mode::Down] {
                    for (boundary, ledger) in ledgers.iter().enumerate() {
                        // A field that is not there cannot be damaged.
                        let has = |damage: &Damage| damage.needs.is_none_or(|field| !ledger[field].is_null());
                        // Its user waits for a finalizer, which an object without ledger gets none of.
                        let waits = |damage: &Damage| {
                            workload.name == "delete-during-create" && damage.name == "restored-bare"
                        };
                        // Snapshots owe no power.
                        let odd = |damage: &Damage| target == SNAPSHOT && damage.name == "resume-added";
                        let has = |damage: &Damage| has(damage) && !waits(damage) && !odd(damage);
                        for (index, damage) in kinds().into_iter().filter(has).enumerate() {
                            let turn = (boundary + index + seed) % TURNS;
                            if !whole && turn != quarter(mode, cloud) {
                                continue;
                            }
                            let cell = Cell { cloud, target, mode, boundary, damage };
                            plans.push(plan(cell, &workload, &good));
                        }
                    }
                }
            }
        }
    }
    run(plans, expected);
}

fn plan(cell: Cell, workload: &Arc<Workload>, good: &Arc<End>) -> Plan<'static> {
    let of = if cell.target == SNAPSHOT { "snapshot:" } else { "" };
    let Cell { cloud, mode, boundary, damage, .. } = cell;
    let name = format!("{}/{cloud}/damage/{mode:?}({boundary})/{of}{}", workload.name, damage.name);
    let (workload, good) = (Arc::clone(workload), Arc::clone(good));
    Plan {
        name,
        run: Box::new(move || {
            let (workload, good) = (Arc::clone(&workload), Arc::clone(&good));
            Box::pin(async move { cell.run(&workload, &good).await })
        }),
    }
}

impl Cell {
    async fn run(self, workload: &Workload, good: &End) {
        let (world, replica) = prepared(workload, self.cloud).await;
        let earlier = world.api.get(self.target.resource, "shop", self.target.name).unwrap_or_default();
        let fault = match self.mode {
            Mode::Live => memory::Fault::delay_reply(Duration::from_millis(200)),
            Mode::Down => memory::Fault::hang_after_effect(),
        };
        let fault = fault.writes().resource(self.target.resource).name(self.target.name).namespace("shop");
        let moment = Armed::Write(world.api.inject(fault.after(self.boundary as u32)));
        let strike = async {
            moment.hits(&world).await;
            let replica = match self.mode {
                Mode::Live => Some(replica),
                Mode::Down => {
                    drop(replica);
                    None
                }
            };
            let scene = self.scene(&world, earlier);
            world.audit();
            // What was written before is not compared with what comes after: a hand was in between.
            world.api.clear_journal();
            let mark = (world.changes().len(), world.api.revision());
            (self.damage.does)(&scene);
            let hit = world.api.revision() != mark.1;
            (scene, hit.then_some(mark.0), replica.unwrap_or_else(|| world.start()))
        };
        let ((), (scene, mark, _replica)) = tokio::join!((workload.act)(&world), strike);
        // A field that is not there cannot be damaged.
        let Some(mark) = mark else { return };
        settle(&world, Some(good)).await;
        if End::of(&world) != *good {
            judge::rests(&world).await;
        }
        judge::end(&self, workload, &scene, good, mark);
        later::follow(&self, workload, &scene, good).await;
    }

    fn scene<'a>(&self, world: &'a World, earlier: Value) -> Scene<'a> {
        let bystander = world.instance("bank").id();
        let vault = world.snapshot("vault");
        Scene {
            world,
            target: self.target,
            earlier,
            saved: world.api.get(self.target.resource, "shop", self.target.name).unwrap_or_default(),
            stranger: world
                .sim
                .instances()
                .iter()
                .find(|vm| vm.name == STRANGER)
                .map(|vm| vm.id)
                .unwrap_or_default(),
            bystander,
            bystander_snapshot: vault.status()["id"].as_str().unwrap_or_default().to_owned(),
        }
    }
}
