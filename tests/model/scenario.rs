//! The scenarios: what a user does, what may go wrong, and what must come of it.

use itcare_operator::crd::ITCareSnapshotSpec;
use itcare_operator::crd::instance::{AdoptionPolicy, ITCareInstanceSpec, ResetRequest, ResizePolicy};
use itcare_operator::crd::snapshot::RecoverRequest;
use itcare_operator::model::{OneShot, OperationKind, Origin};
use jiff::Timestamp;

use crate::cloud::{NAME, SERVICE, SIZES};
use crate::oracle::Facts;
use crate::state::{self, Budget, Cloud, State};
use crate::subject::{Instance, Snapshot, Subject};
use crate::time::{self, TICK};

/// A goal: the search must meet a state like this, or the model has lost its teeth.
pub type Goal<S> = (&'static str, fn(&Facts<'_, S>) -> bool);

pub struct Scenario<S: Subject> {
    pub name: &'static str,
    pub initial: State,
    /// The spec after so many edits; the time is that of its one-shot request.
    pub spec: fn(u8, Timestamp) -> S::Spec,
    pub last_stage: u8,
    pub requests_at: Option<u8>,
    pub deletes_at: Option<u8>,
    /// ITCare refuses a second VM of a name.
    pub unique: bool,
    /// Which calls a proxy may send twice.
    pub doubles: fn(OperationKind) -> bool,
    /// A leader may be stopped between the last check and the socket write.
    pub stops: bool,
    /// A failed creation may leave a VM.
    pub leaves: bool,
    /// The standby's watch is prompt. That its object may be of any age is left to the scenarios that are small
    /// enough to have it; a takeover at any moment is in all of them.
    pub prompt: bool,
    pub always: fn(&Facts<'_, S>) -> Result<(), String>,
    pub at_rest: fn(&Facts<'_, S>) -> Result<(), String>,
    pub goals: Vec<Goal<S>>,
}

impl<S: Subject> Scenario<S> {
    fn promptly(mut self) -> Self {
        self.prompt = true;
        self
    }

    pub fn is_deleting(&self, stage: u8) -> bool {
        self.deletes_at.is_some_and(|at| stage >= at)
    }

    pub fn wish(&self, stage: u8, requested: u8) -> (S::Spec, bool) {
        ((self.spec)(stage, time::ago(requested)), self.is_deleting(stage))
    }

    fn new(
        name: &'static str,
        spec: fn(u8, Timestamp) -> S::Spec,
        always: fn(&Facts<'_, S>) -> Result<(), String>,
        at_rest: fn(&Facts<'_, S>) -> Result<(), String>,
    ) -> Self {
        Self {
            name,
            initial: State::default(),
            spec,
            last_stage: 0,
            requests_at: None,
            deletes_at: None,
            unique: false,
            doubles: is_harmless_twice,
            stops: false,
            leaves: false,
            prompt: false,
            always,
            at_rest,
            goals: Vec::new(),
        }
    }

    /// Crashes, expiries, faults, failures.
    pub fn may(mut self, [crashes, expiries, faults, failures]: [u8; 4]) -> Self {
        self.initial.budget = Budget { crashes, expiries, faults, failures };
        self
    }

    fn deletes_after(mut self, edits: u8) -> Self {
        (self.last_stage, self.deletes_at) = (edits, Some(edits));
        self
    }

    fn reaches(mut self, goals: &[Goal<S>]) -> Self {
        self.goals.extend_from_slice(goals);
        self
    }
}

/// What a proxy that sends a call twice does to one that must not run twice is a window of its own.
fn is_harmless_twice(kind: OperationKind) -> bool {
    !kind.must_not_run_twice()
}

fn base() -> ITCareInstanceSpec {
    serde_json::from_value(serde_json::json!({
        "name": NAME, "serviceId": SERVICE.get(), "region": "EB", "platform": "deb12", "size": SIZES[0],
        "deletionPolicy": "Delete",
    }))
    .expect("a spec")
}

/// A VM is made.
pub fn create() -> Scenario<Instance> {
    Scenario::new(
        "create",
        |_, _| base(),
        |facts| facts.one_vm(),
        |facts| facts.one_running_vm(0, Origin::Created),
    )
    .reaches(&CREATION)
}

/// A failed creation leaves a VM: it is bound, told, and never made a second time.
pub fn create_broken() -> Scenario<Instance> {
    let mut scenario = create();
    (scenario.name, scenario.leaves) = ("create, broken", true);
    scenario.at_rest = |facts| match facts.reason() {
        "CreateFailed" => facts.one_broken_vm(),
        _ => facts.one_running_vm(0, Origin::Created),
    };
    scenario.reaches(&[("a broken VM is told", |facts| facts.reason() == "CreateFailed")])
}

/// The object is deleted at any moment of the creation.
pub fn create_delete() -> Scenario<Instance> {
    Scenario::new(
        "create, delete",
        |_, _| base(),
        |facts| facts.one_vm().and_then(|()| facts.gone_is_gone()),
        |facts| if facts.deleting { facts.gone() } else { facts.one_running_vm(0, Origin::Created) },
    )
    .deletes_after(1)
    .promptly()
    .reaches(&[
        ("a crash after an effect", |facts| facts.state.marks & state::CRASHED_AFTER_EFFECT != 0),
        ("a call has its effect late", |facts| facts.state.marks & state::LATE_EFFECT != 0),
        ("a write loses", |facts| facts.state.marks & state::LOST_RACE != 0),
    ])
    .reaches(&[("let go", |facts| facts.state.object.gone)])
}

/// A VM is stopped, resized and started again.
pub fn resize() -> Scenario<Instance> {
    let mut scenario = Scenario::new(
        "resize",
        |stage, _| ITCareInstanceSpec {
            size: Some(SIZES[usize::from(stage)].to_owned()),
            resize_policy: ResizePolicy::StopStart,
            ..base()
        },
        |facts| facts.one_vm().and_then(|()| facts.power_is_owed()),
        |facts| match facts.reason() {
            // ITCare refused the new size: it is not asked for again, and the power is back.
            "Rejected" => facts.one_vm_runs_again(),
            _ => facts.one_running_vm(facts.state.object.stage, Origin::Created),
        },
    );
    scenario.last_stage = 1;
    scenario.promptly().reaches(&[
        ("power is owed", |facts| facts.ledger.is_some_and(|ledger| ledger.resume.is_some())),
        ("a call has its effect late", |facts| facts.state.marks & state::LATE_EFFECT != 0),
        ("decided on old lists", |facts| facts.state.marks & state::DECIDED_BEHIND != 0),
        ("a late stop stops it once more", |facts| facts.state.cloud.count(OperationKind::Stop) > 1),
    ])
}

/// A VM is reset, once.
pub fn reset() -> Scenario<Instance> {
    let mut scenario = Scenario::new(
        "reset",
        |stage, requested| ITCareInstanceSpec {
            reset: (stage == 1).then_some(ResetRequest {
                requested_at: requested,
                comment: None,
                not_after: requested.checked_add(TICK * 5).ok(),
            }),
            ..base()
        },
        |facts| facts.one_vm().and_then(|()| facts.one_shots_once()),
        |facts| {
            facts.one_running_vm(0, Origin::Created)?;
            if facts.state.object.stage == 1 { facts.request_dealt_with(OneShot::Reset) } else { Ok(()) }
        },
    );
    (scenario.last_stage, scenario.requests_at) = (1, Some(1));
    scenario.reaches(&[
        ("reset", |facts| facts.state.cloud.count(OperationKind::Reset) == 1),
        ("given up rather than sent again", |facts| {
            facts.state.cloud.count(OperationKind::Reset) == 0 && facts.is_handled(OneShot::Reset)
        }),
    ])
}

/// A VM that somebody made is taken over by its name; when its object is deleted, it stays.
pub fn adopt() -> Scenario<Instance> {
    let mut scenario = Scenario::new(
        "adopt",
        |_, _| ITCareInstanceSpec {
            adoption_policy: AdoptionPolicy::ByName,
            deletion_policy: None,
            ..base()
        },
        |facts| facts.one_vm().and_then(|()| facts.adopted_stays()),
        |facts| if facts.deleting { facts.gone() } else { facts.one_running_vm(0, Origin::Adopted) },
    )
    .deletes_after(1);
    scenario.initial.cloud = Cloud::with_vm(true);
    scenario.reaches(&[
        ("bound", |facts| facts.ledger.is_some_and(|ledger| ledger.origin == Some(Origin::Adopted))),
        ("let go", |facts| facts.state.object.gone),
        ("a write loses", |facts| facts.state.marks & state::LOST_RACE != 0),
    ])
}

fn snapshot_spec() -> ITCareSnapshotSpec {
    serde_json::from_value(serde_json::json!({"instanceRef": {"name": "web"}, "description": "nightly"}))
        .expect("a spec")
}

/// A snapshot is taken, and removed with its object.
pub fn take() -> Scenario<Snapshot> {
    let mut scenario = Scenario::new(
        "take",
        |_, _| snapshot_spec(),
        |facts| facts.gone_is_removed(),
        |facts| if facts.deleting { facts.gone() } else { facts.one_snapshot() },
    )
    .deletes_after(1);
    scenario.initial.cloud = Cloud::with_vm(false);
    scenario.promptly().reaches(&[
        ("taken", |facts| facts.state.cloud.slot != 0),
        ("let go", |facts| facts.state.object.gone),
        ("two attempts, the first lost", |facts| {
            facts.state.attempts == 2 && facts.state.cloud.count(OperationKind::TakeSnapshot) == 1
        }),
        ("a crash after an effect", |facts| facts.state.marks & state::CRASHED_AFTER_EFFECT != 0),
        ("a call has its effect late", |facts| facts.state.marks & state::LATE_EFFECT != 0),
    ])
}

/// A VM is put back to its snapshot, once.
pub fn recover() -> Scenario<Snapshot> {
    let mut scenario = Scenario::new(
        "recover",
        |stage, requested| ITCareSnapshotSpec {
            recover: (stage == 1).then_some(RecoverRequest {
                requested_at: requested,
                not_after: requested.checked_add(TICK * 5).ok(),
            }),
            ..snapshot_spec()
        },
        |facts| facts.one_shots_once(),
        |facts| {
            facts.one_snapshot()?;
            if facts.state.object.stage == 1 { facts.request_dealt_with(OneShot::Recover) } else { Ok(()) }
        },
    );
    (scenario.last_stage, scenario.requests_at) = (1, Some(1));
    scenario.initial.cloud = Cloud::with_vm(false);
    scenario.reaches(&[
        ("recovered", |facts| facts.state.cloud.count(OperationKind::Recover) == 1),
        ("given up rather than sent again", |facts| {
            facts.state.cloud.count(OperationKind::Recover) == 0 && facts.is_handled(OneShot::Recover)
        }),
    ])
}

/// What no protocol can close (DESIGN 5.2), without unique names: a leader that is stopped between the last check
/// and the socket write, a gateway that sends a creation twice. What is left is that each attempt is sent once,
/// which every scenario checks, and that the object comes to rest.
pub fn residual() -> Scenario<Instance> {
    let mut scenario = create();
    (scenario.name, scenario.stops, scenario.doubles) = ("create, windows", true, |_| true);
    scenario.always = |_| Ok(());
    scenario.at_rest = |_| Ok(());
    scenario.reaches(&[("two VMs", |facts| facts.one_vm().is_err())])
}

/// The same windows, closed by ITCare's unique names.
pub fn unique() -> Scenario<Instance> {
    let mut scenario = create();
    (scenario.name, scenario.stops, scenario.doubles) = ("create, unique names", true, |_| true);
    scenario.unique = true;
    // Where a call came later than any call may, the VM is not provably ours: a person is asked, nothing is made.
    scenario.at_rest = |facts| match facts.reason() {
        "NameTaken" => facts.one_vm(),
        _ => facts.one_running_vm(0, Origin::Created),
    };
    scenario
}

const CREATION: [Goal<Instance>; 6] = [
    ("two attempts, the first lost", |facts| {
        facts.state.attempts == 2 && facts.state.cloud.count(OperationKind::Create) == 1
    }),
    ("a crash after an effect", |facts| facts.state.marks & state::CRASHED_AFTER_EFFECT != 0),
    ("a replica sends after it took over", |facts| facts.state.marks & state::SECOND_SENT != 0),
    ("a call has its effect late", |facts| facts.state.marks & state::LATE_EFFECT != 0),
    ("a replica that lost its lease writes a status", |facts| facts.state.marks & state::STALE_STATUS != 0),
    ("a write loses", |facts| facts.state.marks & state::LOST_RACE != 0),
];
