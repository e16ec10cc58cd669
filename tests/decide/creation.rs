//! When a VM is created, and when not (DESIGN 5.2, 5.6; creation of one that does not exist yet).

use itcare_operator::crd::instance::AdoptionPolicy;
use itcare_operator::decide::decision::{Guarded, GuardedCall, Need};
use itcare_operator::decide::instance::Claim;
use itcare_operator::decide::{Step, Wake};
use itcare_operator::model::{
    AccountId, Action, ActionId, ActionStatus, FailureClass, Group, HostName, InstanceState, Listed,
    ObjectKey, Observed, OperationKind, OperationResult, PowerState, ServiceId,
};

use crate::fixture::{
    ACTION, Case, NOW, PASS, SETTLE, action, ended, new_ledger, seconds, site, twin, wall_at,
};
use crate::table::{Row, message, says, table};

const ROWS: &[Row] = &[
    ("nothing of that name exists or runs: it is created", |_| {}, "send Create"),
    ("the list is not known yet", |case| case.cloud.named = Observed::Unknown, "read list"),
    (
        "the list is older than the observe interval",
        |case| case.cloud.named = Observed::Present { value: Vec::new(), at: PASS - seconds(61) },
        "read list",
    ),
    (
        "the list was asked for before our last effect on the name ended",
        |case| {
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
            case.memory.effect_end = NOW - seconds(1);
        },
        "read list",
    ),
    ("the running actions are not known yet", |case| case.cloud.running = Observed::Unknown, "read running"),
    (
        "what this pass asked for is fresh, however late the answers came",
        |case| {
            case.pass = NOW - seconds(70);
            case.cloud.named = Observed::Present { value: Vec::new(), at: case.pass };
            case.cloud.running = Observed::Present { value: Vec::new(), at: case.pass };
        },
        "send Create",
    ),
    (
        "the running actions were asked for too long ago",
        |case| case.cloud.running = Observed::Present { value: Vec::new(), at: PASS - seconds(6) },
        "read running",
    ),
    (
        "the list cannot be read",
        |case| {
            case.cloud.named = Observed::Unknown;
            case.failed(
                Need::List { service: ServiceId::new(13), since: NOW },
                FailureClass::Transient,
                Some(502),
            );
        },
        "Working ProgressingWithRetry",
    ),
    (
        "the running actions cannot be read",
        |case| {
            case.cloud.running = Observed::Unknown;
            case.failed(Need::Running { since: NOW }, FailureClass::Throttled(Some(seconds(30))), Some(429));
        },
        "Working Throttled",
    ),
    ("an action runs on that name", |case| case.runs(&[action()]), "Working ForeignActionInProgress"),
    (
        "a VM of that name is there",
        |case| case.cloud.named = Observed::Present { value: vec![twin()], at: NOW },
        "Stalled NameTaken",
    ),
    (
        "a VM of that name in a state that nobody knows is there all the same",
        |case| {
            let item = Listed { state: InstanceState::Other("CREATING".to_owned()), ..twin() };
            case.cloud.named = Observed::Present { value: vec![item], at: NOW };
        },
        "Stalled NameTaken",
    ),
    (
        "what is left of a removed VM of that name is no hindrance",
        |case| {
            let item = Listed { state: InstanceState::Removed, ..twin() };
            case.cloud.named = Observed::Present { value: vec![item], at: NOW };
        },
        "send Create",
    ),
    (
        "two VMs of that name, and the policy is to take none over",
        |case| {
            let other = Listed { id: crate::fixture::VM, ..twin() };
            case.cloud.named = Observed::Present { value: vec![twin(), other], at: NOW };
        },
        "Stalled NameTaken",
    ),
    (
        "two VMs of that name, and the policy is to adopt",
        |case| {
            case.spec.adoption_policy = AdoptionPolicy::ByName;
            let other = Listed { id: crate::fixture::VM, ..twin() };
            case.cloud.named = Observed::Present { value: vec![twin(), other], at: NOW };
        },
        "Stalled Ambiguous",
    ),
    ("a suspended object makes no call", |case| case.spec.suspend = true, "Unseen ProgressingWithRetry"),
    ("a namespace that may not use the service", |case| case.allowed = false, "Stalled ServiceNotAllowed"),
    (
        "another object holds the claim on the name",
        |case| case.claim = Claim::LostTo(ObjectKey::new("shop", "older")),
        "Stalled Conflict",
    ),
    (
        "an object on its way out is let go",
        |case| {
            case.object.has_finalizer = true;
            case.deletes();
        },
        "let go",
    ),
    (
        "an object on its way out without our finalizer is none of our business",
        |case| case.deletes(),
        "nothing",
    ),
    (
        "it was refused a minute ago, and the spec is the same",
        |case| case.operated(OperationKind::Create, OperationResult::Refused, 60),
        "Stalled Rejected",
    ),
    (
        "it was refused, and the spec was corrected",
        |case| {
            case.operated(OperationKind::Create, OperationResult::Refused, 60);
            case.edits(|spec| spec.platform = Some("deb13".to_owned()));
        },
        "send Create",
    ),
    (
        "it was refused long enough ago to ask once more",
        |case| case.operated(OperationKind::Create, OperationResult::Refused, 601),
        "send Create",
    ),
    (
        "it failed a moment ago",
        |case| case.operated(OperationKind::Create, OperationResult::Failed, 1),
        "Working Creating",
    ),
    (
        "it failed a while ago",
        |case| case.operated(OperationKind::Create, OperationResult::Failed, 30),
        "send Create",
    ),
    (
        "it failed three times",
        |case| {
            case.operated(OperationKind::Create, OperationResult::Failed, 60);
            case.last().failures = Some(3);
        },
        "Stalled ActionFailed",
    ),
    (
        "a fresh look was asked for: the list must be of this pass",
        |case| {
            case.object.reconcile_requested = Some("now".to_owned());
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
        },
        "read list",
    ),
    (
        "the list is older than the running actions: a creation that ended in between is in neither",
        |case| case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) },
        "read arrivals",
    ),
    (
        "nothing arrived since an older list",
        |case| {
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
            case.cloud.arrived = Observed::Present { value: Vec::new(), at: NOW };
        },
        "send Create",
    ),
    (
        "a VM of that name arrived since an older list: the whole list tells what it is",
        |case| {
            case.cloud.named = Observed::Present { value: Vec::new(), at: NOW - seconds(2) };
            case.cloud.arrived = Observed::Present { value: vec![twin()], at: NOW };
        },
        "read list",
    ),
];

#[test]
fn a_vm_is_created_only_when_nothing_of_its_name_exists_or_runs() {
    table(Case::fresh, ROWS);
}

#[test]
fn the_first_call_carries_a_first_ledger_that_owns_nothing() {
    let Step::Guarded(Guarded { ledger, request, call, .. }) = Case::fresh().next().step else {
        panic!("no creation")
    };
    assert_eq!((ledger.instance, ledger.origin, ledger.seq), (None, None, 0));
    let first = new_ledger();
    assert_eq!((&ledger.object, &ledger.uid, &ledger.cluster), (&first.object, &first.uid, &first.cluster));
    assert_eq!((ledger.intent, request), (None, None), "the intent itself is added when it is sent");
    assert!(matches!(call, GuardedCall::Create(request) if request.spec == crate::fixture::spec()));
}

#[test]
fn the_ledger_of_a_creation_says_what_it_carries_and_leaves_out_what_it_cannot() {
    let sent = |power: Option<PowerState>| {
        let mut case = Case::fresh();
        case.spec.power_state = power;
        case.spec.monitoring =
            Some(serde_json::from_value(serde_json::json!({"enabled": true})).expect("one"));
        case.spec.patching =
            Some(serde_json::from_value(serde_json::json!({"excluded": false, "group": 2})).expect("one"));
        let Step::Guarded(Guarded { ledger, .. }) = case.next().step else { panic!("no creation") };
        ledger.applied.expect("what was sent").groups.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(sent(None), [Group::Size, Group::Monitoring]);
    assert_eq!(sent(Some(PowerState::Running)), [Group::Size, Group::Monitoring, Group::Power]);
    // A new VM runs: to stop it is still to be done.
    assert_eq!(sent(Some(PowerState::Stopped)), [Group::Size, Group::Monitoring]);
}

#[test]
fn a_vm_that_only_the_look_shows_is_adopted_by_its_name_or_takes_it() {
    let look = |policy: AdoptionPolicy, found: Listed| {
        let mut case = Case::fresh();
        case.spec.adoption_policy = policy;
        case.operated(OperationKind::Create, OperationResult::Refused, 601);
        case.last().message = Some("HTTP 409: the name is in use".to_owned());
        case.looked(&[], &[found]);
        case.says()
    };
    let gone = || Listed { state: InstanceState::Removed, ..twin() };
    let elsewhere = || Listed { service: Some(ServiceId::new(99)), ..twin() };
    let named = || Listed { name: HostName::new("POTHER"), ..twin() };
    for (policy, found, expected) in [
        (AdoptionPolicy::ByName, twin(), "Working Adopting"),
        (AdoptionPolicy::Never, twin(), "Stalled NameTaken"),
        (AdoptionPolicy::ByName, elsewhere(), "Stalled NameTaken"),
        (AdoptionPolicy::ByName, gone(), "send Create"),
        (AdoptionPolicy::Never, gone(), "send Create"),
        (AdoptionPolicy::Never, named(), "send Create"),
        (AdoptionPolicy::ByName, named(), "send Create"),
    ] {
        assert_eq!(look(policy, found.clone()), expected, "{policy:?}, {found:?}");
    }
}

#[test]
fn a_name_that_was_refused_as_taken_stays_taken_while_it_waits() {
    // DESIGN 7: 409 on create is a name taken. The VM may be in a service that we do not list.
    let mut case = Case::fresh();
    case.operated(OperationKind::Create, OperationResult::Refused, 60);
    case.last().message = Some("HTTP 409: the name is in use".to_owned());
    assert_eq!(case.says(), "Stalled NameTaken");
}

#[test]
fn a_taken_name_is_looked_for_everywhere_before_it_is_asked_for_again() {
    let mut case = Case::fresh();
    case.operated(OperationKind::Create, OperationResult::Refused, 601);
    case.last().message = Some("HTTP 409: the name is in use".to_owned());
    assert_eq!(case.says(), "read look");
    case.looked(&[], &[Listed { service: Some(ServiceId::new(99)), ..twin() }]);
    assert_eq!(case.says(), "Stalled NameTaken", "sending it again would be refused again");
    let text = message(&case.next());
    assert!(text.contains("5220150") && text.contains("service 99"), "{text}");
    case.looked(&[], &[]);
    assert_eq!(case.says(), "send Create", "nobody holds it any more");
}

#[test]
fn a_taken_name_is_told_with_the_id_and_both_ways_to_adopt_it() {
    let mut case = Case::fresh();
    case.cloud.named = Observed::Present { value: vec![twin()], at: NOW };
    let text = message(&case.next());
    for words in ["5220150", "spec.instanceId: 5220150", "adoptionPolicy: ByName"] {
        assert!(text.contains(words), "{words}: {text}");
    }
}

#[test]
fn waiting_for_somebody_says_whose_action_it_is() {
    let mut case = Case::fresh();
    let mut foreign = action();
    foreign.submitted_by = Some("alice".to_owned());
    foreign.process = Some("vm_build".to_owned());
    case.runs(&[foreign]);
    let decision = case.next();
    assert!(message(&decision).contains("alice") && message(&decision).contains("vm_build"));
    assert_eq!(decision.wake, Wake::After(site().action_interval));
}

#[test]
fn a_creation_under_a_changed_account_waits_until_another_vm_of_the_service_reads_right() {
    // DESIGN 5.6: the wrong account sees no VM at all, also not the one that is there.
    let mut case = Case::fresh();
    (case.object.has_finalizer, case.object.has_ledger) = (true, true);
    let ledger = case.ledger();
    ledger.seq = 3;
    ledger.account = AccountId::new("another account");
    case.cloud.missing_is_evidence = false;
    let decision = case.next();
    assert_eq!(says(&decision), "Stalled DeletionBlocked");
    assert!(crate::table::message(&decision).contains("another ITCare account"));

    case.cloud.missing_is_evidence = true;
    assert_eq!(case.says(), "send Create");
    assert_eq!(crate::table::saved(&case.next()).account, site().account);
}

#[test]
fn a_failed_creation_that_left_nothing_is_followed_by_a_new_one_with_backoff() {
    let mut case = Case::fresh();
    for failures in 1..=3 {
        case.intends(OperationKind::Create);
        case.operates(OperationKind::Create, Some(ACTION));
        // Another action each time: the same one is not counted twice.
        let action = ActionId::new(ACTION.get() + failures);
        case.status.operation.as_mut().expect("one").action_id = Some(action.get());
        case.read(Action { id: action, ..ended(ActionStatus::Error) });
        // What it may have left shows within the settle time.
        case.memory.first_end(action, NOW - SETTLE);
        let decision = case.next();
        assert_eq!(says(&decision), "save", "the intent is cleared");
        case.write(&decision);
        let last = case.status.last_operation.clone().expect("the failure is told");
        assert_eq!((last.failures, last.finished_at), (Some(failures), wall_at(0)));
        let expected = if failures < 3 { "Working Creating" } else { "Stalled ActionFailed" };
        assert_eq!(case.says(), expected);
        if let Wake::After(wait) = case.next().wake {
            assert!(wait >= seconds(8), "the {failures}. failure waits {wait:?}");
        }
    }
}
