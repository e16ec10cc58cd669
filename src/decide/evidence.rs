//! Which action, and which VM, may have come of a call of ours (DESIGN 5.2, step 5).

use std::time::Duration;

use jiff::Timestamp;

use super::cloud::Site;
use crate::model::{Action, ActionStatus, Fence, HostName, Intent, Listed, OperationKind, time};

/// Clocks of one API agree; they are not the same clock. How late a date may be.
pub const CLOCKS: Duration = Duration::from_secs(300);

/// How early a date may be. Less: what somebody else made a few minutes before our call must not pass for ours.
const SKEW: Duration = Duration::from_secs(30);

/// `Date` headers have whole seconds: what happened within the fence's own second is after it.
const RESOLUTION: Duration = Duration::from_secs(1);

/// Whether this action may be what our call started.
#[must_use]
pub fn possibly_ours(action: &Action, intent: &Intent, name: &HostName, site: &Site) -> bool {
    let named = action.resource_name.as_deref().is_some_and(|other| name.matches(other));
    named
        && newer_than(action, intent.fence)
        && in_send_window(action, intent.fence, site)
        && maybe_by_us(action, site)
        && maybe_kind(action, intent.kind, site)
}

/// Whether its submitter is not known to be someone else.
#[must_use]
pub fn maybe_by_us(action: &Action, site: &Site) -> bool {
    match (&action.submitted_by, &site.submitter) {
        (Some(by), Some(us)) => by == us,
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// Whether its process is not known to be of another kind.
#[must_use]
pub fn maybe_kind(action: &Action, kind: OperationKind, site: &Site) -> bool {
    action.process.as_deref().and_then(|process| site.kind_of(process)).is_none_or(|known| known == kind)
}

/// Whether it may still do something. A status that nobody knows counts as running, but for what ended or was there
/// before the call: then nothing ran.
#[must_use]
pub fn may_still_act(action: &Action, intent: &Intent) -> bool {
    match action.status {
        ActionStatus::InProgress => true,
        ActionStatus::Other(_) => action.completed_at.is_none() && newer_than(action, intent.fence),
        ActionStatus::Success | ActionStatus::Error => false,
    }
}

fn newer_than(action: &Action, fence: Fence) -> bool {
    let by_id = fence.action.is_none_or(|newest| action.id > newest);
    // Ids alone tell the order where one is known; dates of several clocks then only exclude what is far off.
    let slack = if fence.action.is_some() { SKEW } else { RESOLUTION };
    let by_date = match (action.submitted_at, fence.date) {
        (Some(at), Some(date)) => at >= time::before(date, slack),
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    by_id && by_date
}

fn in_send_window(action: &Action, fence: Fence, site: &Site) -> bool {
    match (action.submitted_at, fence.date) {
        (Some(at), Some(date)) => at <= time::after(date, site.send_window + CLOCKS),
        (Some(_) | None, None) | (None, Some(_)) => true,
    }
}

/// No action runs for longer, as far as anybody knows: how late after the call something may have come of it,
/// where the end of its action is not told.
pub const LONGEST_ACTION: Duration = Duration::from_secs(24 * 3600);

/// Whether what is known of this VM's making contradicts that our call made it. What was made after our action had
/// `ended` is somebody else's: ours may have been renamed before we saw it.
#[must_use]
pub fn may_be_made_by(item: &Listed, intent: &Intent, ended: Option<Timestamp>, site: &Site) -> bool {
    let last = ended.map(|ended| time::after(ended, CLOCKS));
    let last = last.or(intent.fence.date.map(|date| time::after(date, LONGEST_ACTION)));
    let time_fits = item.created_at.is_none_or(|made| {
        intent.fence.date.is_none_or(|date| made >= time::before(date, SKEW))
            && last.is_none_or(|last| made <= last)
    });
    let user_fits = match (&item.created_by, &site.creator) {
        (Some(by), Some(us)) => by == us,
        (Some(_) | None, None) | (None, Some(_)) => true,
    };
    time_fits && user_fits
}

/// Whether this VM was made so long after the call that only the end of our action can tell whose it is. No action
/// ends before its call.
#[must_use]
pub fn is_late(item: &Listed, intent: &Intent) -> bool {
    let call = item.created_at.zip(intent.fence.date);
    call.is_some_and(|(made, date)| made > time::after(date, CLOCKS))
}
