//! Token and secret never get into what a person reads, whatever a server does with our own headers.

use std::collections::BTreeSet;
use std::error::Error as _;
use std::sync::Arc;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use itcare_operator::api::{ApiError, Client};

use crate::calls::{Change, Read};
use crate::fake::{Answer, CLIENT_ID, Fake, SECRET, Secret, bench, options};
use crate::fixture;

/// So much of a secret is too much.
const TELLING: usize = 12;

/// Everything that an error can show.
fn shown(error: &ApiError) -> String {
    let mut text = format!("{error}\n{error:?}\n{}", error.failure().message);
    let mut cause = error.source();
    while let Some(error) = cause {
        text.push_str(&format!("\n{error}\n{error:?}"));
        cause = error.source();
    }
    text
}

/// A piece of the secret that the text holds.
fn leak(text: &str, secret: &str) -> Option<String> {
    let letters: Vec<char> = secret.chars().collect();
    letters
        .windows(TELLING)
        .map(|piece| piece.iter().collect::<String>())
        .find(|piece| text.contains(piece.as_str()))
}

/// A page that shows the request that it is about.
fn page(authorization: &str) -> String {
    format!(
        "<html><body><h1>Bad request</h1><pre>GET /itcare HTTP/1.1\nAuthorization: {authorization}\n</pre></body></html>"
    )
}

/// Replies that repeat a header in one way or another.
fn echoes(authorization: &str) -> Vec<(&'static str, String)> {
    vec![
        ("a page", page(authorization)),
        (
            "a page without line breaks",
            format!("<html><body><p>Authorization: {authorization}</p></body></html>"),
        ),
        ("the header first", format!("{authorization} is not accepted")),
        ("the header alone", authorization.to_owned()),
        ("behind blanks", format!("{}{authorization}", " ".repeat(600))),
        ("an error object", format!("{{\"errorCode\":\"X\",\"errorMessage\":\"{authorization}\"}}")),
        ("an error object's code", format!("{{\"errorCode\":\"{authorization}\"}}")),
        ("a JSON text", format!("\"{authorization}\"")),
        ("an array of texts", format!("[\"{authorization}\"]")),
        ("an unknown field", format!("{{\"{authorization}\":1}}")),
        ("an id", format!("{{\"id\":\"{authorization}\",\"name\":\"{authorization}\",\"status\":7}}")),
        ("a status", format!("{{\"id\":1333,\"status\":{{\"{authorization}\":1}}}}")),
        ("a content", format!("{{\"content\":\"{authorization}\"}}")),
    ]
}

/// A token as long as those of Keycloak.
fn long_token() -> String {
    let claims: String =
        (0..40).map(|claim| format!("{{\"claim{claim}\":\"value of it {claim}\"}}")).collect();
    format!("eyJhbGciOiJSUzI1NiJ9.{}.c2lnbmF0dXJl", STANDARD.encode(claims).replace('=', ""))
}

/// The calls and replies that get a piece of this token into a message.
async fn leaks_of(token: &str) -> BTreeSet<String> {
    let bearer = format!("Bearer {token}");
    let reply = format!("{{\"access_token\":\"{token}\",\"expires_in\":1200}}");
    let mut leaks = BTreeSet::new();
    for (what, body) in echoes(&bearer) {
        for status in [200, 400, 403, 404, 422, 429, 500, 502] {
            let answer = Answer::new(status, body.clone());
            let bench = || {
                let (client, fake) = bench([answer.clone()]);
                fake.tokens([Answer::new(200, reply.clone())]);
                client
            };
            let mut note = |call: String, error: Option<ApiError>| {
                if error.is_some_and(|error| leak(&shown(&error), token).is_some()) {
                    leaks.insert(format!("{call} {status}: {what}"));
                }
            };
            for read in Read::ALL {
                note(format!("{read:?}"), read.call(&bench()).await.err());
            }
            for change in [Change::Create, Change::Stop] {
                note(format!("{change:?}"), change.call(&bench()).await.err());
            }
        }
    }
    leaks
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_the_token_does_not_get_it_into_a_message() {
    let leaks = leaks_of(&fixture::token()).await;
    assert_eq!(leaks, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_server_that_repeats_a_long_token_does_not_get_a_part_of_it_into_a_message() {
    let leaks = leaks_of(&long_token()).await;
    assert_eq!(leaks, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_redirect_that_repeats_the_token_does_not_get_it_into_a_message() {
    let token = fixture::token();
    let location = format!("https://login.example/?token={token}");
    let (client, _) = bench([Answer::empty(302).with("Location", &location)]);
    let error = Read::Detail.call(&client).await.expect_err("it leads elsewhere");
    assert_eq!(leak(&shown(&error), &token), None);
}

#[tokio::test(start_paused = true)]
async fn the_pages_own_words_are_still_shown_around_the_token() {
    let body = page(&format!("Bearer {}", fixture::token()));
    let (client, _) = bench([Answer::new(400, body)]);
    let error = Read::Detail.call(&client).await.expect_err("it is refused");
    assert!(error.to_string().contains("<h1>Bad request</h1>"), "{error}");
}

/// The replies of a token endpoint that get a piece of the credentials into a message.
async fn leaks_of_credentials(secret: &str) -> BTreeSet<String> {
    let encoded = STANDARD.encode(format!("{CLIENT_ID}:{secret}"));
    let mut leaks = BTreeSet::new();
    for echoed in [format!("Basic {encoded}"), secret.to_owned()] {
        let oauth = format!("{{\"error\":\"invalid_client\",\"error_description\":\"{echoed}\"}}");
        let all = echoes(&echoed).into_iter().chain([("an OAuth error", oauth)]);
        for (what, body) in all {
            for status in [200, 400, 401, 403, 404, 429, 500, 503] {
                let fake = Fake::new([]);
                fake.tokens([Answer::new(status, body.clone())]);
                let credentials = Arc::new(Secret::new(secret));
                let client = Client::new(options(), Arc::new(fake.clone()), credentials, Arc::new(()));
                let error = client.log_in().await.err();
                let trouble = client.credentials_trouble().unwrap_or_default();
                let text = format!("{}\n{trouble}", error.as_ref().map(shown).unwrap_or_default());
                if leak(&text, secret).or_else(|| leak(&text, &encoded)).is_some() {
                    leaks.insert(format!("{status}: {what}"));
                }
            }
        }
    }
    leaks
}

#[tokio::test(start_paused = true)]
async fn a_token_endpoint_that_repeats_the_credentials_does_not_get_them_into_a_message() {
    let leaks = leaks_of_credentials(SECRET).await;
    assert_eq!(leaks, BTreeSet::new());
}

#[tokio::test(start_paused = true)]
async fn a_token_that_nobody_understands_is_not_shown() {
    let token = fixture::token();
    for body in [
        format!("{{\"accessToken\":\"{token}\"}}"),
        format!("{{\"access_token\":[\"{token}\"]}}"),
        format!("\"{token}\""),
        format!("[\"{token}\"]"),
        format!("access_token={token}&expires_in=1200"),
    ] {
        let (client, fake) = bench([]);
        fake.tokens([Answer::new(200, body)]);
        let error = client.log_in().await.expect_err("there is no token");
        assert_eq!(leak(&shown(&error), &token), None);
    }
}

#[tokio::test(start_paused = true)]
async fn token_and_credentials_are_marked_as_sensitive_on_the_wire() {
    let (client, fake) = bench([Answer::ok("reply-detail.json")]);
    Read::Detail.call(&client).await.expect("it is understood");
    for seen in fake.seen().into_iter().chain(fake.tokens_seen()) {
        let header = seen.headers.get("authorization").expect("it is sent");
        assert!(header.is_sensitive());
        assert!(!format!("{:?}", seen.headers).contains("eyJ"));
        assert!(!seen.address.contains("eyJ") && !seen.address.contains(SECRET));
    }
}
