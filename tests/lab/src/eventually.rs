//! Waiting for an effect instead of sleeping for it.
//!
//! Not here: retries of a failing call. A condition says what it saw; whether that is enough is its
//! own business.

use std::fmt::{Debug, Display};
use std::future::Future;
use std::panic::Location;
use std::time::Duration;

use tokio::time::{Instant, sleep, timeout_at};

/// Short enough not to be felt, long enough not to load the server that is being watched.
const PAUSE: Duration = Duration::from_millis(50);

/// Asks `condition` until it answers `Ok`, and gives that value back.
///
/// An `Err` is what was seen instead; the last one is printed when `deadline` has passed. Works on
/// tokio's clock, so under paused time the wait costs nothing.
///
/// # Panics
///
/// When the deadline passes first. The message names `what`, the caller and the last value seen; it
/// also says so when the condition itself never returned.
#[track_caller]
pub fn eventually<T, E, C, F>(
    deadline: Duration,
    what: impl Display,
    mut condition: C,
) -> impl Future<Output = T>
where
    E: Debug,
    C: FnMut() -> F,
    F: Future<Output = Result<T, E>>,
{
    let caller = Location::caller();
    async move {
        let end = Instant::now() + deadline;
        let mut last = None;
        let mut rounds = 0_u32;
        loop {
            rounds += 1;
            match timeout_at(end, condition()).await {
                Ok(Ok(value)) => return value,
                Ok(Err(seen)) => last = Some(seen),
                Err(_) => panic!(
                    "{caller}: not within {deadline:?}: {what}; look no. {rounds} did not return, before it: {}",
                    show(last.as_ref())
                ),
            }
            assert!(
                Instant::now() + PAUSE <= end,
                "{caller}: not within {deadline:?}: {what}; last of {rounds} looks: {}",
                show(last.as_ref())
            );
            sleep(PAUSE).await;
        }
    }
}

/// The two outcomes of a look, for conditions that have a value to show either way.
///
/// `expect_that(seen, |value| …)` is `Ok(seen)` when the predicate holds, `Err(seen)` otherwise.
pub fn expect_that<T>(seen: T, holds: impl FnOnce(&T) -> bool) -> Result<T, T> {
    if holds(&seen) { Ok(seen) } else { Err(seen) }
}

fn show<E: Debug>(last: Option<&E>) -> String {
    last.map_or_else(|| "nothing was seen".to_owned(), |seen| format!("{seen:#?}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn the_value_of_the_first_success_is_returned() {
        let mut count = 0;
        let value = eventually(Duration::from_secs(5), "three looks", || {
            count += 1;
            let seen = expect_that(count, |seen| *seen == 3);
            async move { seen }
        })
        .await;
        assert_eq!(value, 3);
    }

    #[tokio::test]
    #[should_panic(expected = "a blue moon; last of")]
    async fn a_deadline_panics_with_what_was_awaited() {
        eventually(Duration::from_millis(60), "a blue moon", || async { Err::<(), _>("a grey one") }).await;
    }

    #[tokio::test]
    #[should_panic(expected = "look no. 1 did not return")]
    async fn a_condition_that_hangs_is_told_apart() {
        eventually(Duration::from_millis(20), "an answer", std::future::pending::<Result<(), ()>>).await;
    }
}
