//! What users write: the two custom resources, their rules and their status.
//!
//! Deliberately not here: clients, the clock, and what any of it makes the operator do (`decide`).
//! Field comments become `kubectl explain`: they are written for users.

pub mod condition;
pub mod instance;
pub mod print;
pub mod record;
pub mod rules;
pub mod snapshot;
pub mod status;

pub use condition::{Condition, ConditionType, Reason};
pub use instance::{ITCareInstance, ITCareInstanceSpec};
pub use record::{Fetched, Kind, Record};
pub use snapshot::{ITCareSnapshot, ITCareSnapshotSpec};
pub use status::{InstanceStatus, SnapshotStatus};

/// The API group of both kinds.
pub const GROUP: &str = "itcare.cegedim.cloud";
/// The only version.
pub const VERSION: &str = "v1alpha1";
/// Keeps an object until its VM or snapshot is confirmed gone, or let go.
pub const FINALIZER: &str = "itcare.cegedim.cloud/finalizer";
/// The annotation that keeps the ledger.
pub const LEDGER_ANNOTATION: &str = "itcare.cegedim.cloud/ledger";
/// Asks for a fresh look now; `status.lastHandledReconcileAt` is the receipt.
pub const RECONCILE_ANNOTATION: &str = "itcare.cegedim.cloud/reconcile-requested-at";
/// Who writes our fields.
pub const FIELD_MANAGER: &str = "itcare-operator";
