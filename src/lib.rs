//! A Kubernetes operator for cegedim.cloud's ITCare: virtual machines (`ITCareInstance`) and their
//! snapshots (`ITCareSnapshot`).
//!
//! This page is the architecture. The modules in the order in which to read them:
//!
//! * [`model`]: the vocabulary. Identifiers, sizes, what the cloud was seen to hold, the ledger, classes
//!   of failure. No I/O, no clock, no wire format.
//! * [`crd`]: what users write, with its rules, and what we write back: status, conditions, reasons.
//! * [`decide`]: the pure core. From spec, ledger, observation and time to one decision. Its invariants
//!   are numbered there, and each is a property test.
//! * [`api`]: the ITCare client. One typed method for each endpoint; reads may be sent twice, changes never.
//! * [`inventory`]: the bulk view of the cloud. One list and one call for running actions, shared by all.
//! * [`controller`]: the shell. gather → validate → decide → act → record, for both kinds alike.
//! * [`platform`]: machinery that knows nothing of ITCare: clock, chance, lease, health, metrics, logs.
//! * [`config`]: flags and environment to meaning, once.
//! * [`cli`]: the commands, and the operator assembled from its parts.
//!
//! # Who may use whom
//!
//! ```text
//! main → cli → everything;  controller → decide inventory api crd model platform
//! inventory → api model platform;  decide → crd model;  api crd config → model;  model, platform → nothing
//! ```
//!
//! `tests/architecture` reads the sources and enforces it.
//!
//! # How nothing runs twice
//!
//! Four calls would do harm if they ran twice: create, reset, taking a snapshot, recovering one. Before one
//! of them is sent, its *intent* is written into the ledger, an annotation of the object, in one write that
//! loses against any other writer. While an intent stands nothing else happens on that VM, whatever
//! crashes; it is resolved by looking at what the cloud did, never by sending again and hoping. See
//! `decide::instance::intent`, and `controller::act` for the order of the steps.
//!
//! # The seams
//!
//! Each outside world is reached through one seam: ITCare through [`api::transport::Transport`], Kubernetes
//! through `kube::Client`, time and chance through [`platform::Clock`] and [`platform::Chance`]. The same
//! operator ([`cli::assemble`]) runs in production and, with other parts, in tests without a socket and
//! under paused time.

pub mod api;
pub mod cli;
pub mod config;
pub mod controller;
pub mod crd;
pub mod decide;
pub mod inventory;
pub mod model;
pub mod platform;
