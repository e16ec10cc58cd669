//! Power that we took and owe back (DESIGN 5.5).

use std::time::Duration;

use super::adopt::mismatch;
use super::live::{Next, Rest, held_back};
use super::operation::{self, Followed};
use super::pass::Pass;
use super::preflight::send;
use super::validate::Checked;
use super::{Claim, observe as ask};
use crate::crd::Reason;
use crate::decide::decision::{CallAction, Need, Step, Wake};
use crate::decide::retry::Hold;
use crate::model::{Detail, InstanceId, InstanceState, Observed, OperationKind, PowerState};

/// Gives back power that was taken for a resize (DESIGN 5.5).
pub(super) fn resume<'a>(
    mut pass: Pass<'a>,
    checked: &Checked,
    detail: &Detail,
    at: Duration,
    rest: &mut Rest,
) -> Next<'a> {
    if pass.ledger.as_ref().is_none_or(|ledger| ledger.resume.is_none()) || rest.resize_soon {
        return Next::On(pass);
    }
    if pass.view.spec.power_state == Some(PowerState::Stopped) {
        pass.edit(|ledger| ledger.resume = None);
        return Next::On(pass);
    }
    match &detail.state {
        InstanceState::Active => match late_stop(&mut pass, detail.id, at) {
            // Written before anything else is looked into: newer looks at the actions would ask for newer ones at
            // the VM.
            LateStop::Past => {
                pass.edit(|ledger| ledger.resume = None);
                Next::Effect(Box::new(pass.finish(Step::Nothing, Wake::After(Duration::ZERO))))
            }
            // The next look must be a new one; until then all is as asked.
            LateStop::Possible(wait) => {
                rest.wake(wait);
                Next::On(pass)
            }
            LateStop::Unread(need) => {
                Next::Effect(Box::new(ask(pass, need, "looking whether the VM stays powered on")))
            }
        },
        InstanceState::Inactive => match held_back(&pass, detail, OperationKind::Start) {
            Hold::No => {
                let message = format!("starting {} again after its resize", checked.name);
                Next::Effect(Box::new(send(
                    pass,
                    checked,
                    detail,
                    at,
                    CallAction::Start,
                    Reason::Starting,
                    message,
                )))
            }
            Hold::Backoff(left, message) => {
                rest.wake(left);
                rest.working = Some((
                    Reason::Starting,
                    format!("{} could not be started again: {message}; trying again", checked.name),
                ));
                Next::On(pass)
            }
            Hold::Failing(left, message) | Hold::Refused(left, message) => {
                rest.wake(left);
                rest.stalled = Some((
                    Reason::ActionFailed,
                    format!(
                        "{} was stopped for a resize and cannot be started again: {message}; start it in ITCare",
                        checked.name
                    ),
                ));
                Next::On(pass)
            }
        },
        InstanceState::Removed | InstanceState::Other(_) => Next::On(pass),
    }
}

/// Whether a stop of ours may still take the power of a VM that runs.
enum LateStop {
    /// None is left.
    Past,
    /// It may come, or is under way: look again then.
    Possible(Duration),
    /// This must be read first.
    Unread(Need),
}

/// A stop whose answer was lost shows within the settle time, but may run for longer. So the VM must be seen to run
/// after a look that found no action left on it.
fn late_stop(pass: &mut Pass<'_>, id: InstanceId, seen_at: Duration) -> LateStop {
    let view = pass.view;
    let due = *pass.memory.resume_seen.get_or_insert(view.now.mono) + view.site.settle;
    if view.now.mono < due {
        return LateStop::Possible((due - view.now.mono).max(Duration::from_millis(10)));
    }
    match view.cloud.running.since(due) {
        Observed::Unknown | Observed::Absent { .. } => LateStop::Unread(Need::Running { since: due }),
        Observed::Present { value, at } if value.is_empty() => {
            if seen_at >= at {
                LateStop::Past
            } else {
                LateStop::Unread(Need::Detail(id))
            }
        }
        Observed::Present { .. } => LateStop::Possible(view.site.action_interval),
    }
}

/// Power that is owed although the VM is not managed any more (`Retain`, `Observe`).
pub(super) fn give_power_back<'a>(mut pass: Pass<'a>, checked: &Checked) -> Followed<'a> {
    let view = pass.view;
    let owes = pass
        .ledger
        .as_ref()
        .filter(|ledger| ledger.resume.is_some() && view.spec.power_state != Some(PowerState::Stopped))
        .and_then(|ledger| ledger.instance);
    // Whoever lost the claim makes no call at all; the holder owes it now.
    let Some(id) = owes.filter(|_| view.claim == Claim::Held) else { return Followed::Over(pass) };
    pass = match operation::follow(pass, checked, id) {
        Followed::Wait(decision) => return Followed::Wait(decision),
        Followed::Over(pass) => pass,
    };
    let (detail, at) = match pass.detail_since(view.pass) {
        Observed::Unknown => {
            return Followed::Wait(ask(pass, Need::Detail(id), "reading the VM to give it its power back"));
        }
        Observed::Absent { .. } => return Followed::Over(pass),
        Observed::Present { value, at } => (value, at),
    };
    if mismatch(checked, id, detail).is_some() {
        return Followed::Over(pass);
    }
    let waiting = format!("waiting until {} runs again before letting it go", checked.name);
    match &detail.state {
        InstanceState::Active => match late_stop(&mut pass, id, at) {
            LateStop::Past => {
                pass.edit(|ledger| ledger.resume = None);
                Followed::Over(pass)
            }
            LateStop::Possible(wait) => {
                Followed::Wait(pass.working(Reason::Starting, waiting, Wake::After(wait)))
            }
            LateStop::Unread(need) => Followed::Wait(ask(pass, need, &waiting)),
        },
        InstanceState::Inactive => match held_back(&pass, detail, OperationKind::Start) {
            Hold::No => {
                let message = format!("starting {} again before letting it go", checked.name);
                Followed::Wait(send(pass, checked, detail, at, CallAction::Start, Reason::Starting, message))
            }
            Hold::Backoff(left, _) => {
                Followed::Wait(pass.working(Reason::Starting, waiting, Wake::After(left)))
            }
            // Retain lets go in every stalled state; an object that stays says what it owes.
            Hold::Failing(..) | Hold::Refused(..) if view.object.deleting => {
                pass.edit(|ledger| ledger.resume = None);
                Followed::Over(pass)
            }
            Hold::Failing(left, words) | Hold::Refused(left, words) => {
                let text = format!(
                    "{} was stopped for a resize and cannot be started again: {words}; start it in ITCare, or set powerState: Stopped",
                    checked.name
                );
                Followed::Wait(pass.stalled_until(Reason::ActionFailed, text, Wake::After(left)))
            }
        },
        InstanceState::Other(_) => {
            let wake = Wake::After(view.site.observe_interval);
            Followed::Wait(pass.working(Reason::Starting, waiting, wake))
        }
        InstanceState::Removed => Followed::Over(pass),
    }
}
