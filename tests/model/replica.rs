//! What a replica does next, and how that may go wrong: one thing at a time, so that anything may come between.

use itcare_operator::decide::Step as Todo;

use crate::explore::Step;
use crate::oracle;
use crate::shell::{self, Passed};
use crate::state::{self, Conclusion, Phase, Reply, State};
use crate::subject::Subject;
use crate::world::{Move, Out, World, effect, fair, fault, stray};

impl<S: Subject> World<S> {
    /// The reply is there: the status that follows, or first the intent that is to be taken back.
    fn reply(&mut self, state: &mut State, replica: usize, (decided, ledger): (u32, u16), reply: Reply) {
        let guarded = matches!(self.tables.decided(decided).step, Todo::Guarded(_));
        if reply == Reply::NotExecuted && guarded {
            state.replicas[replica].phase = Phase::Clearing(decided, ledger);
            return;
        }
        if let Reply::Accepted(index) = reply {
            let newest = &mut state.replicas[replica].newest;
            *newest = (*newest).max(index + 1);
        }
        self.conclude(state, replica, decided, ledger, reply);
    }

    fn conclude(&mut self, state: &mut State, replica: usize, decided: u32, ledger: u16, reply: Reply) {
        let key = (decided, ledger, reply);
        let conclusion = match self.afters.get(&key) {
            Some(known) => *known,
            None => {
                let stage = self.tables.decided(decided).object.stage;
                let (spec, deleting) = self.scenario.wish(stage, 0);
                let wish = (&spec, deleting);
                let made = shell::after(&mut self.tables, decided, ledger, reply, &state.cloud, wish);
                self.afters.insert(key, made);
                made
            }
        };
        self.write(state, replica, self.tables.decided(decided).object.status, conclusion);
    }

    /// The status is to be written, if it is another one than was read.
    fn write(&self, state: &mut State, replica: usize, read: u16, conclusion: Conclusion) {
        let who = &mut state.replicas[replica];
        if conclusion.status == read && conclusion.copy == who.view.copy {
            (who.memory, who.phase) = (conclusion.memory, Phase::Idle);
        } else {
            who.phase = Phase::Writing(conclusion);
        }
    }

    pub fn replica(&mut self, state: &State, index: usize, out: &mut Out) -> Result<(), String> {
        let who = state.replicas[index];
        let number = index as u8;
        let leads = state.leader == number;
        let may_fail = state.budget.faults > 0;
        let base = out.len();
        match who.phase {
            Phase::Idle => {
                if who.view != state.object {
                    let mut to = *state;
                    to.replicas[index].view = state.object;
                    out.push(fair(Move::Watch(number), to));
                }
                if leads && !who.view.gone {
                    let passed = self.pass(state, index, false)?;
                    out.push(fair(Move::Pass(number), self.passed(state, index, passed)));
                    if may_fail {
                        let passed = self.pass(state, index, true)?;
                        let to = self.passed(state, index, passed);
                        out.push(fault(Move::BlindPass(number), to));
                    }
                }
            }
            Phase::Decided(decided) if leads => self.act(state, index, decided, out)?,
            Phase::Decided(_) => {
                // Not leading any more: nothing is done, nothing is remembered.
                let mut to = *state;
                to.replicas[index].phase = Phase::Idle;
                out.push(fair(Move::Next(number), to));
            }
            Phase::Intent(decided, ledger) => self.send(state, index, (decided, ledger), leads, out)?,
            Phase::Sent(decided, ledger) => self.replies(state, index, (decided, ledger), out),
            Phase::Clearing(decided, ledger) => {
                let mut to = *state;
                let mut written = ledger;
                // On top of whoever wrote in between, as long as the intent is ours.
                if !state.object.gone && state.object.ledger == ledger {
                    written = shell::without_intent(&mut self.tables, ledger);
                    to.object.ledger = written;
                    to.replicas[index].view = to.object;
                }
                self.conclude(&mut to, index, decided, written, Reply::NotExecuted);
                out.push(effect(Move::Next(number), to));
                if may_fail {
                    let mut to = *state;
                    self.conclude(&mut to, index, decided, ledger, Reply::NotExecuted);
                    out.push(fault(Move::Fault(number, "the intent stays"), to));
                }
            }
            Phase::Writing(conclusion) => {
                let mut to = *state;
                if !state.object.gone {
                    (to.object.status, to.object.copy) = (conclusion.status, conclusion.copy);
                    to.marks |= state::STALE_STATUS * u8::from(!leads);
                }
                to.replicas[index].view = to.object;
                to.replicas[index].memory = conclusion.memory;
                to.replicas[index].phase = Phase::Idle;
                out.push(effect(Move::Next(number), to));
                if may_fail {
                    let mut to = *state;
                    to.replicas[index].memory = shell::untold(&mut self.tables, conclusion.memory);
                    to.replicas[index].phase = Phase::Idle;
                    out.push(fault(Move::Fault(number, "the status write fails"), to));
                }
            }
        }
        if out.len() > base && state.budget.crashes > 0 && who != state::Replica::default_of(who.view) {
            let mut to = *state;
            to.budget.crashes -= 1;
            to.replicas[index] = state::Replica::default_of(state.object);
            if let Phase::Sent(decided, ledger) = who.phase {
                let call = shell::call_of(&self.tables, decided, ledger);
                stray(&mut to, call);
                to.marks |= state::CRASHED_AFTER_EFFECT;
            }
            if let Phase::Writing(conclusion) = who.phase
                && S::operation(self.tables.status(conclusion.status)).is_some()
            {
                to.marks |= state::CRASHED_AFTER_EFFECT;
            }
            out.push(Step { what: Move::Crash(number), to, fair: false, effect: false });
        }
        Ok(())
    }

    fn passed(&self, state: &State, index: usize, passed: Passed) -> State {
        let mut to = *state;
        let who = &mut to.replicas[index];
        who.looked = true;
        who.newest = who.newest.max(state.cloud.newest_running());
        match passed {
            Passed::Quiet(memory) => who.memory = memory,
            Passed::Write(conclusion) => who.phase = Phase::Writing(conclusion),
            Passed::Act(decided) => who.phase = Phase::Decided(decided),
        }
        to
    }

    /// A write of ledger, intent or finalizer, or a call.
    fn act(&mut self, state: &State, index: usize, decided: u32, out: &mut Out) -> Result<(), String> {
        let number = index as u8;
        let made = self.tables.decided(decided).clone();
        let may_fail = state.budget.faults > 0;
        let mut to = *state;
        to.marks |= state::DECIDED_BEHIND * u8::from(made.behind);
        let wins = !state.object.gone && state.object == made.object;
        if let Todo::Call(change) = &made.step {
            if !shell::unchanged(state, made.object) {
                lose(&mut to, index, made.conclusion.memory);
                out.push(fair(Move::Next(number), to));
                return Ok(());
            }
            let call = shell::change_call(change);
            oracle::asked(self, state, call)?;
            to.marks |= state::SECOND_SENT * u8::from(index == 1);
            to.replicas[index].phase = Phase::Sent(decided, state.object.ledger);
            out.push(effect(Move::Next(number), to));
            return Ok(());
        }
        if !wins {
            to.marks |= state::LOST_RACE;
            lose(&mut to, index, made.conclusion.memory);
            out.push(fair(Move::Next(number), to));
            return Ok(());
        }
        match &made.step {
            Todo::SaveLedger { ledger, finalizer } => {
                to.object.ledger = self.tables.add_ledger(Some((**ledger).clone()));
                to.object.finalizer |= *finalizer;
                to.replicas[index].view = to.object;
            }
            Todo::RemoveFinalizer => {
                to.object.finalizer = false;
                to.object.gone = self.scenario.is_deleting(state.object.stage);
                to.replicas[index].view = to.object;
            }
            Todo::Guarded(guarded) => {
                to.attempts += 1;
                oracle::asked(self, state, shell::guarded_call(guarded, to.attempts))?;
                let newest = state.replicas[index].newest;
                let ledger = shell::with_intent(&mut self.tables, guarded, to.attempts, newest);
                to.object.ledger = ledger;
                to.object.finalizer = true;
                to.replicas[index].view = to.object;
                to.replicas[index].phase = Phase::Intent(decided, ledger);
            }
            Todo::Call(_) | Todo::Nothing | Todo::Observe(_) | Todo::DropLedger => {}
        }
        if may_fail {
            // Nothing is remembered of a pass that the API server failed.
            let mut before = *state;
            before.replicas[index].phase = Phase::Idle;
            out.push(fault(Move::Fault(number, "the write fails"), before));
            let mut unheard = State { object: to.object, attempts: to.attempts, ..before };
            unheard.replicas[index].view = state.replicas[index].view;
            out.push(fault(Move::Fault(number, "the write is done, its reply is lost"), unheard));
        }
        match &made.step {
            Todo::SaveLedger { .. } => self.write(&mut to, index, made.object.status, made.conclusion),
            Todo::RemoveFinalizer if to.object.gone => {
                to.replicas[index] = state::Replica::default_of(to.object);
            }
            Todo::RemoveFinalizer => self.write(&mut to, index, made.object.status, made.conclusion),
            Todo::Guarded(_) | Todo::Call(_) | Todo::Nothing | Todo::Observe(_) | Todo::DropLedger => {}
        }
        out.push(effect(Move::Next(number), to));
        Ok(())
    }

    /// Right before the request leaves it is asked once more whether we lead.
    fn send(
        &mut self,
        state: &State,
        index: usize,
        (decided, ledger): (u32, u16),
        leads: bool,
        out: &mut Out,
    ) -> Result<(), String> {
        let mut to = *state;
        if !leads {
            to.replicas[index].phase = Phase::Idle;
            out.push(fair(Move::Next(index as u8), to));
            return Ok(());
        }
        let call = shell::call_of(&self.tables, decided, ledger);
        let bit = 1_u8.checked_shl(u32::from(call.attempt)).ok_or("more attempts than the model has bits")?;
        if state.sent & bit != 0 {
            return Err(format!("attempt {} is sent twice", call.attempt));
        }
        to.sent |= bit;
        to.marks |= state::SECOND_SENT * u8::from(index == 1);
        let mut stopped = to;
        to.replicas[index].phase = Phase::Sent(decided, ledger);
        out.push(effect(Move::Next(index as u8), to));
        if self.scenario.stops && state.budget.crashes > 0 {
            // Stopped between the check and the socket write; it goes on when its lease is long gone.
            stopped.budget.crashes -= 1;
            stopped.replicas[index] = state::Replica::default_of(state.object);
            stray(&mut stopped, call);
            out.push(Step {
                what: Move::Fault(index as u8, "stopped before the socket write"),
                to: stopped,
                fair: false,
                effect: true,
            });
        }
        Ok(())
    }

    fn replies(&mut self, state: &State, index: usize, pass: (u32, u16), out: &mut Out) {
        let call = shell::call_of(&self.tables, pass.0, pass.1);
        let number = index as u8;
        let mut arrived = *state;
        let answer = arrived.cloud.arrive(call, self.scenario.unique);
        let told = answer.map_or_else(Reply::Refused, Reply::Accepted);
        let mut to = arrived;
        self.reply(&mut to, index, pass, told);
        out.push(effect(Move::Next(number), to));
        if state.budget.faults == 0 {
            return;
        }
        let doubled = (self.scenario.doubles)(call.kind);
        let mut late = *state;
        stray(&mut late, call);
        let mut twice = arrived;
        stray(&mut twice, call);
        let guarded = call.attempt != 0;
        let ways = [
            (true, "its reply is lost", arrived, Reply::Unclear),
            (true, "it is lost", *state, Reply::Unclear),
            (true, "it is late", late, Reply::Unclear),
            (true, "it is not executed", *state, Reply::NotExecuted),
            (true, "it is refused", *state, Reply::Refused(422)),
            (doubled, "it is sent twice by a proxy", twice, told),
            (doubled && guarded, "the second of two is refused", arrived, Reply::Refused(409)),
        ];
        for (possible, words, from, reply) in ways {
            if possible {
                let mut to = from;
                self.reply(&mut to, index, pass, reply);
                out.push(fault(Move::Fault(number, words), to));
            }
        }
    }
}

/// The write lost: the next pass sees the winner's.
fn lose(to: &mut State, index: usize, memory: u16) {
    to.replicas[index].view = to.object;
    (to.replicas[index].memory, to.replicas[index].phase) = (memory, Phase::Idle);
}
