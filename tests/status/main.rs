//! What other tools read from our status, over whole lives: kstatus (Flux, Helm 4) and `kubectl wait`.
//!
//! Every version of an object is read as they read it. Nobody may see "done" before the cloud is as asked, nor
//! "failed" where time alone helps; and nothing flaps. The rules of each single status are checked after every
//! test of `reconcile` too (`support::audit`).

#[path = "../support/mod.rs"]
mod support;

mod early;
mod phases;
mod tape;
