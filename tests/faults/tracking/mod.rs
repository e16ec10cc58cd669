//! What the operator keeps in the cluster is damaged: ledger, status and finalizer, dropped, altered, swapped,
//! copied, restored. Never a second VM, never somebody else's VM, never an object that hangs without a word.
//!
//! A plan is `WORKLOAD/CLOUD/damage/MODE(n)/DAMAGE`: after the n-th write on the damaged object, while the
//! operator waits for the reply of that write (`Live`), or while it is down (`Down`).

mod clusters;
mod damage;
mod judge;
mod later;
mod matrix;
mod scene;
