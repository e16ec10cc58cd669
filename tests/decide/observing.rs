//! `managementPolicy: Observe` and `suspend`: status only, no call that changes anything.

use itcare_operator::crd::condition;
use itcare_operator::crd::instance::ManagementPolicy;
use itcare_operator::crd::{Condition, ConditionType};
use itcare_operator::decide::instance::Claim;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{
    HostName, InstanceState, Listed, ObjectKey, Observed, OperationKind, OperationResult, PowerState, Resume,
};

use crate::fixture::{Case, NOW, VM, action, detail, twin, wall};
use crate::table::{Row, says, stands, table};

fn observing() -> Case {
    let mut case = Case::fresh();
    case.spec.management_policy = ManagementPolicy::Observe;
    case.shows(|_| {});
    case
}

const ROWS: &[Row] = &[
    ("the VM of that name is shown", |_| {}, "Ready Running"),
    (
        "a stopped one too",
        |case| case.shows(|detail| detail.state = InstanceState::Inactive),
        "Ready Stopped",
    ),
    (
        "the VM with that id is shown",
        |case| {
            case.spec.instance_id = Some(VM.get());
            case.cloud.named = Observed::Unknown;
        },
        "Ready Running",
    ),
    ("its name is looked for in the list", |case| case.cloud.named = Observed::Unknown, "read list"),
    ("then its detail is read", |case| case.cloud.detail = Observed::Unknown, "read detail"),
    (
        "no VM has that name",
        |case| case.cloud.named = Observed::Present { value: Vec::new(), at: NOW },
        "Stalled InstanceMissing",
    ),
    (
        "two VMs have that name",
        |case| case.cloud.named = Observed::Present { value: vec![twin(), detail().listed()], at: NOW },
        "Stalled Ambiguous",
    ),
    (
        "a removed VM of that name does not count",
        |case| {
            let gone = Listed { state: InstanceState::Removed, ..twin() };
            case.cloud.named = Observed::Present { value: vec![gone, detail().listed()], at: NOW };
        },
        "Ready Running",
    ),
    (
        "the id belongs to another VM",
        |case| {
            case.spec.instance_id = Some(VM.get());
            case.shows(|detail| detail.name = HostName::new("PDB01"));
        },
        "Stalled IdentityMismatch",
    ),
    (
        "a difference is nothing to act upon",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Stopped)),
        "Ready Running",
    ),
    ("a reset is not carried out", |case| case.asks_reset(60), "Ready Running"),
    (
        "the claim of another object is no hindrance",
        |case| {
            case.claim = Claim::LostTo(ObjectKey::new("shop", "older"));
        },
        "Ready Running",
    ),
    ("the finalizer goes", |case| case.object.has_finalizer = true, "let go"),
    (
        "a call that may be in flight is still looked after",
        |case| case.intends(OperationKind::Create),
        "read look",
    ),
];

#[test]
fn observe_shows_and_never_changes() {
    table(observing, ROWS);
}

#[test]
fn the_status_of_an_observed_vm_tells_its_id_but_nothing_is_recorded() {
    let decision = observing().next();
    assert_eq!(decision.status.id, Some(VM.get()));
    assert_eq!(decision.status.ip_address.as_deref(), Some("10.1.2.3"));
    assert_eq!((decision.status.ledger, decision.step), (None, Step::Nothing));
}

#[test]
fn observe_keeps_the_record_of_a_managed_vm_and_drops_the_finalizer() {
    let mut case = Case::managed();
    case.edits(|spec| spec.management_policy = ManagementPolicy::Observe);
    let decision = case.next();
    assert_eq!(decision.step, Step::RemoveFinalizer);
    case.write(&decision);
    let decision = case.at_rest().next();
    assert_eq!(says(&decision), "Ready Running");
    assert!(decision.status.ledger.is_some(), "the record stays");
}

#[test]
fn observe_first_gives_back_the_power_that_was_taken() {
    let mut case = Case::managed();
    case.ledger().resume = Some(Resume::Resize);
    case.edits(|spec| spec.management_policy = ManagementPolicy::Observe);
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.says(), "send Start");
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    assert_ne!(case.says(), "send Start", "unless it shall be stopped");
}

#[test]
fn observe_says_what_it_owes_when_the_start_is_refused() {
    let mut case = Case::managed();
    case.ledger().resume = Some(Resume::Resize);
    case.edits(|spec| spec.management_policy = ManagementPolicy::Observe);
    case.shows(|detail| detail.state = InstanceState::Inactive);
    case.operated(OperationKind::Start, OperationResult::Refused, 60);
    assert_eq!(case.says(), "Stalled ActionFailed");
    assert_eq!(case.ledger().resume, Some(Resume::Resize), "it is tried again");
}

#[test]
fn observe_keeps_the_finalizer_while_a_snapshots_call_may_be_in_flight() {
    let mut case = Case::managed();
    case.edits(|spec| spec.management_policy = ManagementPolicy::Observe);
    assert_eq!(case.says(), "let go");
    case.snapshots.intent = Some("weekly".to_owned());
    assert_ne!(case.says(), "let go");
}

#[test]
fn a_vm_that_is_bound_under_observe_is_not_changed_in_the_same_pass() {
    // The outcome of a creation is known while the policy says Observe: nothing but reads may follow.
    let mut case = Case::fresh();
    case.shows(|_| {});
    case.intends(OperationKind::Create);
    case.operates(OperationKind::Create, Some(crate::fixture::ACTION));
    case.spec.management_policy = ManagementPolicy::Observe;
    case.spec.reset = Some(itcare_operator::crd::instance::ResetRequest {
        requested_at: crate::fixture::wall_at(-60),
        comment: None,
        not_after: None,
    });
    case.looked(&[], &[detail().listed()]);
    assert_eq!(case.says(), "save");
}

#[test]
fn a_bound_vm_that_another_object_claims_is_not_reset_in_the_same_pass() {
    let mut case = Case::fresh();
    case.shows(|_| {});
    case.intends(OperationKind::Create);
    case.operates(OperationKind::Create, Some(crate::fixture::ACTION));
    case.claim = Claim::LostTo(ObjectKey::new("shop", "older"));
    case.asks_reset(60);
    case.looked(&[], &[detail().listed()]);
    assert_eq!(case.says(), "save", "the resolution is not blocked (DESIGN 5.4), the reset is");
}

const SUSPENDED: &[Row] = &[
    ("nothing moves", |_| {}, "Ready Running"),
    (
        "a change waits",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Stopped)),
        "Ready Running",
    ),
    ("a reset waits", |case| case.asks_reset(60), "Ready Running"),
    ("a vanished VM is not even noticed", Case::gone, "Ready Running"),
    ("deletion waits and says so", Case::deletes, "Working Deleting"),
    (
        "deletion with Retain still lets go",
        |case| {
            case.deletes();
            case.spec.deletion_policy = Some(itcare_operator::crd::instance::DeletionPolicy::Retain);
        },
        "let go",
    ),
    (
        "a call that may be in flight is still looked after",
        |case| case.intends(OperationKind::Reset),
        "read look",
    ),
];

#[test]
fn suspend_makes_no_call() {
    let suspended = || {
        let mut case = Case::managed();
        case.edits(|spec| spec.suspend = true);
        case
    };
    table(suspended, SUSPENDED);
}

#[test]
fn suspend_acknowledges_the_generation_and_keeps_ready_as_it_was() {
    let mut case = Case::managed();
    case.edits(|spec| spec.suspend = true);
    let decision = case.next();
    assert_eq!(decision.status.observed_generation, Some(case.object.generation));
    assert_eq!(stands(&decision.status.conditions), "Ready Running");
    assert_eq!(decision.wake, Wake::OnChange);

    let broken = |type_: ConditionType, status: &str| Condition {
        type_: type_.as_str().to_owned(),
        status: status.to_owned(),
        observed_generation: Some(case.object.generation - 1),
        last_transition_time: wall(),
        reason: "ActionFailed".to_owned(),
        message: "spec.size: Resize of PWEB01 failed three times; correct the spec".to_owned(),
    };
    case.status.conditions =
        vec![broken(ConditionType::Ready, "False"), broken(ConditionType::Stalled, "True")];
    let decision = case.next();
    assert_eq!(stands(&decision.status.conditions), "Stalled ActionFailed");
    assert!(condition::find(&decision.status.conditions, ConditionType::Reconciling).is_none());
}

#[test]
fn a_vm_created_while_the_object_was_suspended_is_bound_and_left_alone() {
    let mut case = Case::fresh();
    case.shows(|_| {});
    case.intends(OperationKind::Create);
    case.operates(OperationKind::Create, Some(action().id));
    case.edits(|spec| {
        spec.suspend = true;
        spec.power_state = Some(PowerState::Stopped);
    });
    let decision = case.next();
    assert_eq!(crate::table::saved(&decision).instance, Some(VM));
    case.write(&decision);
    assert_eq!(case.next().step, Step::Nothing);
}
