//! A simulator of cegedim.cloud's ITCare API: virtual machines, their snapshots, and the actions that
//! change them. It is for anyone who writes against ITCare and has no account to break.
//!
//! A [`Sim`] is a whole cloud in memory. It is called in process ([`Sim::call`]) or over a socket
//! ([`Sim::serve`]), fails on demand ([`Sim::inject`]), departs from the documentation where that is
//! open ([`Sim::quirks`]) and keeps a journal of every request ([`Sim::journal`]). Its time is tokio's
//! time, so that three days pass in no time under a paused clock. It has no randomness: the same calls
//! give the same answers.
//!
//! ```
//! # #[tokio::main(flavor = "current_thread")] async fn main() {
//! use itcare_sim::{Config, SeedInstance, Sim};
//!
//! let sim = Sim::new(Config::explicit());
//! let id = sim.seed(SeedInstance::new("PWEB01", 14));
//! sim.start_foreign_action(id, "vm_stop", "jdoe");
//! sim.step();
//! assert_eq!(sim.instance(id).unwrap().status, "INACTIVE");
//! # }
//! ```
//!
//! Deliberately not here: the endpoints of the API's other pages (platforms, services, networks,
//! changes …), tags, load balancers, backup contents, and anything of a particular client. What is
//! known of the API is its public documentation; nothing was recorded from it.

mod catalogue;
mod clock;
mod config;
mod fault;
mod journal;
mod operation;
mod quirks;
mod record;

mod access;
mod act;
mod answer;
mod create;
mod handle;
mod list;
mod read;
mod render;
mod request;
mod snapshots;
mod update;
mod world;

mod call;
mod control;
mod serve;
mod sim;

pub use call::{Broken, Truncated};
pub use catalogue::{Area, Catalogue, Platform, Region, Service};
pub use clock::{Dates, parse_span};
pub use config::{Account, Accounts, Config, Latencies, Profile, Time};
pub use fault::{Fault, FaultKind, Match, Wait};
pub use journal::{Answer, Entry};
pub use operation::Operation;
pub use quirks::{NameTaken, NoSnapshot, Numbers, Quirks, Rate};
pub use record::{
    ActionRecord, ActionState, Duplicate, InstanceRecord, Leftover, Outcome, Report, SeedInstance,
    SnapshotRecord,
};
pub use sim::Sim;
