//! Client and simulator against the same payloads: each of the API page's, and hand-made ones for each
//! tolerance. Both are readings of one page, written apart; here they are held to one text.
//!
//! The payloads are in `tests/fixtures/itcare`. `request-*` and `reply-*` have the page's structure, field
//! for field, with plausible values; `odd-*` are made by hand, for what the page leaves open or what real
//! clients were seen to meet. Nothing was recorded from the real API.
//!
//! Not here: what a decision makes of a reply (`decide`), and the operator as a whole (`reconcile`).

// What the tests are made of.
mod calls;
mod cloud;
mod fake;
mod fixture;
mod shape;
#[path = "../support/transport.rs"]
mod transport;

// The client alone.
mod filters;
mod odd_actions;
mod odd_instances;
mod odd_lists;
mod odd_snapshots;
mod reads;
mod requests;

// The client when something goes wrong.
mod failures;
mod limits;
mod pages;
mod paths;
mod secrets;
mod tokens;
mod waiting;
mod wire;
mod words;

// The simulator alone.
mod sim_quirks;
mod sim_refusals;
mod sim_replies;
mod sim_requests;

// Both together.
mod selected;
mod together;
mod turns;
mod unlike;
