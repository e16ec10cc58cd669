//! `Retry-After`, as seconds and as a date, and the pause of the account that follows from it.

use std::time::Duration;

use itcare_operator::api::{LONGEST_PAUSE, Priority};
use itcare_operator::model::FailureClass;
use tokio::time::Instant;

use crate::calls::{Change, Read, VM};
use crate::fake::{Answer, bench};

const DATE: &str = "Fri, 02 Jan 2026 03:04:05 GMT";

/// What a read makes of a 429 with these headers.
async fn asked(headers: &[(&'static str, &str)]) -> Option<Duration> {
    let answer = headers.iter().fold(Answer::empty(429), |answer, (name, value)| answer.with(name, value));
    let (client, _) = bench([answer]);
    match Read::Detail.call(&client).await.expect_err("it is refused").class() {
        FailureClass::Throttled(after) => after,
        class => panic!("{class:?}"),
    }
}

fn seconds(seconds: u64) -> Option<Duration> {
    Some(Duration::from_secs(seconds))
}

#[tokio::test(start_paused = true)]
async fn a_number_of_seconds_is_taken_as_it_is_and_at_least_one() {
    assert_eq!(asked(&[("Retry-After", "7")]).await, seconds(7));
    assert_eq!(asked(&[("Retry-After", " 120 ")]).await, seconds(120));
    assert_eq!(asked(&[("Retry-After", "0")]).await, seconds(1));
    assert_eq!(asked(&[("Retry-After", "7"), ("Date", DATE)]).await, seconds(7));
}

#[tokio::test(start_paused = true)]
async fn a_date_is_read_against_the_replys_own_date() {
    let rows = [
        ("Fri, 02 Jan 2026 03:04:35 GMT", seconds(30)),
        ("Fri, 02 Jan 2026 04:04:05 GMT", seconds(3600)),
        ("Fri, 02 Jan 2026 03:04:05 GMT", seconds(1)),
        ("Thu, 01 Jan 2026 03:04:05 GMT", seconds(1)),
        ("Fri, 02 Jan 2026 05:04:35 +0200", seconds(30)),
    ];
    for (until, after) in rows {
        assert_eq!(asked(&[("Retry-After", until), ("Date", DATE)]).await, after, "{until}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_cannot_be_read_says_nothing() {
    assert_eq!(asked(&[]).await, None);
    assert_eq!(asked(&[("Retry-After", "soon"), ("Date", DATE)]).await, None);
    assert_eq!(asked(&[("Retry-After", "-7"), ("Date", DATE)]).await, None);
    assert_eq!(asked(&[("Retry-After", ""), ("Date", DATE)]).await, None);
    let until = "Fri, 02 Jan 2026 03:04:35 GMT";
    assert_eq!(asked(&[("Retry-After", until)]).await, None, "whose clock is right is not known");
    assert_eq!(asked(&[("Retry-After", until), ("Date", "today")]).await, None);
}

/// How long the call after this answer waits.
async fn pause(answer: Answer, change: bool) -> Duration {
    let (client, _) = bench([answer, Answer::ok("reply-detail.json")]);
    let failed = if change {
        Change::Stop.call(&client).await.map(drop)
    } else {
        client.detail(VM, client.permit(Priority::User).await).await.map(drop)
    };
    failed.expect_err("it fails");
    let begun = Instant::now();
    client.detail(VM, client.permit(Priority::User).await).await.map(drop).expect("it is understood");
    begun.elapsed()
}

fn close(is: Duration, expected: u64) -> bool {
    is.abs_diff(Duration::from_secs(expected)) < Duration::from_millis(50)
}

#[tokio::test(start_paused = true)]
async fn the_account_pauses_as_a_whole_for_as_long_as_was_asked() {
    for (status, change) in [(429, false), (503, false), (429, true), (503, true), (500, true), (502, true)] {
        let is = pause(Answer::empty(status).with("Retry-After", "45"), change).await;
        assert!(close(is, 45), "{status} {change}: {is:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_ordinary_failure_pauses_nothing() {
    for (status, change) in [(400, true), (404, false), (409, true), (500, false), (500, true), (503, false)]
    {
        let is = pause(Answer::empty(status), change).await;
        assert!(close(is, 0), "{status} {change}: {is:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_span_the_pause_is_ours_and_grows() {
    let (client, _) = bench([Answer::empty(429)]);
    let mut waits = Vec::new();
    for _ in 0..6 {
        let begun = Instant::now();
        Read::Detail.call(&client).await.expect_err("it is refused");
        waits.push(begun.elapsed().as_secs());
    }
    assert_eq!(waits, [0, 5, 10, 20, 40, 60]);
}

#[tokio::test(start_paused = true)]
async fn an_absurd_span_is_cut() {
    let is = pause(Answer::empty(429).with("Retry-After", "4000000000"), false).await;
    assert!(close(is, LONGEST_PAUSE.as_secs()), "{is:?}");
    let is = pause(Answer::empty(429).with("Retry-After", "18446744073709551615"), false).await;
    assert!(close(is, LONGEST_PAUSE.as_secs()), "{is:?}");
}

#[tokio::test(start_paused = true)]
async fn the_token_endpoint_can_pause_the_account_too() {
    for status in [429, 503] {
        let (client, fake) = bench([Answer::ok("reply-detail.json")]);
        fake.tokens([Answer::empty(status).with("Retry-After", "45"), Answer::ok("reply-token.json")]);
        let begun = Instant::now();
        let error = Read::Detail.call(&client).await.expect_err("there is no token");
        assert_eq!(error.class(), FailureClass::Throttled(seconds(45)));
        tokio::time::sleep(Duration::from_secs(2)).await;
        Read::Detail.call(&client).await.expect("there is one now");
        assert!(close(begun.elapsed(), 45), "{status}: {:?}", begun.elapsed());
    }
}
