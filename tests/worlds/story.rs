//! What happens in a world, step by step, drawn from its seed, and taken down for whoever must judge it.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_sim::Outcome;
use tokio::time::{Instant, sleep};

use crate::draw::Draw;
use crate::life::{Lives, Moment};
use crate::replicas::Replicas;
use crate::support::{START, World};
use crate::tally::Tally;

/// The story so far.
pub struct Story {
    pub draw: Draw,
    /// The names of instance objects.
    pub names: Vec<String>,
    pub lives: Lives,
    /// What each step was.
    pub log: Vec<String>,
    pub tally: Tally,
    /// The faults of ITCare that wait, or have hit, by id.
    pub faults: BTreeMap<u64, &'static str>,
    /// The faults of the API server.
    pub kube_faults: Vec<(u64, &'static str)>,
    /// What other people renamed: the VM, and how it was called.
    pub renamed: BTreeMap<i64, String>,
    /// How many steps the caches go on standing still.
    pub held_for: u64,
    /// ITCare keeps a snapshot for as long as it is documented, not for some hours only.
    keeps_its_word: bool,
    /// Numbers descriptions, so that each snapshot's is its own.
    pub snapshots: u64,
    began: Instant,
    /// Told also when all goes well.
    tell: bool,
}

impl Drop for Story {
    fn drop(&mut self) {
        if self.tell || std::thread::panicking() {
            println!("the story:\n  {}", self.log.join("\n  "));
        }
    }
}

impl Story {
    pub fn new(objects: u64, draw: Draw, keeps_its_word: bool, tell: bool) -> Self {
        Self {
            draw,
            names: (0..objects).map(|index| format!("vm{index}")).collect(),
            lives: Lives::default(),
            log: Vec::new(),
            tally: Tally::default(),
            faults: BTreeMap::new(),
            kube_faults: Vec::new(),
            renamed: BTreeMap::new(),
            held_for: 0,
            keeps_its_word,
            snapshots: 0,
            began: Instant::now(),
            tell,
        }
    }

    /// Now.
    pub fn now(&self) -> Moment {
        Moment::try_from(self.began.elapsed()).unwrap_or(Moment::MAX)
    }

    /// A line of the story.
    pub fn say(&mut self, line: impl Into<String>) {
        let at = START.parse::<jiff::Timestamp>().expect("a time") + self.now();
        self.log.push(format!("{at} {}", line.into()));
    }

    /// Days of trouble: steps of one thing each, with pauses between them. Users begin with a heap of objects.
    pub async fn unfold(&mut self, world: &World, replicas: &mut Replicas, days: u64) {
        for name in self.names.clone() {
            if !self.draw.one_in(3) {
                self.make(world, &name);
            }
        }
        let steps = 80 + 2 * self.names.len() as u64;
        // One pause in eight is long.
        let long = days * 24 * 3600 / (steps / 8);
        for step in 0..steps {
            if self.keeps_its_word && step == steps / 2 {
                self.nobody_runs_for_days(world, replicas).await;
            }
            let gap = match self.draw.one_in(8) {
                true => {
                    // What expired unseen within hours, against all documents, would be missing for days.
                    if !self.keeps_its_word {
                        replicas.one_runs(world, self);
                    }
                    long / 2 + self.draw.below(long)
                }
                false => *self.draw.pick(&[1, 5, 20, 60, 200, 600]),
            };
            sleep(Duration::from_secs(gap)).await;
            let now = self.now();
            self.lives.look(world, now);
            replicas.still_run(self);
            self.step(world, replicas).await;
        }
    }

    async fn step(&mut self, world: &World, replicas: &mut Replicas) {
        self.held_for = self.held_for.saturating_sub(1);
        if self.held_for == 0 {
            world.api.hold_watches(false);
        }
        let name = self.draw.pick(&self.names).clone();
        if self.draw.one_in(8) {
            self.end_endless(world);
            self.mend_account(world);
        }
        match self.draw.below(25) {
            0..=9 => self.user(world, &name),
            10..=12 => self.user_of_snapshots(world, &name),
            13..=15 => self.outsider(world, &name),
            16 | 17 => self.itcare_fails(world),
            18 | 19 => self.kubernetes_fails(world),
            20 | 21 => self.dies_in_flight(world, replicas, &name).await,
            22 => self.changes_their_mind(world, &name).await,
            _ => self.replicas(world, replicas).await,
        }
    }

    /// All troubles end: what waits is taken back, names and accounts are mended, both replicas run, nothing is
    /// suspended, and what others left running ends.
    pub async fn heal(&mut self, world: &World, replicas: &mut Replicas) {
        self.say("all troubles end");
        self.mend_itcare(world);
        self.mend_kubernetes(world);
        replicas.all_run(world, self);
        for name in self.names.clone() {
            self.resume(world, &name);
        }
        // A request that hangs is given up after a minute at most.
        sleep(Duration::from_secs(60)).await;
        self.end_endless(world);
    }

    /// The world is at rest: what is to go has gone.
    pub fn rests(&mut self, world: &World) {
        let now = self.now();
        self.lives.look(world, now);
        self.say("at rest");
    }

    /// Actions that would never end by themselves end.
    fn end_endless(&mut self, world: &World) {
        for action in world.sim.running().into_iter().filter(|action| action.endless) {
            let well = self.draw.one_in(2);
            self.say(format!(
                "action {} on {} ends after all, well: {well}",
                action.id, action.resource_name
            ));
            let outcome = match well {
                true => Outcome::Success,
                false => Outcome::Error("given up".to_owned()),
            };
            world.sim.complete(action.id, outcome);
        }
    }
}
