//! Taking over a VM that exists: by id, and by name where the policy says so.

use itcare_operator::crd::instance::{AdoptionPolicy, DriftPolicy};
use itcare_operator::decide::Step;
use itcare_operator::decide::decision::Need;
use itcare_operator::model::{
    FailureClass, HostName, InstanceState, ObjectKey, Observed, Origin, PowerState, ServiceId,
};

use crate::fixture::{Case, NOW, PASS, SERVICE, VM, detail, seconds, twin};
use crate::table::{Row, message, saved, table};

fn by_id() -> Case {
    let mut case = Case::fresh();
    case.spec.instance_id = Some(VM.get());
    case.shows(|_| {});
    case
}

fn by_name() -> Case {
    let mut case = Case::fresh();
    case.spec.adoption_policy = AdoptionPolicy::ByName;
    case.shows(|_| {});
    case
}

const ROWS: &[Row] = &[
    ("a VM that fits is bound", |_| {}, "save"),
    (
        "its detail must be of this pass",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) },
        "read detail",
    ),
    ("its detail is not known", |case| case.cloud.detail = Observed::Unknown, "read detail"),
    ("it is not there", |case| case.cloud.detail = Observed::Absent { at: NOW }, "Stalled InstanceMissing"),
    (
        "it was removed",
        |case| case.shows(|detail| detail.state = InstanceState::Removed),
        "Stalled InstanceMissing",
    ),
    (
        "it has another name",
        |case| {
            let other = itcare_operator::model::Detail { name: HostName::new("PDB01"), ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Stalled IdentityMismatch",
    ),
    (
        "it belongs to another service",
        |case| {
            let other = itcare_operator::model::Detail { service: Some(ServiceId::new(14)), ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Stalled IdentityMismatch",
    ),
    (
        "the API answers with another VM than the one asked for",
        |case| {
            let other = itcare_operator::model::Detail { id: crate::fixture::OTHER_VM, ..detail() };
            case.cloud.detail = Observed::Present { value: other, at: NOW };
        },
        "Stalled IdentityMismatch",
    ),
    (
        "another object has recorded it",
        |case| case.elsewhere = vec![(VM, ObjectKey::new("shop", "older"))],
        "Stalled Conflict",
    ),
    (
        "it cannot be read",
        |case| {
            case.cloud.detail = Observed::Unknown;
            case.failed(Need::Detail(VM), FailureClass::Transient, Some(503));
        },
        "Working ProgressingWithRetry",
    ),
];

#[test]
fn a_vm_is_adopted_by_id_only_after_a_look_at_it() {
    table(by_id, ROWS);
}

#[test]
fn a_vm_of_the_name_is_adopted_where_the_policy_says_so() {
    let decision = by_name().next();
    let ledger = saved(&decision);
    assert_eq!((ledger.instance, ledger.origin), (Some(VM), Some(Origin::Adopted)));
    let mut never = by_name();
    never.spec.adoption_policy = AdoptionPolicy::Never;
    assert_eq!(never.says(), "Stalled NameTaken");
}

#[test]
fn a_vm_of_the_name_in_another_state_of_the_list_is_still_looked_at_first() {
    let mut case = by_name();
    case.cloud.named = Observed::Present { value: vec![twin()], at: NOW };
    case.cloud.detail = Observed::Unknown;
    assert_eq!(case.next().step, Step::Observe(Need::Detail(twin().id)));
}

#[test]
fn an_adopted_vm_is_recorded_with_its_identity_and_everything_counts_as_applied() {
    let mut case = by_id();
    case.spec.backup = serde_json::from_value(serde_json::json!({"enabled": true})).ok();
    case.spec.drift_policy = DriftPolicy::Report;
    let decision = case.next();
    let Step::SaveLedger { ledger, finalizer } = &decision.step else { panic!("{:?}", decision.step) };
    assert!(finalizer, "the finalizer comes with the record");
    assert_eq!(ledger.name, Some(HostName::new("PWEB01")));
    assert_eq!(ledger.service, Some(SERVICE));
    assert_eq!(ledger.applied.as_ref().map(|applied| applied.groups.len()), Some(2), "size and backup");
    case.write(&decision);
    let decision = case.at_rest().next();
    assert_eq!(crate::table::says(&decision), "Ready Running", "Report leaves it so at adoption");
}

#[test]
fn an_adopted_vm_is_corrected_only_after_the_record_is_written() {
    let mut case = by_id();
    case.spec.power_state = Some(PowerState::Stopped);
    let decision = case.next();
    assert_eq!(crate::table::says(&decision), "save");
    case.write(&decision);
    assert_eq!(case.says(), "send Stop");
}

#[test]
fn the_messages_name_the_id_and_the_cure() {
    let mut case = by_id();
    case.gone();
    assert!(message(&case.next()).contains("5220149"));
    let mut case = by_id();
    case.elsewhere = vec![(VM, ObjectKey::new("shop", "older"))];
    let text = message(&case.next());
    assert!(text.contains("shop/older") && text.contains("Retain"), "{text}");
}
