//! The pure core: tables by theme, each numbered invariant of `decide/mod.rs` as a property, and
//! convergence in a modelled world.
//!
//! A row of a table is a sentence, a change to a view, and what must follow. Times are arguments: nothing
//! here reads a clock or sleeps. Every status that any decision of this suite produces is checked against
//! the rules of conditions and the bounds of the schema (see [`check`]).
//!
//! Not here: the shell (`reconcile`), the API server (`crds`), ITCare's own behaviour (`sim`).

mod check;
mod dice;
mod facts;
mod fixture;
mod fixture_snapshot;
mod table;

mod admission;
mod adoption;
mod business;
mod claims;
mod conditions;
mod creation;
mod deletion;
mod drift;
mod effects;
mod evidence;
mod following;
mod intent_create;
mod intent_look;
mod intent_reset;
mod memory;
mod observing;
mod outcome;
mod preflight;
mod reset;
mod resume;
mod sight;
mod validation;

mod snapshot_admission;
mod snapshot_bookkeeping;
mod snapshot_intent;
mod snapshot_live;
mod snapshot_recover;
mod snapshot_removal;
mod snapshot_take;

mod arbitrary;
mod arbitrary_snapshot;
mod convergence;
mod convergence_snapshot;
mod invariants;
mod invariants_snapshot;
mod stability;
mod world;
