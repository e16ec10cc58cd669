//! The same world for a snapshot: one VM with one slot, one object, the same faults.

use std::time::Duration;

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::crd::snapshot::{RecoverRequest, SlotPolicy, slot_timeout};
use itcare_operator::crd::{ITCareSnapshotSpec, SnapshotStatus};
use itcare_operator::decide::decision::{CallAction, Guarded, GuardedCall};
use itcare_operator::decide::instance::ObjectFacts;
use itcare_operator::decide::snapshot::{self, InstanceFacts, SnapshotView, mark};
use itcare_operator::decide::{Cloud as Seen, Decision, Memory, Need, Outcome, Step, Wake};
use itcare_operator::model::{
    Action, ActionId, AttemptId, Fence, Ledger, Moment, ObjectKey, Observed, Slot, SnapshotId,
};
use jiff::Timestamp;

use super::cloud::Fate;
use super::shell::{Answer, RUNS, any_fate, any_read_failure, outcome, says};
use super::slot::{Effect, SlotCloud, at};
use crate::check;
use crate::dice::Dice;
use crate::fixture::{NAME, VM, detail, seconds, site, wall};
use crate::fixture_snapshot::{instance, spec};
use crate::table::{need_says, stands, step_says};

const READS: usize = 16;
const PASSES: u32 = 4000;
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

/// The world of one snapshot object.
pub struct SnapshotWorld {
    pub now: Duration,
    started: Duration,
    pub cloud: SlotCloud,
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
    /// When the routine look of this pass is due: fixed when the pass begins.
    slot_due: Duration,
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
            cloud: SlotCloud::new(dice.pick(&[Duration::ZERO, seconds(2), seconds(20)])),
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
            slot_due: Duration::ZERO,
            faults,
            events: Vec::new(),
            journal: Vec::new(),
            passes: 0,
        }
    }

    fn wall(&self) -> Timestamp {
        at(self.now)
    }

    fn mono(&self) -> Duration {
        self.now - self.started
    }

    fn tell(&mut self, line: impl Into<String>) {
        self.journal.push(format!("{:>9.1} {}", self.now.as_secs_f64(), line.into()));
    }

    pub fn story(&self) -> String {
        format!("{}\nspec {:?}\nstatus {:#?}", super::tale(&self.journal), self.spec, self.status)
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

    fn fault(&mut self) -> bool {
        // They stop when the list is used up, and after six hours at the latest.
        self.now < seconds(6 * 3600) && !self.faults.is_used_up() && self.faults.one_in(5)
    }

    fn restart(&mut self) {
        self.started = self.now;
        (self.memory, self.running, self.slot_read) = (Memory::default(), None, Duration::ZERO);
        self.tell("restart");
    }

    /// Lives until nothing has happened for long enough.
    pub fn live(&mut self) {
        let mut quiet_since = self.now;
        let mut seen = (self.status.clone(), self.annotation.clone(), self.cloud.calls, self.faults.drawn());
        while !self.gone && self.now < quiet_since + QUIET {
            assert!(self.passes < PASSES, "no end in sight:\n{}", self.story());
            let wake = self.pass();
            self.gone |= self.deleting && !self.finalizer;
            let now = (self.status.clone(), self.annotation.clone(), self.cloud.calls, self.faults.drawn());
            if now != seen || !self.events.is_empty() || self.cloud.is_busy(self.now) {
                (seen, quiet_since) = (now, self.now);
            }
            let until = match wake {
                Wake::OnChange => self.now + seconds(86_400),
                Wake::After(wait) => self.now + wait.max(Duration::from_millis(10)),
            };
            let event = self.events.iter().map(|(at, _)| *at).min();
            self.now = event.into_iter().chain([until]).min().unwrap_or(until).max(self.now);
            self.cloud.advance(self.now);
            if let Some(index) = self.events.iter().position(|(at, _)| *at <= self.now) {
                let (_, event) = self.events.remove(index);
                self.happen(&event);
            }
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
            Event::Replace
                if !self.deleting && self.ledger().is_none_or(|ledger| ledger.intent.is_none()) =>
            {
                (self.annotation, self.finalizer) = (None, false);
            }
            Event::Replace => {}
            Event::DropStatus => self.status = SnapshotStatus::default(),
            Event::Restart => self.restart(),
            Event::EmptySlot => self.cloud.empty(self.now),
            Event::FillSlot => self.cloud.fill(self.now),
            Event::Occupy => self.cloud.occupy(self.now),
            Event::Refuse(refuses) => self.refuses = *refuses,
        }
    }

    fn pass(&mut self) -> Wake {
        self.passes += 1;
        self.cloud.advance(self.now);
        if self.fault() && self.faults.one_in(4) {
            self.restart();
        }
        let begun = self.mono();
        self.slot_due = self.slot_read + site().detail_interval;
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
            self.cloud.advance(self.now);
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
            slot_due: self.slot_due,
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
        let (now, at) = (self.now, self.mono());
        match need {
            Need::Object => seen.object_unchanged = Some(true),
            Need::Detail(_) => seen.detail = Observed::Present { value: detail(), at },
            Need::Running { since } => {
                assert!(since <= at, "running actions from the future are asked for:\n{}", self.story());
                self.running = Some((at, self.cloud.running(now)));
            }
            Need::Action(id) => {
                let read = self.cloud.read(id, now);
                let read = read.map_or(Observed::Absent { at }, |value| Observed::Present { value, at });
                seen.action = Some((id, read));
            }
            Need::Look(name) => {
                assert_eq!(name.as_str(), NAME);
                seen.look = Some(self.cloud.look(now, at));
            }
            Need::Slot(id) => {
                assert_eq!(id, VM);
                self.slot_read = at;
                let shown = self.cloud.shown(now);
                seen.slot = shown.map_or(Observed::Absent { at }, |value| Observed::Present { value, at });
            }
            Need::List { .. } | Need::Arrivals { .. } | Need::Storage(_) | Need::Network(_) => {
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
                let outcome = outcome(self.cloud.send(Effect::Remove, self.now, fate), answer);
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
        let outcome = outcome(self.cloud.send(effect, self.now, fate), answer);
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
