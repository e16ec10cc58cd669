//! What happens in a world, step by step, and what its users wished for: the ground on which `check` judges.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use itcare_lab::memory;
use itcare_sim::{Fault, FaultKind, Match, SeedInstance};
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::draw::Draw;
use crate::rest;
use crate::support::{Replica, World, manifest};

/// What must happen now and then, over all worlds.
pub const EXPECTED: &[&str] = &[
    "vm_create",
    "vm_delete",
    "vm_stop",
    "vm_start",
    "vm_reset",
    "vm_resize",
    "snapshot_create",
    "snapshot_delete",
    "snapshot_recover",
    "killed",
    "ended Ready",
    "gone from outside",
    "edited from outside",
    "outage",
    "cache held",
];

/// What users asked for one object's name, over all its lives.
#[derive(Debug, Default)]
pub struct Wishes {
    /// How often an object of that name was made.
    pub lives: usize,
    pub deletions: usize,
    pub resets: usize,
    pub recoveries: usize,
    pub stops: bool,
    /// Its VM was taken away by somebody else, or one of its name was made.
    pub meddled: bool,
}

pub struct Story {
    draw: Draw,
    names: Vec<String>,
    pub wishes: BTreeMap<String, Wishes>,
    /// What each step was, for the one who must understand a failure.
    pub log: Vec<String>,
    pub counts: BTreeMap<&'static str, usize>,
    suspended: BTreeSet<String>,
    /// When the caches are let go.
    held_for: usize,
}

impl Story {
    pub fn new(objects: usize, draw: Draw) -> Self {
        let names = (0..objects).map(|index| format!("vm{index}")).collect();
        Self {
            draw,
            names,
            wishes: BTreeMap::new(),
            log: Vec::new(),
            counts: BTreeMap::new(),
            suspended: BTreeSet::new(),
            held_for: 0,
        }
    }

    pub fn objects(&self) -> usize {
        self.wishes.values().map(|wishes| wishes.lives).sum()
    }

    fn count(&mut self, what: &'static str) {
        *self.counts.entry(what).or_default() += 1;
    }

    fn wish(&mut self, name: &str) -> &mut Wishes {
        self.wishes.entry(name.to_owned()).or_default()
    }

    /// One thing happens, after some time.
    pub async fn step(&mut self, world: &World, replicas: &mut [Option<Replica>]) {
        let gap = *self.draw.pick(&[1, 5, 20, 60, 200, 600]);
        sleep(Duration::from_secs(gap)).await;
        self.held_for = self.held_for.saturating_sub(1);
        if self.held_for == 0 {
            world.api.hold_watches(false);
        }
        let name = self.draw.pick(&self.names).clone();
        let at = world.now();
        match self.draw.below(20) {
            0..=9 => self.user(world, &name),
            10 => self.snapshots(world, &name),
            11 => self.snapshots(world, &name),
            12 | 13 => self.outsider(world, &name),
            14 | 15 => self.itcare_fails(world),
            16 | 17 => self.kubernetes_fails(world),
            _ => self.replicas(world, replicas),
        }
        if let Some(line) = self.log.last_mut() {
            *line = format!("{at} {line}");
        }
    }

    fn say(&mut self, line: String) {
        self.log.push(line);
    }

    fn user(&mut self, world: &World, name: &str) {
        let Some(object) = world.api.get("itcareinstances", "shop", name) else {
            let wish = self.manifest(name);
            self.say(format!("user makes {name}: {}", wish["spec"]));
            self.wish(name).lives += 1;
            self.wish(name).stops |= wish["spec"]["powerState"] == "Stopped";
            self.suspended.remove(name);
            world.apply(wish);
            return;
        };
        if !object["metadata"]["deletionTimestamp"].is_null() {
            return;
        }
        let draw = &mut self.draw;
        let edit = match draw.below(12) {
            0 | 1 => json!({"size": draw.pick(&["2cpu4gb", "4cpu8gb", "8cpu16gb"])}),
            2 | 3 => json!({"powerState": draw.pick(&[json!("Running"), json!("Stopped"), Value::Null])}),
            4 => json!({"monitoring": {"enabled": true, "alerting": draw.one_in(2)}}),
            5 => json!({"patching": {"excluded": false, "group": draw.below(3) + 1}}),
            6 => json!({"replication": {"enabled": draw.one_in(2), "disabledReason": "not needed"}}),
            7 => json!({"backup": {"enabled": draw.one_in(2), "disabledReason": "not needed"}}),
            8 => {
                self.wish(name).resets += 1;
                json!({"reset": {"requestedAt": world.now().to_string()}})
            }
            9 => {
                let suspend = !self.suspended.contains(name);
                if suspend {
                    self.suspended.insert(name.to_owned());
                } else {
                    self.suspended.remove(name);
                }
                json!({"suspend": suspend})
            }
            10 => {
                self.say(format!("user asks for a look at {name}"));
                return world.ask_for_a_look(name);
            }
            _ => {
                self.say(format!("user deletes {name}"));
                self.wish(name).deletions += 1;
                return world.delete(name);
            }
        };
        self.wish(name).stops |= edit["powerState"] == "Stopped";
        self.say(format!("user edits {name}: {edit}"));
        world.patch(name, edit);
    }

    fn manifest(&mut self, name: &str) -> Value {
        let draw = &mut self.draw;
        manifest::with(
            name,
            json!({
                "serviceId": draw.pick(&[13, 14]),
                "size": draw.pick(&["2cpu4gb", "4cpu8gb"]),
                "powerState": draw.pick(&[json!("Running"), json!("Running"), json!("Stopped"), Value::Null]),
                "resizePolicy": draw.pick(&["StopStart", "StopStart", "InPlace"]),
                "driftPolicy": draw.pick(&["Correct", "Correct", "Report"]),
            }),
        )
    }

    fn snapshots(&mut self, world: &World, name: &str) {
        let object = format!("{name}-before");
        match world.api.get("itcaresnapshots", "shop", &object) {
            None if world.api.get("itcareinstances", "shop", name).is_none() => {}
            None => {
                self.say(format!("user takes a snapshot of {name}"));
                world.apply(manifest::snapshot(&object, name, json!({"onMissingInstance": "Skip"})));
            }
            Some(_) if self.draw.one_in(2) => {
                self.say(format!("user deletes the snapshot of {name}"));
                // It may be on its way out already.
                let _ = world.api.delete("itcaresnapshots", "shop", &object);
            }
            Some(_) => {
                self.say(format!("user recovers {name}"));
                self.wish(name).recoveries += 1;
                let recover = json!({"recover": {"requestedAt": world.now().to_string()}});
                world.api.patch_spec("itcaresnapshots", "shop", &object, recover).expect("it is there");
            }
        }
    }

    /// Somebody else in the same cloud.
    fn outsider(&mut self, world: &World, name: &str) {
        let live = world.sim.instances().into_iter().filter(|vm| vm.live);
        let host = format!("P{}", name.to_uppercase());
        let Some(vm) = live.filter(|vm| vm.name == host).last() else {
            if self.draw.one_in(6) {
                self.say(format!("somebody makes a VM {host}"));
                self.wish(name).meddled = true;
                world.sim.seed(SeedInstance::new(&host, 13));
            }
            return;
        };
        let idle = world.sim.running().iter().all(|action| action.instance != vm.id);
        match self.draw.below(8) {
            0 | 1 if idle => {
                let process = *self.draw.pick(&["vm_stop", "vm_start"]);
                self.say(format!("somebody does {process} to {host}"));
                world.sim.start_foreign_action(vm.id, process, "colleague@example.com");
            }
            2 | 3 => {
                self.count("edited from outside");
                self.say(format!("somebody gives {host} another size"));
                world.sim.edit(vm.id, |vm| (vm.cpu, vm.ram) = (1, 2));
            }
            4 | 5 => {
                self.count("edited from outside");
                self.say(format!("somebody switches the backup of {host}"));
                world.sim.edit(vm.id, |vm| vm.backup = !vm.backup);
            }
            6 if idle => {
                self.count("gone from outside");
                self.say(format!("somebody removes {host}"));
                self.wish(name).meddled = true;
                world.sim.edit(vm.id, |vm| vm.live = false);
            }
            _ => {
                self.say(format!("somebody's long action on {host}"));
                world.sim.start_foreign_action(vm.id, "vm_antivirus_scan", "colleague@example.com");
            }
        }
    }

    fn itcare_fails(&mut self, world: &World) {
        if self.draw.one_in(4) {
            self.count("outage");
            let kind = self.draw.pick(&[
                FaultKind::DropBefore,
                FaultKind::HangForever { effect: false },
                FaultKind::Html { code: 503, effect: false },
            ]);
            let times = *self.draw.pick(&[10, 40]);
            self.log.push(format!("outage of {times} calls: {kind:?}"));
            world.sim.inject(Fault::once(Match::any(), kind.clone()).times(times));
            return;
        }
        let mut all = rest::ways();
        all.extend(rest::list_ways());
        all.extend(rest::action_ways());
        // A proxy that sends twice makes two where ITCare does not protect; that has its own oracle elsewhere.
        all.retain(|(way, _)| *way != "replayed");
        let (way, kind) = self.draw.pick(&all).clone();
        let mutating = self.draw.one_in(2) || rest::action_ways().iter().any(|(other, _)| *other == way);
        let (skip, times) = (self.draw.below(6) as u32, *self.draw.pick(&[1, 1, 2, 5]));
        self.say(format!("ITCare: {way} x {times} after {skip}, mutating {mutating}"));
        let matches = if mutating { Match::mutating() } else { Match::any() };
        world.sim.inject(Fault::once(matches, kind).times(times).after(skip));
    }

    fn kubernetes_fails(&mut self, world: &World) {
        let fault = match self.draw.below(8) {
            0 => memory::Fault::refuse(500),
            1 => memory::Fault::refuse(409),
            2 => memory::Fault::lose_reply(),
            3 => memory::Fault::no_connection(),
            4 => memory::Fault::delay(Duration::from_secs(15)),
            5 => {
                self.count("cache held");
                self.held_for = 1 + self.draw.below(3) as usize;
                self.say("the caches stand still".to_owned());
                return world.api.hold_watches(true);
            }
            6 => {
                self.say("all watches end".to_owned());
                return world.api.drop_watches();
            }
            _ => {
                self.say("all watches are too old".to_owned());
                return world.api.expire_watches();
            }
        };
        let (skip, times) = (self.draw.below(4) as u32, *self.draw.pick(&[1, 2, 8]));
        self.say(format!("Kubernetes: {fault:?} x {times} after {skip}"));
        world.api.inject(fault.writes().after(skip).times(times));
    }

    fn replicas(&mut self, world: &World, replicas: &mut [Option<Replica>]) {
        let which = self.draw.below(replicas.len() as u64) as usize;
        let steal = json!({"spec": {"holderIdentity": "somebody-else"}});
        match (replicas[which].take(), self.draw.one_in(5)) {
            (Some(kept), true) => {
                self.say("the lease is taken away".to_owned());
                replicas[which] = Some(kept);
                let take = |lease: &mut Value| {
                    lease["spec"]["holderIdentity"] = steal["spec"]["holderIdentity"].clone()
                };
                let _ = world.api.edit("leases", "default", "itcare-operator", take);
            }
            (Some(killed), false) => {
                self.count("killed");
                self.say(format!("replica {which} is killed"));
                drop(killed);
                if self.draw.one_in(2) {
                    replicas[which] = Some(world.start());
                }
            }
            (None, _) => {
                self.say(format!("replica {which} starts"));
                replicas[which] = Some(world.start());
            }
        }
    }

    /// All troubles end: what is armed is taken back, both replicas run, nothing is suspended.
    pub async fn heal(&mut self, world: &World, replicas: &mut [Option<Replica>]) {
        world.sim.clear_faults();
        world.api.clear_faults();
        world.api.hold_watches(false);
        for replica in replicas.iter_mut().filter(|replica| replica.is_none()) {
            *replica = Some(world.start());
        }
        for name in std::mem::take(&mut self.suspended) {
            if world.api.get("itcareinstances", "shop", &name).is_some() {
                world.patch(&name, json!({"suspend": false}));
            }
        }
        // A request that hangs is given up after a minute at most.
        sleep(Duration::from_secs(60)).await;
    }
}
