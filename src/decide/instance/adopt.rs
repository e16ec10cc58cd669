//! No VM yet: observe one, adopt one, or create one.

use std::time::Duration;

use super::groups;
use super::look::{in_service, refused_words};
use super::operation::Followed;
use super::pass::Pass;
use super::validate::Checked;
use super::{facts, live, locked, new_ledger, observe as ask, resume};
use crate::crd::instance::{AdoptionPolicy, ITCareInstanceSpec};
use crate::crd::{InstanceStatus, Reason};
use crate::decide::decision::{CreateRequest, Decision, Guarded, GuardedCall, Need, Step, Wake};
use crate::decide::retry::{Hold, RECHECK};
use crate::model::failure::says_http;
use crate::model::{
    Applied, Detail, Group, InstanceId, InstanceState, Listed, Observed, OperationKind, OperationResult,
    Origin, PowerState,
};

/// How old shared observations may be when they decide that there is no VM yet: counted from the start of the
/// pass, since what this pass asked for is fresh however slowly the answer came.
fn list_mark(pass: &Pass<'_>) -> Duration {
    let recent = pass.view.pass.saturating_sub(pass.view.site.observe_interval);
    let fresh = if pass.look_requested() { pass.view.pass } else { Duration::ZERO };
    recent.max(fresh).max(pass.memory.effect_end)
}

/// Binds, adopts or creates.
pub(super) fn decide(pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    if let Some(ledger) = &pass.ledger
        && ledger.account != view.site.account
        && ledger.instance.is_none()
        && ledger.seq > 0
        && view.spec.instance_id.is_none()
    {
        if !view.cloud.missing_is_evidence {
            let message = format!(
                "the ledger was written under another ITCare account, and nothing shows yet that this one sees service {}; restore the account, or wait until another VM of that service reads right",
                checked.service
            );
            return pass.stalled_until(
                Reason::DeletionBlocked,
                message,
                Wake::After(view.site.observe_interval),
            );
        }
        // Nothing was ever made under this ledger: the new account may start afresh.
        let mut ledger = ledger.clone();
        ledger.account = view.site.account.clone();
        let mut pass = pass;
        pass.change(ledger);
        return decide_in_account(pass, checked);
    }
    decide_in_account(pass, checked)
}

fn decide_in_account(mut pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    // No VM and no intent: an operation in the status is of a ledger that was lost, and a VM in it was only watched.
    pass.status.operation = None;
    facts::clear(&mut pass.status);
    if let Some(id) = view.spec.instance_id {
        return adopt(pass, checked, InstanceId::new(id), Duration::ZERO);
    }
    let mark = list_mark(&pass);
    let Observed::Present { value: named, at: listed_at } = view.cloud.named.since(mark) else {
        let need = Need::List { service: checked.service, since: mark };
        return ask(pass, need, "listing the instances of the service");
    };
    let named: Vec<&Listed> = named.iter().filter(|item| item.is_live()).collect();
    match named.as_slice() {
        [] => create(pass, checked),
        [one] => match view.spec.adoption_policy {
            AdoptionPolicy::ByName => {
                let id = one.id;
                adopt(pass, checked, id, listed_at)
            }
            AdoptionPolicy::Never => {
                let message = format!(
                    "spec.name: a VM named {} already exists in service {} with id {}; to take it over set spec.instanceId: {} or spec.adoptionPolicy: ByName, else choose another name",
                    checked.name, checked.service, one.id, one.id
                );
                pass.stalled(Reason::NameTaken, message)
            }
        },
        several => {
            let ids: Vec<String> = several.iter().map(|item| item.id.to_string()).collect();
            let message = format!(
                "spec.name: {} VMs named {} exist in service {} (ids {}); set spec.instanceId to the one that is meant",
                several.len(),
                checked.name,
                checked.service,
                ids.join(" and ")
            );
            let reason = match view.spec.adoption_policy {
                AdoptionPolicy::ByName => Reason::Ambiguous,
                AdoptionPolicy::Never => Reason::NameTaken,
            };
            pass.stalled(reason, message)
        }
    }
}

fn adopt(pass: Pass<'_>, checked: &Checked, id: InstanceId, mark: Duration) -> Decision<InstanceStatus> {
    let view = pass.view;
    if let Some((_, other)) = view.recorded_elsewhere.iter().find(|(recorded, _)| *recorded == id) {
        return pass.stalled(
            Reason::Conflict,
            format!("VM {id} is already managed by {other}; delete one of the two objects (with deletionPolicy Retain the VM stays)"),
        );
    }
    let mark = mark.max(view.pass).max(pass.memory.effect_end);
    match pass.detail_since(mark) {
        Observed::Unknown => ask(pass, Need::Detail(id), &format!("reading VM {id} to adopt it")),
        Observed::Absent { .. } => missing(pass, id),
        Observed::Present { value: detail, .. } => {
            if detail.state == InstanceState::Removed {
                return missing(pass, id);
            }
            if let Some(message) = mismatch(checked, id, detail) {
                return pass.stalled(Reason::IdentityMismatch, message);
            }
            bind(pass, checked, detail, Origin::Adopted)
        }
    }
}

fn missing(pass: Pass<'_>, id: InstanceId) -> Decision<InstanceStatus> {
    pass.stalled(
        Reason::InstanceMissing,
        format!(
            "spec.instanceId: ITCare has no VM {id}; correct the id, or remove it to have the VM created"
        ),
    )
}

/// Why this VM is not the one that the spec names, if it is not.
pub(super) fn mismatch(checked: &Checked, id: InstanceId, detail: &Detail) -> Option<String> {
    if detail.id != id {
        return Some(format!("ITCare answers with VM {} when asked for {id}; ask its support", detail.id));
    }
    let name = detail.name == checked.name;
    let service = detail.service.is_none_or(|service| service == checked.service);
    (!name || !service).then(|| {
        format!(
            "VM {} is {} in service {}, the spec asks for {} in service {}; correct spec.name and spec.serviceId in a new object, or spec.instanceId",
            detail.id,
            detail.name,
            detail.service.map_or_else(|| "?".to_owned(), |service| service.to_string()),
            checked.name,
            checked.service
        )
    })
}

/// Makes this VM ours in the ledger, and goes on with it in the same pass.
pub(super) fn bind<'a>(
    mut pass: Pass<'a>,
    checked: &Checked,
    detail: &Detail,
    origin: Origin,
) -> Decision<InstanceStatus> {
    let mut ledger = pass.ledger.clone().unwrap_or_else(|| new_ledger(pass.view));
    ledger.origin = Some(origin);
    ledger.instance = Some(detail.id);
    ledger.name = Some(detail.name.clone());
    ledger.service = Some(checked.service);
    ledger.account = pass.view.site.account.clone();
    ledger.intent = None;
    ledger.applied = Some(match origin {
        Origin::Adopted => groups::all_applied(pass.view.spec),
        Origin::Created => ledger.applied.take().unwrap_or_else(|| sent_at_creation(pass.view.spec)),
    });
    // What was sent with the creation, which the spec may have left since, or what stands where a VM is taken over.
    let made_with = ledger.locked.take().filter(|_| origin == Origin::Created);
    ledger.locked = Some(made_with.unwrap_or_else(|| locked::fingerprint(pass.view.spec)));
    let strays = ledger.locked.as_deref() != Some(&*locked::fingerprint(pass.view.spec));
    pass.change(ledger);
    if strays {
        return pass.stalled(Reason::InvalidSpec, locked::message(checked));
    }
    live::decide(pass, checked, detail.id)
}

/// What a creation carries, and power: a new VM runs. Patching has no field in it.
fn sent_at_creation(spec: &ITCareInstanceSpec) -> Applied {
    let mut applied = groups::all_applied(spec);
    applied.groups.remove(&Group::Patching);
    if spec.power_state == Some(PowerState::Stopped) {
        applied.groups.remove(&Group::Power);
    }
    applied
}

fn create(pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    let mark = view.pass.saturating_sub(view.site.action_interval).max(pass.memory.effect_end);
    let (running, running_at) = match view.cloud.running.since(mark) {
        Observed::Present { value, at } => (value, at),
        Observed::Absent { .. } | Observed::Unknown => {
            return ask(pass, Need::Running { since: mark }, "looking for running actions");
        }
    };
    if let Some(action) = running.first() {
        let message = format!(
            "action {}{} of {} runs on the name {}; waiting for its end",
            action.id,
            action.process.as_deref().map(|process| format!(" ({process})")).unwrap_or_default(),
            action.submitted_by.as_deref().unwrap_or("somebody"),
            checked.name
        );
        return pass.working(
            Reason::ForeignActionInProgress,
            message,
            Wake::After(view.site.action_interval),
        );
    }
    // A creation that ended between the two reads is in neither: the list must be the later one. What came since the
    // whole list is new, so its end shows it.
    let Observed::Present { value: arrived, at: arrived_at } = view.cloud.arrived.since(running_at) else {
        let need = Need::Arrivals { service: checked.service, since: running_at };
        return ask(pass, need, "looking for new instances of the service");
    };
    if arrived.iter().any(Listed::is_live) {
        let need = Need::List { service: checked.service, since: arrived_at };
        return ask(pass, need, "listing the instances of the service");
    }
    match pass.hold(OperationKind::Create) {
        Hold::No => {}
        Hold::Backoff(left, message) => {
            return pass.working(
                Reason::Creating,
                format!("the creation failed: {message}; trying again"),
                Wake::After(left),
            );
        }
        Hold::Failing(left, message) => {
            return pass.stalled_until(
                Reason::ActionFailed,
                format!("the creation of {} failed three times: {message}; correct the spec, or ask ITCare's support", checked.name),
                Wake::After(left),
            );
        }
        Hold::Refused(left, message) => {
            let (reason, text) = refused_words(checked, OperationKind::Create, &message);
            return pass.stalled_until(reason, text, Wake::After(left));
        }
    }
    // The user says that it may exist, or ITCare said so the last time: one list of one service is not enough, it is
    // asked for by its name, too.
    let by_name = view.spec.adoption_policy == AdoptionPolicy::ByName;
    let was_taken = pass.last(OperationKind::Create).is_some_and(|last| {
        last.result == OperationResult::Refused
            && last.message.as_deref().is_some_and(|message| says_http(message, 409))
    });
    if by_name || was_taken {
        let Some(look) = view.cloud.look.as_ref().filter(|look| look.at >= view.pass) else {
            return ask(pass, Need::Look(checked.name.clone()), "asking for the VM by its name");
        };
        if let Some(found) = in_service(look, checked).into_iter().find(|found| by_name && found.is_live()) {
            let message = format!(
                "VM {} is found by its name, but the list of service {} does not show it yet; waiting until both agree",
                found.id, checked.service
            );
            return pass.working(Reason::Adopting, message, Wake::After(view.site.observe_interval));
        }
        let holds = |found: &&Listed| found.is_live() && checked.name == found.name;
        if let Some(found) = look.instances.iter().find(holds) {
            let service = found.service.unwrap_or(checked.service);
            let message = format!(
                "spec.name: {} is the name of VM {} in service {service}; choose another name in a new object, or adopt that VM with spec.instanceId in an object of that service",
                checked.name, found.id
            );
            return pass.stalled_until(Reason::NameTaken, message, Wake::After(RECHECK));
        }
    }
    let mut ledger = pass.ledger.clone().unwrap_or_else(|| new_ledger(view));
    // What is being made: a restored object of another name must not take this attempt for its own. And what
    // is sent: the spec may have changed before the VM stands.
    ledger.name = Some(checked.name.clone());
    ledger.service = Some(checked.service);
    ledger.applied = Some(sent_at_creation(view.spec));
    ledger.locked = Some(locked::fingerprint(view.spec));
    let guarded = Guarded {
        ledger: Box::new(ledger),
        request: None,
        not_after: None,
        call: GuardedCall::Create(Box::new(CreateRequest { spec: view.spec.clone() })),
    };
    let message = format!("creating {} in service {}", checked.name, checked.service);
    pass.effect(Step::Guarded(guarded), Reason::Creating, message)
}

/// There is no such VM: nothing of one is shown, and its id, which locks fields of the spec, goes as well unless the
/// ledger records it.
fn nothing_to_observe(mut pass: Pass<'_>, message: String) -> Decision<InstanceStatus> {
    let recorded = pass.ledger.as_ref().and_then(|ledger| ledger.instance).is_some();
    if recorded {
        (pass.status.state, pass.status.power_state) = (None, None);
    } else {
        facts::clear(&mut pass.status);
    }
    let wake = Wake::After(pass.view.site.observe_interval);
    pass.stalled_until(Reason::InstanceMissing, message, wake)
}

/// Status only.
pub(super) fn observe(mut pass: Pass<'_>, checked: &Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    if pass.ledger.as_ref().is_some_and(|ledger| ledger.resume.is_some() && ledger.instance.is_some()) {
        // The one thing that is still owed: power that we took.
        pass = match resume::give_power_back(pass, checked) {
            Followed::Wait(decision) => return decision,
            Followed::Over(pass) => pass,
        };
    }
    // While a snapshot's call may be in flight on this VM, the object stays.
    if view.object.has_finalizer && view.snapshots.intent.is_none() {
        return pass.finish(Step::RemoveFinalizer, Wake::After(Duration::ZERO));
    }
    // What is only watched does not drift: nobody compares it with the spec.
    pass.compared = true;
    let known = view
        .spec
        .instance_id
        .map(InstanceId::new)
        .or(pass.ledger.as_ref().and_then(|ledger| ledger.instance));
    pass.mark_observed();
    let routine = pass.was_settled() && !pass.look_requested();
    if let Some((failure, lost)) = pass.out_of_sight().filter(|_| routine) {
        return pass.lose_sight(failure, lost);
    }
    let id = match known {
        Some(id) => id,
        None => {
            let mark = list_mark(&pass);
            let Observed::Present { value: named, .. } = view.cloud.named.since(mark) else {
                let need = Need::List { service: checked.service, since: mark };
                let doing = "listing the instances of the service";
                return if routine { pass.observe_quietly(need, doing) } else { ask(pass, need, doing) };
            };
            match named.iter().filter(|item| item.is_live()).collect::<Vec<_>>().as_slice() {
                [] => {
                    let message = format!(
                        "spec.name: no VM named {} exists in service {}; correct spec.name and spec.serviceId in a new object, or set spec.managementPolicy: Manage to have it created",
                        checked.name, checked.service
                    );
                    return nothing_to_observe(pass, message);
                }
                [one] => one.id,
                several => {
                    let ids: Vec<String> = several.iter().map(|item| item.id.to_string()).collect();
                    let message = format!(
                        "spec.name: VMs {} are all named {}; set spec.instanceId",
                        ids.join(" and "),
                        checked.name
                    );
                    return pass.stalled(Reason::Ambiguous, message);
                }
            }
        }
    };
    let mark = live::detail_mark(&pass);
    match pass.detail_since(mark) {
        Observed::Unknown if routine => pass.observe_quietly(Need::Detail(id), &format!("reading VM {id}")),
        Observed::Unknown => ask(pass, Need::Detail(id), &format!("reading VM {id}")),
        Observed::Absent { .. } => {
            let message = format!("ITCare has no VM {id}; correct spec.instanceId, or delete this object");
            nothing_to_observe(pass, message)
        }
        Observed::Present { value: detail, .. } => {
            if let Some(message) = mismatch(checked, id, detail) {
                return pass.stalled(Reason::IdentityMismatch, message);
            }
            if detail.state == InstanceState::Removed {
                let message = format!(
                    "VM {id} was removed in ITCare; set spec.instanceId to another VM, or delete this object"
                );
                return nothing_to_observe(pass, message);
            }
            if let Some(need) = live::missing_parts(&pass, detail) {
                return ask(pass, need, "reading the VM");
            }
            pass.record(detail);
            live::ready(pass, detail)
        }
    }
}
