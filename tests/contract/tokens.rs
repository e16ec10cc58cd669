//! The token: what is asked for, how often, and what happens around its end.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use futures::future::join_all;
use http::Method;
use itcare_operator::api::transport::TransportErrorKind;
use itcare_operator::api::{Client, ClientOptions, Observer};
use itcare_operator::model::FailureClass;
use tokio::time::{Instant, advance, sleep};

use crate::calls::{Change, Read};
use crate::fake::{Answer, CLIENT_ID, Fake, SECRET, Secret, bench, client, options};
use crate::fixture;

/// Twenty reads at once; how many worked.
async fn twenty(client: &Client) -> usize {
    let reads = join_all((0..20).map(|_| Read::Detail.call(client))).await;
    reads.iter().filter(|read| read.is_ok()).count()
}

fn quick(answer: Answer) -> Answer {
    answer.late(Duration::from_millis(20))
}

#[tokio::test(start_paused = true)]
async fn a_token_is_asked_for_with_the_credentials_as_basic_and_a_form() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    client.log_in().await.expect("the credentials are good");
    let [seen] = &fake.tokens_seen()[..] else { panic!("one request") };
    assert_eq!(seen.method, Method::POST);
    assert_eq!(seen.header("content-type"), Some("application/x-www-form-urlencoded"));
    assert_eq!(String::from_utf8_lossy(&seen.body), fixture::text("request-token.txt"));
    let basic = format!("Basic {}", STANDARD.encode(format!("{CLIENT_ID}:{SECRET}")));
    assert_eq!(seen.header("authorization"), Some(basic.as_str()));
    assert_eq!(fake.seen().len(), 0);
}

#[tokio::test(start_paused = true)]
async fn a_scope_is_sent_when_one_is_configured() {
    let fake = Fake::new([]);
    let options = ClientOptions { scope: Some("openid".to_owned()), ..options() };
    let client = Client::new(options, Arc::new(fake.clone()), Arc::new(Secret::new(SECRET)), Arc::new(()));
    client.log_in().await.expect("the credentials are good");
    assert_eq!(
        String::from_utf8_lossy(&fake.tokens_seen()[0].body),
        fixture::text("request-token-scope.txt")
    );
}

#[tokio::test(start_paused = true)]
async fn twenty_calls_at_once_share_one_token_request() {
    let (client, fake) = bench([quick(Answer::ok("reply-detail.json"))]);
    fake.tokens([quick(Answer::ok("reply-token.json"))]);
    assert_eq!(twenty(&client).await, 20);
    assert_eq!((fake.tokens_seen().len(), fake.seen().len()), (1, 20));
    advance(Duration::from_secs(1200)).await;
    assert_eq!(twenty(&client).await, 20);
    assert_eq!((fake.tokens_seen().len(), fake.seen().len()), (2, 40));
}

#[tokio::test(start_paused = true)]
async fn calls_whose_token_is_refused_together_share_one_renewal() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect("it is understood");
    let other = fixture::text("reply-token.json").replace("c2lnbmF0dXJl", "YW5vdGhlcg");
    fake.tokens([quick(Answer::new(200, other))]);
    // No more than may be in flight at once in one lane.
    let refused = (0..6).map(|_| quick(Answer::empty(401)));
    fake.answers(refused.chain([quick(Answer::ok("reply-detail.json"))]));
    let reads = join_all((0..6).map(|_| Read::Detail.call(&client))).await;
    assert!(reads.iter().all(Result::is_ok), "{reads:?}");
    assert_eq!((fake.tokens_seen().len(), fake.seen().len()), (2, 13));
}

#[tokio::test(start_paused = true)]
async fn a_token_is_renewed_before_it_ends() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect("it is understood");
    advance(Duration::from_secs(900)).await;
    Read::Detail.call(&client).await.expect("it is understood");
    assert_eq!(fake.tokens_seen().len(), 1);
    advance(Duration::from_secs(299)).await;
    Read::Detail.call(&client).await.expect("it is understood");
    assert_eq!(fake.tokens_seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_is_away_harms_nobody_while_the_old_token_lives() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect("it is understood");
    fake.tokens([Answer::Fails(TransportErrorKind::NotSent)]);
    advance(Duration::from_secs(1150)).await;
    Read::Detail.call(&client).await.expect("the old token is still good");
    assert_eq!(client.credentials_trouble(), None);
    advance(Duration::from_secs(50)).await;
    let error = Read::Detail.call(&client).await.expect_err("there is no good token");
    assert_eq!(error.class(), FailureClass::Transient);
    assert!(client.credentials_trouble().is_some());
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_hangs_holds_up_one_caller_while_the_old_token_lives() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect("it is understood");
    fake.tokens([Answer::Never]);
    advance(Duration::from_secs(1100)).await;
    let begun = Instant::now();
    let calls = (0..5).map(|_| async {
        Read::Detail.call(&client).await.expect("the old token is still good");
        begun.elapsed()
    });
    let mut took = futures::future::join_all(calls).await;
    took.sort_unstable();
    assert!(took[3] < Duration::from_secs(1), "they waited for the one that asks: {took:?}");
    // It dies while the next one is asked for: it is not handed out then.
    advance(Duration::from_secs(50)).await;
    let error = Read::Detail.call(&client).await.expect_err("there is no good token");
    assert_eq!(error.class(), FailureClass::Transient);
}

#[tokio::test(start_paused = true)]
async fn a_token_without_a_life_lasts_a_minute_and_one_in_quotes_as_long_as_it_says() {
    for (name, life) in [("odd-token-bare.json", 60), ("odd-token-quoted.json", 1200)] {
        let (client, fake) = bench([Answer::ok("reply-detail.json")]);
        fake.tokens([Answer::ok(name)]);
        Read::Detail.call(&client).await.expect("it is understood");
        advance(Duration::from_secs(life / 2)).await;
        Read::Detail.call(&client).await.expect("it is understood");
        assert_eq!(fake.tokens_seen().len(), 1, "{name}");
        advance(Duration::from_secs(life / 2)).await;
        Read::Detail.call(&client).await.expect("it is understood");
        assert_eq!(fake.tokens_seen().len(), 2, "{name}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_token_of_an_absurd_life_is_a_token() {
    for life in ["9223372036854775807", "1e15", "99999999999999999999", "-5", "0", "\"soon\"", "null", "[]"] {
        let (client, fake) = bench([Answer::ok("reply-detail.json")]);
        fake.tokens([Answer::new(200, format!("{{\"access_token\":\"t0ken\",\"expires_in\":{life}}}"))]);
        Read::Detail.call(&client).await.unwrap_or_else(|error| panic!("{life}: {error}"));
        assert_eq!(fake.only().header("authorization"), Some("Bearer t0ken"));
    }
}

/// When the token endpoint is asked, if it answers so and somebody wants a token all the time.
async fn asked(status: u16, span: u64) -> Vec<u64> {
    let (client, fake) = bench([]);
    fake.tokens([Answer::empty(status)]);
    let begun = Instant::now();
    let mut at = Vec::new();
    while begun.elapsed() < Duration::from_secs(span) {
        let before = fake.tokens_seen().len();
        client.log_in().await.expect_err("they are refused");
        if fake.tokens_seen().len() > before {
            at.push(begun.elapsed().as_secs());
        }
        sleep(Duration::from_millis(500)).await;
    }
    at
}

#[tokio::test(start_paused = true)]
async fn credentials_that_are_refused_are_tried_again_at_longer_and_longer_intervals() {
    assert_eq!(asked(401, 370).await, [0, 1, 3, 7, 15, 31, 63, 127, 247, 367]);
}

#[tokio::test(start_paused = true)]
async fn a_token_server_that_fails_is_asked_four_times_a_minute_so_that_its_return_is_noticed() {
    assert_eq!(asked(500, 62).await, [0, 1, 3, 7, 15, 30, 45, 60]);
}

#[tokio::test(start_paused = true)]
async fn a_mended_secret_is_used_at_once() {
    let fake = Fake::new([Answer::ok("reply-detail.json")]);
    fake.tokens([Answer::empty(401), Answer::ok("reply-token.json")]);
    let secret = Secret::new("wrong");
    let client = Client::new(options(), Arc::new(fake.clone()), Arc::new(secret.clone()), Arc::new(()));
    Read::Detail.call(&client).await.expect_err("the secret is wrong");
    secret.set(Ok(SECRET));
    Read::Detail.call(&client).await.expect("the secret is right now");
    assert_eq!(client.credentials_trouble(), None);
    assert_eq!(fake.tokens_seen().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn a_caller_that_goes_away_leaves_no_lock_behind() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    fake.tokens([Answer::Never, Answer::ok("reply-token.json")]);
    let gone = tokio::time::timeout(Duration::from_secs(1), Read::Detail.call(&client)).await;
    assert!(gone.is_err());
    Read::Detail.call(&client).await.expect("the next caller asks for a token of its own");
}

#[tokio::test(start_paused = true)]
async fn two_accounts_are_told_apart_without_naming_them() {
    let fake = Fake::new([]);
    let one = client(&fake).account();
    let other_url =
        ClientOptions { token_url: "https://other.example/token".parse().expect("it is one"), ..options() };
    let two =
        Client::new(other_url, Arc::new(fake.clone()), Arc::new(Secret::new(SECRET)), Arc::new(())).account();
    assert_eq!(one, client(&fake).account());
    assert_ne!(one, two);
    assert!(!one.as_str().contains(CLIENT_ID), "{one}");
}

#[derive(Default)]
struct Counted(Mutex<Vec<String>>);

impl Observer for Counted {
    fn request(
        &self,
        operation: &'static str,
        status: Option<u16>,
        class: Option<FailureClass>,
        _: Duration,
    ) {
        self.note(format!("{operation} {status:?} {:?}", class.map(FailureClass::as_str)));
    }
    fn token(&self, ok: bool) {
        self.note(format!("token {ok}"));
    }
    fn throttled(&self) {
        self.note("throttled".to_owned());
    }
}

impl Counted {
    fn note(&self, line: String) {
        self.0.lock().expect("no test panics while it holds the lines").push(line);
    }
}

#[tokio::test(start_paused = true)]
async fn whoever_counts_is_told_of_every_call() {
    let fake = Fake::new([
        Answer::ok("reply-detail.json"),
        Answer::empty(429).with("Retry-After", "1"),
        Answer::accepted("reply-action.json"),
        Answer::Fails(TransportErrorKind::Unknown),
    ]);
    let counted = Arc::new(Counted::default());
    let observer: Arc<dyn Observer> = counted.clone();
    let client = Client::new(options(), Arc::new(fake), Arc::new(Secret::new(SECRET)), observer);
    Read::Detail.call(&client).await.expect("it is understood");
    Read::Actions.call(&client).await.expect_err("it is refused");
    Change::Stop.call(&client).await.map(drop).expect("it is accepted");
    Change::Create.call(&client).await.expect_err("it breaks");
    let expected = [
        "token true",
        "getInstance Some(200) None",
        "throttled",
        "listActions Some(429) Some(\"Throttled\")",
        "stop Some(202) None",
        "createInstance None Some(\"Ambiguous\")",
    ];
    assert_eq!(*counted.0.lock().expect("no test panics while it holds the lines"), expected);
}
