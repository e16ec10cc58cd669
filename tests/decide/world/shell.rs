//! The shell of the model: gathers, asks the decision, answers its reads, acts, writes, as
//! `controller/pass.rs` does; and fails where the fault plan says so.

use std::time::Duration;

use itcare_operator::crd::InstanceStatus;
use itcare_operator::decide::decision::{Guarded, GuardedCall};
use itcare_operator::decide::instance::{self, Claim, ObjectFacts, SnapshotFacts, View};
use itcare_operator::decide::{Cloud as Seen, Decision, Memory, Need, Outcome, Step, Wake};
use itcare_operator::model::{
    Action, ActionId, AttemptId, Detail, Failure, FailureClass, Fence, Ledger, Listed, Moment, ObjectKey,
    Observed,
};

use super::World;
use super::cloud::Fate;
use crate::check;
use crate::dice::Dice;
use crate::fixture::{failure, seconds, site};
use crate::table::step_says;

/// Reads that one pass may make.
const READS: usize = 16;

/// What one process remembers: a restart loses it, and its monotonic clock begins anew.
#[derive(Debug, Default)]
pub struct Process {
    started: Duration,
    memory: Memory,
    list: Option<(Duration, Vec<Listed>)>,
    /// That list with what its end has shown since.
    arrivals: Option<(Duration, Vec<Listed>)>,
    running: Option<(Duration, Vec<Action>)>,
    detail: Option<(Duration, Detail)>,
    newest: Option<ActionId>,
    attempts: u8,
    /// When the routine look of this pass is due: fixed when the pass begins.
    due: Duration,
}

impl Process {
    /// When the list is read again though nobody asks.
    pub fn next_poll(&self, now: Duration) -> Duration {
        let last = self.list.as_ref().map_or(self.started, |(at, _)| self.started + *at);
        (last + site().observe_interval).max(now)
    }
}

impl World {
    pub fn ledger(&self) -> Option<Ledger> {
        let (annotation, status) = (self.object.annotation.as_deref(), self.object.status.ledger.as_deref());
        Ledger::newest(annotation, status).expect("a ledger that we wrote")
    }

    pub fn restart(&mut self) {
        let attempts = self.process.attempts;
        self.process = Process { started: self.now, attempts, ..Process::default() };
        self.tell("restart");
    }

    fn mono(&self) -> Duration {
        self.now - self.process.started
    }

    fn fault(&mut self) -> bool {
        // They stop when the list is used up, and after six hours at the latest.
        self.now < seconds(6 * 3600) && !self.faults.is_used_up() && self.faults.one_in(5)
    }

    /// The shared list; whether our part of it changed.
    pub fn poll(&mut self) -> bool {
        let at = self.mono();
        if self.fault() {
            // A failed page: the old list stays, and gets old. Asked again an interval later.
            if let Some((read, _)) = &mut self.process.list {
                *read = (*read).max(at.saturating_sub(seconds(30)));
            }
            return false;
        }
        let items = self.cloud.listed(self.now);
        let changed = self.process.list.as_ref().is_none_or(|(_, old)| *old != items);
        self.process.list = Some((at, items));
        changed
    }

    /// One pass; when to look again.
    pub fn pass(&mut self) -> Wake {
        self.passes += 1;
        self.cloud.advance(self.now);
        if self.fault() && self.faults.one_in(4) {
            self.restart();
        }
        let begun = self.mono();
        self.process.due =
            self.process.detail.as_ref().map_or(seconds(1800), |(at, _)| *at + site().detail_interval);
        if self.process.running.as_ref().is_some_and(|(at, all)| !all.is_empty() && *at + seconds(5) <= begun)
        {
            self.process.running = Some((begun, self.cloud.running(self.now)));
        }
        let mut seen = Seen::default();
        let mut reads = 0;
        let decision = loop {
            let decision = self.decide(&mut seen, begun);
            let Step::Observe(need) = &decision.step else { break decision };
            reads += 1;
            assert!(reads <= READS, "a pass without end, asking for {need:?}:\n{}", self.story());
            let need = need.clone();
            self.process.memory = decision.memory;
            self.now += Duration::from_millis(1);
            self.cloud.advance(self.now);
            self.answer(&mut seen, need);
        };
        let said = step_says(&decision.step);
        self.tell(format!(
            "{} | {}",
            said.unwrap_or_default(),
            crate::table::stands(&decision.status.conditions)
        ));
        self.act(&seen, begun, decision)
    }

    fn decide(&mut self, seen: &mut Seen, begun: Duration) -> Decision<InstanceStatus> {
        let recorded = self.ledger().and_then(|ledger| ledger.instance);
        if let Some((at, items)) = &self.process.list {
            seen.named = Observed::Present { value: items.clone(), at: *at };
            seen.listed = match recorded.and_then(|id| items.iter().find(|item| item.id == id)) {
                Some(item) => Observed::Present { value: item.clone(), at: *at },
                None if recorded.is_some() => Observed::Absent { at: *at },
                None => Observed::Unknown,
            };
        }
        if let Some((at, items)) = &self.process.arrivals {
            seen.arrived = Observed::Present { value: items.clone(), at: *at };
        }
        if let Some((at, all)) = &self.process.running {
            seen.running = Observed::Present { value: all.clone(), at: *at };
        }
        if let (Some((at, known)), Observed::Unknown) = (&self.process.detail, &seen.detail)
            && recorded == Some(known.id)
        {
            seen.detail = Observed::Present { value: known.clone(), at: *at };
        }
        let decision = self.with_view(&self.object.status, seen, begun, instance::next);
        check::instance(&self.object.status, &decision.status, self.object.generation);
        decision
    }

    fn with_view<T>(
        &self,
        status: &InstanceStatus,
        seen: &Seen,
        begun: Duration,
        ask: impl FnOnce(&View<'_>) -> T,
    ) -> T {
        let site = site();
        let ledger = self.ledger();
        ask(&View {
            object: ObjectFacts {
                key: ObjectKey::new("shop", "web"),
                uid: "uid-1".to_owned(),
                generation: self.object.generation,
                created: crate::fixture::wall(),
                deleting: self.object.deleting,
                has_finalizer: self.object.finalizer,
                has_ledger: self
                    .object
                    .annotation
                    .as_deref()
                    .is_some_and(|text| ledger.as_ref().is_some_and(|ledger| ledger.to_text() == text)),
                reconcile_requested: None,
            },
            spec: &self.object.spec,
            status,
            ledger: Ok(ledger),
            site: &site,
            service_allowed: true,
            claim: Claim::Held,
            recorded_elsewhere: Vec::new(),
            snapshots: SnapshotFacts::default(),
            cloud: seen.clone(),
            memory: self.process.memory.clone(),
            detail_due: self.process.due,
            now: Moment { wall: self.wall(), mono: self.mono() },
            pass: begun,
        })
    }

    fn answer(&mut self, seen: &mut Seen, need: Need) {
        if self.fault() {
            let failure = any_read_failure(&mut self.faults);
            self.tell(format!("  {} fails: {:?}", crate::table::need_says(&need), failure.class));
            seen.failures.push((need, failure));
            return;
        }
        let (now, at) = (self.now, self.mono());
        match need {
            Need::Object => seen.object_unchanged = Some(true),
            Need::Detail(id) => match self.cloud.detail(id, now) {
                Some(detail) => {
                    self.process.detail = Some((at, detail.clone()));
                    seen.detail = Observed::Present { value: detail, at };
                }
                None => {
                    self.process.detail = None;
                    seen.detail = Observed::Absent { at };
                }
            },
            Need::List { since, .. } => {
                assert!(since <= at, "a list from the future is asked for:\n{}", self.story());
                self.process.list = Some((at, self.cloud.listed(now)));
                self.process.arrivals = self.process.list.clone();
            }
            Need::Arrivals { since, .. } => {
                assert!(since <= at, "arrivals from the future are asked for:\n{}", self.story());
                let mut items = self.process.list.clone().unwrap_or_default().1;
                let newest = items.iter().map(|item| item.id).max();
                items.extend(self.cloud.listed(now).into_iter().filter(|item| Some(item.id) > newest));
                self.process.arrivals = Some((at, items));
            }
            Need::Running { since } => {
                assert!(since <= at, "running actions from the future are asked for:\n{}", self.story());
                self.process.running = Some((at, self.cloud.running(now)));
            }
            Need::Action(id) => {
                let read = self.cloud.read(id, now);
                let read = read.map_or(Observed::Absent { at }, |value| Observed::Present { value, at });
                seen.action = Some((id, read));
            }
            Need::Look(_) => seen.look = Some(self.cloud.look(now, at)),
            Need::Storage(_) | Need::Network(_) | Need::Slot(_) => panic!("never left out: {need:?}"),
        }
    }

    fn act(&mut self, seen: &Seen, begun: Duration, decision: Decision<InstanceStatus>) -> Wake {
        let step = decision.step.clone();
        match &step {
            Step::Nothing | Step::Observe(_) => {}
            Step::SaveLedger { ledger, finalizer } => {
                if self.fault() {
                    // Somebody else wrote first, or the API server failed: nothing is written.
                    self.tell("  the ledger write loses");
                    self.process.memory = decision.memory;
                    return Wake::After(seconds(1));
                }
                self.write_ledger(ledger, *finalizer);
            }
            Step::DropLedger => self.object.annotation = None,
            Step::RemoveFinalizer => {
                self.object.finalizer = false;
                self.object.writes += 1;
            }
            Step::Guarded(guarded) => return self.guarded(seen, begun, &decision, guarded),
            Step::Call(call) => {
                let (fate, answer) = self.fate(false);
                let wall = self.wall();
                let result = self.cloud.call(call.id, &call.action, self.now, wall, fate);
                let outcome = outcome(result, answer);
                let ledger = self.ledger();
                return self.tried(seen, begun, &decision, &outcome, ledger, answer);
            }
        }
        self.conclude(decision, false)
    }

    fn write_ledger(&mut self, ledger: &Ledger, finalizer: bool) {
        self.object.annotation = Some(ledger.to_text());
        self.object.finalizer |= finalizer;
        self.object.writes += 1;
    }

    /// The protocol of DESIGN 5.2.
    fn guarded(
        &mut self,
        seen: &Seen,
        begun: Duration,
        decided: &Decision<InstanceStatus>,
        guarded: &Guarded,
    ) -> Wake {
        if self.fault() {
            self.tell("  the intent write loses");
            self.process.memory = decided.memory.clone();
            return Wake::After(seconds(1));
        }
        self.process.attempts += 1;
        let mut ledger = guarded.ledger.next();
        ledger.intent = Some(itcare_operator::model::Intent {
            kind: guarded.call.kind(),
            attempt: AttemptId::from_bytes([self.process.attempts; 8]),
            fence: Fence { date: Some(self.wall()), action: self.process.newest },
            request: guarded.request,
            done: None,
        });
        self.write_ledger(&ledger, true);
        if self.fault() && self.faults.one_in(2) {
            self.tell("  killed between intent and call");
            self.restart();
            return Wake::After(Duration::ZERO);
        }
        if let (GuardedCall::Reset { .. }, Some(request)) = (&guarded.call, guarded.request) {
            self.tell(format!("  reset for {request}"));
        }
        let (fate, answer) = self.fate(true);
        let wall = self.wall();
        let result = self.cloud.guarded(&guarded.call, self.now, wall, fate);
        let outcome = outcome(result, answer);
        if let Outcome::NotExecuted(_) = &outcome {
            let mut cleared = ledger.next();
            cleared.intent = None;
            self.write_ledger(&cleared, true);
            return self.tried(seen, begun, decided, &outcome, Some(cleared), answer);
        }
        self.tried(seen, begun, decided, &outcome, Some(ledger), answer)
    }

    fn tried(
        &mut self,
        seen: &Seen,
        begun: Duration,
        decided: &Decision<InstanceStatus>,
        outcome: &Outcome,
        ledger: Option<Ledger>,
        answer: Answer,
    ) -> Wake {
        self.tell(format!("  {}", says(outcome)));
        if answer == Answer::Killed {
            self.tell("  killed before the answer was written");
            self.restart();
            return Wake::After(Duration::ZERO);
        }
        if let Outcome::Accepted(action) = outcome {
            self.process.newest = self.process.newest.max(Some(action.id));
        }
        self.process.memory = decided.memory.clone();
        let now = Moment { wall: self.wall(), mono: self.mono() };
        // What the decision noted of the VM stays noted.
        let decision = self.with_view(&decided.status, seen, begun, |view| {
            instance::after(view, &decided.step, outcome, ledger, now)
        });
        check::instance(&decided.status, &decision.status, self.object.generation);
        let lost = self.fault() && self.faults.one_in(3);
        self.conclude(decision, lost)
    }

    fn conclude(&mut self, decision: Decision<InstanceStatus>, lost: bool) -> Wake {
        self.process.memory = decision.memory;
        let gone = decision.step == Step::RemoveFinalizer && self.object.deleting;
        if lost {
            self.tell("  the status write fails");
        } else if !gone && decision.status != self.object.status {
            self.object.status = decision.status;
            self.object.writes += 1;
        }
        if lost { Wake::After(seconds(2)) } else { decision.wake }
    }

    fn fate(&mut self, guarded: bool) -> (Fate, Answer) {
        if self.fault() { any_fate(&mut self.faults, guarded) } else { (RUNS, Answer::Told) }
    }
}

/// What becomes of a call that nothing disturbs.
pub const RUNS: Fate = Fate::Runs { after: Duration::ZERO };

/// What becomes of a disturbed call, and what its caller hears.
pub fn any_fate(faults: &mut Dice, guarded: bool) -> (Fate, Answer) {
    let (runs, late) = (RUNS, Fate::Runs { after: seconds(30) });
    faults.pick(&[
        (Fate::Lost, Answer::NotSent(FailureClass::Transient)),
        (Fate::Lost, Answer::NotSent(FailureClass::Throttled(Some(seconds(15))))),
        (Fate::Lost, Answer::NotSent(FailureClass::Forbidden)),
        (Fate::Lost, Answer::Unclear),
        (runs, Answer::Unclear),
        (late, Answer::Unclear),
        (Fate::Lost, Answer::Refused(422)),
        (Fate::Lost, Answer::Refused(409)),
        (if guarded { runs } else { Fate::Lost }, Answer::Refused(409)),
        (Fate::Fails { leaves: false }, Answer::Told),
        (Fate::Fails { leaves: true }, Answer::Told),
        (runs, Answer::Killed),
    ])
}

/// Why a read fails.
pub fn any_read_failure(faults: &mut Dice) -> Failure {
    let (class, status) = faults.pick(&[
        (FailureClass::Transient, Some(503)),
        (FailureClass::Throttled(Some(seconds(20))), Some(429)),
        (FailureClass::Forbidden, Some(403)),
        (FailureClass::Garbled, Some(200)),
        (FailureClass::Unauthenticated, Some(401)),
    ]);
    failure(class, status)
}

/// What the caller hears.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    Told,
    NotSent(FailureClass),
    Unclear,
    Refused(u16),
    Killed,
}

pub fn outcome(result: Result<Option<Action>, u16>, answer: Answer) -> Outcome {
    let refused = |status: u16| -> Failure {
        failure(if status == 404 { FailureClass::Missing } else { FailureClass::Rejected }, Some(status))
    };
    match (answer, result) {
        (Answer::NotSent(class), _) => Outcome::NotExecuted(failure(class, None)),
        (Answer::Unclear, _) => Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504))),
        (Answer::Refused(status), _) | (_, Err(status)) => Outcome::Refused(refused(status)),
        (Answer::Told | Answer::Killed, Ok(Some(action))) => Outcome::Accepted(action),
        (Answer::Told | Answer::Killed, Ok(None)) => {
            Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504)))
        }
    }
}

pub fn says(outcome: &Outcome) -> String {
    match outcome {
        Outcome::Accepted(action) => format!("accepted: action {}", action.id),
        Outcome::NotExecuted(failure) => format!("not executed: {}", failure.message),
        Outcome::Refused(failure) => format!("refused: {}", failure.message),
        Outcome::Ambiguous(failure) => format!("unclear: {}", failure.message),
    }
}
