//! A VM is ours: keep it as the spec asks.

use std::time::Duration;

use super::adopt::mismatch;
use super::groups::{self, GroupState, Standing};
use super::look::refused_words;
use super::operation::{self, Followed};
use super::pass::Pass;
use super::preflight::{self, Owed, preflight};
use super::resume::resume;
use super::validate::Checked;
use super::{facts, observe as ask, one_shot};
use crate::crd::instance::ResizePolicy;
use crate::crd::status::{Drift, LastOperation, bounded};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{Call, CallAction, Decision, Need, Step, Wake};
use crate::decide::retry::{self, Hold};
use crate::model::failure::says_http;
use crate::model::{
    Detail, Group, HeldWhy, HostName, InstanceId, InstanceState, Listed, Observed, OperationKind,
    OperationResult, PowerState, time,
};

/// Keeps the VM as the spec asks.
pub(super) fn decide(pass: Pass<'_>, checked: &Checked, id: InstanceId) -> Decision<InstanceStatus> {
    let mut pass = match operation::follow(pass, checked, id) {
        Followed::Wait(decision) => return decision,
        Followed::Over(pass) => pass,
    };
    one_shot::mend_receipt(&mut pass);
    pass.drop_expired_slot();
    if let Some(wake) = at_rest(&pass, checked) {
        let power = pass.status.power_state;
        return match (pass.out_of_sight(), power) {
            (Some((failure, lost)), _) => pass.lose_sight(failure, lost),
            // The list comes in again, and shows what was known before: no detail need be read to say so.
            (None, Some(power)) if !pass.was_ready() && pass.view.cloud.listed.as_ref().value().is_some() => {
                stands(pass, power, &checked.name, id, wake)
            }
            (None, _) => pass.finish(Step::Nothing, wake),
        };
    }
    pass = match preflight::wait_on(pass, checked) {
        Followed::Wait(decision) => return decision,
        Followed::Over(pass) => pass,
    };
    let mark = detail_mark(&pass);
    match pass.detail_since(mark) {
        Observed::Unknown if is_quiet(&pass, checked) => {
            pass.observe_quietly(Need::Detail(id), &format!("reading VM {id}"))
        }
        Observed::Unknown => ask(pass, Need::Detail(id), &format!("reading VM {id}")),
        Observed::Absent { .. } => missing(pass, id),
        Observed::Present { value: detail, at } => {
            if detail.state == InstanceState::Removed {
                return missing(pass, id);
            }
            if let Some(message) = mismatch(checked, id, detail) {
                return pass.stalled(Reason::IdentityMismatch, message);
            }
            if let Some(need) = missing_parts(&pass, detail) {
                return ask(pass, need, "reading the VM");
            }
            pass.record(detail);
            pass.memory.missing_seen = None;
            let account = pass.view.site.account.clone();
            pass.edit(|ledger| ledger.account = account);
            business(pass, checked, detail, at)
        }
    }
}

/// Whether nothing can be due: all is quiet, and the last look at the VM is not too old.
fn at_rest(pass: &Pass<'_>, checked: &Checked) -> Option<Wake> {
    let view = pass.view;
    // A snapshot call of ours may have ended since: the detail shows the slot. And one that was read by this very
    // pass has not been compared with anything yet.
    let detail_is_current =
        view.cloud.detail.at().is_none_or(|at| at >= pass.memory.effect_end && at < view.pass);
    let rests = is_quiet(pass, checked)
        && detail_is_current
        && !pass.memory.unsaid
        && view.now.mono < view.detail_due;
    let left = view.detail_due.saturating_sub(view.now.mono);
    rests.then(|| Wake::After(pass.slot_left().map_or(left, |end| end.min(left))))
}

/// Settled for this generation, nothing is asked for, and the list shows what the status says.
fn is_quiet(pass: &Pass<'_>, checked: &Checked) -> bool {
    let view = pass.view;
    let Some(ledger) = pass.ledger.as_ref() else { return false };
    let written = view.object.has_ledger
        && view.object.has_finalizer
        && view.ledger.as_ref().ok().and_then(Option::as_ref) == Some(ledger);
    let listed_agrees = match &view.cloud.listed {
        Observed::Present { value, at } if *at >= pass.memory.effect_end => {
            view.status.state.as_deref() == Some(value.state.as_str())
                && checked.name == value.name
                && value.service.is_none_or(|service| service == checked.service)
        }
        Observed::Absent { at } => *at < pass.memory.effect_end,
        Observed::Present { .. } | Observed::Unknown => true,
    };
    written
        && pass.was_settled()
        && !pass.look_requested()
        && ledger.resume.is_none()
        && listed_agrees
        && one_shot::pending(pass).is_none()
}

/// The oldest detail that may be decided upon.
pub(super) fn detail_mark(pass: &Pass<'_>) -> Duration {
    let view = pass.view;
    let mut mark = pass.memory.effect_end.max(pass.memory.running_seen.unwrap_or_default());
    if pass.look_requested() || view.now.mono >= view.detail_due {
        mark = mark.max(view.pass);
    }
    // Whether power that we took is back is asked a settle time after our last stop (DESIGN 5.5).
    let resume_due = pass.memory.resume_seen.map(|seen| seen + view.site.settle);
    if let Some(due) = resume_due.filter(|due| view.now.mono >= *due)
        && pass.ledger.as_ref().is_some_and(|ledger| ledger.resume.is_some())
    {
        mark = mark.max(due);
    }
    let known = view.cloud.detail.as_ref().value();
    match &view.cloud.listed {
        Observed::Present { value, at } if known.is_some_and(|detail| !shows_the_same(value, detail)) => {
            mark.max(*at)
        }
        Observed::Absent { at } => mark.max(*at),
        Observed::Present { .. } | Observed::Unknown => mark,
    }
}

/// Whether the list tells what the detail told, as far as it tells it.
pub(super) fn shows_the_same(item: &Listed, detail: &Detail) -> bool {
    let service = item.service.zip(detail.service).is_none_or(|(listed, known)| listed == known);
    item.state == detail.state && item.name == detail.name && service
}

/// Storage and network, where the detail leaves them out and nobody has asked yet.
pub(super) fn missing_parts(pass: &Pass<'_>, detail: &Detail) -> Option<Need> {
    let cloud = &pass.view.cloud;
    let unread = |need: &Need| cloud.failure(need).is_none();
    let storage = Need::Storage(detail.id);
    if detail.file_systems.is_none() && cloud.storage.is_none() && unread(&storage) {
        return Some(storage);
    }
    let network = Need::Network(detail.id);
    (detail.network.is_none() && cloud.network.is_none() && unread(&network)).then_some(network)
}

fn missing(mut pass: Pass<'_>, id: InstanceId) -> Decision<InstanceStatus> {
    pass.status.state = None;
    pass.status.power_state = None;
    let doubt = if pass.view.cloud.missing_is_evidence {
        ""
    } else {
        " (several VMs vanished at once, or the account changed: check the credentials first)"
    };
    pass.stalled(
        Reason::InstanceMissing,
        format!(
            "ITCare has no VM {id} any more{doubt}; it is not created again by itself: delete this object (Git applies it anew)"
        ),
    )
}

fn business(
    mut pass: Pass<'_>,
    checked: &Checked,
    detail: &Detail,
    at: Duration,
) -> Decision<InstanceStatus> {
    let view = pass.view;
    let Some(ledger) = pass.ledger.clone() else { return ready(pass, detail) };
    let states = groups::evaluate(view.spec, checked, detail, &ledger);
    pass.compared = true;
    pass.edit(|ledger| {
        let mut applied = groups::applied(view.spec, ledger);
        // A group that is left out is not managed: once it comes back, Git has changed it.
        applied.groups.retain(|group, _| states.iter().any(|state| state.group == *group));
        for state in states.iter().filter(|state| state.standing == Standing::Matched) {
            applied.groups.insert(state.group, state.hash.clone());
            ledger.held.remove(&state.group);
        }
        ledger.applied = Some(applied);
        ledger.held.retain(|group, held| {
            states.iter().any(|state| state.group == *group && state.hash == held.hash)
        });
    });
    let mut rest = Rest::default();
    match one_shot::reset(&mut pass, checked, detail, at) {
        one_shot::Reset::None => {}
        one_shot::Reset::Wait(wait) => rest.wake(wait),
        // The same words as when it was refused: until it is sent anew, or its time is over, nothing has changed.
        one_shot::Reset::Refused(wait, words) => {
            rest.wake(wait);
            rest.stalled = Some(refused_words(checked, OperationKind::Reset, &words));
        }
        one_shot::Reset::Act(step, message) => {
            return match step {
                Step::Observe(need) => ask(pass, need, "checking the reset"),
                step => {
                    preflight(pass, checked, detail, at, (step, Owed::Nothing), Reason::Resetting, message)
                }
            };
        }
    }
    for state in states {
        let business = Business { checked, detail, at };
        pass = match business.group(pass, &state, &mut rest) {
            Next::Effect(decision) => return *decision,
            Next::On(pass) => pass,
        };
        if state.group == Group::Size {
            pass = match resume(pass, checked, detail, at, &mut rest) {
                Next::Effect(decision) => return *decision,
                Next::On(pass) => pass,
            };
        }
    }
    if view.spec.size.is_none() {
        pass = match resume(pass, checked, detail, at, &mut rest) {
            Next::Effect(decision) => return *decision,
            Next::On(pass) => pass,
        };
    }
    rest.conclude(pass, detail)
}

#[expect(clippy::large_enum_variant, reason = "moved once, right away")]
pub(super) enum Next<'a> {
    Effect(Box<Decision<InstanceStatus>>),
    On(Pass<'a>),
}

/// What remains to be said once no effect is due.
#[derive(Default)]
pub(super) struct Rest {
    pub stalled: Option<(Reason, String)>,
    pub working: Option<(Reason, String)>,
    pub wake: Option<Duration>,
    /// A resize that will be tried again soon: power is given back after it.
    pub resize_soon: bool,
}

impl Rest {
    pub fn wake(&mut self, after: Duration) {
        self.wake = Some(self.wake.map_or(after, |wake| wake.min(after)));
    }

    fn conclude(self, pass: Pass<'_>, detail: &Detail) -> Decision<InstanceStatus> {
        let wake = |default: Duration| Wake::After(self.wake.map_or(default, |wake| wake.min(default)));
        if let Some((reason, message)) = self.stalled {
            return pass.stalled_until(reason, message, wake(retry::RECHECK));
        }
        if let Some((reason, message)) = self.working {
            return pass.working(reason, message, wake(retry::RECHECK));
        }
        let rest = pass.view.detail_due.saturating_sub(pass.view.now.mono);
        let rest = if rest.is_zero() { pass.view.site.detail_interval } else { rest };
        ready_until(pass, detail, wake(rest))
    }
}

struct Business<'b> {
    checked: &'b Checked,
    detail: &'b Detail,
    at: Duration,
}

impl Business<'_> {
    fn group<'a>(&self, mut pass: Pass<'a>, state: &GroupState, rest: &mut Rest) -> Next<'a> {
        let kind = operation::kind_of(state.group, pass.view.spec.power_state);
        match &state.standing {
            Standing::Matched | Standing::Unreported => return Next::On(pass),
            Standing::Reported | Standing::Held(HeldWhy::NotEffective, _) => {
                pass.drift.push(Drift {
                    field: state.group.field().to_owned(),
                    desired: bounded(&state.desired, 256),
                    observed: bounded(&state.observed, 256),
                    since: time::whole_seconds(pass.view.now.wall),
                });
                return Next::On(pass);
            }
            Standing::Held(why, message) => {
                let reason = if *why == HeldWhy::Failed { Reason::ActionFailed } else { Reason::Rejected };
                let words = message.clone().unwrap_or_default();
                rest.stalled.get_or_insert((
                    reason,
                    format!("spec.{}: {} did not work: {words}; ask for another value, or have ITCare's support look", state.group.field(), state.desired),
                ));
                return Next::On(pass);
            }
            Standing::Due => {}
        }
        if self.detail.state.power().is_none() {
            rest.working.get_or_insert((
                Reason::ForeignActionInProgress,
                format!(
                    "ITCare reports state {}; waiting until {} is ACTIVE or INACTIVE",
                    self.detail.state.as_str(),
                    self.checked.name
                ),
            ));
            rest.wake(pass.view.site.observe_interval);
            return Next::On(pass);
        }
        let Some(action) = self.call(&pass, state.group) else { return Next::On(pass) };
        let sent = action.kind();
        match held_back(&pass, self.detail, sent) {
            Hold::No => {}
            Hold::Backoff(left, message) => {
                rest.resize_soon |= state.group == Group::Size;
                rest.wake(left);
                rest.working.get_or_insert((
                    operation::reason(kind),
                    format!("{sent} of {} failed: {message}; trying again", self.checked.name),
                ));
                return Next::On(pass);
            }
            Hold::Failing(left, message) => {
                rest.wake(left);
                rest.stalled.get_or_insert((
                    Reason::ActionFailed,
                    format!("spec.{}: {sent} of {} failed three times: {message}; correct the spec, or ask ITCare's support", state.group.field(), self.checked.name),
                ));
                return Next::On(pass);
            }
            Hold::Refused(left, message) => {
                rest.wake(left);
                rest.stalled.get_or_insert(self.refused(&pass, state, sent, &message));
                return Next::On(pass);
            }
        }
        let stop_first = sent == OperationKind::Stop && state.group == Group::Size;
        let reason = if stop_first { Reason::Stopping } else { operation::reason(kind) };
        let message = format!(
            "{sent} of {}: spec.{} asks for {}, ITCare reports {}",
            self.checked.name,
            state.group.field(),
            state.desired,
            state.observed
        );
        let resume = if stop_first { Owed::Power } else { Owed::Nothing };
        let call =
            Call { id: self.detail.id, change_reference: pass.view.spec.change_reference.clone(), action };
        Next::Effect(Box::new(preflight(
            pass,
            self.checked,
            self.detail,
            self.at,
            (Step::Call(call), resume),
            reason,
            message,
        )))
    }

    fn call(&self, pass: &Pass<'_>, group: Group) -> Option<CallAction> {
        let running = self.detail.state == InstanceState::Active;
        match group {
            Group::Size if running && pass.view.spec.resize_policy == ResizePolicy::StopStart => {
                Some(CallAction::Stop)
            }
            // Power that we took for a resize is given back by `resume`, not twice.
            Group::Power
                if pass.ledger.as_ref().is_some_and(|ledger| ledger.resume.is_some())
                    && pass.view.spec.power_state == Some(PowerState::Running) =>
            {
                None
            }
            _ => groups::call(pass.view.spec, self.checked, group),
        }
    }

    fn refused(
        &self,
        pass: &Pass<'_>,
        state: &GroupState,
        sent: OperationKind,
        message: &str,
    ) -> (Reason, String) {
        if pass.last(sent).is_some_and(needs_power_off)
            && pass.view.spec.resize_policy == ResizePolicy::InPlace
        {
            return (
                Reason::PowerOffRequired,
                format!(
                    "spec.size: ITCare refused to resize {} to {} while it runs: {message}; set spec.resizePolicy: StopStart to let the operator stop it, or stop it yourself",
                    self.checked.name, state.desired
                ),
            );
        }
        (
            Reason::Rejected,
            format!(
                "spec.{}: ITCare refused {}: {message}; correct the field",
                state.group.field(),
                state.desired
            ),
        )
    }
}

/// The hold on a kind. A resize that was refused because the VM runs is asked for again when it does not
/// any more, and not before: the state explains the refusal.
pub(super) fn held_back(pass: &Pass<'_>, detail: &Detail, kind: OperationKind) -> Hold {
    if let Some(last) =
        pass.last(kind).filter(|last| needs_power_off(last) && last.generation == Some(pass.generation()))
    {
        return match detail.state {
            InstanceState::Active => Hold::Refused(retry::RECHECK, last.message.clone().unwrap_or_default()),
            InstanceState::Inactive | InstanceState::Removed | InstanceState::Other(_) => Hold::No,
        };
    }
    pass.hold(kind)
}

/// Whether it was a resize that ITCare refused for the VM's state, not for the size.
fn needs_power_off(last: &LastOperation) -> bool {
    last.kind == OperationKind::Resize
        && last.result == OperationResult::Refused
        && last.state.as_deref() == Some(InstanceState::Active.as_str())
        // 400 is what the API's page promises for a wrong state; it is also what an unknown size gets.
        && last.message.as_deref().is_some_and(|words| says_http(words, 400) && !words.contains("sizing"))
}

/// Nothing is due.
pub(super) fn ready(pass: Pass<'_>, detail: &Detail) -> Decision<InstanceStatus> {
    let wake = Wake::After(pass.view.site.detail_interval);
    ready_until(pass, detail, wake)
}

fn ready_until(mut pass: Pass<'_>, detail: &Detail, wake: Wake) -> Decision<InstanceStatus> {
    facts::record_listed(&mut pass.status, &detail.listed());
    let wake = match (wake, pass.slot_left()) {
        (Wake::After(wait), Some(end)) => Wake::After(wait.min(end)),
        (wake, _) => wake,
    };
    match detail.state.power() {
        Some(power) => stands(pass, power, &detail.name, detail.id, wake),
        None => {
            let message = format!(
                "ITCare reports state {}; waiting until it is ACTIVE or INACTIVE",
                detail.state.as_str()
            );
            let interval = pass.view.site.observe_interval;
            pass.working(Reason::ForeignActionInProgress, message, Wake::After(interval))
        }
    }
}

fn stands(
    pass: Pass<'_>,
    power: PowerState,
    name: &HostName,
    id: InstanceId,
    wake: Wake,
) -> Decision<InstanceStatus> {
    match power {
        PowerState::Running => pass.ready(Reason::Running, format!("{name} ({id}) runs"), wake),
        PowerState::Stopped => pass.ready(Reason::Stopped, format!("{name} ({id}) is stopped"), wake),
    }
}
