//! Two processes of the operator: killed, ended, started, cut off, deposed, and killed with a call in flight.

use std::time::Duration;

use serde_json::Value;
use tokio::time::sleep;

use crate::story::Story;
use crate::support::{Replica, Setup, World};
use crate::trouble::{Hung, some_seconds};

/// Longer than ITCare keeps a snapshot.
const AWAY: Duration = Duration::from_secs(80 * 3600);

/// The two, as far as they run.
pub struct Replicas {
    running: [Option<Replica>; 2],
    cut_off: [bool; 2],
}

impl Replicas {
    pub fn start(world: &World, story: &mut Story) -> Self {
        let mut one = || Some(begin(world, story));
        Self { running: [one(), one()], cut_off: [false; 2] }
    }

    /// A process never ends by itself, and does not panic.
    pub fn still_run(&self, story: &Story) {
        for replica in self.running.iter().flatten() {
            assert!(!replica.has_ended(), "a replica has ended by itself: {:#?}", story.log);
        }
    }

    /// Both run, and reach ITCare.
    pub fn all_run(&mut self, world: &World, story: &mut Story) {
        for slot in &mut self.running {
            if slot.is_none() {
                *slot = Some(begin(world, story));
            }
        }
        for which in 0..2 {
            self.cut(which, false);
        }
    }

    /// At least one runs, and reaches ITCare.
    pub fn one_runs(&mut self, world: &World, story: &mut Story) {
        if self.running.iter().all(Option::is_none) {
            self.running[0] = Some(begin(world, story));
            story.process("started", 0);
        }
        for which in 0..2 {
            self.cut(which, false);
        }
    }

    fn cut(&mut self, which: usize, off: bool) {
        self.cut_off[which] = off;
        if let Some(replica) = &self.running[which] {
            replica.transport.set_unreachable(off);
        }
    }

    fn leader(&self) -> Option<usize> {
        let leads = |slot: &Option<Replica>| slot.as_ref().is_some_and(|replica| replica.gate.is_open());
        self.running.iter().position(leads)
    }
}

fn begin(world: &World, story: &mut Story) -> Replica {
    let skew = some_seconds(&mut story.draw);
    world.start_with(&Setup { skew, ..world.setup.clone() })
}

impl Story {
    /// Something happens to one of the processes.
    pub async fn replicas(&mut self, world: &World, replicas: &mut Replicas) {
        let leader = replicas.leader();
        let which = leader.filter(|_| self.draw.one_in(2)).unwrap_or(self.draw.below(2) as usize);
        let Some(replica) = replicas.running[which].take() else {
            self.process("started", which);
            replicas.running[which] = Some(begin(world, self));
            return replicas.cut(which, false);
        };
        match self.draw.below(6) {
            0 => {
                self.process("ended", which);
                replica.terminate().await;
                replicas.running[which] = self.draw.one_in(2).then(|| begin(world, self));
            }
            1 => {
                replicas.running[which] = Some(replica);
                let off = !replicas.cut_off[which];
                self.process(if off { "cut off" } else { "reaches ITCare again" }, which);
                replicas.cut(which, off);
            }
            2 => {
                replicas.running[which] = Some(replica);
                self.depose(world);
            }
            _ => {
                self.process("killed", which);
                drop(replica);
                replicas.running[which] = self.draw.one_in(2).then(|| begin(world, self));
                replicas.cut(which, false);
            }
        }
    }

    /// Snapshots are being taken when both processes end, and nobody runs until all of them have expired.
    pub async fn nobody_runs_for_days(&mut self, world: &World, replicas: &mut Replicas) {
        replicas.all_run(world, self);
        for name in self.names.clone() {
            self.user_takes_snapshot(world, &format!("{name}-before"), &name);
        }
        let taking = || {
            world.sim.running().iter().any(|action| action.process == "vm_create_snapshot" && !action.endless)
        };
        // A lease that nobody gave back must run out before anything is sent.
        let mut left = 18_000;
        while !taking() && left > 0 {
            sleep(Duration::from_millis(100)).await;
            left -= 1;
        }
        // Some more have begun by then, and none has ended.
        sleep(Duration::from_secs(1)).await;
        for (which, replica) in replicas.running.iter_mut().enumerate() {
            *replica = None;
            self.process("away for days", which);
        }
        sleep(AWAY).await;
        replicas.all_run(world, self);
    }

    fn process(&mut self, what: &str, which: usize) {
        self.say(format!("replica {which}: {what}"));
        self.tally.add(format!("replica: {what}"), 1);
    }

    /// Somebody who does nothing takes the lease from whoever holds it.
    fn depose(&mut self, world: &World) {
        self.say("the lease is taken away");
        self.tally.add("replica: deposed", 1);
        let take = |lease: &mut Value| lease["spec"]["holderIdentity"] = "somebody-else".into();
        // Before the first holder there is no lease.
        let _ = world.api.edit("leases", "default", "itcare-operator", take);
    }

    /// The leader sends something, and is killed or deposed before it has an answer.
    pub async fn dies_in_flight(&mut self, world: &World, replicas: &mut Replicas, name: &str) {
        let hung = self.hang(world);
        self.user_asks_for_work(world, name);
        let mut left = 3000;
        while !hung.has_hit(world) && left > 0 {
            sleep(Duration::from_millis(100)).await;
            left -= 1;
        }
        let leader = replicas.leader().filter(|_| hung.has_hit(world));
        match (leader, hung) {
            // A call is given up by itself, so this leader may live.
            (Some(_), Hung::Call(_)) if self.draw.one_in(3) => {
                self.tally.add("replica: deposed in flight", 1);
                self.depose(world);
            }
            (Some(leader), _) => {
                self.process("killed in flight", leader);
                replicas.running[leader] = None;
                if !self.draw.one_in(3) {
                    replicas.running[leader] = Some(begin(world, self));
                }
                replicas.cut(leader, false);
            }
            // Nobody would ever let go of a write that hangs.
            (None, Hung::Write(_)) => {
                world.api.clear_faults();
                replicas.running = [None, None];
                replicas.all_run(world, self);
            }
            (None, Hung::Call(_)) => {}
        }
    }
}
