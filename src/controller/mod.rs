//! The imperative shell. One pass over one object:
//!
//! 1. **gather** ([`gather`]): the object, its ledger, the shared view of the cloud, and whatever single fact
//!    the decision asks for; reads only.
//! 2. **validate** and 3. **decide** (`crate::decide`): pure.
//! 4. **act** ([`act`]): at most one thing that changes something, and only while we lead.
//! 5. **record** ([`record`]): ledger, status, Events, metrics, when to look again.
//!
//! There is no `if` on business state here: what to do is `decide`'s, how to do it is this module's.

pub mod act;
pub mod census;
pub mod context;
pub mod events;
pub mod gather;
pub mod memory;
pub mod meter;
pub mod objects;
pub mod pass;
pub mod queue;
pub mod record;
pub mod registry;
pub mod run;
pub mod send;
pub mod source;
pub mod subject;
pub mod wake;
pub mod watch;

pub use context::{Context, Settings};
pub use registry::Registry;
