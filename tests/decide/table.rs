//! What a decision says, in a few words, and the tables that compare it with what must follow.

use itcare_operator::crd::{Condition, ConditionType, InstanceStatus, Reason, condition};
use itcare_operator::decide::decision::CallAction;
use itcare_operator::decide::{Decision, Need, Step};
use itcare_operator::model::Ledger;

use crate::fixture::Case;

/// A decision in a few words: the step, or else how the object stands.
pub fn says(decision: &Decision<InstanceStatus>) -> String {
    step_says(&decision.step).unwrap_or_else(|| stands(&decision.status.conditions))
}

/// What the step does, if it does anything.
pub fn step_says(step: &Step) -> Option<String> {
    Some(match step {
        Step::Nothing => return None,
        Step::Observe(need) => format!("read {}", need_says(need)),
        Step::SaveLedger { .. } => "save".to_owned(),
        Step::DropLedger => "drop".to_owned(),
        Step::RemoveFinalizer => "let go".to_owned(),
        Step::Guarded(guarded) => format!("send {}", guarded.call.kind()),
        Step::Call(call) => match &call.action {
            CallAction::Resize(size) => format!("send Resize {size}"),
            action => format!("send {}", action.kind()),
        },
    })
}

pub fn need_says(need: &Need) -> &'static str {
    match need {
        Need::Object => "object",
        Need::Detail(_) => "detail",
        Need::Storage(_) => "storage",
        Need::Network(_) => "network",
        Need::List { .. } => "list",
        Need::Arrivals { .. } => "arrivals",
        Need::Running { .. } => "running",
        Need::Action(_) => "action",
        Need::Look(_) => "look",
        Need::Slot(_) => "slot",
    }
}

/// How the object stands, for a person: `Ready Running`, `Working Creating`, `Stalled NameTaken`.
pub fn stands(conditions: &[Condition]) -> String {
    let of = |type_| condition::find(conditions, type_).map(|condition| condition.reason.as_str());
    let ready = condition::find(conditions, ConditionType::Ready);
    if let Some(reason) = of(ConditionType::Stalled) {
        format!("Stalled {reason}")
    } else if let Some(reason) = of(ConditionType::Reconciling) {
        format!("Working {reason}")
    } else {
        let word = |ready: &Condition| if ready.status == "Unknown" { "Unseen" } else { "Ready" };
        ready.map_or("nothing".to_owned(), |ready| format!("{} {}", word(ready), ready.reason))
    }
}

/// The message of `Ready`.
pub fn message(decision: &Decision<InstanceStatus>) -> String {
    let ready = condition::find(&decision.status.conditions, ConditionType::Ready);
    ready.map(|ready| ready.message.clone()).unwrap_or_default()
}

/// The reason of `Drifted`, if the object drifted.
pub fn drifted(decision: &Decision<InstanceStatus>) -> Option<Reason> {
    let found = condition::find(&decision.status.conditions, ConditionType::Drifted)?;
    Reason::ALL.iter().copied().find(|reason| reason.as_str() == found.reason)
}

/// The ledger that a decision saves.
pub fn saved<S>(decision: &Decision<S>) -> Ledger {
    match &decision.step {
        Step::SaveLedger { ledger, .. } => (**ledger).clone(),
        Step::Guarded(guarded) => (*guarded.ledger).clone(),
        other => panic!("no ledger is saved: {other:?}"),
    }
}

/// The ledger's copy in a status.
pub fn copy_of(text: Option<&str>) -> Ledger {
    Ledger::parse(text.expect("the status has a copy")).expect("a ledger that can be read")
}

/// A row of a table: a sentence, what is different, what follows.
pub type Row<C = Case> = (&'static str, fn(&mut C), &'static str);

/// Runs a table; all rows that fail are told together.
#[track_caller]
pub fn table(base: impl Fn() -> Case, rows: &[Row]) {
    run(base, rows, false);
}

/// The same for what follows once the ledger is written, where a pass begins with that.
#[track_caller]
pub fn table_once_saved(base: impl Fn() -> Case, rows: &[Row]) {
    run(base, rows, true);
}

#[track_caller]
fn run(base: impl Fn() -> Case, rows: &[Row], saving: bool) {
    play(base, rows, |case| {
        let mut decision = case.next();
        if saving && matches!(decision.step, Step::SaveLedger { .. }) {
            case.write(&decision);
            decision = case.next();
        }
        (says(&decision), message(&decision))
    });
}

/// Runs rows of any kind: what is said, and the message with it, come from `decide`.
#[track_caller]
pub fn play<C>(base: impl Fn() -> C, rows: &[Row<C>], decide: impl Fn(&mut C) -> (String, String)) {
    let failed: Vec<String> = rows
        .iter()
        .filter_map(|(sentence, change, expected)| {
            let mut case = base();
            change(&mut case);
            let (said, message) = decide(&mut case);
            (said != *expected)
                .then(|| format!("{sentence}:\n  expected {expected:?}\n  got {said:?} ({message})"))
        })
        .collect();
    assert!(failed.is_empty(), "{} of {} rows:\n{}", failed.len(), rows.len(), failed.join("\n"));
}
