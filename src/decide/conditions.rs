//! From a verdict to conditions: one write sets all of them together.

use std::fmt::Display;

use jiff::Timestamp;

use crate::crd::{Condition, ConditionType, Reason, condition, status::bounded};
use crate::model::time::whole_seconds;
use crate::model::{ActionId, OperationKind};

/// What is said while an action of ours runs, from the reply that names it to its end: other words on the way would
/// be a write for nothing.
#[must_use]
pub fn action_runs(kind: OperationKind, what: &impl Display, action: ActionId) -> String {
    format!("{kind} of {what}: action {action} runs")
}

/// How the object stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// Carried out.
    Ready(Reason, String),
    /// Work goes on, or is waited for. `known` is false while there is nothing yet that could be ready.
    Working {
        /// Why.
        reason: Reason,
        /// For a person.
        message: String,
        /// `Ready` is `False` when true, `Unknown` when not.
        known: bool,
    },
    /// Only a person can help.
    Stalled(Reason, String),
    /// It was carried out, and nobody can see for some minutes whether it still stands so. Nothing is done about it.
    Unseen(Reason, String),
    /// As it was; only the generation is acknowledged (suspended objects).
    Held(String),
}

impl Verdict {
    /// What would be work, were there anything to do.
    #[must_use]
    pub fn in_doubt(self) -> Self {
        match self {
            Self::Working { reason, message, known: _ } => Self::Unseen(reason, message),
            verdict @ (Self::Ready(..) | Self::Stalled(..) | Self::Unseen(..) | Self::Held(_)) => verdict,
        }
    }
}

/// Whether these conditions say that nobody can see how the object stands.
#[must_use]
pub fn is_unseen(conditions: &[Condition]) -> bool {
    let unknown =
        condition::find(conditions, ConditionType::Ready).is_some_and(|ready| ready.status == "Unknown");
    unknown && condition::find(conditions, ConditionType::Reconciling).is_none()
}

/// A condition beyond `Ready`, `Reconciling` and `Stalled`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Extra {
    /// Its type.
    pub type_: ConditionType,
    /// Its status.
    pub status: bool,
    /// Why.
    pub reason: Reason,
    /// For a person.
    pub message: String,
}

/// The conditions that follow: transition times are kept where the status did not change.
#[must_use]
pub fn build(
    old: &[Condition],
    verdict: &Verdict,
    extras: &[Extra],
    generation: i64,
    now: Timestamp,
) -> Vec<Condition> {
    let make = |type_: ConditionType, status: &str, reason: &str, message: &str| {
        let before = condition::find(old, type_).filter(|condition| condition.status == status);
        Condition {
            type_: type_.as_str().to_owned(),
            status: status.to_owned(),
            observed_generation: Some(generation),
            last_transition_time: before
                .map_or_else(|| whole_seconds(now), |condition| condition.last_transition_time),
            reason: reason.to_owned(),
            message: bounded(message, 4096),
        }
    };
    let mut all = Vec::with_capacity(3);
    match verdict {
        Verdict::Ready(reason, message) => {
            all.push(make(ConditionType::Ready, "True", reason.as_str(), message));
        }
        Verdict::Working { reason, message, known } => {
            let status = if *known { "False" } else { "Unknown" };
            all.push(make(ConditionType::Ready, status, reason.as_str(), message));
            all.push(make(ConditionType::Reconciling, "True", reason.as_str(), message));
        }
        Verdict::Stalled(reason, message) => {
            all.push(make(ConditionType::Ready, "False", reason.as_str(), message));
            all.push(make(ConditionType::Stalled, "True", reason.as_str(), message));
        }
        Verdict::Unseen(reason, message) => {
            all.push(make(ConditionType::Ready, "Unknown", reason.as_str(), message));
        }
        Verdict::Held(message) => {
            match condition::find(old, ConditionType::Ready) {
                Some(ready) => all.push(make(ConditionType::Ready, &ready.status, &ready.reason, message)),
                None => all.push(make(
                    ConditionType::Ready,
                    "Unknown",
                    Reason::ProgressingWithRetry.as_str(),
                    message,
                )),
            }
            for type_ in [ConditionType::Reconciling, ConditionType::Stalled] {
                if let Some(kept) = condition::find(old, type_) {
                    all.push(make(type_, &kept.status, &kept.reason, &kept.message));
                }
            }
        }
    }
    for extra in extras {
        let status = if extra.status { "True" } else { "False" };
        all.push(make(extra.type_, status, extra.reason.as_str(), &extra.message));
    }
    all
}
