//! What the shell does between the decision and the outside, in the order of `controller`: gather, decide, intent,
//! call, reply, status; each on its own, so that a crash, an edit or the other replica may come between any two.
//!
//! One pass has one effect by construction: a decision holds one step, and a replica leaves a pass through one.

use itcare_operator::crd::{ConditionType, condition};
use itcare_operator::decide::decision::{Call as Change, CallAction, Guarded, GuardedCall, Outcome};
use itcare_operator::decide::{Cloud as Seen, Memory, Need, Step as Todo, Wake};
use itcare_operator::model::{ActionId, AttemptId, Failure, FailureClass, Fence, Intent, Observed};

use crate::cloud::{action_id, size_index, vm_index};
use crate::state::{Call, Cloud, Conclusion, Object, Reply, State};
use crate::subject::{Known, Subject};
use crate::tables::{Decided, Tables};
use crate::time::{self, NOW};

/// Reads that one pass may make.
const READS: usize = 16;
/// The VM of a creation.
pub const NO_VM: u8 = u8::MAX;

/// What a pass came to.
#[derive(Debug, Clone, Copy)]
pub enum Passed {
    /// Nothing to do, nothing to write: the memory.
    Quiet(u16),
    /// Only a status to write.
    Write(Conclusion),
    /// A decision with an effect.
    Act(u32),
}

/// All that a pass depends on.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Question {
    pub object: Object,
    pub memory: u16,
    pub cloud: Cloud,
    pub requested: u8,
    /// What a live read of the object says.
    pub unchanged: bool,
    /// The first read fails.
    pub blind: bool,
}

pub fn attempt_id(number: u8) -> AttemptId {
    AttemptId::from_bytes([number; 8])
}

fn failure(class: FailureClass, status: Option<u16>) -> Failure {
    let message = status.map_or("connection refused".to_owned(), |status| format!("HTTP {status}: not so"));
    Failure { class, status, message }
}

fn known<'a, S: Subject>(
    tables: &'a Tables<S>,
    object: Object,
    memory: &Memory,
    (spec, deleting): (&'a S::Spec, bool),
    cloud: Seen,
) -> Known<'a, S> {
    let newest = tables.newest(object);
    Known {
        generation: i64::from(object.stage) + 1,
        deleting,
        finalizer: object.finalizer,
        written: newest == tables.ledger(object.ledger),
        spec,
        status: tables.status(object.status),
        ledger: newest.cloned(),
        memory: memory.clone(),
        cloud,
    }
}

/// Gathers and decides.
pub fn pass<S: Subject>(
    tables: &mut Tables<S>,
    question: &Question,
    (spec, deleting): (&S::Spec, bool),
) -> Result<Passed, String> {
    let Question { object, cloud, .. } = question;
    let mut seen = Seen::default();
    let listed = cloud.listed();
    if let Some(id) = tables.newest(*object).and_then(|ledger| ledger.instance) {
        let item = listed.iter().find(|item| item.id == id);
        seen.listed = item
            .map_or(Observed::Absent { at: NOW }, |item| Observed::Present { value: item.clone(), at: NOW });
    }
    seen.named = Observed::Present { value: listed, at: NOW };
    seen.arrived = seen.named.clone();
    seen.running = Observed::Present { value: cloud.running(), at: NOW };
    let mut memory = tables.memory(question.memory).clone();
    let mut reads = 0;
    let (decision, seen) = loop {
        let decision = S::next(&known(tables, *object, &memory, (spec, deleting), seen.clone()));
        let Todo::Observe(need) = &decision.step else { break (decision, seen) };
        if reads == READS {
            return Err(format!("a pass without end, asking for {need:?}"));
        }
        memory = decision.memory.clone();
        if question.blind && reads == 0 {
            seen.failures.push((need.clone(), failure(FailureClass::Transient, Some(503))));
        } else {
            read(&mut seen, need, question);
        }
        reads += 1;
    };
    if question.blind && reads == 0 {
        return Ok(Passed::Quiet(question.memory));
    }
    let works = condition::is_true(S::conditions(&decision.status), ConditionType::Reconciling);
    let wakes = matches!(decision.wake, Wake::After(_)) || decision.step == Todo::RemoveFinalizer;
    if works && !wakes {
        return Err(format!("work goes on, and nothing wakes it: {:?}", S::conditions(&decision.status)));
    }
    let told = Memory { unsaid: false, ..decision.memory };
    let (status, copy) = tables.add_status(decision.status);
    let conclusion = Conclusion { status, copy, memory: tables.add_memory(told) };
    Ok(match &decision.step {
        Todo::Nothing if (status, copy) == (object.status, object.copy) => Passed::Quiet(conclusion.memory),
        Todo::Nothing => Passed::Write(conclusion),
        Todo::SaveLedger { .. } | Todo::RemoveFinalizer | Todo::Guarded(_) | Todo::Call(_) => {
            let (vms, acts) = cloud.is_behind();
            let behind = vms || acts;
            let decided = Decided { object: *object, step: decision.step, conclusion, seen, behind };
            Passed::Act(tables.add_decided(decided))
        }
        Todo::DropLedger | Todo::Observe(_) => return Err(format!("not of this world: {:?}", decision.step)),
    })
}

fn read(seen: &mut Seen, need: &Need, question: &Question) {
    let cloud = &question.cloud;
    fn found<T>(value: Option<T>) -> Observed<T> {
        value.map_or(Observed::Absent { at: NOW }, |value| Observed::Present { value, at: NOW })
    }
    match need {
        Need::Object => seen.object_unchanged = Some(question.unchanged),
        Need::Detail(id) => seen.detail = found(cloud.detail(vm_index(*id))),
        Need::Action(id) => seen.action = Some((*id, found(cloud.action(*id)))),
        Need::Look(_) => seen.look = Some(cloud.look()),
        Need::Slot(_) => seen.slot = found(cloud.shown_slot()),
        Need::List { .. }
        | Need::Arrivals { .. }
        | Need::Running { .. }
        | Need::Storage(_)
        | Need::Network(_) => {
            panic!("it was just read, or is never left out: {need:?}")
        }
    }
}

/// The call of a guarded step, as the cloud gets it.
pub fn guarded_call(guarded: &Guarded, attempt: u8) -> Call {
    let (vm, size) = match &guarded.call {
        GuardedCall::Create(request) => {
            let size = request.spec.size.as_deref().and_then(|size| size.parse().ok()).expect("a size");
            (NO_VM, size_index(size))
        }
        GuardedCall::Reset { id, .. }
        | GuardedCall::TakeSnapshot { id, .. }
        | GuardedCall::Recover { id } => (vm_index(*id) as u8, 0),
    };
    Call { kind: guarded.call.kind(), vm, size, attempt }
}

/// Any other call.
pub fn change_call(change: &Change) -> Call {
    let size = match &change.action {
        CallAction::Resize(size) => size_index(*size),
        CallAction::Start
        | CallAction::Stop
        | CallAction::UpdateMonitoring { .. }
        | CallAction::UpdatePatching { .. }
        | CallAction::UpdateReplication { .. }
        | CallAction::UpdateBackup { .. }
        | CallAction::Delete
        | CallAction::RemoveSnapshot(_) => 0,
    };
    Call { kind: change.action.kind(), vm: vm_index(change.id) as u8, size, attempt: 0 }
}

/// The call of a decision, for the attempt that the ledger `written` names.
pub fn call_of<S: Subject>(tables: &Tables<S>, decided: u32, written: u16) -> Call {
    match &tables.decided(decided).step {
        Todo::Guarded(guarded) => {
            let intent = tables.ledger(written).and_then(|ledger| ledger.intent.as_ref());
            let attempt = &intent.expect("an intent").attempt;
            let number = (1..=u8::MAX).find(|number| attempt_id(*number) == *attempt);
            guarded_call(guarded, number.expect("an attempt of the model"))
        }
        Todo::Call(change) => change_call(change),
        Todo::Nothing
        | Todo::Observe(_)
        | Todo::SaveLedger { .. }
        | Todo::DropLedger
        | Todo::RemoveFinalizer => panic!("no call"),
    }
}

/// The ledger with the intent of a new attempt.
pub fn with_intent<S: Subject>(tables: &mut Tables<S>, guarded: &Guarded, attempt: u8, newest: u8) -> u16 {
    let mut ledger = guarded.ledger.next();
    let action: Option<ActionId> = usize::from(newest).checked_sub(1).map(action_id);
    ledger.intent = Some(Intent {
        kind: guarded.call.kind(),
        attempt: attempt_id(attempt),
        fence: Fence { date: Some(time::wall()), action },
        request: guarded.request,
        done: None,
    });
    tables.add_ledger(Some(ledger))
}

/// The same without it.
pub fn without_intent<S: Subject>(tables: &mut Tables<S>, ledger: u16) -> u16 {
    let mut cleared = tables.ledger(ledger).expect("a ledger").next();
    cleared.intent = None;
    tables.add_ledger(Some(cleared))
}

/// What follows from a reply; `ledger` is the ledger as it is written now.
pub fn after<S: Subject>(
    tables: &mut Tables<S>,
    decided: u32,
    ledger: u16,
    reply: Reply,
    cloud: &Cloud,
    (spec, deleting): (&S::Spec, bool),
) -> Conclusion {
    let Decided { object, step, conclusion, seen, .. } = tables.decided(decided).clone();
    let outcome = match reply {
        Reply::Accepted(index) => {
            let action = cloud.action(action_id(usize::from(index))).expect("the action of the reply");
            Outcome::Accepted(action)
        }
        Reply::NotExecuted => Outcome::NotExecuted(failure(FailureClass::Transient, None)),
        Reply::Refused(404) => Outcome::Refused(failure(FailureClass::Missing, Some(404))),
        Reply::Refused(status) => Outcome::Refused(failure(FailureClass::Rejected, Some(status))),
        Reply::Unclear => Outcome::Ambiguous(failure(FailureClass::Ambiguous(None), Some(504))),
    };
    // What the decision noted stays noted; conditions follow those that were written last.
    let mut status = tables.status(conclusion.status).clone();
    let conditions = S::conditions(tables.status(object.status)).to_vec();
    *S::parts(&mut status).conditions = conditions;
    let memory = tables.memory(conclusion.memory).clone();
    let known = Known { status: &status, ..known(tables, object, &memory, (spec, deleting), seen) };
    let decision = S::after(&known, &step, &outcome, tables.ledger(ledger).cloned());
    let told = Memory { unsaid: false, ..decision.memory };
    let (status, copy) = tables.add_status(decision.status);
    Conclusion { status, copy, memory: tables.add_memory(told) }
}

/// The memory when the status could not be written.
pub fn untold<S: Subject>(tables: &mut Tables<S>, memory: u16) -> u16 {
    let memory = Memory { unsaid: true, ..tables.memory(memory).clone() };
    tables.add_memory(memory)
}

/// What a live read of the object says, right before a call.
pub fn unchanged(state: &State, gathered: Object) -> bool {
    let live = state.object;
    !live.gone && live.stage == gathered.stage && live.ledger == gathered.ledger
}
