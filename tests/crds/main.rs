//! The two resource definitions as users meet them: committed, served and enforced.
//!
//! Everything that a kube-apiserver decides is asked of a real one, because only it knows whether a
//! rule compiles, fires and names the right field. One control plane serves the whole suite; refusals
//! are dry runs, so the cases of a table do not see each other.
//!
//! Not here: what the operator does with an accepted object.

mod accepted;
mod committed;
mod immutable;
mod locked;
mod manifests;
mod refused;
mod samples;
mod schema;
mod served;
mod server;
mod status;
