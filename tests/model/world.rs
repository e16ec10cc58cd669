//! The whole world as a model to explore: two replicas, one object, one name in the cloud, and all that may happen.
//!
//! Not here: the search (`explore`), the scenarios and what they promise (`scenario`, `oracle`).

use std::collections::{HashMap, HashSet};

use itcare_operator::crd::Condition;
use itcare_operator::model::OperationKind;

use crate::explore::{Fast, Model, Step};
use crate::oracle::{self, Facts};
use crate::scenario::Scenario;
use crate::shell::{self, Passed, Question};
use crate::state::{self, Call, Conclusion, Phase, Reply, Stage, State, Stray};
use crate::subject::Subject;
use crate::tables::Tables;
use crate::time::OLD;

/// What may happen; the number is the replica, the action or the stray call.
#[derive(Debug, Clone, Copy)]
#[expect(dead_code, reason = "the numbers are read by whoever reads a trace")]
pub enum Move {
    /// The watch brings the newest object.
    Watch(u8),
    /// A pass: reads, and a decision.
    Pass(u8),
    /// The same, and its first read fails.
    BlindPass(u8),
    /// The next thing that a pass does.
    Next(u8),
    /// It goes wrong.
    Fault(u8, &'static str),
    Crash(u8),
    Expire,
    Arrives(u8),
    Vanishes(u8),
    Succeeds(u8),
    Fails(u8),
    ShowVms,
    ShowActions,
    Edit,
    Tick,
}

pub type Out = Vec<Step<Move, State>>;

pub struct World<S: Subject> {
    pub scenario: Scenario<S>,
    pub tables: Tables<S>,
    pub passes: HashMap<Question, Passed, Fast>,
    pub afters: HashMap<(u32, u16, Reply), Conclusion, Fast>,
}

impl<S: Subject> World<S> {
    pub fn new(scenario: Scenario<S>) -> Self {
        Self { scenario, tables: Tables::new(), passes: HashMap::default(), afters: HashMap::default() }
    }

    /// Begins where this world comes to rest by itself: both replicas have just started, all budgets are whole.
    pub fn rested(mut self) -> Self {
        let budget = std::mem::take(&mut self.scenario.initial.budget);
        let mut state = self.scenario.initial;
        let mut out = Vec::new();
        let mut seen = HashSet::new();
        while seen.insert(state) {
            out.clear();
            self.steps(&state, &mut out).expect("a good beginning");
            state = out.iter().find(|step| step.fair).expect("time passes").to;
        }
        state.replicas = [state::Replica::default_of(state.object); 2];
        (state.budget, state.sent, state.marks) = (budget, 0, 0);
        self.scenario.initial = state;
        self
    }

    /// The decisions that were really made.
    pub fn decisions(&self) -> usize {
        self.passes.len() + self.afters.len()
    }

    pub fn facts<'a>(&'a self, state: &'a State) -> Facts<'a, S> {
        Facts {
            state,
            ledger: self.tables.newest(state.object),
            status: self.tables.status(state.object.status),
            deleting: self.scenario.is_deleting(state.object.stage),
        }
    }

    pub fn pass(&mut self, state: &State, replica: usize, blind: bool) -> Result<Passed, String> {
        let who = state.replicas[replica];
        let question = Question {
            object: who.view,
            memory: who.memory,
            cloud: state.cloud,
            requested: state.requested,
            unchanged: shell::unchanged(state, who.view),
            blind,
        };
        if let Some(passed) = self.passes.get(&question) {
            return Ok(*passed);
        }
        let (spec, deleting) = self.scenario.wish(who.view.stage, state.requested);
        let passed = shell::pass(&mut self.tables, &question, (&spec, deleting))?;
        self.passes.insert(question, passed);
        Ok(passed)
    }

    fn elsewhere(&mut self, state: &State, out: &mut Out) {
        for index in 0..state.strays.len() {
            let Some(late) = state.strays[index] else { continue };
            let mut to = *state;
            to.strays[index] = None;
            out.push(Step { what: Move::Vanishes(index as u8), to, fair: false, effect: false });
            if to.cloud.arrive(late.call, self.scenario.unique).is_ok() {
                to.marks |= state::LATE_EFFECT;
            }
            out.push(effect(Move::Arrives(index as u8), to));
        }
        if state.object.stage < self.scenario.last_stage && !state.object.gone {
            let mut to = *state;
            to.object.stage += 1;
            to.object.gone = self.scenario.is_deleting(to.object.stage) && !to.object.finalizer;
            if self.scenario.requests_at == Some(to.object.stage) {
                to.requested = 0;
            }
            out.push(Step { what: Move::Edit, to, fair: false, effect: false });
        }
        if state.budget.expiries > 0 {
            let mut to = *state;
            to.budget.expiries -= 1;
            to.leader = 1 - state.leader;
            out.push(Step { what: Move::Expire, to, fair: false, effect: false });
        }
    }

    fn cloud(&self, state: &State, out: &mut Out) {
        for (index, call, act) in state.cloud.actions().filter(|(_, _, act)| act.stage == Stage::Running) {
            let mut to = *state;
            to.cloud.end(index, true, false);
            out.push(fair(Move::Succeeds(index as u8), to));
            let _ = act;
            if state.budget.failures > 0 {
                let mut to = *state;
                to.budget.failures -= 1;
                to.cloud.end(index, false, false);
                out.push(Step { what: Move::Fails(index as u8), to, fair: false, effect: false });
                if call.kind == OperationKind::Create && self.scenario.leaves {
                    let mut to = *state;
                    to.budget.failures -= 1;
                    to.cloud.end(index, false, true);
                    out.push(Step { what: Move::Fails(index as u8), to, fair: false, effect: false });
                }
            }
        }
        let (vms, acts) = state.cloud.is_behind();
        if vms {
            let mut to = *state;
            to.cloud.show_vms();
            out.push(fair(Move::ShowVms, to));
        }
        if acts {
            let mut to = *state;
            to.cloud.show_actions();
            out.push(fair(Move::ShowActions, to));
        }
    }

    /// A tick later; not while a leader is between two steps that belong together, nor while a call must end.
    fn later(&mut self, state: &State) -> Option<State> {
        let mut to = *state;
        let leader = state.replicas[usize::from(state.leader)];
        if !leader.looked && !leader.view.gone {
            return None;
        }
        to.cloud = state.cloud.later()?;
        for stray in to.strays.iter_mut().flatten() {
            if stray.age > 0 && !self.scenario.stops {
                return None;
            }
            stray.age = 1;
        }
        to.object = self.tables.later_object(state.object);
        for (index, who) in to.replicas.iter_mut().enumerate() {
            who.phase = match who.phase {
                Phase::Idle => Phase::Idle,
                Phase::Writing(conclusion) if index != usize::from(state.leader) => {
                    Phase::Writing(self.tables.later_conclusion(conclusion))
                }
                Phase::Writing(_)
                | Phase::Decided(_)
                | Phase::Intent(..)
                | Phase::Sent(..)
                | Phase::Clearing(..) => return None,
            };
            who.looked = false;
            who.view = self.tables.later_object(who.view);
            who.memory = self.tables.later_memory(who.memory);
        }
        if self.scenario.requests_at.is_some_and(|stage| state.object.stage >= stage) {
            to.requested = (state.requested + 1).min(OLD);
        }
        Some(to)
    }
}

/// A replica that will never lead any more and writes nothing any more is like one that has just started.
fn idle(to: &mut State) {
    let standby = &mut to.replicas[1 - usize::from(to.leader)];
    if to.budget.expiries == 0 && standby.phase == Phase::Idle {
        *standby = state::Replica::default_of(to.object);
    }
}

/// The standby's watch has brought what there is.
fn prompt(to: &mut State) {
    let standby = &mut to.replicas[1 - usize::from(to.leader)];
    if standby.phase == Phase::Idle {
        standby.view = to.object;
    }
}

pub fn stray(to: &mut State, call: Call) {
    let free = to.strays.iter().position(Option::is_none).expect("room for a call nobody waits for");
    to.strays[free] = Some(Stray { call, age: 0 });
}

pub fn fair(what: Move, to: State) -> Step<Move, State> {
    Step { what, to, fair: true, effect: false }
}

pub fn effect(what: Move, to: State) -> Step<Move, State> {
    Step { what, to, fair: true, effect: true }
}

pub fn fault(what: Move, mut to: State) -> Step<Move, State> {
    to.budget.faults -= 1;
    Step { what, to, fair: false, effect: false }
}

impl<S: Subject> Model for World<S> {
    type State = State;
    type Move = Move;

    fn initial(&self) -> State {
        self.scenario.initial
    }

    fn steps(&mut self, state: &State, out: &mut Out) -> Result<(), String> {
        self.replica(state, 0, out)?;
        self.replica(state, 1, out)?;
        self.elsewhere(state, out);
        // Whoever can go on does so before time passes; the cloud may take its time.
        let urgent = out.iter().any(|step| step.fair && step.to != *state);
        self.cloud(state, out);
        if let Some(to) = self.later(state) {
            out.push(Step { what: Move::Tick, to, fair: !urgent, effect: false });
        }
        for step in out.iter_mut() {
            idle(&mut step.to);
            if self.scenario.prompt {
                prompt(&mut step.to);
            }
        }
        // A pass that changes nothing is no way to stay: only time may pass for ever.
        out.retain(|step| step.to != *state || matches!(step.what, Move::Tick));
        Ok(())
    }

    fn always(&mut self, state: &State) -> Result<(), String> {
        let facts = self.facts(state);
        oracle::always(&facts)?;
        (self.scenario.always)(&facts)
    }

    fn at_rest(&mut self, state: &State) -> Result<(), String> {
        let facts = self.facts(state);
        oracle::at_rest(&facts)?;
        (self.scenario.at_rest)(&facts)
    }

    fn goals(&mut self, state: &State) -> u32 {
        let facts = self.facts(state);
        let reached = self.scenario.goals.iter().enumerate().filter(|(_, (_, goal))| goal(&facts));
        reached.fold(0, |bits, (index, _)| bits | 1 << index)
    }

    fn describe(&mut self, state: &State) -> String {
        let facts = self.facts(state);
        let stands: Vec<String> = S::conditions(facts.status)
            .iter()
            .map(|condition: &Condition| {
                format!("{}={} {}", condition.type_, condition.status, condition.reason)
            })
            .collect();
        let vms: Vec<_> = state.cloud.vms.iter().filter(|vm| vm.power != state::Power::None).collect();
        let acts: Vec<_> = state
            .cloud
            .actions()
            .map(|(_, call, act)| (call.kind, call.attempt, act.stage, act.shown, act.age))
            .collect();
        format!(
            "{} | ledger {} | {vms:?} slot {} | {acts:?} | leader {} {:?} | strays {:?} | stage {} gone {} finalizer {} | behind {:?}",
            stands.join(", "),
            facts.ledger.map_or("none".to_owned(), |ledger| format!(
                "{}: instance {:?}, intent {:?}, resume {:?}, handled {:?}",
                ledger.seq, ledger.instance, ledger.intent, ledger.resume, ledger.handled
            )),
            state.cloud.slot,
            state.leader,
            state.replicas.map(|who| who.phase),
            state.strays,
            state.object.stage,
            state.object.gone,
            state.object.finalizer,
            state.cloud.is_behind(),
        )
    }
}
