//! Times as values. Nothing here reads a clock: a moment comes in as an argument.

use std::time::Duration;

use jiff::Timestamp;

/// One instant on this process's two clocks, read together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Moment {
    /// The wall clock: written to status, compared with what users and ITCare write.
    pub wall: Timestamp,
    /// Time since this process started. Only this clock measures waiting: it never jumps.
    pub mono: Duration,
}

/// The wall clock cut to whole seconds, as Kubernetes stores times.
#[must_use]
pub fn whole_seconds(time: Timestamp) -> Timestamp {
    Timestamp::from_second(time.as_second()).unwrap_or(time)
}

/// `later` minus `earlier`, zero when the order is reversed.
#[must_use]
pub fn since(later: Timestamp, earlier: Timestamp) -> Duration {
    Duration::try_from(later.duration_since(earlier)).unwrap_or_default()
}

/// `time` moved into the future, at most to the end of time.
#[must_use]
pub fn after(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_add(span).unwrap_or(Timestamp::MAX)
}

/// `time` moved into the past, at most to its beginning.
#[must_use]
pub fn before(time: Timestamp, span: Duration) -> Timestamp {
    time.checked_sub(span).unwrap_or(Timestamp::MIN)
}

/// A time as ITCare may write it: `Z`, `+02:00`, or `+0200` without the colon that RFC 3339 asks for;
/// with or without fraction. `None` when it is none of these: a date we cannot read contradicts nothing.
#[must_use]
pub fn parse_lenient(text: &str) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(time) = text.parse::<Timestamp>() {
        return Some(time);
    }
    let (at, _) = text.char_indices().rev().nth(4)?;
    let (head, offset) = text.split_at(at);
    let digits = offset.strip_prefix(['+', '-'])?;
    if digits.len() != 4 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    format!("{head}{}:{}", &offset[..3], &offset[3..]).parse().ok()
}
