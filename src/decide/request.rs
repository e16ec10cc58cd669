//! One-shot requests, reset and recovery alike: when one is new, when it is too early, what may have served it
//! already, and its receipt (DESIGN 6). What must hold of the VM or the snapshot is decided by its kind.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::cloud::{Cloud, Look, Site};
use super::evidence;
use crate::crd::status::{Receipt, bounded};
use crate::model::{
    Action, ActionId, ActionStatus, HostName, Ledger, Observed, OneShot, OperationKind, OperationResult, time,
};

/// A request further ahead than this waits: clocks differ by less.
const AHEAD: Duration = Duration::from_secs(300);

/// How long before the request an action may have been sent that serves it.
const BEFORE: Duration = Duration::from_secs(600);

/// Without `notAfter`.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// What a receipt says whose request was dealt with, when nothing tells any more how.
pub(super) const LOST: &str = "it was dealt with, but the status that told how was lost; look at the VM";

pub(super) type Receipts = BTreeMap<OneShot, Receipt>;

/// Whether a request is younger than its object and than the last one that was dealt with, as either of ledger
/// and status tells: one of them may be lost.
pub(super) fn is_new(
    request: OneShot,
    requested_at: Timestamp,
    created: Timestamp,
    ledger: Option<&Ledger>,
    receipts: &Receipts,
) -> bool {
    let handled = ledger.and_then(|ledger| ledger.handled.get(&request).copied());
    let receipted = receipts.get(&request).map(|receipt| receipt.requested_at);
    requested_at > created && handled.max(receipted).is_none_or(|last| requested_at > last)
}

/// How long a request must wait that lies too far ahead.
pub(super) fn too_early(requested_at: Timestamp, now: Timestamp) -> Option<Duration> {
    let early = requested_at > time::after(now, AHEAD);
    early.then(|| time::since(requested_at, now).saturating_sub(AHEAD).max(Duration::from_secs(1)))
}

/// The end of a request's life.
pub(super) fn not_after(requested_at: Timestamp, not_after: Option<Timestamp>) -> Timestamp {
    not_after.unwrap_or_else(|| time::after(requested_at, DEFAULT_LIFE))
}

/// Since when an action may have been sent that serves a request.
pub(super) fn served_since(requested_at: Timestamp) -> Timestamp {
    time::before(requested_at, BEFORE)
}

/// An action since then that may already be what is asked for, other than those accounted for.
pub(super) fn served<'a>(
    look: &'a Look,
    name: &HostName,
    kind: OperationKind,
    since: Timestamp,
    recorded: &[i64],
    site: &Site,
) -> Option<&'a Action> {
    look.actions.iter().find(|action| {
        action.resource_name.as_deref().is_some_and(|other| name.matches(other))
            && action.submitted_at.is_none_or(|at| at >= since)
            && evidence::maybe_by_us(action, site)
            && evidence::maybe_kind(action, kind, site)
            && !recorded.contains(&action.id.get())
    })
}

/// The request that the ledger knows as dealt with, and whose receipt is not in the status: the process died
/// between the two writes, or the status was lost.
pub(super) fn without_receipt(
    request: OneShot,
    ledger: Option<&Ledger>,
    receipts: &Receipts,
) -> Option<Timestamp> {
    let handled = *ledger?.handled.get(&request)?;
    let receipt = receipts.get(&request);
    receipt.is_none_or(|receipt| receipt.requested_at < handled).then_some(handled)
}

/// How a request ended that was dealt with, by its action; nothing while that was not read.
pub(super) fn result(cloud: &Cloud, action: ActionId) -> Option<(OperationResult, Option<String>)> {
    match cloud.action(action) {
        None | Some(Observed::Unknown) => None,
        Some(Observed::Absent { .. }) => Some((OperationResult::OutcomeUnknown, None)),
        Some(Observed::Present { value, .. }) => Some(match &value.status {
            ActionStatus::Success => (OperationResult::Succeeded, None),
            ActionStatus::Error => (OperationResult::Failed, value.message.clone()),
            ActionStatus::InProgress | ActionStatus::Other(_) => (OperationResult::OutcomeUnknown, None),
        }),
    }
}

/// The receipt of a request, which remembers the actions of those before it.
pub(super) fn receipt(
    before: Option<&Receipt>,
    requested_at: Timestamp,
    result: OperationResult,
    action: Option<ActionId>,
    message: Option<String>,
    now: Timestamp,
) -> Receipt {
    Receipt {
        requested_at,
        result,
        action_id: action.map(ActionId::get),
        earlier_action_ids: Receipt::remembered(before),
        finished_at: time::whole_seconds(now),
        message: message.map(|text| bounded(&text, 2048)),
    }
}
