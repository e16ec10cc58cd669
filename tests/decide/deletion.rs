//! Deletion (DESIGN 5.6): by the recorded id only, and what counts as gone.

use itcare_operator::crd::instance::{DeletionPolicy, ManagementPolicy};
use itcare_operator::decide::Step;
use itcare_operator::decide::decision::{Call, CallAction, Need};
use itcare_operator::model::{
    AccountId, ActionStatus, FailureClass, InstanceState, Listed, Observed, OperationKind, OperationResult,
    Origin, ServiceId,
};

use crate::fixture::{ACTION, Case, NOW, PASS, SETTLE, VM, action, detail, ended, seconds};
use crate::table::{Row, message, says, table};

fn deleting() -> Case {
    let mut case = Case::managed();
    case.deletes();
    case
}

const ROWS: &[Row] = &[
    ("a running VM is stopped first", |_| {}, "send Stop"),
    (
        "a stopped VM is deleted",
        |case| case.shows(|detail| detail.state = InstanceState::Inactive),
        "send Delete",
    ),
    (
        "in a state that nobody knows, with nothing running, deletion is tried",
        |case| case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned())),
        "send Delete",
    ),
    (
        "and was refused: a person must mend it",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned()));
            case.operated(OperationKind::Delete, OperationResult::Refused, 60);
        },
        "Stalled DeletionBlocked",
    ),
    (
        "and was refused in that very state, long ago: it was tried once",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned()));
            case.operated(OperationKind::Delete, OperationResult::Refused, 7200);
            case.last().state = Some("BROKEN".to_owned());
        },
        "Stalled DeletionBlocked",
    ),
    (
        "and failed in that very state, long ago: that says nothing of the state",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned()));
            case.operated(OperationKind::Delete, OperationResult::Failed, 7200);
            case.last().state = Some("BROKEN".to_owned());
        },
        "send Delete",
    ),
    (
        "and was refused in that very state for an earlier wish",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned()));
            case.operated(OperationKind::Delete, OperationResult::Refused, 7200);
            case.last().state = Some("BROKEN".to_owned());
            case.last().generation = Some(0);
        },
        "send Delete",
    ),
    (
        "and was refused long ago in another state",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Other("BROKEN".to_owned()));
            case.operated(OperationKind::Delete, OperationResult::Refused, 7200);
            case.last().state = Some("LOCKED".to_owned());
        },
        "send Delete",
    ),
    (
        "a deletion that failed a moment ago",
        |case| {
            case.shows(|detail| detail.state = InstanceState::Inactive);
            case.operated(OperationKind::Delete, OperationResult::Failed, 1);
        },
        "Working Deleting",
    ),
    (
        "a stop that failed three times",
        |case| {
            case.operated(OperationKind::Stop, OperationResult::Failed, 60);
            case.last().failures = Some(3);
        },
        "Stalled DeletionBlocked",
    ),
    (
        "ITCare says that it is removed",
        |case| case.shows(|detail| detail.state = InstanceState::Removed),
        "let go",
    ),
    (
        "the object was never more than a name",
        |case| {
            case.ledger().instance = None;
            case.cloud = itcare_operator::decide::Cloud::default();
        },
        "let go",
    ),
    ("there is no ledger at all", |case| case.ledger = Ok(None), "let go"),
    ("our finalizer is off already", |case| case.object.has_finalizer = false, "Ready Running"),
    ("an adopted VM is retained", |case| case.ledger().origin = Some(Origin::Adopted), "let go"),
    (
        "an adopted VM is deleted when the policy says so",
        |case| {
            case.ledger().origin = Some(Origin::Adopted);
            case.spec.deletion_policy = Some(DeletionPolicy::Delete);
        },
        "send Stop",
    ),
    (
        "a created VM is retained when the policy says so",
        |case| case.spec.deletion_policy = Some(DeletionPolicy::Retain),
        "let go",
    ),
    (
        "an observed VM is nobody's to delete",
        |case| case.spec.management_policy = ManagementPolicy::Observe,
        "let go",
    ),
    (
        "Retain needs no read at all",
        |case| {
            case.spec.deletion_policy = Some(DeletionPolicy::Retain);
            case.cloud = itcare_operator::decide::Cloud::default();
        },
        "let go",
    ),
    (
        "a snapshot's call in flight is waited for",
        |case| case.snapshots.intent = Some("nightly".to_owned()),
        "Working Deleting",
    ),
    (
        "an action of ours that runs is waited for",
        |case| {
            case.operates(OperationKind::Resize, Some(ACTION));
            case.runs(&[action()]);
        },
        "Working Resizing",
    ),
    (
        "the namespace may not use the service any more",
        |case| case.allowed = false,
        "Stalled ServiceNotAllowed",
    ),
    (
        "and a snapshot of it may be in flight",
        |case| {
            case.snapshots.intent = Some("nightly".to_owned());
            case.spec.deletion_policy = Some(DeletionPolicy::Retain);
        },
        "Working Deleting",
    ),
];

#[test]
fn a_deletion_goes_step_by_step() {
    table(deleting, ROWS);
}

#[test]
fn the_call_names_the_recorded_id() {
    let mut case = deleting();
    case.shows(|detail| detail.state = InstanceState::Inactive);
    case.spec.change_reference = Some("CHG9".to_owned());
    let expected = Call { id: VM, change_reference: Some("CHG9".to_owned()), action: CallAction::Delete };
    assert_eq!(case.next().step, Step::Call(expected));
}

/// 404 for the id, and the list agrees; nothing tells that we deleted it.
fn missing() -> Case {
    let mut case = deleting();
    case.gone();
    case
}

const UNKNOWN: &[(&str, FailureClass, Option<u16>)] = &[
    ("401", FailureClass::Unauthenticated, Some(401)),
    ("403", FailureClass::Forbidden, Some(403)),
    ("no network", FailureClass::Transient, None),
    ("a garbled answer", FailureClass::Garbled, Some(200)),
    ("no credentials", FailureClass::NoCredentials, None),
];

#[test]
fn what_is_not_an_answer_proves_nothing() {
    for (what, class, status) in UNKNOWN {
        let mut case = missing();
        case.cloud.detail = Observed::Unknown;
        case.memory.missing_seen = Some(NOW - SETTLE * 2);
        case.failed(Need::Detail(VM), *class, *status);
        let said = case.says();
        assert!(said.starts_with("Working") || said.starts_with("Stalled"), "{what}: {said}");
    }
}

const FIRST_404: &[Row] = &[
    (
        "our deletion ended well before: gone",
        |case| case.operated(OperationKind::Delete, OperationResult::Succeeded, 600),
        "let go",
    ),
    (
        "our deletion failed before: that proves nothing",
        |case| case.operated(OperationKind::Delete, OperationResult::Failed, 600),
        "Working Deleting",
    ),
    (
        "our deletion was refused before: that proves nothing",
        |case| case.operated(OperationKind::Delete, OperationResult::Refused, 600),
        "Working Deleting",
    ),
    (
        "something else of ours ended well before",
        |case| case.operated(OperationKind::Stop, OperationResult::Succeeded, 600),
        "Working Deleting",
    ),
];

#[test]
fn the_first_404_is_enough_only_after_our_own_deletion_ended_well() {
    table(missing, FIRST_404);
}

#[test]
fn one_404_is_asked_for_once_more_a_settle_time_later() {
    let mut case = missing();
    let decision = case.next();
    assert_eq!(says(&decision), "Working Deleting");
    assert_eq!(decision.memory.missing_seen, Some(NOW));
    case.write(&decision);
    case.later(SETTLE - seconds(1));
    case.cloud.detail = Observed::Absent { at: case.now.mono };
    assert_eq!(case.says(), "Working Deleting", "too early");
    case.later(seconds(1));
    assert_eq!(case.says(), "read detail");
    case.cloud.detail = Observed::Absent { at: case.now.mono };
    assert_eq!(case.says(), "read list", "the list must be as fresh");
    case.cloud.listed = Observed::Absent { at: case.now.mono };
    assert_eq!(case.says(), "let go");
}

/// 404 twice, a settle time apart, and a list without it.
fn gone_twice() -> Case {
    let mut case = missing();
    case.memory.missing_seen = Some(NOW - SETTLE);
    case
}

const GONE: &[Row] = &[
    ("404 twice and a list without it", |_| {}, "let go"),
    (
        "the list still shows it",
        |case| {
            case.cloud.listed = Observed::Present { value: detail().listed(), at: NOW };
        },
        "Working Deleting",
    ),
    (
        "the list shows what is left of it",
        |case| {
            let item = Listed { state: InstanceState::Removed, ..detail().listed() };
            case.cloud.listed = Observed::Present { value: item, at: NOW };
        },
        "let go",
    ),
    ("the list is older", |case| case.cloud.listed = Observed::Absent { at: NOW - seconds(1) }, "read list"),
    (
        "the list cannot be read",
        |case| {
            case.cloud.listed = Observed::Unknown;
            case.failed(
                Need::List { service: ServiceId::new(13), since: NOW },
                FailureClass::Forbidden,
                Some(403),
            );
        },
        "Working ProgressingWithRetry",
    ),
    (
        "several VMs vanished at once",
        |case| case.cloud.missing_is_evidence = false,
        "Stalled DeletionBlocked",
    ),
    (
        "the account is another one, and no other VM of the service reads right",
        |case| {
            case.ledger().account = AccountId::new("other");
            case.cloud.missing_is_evidence = false;
        },
        "Stalled DeletionBlocked",
    ),
    (
        "the 404 is of an earlier pass",
        |case| case.cloud.detail = Observed::Absent { at: PASS - seconds(1) },
        "read detail",
    ),
    (
        "after a restart the first 404 is the first",
        |case| case.memory = itcare_operator::decide::Memory::default(),
        "Working Deleting",
    ),
];

#[test]
fn a_vm_that_we_did_not_delete_counts_as_gone_only_after_proof() {
    table(gone_twice, GONE);
}

#[test]
fn a_vm_that_reappears_starts_the_count_anew() {
    let mut case = gone_twice();
    case.shows(|_| {});
    assert_eq!(case.next().memory.missing_seen, None);
}

#[test]
fn a_404_that_proves_nothing_says_why() {
    for (account, words) in
        [(None, "several VMs vanished at once"), (Some(AccountId::new("other")), "the account has changed")]
    {
        let mut case = gone_twice();
        case.cloud.missing_is_evidence = false;
        if let Some(account) = account {
            case.ledger().account = account;
        }
        let text = message(&case.next());
        assert!(text.contains(words) && text.contains("service 13"), "{text}");
    }
}

#[test]
fn blocked_deletions_say_what_helps() {
    let mut case = gone_twice();
    case.cloud.missing_is_evidence = false;
    let text = message(&case.next());
    for words in ["5220149", "service 13", "Retain"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

/// Our DELETE was sent, and its action is not in the list of running ones any more.
fn deleted() -> Case {
    let mut case = deleting();
    case.operates(OperationKind::Delete, Some(ACTION));
    case.memory.effect_end = NOW - seconds(30);
    case.shows(|detail| detail.state = InstanceState::Inactive);
    case
}

const AFTER: &[Row] = &[
    ("its action runs", |case| case.runs(&[action()]), "Working Deleting"),
    ("its action decides", |_| {}, "read action"),
    ("its action says that it runs", |case| case.read(action()), "Working Deleting"),
    (
        "success, and 404: gone",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.gone();
        },
        "let go",
    ),
    (
        "success, and the id reads REMOVED: gone",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.shows(|detail| detail.state = InstanceState::Removed);
        },
        "let go",
    ),
    (
        "success, and nobody looked since",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.cloud.detail = Observed::Absent { at: NOW - seconds(60) };
        },
        "read detail",
    ),
    (
        "its action says that it runs, and the VM is gone already: only its end proves that",
        |case| {
            case.read(action());
            case.gone();
        },
        "Working Deleting",
    ),
    (
        "success a settle time ago, and the VM is still shown",
        |case| {
            case.read(ended(ActionStatus::Success));
            case.memory.first_end(ACTION, NOW - SETTLE);
        },
        "Working Deleting",
    ),
    (
        "success, and the VM is still shown: it may lag",
        |case| case.read(ended(ActionStatus::Success)),
        "Working Deleting",
    ),
    ("success, but 404 alone while its action is not read is not enough", Case::gone, "read action"),
    ("it failed: told, and tried again", |case| case.read(ended(ActionStatus::Error)), "Working Deleting"),
    (
        "ITCare has forgotten the action, and the VM is still there",
        |case| case.cloud.action = Some((ACTION, Observed::Absent { at: NOW })),
        "send Delete",
    ),
];

#[test]
fn our_own_deletion_is_followed_until_the_vm_is_gone() {
    table(deleted, AFTER);
}

#[test]
fn a_deletion_that_ended_well_and_changed_nothing_is_decided_anew_after_the_settle_time() {
    for (ago, anew) in [(SETTLE, false), (SETTLE + seconds(1), true), (SETTLE * 3, true)] {
        let mut case = deleted();
        case.read(ended(ActionStatus::Success));
        case.memory.first_end(ACTION, NOW - ago);
        let status = case.next().status;
        assert_eq!(status.operation.is_none(), anew, "{ago:?}");
        let failed = status.last_operation.is_some_and(|last| last.result == OperationResult::Failed);
        assert_eq!(failed, anew, "{ago:?}");
    }
}

#[test]
fn a_vm_that_is_still_shown_after_its_deletion_is_read_again() {
    let mut case = deleted();
    case.read(ended(ActionStatus::Success));
    let decision = case.next();
    case.write(&decision);
    case.later(seconds(5));
    case.read(ended(ActionStatus::Success));
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(case.says(), "read detail", "what was seen five seconds ago says nothing about now");
    case.cloud.detail = Observed::Absent { at: case.now.mono };
    assert_eq!(case.says(), "let go");
}

#[test]
fn an_unclear_deletion_is_decided_anew() {
    let mut case = deleted();
    case.operates(OperationKind::Delete, None);
    case.memory.unclear_seen = Some((crate::fixture::wall_at(-30), NOW - seconds(30)));
    assert_eq!(case.says(), "Working ResolvingOutcome");
    case.later(SETTLE);
    assert_eq!(case.says(), "read running");
    case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono };
    assert_eq!(case.says(), "read detail");
    case.cloud.detail = Observed::Absent { at: case.now.mono };
    assert_eq!(case.says(), "Working Deleting", "404 alone is no proof: once more, and the list");
}

#[test]
fn a_deletion_never_creates_and_never_updates() {
    let mut case = deleting();
    case.edits(|spec| {
        spec.size = Some("4cpu8gb".to_owned());
        spec.power_state = Some(itcare_operator::model::PowerState::Running);
    });
    case.asks_reset(60);
    case.looked(&[], &[]);
    assert_eq!(case.says(), "send Stop");
    case.shows(|detail| detail.state = InstanceState::Inactive);
    assert_eq!(case.says(), "send Delete");
}
