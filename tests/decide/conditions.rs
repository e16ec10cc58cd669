//! From a verdict to conditions (DESIGN 4.4).

use itcare_operator::crd::{Condition, ConditionType, Reason, condition};
use itcare_operator::decide::conditions::{Extra, build};
use itcare_operator::decide::{Verdict, conditions};

use itcare_operator::decide::Need;
use itcare_operator::model::{AccountId, FailureClass, Observed, OperationKind, OperationResult, PowerState};

use crate::fixture::{Case, NOW, VM, attempt, seconds, time, wall};
use crate::fixture_snapshot::{SnapshotCase, foreign_slot};
use crate::table::stands;

fn working(reason: Reason, known: bool) -> Verdict {
    Verdict::Working { reason, message: "words".to_owned(), known }
}

fn types(conditions: &[Condition]) -> Vec<(&str, &str)> {
    conditions.iter().map(|found| (found.type_.as_str(), found.status.as_str())).collect()
}

#[test]
fn each_verdict_has_its_conditions() {
    let made = |verdict: &Verdict| build(&[], verdict, &[], 3, wall());
    let words = "words".to_owned();
    assert_eq!(types(&made(&Verdict::Ready(Reason::Running, words.clone()))), [("Ready", "True")]);
    assert_eq!(types(&made(&working(Reason::Stopping, true))), [("Ready", "False"), ("Reconciling", "True")]);
    assert_eq!(
        types(&made(&working(Reason::Creating, false))),
        [("Ready", "Unknown"), ("Reconciling", "True")],
        "nothing is there yet that could be ready"
    );
    assert_eq!(
        types(&made(&Verdict::Stalled(Reason::Rejected, words.clone()))),
        [("Ready", "False"), ("Stalled", "True")]
    );
    assert_eq!(types(&made(&Verdict::Held(words))), [("Ready", "Unknown")]);
}

#[test]
fn ready_and_its_partner_tell_the_same_story() {
    let made = build(&[], &Verdict::Stalled(Reason::Rejected, "the reason".to_owned()), &[], 3, wall());
    assert!(made.iter().all(|found| found.reason == "Rejected" && found.message == "the reason"));
    assert!(made.iter().all(|found| found.observed_generation == Some(3)));
}

#[test]
fn a_transition_time_moves_only_with_the_status() {
    let earlier = time("2026-01-01T00:00:00Z");
    let old = build(&[], &working(Reason::Stopping, true), &[], 3, earlier);
    let same = build(&old, &working(Reason::Starting, true), &[], 4, wall());
    assert!(
        same.iter().all(|found| found.last_transition_time == earlier),
        "another reason is no transition"
    );
    let other = build(&old, &Verdict::Ready(Reason::Running, "words".to_owned()), &[], 4, wall());
    assert_eq!(other[0].last_transition_time, wall());
    let again = build(&other, &working(Reason::Stopping, true), &[], 5, time("2026-01-03T00:00:00Z"));
    assert!(again.iter().all(|found| found.last_transition_time == time("2026-01-03T00:00:00Z")));
}

#[test]
fn times_have_whole_seconds_as_kubernetes_stores_them() {
    let made = build(
        &[],
        &Verdict::Ready(Reason::Running, "words".to_owned()),
        &[],
        3,
        time("2026-01-02T03:04:05.6789Z"),
    );
    assert_eq!(made[0].last_transition_time, wall());
}

#[test]
fn a_held_object_stays_as_it_was_for_the_new_generation() {
    for verdict in [
        Verdict::Ready(Reason::Running, "words".to_owned()),
        working(Reason::Stopping, true),
        Verdict::Stalled(Reason::Rejected, "words".to_owned()),
    ] {
        let old = build(&[], &verdict, &[], 3, wall());
        let held = build(&old, &Verdict::Held("suspended".to_owned()), &[], 4, wall());
        assert_eq!(types(&held), types(&old));
        assert!(held.iter().all(|found| found.observed_generation == Some(4)));
    }
}

#[test]
fn extras_come_with_the_verdict() {
    let extra = |type_, status| Extra { type_, status, reason: Reason::Drift, message: "words".to_owned() };
    let ready = Verdict::Ready(Reason::Running, "words".to_owned());
    let made = build(&[], &ready, &[extra(ConditionType::Drifted, true)], 3, wall());
    assert_eq!(types(&made), [("Ready", "True"), ("Drifted", "True")]);
    let made = build(&made, &ready, &[], 3, wall());
    assert!(condition::find(&made, ConditionType::Drifted).is_none(), "gone when nothing drifts");
    let made = build(&[], &ready, &[extra(ConditionType::Available, false)], 3, wall());
    assert_eq!(types(&made), [("Ready", "True"), ("Available", "False")]);
}

#[test]
fn a_message_without_end_is_cut() {
    let verdict = Verdict::Stalled(Reason::Rejected, "é".repeat(1_000_000));
    let made = conditions::build(&[], &verdict, &[], 3, wall());
    assert!(made.iter().all(|found| found.message.chars().count() <= 32768));
}

#[test]
fn the_reasons_are_those_of_the_design() {
    let design = "Running Stopped Available Expired Skipped \
        Creating Adopting Starting Stopping Resetting Resizing UpdatingMonitoring UpdatingPatching \
        UpdatingReplication UpdatingBackup Deleting TakingSnapshot Recovering RemovingSnapshot \
        ForeignActionInProgress WaitingForInstance WaitingForSlot ResolvingOutcome Throttled ProgressingWithRetry \
        CredentialsNotFound \
        InvalidSpec Rejected NameTaken Ambiguous IdentityMismatch Conflict ForeignLedger LedgerUnreadable \
        InstanceMissing CreateFailed ActionFailed PowerOffRequired CredentialsRejected PermissionDenied \
        ServiceNotAllowed SlotTaken SnapshotMissing DeletionBlocked \
        Drift NotEffective";
    let mut expected: Vec<&str> = design.split_whitespace().collect();
    let mut found: Vec<&str> = Reason::ALL.iter().map(|reason| reason.as_str()).collect();
    expected.sort_unstable();
    found.sort_unstable();
    assert_eq!(found, expected);
}

#[test]
fn stopped_as_asked_is_ready() {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(itcare_operator::model::PowerState::Stopped));
    case.shows(|detail| detail.state = itcare_operator::model::InstanceState::Inactive);
    let case = case.at_rest();
    assert_eq!(stands(&case.status.conditions), "Ready Stopped");
    assert!(condition::is_true(&case.status.conditions, ConditionType::Ready));
}

#[test]
fn a_status_write_carries_the_ledger_text_of_the_annotation() {
    let case = Case::managed();
    let ledger = case.ledger.clone().expect("readable").expect("there");
    assert_eq!(case.status.ledger, Some(ledger.to_text()));
    let mut changing = case.clone();
    changing.edits(|spec| spec.power_state = Some(itcare_operator::model::PowerState::Running));
    let decision = changing.next();
    assert_eq!(decision.status.ledger, Some(crate::table::saved(&decision).to_text()));
}

#[test]
fn creating_is_unknown_and_everything_later_is_false() {
    let decision = Case::fresh().next();
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready).expect("built");
    assert_eq!(ready.status, "Unknown");
    assert_eq!(decision.status.observed_generation, Some(3));
}

/// Whether the words name something that a person can find, and what to do with it.
fn tells_the_cure(message: &str) -> bool {
    let things = ["spec.", "--", "annotation", "VM ", "PWEB01", "snapshot ", "action "];
    let verbs = [
        "set ",
        "correct ",
        "delete ",
        "restore ",
        "check ",
        "run ",
        "ask ",
        "choose ",
        "remove ",
        "use ",
        "start ",
        "mend ",
        "allow ",
        "wait ",
        "make ",
        "give ",
        "write ",
        "need the POW",
    ];
    things.iter().any(|thing| message.contains(thing)) && verbs.iter().any(|verb| message.contains(verb))
}

#[test]
fn every_stalled_message_names_the_thing_and_the_cure() {
    // DESIGN 4.4: every Stalled message names field or id, value, and cure.
    let (mut without, mut count) = (Vec::new(), 0);
    let mut tell = |conditions: &[Condition]| {
        let Some(stalled) = condition::find(conditions, ConditionType::Stalled) else { return };
        count += 1;
        if !tells_the_cure(&stalled.message) {
            without.push(format!("{}: {}", stalled.reason, stalled.message));
        }
    };
    for (class, status) in [
        (FailureClass::Rejected, Some(422)),
        (FailureClass::Unauthenticated, Some(401)),
        (FailureClass::Forbidden, Some(403)),
    ] {
        let mut case = Case::managed();
        case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
        case.cloud.detail = Observed::Unknown;
        case.memory.failing_since = Some(NOW - seconds(600));
        case.failed(Need::Detail(VM), class, status);
        tell(&case.next().status.conditions);
    }
    for kind in [OperationKind::Create, OperationKind::Reset] {
        let mut case = if kind == OperationKind::Create { Case::fresh() } else { Case::managed() };
        case.intends(kind);
        case.was_refused(kind, 20);
        case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
        case.looked(&[], &[]);
        tell(&case.next().status.conditions);
        case.ledger().account = AccountId::new("other");
        tell(&case.next().status.conditions);
    }
    for kind in [OperationKind::TakeSnapshot, OperationKind::Recover] {
        let mut case = SnapshotCase::taken();
        case.intends(kind);
        case.was_refused(kind, 20);
        case.memory.attempt_seen = Some((attempt(), NOW - seconds(20)));
        case.looked(&[]);
        tell(&case.next().status.conditions);
        case.ledger().account = AccountId::new("other");
        tell(&case.next().status.conditions);
    }
    let mut case = SnapshotCase::fresh();
    case.operated(OperationKind::TakeSnapshot, OperationResult::Refused, 60);
    tell(&case.next().status.conditions);
    case.fills(foreign_slot());
    case.status.last_operation = None;
    case.memory.slot_seen = Some(NOW - seconds(36_000));
    tell(&case.next().status.conditions);
    assert!(count >= 10, "only {count} were stalled");
    assert!(without.is_empty(), "{without:#?}");
}

#[test]
fn a_refused_credential_after_a_long_outage_is_a_first_one() {
    let mut case = Case::managed();
    case.edits(|spec| spec.power_state = Some(PowerState::Stopped));
    case.cloud.detail = Observed::Unknown;
    case.memory.failing(FailureClass::Transient, NOW - seconds(600));
    case.failed(Need::Detail(VM), FailureClass::Forbidden, Some(403));
    assert_eq!(case.says(), "Working ProgressingWithRetry");
}
