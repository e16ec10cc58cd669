//! What it costs, counted: calls to ITCare and writes to the API server, in virtual time.
//!
//! The world is that of `reconcile`: the whole operator on both seams, time paused, so that a count is exact and an
//! hour takes seconds. Times, memory and processor are measured by the bench (`cargo bench --bench operator`), which
//! draws its charts from these same scenes.

#[path = "../support/mod.rs"]
mod support;

mod fair;
mod outage;
mod rest;
mod scene;
mod work;
