//! The built binary as a process, a real etcd and kube-apiserver, the simulator behind a socket.
//!
//! What only these can show: flags, signals, files, TLS to the API server, RBAC, server-side apply, the schema,
//! printed columns, and that all parts work together in real time. Whatever is a matter of order and of faults
//! is in `reconcile`, under paused time.

#[expect(dead_code, reason = "the benches use the rest")]
mod bench;
mod cost;
mod failover;
mod life;
mod snapshots;
mod start;
