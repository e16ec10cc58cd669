//! Views of a snapshot as nobody planned them; see [`crate::arbitrary`].

use std::time::Duration;

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::crd::snapshot::{MissingInstancePolicy, RecoverRequest, SlotPolicy};
use itcare_operator::crd::{ITCareSnapshotSpec, SnapshotStatus};
use itcare_operator::decide::{Cloud, Look, Memory, Need};
use itcare_operator::model::{
    AccountId, Action, ActionId, AttemptId, ClusterId, HostName, Ledger, LedgerError, Observed, OneShot,
    Slot, SnapshotId,
};
use jiff::Timestamp;

use crate::arbitrary::{any_action, any_detail, any_failure, conditions, intent, last, operation};
use crate::dice::Dice;
use crate::fixture::{ACTION, NAME, OTHER_VM, SETTLE, VM, attempt, receipt, seconds, snapshot_id, wall_at};
use crate::fixture_snapshot::{SnapshotCase, foreign_slot, new_ledger, slot};

/// Any view.
pub fn case(dice: &mut Dice) -> SnapshotCase {
    let mut case = if dice.one_in(3) { SnapshotCase::fresh() } else { SnapshotCase::taken() };
    if dice.one_in(16) {
        (case.now.mono, case.pass) = (seconds(3), seconds(2));
        case.cloud = Cloud::default();
    }
    spec(&mut case.spec, dice);
    case.object.generation += i64::from(dice.byte() % 2);
    case.object.deleting = dice.one_in(4);
    case.object.has_finalizer ^= dice.one_in(16);
    case.object.has_ledger ^= dice.one_in(16);
    case.object.created = dice.pick(&[case.object.created, wall_at(-30), wall_at(30)]);
    case.object.reconcile_requested = dice.maybe(|_| "now".to_owned());
    if dice.one_in(12) {
        case.now.wall = dice.pick(&[wall_at(3 * 86_400), wall_at(3 * 86_400 - 3600 - 300), wall_at(-86_400)]);
    }
    ledger(&mut case, dice);
    status(&mut case, dice);
    instance(&mut case, dice);
    case.allowed = !dice.one_in(20);
    case.sibling = dice.one_in(16).then(|| "weekly".to_owned());
    case.slot_timeout = dice.pick(&[case.slot_timeout, Duration::ZERO, Duration::from_secs(u64::MAX / 2)]);
    case.slot_due = dice.pick(&[case.slot_due, Duration::ZERO, case.now.mono]);
    memory(&mut case, dice);
    for need in [
        Need::Running { since: Duration::ZERO },
        Need::Detail(VM),
        Need::Action(ACTION),
        Need::Look(HostName::new(NAME)),
        Need::Slot(VM),
        Need::Object,
    ] {
        let at = if dice.one_in(4) { moment(&case, dice) } else { case.now.mono };
        if dice.one_in(4) {
            forget(&mut case, &need);
        } else {
            answer(&mut case, &need, at, dice);
        }
    }
    case.cloud.missing_is_evidence = !dice.one_in(6);
    case
}

fn spec(spec: &mut ITCareSnapshotSpec, dice: &mut Dice) {
    let times = [wall_at(-60), wall_at(-3700), wall_at(600), wall_at(-700), Timestamp::MAX, Timestamp::MIN];
    spec.recover = dice.one_in(2).then(|| RecoverRequest {
        requested_at: dice.pick(&times),
        not_after: dice.pick(&[None, None, Some(wall_at(60)), Some(wall_at(-1)), Some(Timestamp::MAX)]),
    });
    spec.deletion_policy =
        dice.pick(&[DeletionPolicy::Delete, DeletionPolicy::Delete, DeletionPolicy::Retain]);
    spec.on_slot_taken = dice.pick(&[SlotPolicy::Wait, SlotPolicy::Fail]);
    spec.on_missing_instance = dice.pick(&[MissingInstancePolicy::Wait, MissingInstancePolicy::Skip]);
    spec.suspend = dice.one_in(16);
}

fn ledger(case: &mut SnapshotCase, dice: &mut Dice) {
    match dice.byte() % 32 {
        1 => case.ledger = Ok(None),
        2 => case.ledger = Err(LedgerError::Garbled("eof".to_owned())),
        3 => case.ledger = Err(LedgerError::Newer(2)),
        4 => case.ledger().cluster = ClusterId::new("far-away"),
        5 => case.ledger().cluster = ClusterId::new("previous-cluster"),
        6 => case.ledger().object = "shop/other".to_owned(),
        7 => case.ledger().uid = "uid-2".to_owned(),
        _ => {}
    }
    let Ok(Some(ledger)) = &mut case.ledger else { return };
    if dice.one_in(16) {
        *ledger = Ledger { seq: ledger.seq, ..new_ledger() };
    }
    if dice.one_in(8) {
        ledger.snapshot = dice.pick(&[None, Some(SnapshotId::new("another"))]);
    }
    if dice.one_in(8) {
        ledger.instance = dice.pick(&[None, Some(OTHER_VM)]);
    }
    if dice.one_in(16) {
        ledger.account = AccountId::new("other");
    }
    if dice.one_in(12) {
        ledger.name = dice.pick(&[None, Some(HostName::new("PDB01"))]);
    }
    ledger.expires = dice.pick(&[ledger.expires, None, Some(wall_at(-1)), Some(wall_at(300))]);
    ledger.intent = dice.one_in(4).then(|| intent(dice));
    if dice.one_in(4) {
        ledger.handled.insert(OneShot::Recover, dice.pick(&[wall_at(-60), wall_at(-90), wall_at(0)]));
    }
}

fn status(case: &mut SnapshotCase, dice: &mut Dice) {
    if dice.one_in(4) {
        case.status = SnapshotStatus::default();
    }
    let generation = case.object.generation;
    if dice.one_in(3) {
        case.status.conditions = conditions(dice, generation, true);
        case.status.observed_generation =
            case.status.conditions.first().and_then(|found| found.observed_generation);
    }
    case.status.operation = dice.one_in(4).then(|| operation(dice, generation));
    case.status.last_operation = dice.one_in(4).then(|| last(dice, generation));
    if dice.one_in(4) {
        let action = dice.pick(&[Some(ACTION), None]);
        case.status.handled_requests.insert(OneShot::Recover, receipt(action));
    }
}

fn instance(case: &mut SnapshotCase, dice: &mut Dice) {
    if dice.one_in(10) {
        case.instance = None;
    }
    let Some(instance) = &mut case.instance else { return };
    if dice.one_in(10) {
        instance.id = dice.pick(&[None, Some(OTHER_VM)]);
    }
    instance.refuses = dice.one_in(10).then(|| "it is suspended".to_owned());
    instance.intent = dice.one_in(16);
    instance.operating = dice.one_in(16);
}

fn memory(case: &mut SnapshotCase, dice: &mut Dice) {
    let mut memory = Memory::default();
    let at = |dice: &mut Dice| moment(case, dice);
    if dice.one_in(3) {
        memory.effect_end = at(dice);
    }
    memory.attempt_seen = dice.maybe(|dice| (attempt(), at(dice)));
    memory.running_seen = dice.one_in(4).then(|| at(dice));
    memory.over_seen = dice.one_in(4).then(|| (ACTION, at(dice)));
    memory.missing_seen = dice.maybe(at);
    memory.slot_seen = dice.one_in(4).then(|| at(dice));
    memory.failing_since = dice.one_in(4).then(|| at(dice));
    memory.failures = dice.pick(&[0, 1, 3, u32::MAX]);
    memory.unclear_seen = dice.one_in(4).then(|| (wall_at(-30), at(dice)));
    if dice.one_in(3) {
        let first = at(dice);
        memory.first_end(ACTION, first);
    }
    case.memory = memory;
}

fn moment(case: &SnapshotCase, dice: &mut Dice) -> Duration {
    let now = case.now.mono;
    let pass = now.saturating_sub(case.pass);
    let ago =
        [Duration::ZERO, pass, seconds(2), seconds(30), SETTLE, SETTLE * 2, SETTLE * 11, seconds(86_400)];
    now.saturating_sub(dice.pick(&ago))
}

fn forget(case: &mut SnapshotCase, need: &Need) {
    match need {
        Need::Running { .. } => case.cloud.running = Observed::Unknown,
        Need::Detail(_) => case.cloud.detail = Observed::Unknown,
        Need::Action(_) => case.cloud.action = None,
        Need::Look(_) => case.cloud.look = None,
        Need::Slot(_) => case.cloud.slot = Observed::Unknown,
        Need::Object => case.cloud.object_unchanged = None,
        Need::List { .. } | Need::Arrivals { .. } | Need::Storage(_) | Need::Network(_) => {}
    }
}

/// An arbitrary answer to a read, asked for at `at`; sometimes a failure.
pub fn answer(case: &mut SnapshotCase, need: &Need, at: Duration, dice: &mut Dice) {
    if dice.one_in(24) {
        case.cloud.failures.push((need.clone(), any_failure(dice)));
        return;
    }
    match need {
        Need::Running { .. } => {
            let running = if dice.one_in(8) { vec![any_action(dice)] } else { Vec::new() };
            case.cloud.running = Observed::Present { value: running, at };
        }
        Need::Detail(id) => {
            let mut shown = any_detail(dice);
            shown.id = if dice.one_in(16) { dice.pick(&[OTHER_VM, VM]) } else { *id };
            case.cloud.detail =
                if dice.one_in(8) { Observed::Absent { at } } else { Observed::Present { value: shown, at } };
        }
        Need::Action(id) => {
            let read = Action { id: *id, ..any_action(dice) };
            let read =
                if dice.one_in(5) { Observed::Absent { at } } else { Observed::Present { value: read, at } };
            case.cloud.action = Some((*id, read));
        }
        Need::Look(_) => {
            let actions = match dice.byte() % 4 {
                0 | 1 => Vec::new(),
                2 => vec![any_action(dice)],
                _ => {
                    vec![any_action(dice), Action { id: ActionId::new(ACTION.get() + 1), ..any_action(dice) }]
                }
            };
            case.cloud.look = Some(Look { actions, instances: Vec::new(), at });
        }
        Need::Slot(_) => case.cloud.slot = any_slot(at, dice),
        Need::Object => case.cloud.object_unchanged = Some(!dice.one_in(12)),
        Need::List { .. } | Need::Arrivals { .. } | Need::Storage(_) | Need::Network(_) => {
            panic!("no read of a snapshot: {need:?}")
        }
    }
}

fn any_slot(at: Duration, dice: &mut Dice) -> Observed<Slot> {
    let other = format!("[{}]", AttemptId::from_bytes([9; 8]));
    let value = match dice.byte() % 8 {
        0..=2 => slot(),
        3 | 4 => return Observed::Absent { at },
        5 => foreign_slot(),
        6 => Slot { id: snapshot_id(), description: None, created_at: Some(wall_at(-590)), ..slot() },
        _ => Slot { description: Some(other), ..foreign_slot() },
    };
    let expires =
        dice.pick(&[value.expires_at, value.expires_at, None, Some(wall_at(-1)), Some(wall_at(300))]);
    Observed::Present { value: Slot { expires_at: expires, ..value }, at }
}
