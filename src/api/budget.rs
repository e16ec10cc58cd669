//! One budget of requests for one account: rate, burst, calls in flight, and a pause when the server asks
//! for it.
//!
//! Order is first come, first served inside a priority; a user's change goes before background polling,
//! which still gets every fifth permit while both wait. Time is tokio's clock, so tests pause it.
//! Deliberately not here: what a reply means. The sender says when to pause.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;
use tokio::time::Instant;

/// Calls in flight at once: beyond this a slow server only gets slower.
pub const MAX_IN_FLIGHT: usize = 8;

/// While both wait, one permit goes to background work after this many for users.
const USER_STREAK: u32 = 4;

/// The first pause when the server asks for one without saying how long.
const FIRST_PAUSE: Duration = Duration::from_secs(5);

/// Pauses that grow stop growing here.
const LONGEST_GROWN_PAUSE: Duration = Duration::from_secs(60);

/// However often we are refused, we go on at this fraction of the rate.
const SLOWEST: u32 = 64;

/// After so long without a refusal, twice as fast.
const SPEED_UP_AFTER: Duration = Duration::from_secs(60);

/// A server that asks for more is taken at its word up to here: a longer pause is likelier a mistake,
/// and trying once an hour harms nobody.
pub const LONGEST_PAUSE: Duration = Duration::from_secs(3600);

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Priority {
    /// Somebody waits for it: a change, or what a change depends on.
    User,
    /// Polling.
    Background,
}

/// The budget; clones share it.
#[derive(Debug, Clone)]
pub struct Budget(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    /// The time that one permit costs.
    interval: Duration,
    /// How far ahead of the steady rate a burst may run.
    tolerance: Duration,
    state: Mutex<State>,
}

#[derive(Debug)]
struct State {
    users: VecDeque<Arc<Notify>>,
    background: VecDeque<Arc<Notify>>,
    /// Permits given to users in a row while background work waited.
    streak: u32,
    in_flight: usize,
    /// When the rate would be exactly used up (the generic cell rate algorithm).
    used_until: Instant,
    paused_until: Option<Instant>,
    /// The last pause whose length was ours to choose.
    grown: Duration,
    /// How many times slower than the rate we go, and since when: the server's limit may be below ours.
    slower: u32,
    slower_since: Instant,
}

impl State {
    fn queue(&mut self, priority: Priority) -> &mut VecDeque<Arc<Notify>> {
        match priority {
            Priority::User => &mut self.users,
            Priority::Background => &mut self.background,
        }
    }

    /// Who is served next, if anybody waits.
    fn next(&self) -> Option<(Priority, &Arc<Notify>)> {
        let user = self.users.front().map(|waiter| (Priority::User, waiter));
        let background = self.background.front().map(|waiter| (Priority::Background, waiter));
        if self.streak >= USER_STREAK { background.or(user) } else { user.or(background) }
    }

    /// Half as slow again, some time after the last refusal.
    fn speed_up(&mut self, now: Instant) {
        while self.slower > 1 && now.saturating_duration_since(self.slower_since) >= SPEED_UP_AFTER {
            self.slower /= 2;
            self.slower_since += SPEED_UP_AFTER;
        }
    }

    fn wake_next(&self) {
        if let Some((_, waiter)) = self.next() {
            waiter.notify_one();
        }
    }
}

/// One call's permission to leave, and its place among the calls in flight until it is dropped.
///
/// Never wait for a second permit while holding one: eight who do so wait for each other.
#[must_use = "the permit is given back when it is dropped"]
#[derive(Debug)]
pub struct Permit(Arc<Shared>);

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.with(|state| {
            state.in_flight = state.in_flight.saturating_sub(1);
            state.wake_next();
        });
    }
}

impl Shared {
    fn with<T>(&self, act: impl FnOnce(&mut State) -> T) -> T {
        act(&mut self.state.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// What to do until it is our turn.
enum Turn {
    Ours,
    At(Instant),
    WhenTold,
}

/// Takes a waiter out of its queue, also when its future is dropped, and lets the next one look.
struct Place<'a> {
    shared: &'a Shared,
    priority: Priority,
    waiter: Arc<Notify>,
}

impl Place<'_> {
    fn turn(&self) -> Turn {
        self.shared.with(|state| {
            let ours = state.next().is_some_and(|(_, next)| Arc::ptr_eq(next, &self.waiter));
            if !ours || state.in_flight >= MAX_IN_FLIGHT {
                return Turn::WhenTold;
            }
            let now = Instant::now();
            if let Some(until) = state.paused_until.filter(|until| *until > now) {
                return Turn::At(until);
            }
            state.speed_up(now);
            // Whoever is slowed down does not burst either.
            let tolerance = if state.slower > 1 { Duration::ZERO } else { self.shared.tolerance };
            let earliest = state.used_until.checked_sub(tolerance).unwrap_or(now);
            if earliest > now {
                return Turn::At(earliest);
            }
            state.used_until = state.used_until.max(now) + self.shared.interval * state.slower;
            state.in_flight += 1;
            state.streak = match self.priority {
                Priority::User if !state.background.is_empty() => state.streak + 1,
                Priority::User | Priority::Background => 0,
            };
            Turn::Ours
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.with(|state| {
            let waiter = &self.waiter;
            state.queue(self.priority).retain(|other| !Arc::ptr_eq(other, waiter));
            state.wake_next();
        });
    }
}

impl Budget {
    /// `rate` permits a second in the long run, `burst` at once after a quiet time. A rate that is not
    /// above zero is taken as one an hour, a burst of zero as one.
    #[must_use]
    pub fn new(rate: f64, burst: u32) -> Self {
        let interval = Duration::try_from_secs_f64(1.0 / rate)
            .map_or(LONGEST_PAUSE, |interval| interval.min(LONGEST_PAUSE));
        let state = State {
            users: VecDeque::new(),
            background: VecDeque::new(),
            streak: 0,
            in_flight: 0,
            used_until: Instant::now(),
            paused_until: None,
            grown: Duration::ZERO,
            slower: 1,
            slower_since: Instant::now(),
        };
        let tolerance = interval.saturating_mul(burst.saturating_sub(1));
        Self(Arc::new(Shared { interval, tolerance, state: Mutex::new(state) }))
    }

    /// Waits for a permit. Dropping the future gives the place in the queue up, and nothing else.
    pub async fn permit(&self, priority: Priority) -> Permit {
        let waiter = Arc::new(Notify::new());
        self.0.with(|state| state.queue(priority).push_back(Arc::clone(&waiter)));
        let place = Place { shared: &self.0, priority, waiter };
        loop {
            match place.turn() {
                Turn::Ours => return Permit(Arc::clone(&self.0)),
                Turn::At(until) => {
                    tokio::select! {
                        () = tokio::time::sleep_until(until) => {}
                        () = place.waiter.notified() => {}
                    }
                }
                Turn::WhenTold => place.waiter.notified().await,
            }
        }
    }

    /// No permit before that instant. A pause is only ever made longer, and never more than
    /// [`LONGEST_PAUSE`] from now.
    pub fn pause(&self, until: Instant) {
        let until = until.min(Instant::now() + LONGEST_PAUSE);
        self.0.with(|state| state.paused_until = state.paused_until.max(Some(until)));
    }

    /// Until when the account pauses, if it does now.
    #[must_use]
    pub fn paused_until(&self) -> Option<Instant> {
        self.0.with(|state| state.paused_until).filter(|until| *until > Instant::now())
    }

    /// The server asked to slow down: pauses as long as it said, or 5 s and twice as long each time.
    /// Replies to calls that were in flight together make the pause grow once.
    pub fn throttled(&self, after: Option<Duration>) {
        let now = Instant::now();
        let after = after.map(|after| after.min(LONGEST_PAUSE));
        if self.paused_until().is_none() {
            self.0.with(|state| {
                state.slower = (state.slower * 2).min(SLOWEST);
                state.slower_since = now + after.unwrap_or_default();
            });
        }
        let after = match after {
            Some(after) => Some(after),
            None if self.paused_until().is_some() => None,
            None => Some(self.0.with(|state| {
                state.grown = (state.grown * 2).clamp(FIRST_PAUSE, LONGEST_GROWN_PAUSE);
                state.grown
            })),
        };
        if let Some(after) = after {
            self.pause(now + after);
        }
    }

    /// The server answered normally: the next pause of our own choice is short again.
    pub fn answered(&self) {
        if self.paused_until().is_none() {
            self.0.with(|state| state.grown = Duration::ZERO);
        }
    }
}
