//! Whose ledger a snapshot object carries (DESIGN 5.1): its own, that of the object it was before a restore, or one
//! that speaks of another VM.

use itcare_operator::model::{ClusterId, HostName, ServiceId};

use crate::fixture_snapshot::{Row, SnapshotCase, table};

const ROWS: &[Row] = &[
    ("its own", |case| case.object.uid = "uid-7".to_owned(), "Ready Available"),
    ("restored, of the same VM", |_| {}, "save"),
    ("restored, while its instance object is away", |case| case.instance = None, "save"),
    (
        "restored, and its instance names another VM by now",
        |case| case.instance.as_mut().expect("one").name = HostName::new("POTHER"),
        "Stalled IdentityMismatch",
    ),
    (
        "restored, and its instance is of another service by now",
        |case| case.instance.as_mut().expect("one").service = ServiceId::new(99),
        "Stalled IdentityMismatch",
    ),
    (
        "restored with a ledger that names no VM yet",
        |case| (case.ledger().name, case.ledger().service) = (None, None),
        "save",
    ),
    (
        "its own, though its instance names another VM by now: the recorded ids decide",
        |case| {
            case.object.uid = "uid-7".to_owned();
            case.instance.as_mut().expect("one").name = HostName::new("POTHER");
        },
        "Ready Available",
    ),
    (
        "of another cluster",
        |case| case.ledger().cluster = ClusterId::new("far-away"),
        "Stalled ForeignLedger",
    ),
    ("a copy of another object's", |case| case.ledger().object = "shop/other".to_owned(), "drop"),
];

#[test]
fn a_restored_snapshot_is_followed_only_if_it_is_of_the_vm_that_its_instance_names() {
    table(restored, ROWS);
}

/// Taken, then made anew by a restore: another uid.
fn restored() -> SnapshotCase {
    let mut case = SnapshotCase::taken();
    case.object.uid = "uid-8".to_owned();
    case
}
