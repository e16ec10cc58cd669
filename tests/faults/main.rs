//! Never twice, never lost, never stuck: every fault on every boundary of every workload, run by the real
//! controllers under paused time and compared with the run in which nothing goes wrong.
//!
//! `../README.md` tells how a plan is named and how to run a single one.

#[path = "../support/mod.rs"]
mod support;

mod crash;
mod draw;
mod input;
mod judge;
mod oracle;
mod outage;
mod outage_states;
mod pairs;
mod plan;
mod rest;
mod stable;
mod stale;
mod strike;
mod tracking;
mod workload;

/// Plans run by the thousand; a good part of each is memory that comes and goes.
#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;
