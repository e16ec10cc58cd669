//! One view of a snapshot, owned; see [`crate::fixture`].

use std::time::Duration;

use itcare_operator::crd::snapshot::RecoverRequest;
use itcare_operator::crd::status::LastOperation;
use itcare_operator::crd::{ConditionType, ITCareSnapshotSpec, SnapshotStatus, condition};
use itcare_operator::decide::instance::ObjectFacts;
use itcare_operator::decide::snapshot::{self, InstanceFacts, SnapshotView};
use itcare_operator::decide::{Cloud, Decision, Look, Memory, Need, Outcome, Site, Step};
use itcare_operator::model::{
    Action, ActionId, FailureClass, HostName, InstanceState, Ledger, LedgerError, Moment, ObjectKey,
    Observed, OperationKind, OperationResult, Origin, Slot, SnapshotId,
};

use crate::check;
use crate::fixture::{
    NAME, NOW, PASS, SERVICE, US, VM, attempt, detail, failure, intent, last_operation, operation, seconds,
    site, snapshot_id, time, wall, wall_at,
};
pub use crate::table::saved;
use crate::table::{play, stands, step_says};

pub fn spec() -> ITCareSnapshotSpec {
    serde_json::from_value(serde_json::json!({
        "instanceRef": {"name": "web"}, "description": "before the upgrade",
    }))
    .expect("a spec")
}

/// Our snapshot as the slot shows it: taken an hour ago, three days to live.
pub fn slot() -> Slot {
    Slot {
        id: snapshot_id(),
        description: Some(format!("before the upgrade [{}]", attempt())),
        created_at: Some(wall_at(-3600)),
        created_by: Some(US.to_owned()),
        expires_at: Some(wall_at(3 * 86_400 - 3600)),
        recovered_at: None,
        size_gb: Some(7),
    }
}

/// Somebody else's snapshot.
pub fn foreign_slot() -> Slot {
    Slot {
        id: SnapshotId::new("5220149-snap-6"),
        description: Some("by hand".to_owned()),
        created_by: Some("alice".to_owned()),
        ..slot()
    }
}

pub fn instance() -> InstanceFacts {
    InstanceFacts {
        id: Some(VM),
        name: HostName::new(NAME),
        service: SERVICE,
        refuses: None,
        intent: false,
        operating: false,
    }
}

pub fn new_ledger() -> Ledger {
    let site = site();
    Ledger::new(site.cluster, "shop/nightly".to_owned(), "uid-7".to_owned(), site.account)
}

/// A view of a snapshot, owned.
#[derive(Debug, Clone)]
pub struct SnapshotCase {
    pub object: ObjectFacts,
    pub spec: ITCareSnapshotSpec,
    pub status: SnapshotStatus,
    pub ledger: Result<Option<Ledger>, LedgerError>,
    pub site: Site,
    pub instance: Option<InstanceFacts>,
    pub allowed: bool,
    pub sibling: Option<String>,
    pub slot_timeout: Duration,
    pub cloud: Cloud,
    pub memory: Memory,
    pub slot_due: Duration,
    pub now: Moment,
    pub pass: Duration,
}

impl SnapshotCase {
    /// A new object; its instance has a running VM, the slot is free, nothing runs.
    pub fn fresh() -> Self {
        Self {
            object: ObjectFacts {
                key: ObjectKey::new("shop", "nightly"),
                uid: "uid-7".to_owned(),
                generation: 1,
                created: time("2026-01-01T00:00:00Z"),
                deleting: false,
                has_finalizer: false,
                has_ledger: false,
                reconcile_requested: None,
            },
            spec: spec(),
            status: SnapshotStatus { observed_generation: Some(-1), ..SnapshotStatus::default() },
            ledger: Ok(None),
            site: site(),
            instance: Some(instance()),
            allowed: true,
            sibling: None,
            slot_timeout: seconds(3600),
            cloud: Cloud {
                detail: Observed::Present { value: detail(), at: NOW },
                running: Observed::Present { value: Vec::new(), at: NOW },
                slot: Observed::Absent { at: NOW },
                object_unchanged: Some(true),
                ..Cloud::default()
            },
            memory: Memory::default(),
            slot_due: NOW + seconds(3600),
            now: Moment { wall: wall(), mono: NOW },
            pass: PASS,
        }
    }

    /// A snapshot that we took and that is there, with all of it written down.
    pub fn taken() -> Self {
        let mut case = Self::fresh();
        (case.object.has_finalizer, case.object.has_ledger) = (true, true);
        case.fills(slot());
        let mut ledger = new_ledger();
        ledger.seq = 3;
        ledger.origin = Some(Origin::Created);
        ledger.instance = Some(VM);
        ledger.name = Some(HostName::new(NAME));
        ledger.service = Some(SERVICE);
        ledger.snapshot = Some(snapshot_id());
        ledger.expires = slot().expires_at;
        case.ledger = Ok(Some(ledger));
        case.at_rest()
    }

    /// Runs passes that only write until nothing is left to write.
    pub fn at_rest(mut self) -> Self {
        for _ in 0..6 {
            let decision = self.next();
            if !self.write(&decision) {
                return self;
            }
        }
        panic!("it does not come to rest: {:#?}", self.next());
    }

    /// What a pass without an effect writes; whether anything was.
    pub fn write(&mut self, decision: &Decision<SnapshotStatus>) -> bool {
        let wrote = match &decision.step {
            Step::SaveLedger { ledger, finalizer } => {
                self.ledger = Ok(Some((**ledger).clone()));
                self.object.has_ledger = true;
                self.object.has_finalizer |= *finalizer;
                true
            }
            Step::DropLedger => {
                self.ledger = Ok(None);
                true
            }
            Step::RemoveFinalizer => {
                self.object.has_finalizer = false;
                true
            }
            Step::Nothing => false,
            other => panic!("an effect or a read: {other:?}"),
        };
        let changed = decision.status != self.status;
        self.status = decision.status.clone();
        self.memory = decision.memory.clone();
        wrote || changed
    }

    pub fn view(&self) -> SnapshotView<'_> {
        SnapshotView {
            object: self.object.clone(),
            spec: &self.spec,
            status: &self.status,
            ledger: self.ledger.clone(),
            site: &self.site,
            instance: self.instance.clone(),
            service_allowed: self.allowed,
            sibling_intent: self.sibling.clone(),
            slot_timeout: self.slot_timeout,
            cloud: self.cloud.clone(),
            memory: self.memory.clone(),
            slot_due: self.slot_due,
            now: self.now,
            pass: self.pass,
        }
    }

    /// The decision, its status checked.
    pub fn next(&self) -> Decision<SnapshotStatus> {
        let decision = snapshot::next(&self.view());
        check::snapshot(&self.status, &decision.status, self.object.generation);
        decision
    }

    /// What follows from the outcome of an effect, its status checked.
    pub fn after(&self, step: &Step, outcome: &Outcome, ledger: Option<Ledger>) -> Decision<SnapshotStatus> {
        let decision = snapshot::after(&self.view(), step, outcome, ledger, self.now);
        check::snapshot(&self.status, &decision.status, self.object.generation);
        decision
    }

    pub fn says(&self) -> String {
        says(&self.next())
    }

    /// The ledger, to be changed.
    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().expect("a ledger that can be read").get_or_insert_with(new_ledger)
    }

    /// A call of this kind may be in flight on the VM.
    pub fn intends(&mut self, kind: OperationKind) {
        (self.object.has_finalizer, self.object.has_ledger) = (true, true);
        let ledger = self.ledger();
        ledger.seq += 1;
        ledger.instance = Some(VM);
        ledger.name = Some(HostName::new(NAME));
        ledger.service = Some(SERVICE);
        ledger.intent = Some(intent(kind));
    }

    /// The slot shows this, asked for just now.
    pub fn fills(&mut self, slot: Slot) {
        self.cloud.slot = Observed::Present { value: slot, at: NOW };
    }

    pub fn runs(&mut self, actions: &[Action]) {
        self.cloud.running = Observed::Present { value: actions.to_vec(), at: NOW };
    }

    pub fn read(&mut self, action: Action) {
        self.cloud.action = Some((action.id, Observed::Present { value: action, at: NOW }));
    }

    pub fn looked(&mut self, actions: &[Action]) {
        self.cloud.look = Some(Look { actions: actions.to_vec(), instances: Vec::new(), at: NOW });
    }

    pub fn failed(&mut self, need: Need, class: FailureClass, status: Option<u16>) {
        self.cloud.failures.push((need, failure(class, status)));
    }

    pub fn vm_is(&mut self, state: InstanceState) {
        let shown = itcare_operator::model::Detail { state, ..detail() };
        self.cloud.detail = Observed::Present { value: shown, at: NOW };
    }

    pub fn operates(&mut self, kind: OperationKind, action: Option<ActionId>) {
        self.status.operation = Some(operation(kind, action, self.object.generation));
    }

    pub fn operated(&mut self, kind: OperationKind, result: OperationResult, ago: i64) {
        self.status.last_operation = Some(last_operation(kind, result, ago, self.object.generation));
    }

    /// The last call for a snapshot ended like this, in these words.
    pub fn took(&mut self, result: OperationResult, ago: i64, words: &str) {
        self.operated(OperationKind::TakeSnapshot, result, ago);
        self.last().message = Some(words.to_owned());
    }

    /// ITCare refused the call of the standing intent, this long ago.
    pub fn was_refused(&mut self, kind: OperationKind, ago: i64) {
        self.operated(kind, OperationResult::Refused, ago);
        self.last().attempt = Some(attempt());
    }

    /// The last operation, to be changed.
    pub fn last(&mut self) -> &mut LastOperation {
        self.status.last_operation.as_mut().expect("an operation that ended")
    }

    pub fn deletes(&mut self) {
        self.object.deleting = true;
        self.object.generation += 1;
    }

    /// A recovery was asked for, this long ago.
    pub fn asks_recovery(&mut self, ago: i64) {
        self.spec.recover = Some(RecoverRequest { requested_at: wall_at(-ago), not_after: None });
        self.object.generation += 1;
    }

    /// A later pass: what was read before is old, the clocks moved on.
    pub fn later(&mut self, span: Duration) {
        self.now.mono += span;
        self.now.wall = self.now.wall.checked_add(span).expect("a time");
        self.pass = self.now.mono;
        self.cloud.action = None;
        self.cloud.look = None;
        self.cloud.slot = Observed::Unknown;
        self.cloud.object_unchanged = None;
        self.cloud.failures.clear();
    }
}

/// A decision in a few words: the step, or else how the object stands.
pub fn says(decision: &Decision<SnapshotStatus>) -> String {
    step_says(&decision.step).unwrap_or_else(|| stands(&decision.status.conditions))
}

/// `Available`: its status and reason.
pub fn available(decision: &Decision<SnapshotStatus>) -> String {
    let found = condition::find(&decision.status.conditions, ConditionType::Available);
    found.map_or("nothing".to_owned(), |found| format!("{} {}", found.status, found.reason))
}

/// The message of `Ready`.
pub fn message(decision: &Decision<SnapshotStatus>) -> String {
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready);
    ready.map(|ready| ready.message.clone()).unwrap_or_default()
}

/// A row of a table of snapshots.
pub type Row = crate::table::Row<SnapshotCase>;

/// Runs a table; all rows that fail are told together.
#[track_caller]
pub fn table(base: impl Fn() -> SnapshotCase, rows: &[Row]) {
    run(base, rows, false);
}

/// The same for what follows once the ledger is written, where a pass begins with that.
#[track_caller]
pub fn table_once_saved(base: impl Fn() -> SnapshotCase, rows: &[Row]) {
    run(base, rows, true);
}

#[track_caller]
fn run(base: impl Fn() -> SnapshotCase, rows: &[Row], saving: bool) {
    play(base, rows, |case| {
        let mut decision = case.next();
        if saving && matches!(decision.step, Step::SaveLedger { .. }) {
            case.write(&decision);
            decision = case.next();
        }
        (says(&decision), message(&decision))
    });
}
