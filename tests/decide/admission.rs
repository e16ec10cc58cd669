//! Whose ledger it is (DESIGN 5.1): copies, other clusters, other objects, damaged text.

use itcare_operator::crd::instance::DeletionPolicy;
use itcare_operator::decide::Step;
use itcare_operator::model::{
    AccountId, ClusterId, HostName, InstanceId, Ledger, LedgerError, OperationKind, Origin, ServiceId,
};

use crate::fixture::{Case, VM, new_ledger};
use crate::table::{Row, message, saved, says, table};

const ROWS: &[Row] = &[
    ("our own ledger is followed", |_| {}, "Ready Running"),
    (
        "a ledger of an unknown cluster is followed by nobody",
        |case| case.ledger().cluster = ClusterId::new("far-away"),
        "Stalled ForeignLedger",
    ),
    (
        "a ledger of a cluster that --previous-cluster-id lists is taken over",
        |case| case.ledger().cluster = ClusterId::new("previous-cluster"),
        "save",
    ),
    (
        "a ledger of another cluster is taken over once spec.instanceId names its VM",
        |case| {
            case.ledger().cluster = ClusterId::new("far-away");
            case.spec.instance_id = Some(VM.get());
        },
        "save",
    ),
    (
        "naming another VM does not open a ledger of another cluster",
        |case| {
            case.ledger().cluster = ClusterId::new("far-away");
            case.spec.instance_id = Some(VM.get() + 1);
        },
        "Stalled ForeignLedger",
    ),
    (
        "naming a VM does not open a ledger of another cluster that recorded none",
        |case| {
            let ledger = case.ledger();
            ledger.cluster = ClusterId::new("far-away");
            ledger.instance = None;
            case.spec.instance_id = Some(VM.get());
        },
        "Stalled ForeignLedger",
    ),
    (
        "the ledger of another object is a copy, and dropped",
        |case| case.ledger().object = "shop/other".to_owned(),
        "drop",
    ),
    (
        "the ledger of an object of that name in another namespace is a copy, and dropped",
        |case| case.ledger().object = "stage/web".to_owned(),
        "drop",
    ),
    (
        "a re-created object of the same name takes its VM back",
        |case| case.object.uid = "uid-2".to_owned(),
        "save",
    ),
    (
        "a re-created object with another host name does not",
        |case| {
            case.object.uid = "uid-2".to_owned();
            case.spec.name = "PWEB02".to_owned();
        },
        "Stalled IdentityMismatch",
    ),
    (
        "a re-created object in another service does not",
        |case| {
            case.object.uid = "uid-2".to_owned();
            case.spec.service_id = 14;
        },
        "Stalled IdentityMismatch",
    ),
    (
        "host names are the same in upper and lower case",
        |case| {
            case.object.uid = "uid-2".to_owned();
            case.ledger().name = Some(HostName::new("pweb01"));
        },
        "save",
    ),
    (
        "a ledger of a newer version is left alone",
        |case| case.ledger = Err(LedgerError::Newer(2)),
        "Stalled LedgerUnreadable",
    ),
    (
        "a garbled ledger is left alone",
        |case| case.ledger = Err(LedgerError::Garbled("expected value".to_owned())),
        "Stalled LedgerUnreadable",
    ),
    ("status.id without a ledger is no ownership", |case| case.ledger = Ok(None), "Stalled NameTaken"),
];

#[test]
fn a_ledger_is_followed_only_where_it_belongs() {
    table(Case::managed, ROWS);
}

#[test]
fn a_taken_over_ledger_speaks_of_this_object_and_keeps_everything_else() {
    let mut case = Case::managed();
    let before = case.ledger().clone();
    case.object.uid = "uid-2".to_owned();
    let after = saved(&case.next());
    assert_eq!((after.uid.as_str(), after.seq), ("uid-2", before.seq + 1));
    assert_eq!(Ledger { uid: before.uid.clone(), seq: before.seq, ..after }, before);

    case.object.uid = "uid-1".to_owned();
    case.ledger().cluster = ClusterId::new("previous-cluster");
    assert_eq!(saved(&case.next()).cluster, ClusterId::new("this-cluster"));
}

#[test]
fn a_taken_over_ledger_is_written_before_any_call() {
    let mut case = Case::managed();
    case.object.uid = "uid-2".to_owned();
    case.edits(|spec| spec.power_state = Some(itcare_operator::model::PowerState::Stopped));
    assert_eq!(case.says(), "save");
    let decision = case.next();
    case.write(&decision);
    assert_eq!(case.says(), "send Stop");
}

#[test]
fn a_dropped_copy_leaves_no_trace_of_the_other_vm_and_is_told() {
    let mut case = Case::managed();
    case.ledger().object = "shop/other".to_owned();
    case.operates(OperationKind::Resize, Some(crate::fixture::ACTION));
    let decision = case.next();
    assert_eq!(decision.step, Step::DropLedger);
    assert_eq!((decision.status.ledger, decision.status.id, decision.status.operation), (None, None, None));
    assert_eq!(decision.notes.len(), 1, "an Event tells it");
    assert!(decision.notes[0].warning && decision.notes[0].message.contains("shop/other"));
}

#[test]
fn the_messages_say_how_to_get_out() {
    let mut case = Case::managed();
    case.ledger().cluster = ClusterId::new("far-away");
    let text = message(&case.next());
    for words in ["far-away", "--previous-cluster-id far-away", "spec.instanceId: 5220149"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    case.ledger = Err(LedgerError::Newer(9));
    assert!(message(&case.next()).contains("version 9"), "{}", message(&case.next()));
}

#[test]
fn retain_lets_go_whatever_the_ledger_says() {
    for spoil in [
        (|case: &mut Case| case.ledger().cluster = ClusterId::new("far-away")) as fn(&mut Case),
        |case| case.ledger = Err(LedgerError::Garbled("expected value".to_owned())),
        |case| case.ledger = Err(LedgerError::Newer(2)),
        |case| {
            case.object.uid = "uid-2".to_owned();
            case.spec.name = "PWEB02".to_owned();
        },
    ] {
        let mut case = Case::managed();
        spoil(&mut case);
        case.deletes();
        let kept = case.says();
        assert!(kept.starts_with("Stalled"), "without a policy it waits for a person: {kept}");
        case.spec.deletion_policy = Some(DeletionPolicy::Retain);
        assert_eq!(case.says(), "let go");
    }
}

#[test]
fn what_a_damaged_ledger_lacks_is_read_the_safe_way() {
    let mut case = Case::managed();
    case.ledger().origin = None;
    case.deletes();
    assert_eq!(case.says(), "let go", "no origin is Adopted, which is retained");

    let mut case = Case::managed();
    case.spec.drift_policy = itcare_operator::crd::instance::DriftPolicy::Report;
    case.spec.backup = Some(serde_json::from_value(serde_json::json!({"enabled": true})).expect("a group"));
    case.object.generation += 1;
    case.ledger().applied = None;
    let decision = case.at_rest().next();
    assert_eq!(says(&decision), "Ready Running", "no applied is everything applied");
    assert_eq!(decision.status.drift.len(), 1, "told, for good");
}

#[test]
fn of_two_copies_the_one_with_the_larger_seq_counts() {
    let with = |seq| Ledger { seq, origin: Some(Origin::Created), ..new_ledger() }.to_text();
    let (old, new) = (with(4), with(5));
    for (annotation, status, seq) in [
        (Some(&old), Some(&new), 5),
        (Some(&new), Some(&old), 5),
        (None, Some(&new), 5),
        (Some(&old), None, 4),
        (Some(&old), Some(&String::new()), 4),
    ] {
        let found = Ledger::newest(annotation.map(String::as_str), status.map(String::as_str));
        assert_eq!(found.expect("readable").expect("there").seq, seq);
    }
    assert_eq!(Ledger::newest(None, None), Ok(None));
    assert!(
        Ledger::newest(Some(&new), Some("{")).is_err(),
        "a copy that cannot be read may be the newer one"
    );
    let newer = r#"{"v":2,"seq":9,"cluster":{"anything":"else"}}"#;
    assert_eq!(Ledger::newest(Some(newer), None), Err(LedgerError::Newer(2)));
}

#[test]
fn a_ledger_survives_being_written_and_read() {
    let mut ledger = new_ledger();
    ledger.intent = Some(crate::fixture::intent(OperationKind::Create));
    ledger.instance = Some(InstanceId::new(7));
    ledger.service = Some(ServiceId::new(8));
    ledger.account = AccountId::new("other");
    assert_eq!(Ledger::parse(&ledger.to_text()), Ok(ledger));
}

#[test]
fn a_copy_of_another_objects_ledger_does_not_hide_our_own() {
    let ours = Ledger { seq: 4, ..new_ledger() }.to_text();
    let theirs = Ledger { seq: 9, object: "shop/other".to_owned(), ..new_ledger() }.to_text();
    let own = new_ledger().object;
    for (annotation, status) in [(&theirs, &ours), (&ours, &theirs)] {
        let found = Ledger::of(&own, Some(annotation), Some(status)).expect("readable").expect("there");
        assert_eq!((found.seq, found.object), (4, own.clone()));
    }
    let only = Ledger::of(&own, Some(&theirs), None).expect("readable").expect("there");
    assert_eq!(only.object, "shop/other", "alone it is a copy, and told");
}

#[test]
fn a_ledger_that_cannot_be_followed_costs_no_copy_of_it() {
    for spoil in [
        (|case: &mut Case| case.ledger = Err(LedgerError::Garbled("expected value".to_owned())))
            as fn(&mut Case),
        |case| case.ledger().cluster = ClusterId::new("far-away"),
    ] {
        let mut case = Case::managed();
        case.status.ledger = Some("the good copy".to_owned());
        spoil(&mut case);
        assert_eq!(case.next().status.ledger.as_deref(), Some("the good copy"));
    }
}

#[test]
fn without_a_ledger_no_operation_is_ours() {
    let mut case = Case::managed();
    case.operates(OperationKind::Create, Some(crate::fixture::ACTION));
    case.ledger = Ok(None);
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled NameTaken");
    assert_eq!(decision.status.operation, None);
}
