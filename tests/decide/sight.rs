//! What is at rest and cannot be seen, what waits for somebody else, and what must not be shown any more.
//!
//! Not here: how long ITCare must be away before the shell says so (`reconcile`).

use itcare_operator::crd::instance::{AdoptionPolicy, DriftPolicy, ManagementPolicy};
use itcare_operator::crd::status::SlotStatus;
use itcare_operator::decide::{Memory, Need, Step, Wake};
use itcare_operator::model::{
    FailureClass, InstanceState, Listed, Observed, OneShot, OperationKind, OperationResult, PowerState,
};

use crate::fixture::{
    ACTION, Case, NAME, NOW, VM, action, attempt, detail, failure, receipt, seconds, wall_at,
};
use crate::table::{Row, message, saved, says, stands, table};

/// A VM of ours at rest, whose detail was read some passes ago.
fn resting() -> Case {
    let mut case = Case::managed();
    case.later(seconds(600));
    case
}

/// No list of its service has come in for so long.
fn unlisted(case: &mut Case, span: u64, class: FailureClass) {
    case.cloud.unlisted = Some((case.now.mono - seconds(span), failure(class, None)));
    case.cloud.listed = Observed::Unknown;
}

const OUT_OF_SIGHT: &[Row] = &[
    ("lists come in", |_| {}, "Ready Running"),
    (
        "for less than two minutes none does",
        |case| unlisted(case, 119, FailureClass::Transient),
        "Ready Running",
    ),
    ("for two minutes", |case| unlisted(case, 120, FailureClass::Transient), "Unseen ProgressingWithRetry"),
    (
        "for long, but a detail was read since",
        |case| {
            unlisted(case, 3000, FailureClass::Transient);
            case.cloud.detail = Observed::Present { value: detail(), at: case.now.mono - seconds(119) };
        },
        "Ready Running",
    ),
    (
        "so long before it began to be seen that only that counts",
        |case| {
            unlisted(case, 119, FailureClass::Transient);
            case.cloud.detail = Observed::Present { value: detail(), at: NOW };
        },
        "Ready Running",
    ),
    (
        "without a right, sooner",
        |case| unlisted(case, 10, FailureClass::Forbidden),
        "Stalled PermissionDenied",
    ),
    (
        "without the right password, too",
        |case| unlisted(case, 10, FailureClass::Unauthenticated),
        "Stalled CredentialsRejected",
    ),
];

#[test]
fn what_rests_is_out_of_sight_once_no_list_comes_in_for_long() {
    table(resting, OUT_OF_SIGHT);
}

/// At rest, out of sight, and told so.
fn out_of_sight(class: FailureClass, told: &str) -> Case {
    let mut case = resting();
    unlisted(&mut case, 200, class);
    let lost = case.next();
    assert_eq!(says(&lost), told);
    assert!(case.write(&lost), "that is a change");
    case
}

#[test]
fn what_is_out_of_sight_stays_so_without_a_read_also_in_another_process() {
    let mut case = out_of_sight(FailureClass::Transient, "Unseen ProgressingWithRetry");
    case.memory = Memory::default();
    let again = case.next();
    assert_eq!((says(&again), &again.status), ("Unseen ProgressingWithRetry".to_owned(), &case.status));
}

#[test]
fn what_is_stalled_is_not_taken_for_out_of_sight() {
    let mut case = out_of_sight(FailureClass::Forbidden, "Stalled PermissionDenied");
    case.later(seconds(60));
    case.memory = Memory::default();
    case.cloud.unlisted = None;
    case.cloud.detail = Observed::Unknown;
    case.cloud.listed = Observed::Present { value: detail().listed(), at: case.now.mono };
    assert_eq!(says(&case.next()), "read detail", "it is compared before it is called ready");
}

#[test]
fn the_list_that_comes_in_again_makes_it_ready_without_a_detail() {
    let mut case = out_of_sight(FailureClass::Transient, "Unseen ProgressingWithRetry");
    case.later(seconds(60));
    case.cloud.unlisted = None;
    case.cloud.detail = Observed::Unknown;
    let blind = case.next();
    assert_eq!(says(&blind), "Unseen ProgressingWithRetry", "nothing was seen yet");
    case.cloud.listed = Observed::Present { value: detail().listed(), at: case.now.mono };
    assert_eq!(says(&case.next()), "Ready Running");
}

fn observing() -> Case {
    let mut case = Case::fresh();
    case.spec.management_policy = ManagementPolicy::Observe;
    case.shows(|_| {});
    let mut case = case.at_rest();
    case.later(seconds(600));
    case
}

/// The read of its detail fails.
fn detail_fails(case: &mut Case) {
    case.spec.instance_id = Some(VM.get());
    case.cloud.detail = Observed::Unknown;
    case.failed(Need::Detail(VM), FailureClass::Transient, Some(503));
}

const OBSERVED: &[Row] = &[
    (
        "lists do not come in for long",
        |case| unlisted(case, 200, FailureClass::Transient),
        "Unseen ProgressingWithRetry",
    ),
    (
        "nor when somebody asks for a look: that is answered by a read",
        |case| {
            unlisted(case, 200, FailureClass::Transient);
            case.object.reconcile_requested = Some("now".to_owned());
            case.cloud.detail = Observed::Unknown;
            case.cloud.named = Observed::Present { value: vec![detail().listed()], at: case.now.mono };
        },
        "read detail",
    ),
    ("one read that fails says nothing while all was well", detail_fails, "Ready Running"),
    (
        "where a look is asked for it does",
        |case| {
            detail_fails(case);
            case.object.reconcile_requested = Some("now".to_owned());
        },
        "Working ProgressingWithRetry",
    ),
];

#[test]
fn what_is_observed_is_out_of_sight_in_the_same_way() {
    table(observing, OBSERVED);
}

#[test]
fn nothing_of_a_vm_that_is_gone_is_shown_by_who_observes_it() {
    let mut case = observing();
    case.spec.instance_id = Some(VM.get());
    case.shows(|_| {});
    let mut case = case.at_rest();
    case.later(seconds(60));
    let before = case.status.clone();
    assert_eq!((before.id, before.cpu), (Some(VM.get()), Some(2)));
    case.status.handled_requests.insert(OneShot::Reset, receipt(None));
    case.status.last_handled_reconcile_at = Some("earlier".to_owned());
    case.operated(OperationKind::Start, OperationResult::Succeeded, 600);
    case.operates(OperationKind::Stop, None);
    case.gone();
    case.later(seconds(0));
    case.cloud.detail = Observed::Absent { at: case.now.mono };
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled InstanceMissing");
    let after = &decision.status;
    assert_eq!(
        (after.id, after.cpu, after.state.as_ref(), after.ip_address.as_ref()),
        (None, None, None, None)
    );
    assert_eq!(after.handled_requests, case.status.handled_requests);
    assert_eq!(after.last_handled_reconcile_at, case.status.last_handled_reconcile_at);
    assert_eq!(after.last_operation, case.status.last_operation);
    assert_eq!(after.operation, case.status.operation, "whoever manages it again follows that to its end");
}

/// An object that waits for somebody else's action, as the last pass said.
fn waiting() -> Case {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case.runs(&[action()]);
    let decision = case.next();
    assert_eq!(says(&decision), "Working ForeignActionInProgress");
    case.write(&decision);
    case.memory.running_seen = Some(NOW + seconds(1));
    case.later(seconds(60));
    case.cloud.running = Observed::Present { value: vec![action()], at: case.now.mono };
    case
}

const WAITS: &[Row] = &[
    ("the running actions show it", |_| {}, "Working ForeignActionInProgress"),
    (
        "they show nothing any more: now all is read that a call needs",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: case.now.mono },
        "read detail",
    ),
    ("they are not known", |case| case.cloud.running = Observed::Unknown, "read running"),
    (
        "the list shows another state than the detail",
        |case| {
            let listed = Listed { state: InstanceState::Inactive, ..detail().listed() };
            case.cloud.listed = Observed::Present { value: listed, at: case.now.mono };
        },
        "read detail",
    ),
    (
        "the list does not show the VM",
        |case| case.cloud.listed = Observed::Absent { at: case.now.mono },
        "read detail",
    ),
    (
        "nothing is listed yet",
        |case| case.cloud.listed = Observed::Unknown,
        "Working ForeignActionInProgress",
    ),
    ("no detail is known", |case| case.cloud.detail = Observed::Unknown, "read detail"),
    (
        "somebody asks for a look",
        |case| case.object.reconcile_requested = Some("now".to_owned()),
        "read detail",
    ),
    (
        "the spec was edited",
        |case| case.edits(|spec| spec.power_state = Some(PowerState::Running)),
        "read detail",
    ),
    ("it was never seen to run by this process", |case| case.memory.running_seen = None, "read detail"),
    ("the detail was read after that", |case| case.memory.running_seen = Some(NOW), "read detail"),
];

#[test]
fn somebody_elses_action_is_waited_for_without_a_detail() {
    table(waiting, WAITS);
}

#[test]
fn what_waits_for_another_reason_reads_a_detail() {
    let mut case = waiting();
    for condition in &mut case.status.conditions {
        condition.reason = "ProgressingWithRetry".to_owned();
    }
    assert_eq!(says(&case.next()), "read detail");
}

#[test]
fn a_snapshot_is_shown_on_its_instance_until_it_ends_and_the_pass_wakes_for_that() {
    let slot = |end: i64| -> SlotStatus {
        serde_json::from_value(serde_json::json!({"id": "5220149-snap-7", "expiresAt": wall_at(end)}))
            .expect("a slot")
    };
    let mut case = resting();
    case.status.snapshot = Some(slot(660));
    let decision = case.next();
    assert_eq!((decision.status.snapshot.as_ref(), &decision.step), (Some(&slot(660)), &Step::Nothing));
    assert_eq!(decision.wake, Wake::After(seconds(61)), "a second after the end of it");
    case.later(seconds(60));
    assert_eq!(case.next().status.snapshot, None, "at its very end");
}

/// An adopted VM whose ledger keeps what it was made with; the spec then changes, as a wiped status lets it.
#[test]
fn what_a_vm_was_made_with_is_compared_with_what_is_asked_for() {
    let rows: &[Row] = &[
        ("nothing changes", |_| {}, "Ready Running"),
        ("the platform", |case| case.spec.platform = Some("win2022".to_owned()), "Stalled InvalidSpec"),
        ("the region", |case| case.spec.region = Some("EW".to_owned()), "Stalled InvalidSpec"),
        ("the network", |case| case.spec.network_id = Some(7), "Stalled InvalidSpec"),
        ("the storage pool", |case| case.spec.storage_pool = Some("gold".to_owned()), "Stalled InvalidSpec"),
        (
            "the size: an operation changes that",
            |case| case.spec.size = Some("4cpu8gb".to_owned()),
            "Ready Running",
        ),
        ("how drift is met", |case| case.spec.drift_policy = DriftPolicy::Report, "Ready Running"),
    ];
    for (sentence, edit, expected) in rows {
        let mut case = Case::fresh();
        case.spec.instance_id = Some(VM.get());
        case.shows(|_| {});
        let mut case = case.at_rest();
        let kept = case.ledger().locked.clone().expect("what it was made with is kept");
        assert_eq!(kept.len(), 8, "a short hash, as text: {kept}");
        case.later(seconds(600));
        edit(&mut case);
        let decision = case.next();
        assert_eq!(says(&decision), *expected, "{sentence}");
        if says(&decision).starts_with("Stalled") {
            let told = message(&decision);
            assert!(
                told.contains("platform") && told.contains(NAME) && told.contains("set it back"),
                "{told}"
            );
        }
    }
}

#[test]
fn what_was_sent_with_a_creation_is_not_what_the_spec_has_become_since() {
    let mut case = Case::fresh();
    case.intends(OperationKind::Create);
    case.ledger().locked = Some("0123456789abcdef".to_owned());
    case.spec.adoption_policy = AdoptionPolicy::Never;
    case.memory.attempt_seen = Some((attempt(), NOW - seconds(600)));
    case.operates(OperationKind::Create, Some(ACTION));
    case.shows(|_| {});
    let mut decision = case.next();
    assert_eq!(says(&decision), "save");
    assert_eq!(saved(&decision).locked.as_deref(), Some("0123456789abcdef"), "as it was sent");
    assert_eq!(stands(&decision.status.conditions), "Stalled InvalidSpec", "told with the very write");
    case.write(&decision);
    decision = case.next();
    assert_eq!(says(&decision), "Stalled InvalidSpec");
}
