//! Never twice, never lost, never stuck, with nothing in memory: the built binary, a real etcd and kube-apiserver
//! with its namespace controller, and the simulator, each a process that is killed, frozen or cut off.
//!
//! What is here cannot be had under paused time: SIGKILL, SIGSTOP, sockets, leases on real clocks, servers that
//! restart. Each fault on each boundary, in order, is `../faults`.

mod cloud;
mod dice;
mod fleet;
mod frozen;
mod kills;
mod moment;
mod namespaces;
mod operator;
mod oracle;
mod outages;
mod shop;
mod wishes;

/// For whatever should come at once, on a busy machine.
const SOON: std::time::Duration = std::time::Duration::from_secs(90);
