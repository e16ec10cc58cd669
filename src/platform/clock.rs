//! The only reader of the clock. Everything else is told what time it is.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

/// Reads both clocks of this process.
#[derive(Clone)]
pub struct Clock {
    started: Instant,
    wall: Arc<dyn Fn() -> Timestamp + Send + Sync>,
}

/// One instant on both clocks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The wall clock.
    pub wall: Timestamp,
    /// Time since this clock was made; it never jumps.
    pub mono: Duration,
}

impl Clock {
    /// The system's clocks.
    #[must_use]
    #[expect(clippy::disallowed_methods, reason = "this is the one home of the clock")]
    pub fn system() -> Self {
        Self { started: Instant::now(), wall: Arc::new(Timestamp::now) }
    }

    /// A wall clock that starts at `start` and moves with tokio's time: under paused time it is virtual.
    #[must_use]
    pub fn starting_at(start: Timestamp) -> Self {
        let started = Instant::now();
        let wall = move || start.checked_add(started.elapsed()).unwrap_or(Timestamp::MAX);
        Self { started, wall: Arc::new(wall) }
    }

    /// Now.
    #[must_use]
    pub fn now(&self) -> Reading {
        Reading { wall: (self.wall)(), mono: self.started.elapsed() }
    }

    /// The instant at which the monotonic clock shows `mono`.
    #[must_use]
    pub fn instant(&self, mono: Duration) -> Instant {
        self.started + mono
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("started", &self.started).finish_non_exhaustive()
    }
}
