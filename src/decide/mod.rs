//! The pure core: from what is wanted, recorded and observed to one decision.
//!
//! No clock, no network, no log, no `async`, no randomness, no Kubernetes client: everything comes in
//! through a view, and everything that shall happen goes out in a [`Decision`]. A decision that lacks a
//! fact asks for it ([`Step::Observe`]); the shell reads it and asks again within the same pass. So the
//! same code prints a plan, runs in production and is searched exhaustively.
//!
//! # Invariants
//!
//! 1. Total: every view gives a decision; nothing panics.
//! 2. Deterministic: the same view gives the same decision.
//! 3. At most one effect: a decision holds at most one call that changes something.
//! 4. What is unknown never leads to a creation, a deletion or the removal of the finalizer
//!    (but for `Retain` and what was never created).
//! 5. Nothing is changed that is not ours.
//! 6. While an action runs on the VM, we wait.
//! 7. Once matched, with unchanged input, nothing for ever.
//! 8. The finalizer goes only after absence was observed later than the deletion request
//!    (but for `Retain`, never created, expired snapshots).
//! 9. From any reachable state, with faults that stop, a bounded number of passes reaches stability.

pub mod cloud;
pub mod conditions;
pub mod decision;
pub mod evidence;
pub mod instance;
mod request;
pub mod retry;
pub mod snapshot;

pub use cloud::{Cloud, Look, Site};
pub use conditions::Verdict;
pub use decision::{Call, CreateRequest, Decision, Guarded, Memory, Need, Note, Outcome, Step, Wake};
