//! What Argo CD and Flux make of our objects and of `deploy/argocd` and `deploy/flux`.
//!
//! The scripts run in a real Lua 5.1 with the libraries that Argo CD gives to scripts of `argocd-cm`, from the
//! same test files that Argo CD's own tests read. What needs an API server asks a real one, and the last part
//! runs the built operator. `UPDATE_GITOPS=1` writes what is generated. Not here: Argo CD and Flux themselves.

#[expect(dead_code, reason = "the suite of the built binary uses the rest")]
#[path = "../operator/bench.rs"]
mod bench;
#[expect(dead_code, reason = "the suite of the definitions uses the rest")]
#[path = "../crds/server.rs"]
mod server;
#[path = "../support/mod.rs"]
mod support;
#[expect(dead_code, reason = "the suite of the statuses uses the rest")]
#[path = "../status/tape.rs"]
mod tape;

mod actions;
mod apply;
mod buttons;
mod generated;
mod health;
mod kit;
mod lives;
mod lua;
mod manifests;
mod odd;
mod recipes;
mod scenes;
