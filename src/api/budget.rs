//! One budget of requests for one account: rate, burst, calls in flight, and a pause when the server asks
//! for it.
//!
//! Three ranks wait. A user's change comes first, what follows from changes second, background polling last; whoever
//! is passed over gets every fifth permit all the same. The first rank is for few: a lane (a namespace, say) has only
//! so many places in it, and its others wait with the second rank. In each rank, lanes take turns. A part of the burst
//! and of the calls in flight is kept for changes in lanes that ask seldom: they need not wait for what others used up.
//! Time is tokio's clock, so tests pause it.
//! Deliberately not here: what a reply means. The sender says when to pause.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::Instant;

use super::turns::{Lane, Served, Turns};

/// Calls in flight at once: beyond this a slow server only gets slower.
pub const MAX_IN_FLIGHT: usize = 8;

/// While both wait, one permit goes to a lower rank after this many for the higher one.
const STREAK: u32 = 4;

/// The same, for those who ask seldom.
const LONGEST_STREAK: u32 = 8;

/// Places in the first rank for each lane.
const EXPRESS_PLACES: usize = 8;

/// Of the calls in flight, so many are kept for changes in lanes that ask seldom.
const EXPRESS_IN_FLIGHT: usize = 2;

/// A read that many share is worth so many permits: while others wait, it comes no more often.
const SHARERS: u32 = 20;

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
    /// What follows from a change: looking after its action, trying again.
    FollowUp,
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
    /// The same for all but changes in lanes that ask seldom.
    kept_tolerance: Duration,
    state: Mutex<State>,
    /// Counts the normal answers.
    answers: watch::Sender<u64>,
}

#[derive(Debug)]
struct State {
    express: Turns,
    lanes: Turns,
    background: Turns,
    served: Served,
    /// Permits given in a row to the first rank while the second waited, and to both while the third did.
    express_streak: u32,
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

/// The queue that somebody waits in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Rank {
    Express,
    Lane,
    Background,
}

impl State {
    /// Queues a waiter, and says where.
    fn enter(&mut self, lane: &Lane, priority: Priority, waiter: Arc<Notify>) -> Rank {
        let rank = match priority {
            Priority::User if self.express.waiting(lane) < EXPRESS_PLACES => Rank::Express,
            Priority::User | Priority::FollowUp => Rank::Lane,
            Priority::Background => Rank::Background,
        };
        self.rank(rank).enter(lane, waiter);
        rank
    }

    fn rank(&mut self, rank: Rank) -> &mut Turns {
        match rank {
            Rank::Express => &mut self.express,
            Rank::Lane => &mut self.lanes,
            Rank::Background => &mut self.background,
        }
    }

    /// Who is served next, if anybody waits, and whether what is kept may be used for it.
    fn next(&self) -> Option<(bool, &Arc<Notify>)> {
        let longest = self.express_streak.max(self.streak);
        let seldom = self.express.next_seldom(&self.served);
        if let Some(waiter) = seldom.filter(|_| longest < LONGEST_STREAK) {
            return Some((true, waiter));
        }
        let (express, lane) = (self.express.next(&self.served), self.lanes.next(&self.served));
        let above = if self.express_streak >= STREAK { lane.or(express) } else { express.or(lane) };
        let background = self.background.next(&self.served);
        let next = if self.streak >= STREAK { background.or(above) } else { above.or(background) };
        next.map(|waiter| (false, waiter))
    }

    /// That rank and lane are served now.
    fn serve(&mut self, rank: Rank, lane: &Lane) {
        self.express_streak = match rank {
            Rank::Express if !self.lanes.is_empty() => self.express_streak + 1,
            Rank::Background => self.express_streak,
            Rank::Express | Rank::Lane => 0,
        };
        self.streak = match rank {
            Rank::Express | Rank::Lane if !self.background.is_empty() => self.streak + 1,
            Rank::Express | Rank::Lane | Rank::Background => 0,
        };
        self.served.now(lane, rank == Rank::Express);
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
    rank: Rank,
    lane: &'a Lane,
    waiter: Arc<Notify>,
}

impl Place<'_> {
    fn turn(&self) -> Turn {
        self.shared.with(|state| {
            let next = state.next().filter(|(_, next)| Arc::ptr_eq(next, &self.waiter));
            let Some((whole, _)) = next else {
                // Whoever comes may change whose turn it is: a third one's, who sleeps.
                state.wake_next();
                return Turn::WhenTold;
            };
            let kept = if whole { 0 } else { EXPRESS_IN_FLIGHT };
            if state.in_flight >= MAX_IN_FLIGHT - kept {
                return Turn::WhenTold;
            }
            let now = Instant::now();
            if let Some(until) = state.paused_until.filter(|until| *until > now) {
                return Turn::At(until);
            }
            state.speed_up(now);
            let tolerance = match (state.slower > 1, whole) {
                // Whoever is slowed down does not burst either.
                (true, _) => Duration::ZERO,
                (false, true) => self.shared.tolerance,
                (false, false) => self.shared.kept_tolerance,
            };
            let earliest = state.used_until.checked_sub(tolerance).unwrap_or(now);
            if earliest > now {
                return Turn::At(earliest);
            }
            state.used_until = state.used_until.max(now) + self.shared.interval * state.slower;
            state.in_flight += 1;
            state.serve(self.rank, self.lane);
            Turn::Ours
        })
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        self.shared.with(|state| {
            state.rank(self.rank).leave(self.lane, &self.waiter);
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
            express: Turns::default(),
            lanes: Turns::default(),
            background: Turns::default(),
            served: Served::default(),
            express_streak: 0,
            streak: 0,
            in_flight: 0,
            used_until: Instant::now(),
            paused_until: None,
            grown: Duration::ZERO,
            slower: 1,
            slower_since: Instant::now(),
        };
        let tolerance = interval.saturating_mul(burst.saturating_sub(1));
        // A quarter of the burst is kept for changes.
        let kept_tolerance = interval.saturating_mul(burst.saturating_sub(1) - burst.saturating_sub(1) / 4);
        Self(Arc::new(Shared {
            interval,
            tolerance,
            kept_tolerance,
            state: Mutex::new(state),
            answers: watch::Sender::new(0),
        }))
    }

    /// Waits for a permit. Dropping the future gives the place in the queue up, and nothing else.
    pub async fn permit(&self, lane: &Lane, priority: Priority) -> Permit {
        let waiter = Arc::new(Notify::new());
        let rank = self.0.with(|state| state.enter(lane, priority, Arc::clone(&waiter)));
        let place = Place { shared: &self.0, rank, lane, waiter };
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

    /// While others wait for permits, the time in which as many are given as one more shared read should spare; else
    /// nothing.
    #[must_use]
    pub fn crowded_for(&self) -> Duration {
        let slower = self.0.with(|state| (!state.lanes.is_empty()).then_some(state.slower));
        slower.map_or(Duration::ZERO, |slower| self.0.interval * slower * SHARERS)
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
        if self.paused_until().is_none() {
            self.0.with(|state| {
                state.slower = (state.slower * 2).min(SLOWEST);
                state.slower_since = Instant::now() + after.unwrap_or_default().min(LONGEST_PAUSE);
            });
        }
        self.pause_for(after);
    }

    /// Pauses, for as long as the server asks for. A server that is away (503) does not say that we were too fast.
    pub fn pause_for(&self, after: Option<Duration>) {
        let now = Instant::now();
        let after = after.map(|after| after.min(LONGEST_PAUSE));
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

    /// Tells of normal answers: after an outage, that it is over.
    #[must_use]
    pub fn answers(&self) -> watch::Receiver<u64> {
        self.0.answers.subscribe()
    }

    /// The server answered normally: the next pause of our own choice is short again.
    pub fn answered(&self) {
        self.0.answers.send_modify(|count| *count = count.wrapping_add(1));
        if self.paused_until().is_none() {
            self.0.with(|state| state.grown = Duration::ZERO);
        }
    }
}
