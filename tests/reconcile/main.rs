//! The whole operator through both seams: an API server in memory, the simulator's router, paused time.
//!
//! One file per theme; each test is a sentence about what users see and what the cloud was asked.
//! Not here: the decision alone (`decide`), real processes (`operator`).

#[path = "../support/mod.rs"]
mod support;

mod adopt;
mod arrivals;
mod claims;
mod deletion;
mod deposed;
mod drift;
mod leaders;
mod life;
mod lists;
mod outcome;
mod recovery;
mod reset;
mod resize;
mod restore;
mod running;
mod sight;
mod snapshots;
mod unresolved;
