//! The same world for a snapshot: one VM with one slot, one object, the same faults.

use std::time::Duration;

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::crd::snapshot::{RecoverRequest, SlotPolicy, slot_timeout};
use itcare_operator::crd::{ITCareSnapshotSpec, SnapshotStatus};
use itcare_operator::decide::decision::{CallAction, Guarded, GuardedCall};
use itcare_operator::decide::instance::ObjectFacts;
use itcare_operator::decide::snapshot::{self, InstanceFacts, SnapshotView, mark};
use itcare_operator::decide::{Cloud as Seen, Decision, Look, Memory, Need, Outcome, Step, Wake};
use itcare_operator::model::{
    Action, ActionId, ActionStatus, AttemptId, Fence, Ledger, Moment, ObjectKey, Observed, Slot, SnapshotId,
};
use jiff::Timestamp;

use super::cloud::Fate;
use super::shell::{Answer, RUNS, any_fate, any_read_failure, outcome, says};
use crate::check;
use crate::dice::Dice;
use crate::fixture::{NAME, US, VM, action, detail, need_says, seconds, site, stands, step_says, wall};
use crate::fixture_snapshot::{foreign_slot, instance, spec};

const READS: usize = 16;
const PASSES: u32 = 4000;
const DURATION: Duration = Duration::from_secs(40);
/// Longer than the routine look.
const QUIET: Duration = Duration::from_secs(8 * 3600);

/// What people and other programs do.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    Recover,
    Delete,
    Replace,
    DropStatus,
    Restart,
    /// Somebody removes whatever fills the slot.
    EmptySlot,
    /// Somebody takes a snapshot by hand, if the slot is free.
    FillSlot,
    /// Somebody's long action runs on the VM.
    Occupy,
    /// The instance refuses (suspended, observed), or not any more.
    Refuse(bool),
}

#[derive(Debug, Clone)]
enum Effect {
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

/// The world of one snapshot object.
pub struct SnapshotWorld {
    pub now: Duration,
    started: Duration,
    lag: Duration,
    slots: Vec<(Duration, Option<Slot>)>,
    works: Vec<Work>,
    next: i64,
    pub calls: u32,
    pub recovered: u32,
    pub spec: ITCareSnapshotSpec,
    pub status: SnapshotStatus,
    generation: i64,
    annotation: Option<String>,
    finalizer: bool,
    pub deleting: bool,
    pub gone: bool,
    refuses: bool,
    memory: Memory,
    running: Option<(Duration, Vec<Action>)>,
    newest: Option<ActionId>,
    attempts: u8,
    slot_read: Duration,
    faults: Dice,
    pub events: Vec<(Duration, Event)>,
    pub journal: Vec<String>,
    pub passes: u32,
}

impl SnapshotWorld {
    pub fn new(dice: &mut Dice, faults: Dice) -> Self {
        let mut spec = spec();
        spec.on_slot_taken = dice.pick(&[SlotPolicy::Wait, SlotPolicy::Fail]);
        spec.deletion_policy = dice.pick(&[DeletionPolicy::Delete, DeletionPolicy::Retain]);
        Self {
            now: seconds(10),
            started: Duration::ZERO,
            lag: dice.pick(&[Duration::ZERO, seconds(2), seconds(20)]),
            slots: vec![(Duration::ZERO, None)],
            works: Vec::new(),
            next: 70_000,
            calls: 0,
            recovered: 0,
            spec,
            status: SnapshotStatus { observed_generation: Some(-1), ..SnapshotStatus::default() },
            generation: 1,
            annotation: None,
            finalizer: false,
            deleting: false,
            gone: false,
            refuses: false,
            memory: Memory::default(),
            running: None,
            newest: None,
            attempts: 0,
            slot_read: Duration::ZERO,
            faults,
            events: Vec::new(),
            journal: Vec::new(),
            passes: 0,
        }
    }

    fn wall(&self) -> Timestamp {
        wall().checked_add(self.now).expect("a time")
    }

    fn mono(&self) -> Duration {
        self.now - self.started
    }

    fn tell(&mut self, line: impl Into<String>) {
        self.journal.push(format!("{:>9.1} {}", self.now.as_secs_f64(), line.into()));
    }

    pub fn story(&self) -> String {
        let from = self.journal.len().saturating_sub(120);
        format!("{}\nspec {:?}\nstatus {:#?}", self.journal[from..].join("\n"), self.spec, self.status)
    }

    pub fn stands(&self) -> String {
        stands(&self.status.conditions)
    }

    pub fn ledger(&self) -> Option<Ledger> {
        Ledger::newest(self.annotation.as_deref(), self.status.ledger.as_deref())
            .expect("a ledger that we wrote")
    }

    pub fn is_tracked(&self) -> bool {
        self.finalizer && self.annotation.is_some()
    }

    /// The slot as it really is.
    pub fn slot(&self) -> Option<&Slot> {
        self.slots.last().and_then(|(_, slot)| slot.as_ref())
    }

    fn shown(&self) -> Option<Slot> {
        let then = self.now.saturating_sub(self.lag);
        self.slots.iter().rev().find(|(since, _)| *since <= then).and_then(|(_, slot)| slot.clone())
    }

    fn fault(&mut self) -> bool {
        !self.faults.is_used_up() && self.faults.one_in(5)
    }

    fn restart(&mut self) {
        self.started = self.now;
        (self.memory, self.running, self.slot_read) = (Memory::default(), None, Duration::ZERO);
        self.tell("restart");
    }

    /// Lives until nothing has happened for long enough.
    pub fn live(&mut self) {
        let mut quiet_since = self.now;
        let mut seen = (self.status.clone(), self.annotation.clone(), self.calls);
        while !self.gone && self.now < quiet_since + QUIET {
            assert!(self.passes < PASSES, "no end in sight:\n{}", self.story());
            let wake = self.pass();
            self.gone |= self.deleting && !self.finalizer;
            let now = (self.status.clone(), self.annotation.clone(), self.calls);
            let busy = self.works.iter().any(|work| self.now < work.ends + self.lag);
            if now != seen || !self.events.is_empty() || busy {
                (seen, quiet_since) = (now, self.now);
            }
            let until = match wake {
                Wake::OnChange => self.now + seconds(86_400),
                Wake::After(wait) => self.now + wait.max(Duration::from_millis(10)),
            };
            let event = self.events.iter().map(|(at, _)| *at).min();
            self.now = event.into_iter().chain([until]).min().unwrap_or(until).max(self.now);
            self.advance();
            if let Some(index) = self.events.iter().position(|(at, _)| *at <= self.now) {
                let (_, event) = self.events.remove(index);
                self.happen(&event);
            }
        }
    }

    fn advance(&mut self) {
        for index in 0..self.works.len() {
            let work = self.works[index].clone();
            if work.over || work.ends > self.now {
                continue;
            }
            self.works[index].over = true;
            self.works[index].action.status =
                if work.fails { ActionStatus::Error } else { ActionStatus::Success };
            if work.fails {
                continue;
            }
            match work.effect {
                Effect::Take(slot) => self.slots.push((work.ends, Some(slot))),
                Effect::Remove => self.slots.push((work.ends, None)),
                Effect::Recover => self.recovered += 1,
                Effect::Nothing => {}
            }
        }
        let expired = self.slot().and_then(|slot| slot.expires_at).is_some_and(|end| self.wall() >= end);
        if expired {
            self.slots.push((self.now, None));
        }
    }

    fn happen(&mut self, event: &Event) {
        self.tell(format!("event {event:?}"));
        match event {
            Event::Recover => {
                self.spec.recover = Some(RecoverRequest { requested_at: self.wall(), not_after: None });
                self.generation += 1;
            }
            Event::Delete => {
                self.deleting = true;
                self.generation += 1;
            }
            Event::Replace if self.ledger().is_none_or(|ledger| ledger.intent.is_none()) => {
                (self.annotation, self.finalizer) = (None, false);
            }
            Event::Replace => {}
            Event::DropStatus => self.status = SnapshotStatus::default(),
            Event::Restart => self.restart(),
            Event::EmptySlot => self.slots.push((self.now, None)),
            Event::FillSlot if self.slot().is_none() => {
                let (made, end) = (self.wall(), self.wall().checked_add(seconds(7200)).expect("a time"));
                let slot = Slot { created_at: Some(made), expires_at: Some(end), ..foreign_slot() };
                self.slots.push((self.now, Some(slot)));
            }
            Event::FillSlot => {}
            Event::Occupy => {
                let by = Some("alice".to_owned());
                self.work(Effect::Nothing, self.now, false, seconds(600), by);
            }
            Event::Refuse(refuses) => self.refuses = *refuses,
        }
    }

    fn work(
        &mut self,
        effect: Effect,
        starts: Duration,
        fails: bool,
        takes: Duration,
        by: Option<String>,
    ) -> Action {
        self.next += 1;
        let submitted_at = Some(wall().checked_add(starts).expect("a time"));
        let action = Action { id: ActionId::new(self.next), submitted_at, submitted_by: by, ..action() };
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

    fn send(&mut self, effect: Effect, fate: Fate) -> Result<Option<Action>, u16> {
        self.calls += 1;
        if self.works.iter().any(|work| work.starts <= self.now && !work.over) {
            return Err(409);
        }
        match (&effect, self.slot()) {
            (Effect::Take(_), Some(_)) => return Err(409),
            (Effect::Remove | Effect::Recover, None) => return Err(404),
            _ => {}
        }
        let us = Some(US.to_owned());
        Ok(match fate {
            Fate::Lost => None,
            Fate::Runs { after } => Some(self.work(effect, self.now + after, false, DURATION, us)),
            Fate::Fails { .. } => Some(self.work(effect, self.now, true, DURATION, us)),
        })
    }

    fn pass(&mut self) -> Wake {
        self.passes += 1;
        self.advance();
        if self.fault() && self.faults.one_in(4) {
            self.restart();
        }
        let begun = self.mono();
        let mut seen = Seen::default();
        let mut reads = 0;
        let decision = loop {
            if let Some((at, all)) = &self.running {
                seen.running = Observed::Present { value: all.clone(), at: *at };
            }
            let decision = self.with_view(&self.status, &seen, begun, snapshot::next);
            check::snapshot(&self.status, &decision.status, self.generation);
            let Step::Observe(need) = &decision.step else { break decision };
            reads += 1;
            assert!(reads <= READS, "a pass without end, asking for {need:?}:\n{}", self.story());
            let need = need.clone();
            self.memory = decision.memory;
            self.now += Duration::from_millis(1);
            self.advance();
            self.answer(&mut seen, need);
        };
        let said = step_says(&decision.step).unwrap_or_default();
        self.tell(format!("{said} | {}", stands(&decision.status.conditions)));
        self.act(&seen, begun, decision)
    }

    fn with_view<T>(
        &self,
        status: &SnapshotStatus,
        seen: &Seen,
        begun: Duration,
        ask: impl FnOnce(&SnapshotView<'_>) -> T,
    ) -> T {
        let site = site();
        let ledger = self.ledger();
        let written = ledger.as_ref().is_some_and(|ledger| self.annotation == Some(ledger.to_text()));
        let refuses = self.refuses.then(|| "it is suspended".to_owned());
        ask(&SnapshotView {
            object: ObjectFacts {
                key: ObjectKey::new("shop", "nightly"),
                uid: "uid-7".to_owned(),
                generation: self.generation,
                created: wall(),
                deleting: self.deleting,
                has_finalizer: self.finalizer,
                has_ledger: written,
                reconcile_requested: None,
            },
            spec: &self.spec,
            status,
            ledger: Ok(ledger),
            site: &site,
            instance: Some(InstanceFacts { refuses, ..instance() }),
            service_allowed: true,
            sibling_intent: None,
            slot_timeout: slot_timeout(&self.spec),
            cloud: seen.clone(),
            memory: self.memory.clone(),
            slot_due: self.slot_read + site.detail_interval,
            now: Moment { wall: self.wall(), mono: self.mono() },
            pass: begun,
        })
    }

    fn answer(&mut self, seen: &mut Seen, need: Need) {
        if self.fault() {
            let failure = any_read_failure(&mut self.faults);
            self.tell(format!("  {} fails: {:?}", need_says(&need), failure.class));
            seen.failures.push((need, failure));
            return;
        }
        let (now, at, lag) = (self.now, self.mono(), self.lag);
        match need {
            Need::Object => seen.object_unchanged = Some(true),
            Need::Detail(_) => seen.detail = Observed::Present { value: detail(), at },
            Need::Running { since } => {
                assert!(since <= at, "running actions from the future are asked for:\n{}", self.story());
                let shown = |work: &&Work| work.starts + lag <= now && now < work.ends + lag;
                let all = self.works.iter().filter(shown).map(|work| work.action.clone()).collect();
                self.running = Some((at, all));
            }
            Need::Action(id) => {
                let read = self.works.iter().find(|work| work.action.id == id && work.starts <= now);
                let read = read.map(|work| work.action.clone());
                seen.action =
                    Some((id, read.map_or(Observed::Absent { at }, |value| Observed::Present { value, at })));
            }
            Need::Look(name) => {
                assert_eq!(name.as_str(), NAME);
                let shown = |work: &&Work| work.starts + lag <= now;
                let actions = self.works.iter().filter(shown).map(|work| work.action.clone()).collect();
                seen.look = Some(Look { actions, instances: Vec::new(), at });
            }
            Need::Slot(id) => {
                assert_eq!(id, VM);
                self.slot_read = at;
                seen.slot =
                    self.shown().map_or(Observed::Absent { at }, |value| Observed::Present { value, at });
            }
            Need::List { .. } | Need::Storage(_) | Need::Network(_) => {
                panic!("no read of a snapshot: {need:?}")
            }
        }
    }

    fn act(&mut self, seen: &Seen, begun: Duration, decision: Decision<SnapshotStatus>) -> Wake {
        match &decision.step {
            Step::Nothing | Step::Observe(_) => {}
            Step::SaveLedger { .. } | Step::Guarded(_) if self.fault() => {
                self.tell("  the ledger write loses");
                self.memory = decision.memory;
                return Wake::After(seconds(1));
            }
            Step::SaveLedger { ledger, finalizer } => {
                self.annotation = Some(ledger.to_text());
                self.finalizer |= finalizer;
            }
            Step::DropLedger => self.annotation = None,
            Step::RemoveFinalizer => self.finalizer = false,
            Step::Guarded(guarded) => return self.guarded(seen, begun, &decision, guarded),
            Step::Call(call) => {
                assert!(matches!(call.action, CallAction::RemoveSnapshot(_)), "{call:?}");
                let (fate, answer) = self.fate(false);
                let outcome = outcome(self.send(Effect::Remove, fate), answer);
                let ledger = self.ledger();
                return self.tried(seen, begun, &decision, &outcome, ledger, answer);
            }
        }
        self.conclude(decision)
    }

    fn fate(&mut self, guarded: bool) -> (Fate, Answer) {
        if self.fault() { any_fate(&mut self.faults, guarded) } else { (RUNS, Answer::Told) }
    }

    fn guarded(
        &mut self,
        seen: &Seen,
        begun: Duration,
        decided: &Decision<SnapshotStatus>,
        guarded: &Guarded,
    ) -> Wake {
        self.attempts += 1;
        let attempt = AttemptId::from_bytes([self.attempts; 8]);
        let mut intent = crate::fixture::intent(guarded.call.kind());
        intent.attempt = attempt.clone();
        intent.fence = Fence { date: Some(self.wall()), action: self.newest };
        intent.request = guarded.request;
        let mut ledger = guarded.ledger.next();
        ledger.intent = Some(intent);
        (self.annotation, self.finalizer) = (Some(ledger.to_text()), true);
        if self.fault() && self.faults.one_in(2) {
            self.tell("  killed between intent and call");
            self.restart();
            return Wake::After(Duration::ZERO);
        }
        let (fate, answer) = self.fate(true);
        let effect = match &guarded.call {
            GuardedCall::TakeSnapshot { description, .. } => Effect::Take(Slot {
                id: SnapshotId::new(format!("{VM}-snap-{}", self.attempts)),
                description: Some(mark(description.as_deref(), &attempt)),
                created_at: Some(self.wall()),
                expires_at: self.wall().checked_add(seconds(3 * 86_400)).ok(),
                ..crate::fixture_snapshot::slot()
            }),
            GuardedCall::Recover { .. } => Effect::Recover,
            other => panic!("no call of a snapshot: {other:?}"),
        };
        let outcome = outcome(self.send(effect, fate), answer);
        if let Outcome::NotExecuted(_) = &outcome {
            ledger = ledger.next();
            ledger.intent = None;
            self.annotation = Some(ledger.to_text());
        }
        self.tried(seen, begun, decided, &outcome, Some(ledger), answer)
    }

    fn tried(
        &mut self,
        seen: &Seen,
        begun: Duration,
        decided: &Decision<SnapshotStatus>,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        answer: Answer,
    ) -> Wake {
        self.tell(format!("  {}", says(outcome)));
        if answer == Answer::Killed {
            self.restart();
            return Wake::After(Duration::ZERO);
        }
        if let Outcome::Accepted(action) = outcome {
            self.newest = self.newest.max(Some(action.id));
        }
        self.memory = decided.memory.clone();
        let now = Moment { wall: self.wall(), mono: self.mono() };
        let decision = self.with_view(&decided.status, seen, begun, |view| {
            snapshot::after(view, &decided.step, outcome, ledger, now)
        });
        check::snapshot(&decided.status, &decision.status, self.generation);
        self.conclude(decision)
    }

    fn conclude(&mut self, decision: Decision<SnapshotStatus>) -> Wake {
        self.memory = decision.memory;
        if self.fault() && self.faults.one_in(3) {
            self.tell("  the status write fails");
            return Wake::After(seconds(2));
        }
        if !(decision.step == Step::RemoveFinalizer && self.deleting) {
            self.status = decision.status;
        }
        decision.wake
    }
}

/// What may happen in the first two hours.
pub fn any_events(dice: &mut Dice) -> Vec<(Duration, Event)> {
    let mut events = Vec::new();
    let mut at = Duration::ZERO;
    for _ in 0..dice.byte() % 6 {
        at += seconds(20) * u32::from(dice.byte());
        let event = match dice.byte() % 12 {
            0..=3 => Event::Recover,
            4 => Event::Delete,
            5 => Event::Replace,
            6 => Event::DropStatus,
            7 => Event::Restart,
            8 => Event::EmptySlot,
            9 => Event::FillSlot,
            10 => Event::Occupy,
            _ => Event::Refuse(dice.one_in(2)),
        };
        events.push((at, event));
    }
    events
}
