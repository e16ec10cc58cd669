//! Identity and claims (DESIGN 5.4): the same id, name and service at each read; one object per VM.

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::decide::instance::Claim;
use itcare_operator::model::{
    ActionStatus, Detail, HostName, InstanceState, ObjectKey, Observed, OperationKind, PowerState, Resume,
    ServiceId,
};

use crate::fixture::{ACTION, Case, NOW, OTHER_VM, VM, detail, ended};
use crate::table::{Row, message, table};

/// A managed VM with a change that is due.
fn due() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case
}

fn answers(case: &mut Case, adjust: impl FnOnce(&mut Detail)) {
    let mut other = detail();
    adjust(&mut other);
    case.cloud.detail = Observed::Present { value: other, at: NOW };
}

const IDENTITY: &[Row] = &[
    ("the VM is the one of the record", |_| {}, "send Stop"),
    (
        "its name differs only in case",
        |case| answers(case, |vm| vm.name = HostName::new("pweb01")),
        "send Stop",
    ),
    ("its service is not told", |case| answers(case, |vm| vm.service = None), "send Stop"),
    (
        "it has another name",
        |case| answers(case, |vm| vm.name = HostName::new("PWEB02")),
        "Stalled IdentityMismatch",
    ),
    (
        "it is in another service",
        |case| answers(case, |vm| vm.service = Some(ServiceId::new(14))),
        "Stalled IdentityMismatch",
    ),
    (
        "the answer speaks of another id",
        |case| answers(case, |vm| vm.id = OTHER_VM),
        "Stalled IdentityMismatch",
    ),
    (
        "spec.instanceId is the managed id",
        |case| case.spec.instance_id = Some(crate::fixture::VM.get()),
        "send Stop",
    ),
];

#[test]
fn nothing_is_sent_to_a_vm_that_is_not_the_recorded_one() {
    table(due, IDENTITY);
}

#[test]
fn an_instance_id_that_is_not_the_managed_one_stalls() {
    // DESIGN 4.1: once managed, only to the managed id; a wiped status unlocks the schema, so the core checks.
    let mut case = due();
    case.spec.instance_id = Some(OTHER_VM.get());
    let decision = case.next();
    assert_eq!(crate::table::says(&decision), "Stalled Ambiguous");
    for words in ["spec.instanceId".to_owned(), VM.to_string(), OTHER_VM.to_string(), "Retain".to_owned()] {
        assert!(message(&decision).contains(&words), "{words}: {}", message(&decision));
    }
}

#[test]
fn nothing_is_deleted_that_is_not_the_recorded_one() {
    for (why, adjust) in [
        ("name", (|vm: &mut Detail| vm.name = HostName::new("PWEB02")) as fn(&mut Detail)),
        ("service", |vm| vm.service = Some(ServiceId::new(14))),
        ("id", |vm| vm.id = OTHER_VM),
    ] {
        let mut case = Case::managed();
        case.deletes();
        answers(&mut case, |vm| {
            vm.state = InstanceState::Inactive;
            adjust(vm);
        });
        assert_eq!(case.says(), "Stalled IdentityMismatch", "another {why}");
        assert!(message(&case.next()).contains("Retain"), "the way out is told");
    }
}

#[test]
fn a_vm_that_was_renamed_behind_our_back_is_noticed_in_the_list() {
    let mut case = Case::managed();
    case.shows(|detail| detail.name = HostName::new("PWEB02"));
    assert_eq!(case.says(), "Stalled IdentityMismatch");
}

const LOST: &[Row] = &[
    ("a change is not sent", |_| {}, "Stalled Conflict"),
    ("a deletion is not sent", Case::deletes, "Stalled Conflict"),
    (
        "a deletion with Retain lets go",
        |case| {
            case.deletes();
            case.spec.deletion_policy = Some(DeletionPolicy::Retain);
        },
        "let go",
    ),
    (
        "power that was taken is not given back at the deletion: no call at all",
        |case| {
            case.deletes();
            case.spec.power_state = None;
            case.spec.deletion_policy = Some(DeletionPolicy::Retain);
            case.ledger().resume = Some(Resume::Resize);
            case.shows(|detail| detail.state = InstanceState::Inactive);
        },
        "let go",
    ),
    ("its own intent is looked after", |case| case.intends(OperationKind::Reset), "read look"),
    (
        "its own action is followed to the end",
        |case| {
            case.intends(OperationKind::Reset);
            case.operates(OperationKind::Reset, Some(ACTION));
            case.read(ended(ActionStatus::Success));
        },
        "save",
    ),
];

#[test]
fn an_object_without_the_claim_makes_no_call() {
    let lost = || {
        let mut case = due();
        case.claim = Claim::LostTo(ObjectKey::new("shop", "older"));
        case
    };
    table(lost, LOST);
}

#[test]
fn a_vanished_vm_is_told_and_never_created_again() {
    let mut case = Case::managed();
    case.gone();
    let decision = case.next();
    assert_eq!(crate::table::says(&decision), "Stalled InstanceMissing");
    assert_eq!(decision.status.id, Some(crate::fixture::VM.get()), "its id is still told");
    assert_eq!((decision.status.state.clone(), decision.status.power_state), (None, None));
    assert!(message(&decision).contains("delete this object"));
    case.write(&decision);
    case.edits(|spec| spec.power_state = Some(PowerState::Running));
    assert_eq!(case.says(), "Stalled InstanceMissing", "whatever the spec asks for");
}

#[test]
fn absence_from_the_list_is_confirmed_by_a_read_of_the_id() {
    let mut case = Case::managed();
    case.cloud.listed = Observed::Absent { at: NOW };
    case.cloud.detail = Observed::Present { value: detail(), at: NOW - crate::fixture::seconds(30) };
    assert_eq!(case.says(), "read detail");
    case.cloud.detail = Observed::Present { value: detail(), at: NOW };
    assert_eq!(case.says(), "Ready Running", "the list lagged");
}

#[test]
fn a_vm_that_comes_back_heals_the_object() {
    let mut case = Case::managed();
    case.gone();
    let decision = case.next();
    case.write(&decision);
    case.shows(|_| {});
    assert_eq!(case.at_rest().says(), "Ready Running");
}

#[test]
fn an_api_that_answers_with_another_id_is_told_and_not_asked_again_and_again() {
    // Which of its two ids the API takes is an open question (reference/itcare-api.md 11): a new VM that reads
    // under another id is IdentityMismatch, not a pass without end.
    let mut case = Case::fresh();
    case.shows(|_| {});
    case.intends(OperationKind::Create);
    case.operates(OperationKind::Create, Some(ACTION));
    answers(&mut case, |vm| vm.id = OTHER_VM);
    assert_eq!(case.says(), "Stalled IdentityMismatch");
}
