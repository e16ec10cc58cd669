//! Shared vocabulary: identifiers, sizes, what the cloud was seen to hold, the ledger, failure classes.
//!
//! Deliberately not here: I/O, the clock, Kubernetes types and ITCare's wire format. A value in this
//! module was parsed once; whoever holds it need not check it again.

pub mod failure;
pub mod hash;
pub mod id;
pub mod ledger;
pub mod observed;
pub mod operation;
pub mod packed;
pub mod remote;
pub mod size;
pub mod time;

pub use failure::{Failure, FailureClass};
pub use id::{
    AccountId, ActionId, AttemptId, ClusterId, HostName, InstanceId, ObjectKey, ServiceId, SnapshotId,
};
pub use ledger::{
    Applied, Fence, Group, Held, HeldWhy, Intent, Ledger, LedgerError, OneShot, Origin, Resume,
};
pub use observed::Observed;
pub use operation::{OperationKind, OperationResult};
pub use packed::Packed;
pub use remote::{Action, ActionStatus, Detail, InstanceState, Listed, PowerState, Slot};
pub use size::Size;
pub use time::Moment;
