//! What must be known just before any call that changes something (DESIGN 5.3).

use itcare_operator::decide::decision::Need;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{FailureClass, InstanceState, Observed, PowerState};

use crate::fixture::{Case, NOW, PASS, VM, action, detail, seconds, site};
use crate::table::{Row, message, table};

fn due() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case
}

const ROWS: &[Row] = &[
    ("all is known", |_| {}, "send Stop"),
    ("the object was not read live", |case| case.cloud.object_unchanged = None, "read object"),
    (
        "the object changed under us: the newer one is decided upon",
        |case| case.cloud.object_unchanged = Some(false),
        "Ready Running",
    ),
    (
        "the detail is of an earlier pass",
        |case| case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) },
        "read detail",
    ),
    (
        "the running actions were asked for before the detail",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
        "read running",
    ),
    ("the running actions are not known", |case| case.cloud.running = Observed::Unknown, "read running"),
    ("an action runs", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    (
        "the object cannot be read",
        |case| {
            case.cloud.object_unchanged = None;
            case.failed(Need::Object, FailureClass::Transient, None);
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the detail cannot be read",
        |case| {
            case.cloud.detail = Observed::Present { value: detail(), at: PASS - seconds(1) };
            case.failed(Need::Detail(VM), FailureClass::Garbled, Some(200));
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the running actions cannot be read",
        |case| {
            case.cloud.running = Observed::Unknown;
            case.failed(Need::Running { since: NOW }, FailureClass::Forbidden, Some(403));
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the detail was read before our last effect ended",
        |case| case.memory.effect_end = NOW + seconds(1),
        "read detail",
    ),
];

#[test]
fn a_call_goes_out_only_when_all_was_seen_just_before() {
    table(due, ROWS);
}

#[test]
fn a_deletion_asks_for_the_same() {
    let deleting = || {
        let mut case = Case::managed();
        case.deletes();
        case.shows(|detail| detail.state = InstanceState::Inactive);
        case
    };
    let rows: &[Row] = &[
        ("all is known", |_| {}, "send Delete"),
        ("the object was not read live", |case| case.cloud.object_unchanged = None, "read object"),
        (
            "the running actions were asked for before the detail",
            |case| case.cloud.running = Observed::Present { value: Vec::new(), at: NOW - seconds(1) },
            "read running",
        ),
        ("an action runs", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
        (
            "the detail is of an earlier pass",
            |case| {
                let mut stopped = detail();
                stopped.state = InstanceState::Inactive;
                case.cloud.detail = Observed::Present { value: stopped, at: PASS - seconds(1) };
            },
            "read detail",
        ),
    ];
    table(deleting, rows);
}

#[test]
fn somebody_elses_action_is_waited_for_and_named() {
    let mut case = due();
    let mut foreign = action();
    foreign.submitted_by = Some("alice".to_owned());
    foreign.process = Some("vm_defragment".to_owned());
    case.runs(&[foreign]);
    let decision = case.next();
    let text = message(&decision);
    for words in ["alice", "vm_defragment", "41900"] {
        assert!(text.contains(words), "{words}: {text}");
    }
    assert_eq!(decision.wake, Wake::After(site().action_interval));
}

#[test]
fn what_ran_a_moment_ago_asks_for_a_new_detail() {
    // The action that we waited for may have changed what the detail shows.
    let mut case = due();
    case.runs(&[action()]);
    let decision = case.next();
    case.write(&decision);
    case.later(seconds(5));
    assert!(matches!(case.next().step, Step::Observe(Need::Detail(VM))), "{}", case.says());
}

#[test]
fn no_call_is_sent_from_a_ledger_that_is_not_written_yet() {
    let mut case = due();
    case.ledger().applied = None;
    case.spec.drift_policy = itcare_operator::crd::instance::DriftPolicy::Correct;
    let decision = case.next();
    assert_eq!(crate::table::says(&decision), "save", "the size that matched is recorded first");
    case.write(&decision);
    assert_eq!(case.says(), "send Stop");
}
