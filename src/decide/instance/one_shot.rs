//! One-shot requests on an instance: the hard reset (DESIGN 6).

use std::time::Duration;

use jiff::Timestamp;

use super::pass::Pass;
use super::validate::Checked;
use crate::crd::Reason;
use crate::crd::instance::ResetRequest;
use crate::crd::status::Receipt;
use crate::decide::decision::{Guarded, GuardedCall, Need, Note, Step};
use crate::decide::request;
use crate::decide::retry::Hold;
use crate::model::{ActionId, Detail, InstanceState, OneShot, OperationKind, OperationResult, time};

/// What a reset request comes to.
pub(super) enum Reset {
    /// Nothing is asked, or all was dealt with.
    None,
    /// Not now; look again after this.
    Wait(Duration),
    /// ITCare refused it, in these words; it is sent anew after this.
    Refused(Duration, String),
    /// A read or the guarded call.
    Act(Step, String),
}

/// The request that was not dealt with yet, if there is one.
pub(super) fn pending<'a>(pass: &Pass<'a>) -> Option<&'a ResetRequest> {
    let request = pass.view.spec.reset.as_ref()?;
    let newer = request::is_new(
        OneShot::Reset,
        request.requested_at,
        pass.view.object.created,
        pass.ledger.as_ref(),
        &pass.status.handled_requests,
    );
    newer.then_some(request)
}

/// Decides about `spec.reset`. A receipt is put into ledger and status here; the caller goes on.
pub(super) fn reset(pass: &mut Pass<'_>, checked: &Checked, detail: &Detail, at: Duration) -> Reset {
    let view = pass.view;
    let Some(asked) = pending(pass) else { return Reset::None };
    let requested = asked.requested_at;
    let now = view.now.wall;
    if let Some(wait) = request::too_early(requested, now) {
        note(
            pass,
            format!(
                "spec.reset.requestedAt {requested} lies more than five minutes ahead; it is carried out then"
            ),
        );
        return Reset::Wait(wait);
    }
    let end = request::not_after(requested, asked.not_after);
    if now > end {
        let refused = pass
            .last(OperationKind::Reset)
            .is_some_and(|last| last.result == OperationResult::Refused && last.finished_at >= requested);
        let result = if refused { OperationResult::Refused } else { OperationResult::Expired };
        receipt(pass, requested, result, None, Some(format!("not carried out before {end}")));
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
        Hold::Backoff(left, _) | Hold::Failing(left, _) => {
            return Reset::Wait(left.min(time::since(end, now) + Duration::from_secs(1)));
        }
        Hold::Refused(left, words) => {
            return Reset::Refused(left.min(time::since(end, now) + Duration::from_secs(1)), words);
        }
    }
    // The actions of this name since ten minutes before the request: has anybody, we included, done it already?
    let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= at.max(view.pass)) else {
        return Reset::Act(Step::Observe(Need::Look(checked.name.clone())), String::new());
    };
    let since = request::served_since(requested);
    let recorded = recorded_actions(pass);
    let done = request::served(look, &checked.name, OperationKind::Reset, since, &recorded, view.site);
    if let Some(action) = done {
        let id = action.id;
        let words = format!("action {id} may already be this reset; it is not sent");
        receipt(pass, requested, OperationResult::OutcomeUnknown, Some(id), Some(words.clone()));
        note(pass, format!("reset requested at {requested}: {words}; ask anew with a later requestedAt"));
        return Reset::None;
    }
    let Some(ledger) = pass.ledger.clone() else { return Reset::None };
    let call = GuardedCall::Reset { id: detail.id, comment: asked.comment.clone() };
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
    requested_at: Timestamp,
    result: OperationResult,
    action: Option<ActionId>,
    message: Option<String>,
) {
    pass.edit(|ledger| {
        ledger.handled.insert(OneShot::Reset, requested_at);
    });
    let before = pass.status.handled_requests.get(&OneShot::Reset);
    let receipt = request::receipt(before, requested_at, result, action, message, pass.view.now.wall);
    pass.status.handled_requests.insert(OneShot::Reset, receipt);
}

/// The reset that was dealt with and has no receipt.
pub(super) fn without_receipt(pass: &Pass<'_>) -> Option<Timestamp> {
    request::without_receipt(OneShot::Reset, pass.ledger.as_ref(), &pass.status.handled_requests)
}

/// Gives a request that was dealt with its receipt, though how it ended is not known any more.
pub(super) fn mend_receipt(pass: &mut Pass<'_>) {
    let Some(requested) = without_receipt(pass) else { return };
    let words = Some(request::LOST.to_owned());
    receipt(pass, requested, OperationResult::OutcomeUnknown, None, words);
}

fn note(pass: &mut Pass<'_>, message: String) {
    pass.notes.push(Note { warning: false, reason: Reason::Resetting, message });
}
