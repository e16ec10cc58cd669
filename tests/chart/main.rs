//! The chart, and the manifests that are made of it, as users meet them: rendered by both Helms that are in use,
//! refused with a reason, served by a real kube-apiserver, installed, updated, uninstalled, and run with the
//! rights that they give.
//!
//! There is no kubelet: [`pod`] does what one would do with the operator's Pod, on this machine. `UPDATE_CHART=1`
//! writes what is generated.
//!
//! Not here: what the operator does; see `operator`.

mod cluster;
mod contents;
mod generated;
mod helm;
mod kustomize;
mod life;
mod odd;
mod pod;
mod readme;
mod refused;
mod rendered;
mod rights;
mod served;
mod switches;
