//! When to try again: arithmetic only.

use std::time::Duration;

use jiff::Timestamp;

use super::conditions::Verdict;
use crate::crd::Reason;
use crate::crd::status::LastOperation;
use crate::model::{Failure, FailureClass, OperationKind, OperationResult, time};

/// How long something that only a person can mend is left alone before it is tried once more, since the
/// cause may lie in ITCare (a quota, a platform) and go without a change here.
pub const RECHECK: Duration = Duration::from_secs(600);

/// Three alike and the object is `Stalled`: the first may be chance, the second bad luck.
const ALIKE: i64 = 3;

/// The wait after `failures` failures in a row: 2 s doubling to 5 min. The shell adds the jitter.
#[must_use]
pub fn backoff(failures: u32) -> Duration {
    Duration::from_secs(2)
        .saturating_mul(1 << failures.saturating_sub(1).min(8))
        .min(Duration::from_secs(300))
}

/// What a failure that executed nothing means for the object, after `failures` of them in a row over `since`,
/// and when to try again.
#[must_use]
pub fn blocked(failure: &Failure, failures: u32, since: Duration, doing: &str) -> (Verdict, Duration) {
    let wait = backoff(failures.max(1));
    let working = |reason, message: String| Verdict::Working { reason, message, known: true };
    match failure.class {
        FailureClass::Transient
        | FailureClass::Garbled
        | FailureClass::Missing
        | FailureClass::Ambiguous(_) => (
            working(Reason::ProgressingWithRetry, format!("{doing}: {}; trying again", failure.message)),
            wait,
        ),
        FailureClass::Throttled(after) => (
            working(Reason::Throttled, format!("{doing}: {}; waiting as ITCare asks", failure.message)),
            after.unwrap_or(wait).max(Duration::from_secs(1)),
        ),
        FailureClass::NoCredentials => {
            let message = format!("{doing}: {}", failure.message);
            let verdict = if since >= failure.class.patience() {
                Verdict::Stalled(Reason::CredentialsNotFound, message)
            } else {
                working(Reason::CredentialsNotFound, message)
            };
            (verdict, wait.min(Duration::from_secs(30)))
        }
        FailureClass::Unauthenticated => {
            let message = format!(
                "{doing}: {}; check --itcare-client-id and the client secret, the secret file is read again when it changes",
                failure.message
            );
            (denied(failure, Reason::CredentialsRejected, message, since), wait.min(Duration::from_secs(60)))
        }
        FailureClass::Forbidden => {
            let message = format!(
                "{doing}: {}; the API account lacks the right for this (creating, deleting and recovering need the POW profile, other changes OPE)",
                failure.message
            );
            (denied(failure, Reason::PermissionDenied, message, since), wait)
        }
        FailureClass::Rejected => {
            let message = format!(
                "{doing}: {}; correct the spec, or ask ITCare's support if it is right",
                failure.message
            );
            (Verdict::Stalled(Reason::Rejected, message), RECHECK)
        }
    }
}

fn denied(failure: &Failure, reason: Reason, message: String, since: Duration) -> Verdict {
    if since >= failure.class.patience() {
        Verdict::Stalled(reason, message)
    } else {
        Verdict::Working { reason: Reason::ProgressingWithRetry, message, known: true }
    }
}

/// The same for a look that nothing waits for: for a while its failure leaves the status as it was (`None`), then
/// nobody knows how things stand.
#[must_use]
pub fn unseen(failure: &Failure, failures: u32, since: Duration, doing: &str) -> (Option<Verdict>, Duration) {
    let (verdict, wait) = blocked(failure, failures, since, doing);
    if !failure.class.passes() {
        return (Some(verdict), wait);
    }
    let told = since >= failure.class.patience();
    (told.then(|| verdict.in_doubt()), wait)
}

/// Whether the last operation tells us to leave this kind alone for now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hold {
    /// Go ahead.
    No,
    /// It failed; again after this.
    Backoff(Duration, String),
    /// It failed too often; again after this.
    Failing(Duration, String),
    /// It was refused for this very generation; again after this.
    Refused(Duration, String),
}

/// Reads the hold out of the last operation of a kind.
#[must_use]
pub fn hold(last: Option<&LastOperation>, generation: i64, now: Timestamp) -> Hold {
    let Some(last) = last.filter(|last| last.generation == Some(generation)) else {
        return Hold::No;
    };
    let elapsed = time::since(now, last.finished_at);
    let left = |span: Duration| span.checked_sub(elapsed).filter(|left| !left.is_zero());
    let message = last.message.clone().unwrap_or_default();
    match last.result {
        OperationResult::Refused => left(RECHECK).map_or(Hold::No, |left| Hold::Refused(left, message)),
        OperationResult::Failed => {
            let failures = last.failures.unwrap_or(1);
            if failures >= ALIKE {
                return left(RECHECK).map_or(Hold::No, |left| Hold::Failing(left, message));
            }
            let count = u32::try_from(failures).unwrap_or(1);
            left(backoff(count + 2)).map_or(Hold::No, |left| Hold::Backoff(left, message))
        }
        OperationResult::Succeeded | OperationResult::OutcomeUnknown | OperationResult::Expired => Hold::No,
    }
}

/// The record of an operation that failed, counting failures alike in a row.
#[must_use]
pub fn failed(
    last: Option<&LastOperation>,
    kind: OperationKind,
    action_id: Option<i64>,
    message: Option<String>,
    generation: i64,
    now: Timestamp,
) -> LastOperation {
    // A status write that failed makes us see the same end again.
    if let Some(same) =
        last.filter(|last| last.kind == kind && last.action_id.is_some() && last.action_id == action_id)
    {
        return same.clone();
    }
    let before = last
        .filter(|last| {
            last.kind == kind && last.result == OperationResult::Failed && last.generation == Some(generation)
        })
        .and_then(|last| last.failures)
        .unwrap_or(0);
    LastOperation {
        kind,
        action_id,
        result: OperationResult::Failed,
        finished_at: time::whole_seconds(now),
        message,
        attempt: None,
        state: None,
        failures: Some(before + 1),
        generation: Some(generation),
    }
}
