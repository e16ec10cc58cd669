//! The test bench of the operator: everything that stands in for a cluster.
//!
//! * [`controlplane`] runs a real etcd and kube-apiserver as child processes: the truth.
//! * [`memory`] is an API server without a socket, deterministic and able to fail on demand: the
//!   speed. A differential test holds it against the real one.
//! * [`apply`] sends manifests as a user would, [`eventually`](mod@eventually) waits for an effect,
//!   [`kstatus`] reads an object as Flux, Helm and `kubectl wait` read it.
//! * [`request`](mod@request) asks a server on this machine once.
//! * [`image`] writes a program as a container image, without a container engine.
//!
//! Deliberately not here: anything of ITCare (that is the simulator's), and anything of the operator
//! itself. This crate must not depend on the product, so that the product's tests can depend on it.

pub mod apply;
pub mod controlplane;
pub mod eventually;
pub mod image;
pub mod kstatus;
pub mod memory;
pub mod request;

pub use eventually::eventually;
pub use request::request;
