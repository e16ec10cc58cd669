//! One view of an instance, owned, so that a test can change a part of it and ask again.
//!
//! The base cases are what the operator meets most: a new object, a VM that is ours and as asked. All
//! facts that a pass may ask for are there and fresh, so a change that is due is sent at once; a test takes
//! away what it is about.

use std::collections::BTreeMap;
use std::time::Duration;

use itcare_operator::crd::InstanceStatus;
use itcare_operator::crd::instance::{ITCareInstanceSpec, ResetRequest};
use itcare_operator::crd::status::{LastOperation, Operation, Receipt};
use itcare_operator::decide::instance::{self, Claim, ObjectFacts, SnapshotFacts, View};
use itcare_operator::decide::{Cloud, Decision, Look, Memory, Need, Outcome, Site, Step};
use itcare_operator::model::{
    AccountId, Action, ActionId, ActionStatus, Applied, AttemptId, ClusterId, Detail, Failure, FailureClass,
    HostName, InstanceId, InstanceState, Intent, Ledger, LedgerError, Listed, Moment, ObjectKey, Observed,
    OperationKind, OperationResult, Origin, ServiceId, Size, SnapshotId, remote,
};
use jiff::Timestamp;

use crate::{check, table};

/// Now, since the process started: long enough for any settle time to lie behind.
pub const NOW: Duration = Duration::from_secs(100_000);
/// When the pass began.
pub const PASS: Duration = Duration::from_secs(99_999);
pub const SETTLE: Duration = Duration::from_secs(120);
pub const SEND_WINDOW: Duration = Duration::from_secs(45);
/// The VM of every fixture.
pub const VM: InstanceId = InstanceId::new(5_220_149);
/// Another VM.
pub const OTHER_VM: InstanceId = InstanceId::new(5_220_150);
/// The action of every fixture.
pub const ACTION: ActionId = ActionId::new(41_900);
/// The newest action when an intent of the fixtures was written.
pub const FENCE_ACTION: ActionId = ActionId::new(41_822);
pub const NAME: &str = "PWEB01";
pub const SERVICE: ServiceId = ServiceId::new(13);
pub const US: &str = "cgdm-sa-operator";

pub fn seconds(count: u64) -> Duration {
    Duration::from_secs(count)
}

/// The wall clock's now.
pub fn wall() -> Timestamp {
    time("2026-01-02T03:04:05Z")
}

pub fn time(text: &str) -> Timestamp {
    text.parse().expect("a time")
}

/// The wall clock's now, moved.
pub fn wall_at(offset: i64) -> Timestamp {
    Timestamp::from_second(wall().as_second() + offset).expect("a time")
}

pub fn attempt() -> AttemptId {
    AttemptId::from_bytes([0x7f, 0x3c, 0x91, 0xa2, 0xb4, 0xd5, 0xe6, 0xf7])
}

pub fn site() -> Site {
    Site {
        cluster: ClusterId::new("this-cluster"),
        previous_clusters: vec![ClusterId::new("previous-cluster")],
        account: AccountId::new("account"),
        submitter: Some(US.to_owned()),
        creator: Some(US.to_owned()),
        processes: BTreeMap::from([("vm_resize".to_owned(), OperationKind::Resize)]),
        settle: SETTLE,
        observe_interval: seconds(60),
        action_interval: seconds(5),
        detail_interval: seconds(6 * 3600),
        send_window: SEND_WINDOW,
    }
}

pub fn spec() -> ITCareInstanceSpec {
    serde_json::from_value(serde_json::json!({
        "name": NAME, "serviceId": SERVICE.get(), "region": "EB", "platform": "deb12", "size": "2cpu4gb",
    }))
    .expect("a spec")
}

/// The VM as ITCare shows it: running, 2cpu4gb, everything else switched off.
pub fn detail() -> Detail {
    Detail {
        id: VM,
        name: HostName::new(NAME),
        service: Some(SERVICE),
        state: InstanceState::Active,
        size: Some(Size { cpu: 2, memory_gb: 4 }),
        storage_gb: Some(40),
        file_systems: Some(vec![remote::FileSystem {
            mount_point: "/".to_owned(),
            kind: Some("ext4".to_owned()),
            size_gb: Some(40),
        }]),
        ip_address: Some("10.1.2.3".to_owned()),
        network: Some(remote::Network::default()),
        region: Some("EB".to_owned()),
        area: None,
        availability_zone: Some("EB-A".to_owned()),
        os: Some("Debian 12".to_owned()),
        environment: Some("PRODUCTION".to_owned()),
        service_name: Some("shop".to_owned()),
        monitoring: remote::Monitoring { enabled: Some(false), alerting: Some(false), on_call: None },
        patching: Some(remote::Patching { excluded: Some(false), exclusion_reason: None, group: Some(1) }),
        replication: Some(false),
        backup: Some(false),
        slot: None,
        creation_time: Some("2026-01-02T02:54:15.000+0000".to_owned()),
        creation_user: Some(US.to_owned()),
    }
}

/// Another VM of our name.
pub fn twin() -> Listed {
    Listed { id: OTHER_VM, ..detail().listed() }
}

/// An action of ours on our name, running, just submitted, of a kind that nobody knows.
pub fn action() -> Action {
    Action {
        id: ACTION,
        status: ActionStatus::InProgress,
        process: None,
        resource_name: Some(NAME.to_owned()),
        message: None,
        submitted_at: Some(wall()),
        submitted_by: Some(US.to_owned()),
        completed_at: None,
    }
}

/// The same action, ended.
pub fn ended(status: ActionStatus) -> Action {
    let message = (status == ActionStatus::Error).then(|| "no more addresses".to_owned());
    Action { status, message, completed_at: Some(wall()), ..action() }
}

pub fn failure(class: FailureClass, status: Option<u16>) -> Failure {
    let message = status.map_or("connection refused".to_owned(), |status| format!("HTTP {status}: not so"));
    Failure { class, status, message }
}

pub fn new_ledger() -> Ledger {
    let site = site();
    Ledger::new(site.cluster, "shop/web".to_owned(), "uid-1".to_owned(), site.account)
}

/// The intent of a call that was sent ten minutes ago. As JSON, like all that may get more fields.
pub fn intent(kind: OperationKind) -> Intent {
    serde_json::from_value(serde_json::json!({
        "kind": kind, "attempt": attempt(), "fence": {"date": wall_at(-600), "action": FENCE_ACTION},
    }))
    .expect("an intent")
}

/// An operation of ours that was sent half a minute ago.
pub fn operation(kind: OperationKind, action: Option<ActionId>, generation: i64) -> Operation {
    serde_json::from_value(serde_json::json!({
        "kind": kind, "attempt": kind.must_not_run_twice().then(attempt), "actionId": action,
        "submittedAt": wall_at(-30), "generation": generation,
    }))
    .expect("an operation")
}

/// A receipt for a request of a minute and a half ago.
pub fn receipt(action: Option<ActionId>) -> Receipt {
    serde_json::from_value(serde_json::json!({
        "requestedAt": wall_at(-90), "result": "Succeeded", "actionId": action, "finishedAt": wall_at(-30),
    }))
    .expect("a receipt")
}

/// An operation that ended this long ago; the rest of it as JSON, where most fields may be left out.
pub fn last_operation(
    kind: OperationKind,
    result: OperationResult,
    ago: i64,
    generation: i64,
) -> LastOperation {
    serde_json::from_value(serde_json::json!({
        "kind": kind, "result": result, "finishedAt": wall_at(-ago), "message": "HTTP 422: not so",
        "failures": (result == OperationResult::Failed).then_some(1), "generation": generation,
    }))
    .expect("an operation")
}

/// A view of an instance, owned.
#[derive(Debug, Clone)]
pub struct Case {
    pub object: ObjectFacts,
    pub spec: ITCareInstanceSpec,
    pub status: InstanceStatus,
    pub ledger: Result<Option<Ledger>, LedgerError>,
    pub site: Site,
    pub allowed: bool,
    pub claim: Claim,
    pub elsewhere: Vec<(InstanceId, ObjectKey)>,
    pub snapshots: SnapshotFacts,
    pub cloud: Cloud,
    pub memory: Memory,
    pub detail_due: Duration,
    pub now: Moment,
    pub pass: Duration,
}

impl Case {
    /// A new object; nothing of its name exists, nothing runs.
    pub fn fresh() -> Self {
        Self {
            object: ObjectFacts {
                key: ObjectKey::new("shop", "web"),
                uid: "uid-1".to_owned(),
                generation: 3,
                created: time("2026-01-01T00:00:00Z"),
                deleting: false,
                has_finalizer: false,
                has_ledger: false,
                reconcile_requested: None,
            },
            spec: spec(),
            status: InstanceStatus { observed_generation: Some(-1), ..InstanceStatus::default() },
            ledger: Ok(None),
            site: site(),
            allowed: true,
            claim: Claim::Held,
            elsewhere: Vec::new(),
            snapshots: SnapshotFacts::default(),
            cloud: Cloud {
                named: Observed::Present { value: Vec::new(), at: NOW },
                running: Observed::Present { value: Vec::new(), at: NOW },
                object_unchanged: Some(true),
                ..Cloud::default()
            },
            memory: Memory::default(),
            detail_due: NOW + seconds(3600),
            now: Moment { wall: wall(), mono: NOW },
            pass: PASS,
        }
    }

    /// A VM that we created and that is as asked, with all of it written down.
    pub fn managed() -> Self {
        Self::managed_with(|_| {})
    }

    /// The same for another spec and another VM: `adjust` makes them fit before all settles.
    pub fn managed_with(adjust: impl FnOnce(&mut Self)) -> Self {
        let mut case = Self::fresh();
        (case.object.has_finalizer, case.object.has_ledger) = (true, true);
        case.shows(|_| {});
        adjust(&mut case);
        let mut ledger = new_ledger();
        ledger.seq = 4;
        ledger.origin = Some(Origin::Created);
        ledger.instance = Some(VM);
        ledger.name = Some(HostName::new(NAME));
        ledger.service = Some(SERVICE);
        ledger.applied = Some(Applied { v: 1, groups: instance::hashes(&case.spec) });
        case.ledger = Ok(Some(ledger));
        case.at_rest()
    }

    /// Runs passes that only write until nothing is left to write.
    pub fn at_rest(mut self) -> Self {
        for _ in 0..6 {
            let decision = self.next();
            let written = self.write(&decision);
            if !written {
                return self;
            }
        }
        panic!("it does not come to rest: {:#?}", self.next());
    }

    /// What a pass without an effect writes; whether anything was.
    pub fn write(&mut self, decision: &Decision<InstanceStatus>) -> bool {
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

    pub fn view(&self) -> View<'_> {
        View {
            object: self.object.clone(),
            spec: &self.spec,
            status: &self.status,
            ledger: self.ledger.clone(),
            site: &self.site,
            service_allowed: self.allowed,
            claim: self.claim.clone(),
            recorded_elsewhere: self.elsewhere.clone(),
            snapshots: self.snapshots.clone(),
            cloud: with_arrivals(&self.cloud),
            memory: self.memory.clone(),
            detail_due: self.detail_due,
            now: self.now,
            pass: self.pass,
        }
    }

    /// The decision, its status checked.
    pub fn next(&self) -> Decision<InstanceStatus> {
        let decision = instance::next(&self.view());
        check::instance(&self.status, &decision.status, self.object.generation);
        decision
    }

    /// What follows from the outcome of an effect, its status checked.
    pub fn after(&self, step: &Step, outcome: &Outcome, ledger: Option<Ledger>) -> Decision<InstanceStatus> {
        let decision = instance::after(&self.view(), step, outcome, ledger, self.now);
        check::instance(&self.status, &decision.status, self.object.generation);
        decision
    }

    /// What follows, in a few words; see [`says`].
    pub fn says(&self) -> String {
        table::says(&self.next())
    }

    /// The ledger, to be changed.
    pub fn ledger(&mut self) -> &mut Ledger {
        self.ledger.as_mut().expect("a ledger that can be read").get_or_insert_with(new_ledger)
    }

    /// A call of this kind may be in flight.
    pub fn intends(&mut self, kind: OperationKind) {
        (self.object.has_finalizer, self.object.has_ledger) = (true, true);
        let ledger = self.ledger();
        ledger.seq += 1;
        ledger.intent = Some(intent(kind));
    }

    /// The VM, in detail and list alike, asked for just now.
    pub fn shows(&mut self, adjust: impl FnOnce(&mut Detail)) {
        let mut shown = self.cloud.detail.as_ref().value().cloned().unwrap_or_else(detail);
        adjust(&mut shown);
        let item = shown.listed();
        self.cloud.listed = Observed::Present { value: item.clone(), at: NOW };
        self.cloud.named = Observed::Present { value: vec![item], at: NOW };
        self.cloud.detail = Observed::Present { value: shown, at: NOW };
    }

    /// The VM is gone: from the list, and for a GET of its id.
    pub fn gone(&mut self) {
        self.cloud.listed = Observed::Absent { at: NOW };
        self.cloud.named = Observed::Present { value: Vec::new(), at: NOW };
        self.cloud.detail = Observed::Absent { at: NOW };
    }

    /// These actions run on the name, asked for just now.
    pub fn runs(&mut self, actions: &[Action]) {
        self.cloud.running = Observed::Present { value: actions.to_vec(), at: NOW };
    }

    /// This action was read just now.
    pub fn read(&mut self, action: Action) {
        self.cloud.action = Some((action.id, Observed::Present { value: action, at: NOW }));
    }

    /// A look at the name, just now.
    pub fn looked(&mut self, actions: &[Action], instances: &[Listed]) {
        self.cloud.look = Some(Look { actions: actions.to_vec(), instances: instances.to_vec(), at: NOW });
    }

    /// That read failed in this pass.
    pub fn failed(&mut self, need: Need, class: FailureClass, status: Option<u16>) {
        self.cloud.failures.push((need, failure(class, status)));
    }

    /// An operation runs, as the status says.
    pub fn operates(&mut self, kind: OperationKind, action: Option<ActionId>) {
        self.status.operation = Some(operation(kind, action, self.object.generation));
    }

    /// The last operation ended like this.
    pub fn operated(&mut self, kind: OperationKind, result: OperationResult, ago: i64) {
        self.status.last_operation = Some(last_operation(kind, result, ago, self.object.generation));
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

    /// The spec was edited.
    pub fn edits(&mut self, edit: impl FnOnce(&mut ITCareInstanceSpec)) {
        edit(&mut self.spec);
        self.object.generation += 1;
    }

    /// The object is being deleted (its generation grows with that).
    pub fn deletes(&mut self) {
        self.object.deleting = true;
        self.object.generation += 1;
    }

    /// A reset was asked for, this long ago.
    pub fn asks_reset(&mut self, ago: i64) {
        self.edits(|spec| {
            spec.reset = Some(ResetRequest { requested_at: wall_at(-ago), comment: None, not_after: None });
        });
    }

    /// A later pass: what was read before is old, the clocks moved on.
    pub fn later(&mut self, span: Duration) {
        self.now.mono += span;
        self.now.wall = self.now.wall.checked_add(span).expect("a time");
        self.pass = self.now.mono;
        self.cloud.action = None;
        self.cloud.look = None;
        self.cloud.object_unchanged = None;
        self.cloud.failures.clear();
    }
}

/// A snapshot id.
pub fn snapshot_id() -> SnapshotId {
    SnapshotId::new("5220149-snap-7")
}

/// Nothing arrived since the whole list, unless a case says so.
fn with_arrivals(cloud: &Cloud) -> Cloud {
    let mut cloud = cloud.clone();
    if cloud.arrived == Observed::Unknown {
        cloud.arrived = cloud.named.clone();
    }
    cloud
}
