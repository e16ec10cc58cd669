//! One-shot requests on an instance: the hard reset (DESIGN 6).

use std::time::Duration;

use jiff::Timestamp;

use super::pass::Pass;
use super::validate::Checked;
use crate::crd::Reason;
use crate::crd::instance::ResetRequest;
use crate::crd::status::{Receipt, bounded};
use crate::decide::decision::{Guarded, GuardedCall, Need, Note, Step};
use crate::decide::evidence;
use crate::decide::retry::Hold;
use crate::model::{ActionId, Detail, InstanceState, OneShot, OperationKind, OperationResult, time};

/// A request further ahead than this waits: clocks differ by less.
const AHEAD: Duration = Duration::from_secs(300);

/// How long before the request an action may have been sent that serves it.
const BEFORE: Duration = Duration::from_secs(600);

/// Without `notAfter`.
const DEFAULT_LIFE: Duration = Duration::from_secs(3600);

/// What a reset request comes to.
pub(super) enum Reset {
    /// Nothing is asked, or all was dealt with.
    None,
    /// Not now; look again after this.
    Wait(Duration),
    /// A read or the guarded call.
    Act(Step, String),
}

/// The request that was not dealt with yet, if there is one.
pub(super) fn pending<'a>(pass: &Pass<'a>) -> Option<&'a ResetRequest> {
    let request = pass.view.spec.reset.as_ref()?;
    let handled = pass.ledger.as_ref().and_then(|ledger| ledger.handled.get(&OneShot::Reset).copied());
    let newer = request.requested_at > pass.view.object.created
        && handled.is_none_or(|handled| request.requested_at > handled);
    newer.then_some(request)
}

/// The end of a request's life.
pub(crate) fn not_after(requested_at: Timestamp, not_after: Option<Timestamp>) -> Timestamp {
    not_after.unwrap_or_else(|| time::after(requested_at, DEFAULT_LIFE))
}

/// Decides about `spec.reset`. A receipt is put into ledger and status here; the caller goes on.
pub(super) fn reset(pass: &mut Pass<'_>, checked: &Checked, detail: &Detail, at: Duration) -> Reset {
    let view = pass.view;
    let Some(request) = pending(pass) else { return Reset::None };
    let requested = request.requested_at;
    let now = view.now.wall;
    if requested > time::after(now, AHEAD) {
        note(
            pass,
            format!(
                "spec.reset.requestedAt {requested} lies more than five minutes ahead; it is carried out then"
            ),
        );
        return Reset::Wait(time::since(requested, now).saturating_sub(AHEAD).max(Duration::from_secs(1)));
    }
    let end = not_after(requested, request.not_after);
    if now > end {
        let refused = pass
            .last(OperationKind::Reset)
            .is_some_and(|last| last.result == OperationResult::Refused && last.finished_at >= requested);
        let result = if refused { OperationResult::Refused } else { OperationResult::Expired };
        receipt(pass, OneShot::Reset, requested, result, None, Some(format!("not carried out before {end}")));
        note(
            pass,
            format!(
                "the reset requested at {requested} was not carried out before {end}; ask anew with a later requestedAt"
            ),
        );
        return Reset::None;
    }
    if detail.state != InstanceState::Active {
        note(
            pass,
            format!(
                "the reset requested at {requested} waits until {} is ACTIVE, at most until {end}",
                checked.name
            ),
        );
        return Reset::Wait(time::since(end, now).min(view.site.observe_interval) + Duration::from_secs(1));
    }
    match pass.hold(OperationKind::Reset) {
        Hold::No => {}
        Hold::Backoff(left, _) | Hold::Failing(left, _) | Hold::Refused(left, _) => {
            return Reset::Wait(left.min(time::since(end, now) + Duration::from_secs(1)));
        }
    }
    // The actions of this name since ten minutes before the request: has anybody, we included, done it already?
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= at.max(view.pass)) else {
        return Reset::Act(Step::Observe(Need::Look(checked.name.clone())), String::new());
    };
    let since = time::before(requested, BEFORE);
    let recorded = recorded_actions(pass);
    let done = look.actions.iter().find(|action| {
        action.resource_name.as_deref().is_some_and(|name| checked.name.matches(name))
            && action.submitted_at.is_none_or(|at| at >= since)
            && evidence::maybe_by_us(action, view.site)
            && evidence::maybe_kind(action, OperationKind::Reset, view.site)
            && !recorded.contains(&action.id.get())
    });
    if let Some(action) = done {
        let id = action.id;
        let words = format!("action {id} may already be this reset; it is not sent");
        receipt(
            pass,
            OneShot::Reset,
            requested,
            OperationResult::OutcomeUnknown,
            Some(id),
            Some(words.clone()),
        );
        note(pass, format!("reset requested at {requested}: {words}; ask anew with a later requestedAt"));
        return Reset::None;
    }
    let Some(ledger) = pass.ledger.clone() else { return Reset::None };
    let call = GuardedCall::Reset { id: detail.id, comment: request.comment.clone() };
    let guarded = Guarded { ledger: Box::new(ledger), request: Some(requested), not_after: Some(end), call };
    Reset::Act(Step::Guarded(guarded), format!("resetting {} as requested at {requested}", checked.name))
}

/// Actions that are accounted for: they served earlier requests or other operations.
fn recorded_actions(pass: &Pass<'_>) -> Vec<i64> {
    let status = pass.view.status;
    status
        .handled_requests
        .values()
        .flat_map(Receipt::action_ids)
        .chain(status.last_operation.as_ref().and_then(|last| last.action_id))
        .chain(pass.status.last_operation.as_ref().and_then(|last| last.action_id))
        .collect()
}

/// Puts the receipt into ledger and status.
pub(super) fn receipt(
    pass: &mut Pass<'_>,
    request: OneShot,
    requested_at: Timestamp,
    result: OperationResult,
    action: Option<ActionId>,
    message: Option<String>,
) {
    pass.edit(|ledger| {
        ledger.handled.insert(request, requested_at);
    });
    let earlier = Receipt::remembered(pass.status.handled_requests.get(&request));
    pass.status.handled_requests.insert(
        request,
        Receipt {
            requested_at,
            result,
            action_id: action.map(ActionId::get),
            earlier_action_ids: earlier,
            finished_at: time::whole_seconds(pass.view.now.wall),
            message: message.map(|text| bounded(&text, 2048)),
        },
    );
}

/// The request that the ledger knows as dealt with, and whose receipt is not in the status: the process died
/// between the two writes, or the status was lost.
pub(super) fn without_receipt(pass: &Pass<'_>) -> Option<Timestamp> {
    let handled = *pass.ledger.as_ref()?.handled.get(&OneShot::Reset)?;
    let receipt = pass.status.handled_requests.get(&OneShot::Reset);
    receipt.is_none_or(|receipt| receipt.requested_at < handled).then_some(handled)
}

/// Gives a request that was dealt with its receipt, though how it ended is not known any more.
pub(super) fn mend_receipt(pass: &mut Pass<'_>) {
    let Some(requested) = without_receipt(pass) else { return };
    let words = "it was dealt with, but the status that told how was lost; look at the VM";
    receipt(pass, OneShot::Reset, requested, OperationResult::OutcomeUnknown, None, Some(words.to_owned()));
}

fn note(pass: &mut Pass<'_>, message: String) {
    pass.notes.push(Note { warning: false, reason: Reason::Resetting, message });
}
