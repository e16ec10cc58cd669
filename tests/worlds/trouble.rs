//! What fails: ITCare's calls, the API server's, both for one call or for a while; and how all of it is mended.

use std::time::Duration;

use itcare_lab::memory::{self, Verb};
use itcare_sim::{Fault, FaultKind, Match, Profile, Rate, Wait};
use jiff::SignedDuration;

use crate::life::{INSTANCES, SNAPSHOTS};
use crate::secrets::SECRETS;
use crate::story::Story;
use crate::support::World;

/// The ways in which a call to ITCare goes wrong. "after" means that it took effect.
fn ways() -> Vec<(&'static str, FaultKind)> {
    let status = FaultKind::error;
    let retry = |code, wait, effect| FaultKind::RetryAfter { code, wait, effect };
    let seconds = Duration::from_secs;
    vec![
        ("dropped-before", FaultKind::DropBefore),
        ("dropped-after", FaultKind::DropAfter),
        ("500-before", status(500, false)),
        ("500-after", status(500, true)),
        ("502-html-after", FaultKind::Html { code: 502, effect: true }),
        ("503-before", retry(503, Wait::Seconds(7), false)),
        ("503-after", retry(503, Wait::Seconds(45), true)),
        ("504-after", status(504, true)),
        ("429-seconds", retry(429, Wait::Seconds(20), false)),
        ("429-date", retry(429, Wait::Date(seconds(90)), false)),
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
        ("late-reply", FaultKind::LateReply(seconds(12))),
        ("replayed", FaultKind::Replay),
    ]
}

/// Those that only a list can show.
fn list_ways() -> Vec<(&'static str, FaultKind)> {
    vec![
        ("stale-list", FaultKind::StaleList(Duration::from_secs(60))),
        ("empty-list", FaultKind::EmptyList),
        ("shifted-page", FaultKind::ShiftPage),
        ("overlapping-page", FaultKind::OverlapPage),
    ]
}

/// Those that only an action can show.
fn action_ways() -> Vec<(&'static str, FaultKind)> {
    vec![
        ("action-fails", FaultKind::ActionFails("no more addresses".to_owned())),
        ("action-never-ends", FaultKind::ActionNeverEnds),
        ("action-vanishes", FaultKind::ActionVanishes),
    ]
}

impl Story {
    /// A fault of ITCare is planned, by its name.
    pub fn plan(&mut self, world: &World, name: &'static str, fault: Fault) -> u64 {
        self.say(format!("ITCare: {name}, {} times after {}, {:?}", fault.times, fault.skip, fault.matches));
        let id = world.sim.inject(fault);
        self.faults.insert(id, name);
        id
    }

    /// ITCare fails: in a call, in many, or as an account.
    pub fn itcare_fails(&mut self, world: &World) {
        match self.draw.below(12) {
            0 | 1 => {
                let kind = self.draw.pick(&[
                    FaultKind::DropBefore,
                    FaultKind::HangForever { effect: false },
                    FaultKind::Html { code: 503, effect: false },
                ]);
                let (kind, times) = (kind.clone(), *self.draw.pick(&[10, 40]));
                self.plan(world, "outage", Fault::once(Match::any(), kind).times(times));
            }
            2 | 3 => {
                let (name, kind) = self.draw.pick(&list_ways()).clone();
                let (skip, times) = (self.draw.below(4) as u32, *self.draw.pick(&[1, 2]));
                let lists = Match::operation(itcare_sim::Operation::List);
                self.plan(world, name, Fault::once(lists, kind).times(times).after(skip));
            }
            4 | 5 => {
                let (name, kind) = self.draw.pick(&action_ways()).clone();
                let times = if name == "action-never-ends" { 1 } else { *self.draw.pick(&[1, 1, 3]) };
                let skip = self.draw.below(4) as u32;
                self.plan(world, name, Fault::once(Match::mutating(), kind).times(times).after(skip));
            }
            6 => self.account_trouble(world),
            _ => {
                let (name, kind) = self.draw.pick(&ways()).clone();
                let matches = if self.draw.one_in(3) { Match::any() } else { Match::mutating() };
                let (skip, times) = (self.draw.below(6) as u32, *self.draw.pick(&[1, 1, 2, 5]));
                self.plan(world, name, Fault::once(matches, kind).times(times).after(skip));
            }
        }
    }

    /// Something is wrong with the account, until somebody mends it.
    fn account_trouble(&mut self, world: &World) {
        match self.draw.below(3) {
            0 => {
                self.account("secret changed");
                world.sim.accounts(|accounts| accounts.list[0].secret = SECRETS[1].to_owned());
                world.sim.inject(Fault::once(Match::any(), FaultKind::ExpireTokens));
            }
            1 => {
                self.account("right lost");
                world.sim.accounts(|accounts| accounts.list[0].profile = Profile::Operator);
            }
            _ => {
                self.account("limited");
                world.sim.quirks(|quirks| quirks.rate = Some(Rate { per_second: 1.0, burst: 3.0 }));
            }
        }
    }

    fn account(&mut self, what: &str) {
        self.say(format!("the account: {what}"));
        self.tally.add(format!("account: {what}"), 1);
    }

    pub fn mend_account(&mut self, world: &World) {
        let mut secret = String::new();
        world.sim.accounts(|accounts| {
            accounts.list[0].profile = Profile::Power;
            secret.clone_from(&accounts.list[0].secret);
        });
        world.sim.quirks(|quirks| quirks.rate = None);
        *world.setup.secret.lock().expect("nobody panics with it") = Ok(secret);
    }

    /// The API server fails: in a call, or in what it shows.
    pub fn kubernetes_fails(&mut self, world: &World) {
        let times = *self.draw.pick(&[1, 2, 8]);
        let (name, fault) = match self.draw.below(12) {
            0 => ("500", memory::Fault::refuse(500).writes()),
            1 => ("409", memory::Fault::refuse(409).writes()),
            2 => ("lost reply", memory::Fault::lose_reply().writes()),
            3 => ("no connection", memory::Fault::no_connection().writes()),
            4 => ("slow", memory::Fault::delay(Duration::from_secs(15)).writes()),
            5 => ("late reply", memory::Fault::delay_reply(Duration::from_secs(15)).writes()),
            6 => ("504 of a read", memory::Fault::refuse(504).verb(Verb::Get)),
            7 => ("500 of a list", memory::Fault::refuse(500).verb(Verb::List)),
            other => return self.views_fail(world, other),
        };
        let skip = self.draw.below(4) as u32;
        self.say(format!("Kubernetes: {name}, {times} times after {skip}"));
        self.kube_faults.push((world.api.inject(fault.after(skip).times(times)), name));
    }

    fn views_fail(&mut self, world: &World, which: u64) {
        let what = match which {
            8 => {
                self.held_for = 1 + self.draw.below(3);
                world.api.hold_watches(true);
                "the caches stand still"
            }
            9 => {
                self.held_for = 1 + self.draw.below(3);
                world.api.hold_views_at(world.api.revision());
                world.api.expire_watches();
                "lists and watches lag behind"
            }
            10 => {
                world.api.drop_watches();
                "all watches end"
            }
            _ => {
                world.api.expire_watches();
                "all watches are too old"
            }
        };
        self.say(format!("Kubernetes: {what}"));
        self.tally.add(format!("kubernetes: {what}"), 1);
    }

    /// Everything of ITCare that was broken is whole; what was only planned is taken back.
    pub fn mend_itcare(&mut self, world: &World) {
        world.sim.clear_faults();
        self.mend_account(world);
        self.name_back(world);
        for entry in world.sim.journal() {
            if let Some(name) = entry.fault.and_then(|id| self.faults.get(&id)) {
                self.tally.add(format!("itcare: {name}"), 1);
            }
        }
    }

    pub fn mend_kubernetes(&mut self, world: &World) {
        for (id, name) in std::mem::take(&mut self.kube_faults) {
            self.tally.add(format!("kubernetes: {name}"), usize::from(world.api.is_spent(id)));
        }
        world.api.clear_faults();
        world.api.hold_watches(false);
    }

    /// A fault that holds the next change at one of the seams back for ever, for whoever dies with it.
    pub fn hang(&mut self, world: &World) -> Hung {
        let effect = self.draw.one_in(2);
        if self.draw.one_in(2) {
            let fault = Fault::once(Match::mutating(), FaultKind::HangForever { effect });
            return Hung::Call(self.plan(world, "hangs until death", fault));
        }
        let kind = if self.draw.one_in(4) { SNAPSHOTS } else { INSTANCES };
        let fault = if effect { memory::Fault::hang_after_effect() } else { memory::Fault::hang() };
        let skip = self.draw.below(3) as u32;
        self.say(format!("Kubernetes: the next write but {skip} of {kind} hangs, effect: {effect}"));
        Hung::Write(world.api.inject(fault.writes().resource(kind).after(skip)))
    }
}

/// A request that hangs, or will.
#[derive(Debug, Clone, Copy)]
pub enum Hung {
    Call(u64),
    Write(u64),
}

impl Hung {
    pub fn has_hit(self, world: &World) -> bool {
        match self {
            Self::Call(id) => world.sim.is_spent(id),
            Self::Write(id) => world.api.is_spent(id),
        }
    }
}

/// How far a process's clock, or ITCare's, may be off.
pub fn some_seconds(draw: &mut crate::draw::Draw) -> SignedDuration {
    SignedDuration::from_millis(draw.below(10_000) as i64 - 5_000)
}
