//! Time as the model has it: ticks of five minutes, and everything older than four of them is old.
//!
//! Every wait of the product that a scenario meets is a multiple of a tick or much shorter than one: the settle
//! time is three ticks, the slow re-check two, a request lives three. What is late or lags is so by one tick at
//! most, so that a late call and a late list together stay within the settle time, as the design demands of it.

use std::time::Duration;

use itcare_operator::crd::status::{LastOperation, Operation, Receipt};
use itcare_operator::decide::Memory;
use itcare_operator::model::{Ledger, Moment};
use jiff::Timestamp;

pub const TICK: Duration = Duration::from_secs(300);
/// Of this age, in ticks, is everything that is older.
pub const OLD: u8 = 6;
/// The settle time, in ticks.
pub const SETTLE: u32 = 4;
/// Now on the monotonic clock, always.
pub const NOW: Duration = Duration::from_secs(1_000_000);

fn oldest() -> Duration {
    TICK * u32::from(OLD)
}

/// Now on the wall clock, always.
pub fn wall() -> Timestamp {
    Timestamp::from_second(1_767_323_045).expect("a time")
}

pub fn moment() -> Moment {
    Moment { wall: wall(), mono: NOW }
}

/// That many ticks ago.
pub fn ago(ticks: u8) -> Timestamp {
    wall().checked_sub(TICK * u32::from(ticks.min(OLD))).expect("a time")
}

/// One tick older.
pub fn older(time: Timestamp) -> Timestamp {
    let age = Duration::try_from(wall().duration_since(time)).unwrap_or(Duration::MAX);
    // What lies ahead, and what is old already, stays as it is.
    if age >= oldest() { time } else { wall().checked_sub((age + TICK).min(oldest())).expect("a time") }
}

fn longer_ago(mono: Duration) -> Duration {
    let age = NOW.saturating_sub(mono);
    if age >= oldest() { mono } else { NOW - (age + TICK).min(oldest()) }
}

/// As [`longer_ago`], where what is old says nothing more.
fn forgotten(mono: Duration) -> Option<Duration> {
    Some(longer_ago(mono)).filter(|moved| NOW - *moved < oldest())
}

/// The memory a tick later.
pub fn memory(memory: &Memory) -> Memory {
    let mut next = Memory {
        effect_end: forgotten(memory.effect_end).unwrap_or_default(),
        ambiguous: memory.ambiguous,
        unclear_seen: memory.unclear_seen.map(|(of, at)| (older(of), longer_ago(at))),
        attempt_seen: memory.attempt_seen.clone().map(|(of, at)| (of, longer_ago(at))),
        running_seen: memory.running_seen.and_then(forgotten),
        over_seen: memory.over_seen.map(|(of, at)| (of, longer_ago(at))),
        success_seen: memory.success_seen.map(|(of, at)| (of, longer_ago(at))),
        resume_seen: memory.resume_seen.map(longer_ago),
        missing_seen: memory.missing_seen.map(longer_ago),
        slot_read: memory.slot_read.and_then(forgotten),
        slot_seen: memory.slot_seen.map(longer_ago),
        trouble: memory.trouble.clone(),
        unsaid: memory.unsaid,
        sightless: memory.sightless,
        failures: memory.failures,
        failing_since: memory.failing_since.map(longer_ago),
        failing_passes: memory.failing_passes,
    };
    next.trouble.values_mut().for_each(last);
    next
}

pub fn ledger(ledger: &mut Ledger) {
    if let Some(intent) = &mut ledger.intent {
        intent.fence.date = intent.fence.date.map(older);
        intent.request = intent.request.map(older);
    }
    ledger.handled.values_mut().for_each(|handled| *handled = older(*handled));
}

pub fn operation(operation: &mut Operation) {
    operation.submitted_at = older(operation.submitted_at);
}

pub fn last(last: &mut LastOperation) {
    last.finished_at = older(last.finished_at);
}

pub fn receipt(receipt: &mut Receipt) {
    receipt.requested_at = older(receipt.requested_at);
}
