//! The VM's only slot as the model has it: what fills it since when, and the actions that change it.

use std::time::Duration;

use itcare_operator::decide::Look;
use itcare_operator::model::{Action, ActionId, ActionStatus, Slot};
use jiff::Timestamp;

use super::cloud::Fate;
use crate::fixture::{US, action, seconds, wall};
use crate::fixture_snapshot::foreign_slot;

/// How long an action takes.
const DURATION: Duration = Duration::from_secs(40);

/// What an action does when it ends well.
#[derive(Debug, Clone)]
pub enum Effect {
    Take(Slot),
    Recover,
    Remove,
    Nothing,
}

#[derive(Debug, Clone)]
struct Work {
    action: Action,
    starts: Duration,
    ends: Duration,
    effect: Effect,
    fails: bool,
    over: bool,
}

/// The slot and what works on it.
#[derive(Debug)]
pub struct SlotCloud {
    history: Vec<(Duration, Option<Slot>)>,
    works: Vec<Work>,
    lag: Duration,
    next: i64,
    /// Calls that changed or tried to change something.
    pub calls: u32,
    /// Recoveries that ran.
    pub recovered: u32,
}

impl SlotCloud {
    pub fn new(lag: Duration) -> Self {
        Self {
            history: vec![(Duration::ZERO, None)],
            works: Vec::new(),
            lag,
            next: 70_000,
            calls: 0,
            recovered: 0,
        }
    }

    /// The slot as it really is.
    pub fn slot(&self) -> Option<&Slot> {
        self.history.last().and_then(|(_, slot)| slot.as_ref())
    }

    /// The slot as reads show it.
    pub fn shown(&self, now: Duration) -> Option<Slot> {
        let then = now.saturating_sub(self.lag);
        self.history.iter().rev().find(|(since, _)| *since <= then).and_then(|(_, slot)| slot.clone())
    }

    pub fn is_busy(&self, now: Duration) -> bool {
        self.works.iter().any(|work| now < work.ends + self.lag)
    }

    /// Ends what has come to its end.
    pub fn advance(&mut self, now: Duration) {
        for index in 0..self.works.len() {
            let work = self.works[index].clone();
            if work.over || work.ends > now {
                continue;
            }
            self.works[index].over = true;
            self.works[index].action.status =
                if work.fails { ActionStatus::Error } else { ActionStatus::Success };
            if work.fails {
                continue;
            }
            match work.effect {
                Effect::Take(slot) => self.history.push((work.ends, Some(slot))),
                Effect::Remove => self.history.push((work.ends, None)),
                Effect::Recover => self.recovered += 1,
                Effect::Nothing => {}
            }
        }
        if self.slot().and_then(|slot| slot.expires_at).is_some_and(|end| at(now) >= end) {
            self.history.push((now, None));
        }
    }

    /// Somebody removes whatever is there.
    pub fn empty(&mut self, now: Duration) {
        self.history.push((now, None));
    }

    /// Somebody takes a snapshot by hand, if the slot is free.
    pub fn fill(&mut self, now: Duration) {
        if self.slot().is_none() {
            let expires_at = Some(at(now + seconds(7200)));
            self.history.push((now, Some(Slot { created_at: Some(at(now)), expires_at, ..foreign_slot() })));
        }
    }

    /// Somebody's action of ten minutes.
    pub fn occupy(&mut self, now: Duration) {
        self.work(Effect::Nothing, now, false, seconds(600), "alice");
    }

    fn work(&mut self, effect: Effect, starts: Duration, fails: bool, takes: Duration, by: &str) -> Action {
        self.next += 1;
        let action = Action {
            id: ActionId::new(self.next),
            submitted_at: Some(at(starts)),
            submitted_by: Some(by.to_owned()),
            ..action()
        };
        self.works.push(Work {
            action: action.clone(),
            starts,
            ends: starts + takes,
            effect,
            fails,
            over: false,
        });
        action
    }

    /// A call of ours; `Err` is a refusal.
    pub fn send(&mut self, effect: Effect, now: Duration, fate: Fate) -> Result<Option<Action>, u16> {
        self.calls += 1;
        if self.works.iter().any(|work| work.starts <= now && !work.over) {
            return Err(409);
        }
        match (&effect, self.slot()) {
            (Effect::Take(_), Some(_)) => return Err(409),
            (Effect::Remove | Effect::Recover, None) => return Err(404),
            _ => {}
        }
        Ok(match fate {
            Fate::Lost => None,
            Fate::Runs { after } => Some(self.work(effect, now + after, false, DURATION, US)),
            Fate::Fails { .. } => Some(self.work(effect, now, true, DURATION, US)),
        })
    }

    // Reads.

    pub fn running(&self, now: Duration) -> Vec<Action> {
        let shown = |work: &&Work| work.starts + self.lag <= now && now < work.ends + self.lag;
        self.works.iter().filter(shown).map(|work| work.action.clone()).collect()
    }

    pub fn read(&self, id: ActionId, now: Duration) -> Option<Action> {
        let found = self.works.iter().find(|work| work.action.id == id && work.starts <= now);
        found.map(|work| work.action.clone())
    }

    pub fn look(&self, now: Duration, at: Duration) -> Look {
        let shown = |work: &&Work| work.starts + self.lag <= now;
        let actions = self.works.iter().filter(shown).map(|work| work.action.clone()).collect();
        Look { actions, instances: Vec::new(), at }
    }
}

/// The wall clock, that long after the beginning.
pub fn at(now: Duration) -> Timestamp {
    wall().checked_add(now).expect("a time")
}
