//! Views of an instance as nobody planned them: any spec, ledger, status, cloud and memory, biased towards
//! what a pass meets, so that every step is reached. Answers to reads are as arbitrary.

use std::time::Duration;

use itcare_operator::crd::instance::{
    AdoptionPolicy, DeletionPolicy, DriftPolicy, ITCareInstanceSpec, ManagementPolicy, ResetRequest,
    ResizePolicy,
};
use itcare_operator::crd::status::{Drift, Operation};
use itcare_operator::crd::{Condition, ConditionType, InstanceStatus, Reason};
use itcare_operator::decide::conditions::{Extra, build};
use itcare_operator::decide::instance::{self, Claim};
use itcare_operator::decide::{Cloud, Look, Memory, Need, Outcome, Verdict};
use itcare_operator::model::{
    AccountId, Action, ActionId, ActionStatus, Applied, AttemptId, ClusterId, Detail, Failure, FailureClass,
    Fence, Group, Held, HeldWhy, HostName, InstanceState, Intent, Ledger, LedgerError, Listed, ObjectKey,
    Observed, OneShot, OperationKind, OperationResult, Origin, PowerState, Resume, ServiceId, Slot,
};
use jiff::Timestamp;

use crate::dice::Dice;
use crate::fixture::{
    self, ACTION, Case, FENCE_ACTION, NAME, OTHER_VM, SERVICE, SETTLE, US, VM, action, attempt, detail,
    failure, last_operation, new_ledger, receipt, seconds, time, wall_at,
};

/// Any view.
pub fn case(dice: &mut Dice) -> Case {
    let mut case = if dice.one_in(4) { Case::fresh() } else { Case::managed() };
    if dice.one_in(16) {
        // The process has only just started: it has seen nothing yet.
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
    ledger(&mut case, dice);
    status(&mut case, dice);
    case.allowed = !dice.one_in(20);
    if dice.one_in(20) {
        case.claim = Claim::LostTo(ObjectKey::new("shop", "older"));
    }
    if dice.one_in(8) {
        case.elsewhere = vec![(dice.pick(&[OTHER_VM, VM]), ObjectKey::new("shop", "older"))];
    }
    case.snapshots.intent = dice.one_in(20).then(|| "nightly".to_owned());
    if dice.one_in(8) {
        case.site.submitter = None;
        case.site.creator = None;
    }
    case.detail_due = dice.pick(&[case.detail_due, Duration::ZERO, case.now.mono]);
    case.memory = memory(&case, dice);
    cloud(&mut case, dice);
    case
}

fn spec(spec: &mut ITCareInstanceSpec, dice: &mut Dice) {
    let group = |dice: &mut Dice, values: &[serde_json::Value]| dice.one_in(2).then(|| dice.pick(values));
    spec.size = dice.pick(&[spec.size.clone(), Some("4cpu8gb".to_owned())]);
    if dice.one_in(20) {
        spec.size = dice.pick(&[None, Some("big".to_owned())]);
    }
    spec.power_state = dice.pick(&[None, Some(PowerState::Running), Some(PowerState::Stopped)]);
    spec.resize_policy = dice.pick(&[ResizePolicy::InPlace, ResizePolicy::StopStart]);
    let switches = [serde_json::json!({"enabled": true}), serde_json::json!({"enabled": false})];
    spec.monitoring = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    spec.replication = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    spec.backup = group(dice, &switches).and_then(|value| serde_json::from_value(value).ok());
    let parties = [
        serde_json::json!({"excluded": false, "group": 2}),
        serde_json::json!({"excluded": true, "exclusionReason": "migration"}),
    ];
    spec.patching = group(dice, &parties).and_then(|value| serde_json::from_value(value).ok());
    if dice.one_in(20) {
        spec.patching = serde_json::from_value(serde_json::json!({"excluded": true})).ok();
    }
    spec.reset = dice.one_in(3).then(|| reset(dice));
    spec.instance_id = match dice.byte() % 16 {
        0..=10 => None,
        11..=13 => Some(VM.get()),
        14 => Some(OTHER_VM.get()),
        _ => Some(-1),
    };
    spec.adoption_policy = dice.pick(&[AdoptionPolicy::Never, AdoptionPolicy::ByName]);
    spec.drift_policy = dice.pick(&[DriftPolicy::Correct, DriftPolicy::Report]);
    spec.deletion_policy = dice.pick(&[None, Some(DeletionPolicy::Delete), Some(DeletionPolicy::Retain)]);
    if dice.one_in(10) {
        spec.management_policy = ManagementPolicy::Observe;
    }
    spec.suspend = dice.one_in(16);
    if dice.one_in(16) {
        spec.name = dice.pick(&["PWEB02", "", "pweb01"]).to_owned();
    }
    if dice.one_in(16) {
        spec.service_id = dice.pick(&[14, 0]);
    }
}

fn reset(dice: &mut Dice) -> ResetRequest {
    let times = [wall_at(-60), wall_at(-3700), wall_at(600), wall_at(-700), Timestamp::MAX, Timestamp::MIN];
    ResetRequest {
        requested_at: dice.pick(&times),
        comment: dice.maybe(|_| "hangs".to_owned()),
        not_after: dice.pick(&[None, Some(wall_at(60)), Some(wall_at(-1)), Some(Timestamp::MAX)]),
    }
}

fn ledger(case: &mut Case, dice: &mut Dice) {
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
    let hashes = instance::hashes(&case.spec);
    let Ok(Some(ledger)) = &mut case.ledger else { return };
    if dice.one_in(16) {
        *ledger = Ledger { seq: ledger.seq, cluster: ledger.cluster.clone(), ..new_ledger() };
    }
    ledger.origin = dice.pick(&[ledger.origin, Some(Origin::Adopted), None]);
    ledger.instance = match dice.byte() % 12 {
        10 => None,
        11 => Some(OTHER_VM),
        _ => ledger.instance,
    };
    if dice.one_in(16) {
        ledger.account = AccountId::new("other");
    }
    ledger.applied = dice.pick(&[
        ledger.applied.clone(),
        Some(Applied { v: 1, groups: hashes.clone() }),
        None,
        Some(Applied::default()),
    ]);
    ledger.intent = dice.one_in(6).then(|| intent(dice));
    ledger.resume = dice.one_in(4).then_some(Resume::Resize);
    if dice.one_in(4) {
        let group = dice.pick(&Group::ALL);
        let hash = hashes.get(&group).cloned().unwrap_or_else(|| "deadbeef".to_owned());
        let why = dice.pick(&[HeldWhy::NotEffective, HeldWhy::Refused, HeldWhy::Failed]);
        ledger.held.insert(group, Held { hash, why, message: dice.maybe(|_| "words".to_owned()) });
    }
    if dice.one_in(4) {
        ledger.handled.insert(OneShot::Reset, dice.pick(&[wall_at(-60), wall_at(-90), wall_at(0)]));
    }
}

pub fn intent(dice: &mut Dice) -> Intent {
    let kinds = [
        OperationKind::Create,
        OperationKind::Reset,
        OperationKind::Create,
        OperationKind::TakeSnapshot,
        OperationKind::Recover,
    ];
    let mut intent = fixture::intent(dice.pick(&kinds));
    intent.attempt = dice.pick(&[attempt(), AttemptId::from_bytes([1; 8])]);
    intent.fence = Fence {
        date: dice.pick(&[Some(wall_at(-600)), None, Some(Timestamp::MAX), Some(Timestamp::MIN)]),
        action: dice.pick(&[Some(FENCE_ACTION), None, Some(ActionId::new(i64::MAX))]),
    };
    intent.request = dice.pick(&[None, Some(wall_at(-60)), Some(wall_at(-700))]);
    intent.done = dice.pick(&[None, None, Some(ACTION)]);
    intent
}

fn status(case: &mut Case, dice: &mut Dice) {
    if dice.one_in(4) {
        case.status = InstanceStatus::default();
    }
    let generation = case.object.generation;
    if dice.one_in(3) {
        case.status.conditions = conditions(dice, generation, false);
        case.status.observed_generation =
            case.status.conditions.first().and_then(|found| found.observed_generation);
    }
    case.status.operation = dice.one_in(5).then(|| operation(dice, generation));
    case.status.last_operation = dice.one_in(4).then(|| last(dice, generation));
    if dice.one_in(4) {
        let receipt = receipt(dice.pick(&[Some(ACTION), None]));
        case.status.handled_requests.insert(OneShot::Reset, receipt);
    }
    if dice.one_in(8) {
        let (desired, observed) = ("enabled".to_owned(), "disabled".to_owned());
        case.status.drift =
            vec![Drift { field: "backup".to_owned(), desired, observed, since: wall_at(-9000) }];
    }
}

/// Conditions as we may have written them, for this generation or the one before.
pub fn conditions(dice: &mut Dice, generation: i64, snapshot: bool) -> Vec<Condition> {
    let reason = dice.pick(Reason::ALL);
    let words = || "set spec.size to a value that ITCare knows; words, words".to_owned();
    let verdict = match dice.byte() % 4 {
        0 => Verdict::Ready(reason, words()),
        1 => Verdict::Working { reason, message: words(), known: dice.one_in(2) },
        2 => Verdict::Stalled(reason, words()),
        _ => Verdict::Held(words()),
    };
    let type_ = if snapshot { ConditionType::Available } else { ConditionType::Drifted };
    let reason = if snapshot { Reason::Available } else { Reason::Drift };
    let extra = Extra { type_, status: true, reason, message: words() };
    let extras: Vec<Extra> = dice.maybe(|_| extra).into_iter().collect();
    build(&[], &verdict, &extras, generation - i64::from(dice.byte() % 2), time("2026-01-01T00:00:00Z"))
}

pub fn operation(dice: &mut Dice, generation: i64) -> Operation {
    let kind = dice.pick(&OperationKind::ALL);
    let mut operation = fixture::operation(kind, dice.pick(&[Some(ACTION), None]), generation);
    operation.attempt = dice.pick(&[operation.attempt, None, Some(AttemptId::from_bytes([2; 8]))]);
    operation.submitted_at = dice.pick(&[wall_at(-30), wall_at(-9000), wall_at(900), Timestamp::MAX]);
    operation.generation = dice.pick(&[Some(generation), Some(generation - 1), None]);
    operation
}

pub fn last(dice: &mut Dice, generation: i64) -> itcare_operator::crd::status::LastOperation {
    let results = [
        OperationResult::Succeeded,
        OperationResult::Failed,
        OperationResult::Refused,
        OperationResult::OutcomeUnknown,
        OperationResult::Expired,
    ];
    let kind = dice.pick(&OperationKind::ALL);
    let ago = dice.pick(&[60, 1, 700, -60]);
    let mut last = last_operation(kind, dice.pick(&results), ago, generation - i64::from(dice.byte() % 2));
    last.failures = dice.pick(&[last.failures, Some(3), Some(i64::MAX - 1), None]);
    last.action_id = dice.pick(&[None, Some(ACTION.get())]);
    last.attempt = dice.pick(&[None, Some(attempt())]);
    last.state = dice.pick(&[None, Some("ACTIVE".to_owned())]);
    last.message =
        dice.pick(&[last.message, Some("HTTP 409: taken".to_owned()), Some("HTTP 400: no".to_owned()), None]);
    last
}

fn memory(case: &Case, dice: &mut Dice) -> Memory {
    let at = |dice: &mut Dice| moment(case, dice);
    let mut memory = Memory::default();
    if dice.one_in(3) {
        memory.effect_end = at(dice);
    }
    memory.ambiguous = dice.one_in(4);
    memory.attempt_seen = dice.maybe(|dice| (attempt(), at(dice)));
    memory.running_seen = dice.one_in(4).then(|| at(dice));
    memory.over_seen = dice.one_in(4).then(|| (ACTION, at(dice)));
    memory.resume_seen = dice.one_in(4).then(|| at(dice));
    memory.missing_seen = dice.maybe(at);
    memory.failing_since = dice.one_in(4).then(|| at(dice));
    memory.failures = dice.pick(&[0, 1, 3, u32::MAX]);
    memory.unclear_seen = dice.one_in(4).then(|| (wall_at(-30), at(dice)));
    if dice.one_in(3) {
        let first = at(dice);
        memory.first_end(ACTION, first);
    }
    if dice.one_in(4) {
        memory.ended(&last(dice, case.object.generation));
    }
    memory
}

/// A moment up to now: mostly just now, sometimes long ago.
fn moment(case: &Case, dice: &mut Dice) -> Duration {
    let now = case.now.mono;
    let ago = [
        Duration::ZERO,
        now.saturating_sub(case.pass),
        seconds(2),
        seconds(30),
        SETTLE,
        SETTLE * 2,
        SETTLE * 11,
        seconds(86_400),
    ];
    now.saturating_sub(dice.pick(&ago))
}

fn cloud(case: &mut Case, dice: &mut Dice) {
    for need in [
        Need::List { service: SERVICE, since: Duration::ZERO },
        Need::Arrivals { service: SERVICE, since: Duration::ZERO },
        Need::Running { since: Duration::ZERO },
        Need::Detail(VM),
        Need::Action(ACTION),
        Need::Look(HostName::new(NAME)),
        Need::Object,
    ] {
        let known = !dice.one_in(4);
        if known {
            let at = if dice.one_in(4) { moment(case, dice) } else { case.now.mono };
            answer(case, &need, at, dice);
        } else {
            forget(case, &need);
        }
    }
    if dice.one_in(4) {
        let slot = Slot { id: crate::fixture::snapshot_id(), ..crate::fixture_snapshot::slot() };
        case.cloud.slot = Observed::Present { value: slot, at: case.now.mono };
    }
    case.cloud.missing_is_evidence = !dice.one_in(6);
}

fn forget(case: &mut Case, need: &Need) {
    match need {
        Need::List { .. } => {
            (case.cloud.listed, case.cloud.named) = (Observed::Unknown, Observed::Unknown);
            case.cloud.arrived = Observed::Unknown;
        }
        Need::Arrivals { .. } => case.cloud.arrived = Observed::Unknown,
        Need::Running { .. } => case.cloud.running = Observed::Unknown,
        Need::Detail(_) => case.cloud.detail = Observed::Unknown,
        Need::Action(_) => case.cloud.action = None,
        Need::Look(_) => case.cloud.look = None,
        Need::Object => case.cloud.object_unchanged = None,
        Need::Storage(_) | Need::Network(_) | Need::Slot(_) => {}
    }
}

/// An arbitrary answer to a read, asked for at `at`; sometimes a failure.
pub fn answer(case: &mut Case, need: &Need, at: Duration, dice: &mut Dice) {
    if dice.one_in(24) {
        let (class, status) = any_class(dice);
        case.cloud.failures.push((need.clone(), failure(class, status)));
        return;
    }
    match need {
        Need::List { .. } => {
            let shown = any_detail(dice);
            let item = shown.listed();
            case.cloud.named = Observed::Present { value: items(&item, dice), at };
            case.cloud.listed =
                if dice.one_in(4) { Observed::Absent { at } } else { Observed::Present { value: item, at } };
            case.cloud.arrived = case.cloud.named.clone();
        }
        Need::Arrivals { .. } => {
            let mut value = case.cloud.named.as_ref().value().cloned().unwrap_or_default();
            value.extend(items(&any_detail(dice).listed(), dice));
            case.cloud.arrived = Observed::Present { value, at };
        }
        Need::Running { .. } => {
            let running = if dice.one_in(8) { vec![any_action(dice)] } else { Vec::new() };
            case.cloud.running = Observed::Present { value: running, at };
        }
        Need::Detail(id) => {
            let mut shown = any_detail(dice);
            // Once: asked again, it is asked for another reason (see `claims` for an API that keeps on).
            let first = case.cloud.detail.at().is_none_or(|at| at < case.pass);
            shown.id = if first && dice.one_in(16) { dice.pick(&[OTHER_VM, VM]) } else { *id };
            case.cloud.detail =
                if dice.one_in(8) { Observed::Absent { at } } else { Observed::Present { value: shown, at } };
        }
        Need::Action(id) => {
            let mut read = any_action(dice);
            read.id = *id;
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
            let item = any_detail(dice).listed();
            case.cloud.look = Some(Look { actions, instances: items(&item, dice), at });
        }
        Need::Object => case.cloud.object_unchanged = Some(!dice.one_in(12)),
        Need::Storage(_) => case.cloud.storage = Some(itcare_operator::model::remote::Storage::default()),
        Need::Network(_) => case.cloud.network = Some(itcare_operator::model::remote::Network::default()),
        Need::Slot(_) => case.cloud.slot = Observed::Absent { at },
    }
}

fn items(item: &Listed, dice: &mut Dice) -> Vec<Listed> {
    match dice.byte() % 5 {
        0 | 1 => Vec::new(),
        2 | 3 => vec![item.clone()],
        _ => vec![item.clone(), Listed { id: OTHER_VM, ..item.clone() }],
    }
}

pub fn any_detail(dice: &mut Dice) -> Detail {
    let states = [
        InstanceState::Active,
        InstanceState::Inactive,
        InstanceState::Active,
        InstanceState::Inactive,
        InstanceState::Active,
        InstanceState::Inactive,
        InstanceState::Active,
        InstanceState::Inactive,
        InstanceState::Removed,
        InstanceState::Other("MIGRATING".to_owned()),
    ];
    let mut shown = detail();
    shown.state = dice.pick(&states);
    shown.size = dice.pick(&[shown.size, "4cpu8gb".parse().ok(), None]);
    for value in [&mut shown.backup, &mut shown.replication, &mut shown.monitoring.enabled] {
        *value = dice.pick(&[Some(false), Some(true), None]);
    }
    if dice.one_in(12) {
        shown.name = HostName::new(dice.pick(&["PWEB02", "pweb01"]));
    }
    if dice.one_in(12) {
        shown.service = dice.pick(&[None, Some(ServiceId::new(14))]);
    }
    shown.patching = dice.pick(&[shown.patching.clone(), None]);
    shown.creation_time = dice.pick(&[
        shown.creation_time.clone(),
        None,
        Some("2020-01-01T00:00:00Z".to_owned()),
        Some("?".to_owned()),
    ]);
    shown.creation_user = dice.pick(&[Some(US.to_owned()), None, Some("alice".to_owned())]);
    if dice.one_in(8) {
        (shown.file_systems, shown.network) = (None, None);
    }
    shown
}

pub fn any_action(dice: &mut Dice) -> Action {
    let statuses = [
        ActionStatus::InProgress,
        ActionStatus::Success,
        ActionStatus::Error,
        ActionStatus::Other("PAUSED".to_owned()),
    ];
    Action {
        id: dice.pick(&[ACTION, ActionId::new(1)]),
        status: dice.pick(&statuses),
        process: dice.pick(&[None, Some("vm_resize".to_owned()), Some("vm_create_snapshot".to_owned())]),
        resource_name: dice.pick(&[
            Some(NAME.to_owned()),
            Some(NAME.to_owned()),
            None,
            Some("PWEB02".to_owned()),
        ]),
        // As long as the client lets one be.
        message: dice.maybe(|_| "é".repeat(1000)),
        submitted_at: dice.pick(&[Some(wall_at(-595)), Some(wall_at(-30)), None, Some(Timestamp::MAX)]),
        submitted_by: dice.pick(&[Some(US.to_owned()), None, Some("alice".to_owned())]),
        ..action()
    }
}

fn any_class(dice: &mut Dice) -> (FailureClass, Option<u16>) {
    dice.pick(&[
        (FailureClass::Transient, Some(503)),
        (FailureClass::Throttled(Some(seconds(30))), Some(429)),
        (FailureClass::Throttled(None), Some(429)),
        (FailureClass::Rejected, Some(422)),
        (FailureClass::Unauthenticated, Some(401)),
        (FailureClass::Forbidden, Some(403)),
        (FailureClass::NoCredentials, None),
        (FailureClass::Missing, Some(404)),
        (FailureClass::Garbled, Some(200)),
        (FailureClass::Ambiguous(None), Some(504)),
    ])
}

/// Any failure of a read.
pub fn any_failure(dice: &mut Dice) -> Failure {
    let (class, status) = any_class(dice);
    failure(class, status)
}

/// Any outcome of an effect.
pub fn outcome(dice: &mut Dice) -> Outcome {
    let (class, status) = any_class(dice);
    match dice.byte() % 4 {
        0 => Outcome::Accepted(any_action(dice)),
        1 => Outcome::NotExecuted(failure(class, status)),
        2 => Outcome::Refused(failure(class, dice.pick(&[Some(400), Some(404), Some(409), Some(422)]))),
        _ => Outcome::Ambiguous(failure(class, status)),
    }
}
