//! The decision for one `ITCareSnapshot`.
//!
//! Order of business: ledger → intent → running operation → deletion → suspend → instance → slot; and for a
//! snapshot that is there: expiry → recover → presence.

mod deletion;
mod intent;
mod live;
mod outcome;
mod pass;
mod take;
mod view;

pub use outcome::after;
pub use pass::mark;
pub use view::{InstanceFacts, SnapshotView};

use super::decision::{Decision, Note, Step, Wake};
use super::instance::Admission;
use super::instance::admit_ledger;
use crate::crd::instance::DeletionPolicy;
use crate::crd::{Reason, SnapshotStatus};
use crate::model::Ledger;
use pass::Pass;

/// The one decision. See the module of the core for what holds of it.
pub fn next(view: &SnapshotView<'_>) -> Decision<SnapshotStatus> {
    let mut pass = Pass::new(view);
    // Of another VM than the instance names now: the snapshot was restored under another reference.
    let fits = |ledger: &Ledger| {
        view.instance.as_ref().is_none_or(|instance| {
            ledger.name.as_ref().is_none_or(|name| *name == instance.name)
                && ledger.service.is_none_or(|service| service == instance.service)
        })
    };
    let letting_go = view.object.deleting && view.spec.deletion_policy == DeletionPolicy::Retain;
    match admit_ledger(&view.ledger, &view.object, view.site, None, fits) {
        Admission::None => {}
        Admission::Ours(ledger) => pass.ledger = Some(*ledger),
        Admission::Rebind(ledger) => pass.change(*ledger),
        Admission::Copy(from) => return drop_copy(pass, &from),
        Admission::Stalled(reason, message) => {
            pass.leave_ledger();
            return if letting_go {
                pass.finish(Step::RemoveFinalizer, Wake::OnChange)
            } else {
                pass.stalled(reason, message)
            };
        }
    }
    if !view.object.deleting {
        pass.keep_tracking();
    }
    if pass.ledger.as_ref().is_some_and(|ledger| ledger.intent.is_some()) {
        return intent::resolve(pass);
    }
    proceed(pass)
}

/// Everything after the intent.
fn proceed(mut pass: Pass<'_>) -> Decision<SnapshotStatus> {
    let view = pass.view;
    let expired = pass
        .ledger
        .as_ref()
        .and_then(|ledger| ledger.expires)
        .is_some_and(|expires| view.now.wall >= expires);
    if view.object.deleting && (expired || view.spec.deletion_policy == DeletionPolicy::Retain) {
        // Needs no call, so nothing that runs or fails may hold it back.
        return deletion::decide(pass);
    }
    pass = match live::follow_removal(pass) {
        live::Followed::Wait(decision) => return *decision,
        live::Followed::Over(pass) => pass,
    };
    if view.object.deleting {
        return deletion::decide(pass);
    }
    if view.spec.suspend {
        return pass.held("suspended by spec.suspend: no call is made");
    }
    pass.mark_observed();
    let Some(ledger) = &pass.ledger else { return take::decide(pass) };
    match (ledger.snapshot.clone(), ledger.instance) {
        (Some(id), Some(vm)) => live::decide(pass, id, vm),
        (None, _) if ledger.unseen => live::expired(pass, "the snapshot, which was never seen,"),
        (None, _) | (Some(_), None) => take::decide(pass),
    }
}

fn drop_copy(mut pass: Pass<'_>, from: &str) -> Decision<SnapshotStatus> {
    pass.notes.push(Note {
        warning: true,
        reason: Reason::ForeignLedger,
        message: format!(
            "the ledger was copied from {from}; it is dropped, and this object starts without a snapshot"
        ),
    });
    pass.status.ledger = None;
    pass.status.id = None;
    pass.status.operation = None;
    pass.finish(Step::DropLedger, Wake::After(std::time::Duration::ZERO))
}
