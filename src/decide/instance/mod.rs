//! The decision for one `ITCareInstance`.
//!
//! Order of business: ledger → spec → intent → deletion → suspend → observe → claim → bind; and for a live
//! VM: identity → running action → one-shot → power off for resize → size → resume → patching, monitoring,
//! replication, backup → power.

mod adopt;
mod deletion;
mod facts;
mod groups;
mod intent;
mod live;
mod locked;
mod look;
mod one_shot;
mod operation;
mod outcome;
mod pass;
mod preflight;
mod resume;
mod validate;
mod view;

pub use groups::hashes;
pub use outcome::after;
pub use validate::{Invalid, validate};
pub(super) use view::{Admission, admit_ledger};
pub use view::{Claim, ObjectFacts, SnapshotFacts, View};

use super::decision::{Decision, Need, Note, Step, Wake};
use crate::crd::instance::{DeletionPolicy, ManagementPolicy};
use crate::crd::{InstanceStatus, Reason};
use crate::model::{InstanceId, Ledger};
use pass::Pass;

/// The one decision. See the module of the core for what holds of it.
pub fn next(view: &View<'_>) -> Decision<InstanceStatus> {
    let mut pass = Pass::new(view);
    let letting_go = view.object.deleting && view.spec.deletion_policy == Some(DeletionPolicy::Retain);
    match view::admit(view) {
        Admission::None => {}
        Admission::Ours(ledger) => pass.ledger = Some(*ledger),
        Admission::Rebind(ledger) => pass.change(*ledger),
        Admission::Copy(from) => return drop_copy(pass, &from),
        Admission::Stalled(reason, message) => {
            pass.leave_ledger();
            // Retain lets go in every stalled state: the way out that needs no call.
            return if letting_go {
                pass.finish(Step::RemoveFinalizer, Wake::OnChange)
            } else {
                pass.stalled(reason, message)
            };
        }
    }
    let checked = validate::parsed(view.spec);
    let intent = pass.ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some());
    let managing = view.spec.management_policy == ManagementPolicy::Manage;
    if !view.object.deleting && (managing || intent) {
        pass.keep_tracking();
    }
    if intent {
        return intent::resolve(pass, &checked);
    }
    proceed(pass, &checked)
}

/// Everything after the intent: also what follows, in the same pass, once an intent was resolved.
fn proceed(mut pass: Pass<'_>, checked: &validate::Checked) -> Decision<InstanceStatus> {
    let view = pass.view;
    if let Some(Invalid { field, message }) = checked.invalid.as_ref().filter(|_| !view.object.deleting) {
        return pass.stalled(Reason::InvalidSpec, format!("{field}: {message}"));
    }
    let recorded = pass.ledger.as_ref().and_then(|ledger| ledger.instance);
    if let (Some(recorded), Some(named)) = (recorded, view.spec.instance_id.map(InstanceId::new))
        && recorded != named
    {
        return pass.stalled(
            Reason::Ambiguous,
            format!(
                "spec.instanceId names VM {named}, but this object manages VM {recorded}; set spec.instanceId back to {recorded}, or delete this object with deletionPolicy: Retain and make another one for {named}"
            ),
        );
    }
    if view.object.deleting {
        return deletion::decide(pass, checked);
    }
    if view.spec.suspend {
        return pass.held("suspended by spec.suspend: no call is made");
    }
    if !view.service_allowed {
        return pass.stalled(
            Reason::ServiceNotAllowed,
            format!(
                "spec.serviceId: namespace {} may not use service {}; ask for it in --allow-services, or use a service that is allowed",
                view.object.key.namespace, checked.service
            ),
        );
    }
    if view.spec.management_policy == ManagementPolicy::Observe {
        return adopt::observe(pass, checked);
    }
    if let Claim::LostTo(other) = &view.claim {
        return pass.stalled(
            Reason::Conflict,
            format!(
                "{other} already manages {} in service {}; delete one of the two objects (with deletionPolicy Retain the VM stays)",
                checked.name, checked.service
            ),
        );
    }
    pass.mark_observed();
    let made_with = pass.ledger.as_ref().filter(|ledger| ledger.instance.is_some());
    if let Some(made_with) = made_with.and_then(|ledger| ledger.locked.as_deref())
        && made_with != locked::fingerprint(view.spec)
    {
        return pass.stalled(Reason::InvalidSpec, locked::message(checked));
    }
    match pass.ledger.as_ref().and_then(|ledger| ledger.instance) {
        Some(id) => live::decide(pass, checked, id),
        None => adopt::decide(pass, checked),
    }
}

fn drop_copy(mut pass: Pass<'_>, from: &str) -> Decision<InstanceStatus> {
    pass.notes.push(Note {
        warning: true,
        reason: Reason::ForeignLedger,
        message: format!(
            "the ledger was copied from {from}; it is dropped, and this object starts without a VM"
        ),
    });
    pass.status.ledger = None;
    pass.status.id = None;
    pass.status.operation = None;
    pass.finish(Step::DropLedger, Wake::After(std::time::Duration::ZERO))
}

/// A first ledger for this object.
fn new_ledger(view: &View<'_>) -> Ledger {
    Ledger::new(
        view.site.cluster.clone(),
        view.object.key.to_string(),
        view.object.uid.clone(),
        view.site.account.clone(),
    )
}

/// Shorthand used across this module.
fn observe(pass: Pass<'_>, need: Need, doing: &str) -> Decision<InstanceStatus> {
    pass.observe(need, doing)
}
