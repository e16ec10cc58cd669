//! What must hold of everything that ever happened in a world, whatever it was.
//!
//! The simulator's records are the truth: which VM came of which call, and when it went. What users wanted at a time
//! is in `life`. What no protocol closes (DESIGN 5.2) is excused by name and counted, and only where it happened.

use std::collections::{BTreeMap, BTreeSet};

use itcare_lab::memory::{Recorded, Verb};
use itcare_sim::{ActionRecord, ActionState, Entry, InstanceRecord, Operation};
use jiff::SignedDuration;
use serde_json::Value;

use crate::check::tell;
use crate::life::{INSTANCES, Life, Moment, SNAPSHOTS, Wish, moment};
use crate::story::Story;
use crate::support::World;
use crate::tally::Tally;

mod asked;

/// Who we are in the cloud's records.
pub const US: &str = "demo-sa-operator";

/// Every call to ITCare, and every write to the API server.
#[derive(Clone, Copy)]
pub struct Told<'a> {
    pub calls: &'a [Entry],
    pub writes: &'a [Recorded],
}

/// All that happened.
pub struct Past<'a> {
    world: &'a World,
    story: &'a Story,
    /// How far ITCare's clock is ahead.
    skew: SignedDuration,
    calls: Vec<&'a Entry>,
    writes: &'a [Recorded],
    pub vms: BTreeMap<i64, InstanceRecord>,
    actions: BTreeMap<i64, ActionRecord>,
    /// Of which life each VM of our making is.
    maker: BTreeMap<i64, usize>,
    /// Lives whose only creation, or snapshot, a gateway sent twice where ITCare does not refuse the second.
    excused: BTreeSet<usize>,
}

impl<'a> Past<'a> {
    pub fn of(world: &'a World, story: &'a Story, skew: SignedDuration, told: Told<'a>) -> Self {
        let Told { calls, writes } = told;
        let mut past = Self {
            world,
            story,
            skew,
            calls: calls.iter().filter(|entry| entry.operation.is_mutating()).collect(),
            writes,
            vms: world.sim.instances().into_iter().map(|vm| (vm.id, vm)).collect(),
            actions: world.sim.actions().into_iter().map(|action| (action.id, action)).collect(),
            maker: BTreeMap::new(),
            excused: BTreeSet::new(),
        };
        past.find_makers();
        past
    }

    fn find_makers(&mut self) {
        for call in &self.calls {
            let Some(action) = call.action.and_then(|id| self.actions.get(&id)) else { continue };
            let replayed = call.fault.and_then(|id| self.story.faults.get(&id)) == Some(&"replayed");
            let life = match call.operation {
                Operation::Create => self.of_host(&action.resource_name, self.at(call)),
                Operation::SnapshotCreate => self.of_description(call),
                _ => continue,
            };
            let Some(life) = life else { continue };
            let twins = self.actions.values().filter(|twin| {
                twin.process == action.process
                    && twin.resource_name == action.resource_name
                    && twin.submitted_at == action.submitted_at
            });
            let twins: Vec<&ActionRecord> = twins.collect();
            if replayed && twins.len() > 1 {
                self.excused.insert(life);
            }
            if call.operation == Operation::Create {
                self.maker.extend(twins.iter().map(|twin| (twin.instance, life)));
            }
        }
    }

    /// When a call came, on the world's clock.
    fn at(&self, call: &Entry) -> Moment {
        moment(call.at) - self.skew
    }

    fn lives(&self) -> &[Life] {
        &self.story.lives.0
    }

    /// The instance object whose VM has that host name, at that time.
    fn of_host(&self, host: &str, at: Moment) -> Option<usize> {
        let name = host.trim_end_matches("-OLD").trim_start_matches('P').to_lowercase();
        self.story.lives.at(INSTANCES, &name, at)
    }

    /// The snapshot object that a call was made for: each has a description of its own.
    fn of_description(&self, call: &Entry) -> Option<usize> {
        let sent = call.body["description"].as_str()?;
        self.lives().iter().position(|life| {
            let own = life.last().spec["description"].as_str();
            own.is_some_and(|own| sent.strip_prefix(own).is_some_and(|mark| mark.starts_with(" [")))
        })
    }

    /// The VMs that were really made for that life.
    pub fn made_for(&self, life: usize) -> impl Iterator<Item = &InstanceRecord> {
        let of =
            move |(id, _): &(&i64, &usize)| self.vms.get(*id).filter(|vm| vm.created_by_action.is_some());
        self.maker.iter().filter(move |(_, maker)| **maker == life).filter_map(move |pair| of(&pair))
    }

    /// Whether the object keeps its VM when it goes.
    pub fn lets_go(&self, life: usize, wish: &Wish) -> bool {
        let policy = wish.spec["deletionPolicy"].as_str();
        let adopted = self.made_for(life).next().is_none();
        policy == Some("Retain")
            || wish.spec["managementPolicy"] == "Observe"
            || (policy.is_none() && adopted)
    }

    pub fn is_excused(&self, life: usize) -> bool {
        self.excused.contains(&life)
    }

    /// Panics with all about the object concerned if anything is not as it must be.
    #[track_caller]
    pub fn holds(&self) {
        for (index, life) in self.lives().iter().enumerate() {
            match life.kind {
                INSTANCES => self.one_vm(index, life),
                _ => self.one_snapshot(index, life),
            }
        }
        self.calls_were_asked_for();
        self.one_shots_ran_once();
        self.finalizers_went_last();
    }

    /// At most one VM for one object, ever.
    #[track_caller]
    fn one_vm(&self, index: usize, life: &Life) {
        let made: Vec<i64> = self.made_for(index).map(|vm| vm.id).collect();
        assert!(
            made.len() <= 1 || self.is_excused(index),
            "VMs {made:?} for one object {} ({})\n{}",
            life.name,
            life.uid,
            tell(self.world, self.story, &life.name)
        );
    }

    #[track_caller]
    fn one_snapshot(&self, index: usize, life: &Life) {
        let taken = self.snapshots_of(index).count();
        assert!(
            taken <= 1 || self.is_excused(index),
            "{taken} snapshots for one object {}\n{}",
            life.name,
            tell(self.world, self.story, &life.of)
        );
    }

    /// The snapshots that were taken for that life, by their actions.
    fn snapshots_of(&self, life: usize) -> impl Iterator<Item = &ActionRecord> {
        let calls = self.calls.iter().filter(|call| call.operation == Operation::SnapshotCreate);
        calls.filter(move |call| self.of_description(call) == Some(life)).filter_map(|call| {
            let action = self.actions.get(&call.action?)?;
            (action.state == ActionState::Succeeded).then_some(action)
        })
    }

    /// The finalizer goes only after what the object had made is gone, unless the object lets go of it.
    #[track_caller]
    fn finalizers_went_last(&self) {
        for write in self.writes {
            let removes = write.verb == Verb::Patch
                && write.subresource.is_empty()
                && write.body["metadata"]["finalizers"].as_array().is_some_and(Vec::is_empty);
            if !removes || write.code.is_some_and(|code| code != 200) {
                continue;
            }
            let at = moment(write.at);
            let kind = if write.resource == INSTANCES { INSTANCES } else { SNAPSHOTS };
            let Some(index) = self.story.lives.at(kind, &write.name, at) else { continue };
            let life = &self.lives()[index];
            let deleted = life.last().deleting && life.last().since <= at && life.gone.is_some();
            let stays = match (kind, deleted) {
                (_, false) => None,
                (INSTANCES, true) if self.lets_go(index, life.last()) => None,
                (INSTANCES, true) => {
                    self.made_for(index).find(|vm| !self.was_gone(vm, at)).map(|vm| vm.id.to_string())
                }
                (_, true) if life.last().spec["deletionPolicy"] == "Retain" => None,
                (_, true) => self
                    .snapshots_of(index)
                    .find(|taken| !self.snapshot_was_gone(taken, at))
                    .map(|_| "snapshot".to_owned()),
            };
            assert!(
                stays.is_none() || self.is_excused(index),
                "the finalizer of {} went at {} while {stays:?} was there\n{}",
                life.name,
                write.at,
                tell(self.world, self.story, &life.of)
            );
        }
    }

    fn was_gone(&self, vm: &InstanceRecord, at: Moment) -> bool {
        !vm.live && vm.removed_at.is_some_and(|removed| moment(removed) - self.skew <= at)
    }

    fn snapshot_was_gone(&self, taken: &ActionRecord, at: Moment) -> bool {
        let Some(since) = taken.completed_at.map(|at| moment(at) - self.skew) else { return false };
        let mut lifetime = SignedDuration::ZERO;
        self.world.sim.config(|config| {
            lifetime = SignedDuration::try_from(config.snapshot_lifetime).expect("some hours");
        });
        let removed = self.actions.values().any(|action| {
            let end = action.completed_at.map(|end| moment(end) - self.skew);
            action.instance == taken.instance
                && action.process == "vm_delete_snapshot"
                && action.state == ActionState::Succeeded
                && end.is_some_and(|end| end >= since && end <= at)
        });
        let vm = self.vms.get(&taken.instance);
        removed || at >= since + lifetime || vm.is_none_or(|vm| self.was_gone(vm, at))
    }

    /// How many snapshot objects have an end and no snapshot in their ledger.
    fn expired_unseen(&self) -> usize {
        let writes = self.writes.iter().filter(|write| write.resource == SNAPSHOTS);
        let ends = writes.filter_map(|write| {
            let text = write.body["metadata"]["annotations"]["itcare.cegedim.cloud/ledger"].as_str()?;
            let ledger: Value = serde_json::from_str(text).ok()?;
            let unseen = ledger["snapshot"].is_null() && !ledger["expires"].is_null();
            unseen.then(|| ledger["uid"].to_string())
        });
        ends.collect::<BTreeSet<String>>().len()
    }

    /// What was excused, and what the oracles had to look at.
    pub fn count(&self, tally: &mut Tally) {
        tally.add("excused: a gateway sent a creation twice", self.excused.len());
        tally.add("VMs of our making", self.maker.len());
        let gone = self.lives().iter().filter(|life| life.gone.is_some()).count();
        tally.add("objects gone", gone);
        let lives = self.lives().iter().filter(|life| life.kind == INSTANCES);
        let mut names = BTreeSet::new();
        let again = lives.filter(|life| !names.insert(&life.name)).count();
        tally.add("objects made again", again);
        tally.add("snapshots that expired unseen", self.expired_unseen());
    }
}
